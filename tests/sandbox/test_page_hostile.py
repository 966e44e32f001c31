"""Pages that mean harm, or mean well and are strange: a look reads them all the same, and they notice nothing."""

import json
import time
from pathlib import Path

import pytest

from milepost.sandbox.errors import ActionError
from milepost.sandbox.events import Click, Submit

pytestmark = pytest.mark.browser

CLOBBERED = (Path(__file__).parent / "pages" / "clobbered.html").read_text(encoding="utf-8")

TAMPERING = """<script>
  const fail = () => { window.noticed = (window.noticed || 0) + 1; throw new Error("seen") };
  const owners = [Node, Element, HTMLElement, HTMLInputElement, Document, ShadowRoot, CharacterData, Range,
    CSSStyleDeclaration];
  const all = owners.flatMap(({ prototype }) => Object.entries(Object.getOwnPropertyDescriptors(prototype))
    .map(([name, property]) => [prototype, name, property]));
  const redefine = Object.defineProperty;
  for (const [prototype, name, property] of all) {
    if (name === "constructor" || !property.configurable) continue;
    redefine(prototype, name, { ...property, ["value" in property ? "value" : "get"]: fail });
  }
  window.getComputedStyle = fail;
  JSON.stringify = fail;
  Function.prototype.call = fail;
  Map.prototype.get = Map.prototype.set = Set.prototype.has = WeakMap.prototype.get = Array.prototype.push = fail;
  String.prototype.replace = String.prototype.trim = fail;
  Array.prototype[Symbol.iterator] = fail;
  Object.prototype.get = fail;
</script>"""


def names(computer, html):
    return [(e.role, e.name) for e in computer(html).look().elements]


def ask(it, expression):
    """Evaluate in the isolated world."""
    return it.run(it.page._tab.clock.evaluate(expression))


def test_a_page_that_has_replaced_every_function_is_not_asked(computer):
    it = computer("<h1>Top</h1><label>Name <input value=Ada></label><button>Go</button>" + TAMPERING)
    assert [(e.role, e.name, e.value) for e in it.look().elements] == [
        ("heading", "Top", None),
        ("textbox", "Name", "Ada"),
        ("button", "Go", None),
    ]
    assert "<button>Go</button>" in ask(it, "milepostPage.html(2000)")
    assert it.script("window.noticed") is None


def test_custom_elements_with_traps_for_properties_spring_none(computer):
    html = """<trap-box tabindex=0>Trap <b>box</b></trap-box><script>
      class Trap extends HTMLElement {}
      for (const name of ["tagName", "children", "childNodes", "firstChild", "getAttribute", "shadowRoot", "hidden",
        "labels", "getBoundingClientRect", "checkVisibility", "textContent", "nodeType"])
        Object.defineProperty(Trap.prototype, name, { get() { window.sprung = name; throw new Error(name) } });
      customElements.define("trap-box", Trap);
      const box = document.querySelector("trap-box");
      Object.setPrototypeOf(box, new Proxy(Trap.prototype, { get(target, name) { window.sprung = String(name) } }));
    </script>"""
    it = computer(html)
    assert [(e.role, e.name) for e in it.look().elements] == [("clickable", "Trap box")]
    assert it.script("window.sprung") is None


def test_a_form_whose_fields_are_named_like_its_properties(computer):
    it = computer(CLOBBERED)
    view = it.look()
    assert it.ref("Clobbered form", "form")
    assert it.ref("Form dialog", "dialog")
    fields = [e.name for e in view.elements if e.role == "textbox"]
    assert {"tagName", "children", "id", "getAttribute", "nodeType", "checkVisibility", "contains"} <= set(fields)
    assert "body" in [e.name for e in view.elements if e.role == "img"]
    it.act("fill", "tagName", "typed")
    assert it.element("tagName").value == "typed"
    it.act("click", it.ref("Form button inside"))
    assert [(e.role, e.name) for e in it.of(Click)] == [("button", "Form button inside")]
    it.act("click", "Save")
    assert [e.name for e in it.of(Submit)] == ["Clobbered form"]
    assert "checkVisibility" in ask(it, "milepostPage.html(20000)")


def test_a_page_nested_without_end_is_read_to_its_bottom(computer):
    # Chromium's own layout does not survive some 3 000 nested blocks; inline elements may be nested deeper.
    html = """<button id=named></button><div id=blocks></div><p id=inlines></p><script>
      const nest = (at, tag, depth) => {
        for (let i = 0; i < depth; i++) at = at.appendChild(document.createElement(tag));
        return at;
      };
      nest(blocks, "div", 1500).innerHTML = "<button>Beneath blocks</button> and text";
      nest(inlines, "span", 5000).innerHTML = "<button>Bottom</button>";
      named.append("Shallow "); nest(named, "b", 1000).append("deep");
    </script>"""
    it = computer(html)
    assert [(e.role, e.name) for e in it.look().elements] == [
        ("button", "Shallow"),  # a name is read to a depth of 400
        ("button", "Beneath blocks"),
        ("text", "and text"),
        ("button", "Bottom"),
    ]
    it.act("click", "Bottom")
    assert [e.name for e in it.of(Click)] == ["Bottom"]
    assert ask(it, "milepostPage.html(2000)").endswith("more elements not shown)")


