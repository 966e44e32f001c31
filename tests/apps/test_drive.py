"""The file manager over HTTP: what can be done to files, what is refused, and what the state says of it."""

import hashlib
import io
import re
import zipfile

import pytest

from milepost.envs.apps.drive.app import MAX_UPLOAD_BYTES
from milepost.envs.apps.drive.content import ROWS_PER_PAGE
from milepost.errors import TaskError

from .site import Site, heading

WANTED = {
    "place": "Clients 2024",
    "file": "north-budget.txt",
    "decoy_file": "north-costs.txt",
    "largest_file": "south-plan.csv",
    "newest_file": "west-draft.md",
}
NOTHING = {"renamed", "moved", "binned", "restored", "destroyed", "starred", "uploaded", "created", "downloads"}


@pytest.fixture
def site():
    return Site("drive", WANTED, seed=5)


def address_of(site, name):
    (number,) = site.db.execute("SELECT number FROM file WHERE name = ?", (name,)).fetchone()
    return f"/files/{number}"


def number_of(site, name):
    return address_of(site, name).rpartition("/")[2]


def names(page):
    return re.findall(r'<a href="/files/\d+">(.*?)</a>', page.text)


def alerts(page):
    return re.findall(r'role="alert">(.*?)</p>', page.text)


def notices(page):
    return re.findall(r'role="status">(.*?)</p>', page.text)


def changed(site):
    return {key for key in NOTHING if site.state[key]}


def test_what_the_task_wants_lies_where_it_wants_it():
    for seed in range(20):
        site = Site("drive", WANTED, seed)
        first = names(site.get("/folders/Clients-2024"))
        assert first[0] == "west-draft.md"
        assert {"north-budget.txt", "north-costs.txt", "south-plan.csv"} <= set(first[1:])
        assert names(site.get("/folders/Clients-2024?sort=Size&way=down"))[0] == "south-plan.csv"
        place = site.state["place"]
        assert (place["largest"]["name"], place["newest"]) == ("south-plan.csv", "west-draft.md")
        late = Site("drive", {**WANTED, "on_page": "2"}, seed)
        assert "north-budget.txt" in names(late.get("/folders/Clients-2024?page=2"))
        assert "north-costs.txt" in names(late.get("/folders/Clients-2024"))


def test_every_name_is_there_once(site):
    rows = [name for (name,) in site.db.execute("SELECT name FROM file")]
    assert len(rows) == len(set(rows)) > 250


def test_at_first_nothing_is_changed(site):
    assert changed(site) == set()


def test_renaming(site):
    after = site.client.post(address_of(site, "north-budget.txt") + "/rename", data={"name": " budget 2025.txt "})
    assert (heading(after), notices(after)) == ("budget 2025.txt", ["Renamed to budget 2025.txt"])
    renamed = [{"from": "north-budget.txt", "to": "budget 2025.txt", "folder": "Clients 2024"}]
    assert site.state["renamed"] == renamed
    assert changed(site) == {"renamed"}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "Name is missing"),
        ("x" * 61, "Name is too long"),
        ("a/b.txt", "Name may hold letters, digits, blanks, dots and hyphens"),
        (".hidden", "Name may hold letters, digits, blanks, dots and hyphens"),
        ("north-costs.txt", "north-costs.txt is here already"),
    ],
)
def test_a_wrong_name_is_explained_and_kept(site, name, problem):
    response = site.client.post(address_of(site, "north-budget.txt") + "/rename", data={"name": name})
    assert (response.status_code, alerts(response)) == (422, [problem])
    assert f'value="{name}"' in response.text
    assert changed(site) == set()


def test_moving_several_at_once(site):
    items = [number_of(site, "north-budget.txt"), number_of(site, "north-costs.txt")]
    dialog = site.client.get("/folders/Clients-2024", params={"item": items, "act": "move"})
    assert "north-budget.txt<input" in dialog.text
    after = site.client.post("/items/move", data={"item": items, "folder": "Legal"})
    assert notices(after) == ["2 files moved to Legal"]
    assert [(m["name"], m["from"], m["to"]) for m in site.state["moved"]] == [
        ("north-budget.txt", "Clients 2024", "Legal"),
        ("north-costs.txt", "Clients 2024", "Legal"),
    ]


def test_a_dialog_about_nothing_is_not_opened(site):
    page = site.get("/folders/Clients-2024?act=delete")
    assert "<dialog" not in page.text
    assert "Select a file first" in page.text


