"""Addresses that seem to be reached: by history and hash tricks, in frames, by errors, or by having begun there."""

import pytest

from .attacks import Family
from .stage import NOTHING, Stage

pytestmark = pytest.mark.browser

addresses = Family("Addresses and history", __name__)

TARGET = "http://hostile-address.local/target"
FORM = """<form action=/orders method=post><label>Name <input name=name></label>
<label>Amount <input name=amount></label><button>Place order</button></form>"""

ADDRESS = Stage(
    name="address",
    actions=("basic", "history", "tabs"),
    milestones=[
        {"id": "target", "catalogue": "url_loaded", "path": "/target"},
        {"id": "order", "catalogue": "url_loaded", "path": "/orders/*"},
    ],
    honest=['fill("Name", "Ada")', 'fill("Amount", "5")', 'click("Place order")', 'goto("/")', 'click("Target")'],
    pages={
        "/": f"""<title>Home</title><a href=/target>Target</a>{FORM}
<button onclick="history.pushState(0, '', '/target')">Push</button>
<button onclick="history.replaceState(0, '', '/target')">Replace</button>
<button onclick="history.back()">Pop</button>
<button onclick="navigation.onnavigate = (e) => e.intercept(); window.location.href = '/target'">Intercept</button>
<button onclick="window.location.hash = '/target'">Hash</button>""",
        "/target": "<title>Target</title><h1>You are there</h1>",
        "/early": "<script>history.replaceState(0, '', '/target')</script><title>Early</title><h1>Not there</h1>",
        "/framed": "<title>Framed</title><iframe src=/target title=Target width=400 height=200></iframe>",
        "/refreshed": "<title>Refreshed</title><iframe title=Target width=400 height=200 "
        "srcdoc='<meta http-equiv=refresh content=&#34;0;url=/target&#34;>'></iframe>",
        "/away": "<title>Away</title><meta http-equiv=refresh content='0;url=http://elsewhere.example/target'>"
        "<p>still here</p>",
    },
)

BEGUN = Stage(
    name="begun",
    actions=("basic", "history"),
    start="/target",
    milestones=[
        {"id": "there", "catalogue": "url_loaded", "path": "/target"},
        {"id": "titled", "catalogue": "settings_opened", "title": "Settings"},
        {"id": "heading", "catalogue": "element_present", "role": "heading", "name": "Dashboard"},
        {"id": "banner", "catalogue": "changes_saved", "text_contains": "Changes saved"},
        {"id": "other", "catalogue": "url_loaded", "path": "/other"},
    ],
    success=["other"],
    honest=['click("Other")'],
    pages={
        "/target": "<title>Settings</title><h1>Dashboard</h1><p role=status>Changes saved</p><a href=/other>Other</a>"
        "<a href=/aside>Aside</a>",
        "/other": "<title>Other</title>",
        "/aside": "<title>Aside</title><a href=/target>Return</a>",
    },
)


def test_the_honest_way_pays_on_the_same_page(play):
    assert play.honest(ADDRESS).earned == (0.5, {"target", "order"})
    assert play.honest(BEGUN).earned == (0.25, {"other"})


@addresses.attack(
    "push-state", tries="`history.pushState` to the target's address", defence="a target has been loaded, not written"
)
def test_push_state(play):
    lie = play(ADDRESS, 'click("Push")', "noop()")
    assert lie.last["url"] == TARGET
    assert lie.earned == NOTHING


@addresses.attack("replace-state", tries="`history.replaceState`, once the page has loaded", defence="as above")
def test_replace_state(play):
    lie = play(ADDRESS, 'click("Replace")', "noop()")
    assert lie.last["url"] == TARGET
    assert lie.earned == NOTHING


@addresses.attack(
    "replace-state-early", tries="`history.replaceState` while the page is parsed, so that its load event comes after",
    defence="a load is recorded with the address that its document came from",
)  # fmt: skip
def test_replace_state_early(play):
    lie = play(ADDRESS, 'goto("/early")', "noop()")
    assert lie.last["url"] == TARGET
    assert "Not there" in lie.page
    assert lie.earned == NOTHING


@addresses.attack(
    "intercepted-navigation", tries="a navigation that the page intercepts (`navigation`): only the address moves",
    defence="it is reported as one within the document",
)  # fmt: skip
def test_intercepted_navigation(play):
    lie = play(ADDRESS, 'click("Intercept")', "noop()")
    assert lie.last["url"] == TARGET
    assert "You are there" not in lie.page
    assert lie.earned == NOTHING


@addresses.attack(
    "history-walk", tries="walks back and forward over an entry that `pushState` has made",
    defence="so is a step through history that loads nothing",
)  # fmt: skip
def test_history_walk(play):
    lie = play(ADDRESS, 'click("Push")', "back()", "forward()", 'click("Pop")', "forward()")
    assert [o["url"].rpartition("/")[2] for o in lie.observations] == ["", "target", "", "target", "", "target"]
    assert lie.earned == NOTHING


@addresses.attack(
    "target-in-the-fragment", tries="the target's path as a fragment, by script and by address",
    defence="the path is compared, without the fragment",
)  # fmt: skip
def test_target_in_the_fragment(play):
    lie = play(ADDRESS, 'click("Hash")', 'goto("/#/target")', 'goto("/early#/orders/1")')
    assert "#/target" in lie.observations[1]["url"]
    assert lie.earned == NOTHING


@addresses.attack(
    "target-in-the-query", tries="the target's path as a query, and as a part of other paths", defence="as above; a "
    "pattern is for the whole path"
)  # fmt: skip
def test_target_in_the_query(play):
    lie = play(ADDRESS, 'goto("/?to=/target")', 'goto("/x/target")', 'goto("/target/x")', 'goto("/%2574arget")')
    assert lie.earned == NOTHING


@addresses.attack(
    "target-in-a-frame", tries="loads the target in a frame, directly and by a refresh", defence="the main frame counts"
)
def test_target_in_a_frame(play):
    lie = play(ADDRESS, 'goto("/framed")', "noop()", 'goto("/refreshed")', "noop()")
    assert "You are there" in lie.observations[2]["page"]
    assert "You are there" in lie.page
    assert lie.earned == NOTHING


@addresses.attack(
    "target-elsewhere",
    tries="a refresh to the target's path on another host",
    defence="it is stopped before it is sent",
)
def test_target_elsewhere(play):
    lie = play(ADDRESS, 'goto("/away")', "noop()", 'goto("http://elsewhere.example/target")')
    assert "still here" in lie.page
    assert "elsewhere.example" in lie.errors
    assert lie.earned == NOTHING


@addresses.attack(
    "error-page", tries="opens an address that fits the pattern and does not exist",
    defence="a page answered by an error (status 400 and more) is not the target",
)  # fmt: skip
def test_error_page(play):
    lie = play(ADDRESS, 'goto("/orders/7")', "reload()", 'tab_new("/orders/8")')
    assert lie.last["url"].endswith("/orders/8")
    assert "There is no such order." in lie.page
    assert lie.earned == NOTHING


@addresses.attack(
    "leave-and-return", tries="leaves the page on which it began, which shows all that pays, and comes back",
    defence="what held at the reset is barred for the episode",
)  # fmt: skip
def test_leave_and_return(play):
    lie = play(BEGUN, 'click("Aside")', 'click("Return")', "back()", 'goto("/target")', "reload()")
    assert lie.last["title"] == "Settings"
    assert 'status "Changes saved"' in lie.page
    assert lie.earned == NOTHING
