"""What an agent can do to a page, and what it is told when it cannot."""

import pytest

from milepost.sandbox.errors import ActionError
from milepost.sandbox.events import Click, Dialog, Input, Navigation

pytestmark = pytest.mark.browser

FORM = """<title>Form</title><form action=/done>
<label>Name <input name=name></label><label>Day <input type=date name=day></label>
<label>Country <select name=country><option>Brazil<option>France<option disabled>Spain</select></label>
<label><input type=checkbox name=agree> Agree</label><textarea aria-label=Note name=note>old</textarea>
<button>Save</button></form><output id=log></output>
<script>for (const kind of ["input", "change"]) 
  addEventListener(kind, e => log.value += kind + ":" + e.target.name + ":" + e.isTrusted + " ")</script>
"""


def test_a_form_is_filled_and_submitted(computer):
    it = computer(FORM, {"/done": "<title>Done</title><h1>Thanks</h1>"})
    it.act("fill", "Name", "Ada Lovelace")
    assert it.element("Name").value == "Ada Lovelace"
    it.act("fill", "Name", "Grace")
    assert it.element("Name").value == "Grace"
    it.act("fill", "Day", "2026-02-03")
    it.act("fill", "Note", "two\nlines")
    it.act("select", "Country", "France")
    it.act("click", "Agree")
    assert it.element("Agree").states == ("checked",)
    it.act("click", "Save")
    assert it.look().title == "Done"
    (navigation,) = it.of(Navigation)
    assert navigation.url.endswith("/done?name=Grace&day=2026-02-03&country=France&agree=on&note=two%0D%0Alines")


def test_typing_is_trusted_input_and_its_change_comes_with_the_blur(computer):
    it = computer(FORM)
    it.act("fill", "Name", "Ada")
    assert it.script("log.value") == "input:name:true "
    it.act("click", "Agree")
    assert it.script("log.value").startswith("input:name:true change:name:true input:agree:true")


def test_filling_with_nothing_empties_the_field(computer):
    it = computer(FORM)
    it.act("fill", "Note", "")
    assert it.element("Note").value == ""
    assert [(e.name, e.value) for e in it.of(Input)] == [("Note", "")]


def test_a_value_set_without_a_keyboard_is_vouched_for_by_the_action(computer):
    it = computer(FORM)
    it.act("select", "Country", "france")
    assert [(e.origin, e.name, e.value) for e in it.of(Input)] == [("agent", "Country", "France")]
    it.act("fill", "Day", "2026-02-03")
    assert [(e.origin, e.name, e.value) for e in it.of(Input)] == [("agent", "Day", "2026-02-03")]
    assert "change:country:false" in it.script("log.value")


@pytest.mark.parametrize(
    ("body", "action", "arguments", "message"),
    [
        ("<button disabled>B</button>", "click", ["B"], r'button "B" is disabled'),
        ("<fieldset disabled><input aria-label=B></fieldset>", "fill", ["B", "x"], "is disabled"),
        ("<input readonly aria-label=B>", "fill", ["B", "x"], "read-only"),
        ("<button>B</button>", "fill", ["B", "x"], "cannot be filled"),
        ("<button>B</button>", "select", ["B", "x"], "is not a select"),
        ("<select aria-label=B><option>one<option disabled>two</select>", "select", ["B", "two"], "disabled"),
        ("<select aria-label=B><option>one<option>two</select>", "select", ["B", "six"], 'has "one", "two"'),
        ("<input type=date aria-label=B>", "fill", ["B", "tomorrow"], "does not take"),
        ("<p>x", "click", [999], "999 is not on the page"),
        ("<p>x", "press", ["Hyper"], "no key 'Hyper'"),
        ("<p>x", "back", [], "no page to go back to"),
        ("<p>x", "scroll", ["down"], "nothing left to scroll"),
    ],
)
def test_what_cannot_be_done_is_said(computer, body, action, arguments, message):
    it = computer(body)
    with pytest.raises(ActionError, match=message):
        it.act(action, *arguments)
    it.act("press", "Tab")


def test_a_covered_element_names_what_covers_it(computer):
    it = computer(
        "<button>Pay</button><div role=dialog aria-label=Cookies style='position:fixed;inset:0;padding:200px'>"
        "<button>Accept</button></div>"
        "<script>document.querySelector('[role=dialog] button').onclick = e => e.target.parentNode.remove()</script>"
    )
    with pytest.raises(ActionError, match='button "Pay" is covered by dialog "Cookies"'):
        it.act("click", "Pay")
    assert it.page.drain_events(1) == []
    it.act("click", "Accept")
    it.act("click", "Pay")
    assert [e.name for e in it.of(Click)] == ["Pay"]


def test_what_lies_below_is_scrolled_to(computer):
    it = computer(
        "<div style='height:5000px'>tall</div><button onclick='document.title=\"hit\"'>Low</button>"
        "<div style='height:100px;overflow:auto'><div style='height:900px'></div>"
        "<button onclick='document.title=\"in\"'>Inner</button></div>"
    )
    assert not it.element("Low").in_viewport
    it.act("click", "Low")
    assert it.look().title == "hit"
    it.act("click", "Inner")
    assert it.look().title == "in"


def test_scrolling_moves_the_page_and_its_listeners_hear_of_it(computer):
    it = computer("<div style='height:3000px'>tall</div><script>onscroll = () => document.title = 'scrolled'</script>")
    it.act("scroll", "down")
    assert it.script("scrollY") == 576
    assert it.look().title == "scrolled"
    it.act("scroll", "up")
    assert it.script("scrollY") == 0


