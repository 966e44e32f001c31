import hashlib
import re

import pytest

from milepost.envs.apps.mail.app import MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS
from milepost.envs.apps.mail.content import INBOX_MESSAGES

from .site import Site, heading

GOOD = {"to": "ada@harbor.example", "subject": "Lunch on Friday", "body": "See you there."}
EMPTY_HANDED: dict[str, list[str]] = {"attachments": []}


@pytest.fixture
def site():
    return Site("mail", {}, seed=3)


def compose(site):
    """Open a draft and return its address."""
    return site.get("/compose").url.path


def send(site, draft, **changes):
    return site.client.post(draft, data={**GOOD, **changes})


def attach(site, draft, name="bill.txt", content=b"Total: 7\n"):
    return site.client.post(f"{draft}/attachments", files={"file": (name, content)})


def alerts(response):
    return re.findall(r'role="alert">(.*?)</p>', response.text)


def notices(response):
    return re.findall(r'role="status">(.*?)</p>', response.text)


def current(response):
    return re.findall(r'aria-current="page">(.*?)</a>', response.text)


# ---------------------------------------------------------------- reading


def test_the_inbox_shows_the_newest_message_first(site):
    inbox = site.get("/")
    assert (heading(inbox), current(inbox)) == ("Inbox", ["Inbox"])
    shown = re.findall(r'<span class="what">(.*?)</span>', inbox.text)
    assert len(set(shown)) == INBOX_MESSAGES
    assert shown == [message["subject"] for message in reversed(site.state["inbox"])]
    assert inbox.text.count('class="unread"') == sum(message["unread"] for message in site.state["inbox"]) > 0


def test_opening_a_message_reads_it(site):
    number, message = next((i, m) for i, m in enumerate(site.state["inbox"], start=1) if m["unread"])
    page = site.get(f"/messages/{number}")
    assert heading(page) == message["subject"]
    assert message["from"] in page.text
    assert site.state["inbox"][number - 1] == {**message, "unread": False}


def test_a_reply_knows_whom_it_answers(site):
    first = site.state["inbox"][0]
    draft = site.get("/compose?reply=1")
    assert f'name="to" type="text" value="{first["from"]}"' in draft.text
    assert f'name="subject" type="text" value="Re: {first["subject"]}"' in draft.text


def test_deleting_says_so_once_and_can_be_repeated_without_harm(site):
    subject = site.state["inbox"][1]["subject"]
    after = site.client.post("/messages/2/delete")
    assert (heading(after), notices(after)) == ("Inbox", ["Message deleted"])
    assert notices(site.get("/")) == []
    assert notices(site.client.post("/messages/2/delete")) == []
    assert site.state["trash"] == [subject]
    assert len(site.state["inbox"]) == INBOX_MESSAGES - 1
    assert site.get("/messages/2").status_code == 404


def test_looking_at_a_message_does_not_delete_it(site):
    assert site.client.get("/messages/2/delete").status_code == 405
    assert site.state["trash"] == []


def test_empty_folders_say_so(site):
    assert "You have not sent anything" in site.get("/sent").text
    for number in range(1, INBOX_MESSAGES + 1):
        site.client.post(f"/messages/{number}/delete")
    assert "Nothing here" in site.get("/").text


# ---------------------------------------------------------------- writing


def test_the_form_has_the_fields_that_a_letter_needs(site):
    page = site.get("/compose")
    assert (heading(page), current(page)) == ("New message", ["Compose"])
    assert re.findall(r"<label[^>]*>(.*?)</label>", page.text) == ["To", "Subject", "Body", "Attachment"]
    assert '<button type="submit">Send</button>' in page.text


def test_sending_is_confirmed_once_and_lands_in_the_sent_folder(site):
    after = send(site, compose(site))
    assert (heading(after), notices(after)) == ("Inbox", ["Message sent"])
    assert notices(site.get("/")) == []
    assert site.state["sent"] == [{**GOOD, **EMPTY_HANDED}]
    assert site.state["drafts"] == []
    sent = site.get("/sent")
    assert GOOD["subject"] in sent.text
    (address,) = re.findall(r'href="(/messages/[0-9]+)"', sent.text)
    page = site.get(address)
    assert (heading(page), current(page)) == (GOOD["subject"], ["Sent"])
    assert "To ada@harbor.example" in page.text
    assert GOOD["body"] in page.text


