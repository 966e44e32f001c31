"""The journal: what really happened is in it, and nothing that a page only pretends."""

import hashlib

import pytest

from milepost.sandbox.errors import ActionError
from milepost.sandbox.events import Click, Download, Focus, Input, Load, Navigation, Request, Submit, Title

pytestmark = pytest.mark.browser


def kinds(events, *, without=(Request, Focus)):
    return [type(e) for e in events if not isinstance(e, without)]


def test_opening_a_page_is_step_zero(computer):
    it = computer("<title>Home</title>")
    assert kinds(it.events) == [Navigation, Load, Load, Title]
    navigation, dom, load, title = (e for e in it.events if not isinstance(e, Request))
    assert (navigation.url, navigation.previous_url) == (it.instance.origin + "/", None)
    assert (dom.state, load.state, title.title) == ("domcontentloaded", "load", "Home")
    assert {e.step for e in it.events} == {0}


def test_a_click_that_navigates_is_not_lost(computer):
    """The click is reported as it happens, before the document that saw it is gone."""
    it = computer("<title>A</title><a href=/b>Go on</a>", {"/b": "<title>B</title><a href=/>Back home</a>"})
    for _ in range(10):
        it.act("click", "Go on")
        assert kinds(it.events) == [Click, Navigation, Load, Load, Title]
        it.act("click", "Back home")
        assert [(e.role, e.name) for e in it.of(Click)] == [("link", "Back home")]
    assert it.of(Click)[0].url.endswith("/b")


def test_a_submission_carries_its_click_and_its_form(computer):
    it = computer(
        "<form action=/done aria-label='Order form'><input name=q><button>Send it</button></form>", {"/done": "ok"}
    )
    it.act("click", "Send it")
    assert kinds(it.events)[:3] == [Click, Submit, Navigation]
    assert [e.name for e in it.of(Submit)] == ["Order form"]


FORGER = """<title>T</title><input aria-label=Amount><button id=b>Pay</button>
  <form id=f onsubmit='return false'><button>Ok</button></form>
<script>
const amount = document.querySelector("input");
function forge() {
  b.click();
  for (const kind of ["mousedown", "mouseup", "click"]) 
    b.dispatchEvent(new MouseEvent(kind, {bubbles: true, composed: true}));
  amount.value = "1000";
  amount.dispatchEvent(new InputEvent("input", {bubbles: true, composed: true, data: "1000"}));
  amount.dispatchEvent(new Event("change", {bubbles: true}));
  amount.focus();
  document.execCommand("insertText", false, "typed by a script");
  f.requestSubmit();
  Object.defineProperty(Event.prototype, "isTrusted", {get: () => true, configurable: true});
  const fake = new MouseEvent("click", {bubbles: true});
  try { Object.defineProperty(fake, "isTrusted", {value: true}); } catch (e) {}
  b.dispatchEvent(fake);
}
</script>"""


def test_a_script_cannot_forge_clicks_inputs_or_submissions(computer):
    it = computer(FORGER + "<script>forge(); setTimeout(forge, 10); addEventListener('load', forge)</script>")
    forged = [e for e in it.events if isinstance(e, Click | Input | Submit | Focus)]
    assert forged == []
    it.script("setTimeout(forge, 5)")
    it.settle()
    it.look()
    assert [e for e in it.page.drain_events(1) if isinstance(e, Click | Input | Submit | Focus)] == []
    assert "typed by a script" in it.element("Amount").value  # it did happen; it is only nobody's doing


BY_SCRIPT = {
    "click on the box": "box.click()",
    "dispatched click on the box": "box.dispatchEvent(new MouseEvent(`click`, {bubbles: true, composed: true}))",
    "click on its label": "box.labels[0].click()",
    "text command": "amount.focus(); document.execCommand(`insertText`, false, `1000`)",
    "submission": "f.requestSubmit()",
    "click on the submit button": "f.elements[0].click()",
    "in a microtask": "Promise.resolve().then(() => { box.click(); f.requestSubmit() })",
}