def test_double_and_right_clicks(computer):
    it = computer(
        "<button>B</button><script>ondblclick = () => document.title += 'double';"
        "oncontextmenu = () => document.title += 'menu'</script>"
    )
    it.act("click", "B", count=2)
    assert it.look().title == "double"
    it.act("click", "B", button="right")
    assert it.look().title == "doublemenu"


def test_keys_go_where_the_focus_is(computer):
    it = computer("<form action=/done><input aria-label=A name=a autofocus></form>", {"/done": "<title>Done</title>"})
    it.act("press", "x")
    assert it.element("A").value == "x"
    it.act("press", "Enter")
    assert it.look().url.endswith("/done?a=x")


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "data:text/html,x", "javascript:alert(1)", "chrome://version", "view-source:http://x/",
     "about:blank", "http://example.com/", "http://127.0.0.1/", "//example.com/", "blob:http://x/y", "ftp://x/"],
)  # fmt: skip
def test_goto_takes_http_to_the_tasks_hosts_only(computer, url):
    it = computer("<title>Home</title>")
    with pytest.raises(ActionError, match="refused"):
        it.act("goto", url)
    assert it.look().title == "Home"


def test_goto_another_episode_is_refused_even_on_the_same_server(computer):
    first, second = computer("<title>First</title>"), computer("<title>Second</title>")
    with pytest.raises(ActionError, match="refused"):
        first.act("goto", second.instance.origin + "/")


def test_goto_and_back(computer):
    it = computer("<title>One</title>", {"/two": "<title>Two</title>"})
    it.act("goto", "/two")
    assert it.look().title == "Two"
    it.act("goto", "#part")
    assert it.look().url.endswith("/two#part")
    it.act("back")
    it.act("back")
    assert it.look().title == "One"
    with pytest.raises(ActionError, match="no page to go back to"):
        it.act("back")


@pytest.mark.parametrize("url", ["http://example.com/", "http://127.0.0.1:9/", "http://other.apps.localhost:1/"])
def test_a_link_that_leads_out_brings_the_agent_back(computer, url):
    it = computer(f"<title>Home</title><a href='{url}'>Out</a>")
    with pytest.raises(ActionError, match=r"could not be loaded|refused"):
        it.act("click", "Out")
    assert it.look().title == "Home"
    assert not [e for e in it.page.drain_events(1) if isinstance(e, Navigation) and "localhost" not in e.url]


def test_a_script_cannot_take_the_page_to_another_episode(computer):
    other = computer("<title>Other</title>")
    it = computer(f"<title>Home</title><button onclick='location.href=\"{other.instance.origin}/\"'>Go</button>")
    with pytest.raises(ActionError, match="refused"):
        it.act("click", "Go")
    assert it.look().title == "Home"


def test_dialogs_are_accepted_and_recorded(computer):
    it = computer(
        "<button onclick='alert(\"hi\")'>A</button><button onclick='document.title=confirm(\"sure?\")'>C</button>"
        '<button onclick=\'document.title=prompt("who?","me")\'>P</button>'
    )
    it.act("click", "A")
    assert [(e.dialog_type, e.message, e.accepted) for e in it.of(Dialog)] == [("alert", "hi", True)]
    it.act("click", "C")
    assert it.look().title == "true"
    it.act("click", "P")
    assert it.look().title == "me"


def test_elements_in_shadow_roots_and_frames_can_be_used(computer):
    it = computer(
        "<host-e></host-e><iframe src=/inner style='margin:40px'></iframe>"
        "<script>customElements.define('host-e', class extends HTMLElement { constructor() { super();"
        "this.attachShadow({mode:'open'}).innerHTML = '<button>Shadow</button><input aria-label=Deep>';"
        "this.shadowRoot.firstChild.onclick = () => document.title = 'shadow' } })</script>",
        {"/inner": "<button onclick='parent.document.title=\"frame\"'>Framed</button><input aria-label=Inside>"},
    )
    it.act("click", "Shadow")
    assert it.look().title == "shadow"
    assert [(e.role, e.name) for e in it.of(Click)] == [("button", "Shadow")]
    it.act("fill", "Deep", "a")
    assert it.element("Deep").value == "a"
    assert it.element("Framed").frame == 1
    it.act("click", "Framed")
    assert it.look().title == "frame"
    assert [e.name for e in it.of(Click)] == ["Framed"]
    it.act("fill", "Inside", "b")
    assert it.element("Inside").value == "b"
    assert it.look().focused == it.ref("Inside")


def test_a_hidden_checkbox_is_used_through_its_label(computer):
    it = computer("<label><input type=checkbox style='display:none'> Dark mode</label>")
    assert it.element("Dark mode").role == "checkbox"
    it.act("click", "Dark mode")
    assert it.element("Dark mode").states == ("checked",)
    assert [(e.name, e.value) for e in it.of(Input)] == [("Dark mode", "checked")]


def test_a_controlled_field_as_frameworks_make_them(computer):
    """A field whose script keeps its own copy of the value, and writes it back on every event."""
    it = computer(
        "<input aria-label=A><p id=out></p><script>const f = document.querySelector('input'); let kept = '';"
        "const own = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value');"
        "Object.defineProperty(f, 'value', { get() { return own.get.call(f) }, "
        "set(v) { kept = v; own.set.call(f, v) } });"
        "f.addEventListener('input', () => { const v = own.get.call(f); if (v !== kept) { "
        "kept = v; out.textContent = 'saw ' + v } })</script>"
    )
    it.act("fill", "A", "hello")
    assert it.script("out.textContent") == "saw hello"