def test_sending_twice_sends_once(site):
    draft = compose(site)
    send(site, draft)
    again = send(site, draft, subject="Another subject")
    assert (heading(again), notices(again)) == ("Inbox", [])
    assert site.state["sent"] == [{**GOOD, **EMPTY_HANDED}]
    assert heading(site.get(draft)) == GOOD["subject"], "going back shows what was sent"


def test_another_recipient_is_another_message(site):
    send(site, compose(site), to="adam@harbor.example")
    assert [message["to"] for message in site.state["sent"]] == ["adam@harbor.example"]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Ada@Harbor.Example", "ada@harbor.example"),
        (" ada@harbor.example ; ben@harbor.example", "ada@harbor.example, ben@harbor.example"),
        ("ada@harbor.example ADA@harbor.example,", "ada@harbor.example"),
    ],
)
def test_recipients_are_kept_in_one_spelling(site, written, kept):
    send(site, compose(site), to=written)
    assert site.state["sent"][0]["to"] == kept


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"to": ""}, ["To is missing"]),
        ({"to": " ,; "}, ["To is missing"]),
        ({"to": "Ada"}, ["ada is not an e-mail address"]),
        ({"to": "ada@harbor"}, ["ada@harbor is not an e-mail address"]),
        ({"to": "ada@harbor.example, ben"}, ["ben is not an e-mail address"]),
        ({"to": "a@b.example " * 20}, ["To is too long"]),
        ({"subject": "  "}, ["Subject is missing"]),
        ({"subject": "x" * 101}, ["Subject is too long"]),
        ({"body": "x" * 2001}, ["Body is too long"]),
        ({"to": "", "subject": ""}, ["To is missing", "Subject is missing"]),
    ],
)
def test_wrong_input_is_kept_explained_and_not_sent(site, changes, messages):
    draft = compose(site)
    response = send(site, draft, **changes)
    assert response.status_code == 422
    assert alerts(response) == messages
    assert site.state["sent"] == []
    kept = {field: value.strip() for field, value in {**GOOD, **changes}.items()}
    assert re.findall(r'type="text" value="(.*?)"', response.text) == [kept["to"], kept["subject"]]
    assert kept["body"] in response.text
    assert send(site, draft).status_code == 200
    assert len(site.state["sent"]) == 1


def test_a_draft_keeps_what_was_refused(site):
    draft = compose(site)
    send(site, draft, subject="")
    assert site.state["drafts"] == [{**GOOD, "subject": "", **EMPTY_HANDED}]
    assert GOOD["body"] in site.get(draft).text


def test_an_untouched_draft_is_taken_up_again(site):
    assert compose(site) == compose(site)
    draft = compose(site)
    attach(site, draft)
    assert compose(site) != draft
    assert len(site.state["drafts"]) == 2


def test_a_body_of_several_lines_survives(site):
    send(site, compose(site), body="One\r\nTwo\r\n")
    assert site.state["sent"][0]["body"] == "One\nTwo"


def test_the_sent_folder_has_the_order_of_sending(site):
    first, second = site.get("/compose?reply=1").url.path, site.get("/compose?reply=2").url.path
    send(site, second, subject="Sent first")
    send(site, first, subject="Sent last")
    assert [message["subject"] for message in site.state["sent"]] == ["Sent first", "Sent last"]
    assert re.findall(r'<span class="what">(.*?)</span>', site.get("/sent").text) == ["Sent last", "Sent first"]


def test_input_is_escaped_and_cannot_reach_the_sql(site):
    evil = """<script>x</script>'); DROP TABLE message;--"""
    draft = compose(site)
    fragment = attach(site, draft, name=evil.replace("/", "|"))
    send(site, draft, subject=evil, body=evil)
    assert site.state["sent"][0]["subject"] == evil
    sent = site.get("/sent").text
    (address,) = re.findall(r'href="(/messages/[0-9]+)"', sent)
    for page in (fragment.text, sent, site.get(address).text):
        assert "<script>x" not in page
        assert "&lt;script&gt;x" in page


# ---------------------------------------------------------------- attaching