@pytest.mark.parametrize("way", BY_SCRIPT)
def test_what_a_script_sets_off_in_a_handler_of_the_agent_s_click_is_not_the_agent_s(computer, way):
    it = computer(
        "<form id=f onsubmit='return false'><button>Ok</button></form><input id=amount aria-label=Amount>"
        f"<label><input type=checkbox id=box>Agree</label><button onclick='{BY_SCRIPT[way]}'>Decoy</button>"
    )
    it.act("click", "Decoy")
    acted = [(type(e), e.name) for e in it.events if isinstance(e, Click | Input | Submit)]
    assert acted == [(Click, "Decoy")]
    it.act("click", "Agree")
    assert [type(e) for e in it.events if isinstance(e, Click | Input)][-1] is Input
    it.act("fill", "Amount", "7")
    assert [e.value for e in it.of(Input)] == ["7"]
    it.act("press", "Enter")
    it.act("click", "Ok")
    assert [type(e) for e in it.events if isinstance(e, Click | Submit)] == [Click, Submit]


def test_a_script_cannot_hide_a_real_click(computer):
    it = computer(
        "<button>Delete</button><script>for (const t of [window, document]) "
        "for (const k of ['click', 'mousedown', 'mouseup', 'pointerdown'])"
        "t.addEventListener(k, e => { e.stopImmediatePropagation(); e.preventDefault() }, true);"
        "EventTarget.prototype.addEventListener = () => {}; Event.prototype.composedPath = () => [];"
        "JSON.stringify = () => '{}'; WeakMap.prototype.get = () => 1; Array.prototype.find = () => undefined</script>"
    )
    it.act("click", "Delete")
    assert [(e.role, e.name, e.origin) for e in it.of(Click)] == [("button", "Delete", "input")]


def test_document_open_does_not_blind_the_journal(computer):
    it = computer(
        "<script>onload = () => { document.open(); document.write('<button>New</button>'); document.close() }</script>"
    )
    it.act("click", "New")
    assert [e.name for e in it.of(Click)] == ["New"]


def test_the_page_sees_nothing_of_the_machinery(computer):
    it = computer("<script>window.before = Object.getOwnPropertyNames(window)</script><button>B</button>")
    it.act("click", "B")
    names = set(it.script("Object.getOwnPropertyNames(window)"))
    assert names - set(it.script("before")) == {"before"}
    assert not [n for n in names if "milepost" in n.lower() or "playwright" in n.lower()]
    assert it.script("typeof milepostJournal + typeof milepostPage") == "undefinedundefined"
    assert it.script("document.documentElement.outerHTML") == (
        "<html><head><script>window.before = Object.getOwnPropertyNames(window)</script></head>"
        "<body><button>B</button></body></html>"
    )
    for native in ("Date", "Date.now", "Math.random", "Date.prototype.constructor"):
        assert "[native code]" in it.script(f"Function.prototype.toString.call({native})")


def test_the_page_cannot_reach_the_journal_through_its_own_worlds(computer):
    it = computer(
        "<iframe srcdoc='<p>x'></iframe><script>onload = () => { let found = []; "
        "for (const w of [window, frames[0], open('about:blank')])"
        "{ try { found.push(typeof w.milepostJournal) } catch (e) { found.push('closed') } } "
        "document.title = found.join() }</script>"
    )
    assert set(it.look().title.split(",")) <= {"undefined", "closed"}


def test_inputs_carry_the_value_afterwards(computer):
    it = computer("<label>Name <input></label><label><input type=checkbox>Agree</label>")
    it.act("fill", "Name", "Ada")
    assert [(e.role, e.name, e.value, e.origin) for e in it.of(Input)] == [("textbox", "Name", "Ada", "input")]
    assert [e.name for e in it.of(Focus)] == ["Name"]
    it.act("press", "!")
    assert it.of(Input)[0].value in ("Ada!", "!Ada")
    it.act("click", "Agree")
    it.act("click", "Agree")
    assert [e.value for e in it.of(Input)] == ["unchecked"]