def test_the_bin_gives_back_and_forgets(site):
    number = number_of(site, "north-budget.txt")
    site.client.post("/items/delete", data={"item": number})
    assert site.state["binned"] == ["north-budget.txt"]
    assert site.get(f"/files/{number}").status_code == 404
    site.client.post("/items/restore", data={"item": number})
    assert changed(site) == set()
    site.client.post("/items/delete", data={"item": number})
    site.client.post("/bin/empty")
    assert (site.state["binned"], site.state["destroyed"]) == ([], ["north-budget.txt"])
    assert "The bin is empty." in site.get("/bin").text


def test_what_lies_in_the_bin_at_first_can_be_restored():
    site = Site("drive", {"place": "Board", "binned_file": "city-plan.md"}, 1)
    assert changed(site) == set()
    number = number_of(site, "city-plan.md")
    site.client.post("/items/restore", data={"item": number})
    assert site.state["restored"] == ["city-plan.md"]
    assert names(site.get("/folders/Board"))[0] == "city-plan.md"


def test_folders_are_made_once(site):
    site.client.post("/folders/Clients/new", data={"name": "Notes 12"})
    again = site.client.post("/folders/Board/new", data={"name": "notes 12"})
    assert (again.status_code, alerts(again)) == (422, ["notes 12 is here already"])
    assert site.state["created"] == [{"name": "Notes 12", "parent": "Clients"}]
    assert "Upload a file to begin" in site.get("/folders/Notes-12").text


def test_uploading(site):
    content = b"\x00\xff binary"
    file = {"file": ("../../plan 7.bin", content)}
    assert notices(site.client.post("/folders/Legal/upload", files=file)) == ["plan 7.bin uploaded"]
    digest = hashlib.sha256(content).hexdigest()
    uploaded = {"name": "plan 7.bin", "folder": "Legal", "size_bytes": len(content), "sha256": digest}
    assert site.state["uploaded"] == [uploaded]
    assert site.get(address_of(site, "plan 7.bin")).status_code == 200
    assert site.get(address_of(site, "plan 7.bin") + "/download").content == content


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "No file was chosen"),
        ({"file": ("", b"")}, "No file was chosen"),
        ({"file": ("big.bin", b"x" * (MAX_UPLOAD_BYTES + 1))}, "big.bin is larger than 1 MB"),
        ({"file": ("a<b>.txt", b"x")}, "Name may hold letters, digits, blanks, dots and hyphens"),
    ],
)
def test_what_cannot_be_uploaded_is_explained(site, files, problem):
    response = site.client.post("/folders/Legal/upload", files=files)
    assert (response.status_code, alerts(response)) == (422, [problem])
    assert site.state["uploaded"] == []


def test_an_archive_holds_the_folder_and_is_the_same_every_time(site):
    one = site.get("/folders/Clients-2024/archive")
    assert one.headers["content-disposition"] == 'attachment; filename="Clients-2024.zip"'
    assert one.content == site.get("/folders/Clients-2024/archive").content
    with zipfile.ZipFile(io.BytesIO(one.content)) as archive:
        assert "north-budget.txt" in archive.namelist()
        assert len(archive.namelist()) == 11
        assert archive.read("north-budget.txt") == site.get(address_of(site, "north-budget.txt") + "/download").content
    names_and_hashes = [(d["name"], d["sha256"]) for d in site.state["downloads"]]
    assert names_and_hashes[0] == ("Clients-2024.zip", hashlib.sha256(one.content).hexdigest())


def test_search_takes_every_word(site):
    assert names(site.get("/search?q=NORTH+budget+txt")) == ["north-budget.txt"]
    assert "No files found" in site.get("/search?q=%25").text
    assert site.state["searches"] == ["NORTH budget txt", "%"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"place": "Cellar"}, "no folder 'Cellar'"),
        ({"file": "north-budget.txt"}, "'place'"),
        (
            {
                "place": "Board",
                **{
                    k: f"north-{t}.txt"
                    for k, t in zip(
                        ("file", "second_file", "third_file", "decoy_file"),
                        ("agenda", "budget", "costs", "plan"),
                        strict=True,
                    )
                },
                "largest_file": "a-b.txt",
                "newest_file": "b-c.txt",
                "on_page": "2",
            },
            "name fewer",
        ),
    ],
)
def test_a_task_that_asks_for_too_much_is_told(parameters, message):
    with pytest.raises(TaskError, match=message):
        Site("drive", parameters)


def test_a_page_shows_eight(site):
    assert len(names(site.get("/folders/Clients-2024"))) == ROWS_PER_PAGE