def test_a_file_is_listed_and_sent_as_it_is(site):
    draft = compose(site)
    content = b"\x00\xff binary"
    listed = attach(site, draft, "bill.txt", content)
    assert (listed.status_code, notices(listed)) == (200, ["bill.txt attached"])
    assert "<html" not in listed.text
    file = {"name": "bill.txt", "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert site.state["drafts"] == [{"to": "", "subject": "", "body": "", "attachments": [file]}]
    assert "Remove bill.txt" in site.get(draft).text
    send(site, draft)
    assert site.state["sent"] == [{**GOOD, "attachments": [file]}]
    (address,) = re.findall(r'href="(/messages/[0-9]+)"', site.get("/sent").text)
    assert f'bill.txt <span class="size">{len(content)} B</span>' in site.get(address).text


def test_another_file_of_the_same_name_has_another_hash(site):
    draft = compose(site)
    attach(site, draft, content=b"right")
    attach(site, draft, content=b"wrong")
    right, wrong = site.state["drafts"][0]["attachments"]
    assert right["name"] == wrong["name"]
    assert right["sha256"] != wrong["sha256"]


def test_a_refused_message_keeps_its_files(site):
    draft = compose(site)
    attach(site, draft)
    assert "Remove bill.txt" in send(site, draft, to="").text
    send(site, draft)
    assert [file["name"] for file in site.state["sent"][0]["attachments"]] == ["bill.txt"]


def test_a_file_can_be_taken_off_again(site):
    draft = compose(site)
    attach(site, draft, "one.txt")
    attach(site, draft, "two.txt")
    (first, _) = re.findall(r"change\('(.*?)'\)", site.get(draft).text)
    after = site.client.post(first)
    assert notices(after) == ["File removed"]
    assert "one.txt" not in after.text
    assert [file["name"] for file in site.state["drafts"][0]["attachments"]] == ["two.txt"]
    site.client.post(f"{draft}/attachments/99/remove")
    assert len(site.state["drafts"][0]["attachments"]) == 1


def test_one_draft_cannot_touch_anothers_files(site):
    one, other = site.get("/compose?reply=1").url.path, site.get("/compose?reply=2").url.path
    attach(site, one)
    (address,) = re.findall(r"change\('(.*?)'\)", site.get(one).text)
    site.client.post(address.replace(one, other))
    assert [len(draft["attachments"]) for draft in site.state["drafts"]] == [1, 0]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "No file was chosen"),
        ({"file": ("", b"")}, "No file was chosen"),
        ({"other": ("a.txt", b"x")}, "No file was chosen"),
        ({"file": ("big.bin", b"x" * (MAX_ATTACHMENT_BYTES + 1))}, "big.bin is larger than 1 MB"),
    ],
)
def test_what_cannot_be_attached_is_explained(site, files, message):
    draft = compose(site)
    response = site.client.post(f"{draft}/attachments", files=files)
    assert (response.status_code, alerts(response)) == (422, [message])
    assert site.state["drafts"][0]["attachments"] == []


def test_there_is_a_largest_number_of_files(site):
    draft = compose(site)
    for n in range(MAX_ATTACHMENTS):
        assert attach(site, draft, f"{n}.txt").status_code == 200
    assert alerts(attach(site, draft, "more.txt")) == [f"A message takes {MAX_ATTACHMENTS} files"]
    assert len(site.state["drafts"][0]["attachments"]) == MAX_ATTACHMENTS


@pytest.mark.parametrize(
    ("given", "kept"), [("../../etc/passwd", "passwd"), ("C:\\a\\b.txt", "b.txt"), ("x" * 300, "x" * 120)]
)
def test_a_files_name_has_no_folders(site, given, kept):
    draft = compose(site)
    attach(site, draft, given)
    assert site.state["drafts"][0]["attachments"][0]["name"] == kept


def test_a_sent_message_takes_no_more_files(site):
    draft = compose(site)
    send(site, draft)
    assert attach(site, draft).status_code == 404
    assert site.state["sent"][0]["attachments"] == []


def test_the_form_itself_takes_no_file(site):
    draft = compose(site)
    response = site.client.post(draft, data=GOOD, files={"file": ("a.txt", b"x")})
    assert (response.status_code, heading(response)) == (400, "Request refused")
    assert site.state["sent"] == []


def test_pages_may_send_requests_to_their_own_origin_only(site):
    assert "connect-src 'self'" in site.get("/compose").headers["content-security-policy"]
    other = Site("expenses", {}).get("/new").headers["content-security-policy"]
    assert "connect-src" not in other
