"""Tabs: opened by the agent and by pages, switched, closed, cleared; only the active one is given time."""

import pytest

from milepost.sandbox.errors import ActionError
from milepost.sandbox.events import Click, Navigation
from milepost.sandbox.page import MAX_TABS, START_MS

pytestmark = pytest.mark.browser

OPENERS = "<title>One</title><a href=/two target=_blank>Link</a><button onclick='window.open(\"/two\")'>Script</button>"


def tabs(it):
    return [(t.index, t.title, t.active) for t in it.look().tabs]


@pytest.mark.parametrize("opener", ["Link", "Script"])
def test_what_a_page_opens_becomes_the_active_tab(computer, opener):
    it = computer(OPENERS, {"/two": "<title>Two</title><button>In two</button>"})
    it.act("click", opener)
    assert it.look().title == "Two"
    assert tabs(it) == [(1, "One", False), (2, "Two", True)]
    assert [e.url for e in it.of(Navigation)] == [it.instance.origin + "/two"]
    it.act("click", "In two")
    assert [e.name for e in it.of(Click)] == ["In two"]
    it.act("switch_tab", 1)
    assert it.look().title == "One"
    it.act("close_tab", 2)
    assert tabs(it) == [(1, "One", True)]


def test_the_agent_opens_and_closes_tabs(computer):
    it = computer("<title>One</title>", {"/two": "<title>Two</title>"})
    it.act("new_tab", "/two")
    assert tabs(it) == [(1, "One", False), (2, "Two", True)]
    it.act("new_tab")
    assert it.look().url == "about:blank"
    it.act("goto", it.instance.origin + "/two")
    assert it.look().title == "Two"
    it.act("close_tab")
    it.act("close_tab", 1)
    assert tabs(it) == [(1, "Two", True)]
    with pytest.raises(ActionError, match="only tab"):
        it.act("close_tab")
    with pytest.raises(ActionError, match="there is no tab 3; the tabs are 1 to 1"):
        it.act("switch_tab", 3)


def test_a_tab_that_leads_elsewhere_is_not_opened(computer):
    it = computer("<a href=https://example.com/ target=_blank>Out</a>")
    with pytest.raises(ActionError, match="refused"):
        it.act("click", "Out")
    with pytest.raises(ActionError, match="refused"):
        it.act("new_tab", "file:///etc/passwd")
    assert len(it.look().tabs) == 1


def test_the_number_of_tabs_is_bounded(computer):
    it = computer("<button onclick='for (let i = 0; i < 50; i++) open(\"/two\")'>Storm</button>", {"/two": "two"})
    it.act("click", "Storm")
    assert len(it.look().tabs) <= MAX_TABS
    while len(it.look().tabs) < MAX_TABS:
        it.act("new_tab", "/two")
    with pytest.raises(ActionError, match=f"there are {MAX_TABS} tabs already"):
        it.act("new_tab", "/two")


def test_a_tab_goes_on_from_the_episodes_time_and_only_the_active_one_is_given_any(computer):
    it = computer("<script>setInterval(() => document.title = Date.now(), 10)</script>", {"/two": "two"})
    it.settle(500)
    before = it.script("Date.now()")
    it.act("new_tab", "/two")
    assert START_MS < before <= it.script("Date.now()") <= before + 200
    it.settle(1000)
    it.act("switch_tab", 1)
    assert it.script("Date.now()") - before < 200


def test_tabs_share_their_cookies_and_are_gone_with_the_episode(app, computer):
    it = computer("<title>One</title>", {"/two": "two"})
    it.script("document.cookie = 'a=1'")
    it.act("new_tab", "/two")
    assert it.script("document.cookie") == "a=1"
    it.close()
    again = computer("<title>One</title>", {"/two": "two"})
    assert len(again.look().tabs) == 1


def test_a_page_cannot_close_its_tab(computer):
    it = computer("<title>One</title><button onclick='window.close(); self.close.call(window)'>Close</button>")
    it.act("click", "Close")
    assert tabs(it) == [(1, "One", True)]