def test_requests_end_with_their_status(computer):
    it = computer(
        '<button onclick=\'fetch("/add?what=x", {method: "POST"}).then(() => fetch("/missing"))\'>Add</button>'
    )
    it.act("click", "Add")
    requests = [(e.method, e.url.removeprefix(it.instance.origin), e.status) for e in it.of(Request)]
    assert requests == [("POST", "/add?what=x", 405), ("GET", "/missing", 404)]


def test_same_document_navigations_are_marked(computer):
    it = computer(
        "<title>T</title><button onclick='history.pushState(0, 0, \"/other\")'>Push</button><a href=#x>Jump</a>"
    )
    it.act("click", "Push")
    assert [(e.url.removeprefix(it.instance.origin), e.same_document) for e in it.of(Navigation)] == [("/other", True)]
    it.act("click", "Jump")
    assert [e.url.removeprefix(it.instance.origin) for e in it.of(Navigation)] == ["/other#x"]


def test_navigations_say_whether_the_agent_asked_for_the_address(computer):
    it = computer("<title>T</title><a href=/b>On</a>", {"/b": "<title>B</title><a href=#x>Jump</a>"})

    def asked():
        return [(e.url.removeprefix(it.instance.origin), e.asked) for e in it.of(Navigation)]

    it.act("click", "On")
    assert asked() == [("/b", False)]
    it.act("click", "Jump")
    assert asked() == [("/b#x", False)]
    it.act("goto", "/b#y")
    assert asked() == [("/b#y", True)]
    it.act("back")
    assert asked() == [("/b#x", True)]
    it.act("reload")
    assert asked() == [("/b#x", True)]
    it.act("goto", "/")
    assert asked() == [("/", True)]
    it.act("click", "On")
    assert asked() == [("/b", False)]
    it.act("new_tab", "/b")
    assert asked() == [("/b", True)]


def test_a_load_is_of_the_address_that_was_loaded(computer):
    it = computer("<title>T</title>", {"/early": "<script>history.replaceState(0, '', '/target')</script>early"})
    it.act("goto", "/early")
    assert it.look().url.endswith("/target")
    assert {e.url.removeprefix(it.instance.origin) for e in it.of(Load)} == {"/early"}


LINKS = {
    "header": "<a href=/file.csv>Get</a>",
    "attribute": "<a href=/file.csv download>Get</a>",
    "blob": '<button onclick=\'const a = document.createElement("a"); a.download = "file.csv";'
    'a.href = window.URL.createObjectURL(new Blob(["a,b\\n1,2\\n"])); '
    "document.body.append(a); a.click()'>Get</button>",
    "script": "<button onclick='location.href=\"/file.csv\"'>Get</button>",
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_download_is_in_the_workspace_when_settled(computer, kind):
    it = computer("<title>T</title>" + LINKS[kind])
    for number in range(3):
        it.act("click", "Get")
        (download,) = it.of(Download)
        assert download.path == f"downloads/file{f' ({number})' if number else ''}.csv"
        assert download.size_bytes == 8
        assert download.sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
        assert it.workspace.read_text(download.path) == "a,b\n1,2\n"
        assert kinds(it.events) == [Click, Download]
    assert it.look().title == "T"


def test_a_download_over_the_quota_is_refused_and_said(computer):
    it = computer("<a href='/file.csv?n=2000'>Get</a>", quota_bytes=10_000)
    with pytest.raises(ActionError, match="quota"):
        it.act("click", "Get")
    assert it.workspace.files() == ()
    assert not [e for e in it.page.drain_events(1) if isinstance(e, Download)]


def test_a_download_begun_by_an_anchor_outside_the_document_lands_in_its_step(computer):
    code = "Object.assign(document.createElement(`a`), {href: `data:text/csv,a,b`, download: `x.csv`}).click()"
    it = computer(f"<button onclick='{code}'>Save</button>")
    for number in range(5):
        it.act("click", "Save")
        assert [e.size_bytes for e in it.of(Download)] == [3], number
