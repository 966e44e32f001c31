"""Pages that are never done: they load themselves for ever, or leave their document open. A step ends all the same."""

import time

import pytest

from milepost.sandbox.errors import ActionError
from milepost.sandbox.navigation_guard import MOST_LOADS

pytestmark = pytest.mark.browser

CALM = "<button>Calm</button>"
ENDLESS = {
    "a form that submits itself": "<form></form><script>setTimeout(() => document.forms[0].submit(), 5)</script>",
    "a form that is submitted while it loads": "<form></form><script>document.forms[0].submit()</script>",
    "a reload": "<script>setTimeout(() => location.reload(), 5)</script>",
    "a refresh": "<meta http-equiv=refresh content=0>",
    "another address each time": "<script>setTimeout(() => { location.search += 'x' }, 5)</script>",
}


def visits(it):
    """How often the page has counted itself, in storage that outlives its documents."""
    return int(it.script("sessionStorage.visits"))


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS)
def test_a_page_that_loads_itself_without_end_is_held_after_so_many_loads(computer, body):
    count = "<script>sessionStorage.visits = 1 + Number(sessionStorage.visits || 0)</script>"
    it = computer(CALM, {"/endless": count + "<h1>Endless</h1>" + body})
    began = time.monotonic()
    with pytest.raises(ActionError, match="the page has loaded one address after another"):
        it.act("goto", "/endless")
    assert time.monotonic() - began < 30
    assert [(e.role, e.name) for e in it.look().elements] == [("heading", "Endless")]
    assert visits(it) == MOST_LOADS
    it.act("goto", "/")  # the next step begins to count anew
    assert [e.name for e in it.look().elements] == ["Calm"]


def test_an_episode_may_begin_on_a_page_that_loads_itself_without_end(computer):
    it = computer("<h1>Endless</h1>" + ENDLESS["a form that submits itself"])
    assert [e.name for e in it.look().elements] == ["Endless"]


def test_what_is_waited_for_is_not_waited_for_twice(computer):
    it = computer("<h1>Frames</h1><script>requestAnimationFrame(function f() { requestAnimationFrame(f) })</script>")
    before = it.script("performance.now()")
    it.act("wait", 10_000)
    assert 10_000 <= it.script("performance.now()") - before < 10_500


OPEN = {
    "an address of script": "location = 'javascript:document.write(\"<button>Open</button>\")'",
    "written to at once": "document.open(); document.write('<button>Open</button>')",
    "written to later": "setTimeout(() => document.write('<button>Open</button>'), 10)",
}


@pytest.mark.parametrize("script", OPEN.values(), ids=OPEN)
def test_a_document_that_its_script_leaves_open_is_loaded(computer, script):
    began = time.monotonic()
    it = computer(f"<h1>Top</h1><script>{script}</script>")
    assert time.monotonic() - began < 10
    assert "Open" in [e.name for e in it.look().elements]
    it.act("click", "Open")
    it.close()
    after = computer(CALM)  # the page is used again
    assert [e.name for e in after.look().elements] == ["Calm"]


def test_a_document_left_open_within_a_step(computer):
    it = computer("<button onclick=\"document.open(); document.write('<p>All new</p>')\">Go</button>")
    it.act("click", "Go")
    assert [e.name for e in it.look().elements] == ["All new"]
    it.settle(1_000)
    it.act("goto", "/")
    assert [e.name for e in it.look().elements] == ["Go"]


def test_a_page_that_waits_for_a_slow_script_is_not_taken_for_one_left_open(computer):
    it = computer("<script src='/slow?s=2'></script><button>Late</button>")
    assert [e.name for e in it.look().elements] == ["Late"]


def test_a_page_that_waits_for_a_slow_frame_is_not_taken_for_one_left_open(computer):
    it = computer("<h1>Top</h1><iframe src='/slow?s=2'></iframe>")
    assert "late" in [e.name for e in it.look().elements]
