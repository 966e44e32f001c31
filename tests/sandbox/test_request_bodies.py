"""What requests carry, as Chromium tells it: recorded where it is asked for, whole, capped, and the same every time."""

import pytest

from milepost.sandbox.events import MAX_BODY_CHARS, Request

pytestmark = pytest.mark.browser

PAGE = """<title>T</title><script>const post = (body) => fetch("/add", {method: "POST", body})</script>
<button onclick="post(JSON.stringify({name: 'Zoë', n: 1}))">Json</button>
<button onclick="post(new URLSearchParams({a: 'b c', d: '&'}))">Pairs</button>
<button onclick="post('x'.repeat(200000))">Long</button>
<button onclick="post(new Blob(['in a blob']))">Blob</button>
<button onclick="const d = new FormData(); d.append('note', 'hello'); post(d)">Parts</button>
<button onclick="navigator.sendBeacon('/add', 'beacon')">Beacon</button>
<button onclick="fetch('/missing')">Get</button>
<form action=/add method=post><input name=q aria-label=Query><button>Send</button></form>
<form action=/add method=post enctype=multipart/form-data><input name=note aria-label=Note>
<input type=file name=file aria-label=File><button>Attach</button></form>"""


def bodies(it):
    return [e.body for e in it.of(Request)]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("Json", '{"name":"Zoë","n":1}'),
        ("Pairs", "a=b+c&d=%26"),
        ("Long", "x" * MAX_BODY_CHARS),
        ("Beacon", "beacon"),
        ("Get", None),
    ],
)
def test_bodies_of_scripts(computer, name, body):
    it = computer(PAGE, request_bodies=True)
    it.act("click", name)
    assert bodies(it) == [body]


def test_a_blob_is_not_told(computer):
    it = computer(PAGE, request_bodies=True)
    it.act("click", "Blob")
    assert bodies(it) == [None]


def test_bodies_of_forms(computer):
    it = computer(PAGE, request_bodies=True)
    it.act("fill", "Query", "a b&c")
    it.act("click", "Send")
    assert bodies(it)[0] == "q=a+b%26c"


def test_parts_of_a_form(computer):
    told = []
    for _ in range(2):
        it = computer(PAGE, request_bodies=True)
        it.act("click", "Parts")
        told.append(bodies(it)[0])
        it.act("fill", "Note", "hello")
        it.act("upload", "File", [("a.csv", b"secret,1")])
        it.act("click", "Attach")
        told.append(bodies(it)[0])
    assert told[:2] == told[2:]  # no random boundary
    assert told[0].split("\r\n") == [
        "------WebKitFormBoundary",
        'Content-Disposition: form-data; name="note"',
        "",
        "hello",
        "------WebKitFormBoundary--",
        "",
    ]
    assert told[1] is None  # nothing at all is told of a form with files that the page itself posts


def test_nothing_is_told_of_a_script_s_body_with_files_in_it(computer):
    html = """<input type=file aria-label=File><button onclick="const d = new FormData(); d.append('note', 'hello');
      d.append('f', document.querySelector('input').files[0]); fetch('/add', {method: 'POST', body: d})">Go</button>"""
    it = computer(html, request_bodies=True)
    it.act("upload", "File", [("a.csv", b"secret,1")])
    it.act("click", "Go")
    assert bodies(it) == [None]


def test_nothing_is_recorded_unless_asked_for(computer):
    it = computer(PAGE)
    it.act("click", "Json")
    assert bodies(it) == [None]


def test_a_further_tab_records_them_too(computer):
    it = computer("<a href=/two target=_blank>Two</a>", {"/two": PAGE}, request_bodies=True)
    it.act("click", "Two")
    it.act("click", "Json")
    assert bodies(it) == ['{"name":"Zoë","n":1}']
