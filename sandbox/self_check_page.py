"""Checks of what a page shows to an agent and what an agent can do to it."""

from __future__ import annotations

from .events import Click, Dialog, Input, Load, Navigation, Request, Submit, Title
from .self_check_kit import CheckGroup, Kit, expect, require

GROUP = CheckGroup("page")


@GROUP.check("a browser starts and opens a page", "nothing else can be checked without one", deadline_s=60)
async def _starts(kit: Kit) -> None:
    it = await kit.open("<title>Ready</title><h1>Hello</h1>")
    expect(await it.title(), "Ready", "the page's title")


@GROUP.check("an ordinary reset is quick and reuses its page", "a reset must launch no browser")
async def _reuse(kit: Kit) -> None:
    pages = set()
    for _ in range(4):
        it = await kit.open("<title>T</title>")
        pages.add(id(it.page))
        await kit.close(it)
    require(len(pages) < 4, "four episodes in a row each had a new page")


@GROUP.check("viewport, scale, language and zone are fixed", "the same page must look the same on every machine")
async def _fixed_view(kit: Kit) -> None:
    it = await kit.open(
        "<script>document.title = [innerWidth, innerHeight, devicePixelRatio, navigator.language, "
        "Intl.DateTimeFormat().resolvedOptions().timeZone, "
        "matchMedia('(prefers-reduced-motion: reduce)').matches].join()</script>"
    )
    expect(await it.title(), "1280,720,1,en-US,UTC,true", "what the page sees of its surroundings")


@GROUP.check("look reports roles, names, values and states", "agents and milestones read nothing else")
async def _look(kit: Kit) -> None:
    it = await kit.open(
        "<h2>Order</h2><label>Amount <input value=3></label><label><input type=checkbox checked>Agree</label>"
        "<select aria-label=Size><option>S<option selected>M</select><button disabled>Pay</button>"
    )
    seen = {e.name: (e.role, e.value, e.states) for e in (await it.look()).elements}
    expect(seen.get("Order", ("",))[0], "heading", "the role of the heading")
    expect(seen.get("Amount", ("", ""))[:2], ("textbox", "3"), "role and value of the field")
    expect(seen.get("Agree", ("", "", ()))[2], ("checked",), "the states of the checkbox")
    expect(seen.get("Size", ("", ""))[:2], ("combobox", "M"), "role and value of the select")
    expect(seen.get("Pay", ("", "", ()))[2], ("disabled",), "the states of the button")


@GROUP.check("look leaves out what is hidden and masks passwords", "an agent must not read what a person cannot")
async def _hidden(kit: Kit) -> None:
    it = await kit.open(
        "<button hidden>A</button><button style='display:none'>B</button><button style='visibility:hidden'>C</button>"
        "<input type=password aria-label=Secret value=abc>"
    )
    elements = (await it.look()).elements
    expect([e.name for e in elements], ["Secret"], "the elements that are reported")
    require("abc" not in (elements[0].value or ""), "a password is readable")


@GROUP.check("look says how much a large page left out", "a silent cut would hide a target")
async def _cap(kit: Kit) -> None:
    it = await kit.open("<body><script>document.body.innerHTML = '<button>b</button>'.repeat(3000)</script>")
    view = await it.look()
    expect(len(view.elements) + view.elements_omitted, 3000, "elements reported and left out")


@GROUP.check("references are stable while their element lives", "an agent acts on what it saw a step ago")
async def _refs(kit: Kit) -> None:
    it = await kit.open("<button onclick='this.before(document.createElement(`hr`)); this.id = `x`'>Stay</button>")
    before = (await it.element("Stay")).ref
    await it.do("click", on="Stay")
    expect((await it.element("Stay")).ref, before, "the button's reference after the page changed")


@GROUP.check("the page sees nothing of the machinery", "a page that notices it is watched can behave otherwise")
async def _unseen(kit: Kit) -> None:
    it = await kit.open(
        "<script>const before = Object.getOwnPropertyNames(window).length</script><button onclick='document.title = "
        "[Object.getOwnPropertyNames(window).length - before, document.querySelectorAll(`body [data-ref]`).length, "
        "Object.getOwnPropertyNames(window).filter(n => /milepost|playwright/i.test(n)).length].join()'>B</button>"
    )
    await it.do("click", on="B")
    expect(await it.title(), "0,0,0", "new globals, marked elements, telling names")