def test_pages_without_end_are_capped_and_say_so(computer):
    it = computer(
        "<body><script>const part = '<div><a href=/>link</a> text</div>'.repeat(1000);"
        "for (let i = 0; i < 15; i++) document.body.insertAdjacentHTML('beforeend', part)</script>"
    )
    view = it.look()
    assert len(view.elements) == 1000
    assert view.elements_omitted == 29_000
    said = ask(it, "milepostPage.html(3000)")
    assert len(said) <= 3000
    assert said.endswith("more elements not shown)")


def test_texts_and_names_of_a_million_characters_are_cut(computer):
    it = computer(
        "<p id=p></p><button id=b></button><button id=l>x</button><input id=i><script>"
        "p.textContent = ' '.repeat(50000) + 'word '.repeat(250000); b.textContent = 'n'.repeat(1e6);"
        "l.setAttribute('aria-label', 'l'.repeat(1e6)); i.value = 'v'.repeat(5000)</script>"
    )
    text, button, labelled, _ = it.look().elements
    assert text.name.startswith("word word")
    assert len(text.name) == 600
    assert (button.name, labelled.name) == ("n" * 299 + "…", "l" * 299 + "…")
    assert len(ask(it, "milepostPage.html(8000)")) <= 8000


def test_selectors_and_ids_that_break_queries(computer):
    html = """<input id='a"]b' aria-label=one><label for='a"]b'>two</label><div id='x y' role=option>stray</div>
      <map name='m"]'><area href=/ alt=Area coords=0,0,1e999,9></map>
      <img usemap='#m"]' alt=Map width=9 height=9 src='data:,'><button class=b>z</button>
      <style>.a:nope, .b::before { content: 'x' } .c:hover::after { content: 'y'; cursor: pointer }</style>"""
    assert ("button", "z") in names(computer, html)
    assert ("textbox", "one") in names(computer, html)


def test_the_page_finds_no_trace(computer):
    it = computer("<button>Go</button><script>window.before = Object.getOwnPropertyNames(window).length</script>")
    it.act("click", "Go")
    ask(it, "milepostPage.html(500) + milepostPage.selection() + milepostPage.checked(1)")
    found = it.script(
        "JSON.stringify([Object.getOwnPropertyNames(window).length - window.before - 1,"
        "typeof milepostPage, typeof milepostJournal, document.documentElement.outerHTML.includes('milepost'),"
        "document.querySelector('button').attributes.length])"
    )
    assert json.loads(found) == [0, "undefined", "undefined", False, 0]


def test_an_empty_document_has_nothing_to_scroll(computer):
    it = computer("<button onclick='document.documentElement.remove()'>Empty</button>")
    it.act("click", "Empty")
    with pytest.raises(ActionError, match="nothing is there to scroll"):
        it.run(it.page.scroll("down"))
    assert it.look().elements == ()


HALF = """<title>t</title><label>Name <input></label><button>Go</button><p id=p>x</p><a id=a href="/x">y</a><script>
  const half = String.fromCharCode(0xdc00), other = String.fromCharCode(0xd83d);
  document.title = "T" + half;
  document.querySelector("button").textContent = "Go" + other;
  document.querySelector("p").textContent = half + "text" + other;
  document.querySelector("input").value = "v" + half;
  document.querySelector("#a").setAttribute("aria-label", other);
  document.querySelector("button").onclick = () => { console.log(half); alert("A" + half); document.title = other };
</script>"""


def test_half_a_surrogate_pair_anywhere_harms_nothing(computer):
    it = computer(HALF)
    seen = it.look()
    assert seen.title == "T\ufffd"
    assert ("button", "Go\ufffd") in [(e.role, e.name) for e in seen.elements]
    assert "v\ufffd" in [e.value for e in seen.elements]
    it.act("click", "Go\ufffd")
    assert it.look().title == "\ufffd"


CIRCLES = {
    "a field that is labelled by what holds it": "<div role=textbox id=a tabindex=0><p aria-labelledby=a>x</p></div>",
    "fields that label each other": "<div role=textbox id=a tabindex=0>x<i role=textbox aria-labelledby=b>y</i></div>"
    "<div role=textbox id=b tabindex=0>z<i role=textbox aria-labelledby=a>w</i></div>",
    "options that own each other": "<div role=option id=a aria-owns=b>x</div><div role=option id=b aria-owns=a>y</div>",
    "an item that owns itself": "<div role=treeitem id=a aria-owns=a>x</div>",
}


@pytest.mark.parametrize("html", CIRCLES.values(), ids=CIRCLES)
def test_names_and_roles_that_lead_in_circles(computer, html):
    it = computer(html + "<button>Go</button>")
    assert it.ref("Go")
    assert "x" in " ".join(f"{e.name} {e.value}" for e in it.look().elements)
    it.act("click", "Go")
    assert [e.name for e in it.of(Click)] == ["Go"]


NESTS = {
    "empty fields": "role=textbox",
    "options without a list": "role=option",
    "labelled fields": "role=textbox aria-labelledby=top",
    "clickable boxes": "style=cursor:pointer",
    "empty comboboxes": "role=combobox",
}


@pytest.mark.parametrize("given", NESTS.values(), ids=NESTS)
def test_what_is_nested_without_end_is_read_in_a_moment(computer, given):
    nest = f"<span {given}>" * 2_000 + "<button>Bottom</button>" + "</span>" * 2_000
    it = computer(f"<button>Top</button><p id=top>top</p>{nest}<button>End</button>")
    began = time.monotonic()
    seen = it.look()
    assert time.monotonic() - began < 10
    assert seen.elements[0].name == "Top"
    assert seen.elements_omitted or seen.elements[-1].name == "End"
