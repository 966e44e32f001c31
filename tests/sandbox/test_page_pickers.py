"""The lists and calendars that fields open: windows of the browser's own, which must not get in the way."""

import pytest

pytestmark = pytest.mark.browser

FIELDS = """<body style="margin:0"><style>select, input { width: 150px; height: 30px }</style>
<select id=list aria-label=list><option>one<option>two<option>three</select><input id=day type=date>
<input id=month type=month><input id=time type=time><input id=colour type=color>
<button id=ask onclick="list.showPicker()">Ask</button>
<script>heard = []; n = 0
for (const kind of ["focusin", "focusout", "input", "change", "keydown", "scroll", "resize", "animationstart"])
  addEventListener(kind, (e) => heard.push(kind), true)
const all = { attributes: true, childList: true, subtree: true }
new MutationObserver(() => heard.push("mutation")).observe(document, all)
</script>"""
FRAMES = "<script>(function f() { n++; requestAnimationFrame(f) })()</script>"


def at_the_end_of(it, name):
    """Return the point where a field has the button that opens its picker."""
    box = it.script(f"(({{right, top, height}}) => [right - 8, top + height / 2])({name}.getBoundingClientRect())")
    return [float(number) for number in box]


def is_open(it):
    return it.script("document.querySelectorAll('select:open, input:open').length") > 0


def open_picker(it, name):
    """Click on a field; return what the page heard."""
    it.run(it.page.mouse_click(*at_the_end_of(it, name)))
    it.settle()
    assert is_open(it), "the picker is not open: this test would show nothing"
    return it.script("heard.join()")


@pytest.mark.parametrize("frames", ["", FRAMES], ids=["still", "in motion"])
@pytest.mark.parametrize("name", ["list", "day", "month", "time", "colour", "ask"])
def test_it_is_closed_at_the_steps_end_unheard_by_the_page(computer, name, frames):
    it = computer(FIELDS + frames)
    it.run(it.page.screenshot())
    heard = open_picker(it, name)
    focus = it.script("document.activeElement.id")
    it.look()
    assert not is_open(it)
    assert it.run(it.page.screenshot())[:4] == b"\x89PNG"
    assert it.script("heard.join()") == heard
    assert it.script("document.activeElement.id") == focus == name
    assert it.script("document.getAnimations().length") == 0


def test_keys_then_act_on_the_field_itself(computer):
    it = computer(FIELDS)
    open_picker(it, "list")
    it.look()
    it.act("press", "ArrowDown")
    assert it.element("list").value == "two"
    assert it.script("heard.filter(kind => kind == 'change').length") == 1


def test_the_next_click_reaches_the_page(computer):
    it = computer(FIELDS + "<button onclick='document.title = 7'>Next</button>")
    open_picker(it, "list")
    it.act("click", "Next")
    assert it.look().title == "7"


def test_opened_by_keys(computer):
    it = computer(FIELDS)
    it.script("list.focus()")
    it.run(it.page.press("Alt+ArrowDown"))
    it.settle()
    assert is_open(it)
    it.look()
    assert not is_open(it)
    it.run(it.page.screenshot())


@pytest.mark.parametrize("style", ["", "display:block", "display:flex", "display:grid", "display:block!important"])
def test_whatever_its_box_is(computer, style):
    it = computer(FIELDS.replace("<select", f"<select style='{style}'"))
    open_picker(it, "list")
    it.look()
    assert not is_open(it)
    it.run(it.page.screenshot())


def test_a_page_that_is_scrolled_to_its_end_stays_there(computer):
    it = computer("<div style='height:3000px'></div>" + FIELDS)
    it.script("scrollTo(0, 1e9)")
    it.settle()
    it.look()
    before = it.script("scrollY")
    heard = open_picker(it, "list")
    it.look()
    assert not is_open(it)
    it.settle()
    assert it.script("scrollY") == before > 0
    assert it.script("heard.join()") == heard


SELECT = "<select style='width:100px'><option>a<option>b</select>"
INNER = {
    "a shadow root": (
        "host.shadowRoot",
        f"<div id=host></div><script>host.attachShadow({{mode: 'open'}}).innerHTML = `{SELECT}`</script>",
    ),
    "a frame": ("frames[0].document", "<iframe src=/inner width=300 height=100 style='border:0'></iframe>"),
}


@pytest.mark.parametrize(("root", "html"), INNER.values(), ids=INNER.keys())
def test_within(computer, root, html):
    it = computer("<body style='margin:0'>" + html, {"/inner": "<body style='margin:0'>" + SELECT})
    it.run(it.page.mouse_click(90.0, 10.0))
    it.settle()
    assert it.script(f"{root}.querySelectorAll(':open').length") == 1
    it.look()
    assert it.script(f"{root}.querySelectorAll(':open').length") == 0
    it.run(it.page.screenshot())


def test_a_list_that_the_page_draws_itself_stays_open(computer):
    it = computer("""<body style="margin:0"><style>select, ::picker(select) { appearance: base-select }</style>
        <select id=list style='width:100px'><option>a<option>b</select>""")
    it.run(it.page.mouse_click(50.0, 10.0))
    it.settle()
    assert is_open(it)
    it.look()
    assert is_open(it)
    it.run(it.page.screenshot())


@pytest.mark.parametrize("event", ["click", "focusin", "mousedown"])
def test_a_field_is_filled_although_the_page_opens_a_picker_meanwhile(computer, event):
    opens = f"<script>addEventListener('{event}', () => {{ list.showPicker(); heard.push('opened') }})</script>"
    it = computer(FIELDS + "<input aria-label=Name>" + opens)
    it.act("fill", "Name", "Ada")
    assert "opened" in it.script("heard.join()")
    assert it.element("Name").value == "Ada"
    it.run(it.page.screenshot())
