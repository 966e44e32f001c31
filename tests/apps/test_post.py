"""The large mailbox over HTTP: sorting, answering, passing on, contacts and rules."""

import re

import pytest

from milepost.envs.apps.post.content import COUNTS
from milepost.errors import TaskError

from .site import Site, heading

PILE = {"pile_sender": "Ben Cook", "pile_first": "Lunch in Ashford 7", "pile_second": "Budget in Ashford 7",
        "pile_third": "Lunch in Dunmere 7"}  # fmt: skip
WANTED = {"letter": "Piano in Ashford 42", "sender": "Ada Baker", "letter_body": "The code is AK-1.", **PILE}
GOOD = {"to": "eva@harbor.example", "copy": "", "subject": "Hello", "body": "Good morning."}


@pytest.fixture
def site():
    return Site("post", WANTED, 3)


def subjects(page):
    return re.findall(r'<a href="/letters/\d+">(.*?)</a>', page.text)


def alerts(page):
    return re.findall(r'role="alert">(.*?)</p>', page.text)


def number_of(site, subject):
    return site.db.execute("SELECT number FROM letter WHERE subject = ?", (subject,)).fetchone()[0]


def test_the_wanted_letter_lies_where_it_is_wanted():
    for seed in range(20):
        for folder in ("Inbox", "Travel", "Archive"):
            for page in ("1", "2"):
                site = Site("post", {**WANTED, "letter_folder": folder, "on_page": page}, seed)
                assert "Piano in Ashford 42" in subjects(site.get(f"/folders/{folder}?page={page}"))


def test_every_subject_is_there_once(site):
    rows = [subject for (subject,) in site.db.execute("SELECT subject FROM letter")]
    assert len(rows) == len(set(rows)) == sum(COUNTS.values())


def test_opening_a_letter_reads_it(site):
    number = number_of(site, "Piano in Ashford 42")
    site.db.execute("UPDATE letter SET unread = 1 WHERE number = ?", (number,))
    page = site.get(f"/letters/{number}")
    assert heading(page) == "Piano in Ashford 42"
    assert "The code is AK-1." in page.text
    assert site.db.execute("SELECT unread FROM letter WHERE number = ?", (number,)).fetchone()[0] == 0
    assert site.state["viewed"] == ["Piano in Ashford 42"]


def test_search_finds_senders_and_subjects(site):
    assert sorted(subjects(site.get("/search?q=ben+cook"))) == sorted(
        PILE[key] for key in ("pile_first", "pile_second", "pile_third")
    )
    assert subjects(site.get("/search?q=piano+ashford+42")) == ["Piano in Ashford 42"]
    assert "No letters found" in site.get("/search?q=%27").text


def test_moving_a_pile_keeps_the_search(site):
    items = [number_of(site, PILE["pile_first"]), number_of(site, PILE["pile_third"])]
    dialog = site.client.get("/search", params={"q": "ben cook", "item": items, "act": "move"})
    assert "<dialog open" in dialog.text
    site.client.post("/letters/move", data={"item": items, "folder": "Travel"})
    assert sorted((m["subject"], m["from"], m["to"]) for m in site.state["moved"]) == [
        ("Lunch in Ashford 7", "Inbox", "Travel"),
        ("Lunch in Dunmere 7", "Inbox", "Travel"),
    ]


@pytest.mark.parametrize(
    "data", [{}, {"item": "1"}, {"item": "1", "folder": "Moon"}, {"item": "x", "folder": "Travel"}]
)
def test_a_move_to_nowhere_is_refused(site, data):
    assert site.client.post("/letters/move", data=data).status_code == 400
    assert site.state["moved"] == []


def test_an_answer_knows_what_it_answers(site):
    number = number_of(site, "Piano in Ashford 42")
    page = site.get(f"/compose?answer={number}")
    assert 'value="ada.baker@harbor.example"' in page.text
    assert 'value="Re: Piano in Ashford 42"' in page.text
    site.client.post("/compose", data={**GOOD, "answer": number, "pass": ""})
    (sent,) = site.state["sent"]
    assert (sent["answers"], sent["passes_on"], sent["to"]) == ("Piano in Ashford 42", None, "eva@harbor.example")


def test_passing_on_takes_the_file_along():
    site = Site("post", {**WANTED, "letter_file": "plan-42.txt"}, 3)
    number = number_of(site, "Piano in Ashford 42")
    assert "plan-42.txt" in site.get(f"/compose?pass={number}").text
    after = site.client.post("/compose", data={**GOOD, "copy": "Ben@Harbor.example", "pass": number})
    assert "Message sent" in after.text
    assert subjects(after) == ["Hello"]
    (sent,) = site.state["sent"]
    assert (sent["file"], sent["passes_on"], sent["copy"]) == (
        "plan-42.txt",
        "Piano in Ashford 42",
        "ben@harbor.example",
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"to": ""}, "To is missing"),
        ({"to": "eva"}, "eva is not an e-mail address"),
        ({"copy": "eva@here"}, "eva@here is not an e-mail address"),
        ({"subject": " "}, "Subject is missing"),
        ({"body": "x" * 2001}, "Body is too long"),
    ],
)
def test_a_wrong_message_is_explained_and_not_sent(site, changes, problem):
    response = site.client.post("/compose", data={**GOOD, **changes})
    assert (response.status_code, alerts(response)) == (422, [problem])
    assert site.state["sent"] == []


def test_rules_move_what_fits_and_nothing_else(site):
    assert alerts(site.client.post("/rules/new", data={})) == ["Say which sender or which words", "Choose a folder"]
    site.client.post("/rules/new", data={"sender": "Ben Cook", "words": "Lunch", "folder": "Projects", "read": "yes"})
    assert site.state["moved"] == []
    assert "2 letters moved" in site.client.post("/rules/run").text
    assert sorted(m["subject"] for m in site.state["moved"]) == ["Lunch in Ashford 7", "Lunch in Dunmere 7"]
    assert not any(m["unread"] for m in site.state["moved"])
    assert site.state["rules"] == [
        {"sender": "Ben Cook", "words": "Lunch", "folder": "Projects", "runs": 1, "mark_read": True}
    ]


def test_contacts(site):
    assert alerts(site.client.post("/contacts/new", data={"name": "", "email": "x"})) == [
        "Name is missing",
        "E-mail is not an address",
    ]
    page = site.client.post("/contacts/new", data={"name": "Bruno", "email": "B@x.example", "company": "Works"})
    assert 'href="/compose?to=b@x.example"' in page.text
    assert site.state["contacts"] == [{"name": "Bruno", "email": "b@x.example", "company": "Works"}]


def test_stars_and_unread_marks(site):
    number = number_of(site, "Piano in Ashford 42")
    site.client.post(f"/letters/{number}/star")
    assert site.state["starred"] == ["Piano in Ashford 42"] == subjects(site.get("/starred"))
    site.client.post(f"/letters/{number}/star")
    assert "Nothing here" in site.get("/starred").text


def test_what_is_written_is_escaped(site):
    evil = "<script>x</script>"
    site.client.post("/compose", data={**GOOD, "subject": evil, "body": evil})
    assert evil not in site.get("/folders/Sent").text


@pytest.mark.parametrize("parameters", [{"letter_folder": "Moon"}, {"pile_first": "Alone"}])
def test_a_task_that_asks_for_what_there_is_not_is_told(parameters):
    with pytest.raises(TaskError, match="'post'"):
        Site("post", parameters)
