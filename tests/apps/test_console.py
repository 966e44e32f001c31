"""The console over HTTP: settings, members, access keys and devices."""

import re

import pytest

from milepost.envs.apps.console.preferences import SECTIONS
from milepost.errors import TaskError

from .site import Site, heading

WANTED = {"member": "Ada Baker", "member_role": "Editor", "key": "Build 42", "key_used": "3 May 2025",
          "device": "Laptop in Dunmere 42"}  # fmt: skip
QUIET = ("settings", "members", "removed", "invitations", "keys", "revoked", "signed_out")


@pytest.fixture
def site():
    return Site("console", WANTED, 3)


def alerts(page):
    return re.findall(r'role="alert">(.*?)</p>', page.text)


def member(site):
    return site.db.execute("SELECT number FROM member WHERE name = 'Ada Baker'").fetchone()[0]


def key(site):
    return site.db.execute("SELECT number FROM access_key WHERE name = 'Build 42'").fetchone()[0]


def test_at_first_nothing_is_changed(site):
    assert not any(site.state[name] for name in QUIET)
    assert site.state["wanted"] == {"used": "3 May 2025"}


def test_what_the_task_wants_is_where_it_can_be_found():
    for seed in range(20):
        site = Site("console", WANTED, seed)
        assert "Ada Baker" in site.get("/members?q=ada+baker").text
        assert "Build 42" in site.get("/keys").text
        assert "Laptop in Dunmere 42" not in site.get("/devices").text
        assert "Laptop in Dunmere 42" in site.get("/devices?q=dunmere+42").text


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_shows_its_settings_and_saves_them(site, section):
    page = site.get(f"/settings/{section}")
    assert heading(page) == f"{section} settings"
    for setting in SECTIONS[section].values():
        assert f">{setting.label}</label>" in page.text
    values = dict(site.db.execute("SELECT key, value FROM setting").fetchall())
    mine = {name: values[name] for name in SECTIONS[section]}
    assert "Nothing to save" in site.client.post(f"/settings/{section}", data=mine).text
    assert site.state["saves"] == 0


def test_the_guard_comes_after_the_menu_wherever_that_is():
    """Its script looks for the menu, so the menu must be there already."""
    for seed in range(12):
        page = Site("console", {}, seed).get("/settings/General").text
        assert page.index('class="menu"') < page.index("<script>")


def test_saving_tells_what_is_new(site):
    form = {"timeout": "47", "length": "8", "two_step": "yes"}
    assert "Changes saved" in site.client.post("/settings/Security", data=form).text
    assert site.state["settings"] == {"timeout": "47", "two_step": "yes"}
    assert site.state["saves"] == 1


@pytest.mark.parametrize(
    ("section", "form", "problem"),
    [
        (
            "Security",
            {"timeout": "4", "length": "8"},
            "Session timeout in minutes must be a whole number from 5 to 600",
        ),
        ("Security", {"timeout": "30", "length": "many"}, "Shortest password must be a whole number from 6 to 64"),
        ("General", {"workspace": "", "language": "English", "week": "Monday"}, "Workspace name is missing"),
        ("Appearance", {"theme": "Neon", "density": "Wide"}, "Choose one of these"),
    ],
)
def test_a_wrong_setting_is_explained(site, section, form, problem):
    response = site.client.post(f"/settings/{section}", data=form)
    assert (response.status_code, alerts(response)) == (422, [problem])
    assert site.state["settings"] == {}


def test_a_members_role(site):
    address = f"/members/{member(site)}"
    assert "<option selected>Editor</option>" in site.get(address).text
    assert alerts(site.client.post(address, data={"role": "King"})) == ["Choose a role"]
    site.client.post(address, data={"role": "Owner", "active": "yes"})
    assert site.state["members"] == [{"name": "Ada Baker", "role": "Owner", "active": True}]


def test_removing_asks_for_the_name(site):
    address = f"/members/{member(site)}"
    wrong = site.client.post(f"{address}/remove", data={"confirm": "Ada"})
    assert (wrong.status_code, alerts(wrong)) == (422, ["This is not the member&#39;s name"])
    assert "Ada Baker removed" in site.client.post(f"{address}/remove", data={"confirm": "Ada Baker"}).text
    assert site.state["removed"] == ["Ada Baker"]
    assert site.get(address).status_code == 404


def test_inviting(site):
    wrong = site.client.post("/members/invite", data={"email": "bruno", "role": ""})
    assert alerts(wrong) == ["E-mail is not an address", "Choose a role"]
    form = {"email": "Bruno@x.example", "role": "Viewer", "teams": ["Legal", "Design", "Moon"], "message": "Welcome"}
    assert "Invitation sent to bruno@x.example" in site.client.post("/members/invite", data=form).text
    assert site.state["invitations"] == [
        {"email": "bruno@x.example", "role": "Viewer", "teams": ["Design", "Legal"], "message": "Welcome"}
    ]


def test_a_new_keys_secret_is_shown_once(site):
    form = {"name": "Robot 7", "term": "30 days", "scopes": ["Send mail", "Read files"]}
    page = site.client.post("/keys/new", data=form)
    (made,) = site.state["keys"]
    assert (made["name"], made["term"], made["scopes"]) == ("Robot 7", "30 days", ["Read files", "Send mail"])
    assert made["secret"] in page.text
    assert made["secret"] not in site.get(page.url.path).text
    assert made["secret"] != Site("console", WANTED, 4).db.execute("SELECT next_secret FROM counter").fetchone()[0]
    again = site.client.post("/keys/new", data={"name": "Robot 7", "term": "For ever"})
    assert alerts(again) == ["There is a key of this name", "Choose how long it is valid", "Choose what it may do"]


def test_revoking_asks_for_the_name(site):
    address = f"/keys/{key(site)}"
    assert alerts(site.client.post(f"{address}/revoke", data={"confirm": "Build"})) == [
        "This is not the key&#39;s name"
    ]
    assert "Build 42 revoked" in site.client.post(f"{address}/revoke", data={"confirm": "Build 42"}).text
    assert site.state["revoked"] == ["Build 42"]
    assert "Build 42" not in site.get("/keys").text.replace("Build 42 revoked", "")


def test_signing_a_device_out(site):
    (number,) = re.findall(r'name="device" value="(\d+)"', site.get("/devices?q=laptop+dunmere+42").text)
    assert "is signed out" in site.client.post("/devices/sign-out", data={"device": number}).text
    assert site.state["signed_out"] == ["Laptop in Dunmere 42"]
    assert site.client.post("/devices/sign-out", data={"device": number}).status_code == 404


def test_a_role_that_there_is_not_is_told():
    with pytest.raises(TaskError, match=r"'King'.*Viewer"):
        Site("console", {"member": "Ada Baker", "member_role": "King"})
