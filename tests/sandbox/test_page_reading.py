"""The page as pruned HTML, the selection, and whether something is checked."""

import pytest

pytestmark = pytest.mark.browser


def ask(it, expression):
    """Evaluate in the isolated world."""
    return it.run(it.page._tab.clock.evaluate(f"milepostPage.{expression}"))


def test_html_holds_what_is_drawn_and_nothing_else(computer):
    it = computer(
        """<main class=card style="color:red" data-id=7 onclick="x()">
        <h1>Title &amp; more</h1><!-- note --><script>1</script><style>p{}</style>
        <p hidden>no</p><p style="display:none">no</p><p style="visibility:hidden">no</p>
        <a href="/x" data-track=1 ping=/p>Link</a>
        <svg viewBox="0 0 9 9" class=icon><path d="M0 0L9 9"/><text>drawn</text></svg>
        <img alt=Picture src="data:image/png;base64,%s">
        <input value=old id=f><input type=password value=secret><input type=checkbox><textarea>was</textarea>
        <select><option>one<option selected>two</select><br></main>"""
        % ("A" * 500)
    )
    it.script("f.value = 'new'; document.querySelector('[type=checkbox]').checked = true")
    html = ask(it, "html(5000)")
    assert "".join(html.split("\n")) == html
    for part in (
        '<main class="card">', "<h1>Title &amp; more</h1>", '<a href="/x">Link</a>', "</main>",
        '<svg class="icon"><text>drawn</text></svg>',
        '<input value="new" id="f">', '<input type="password" value="••••••">', '<input type="checkbox" checked>',
        "<textarea>was</textarea>", "<select><option>one</option><option selected>two</option></select><br>",
    ):  # fmt: skip
        assert part in html
    for part in ("note", "script", "style", "no<", "data-", "onclick", "path", "secret", "old", "ping", "A" * 101):
        assert part not in html


def test_html_shows_shadow_roots_as_templates(computer):
    it = computer(
        "<x-box>light</x-box><script>customElements.define('x-box', class extends HTMLElement { connectedCallback() {"
        "this.attachShadow({mode: 'open'}).innerHTML = '<b>dark</b><slot></slot>' } })</script>"
    )
    assert ask(it, "html(500)") == (
        '<body><x-box><template shadowrootmode="open"><b>dark</b><slot></slot></template>light</x-box></body>'
    )


@pytest.mark.parametrize("limit", [60, 200, 1000, 4000])
def test_html_keeps_within_its_limit_and_stays_whole(computer, limit):
    it = computer("<ul>" + "".join(f"<li><a href=/item/{i}>Item {i}</a></li>" for i in range(200)) + "</ul>")
    html = ask(it, f"html({limit})")
    shown, _, notice = html.rpartition("\n")
    assert len(html) <= limit
    assert shown.count("<a ") == shown.count("</a>")
    assert shown.count("<li>") == shown.count("</li>")
    left = int(notice.removeprefix("(").removesuffix(" more elements not shown)"))
    assert left >= 2 * (200 - shown.count("<li>"))  # each item and its link, and the texts that did not fit


def test_html_of_a_short_page_says_nothing_of_more(computer):
    assert ask(computer("<p>short</p>"), "html(200)") == "<body><p>short</p></body>"


def test_selection(computer):
    it = computer(
        "<p id=p>Some text to take</p><textarea id=t>in a field</textarea><input type=password id=w value=secret>"
    )
    assert ask(it, "selection()") == ""
    it.script("getSelection().setBaseAndExtent(p.firstChild, 5, p.firstChild, 9)")
    assert ask(it, "selection()") == "text"
    it.script("t.focus(); t.setSelectionRange(5, 10)")
    assert ask(it, "selection()") == "field"
    it.script("w.focus(); w.select()")
    assert "secret" not in ask(it, "selection()")


def test_checked(computer):
    it = computer(
        "<input type=checkbox aria-label=a><input type=checkbox aria-label=b checked>"
        "<input type=radio aria-label=c checked>"
        "<div role=switch aria-checked=true tabindex=0>d</div><button aria-pressed=false>e</button><button>f</button>"
        "<input type=checkbox aria-label=g id=g><script>g.indeterminate = true</script>"
    )
    answers = {name: ask(it, f"checked({it.ref(name)})") for name in "abcdefg"}
    assert answers == {"a": False, "b": True, "c": True, "d": True, "e": False, "f": None, "g": False}
    assert ask(it, "checked(999)") is None


def test_an_element_of_an_image_map_is_a_link_that_can_be_clicked(computer):
    image = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
    it = computer(
        "<map name=m><area href=#one alt=One coords=0,0,20,20>"
        "<area href=#two alt=Two shape=circle coords=60,20,10></map>"
        f"<img usemap=#m alt=Map width=100 height=40 src='{image}' style='position:absolute;left:100px;top:1500px'>"
    )
    one, two = it.element("One"), it.element("Two")
    assert (one.role, one.box, two.box) == ("link", (100, 1500, 20, 20), (150, 1510, 20, 20))
    it.act("click", "Two")
    assert it.look().url.endswith("#two")


def test_a_pointing_hand_makes_a_part_of_the_page_clickable(computer):
    it = computer(
        "<style>.row { cursor: pointer } .icon:hover { cursor: pointer } .odd { text-transform: uppercase }</style>"
        "<div class=row onmousedown='1'>Mail <b class=odd>from</b> Ann</div><i class=icon>star</i>"
        "<div class=row><button>Only</button></div><p>plain</p><div style='cursor:pointer'>Inline</div>"
        "<script>document.querySelector('.row').addEventListener('click', () => document.title = 'opened')</script>"
    )
    assert [(e.role, e.name) for e in it.look().elements] == [
        ("clickable", "Mail FROM Ann"), ("clickable", "star"), ("button", "Only"), ("text", "plain"),
        ("clickable", "Inline"),
    ]  # fmt: skip
    it.act("click", "Mail FROM Ann")
    assert it.look().title == "opened"


def test_controls_within_something_clickable_are_reported_too(computer):
    it = computer(
        "<div tabindex=0>Card <button>Like</button></div>"
        "<div tabindex=0><h2>Big</h2><p>Text</p><a href=/>more</a></div>"
        "<label for=o>Total</label><output id=o>7</output>"
    )
    lines = [(e.depth, e.role, e.name) for e in it.look().elements]
    assert lines == [
        (0, "clickable", "Card Like"), (1, "button", "Like"), (0, "clickable", ""), (1, "heading", "Big"),
        (1, "text", "Text"), (1, "link", "more"), (0, "status", "Total"), (1, "text", "7"),
    ]  # fmt: skip


def test_what_cannot_be_acted_on_is_numbered_last(computer):
    it = computer(
        "<nav aria-label=Main><a href=/>A</a></nav><table aria-label=T><tr><th>H<tr><td>1</table><button>B</button>"
    )
    refs = {(e.role, e.name): e.ref for e in it.look().elements}
    assert refs == {
        ("link", "A"): 1, ("row", "H"): 2, ("row", "1"): 3, ("button", "B"): 4,
        ("navigation", "Main"): 5, ("table", "T"): 6, ("columnheader", "H"): 7,
    }  # fmt: skip