@GROUP.check("a screenshot is a PNG of the viewport", "observations and reports show it")
async def _screenshot(kit: Kit) -> None:
    it = await kit.open("<body style='background:red'>")
    png = await it.page.screenshot()
    expect(png[:8], b"\x89PNG\r\n\x1a\n", "the first bytes")
    size = (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big"))
    expect(size, (1280, 720), "width and height")


@GROUP.check("a click is trusted, lands and is journalled", "milestones pay only for what really was clicked")
async def _click(kit: Kit) -> None:
    it = await kit.open("<button onclick='document.title = event.isTrusted'>Save</button>")
    await it.do("click", on="Save")
    expect(await it.title(), "true", "event.isTrusted")
    expect([(e.role, e.name, e.origin) for e in it.of(Click)], [("button", "Save", "input")], "the Click events")


@GROUP.check("a double click is one", "some interfaces open only so")
async def _double(kit: Kit) -> None:
    it = await kit.open("<button ondblclick='document.title = `twice`'>Open</button>")
    await it.do("click", on="Open", count=2)
    expect(await it.title(), "twice", "the title after a double click")


@GROUP.check("the right button opens a context menu", "menus of web applications hang on it")
async def _right(kit: Kit) -> None:
    it = await kit.open("<button oncontextmenu='document.title = `menu`; return false'>More</button>")
    await it.do("click", on="More", button="right")
    expect(await it.title(), "menu", "the title after a right click")


@GROUP.check("hovering is felt", "menus open on it")
async def _hover(kit: Kit) -> None:
    it = await kit.open("<button onmouseover='document.title = `over`'>Menu</button>")
    await it.do("hover", on="Menu")
    expect(await it.title(), "over", "the title after hovering")


@GROUP.check("fill replaces a field's text by trusted input", "forms of any framework must notice")
async def _fill(kit: Kit) -> None:
    it = await kit.open("<input aria-label=Name value=old oninput='document.title = event.isTrusted + this.value'>")
    await it.do("fill", "Zoë ✓", on="Name")
    expect(await it.title(), "trueZoë ✓", "trust and value as the page saw them")
    expect([(e.name, e.value) for e in it.of(Input)][-1:], [("Name", "Zoë ✓")], "the Input events")
    await it.do("fill", "", on="Name")
    expect((await it.element("Name")).value, "", "the value after it was emptied")


@GROUP.check("date fields are filled", "they take no typed text")
async def _date(kit: Kit) -> None:
    it = await kit.open("<input type=date aria-label=Day onchange='document.title = this.value'>")
    await it.do("fill", "2026-02-03", on="Day")
    expect(await it.title(), "2026-02-03", "the date as the page saw it")


@GROUP.check("select chooses by label, and explains what it cannot", "labels are what an agent reads")
async def _select(kit: Kit) -> None:
    it = await kit.open(
        "<select "
        "aria-label=Size onchange='document.title = this.value'><option value=1>Small<option value=2>Large</select>"
    )
    await it.do("select", "Large", on="Size")
    expect(await it.title(), "2", "the value as the page saw it")
    require("Huge" in await it.refused("select", "Huge", on="Size"), "the refusal does not name the option")


@GROUP.check("a list that was clicked open is in nobody's way", "no picture is drawn while its window is open")
async def _picker(kit: Kit) -> None:
    it = await kit.open(
        "<select aria-label=Size onchange='document.title = this.value'><option>Small<option>Large</select>"
    )
    await it.do("click", on="Size")
    expect((await it.page.screenshot())[:4], b"\x89PNG", "the first bytes of the picture")
    await it.do("press", "ArrowDown")
    expect(await it.title(), "Large", "the value that a key then chose")


@GROUP.check("keys and chords are pressed", "not everything can be clicked")
async def _press(kit: Kit) -> None:
    it = await kit.open(
        "<form onsubmit='document.title = `sent ${q.value}`; "
        "return false'><input name=q id=q aria-label=Query value=abc></form>"
    )
    await it.do("click", on="Query")
    await it.do("press", "Control+A")
    await it.do("press", "z")
    await it.do("press", "Enter")
    expect(await it.title(), "sent z", "the title after select all, a letter and Enter")
    require("Hyper" in await it.refused("press", "Hyper+Q"), "the refusal does not name the key")


@GROUP.check("a checkbox is switched by a click", "and its Input says how it stands")
async def _checkbox(kit: Kit) -> None:
    it = await kit.open("<label><input type=checkbox>Dark</label>")
    await it.do("click", on="Dark")
    expect((await it.element("Dark")).states, ("checked",), "the states after a click")
    expect([(e.name, e.value) for e in it.of(Input)], [("Dark", "checked")], "the Input events")


@GROUP.check("what cannot be acted on is refused in words", "an agent learns from what it is told")
async def _refusals(kit: Kit) -> None:
    it = await kit.open(
        "<button disabled>Off</button><button style='position:fixed;top:99px;left:0'>Under</button>"
        "<div style='position:fixed;top:90px;left:0;width:300px;height:90px;background:red'>lid</div>"
    )
    require("disabled" in await it.refused("click", on="Off"), "a disabled button's refusal does not say so")
    require("cover" in await it.refused("click", on="Under"), "a covered button's refusal does not say so")
    require(bool(await it.refused("click", 999_999)), "an unknown element was clicked")


@GROUP.check("what is off the screen is scrolled to and clicked", "pages are longer than the viewport")
async def _scroll(kit: Kit) -> None:
    it = await kit.open(
        "<button onclick='document.title = scrollY > 0'>Far</button><style>button{margin:5000px 0}</style>"
    )
    await it.do("click", on="Far")
    expect(await it.title(), "true", "whether the page was scrolled")
    await it.do("scroll", "up")
    await it.do("scroll", "down")


@GROUP.check("frames and shadow roots are seen and used", "real pages are made of them")
async def _frames(kit: Kit) -> None:
    it = await kit.open(
        "<div id=host></div><iframe src=/inner></iframe><script>host.attachShadow({mode: 'open'}).innerHTML = "
        "`<button onclick='document.title = \"shadow\"'>Deep</button>`</script>",
        {"/inner": "<button onclick='parent.document.title = `frame`'>Inner</button>"},
    )
    await it.do("click", on="Deep")
    expect(await it.title(), "shadow", "the title after a click in a shadow root")
    await it.do("click", on="Inner")
    expect(await it.title(), "frame", "the title after a click in a frame")


@GROUP.check("dialogs are answered and recorded", "an open dialog would hold the page for ever")
async def _dialogs(kit: Kit) -> None:
    it = await kit.open(
        "<button onclick='alert(`hi`); document.title = [confirm(`sure?`), prompt(`who?`, `me`)].join()'>Ask</button>"
    )
    await it.do("click", on="Ask")
    expect(await it.title(), "true,me", "the answers that the page got")
    said = [(e.dialog_type, e.message) for e in it.of(Dialog)]
    expect(said, [("alert", "hi"), ("confirm", "sure?"), ("prompt", "who?")], "the Dialog events")


@GROUP.check("goto and back load pages and are journalled", "navigation is the first of all milestones")
async def _goto(kit: Kit) -> None:
    it = await kit.open("<title>One</title>", {"/two": "<title>Two</title>"})
    await it.do("goto", "/two")
    expect(await it.title(), "Two", "the title after goto")
    expect([(e.url, e.same_document) for e in it.of(Navigation)], [(it.instance.origin + "/two", False)], "Navigation")
    expect([e.state for e in it.of(Load)], ["domcontentloaded", "load"], "the Load events")
    expect([e.title for e in it.of(Title)], ["Two"], "the Title events")
    await it.do("back")
    expect(await it.title(), "One", "the title after back")
    require(bool(await it.refused("back")), "there was something before the first page")


@GROUP.check("forward and reload work", "as a person's buttons do")
async def _forward(kit: Kit) -> None:
    it = await kit.open("<title>One</title>", {"/two": "<title>Two</title>"})
    await it.do("goto", "/two")
    await it.do("back")
    await it.do("forward")
    expect(await it.title(), "Two", "the title after forward")
    await it.do("reload")
    expect(await it.title(), "Two", "the title after reload")


@GROUP.check("forms, redirects and steps within a page are followed", "all of them change the address")
async def _ways(kit: Kit) -> None:
    it = await kit.open(
        "<form action=/two aria-label=Search><input name=q value=1><button>Send</button></form>"
        "<a href='/redirect?to=/two'>Round</a><button onclick='history.pushState(0, 0, `/three`)'>Push</button>",
        {"/two": "<title>Two</title>"},
    )
    await it.do("click", on="Send")
    expect(((await it.look()).url, len(it.of(Submit))), (it.instance.origin + "/two?q=1", 1), "where the form led")
    await it.do("back")
    await it.do("click", on="Round")
    expect((await it.look()).url, it.instance.origin + "/two", "where the redirect led")
    require(any(e.status in (302, 307) for e in it.of(Request)), "the redirect's answer is not among the requests")
    await it.do("back")
    await it.do("click", on="Push")
    expect([e.same_document for e in it.of(Navigation)], [True], "the Navigation event of a step within the page")


@GROUP.check("a link to another tab is followed", "its content must reach the agent")
async def _tab(kit: Kit) -> None:
    it = await kit.open("<a href=/two target=_blank>Other</a>", {"/two": "<title>Two</title>"})
    await it.do("click", on="Other")
    expect(await it.title(), "Two", "the title of the page in view")


__all__ = ["GROUP"]
