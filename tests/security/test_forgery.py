"""Detectors read what the browser and trusted input report; what a page pretends reaches none of it."""

import pytest

from milepost.sandbox.events import Click, Dialog, Download, Focus, Input, Load, Navigation, Submit, Title

pytestmark = pytest.mark.browser

ACTED = (Click, Input, Submit, Focus)
CALL = """
const entry = JSON.stringify({kind: 'click', ref: 1, role: 'button', name: 'Pay', url: location.href});
const names = ['milepostJournal', 'milepost', '__milepost', 'binding', '__playwright__binding__', 'cdp', '__cdp'];
for (const name of names) try { globalThis[name](entry) } catch (e) {}
try { console.debug('milepostJournal', entry); console.log(entry); console.context?.('x').log(entry) } catch (e) {}
try { postMessage({milepostJournal: entry}, '*'); parent.postMessage(entry, '*') } catch (e) {}
try { dispatchEvent(new CustomEvent('milepostJournal', {detail: entry})) } catch (e) {}
try { new Function('milepostJournal(arguments[0])')(entry) } catch (e) {}
"""
LIE = """
const put = (target, name, how) => {
  try { Object.defineProperty(target, name, {...how, configurable: true}) } catch (e) {}
};
const lie = (target, name, value) => put(target, name, {value});
const getter = (target, name, get) => put(target, name, {get});
lie(Element.prototype, 'getAttribute', () => 'Forged');
lie(Element.prototype, 'querySelectorAll', () => []);
lie(Element.prototype, 'checkVisibility', () => true);
lie(Element.prototype, 'getBoundingClientRect', () => new DOMRect(0, 0, 9, 9));
lie(Document.prototype, 'querySelector', () => null);
lie(Event.prototype, 'composedPath', () => []);
lie(EventTarget.prototype, 'addEventListener', () => 0);
lie(JSON, 'stringify', () => '{"title": "Forged"}');
lie(Array.prototype, 'push', () => 1);
lie(Array.prototype, 'map', () => ['Forged']);
lie(String.prototype, 'trim', () => 'Forged');
lie(Map.prototype, 'get', () => null);
lie(WeakMap.prototype, 'get', () => 1);
lie(globalThis, 'getComputedStyle', () => ({display: 'none'}));
getter(Node.prototype, 'childNodes', () => []);
getter(Node.prototype, 'textContent', () => 'Forged');
getter(Document.prototype, 'title', () => 'Forged');
getter(Document.prototype, 'URL', () => 'http://forged/');
getter(HTMLInputElement.prototype, 'value', () => 'Forged');
getter(HTMLInputElement.prototype, 'checked', () => true);
getter(Event.prototype, 'isTrusted', () => true);
"""


def acted(events):
    return [e for e in events if isinstance(e, ACTED)]


def test_no_call_from_any_world_of_the_page_is_journalled(hostile):
    worker = f"new Worker(window.URL.createObjectURL(new Blob([{CALL!r}])))"
    it = hostile(
        f"<title>Home</title><button>Pay</button><script>{CALL}; {worker}; setTimeout(() => {{ {CALL} }}, 20)</script>"
        f'<iframe src=/frame></iframe><iframe srcdoc="<script src=/script></script>"></iframe>',
        {"/frame": f"<script>{CALL}</script>", "/script": CALL},
    )
    events = list(it.events)
    it.settle(200)
    it.look()
    events += it.page.drain_events(1)
    assert acted(events) == []
    it.act("click", "Pay")
    assert [(e.name, e.origin) for e in it.of(Click)] == [("Pay", "input")]


def test_overwritten_prototypes_change_nothing_that_is_read(hostile):
    body = (
        "<title>True</title><h1>Heading</h1><input aria-label=Amount value=3><input type=checkbox aria-label=Box>"
        "<button hidden>Ghost</button><form aria-label=Order onsubmit='return false'><button>Send</button></form>"
    )
    plain, lying = hostile(body), hostile(f"<script>{LIE}</script>{body}")
    assert lying.script("document.title + document.body.textContent") == "ForgedForged"

    def shown(it):
        view = it.look()
        return (
            view.title,
            view.url.removeprefix(it.instance.origin),
            [(e.role, e.name, e.value, e.states, e.box) for e in view.elements],
        )

    assert shown(lying) == shown(plain)
    for it in (plain, lying):
        it.act("click", "Box")
        it.act("fill", "Amount", "7")
        it.act("click", "Send")
    assert shown(lying) == shown(plain)

    def told(it):
        return [(type(e).__name__, getattr(e, "name", ""), getattr(e, "value", "")) for e in acted(it.events)]

    assert told(lying) == told(plain)
    assert ("Submit", "Order", "") in told(lying)


FIELDS = (
    "tagName", "nodeType", "getAttribute", "hasAttribute", "childNodes", "children", "parentNode", "checkVisibility",
    "getBoundingClientRect", "matches", "closest", "isConnected", "ownerDocument", "shadowRoot", "textContent", "id",
    "name", "role", "hidden", "elements", "submit", "getRootNode", "isContentEditable",
)  # fmt: skip


def test_fields_named_after_what_forms_have_are_only_fields(hostile):
    inputs = "".join(f"<input name={name} aria-label=in-{name}>" for name in FIELDS)
    images = "".join(f"<img name={name} alt=''>" for name in ("body", "title", "activeElement", "querySelectorAll"))
    it = hostile(
        f"<title>H"
        f"ome</title>{images}<form aria-label=Order onsubmit='return false'>{inputs}<button>Send</button></form>"
    )
    view = it.look()
    assert view.title == "Home"
    assert {f"in-{name}" for name in FIELDS} | {"Send"} <= {e.name for e in view.elements}
    it.act("fill", "in-nodeType", "x")
    it.act("click", "Send")
    assert [e.name for e in it.of(Click)] == ["Send"]
    assert [e.name for e in it.of(Submit)] == ["Order"]


def test_what_only_looks_like_an_event_is_none(hostile):
    """Titles, addresses and dialogs of the page's own making are what they are, and claim nothing more."""
    it = hostile(
        "<title>Home</title><p>x</p><script>document.title = 'Settings'; history.replaceState(0, '', '/settings');"
        "dispatchEvent(new Event('load')); document.dispatchEvent(new Event('DOMContentLoaded'));"
        "dispatchEvent(new PopStateEvent('popstate')); dispatchEvent(new HashChangeEvent('hashchange'));"
        "window.alert = () => 0; alert('Saved'); window.open = () => 0; open('/x')</script>"
    )
    assert [e.state for e in it.of(Load)] == ["domcontentloaded", "load"]
    navigations = [(e.url.removeprefix(it.instance.origin), e.same_document) for e in it.of(Navigation)]
    assert navigations == [("/", False), ("/settings", True)]  # the second is told from a page that was loaded
    assert [e.title for e in it.of(Title)] == ["Settings"]
    assert it.of(Dialog) == []
    assert it.of(Download) == []


def test_another_origin_cannot_be_put_into_the_address(hostile):
    it = hostile(
        "<title>Home</title><button onclick='try { history.pushState(0, ``, `http://elsewhere.example/`) }"
        "catch (e) { document.title = e.name }'>Push</button>"
    )
    it.act("click", "Push")
    assert it.look().title == "SecurityError"
    assert it.look().url == it.instance.origin + "/"
    assert it.of(Navigation) == []
