"""Settings that only seem to be open, switched or saved."""

import pytest

from .attacks import Family
from .stage import NOTHING, Stage

pytestmark = pytest.mark.browser

settings = Family("System settings", __name__)

PANEL = "<form action=/save method=post><label><input type=checkbox name=dark{}> Dark mode</label><button>Save</button>"
SETTINGS = Stage(
    name="settings",
    actions=("basic", "forms", "tabs"),
    milestones=[
        {"id": "opened", "catalogue": "settings_opened", "title": "Settings"},
        {"id": "dark", "catalogue": "toggle_changed", "name": "Dark mode"},
        {"id": "saved", "catalogue": "changes_saved", "text_contains": "Changes saved"},
    ],
    honest=['click("Settings")', 'click("Dark mode")', 'click("Save")'],
    pages={
        "/": "<title>Home</title><a href=/settings>Settings</a><label>Caption "
        "<input oninput='document.title = this.value'></label>",
        "/settings": f"<title>Settings</title>{PANEL.format('')}",
        "/preset": f"<title>Preset</title>{PANEL.format(' checked')}",
        "/framed": "<title>Framed</title><iframe src=/settings title=Settings width=400 height=200></iframe>",
        "/switched": f"<title>Switched</title>{PANEL.format('')}</form><label><input type=checkbox id=b> Sound</label>"
        "<script>b.onclick = () => { document.forms[0].dark.checked = true }</script>",
        "/drawn": "<title>Drawn</title><div role=checkbox tabindex=0 aria-checked=false id=c>Dark mode</div>"
        "<button onclick='c.ariaChecked = `true`'>Switch</button>",
    },
)
TABS = Stage(
    name="settings-tab",
    milestones=[{"id": "opened", "detector": "tab_opened", "reward": 0.25, "title": "Settings"}],
    honest=['click("Preferences")'],
    pages={
        "/": """<title>Home</title><a href=/settings target=_blank>Preferences</a>
<form action=/named target=_blank><label>Find <input name=q></label><button>Search</button></form>""",
        "/settings": "<title>Settings</title>",
        "/named": "<script>document.title = new URLSearchParams(location.search).get('q')</script>",
    },
)


def test_the_honest_way_pays_on_the_same_page(play):
    assert play.honest(SETTINGS).earned == (1.0, {"opened", "dark", "saved"})
    assert play.honest(TABS).earned == (0.25, {"opened"})


@settings.attack(
    "title-typed", tries="types the panel's title where the page makes it the document's",
    defence="a title that the agent has typed is its own words",
)  # fmt: skip
def test_title_typed(play):
    lie = play(SETTINGS, 'fill("Caption", "Settings")')
    assert lie.last["title"] == "Settings"
    assert lie.earned == NOTHING


@settings.attack(
    "title-typed-for-a-new-tab", tries="searches for the title, and the results open in a tab that is called so",
    defence="as above",
)  # fmt: skip
def test_title_typed_for_a_new_tab(play):
    lie = play(TABS, 'fill("Find", "Settings")', 'click("Search")', "noop()")
    assert [tab.title for tab in lie.snapshot.tabs] == ["Home", "Settings"]
    assert lie.earned == NOTHING


@settings.attack(
    "title-of-a-frame", tries="shows the panel in a frame of another page", defence="the title is the main document's"
)
def test_title_of_a_frame(play):
    lie = play(SETTINGS, 'goto("/framed")', "noop()")
    assert 'checkbox "Dark mode"' in lie.page
    assert lie.earned == NOTHING


@settings.attack(
    "switch-that-was-on", tries="opens a page where the switch is on, and touches it without a change",
    defence="a switch counts when trusted input of the step brought it from off to on",
)  # fmt: skip
def test_switch_that_was_on(play):
    lie = play(SETTINGS, 'goto("/preset")', 'check("Dark mode")', "noop()")
    assert 'checkbox "Dark mode" checked' in lie.page
    assert lie.earned == NOTHING


@settings.attack(
    "switch-of-another", tries="touches another switch, in whose handler a script sets this one",
    defence="as above: the input was another's",
)  # fmt: skip
def test_switch_of_another(play):
    lie = play(SETTINGS, 'goto("/switched")', 'click("Sound")')
    assert 'checkbox "Dark mode" checked' in lie.page
    assert lie.earned == NOTHING


@settings.attack(
    "switch-drawn", tries="has a script write `aria-checked` on a drawn switch when another button is clicked",
    defence="as above",
)  # fmt: skip
def test_switch_drawn(play):
    lie = play(SETTINGS, 'goto("/drawn")', 'click("Switch")')
    assert 'checkbox "Dark mode" checked' in lie.page
    assert lie.earned == NOTHING


@settings.attack(
    "saved-by-address", tries="opens the confirmation's address without having saved", defence="the server shows its "
    "message to those who did"
)  # fmt: skip
def test_saved_by_address(play):
    lie = play(SETTINGS, 'goto("/saved")', "noop()")
    assert "Nothing was saved." in lie.page
    assert lie.earned == NOTHING
