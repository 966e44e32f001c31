"""Where a page may go: http, its own task's hosts, and nowhere else, however it sets out."""

import pytest

from milepost.sandbox.errors import ActionError

pytestmark = pytest.mark.browser

SCHEMES = {
    "file": "file:///etc/passwd",
    "data": "data:text/html,<title>Away</title><h1>Away</h1>",
    "chrome": "chrome://version/",
    "view-source": "view-source:http://127.0.0.1/",
    "blank": "about:blank",
    "about": "about:version",
    "file with a host": "file://localhost/etc/passwd",
    "chrome untrusted": "chrome-untrusted://terminal/",
    "devtools": "devtools://devtools/bundled/inspector.html",
    "filesystem": "filesystem:http://127.0.0.1/temporary/x.html",
    "ftp": "ftp://127.0.0.1/",
    "mailto": "mailto:someone@example.com",
    "unknown": "intent://x#Intent;end",
}
WAYS = {
    "link": "<a href='URL'>Go</a>",
    "link to a new tab": "<a href='URL' target=_blank>Go</a>",
    "link without a referrer": "<a href='URL' rel=noreferrer>Go</a>",
    "area": "<img usemap=#m width=90 height=90><map name=m><area shape=default href='URL' alt=Go></map>",
    "svg link": "<svg width=90 height=30><a href='URL'><text y=20>Go</text></a></svg>",
    "base": "<base href='URL'><a href=''>Go</a>",
    "form": "<form action='URL'><button>Go</button></form>",
    "posted form": "<form action='URL' method=post><button>Go</button></form>",
    "button's action": "<form><button formaction='URL'>Go</button></form>",
    "location": "<button onclick='location = `URL`'>Go</button>",
    "replaced location": "<button onclick='location.replace(`URL`)'>Go</button>",
    "opened window": "<button onclick='window.open(`URL`)'>Go</button>",
    "opened here": "<button onclick='window.open(`URL`, `_self`)'>Go</button>",
    "history": "<button onclick='history.pushState(0, 0, `URL`)'>Go</button>",
    "navigation": "<button onclick='navigation.navigate(`URL`)'>Go</button>",
    "refresh": (
        "<button onclick='document.head.append(Object.assign(document.createElement(`meta`), "
        "{httpEquiv: `refresh`, content: `0;url=URL`}))'>Go</button>"
    ),
    "frame": (
        "<button "
        "onclick='document.body.append(Object.assign(document.createElement(`iframe`), {src: `URL`}))'>Go</button>"
    ),
    "redirect": "<a href='/redirect?to=URL'>Go</a>",
    "redirected form": "<form action='/redirect?to=URL&status=307' method=post><button>Go</button></form>",
}


def guard(it):
    return it.page._tab.guard


def try_to_go(it):
    """Set out and settle; being refused in words is fine."""
    targets = [e for e in it.look().elements if e.name == "Go"]
    try:
        if targets:
            it.act("click", targets[0].ref)
        else:  # an image map's area is not listed, but a keyboard reaches it
            it.act("press", "Tab")
            it.act("press", "Enter")
        it.settle()
    except ActionError:
        return


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_to_another_scheme(hostile, way):
    schemes = list(SCHEMES) if way in ("link", "location") else list(SCHEMES)[:6]
    pages = {f"/{n}": f"<title>{n}</title>{WAYS[way].replace('URL', SCHEMES[s])}" for n, s in enumerate(schemes)}
    it = hostile("<title>Home</title>", pages)
    for number, scheme in enumerate(schemes):
        it.act("goto", f"/{number}")
        try_to_go(it)
        view = it.look()
        assert view.url.startswith(it.instance.origin + "/"), (scheme, view.url)
        shown = [e.name for e in view.elements if "root:" in e.name or "Away" in e.name or "Chrom" in e.name]
        if scheme != "data" or way != "frame":  # a frame of the page's own text is the page's own
            assert not shown, scheme


TRICKS = (
    "javascript:document.title='Away'",
    "java\nscript:document.title='Away'",
    "blob:null/x",
    "  file:///etc/passwd",
    "FILE:///etc/passwd",
    "//127.0.0.1/",
    "http://user@127.0.0.1/",
    "https://example.com/",
)


def test_an_agent_s_goto_is_refused(hostile):
    it = hostile("<title>Home</title>")
    for url in (*SCHEMES.values(), *TRICKS):
        with pytest.raises(ActionError):
            it.act("goto", url)
        assert it.look().title == "Home", url
    for url in ("http:/\\127.0.0.1/", "\\\\127.0.0.1\\x"):  # these are paths, however they look
        it.act("goto", url)
        assert it.look().url.startswith(it.instance.origin + "/")
    it.act("goto", "/")
    host = it.instance.host
    for url in (f"http://{host}@127.0.0.1/", f"http://{host}.evil.example/", f"https://{host}/", f"http://{host}:80/"):
        with pytest.raises(ActionError):
            it.act("goto", url)
        assert it.look().title == "Home", url


OUTWARD = [way for way in WAYS if way != "history"]  # which refuses another origin by itself


def outward_pages(url):
    fields = "<input aria-label=Kept>"
    return {f"/{n}": f"<title>Home</title>{fields}{WAYS[way].replace('URL', url)}" for n, way in enumerate(OUTWARD)}


def test_a_navigation_off_the_task_is_not_sent_and_costs_the_page_nothing(hostile):
    """To another episode of the same server, whose address no page should know, by every way there is."""
    other = hostile("<title>Other</title>")
    it = hostile("<title>Home</title>", outward_pages(other.instance.origin + "/hit/away"))
    seen = []
    served = other.instance.handle

    async def watched(scope, receive, send):
        seen.append(scope["path"])
        await served(scope, receive, send)

    other.instance.handle = watched
    for number, way in enumerate(OUTWARD):
        guard(it).allowed = None
        it.act("goto", f"/{number}")
        guard(it).allowed = frozenset([it.instance.host])
        if way != "area":
            it.act("fill", "Kept", "typed")
        try_to_go(it)
        assert it.look().title == "Home", way
        if way not in ("area", "refresh"):
            assert it.element("Kept").value == "typed", way
    assert seen == []


def test_what_the_guard_refuses_is_said_to_the_agent_once(hostile):
    it = hostile("<title>Home</title><a href=http://elsewhere.example/x>Go</a>")
    watch = guard(it)
    said = ""
    try:
        it.act("click", "Go")
    except ActionError as error:
        said = str(error)
    assert "http://elsewhere.example/x" in said + "".join(watch.take_refused())
    assert watch.take_refused() == []
    it.settle()


@pytest.mark.parametrize("target", ["about:blank", "blob", "http://elsewhere.example/"])
def test_a_page_that_replaces_itself_is_brought_back_too(hostile, target):
    code = "window.URL.createObjectURL(new Blob([`<title>Forged</title>`], {type: `text/html`}))"
    code = code if target == "blob" else f"`{target}`"
    it = hostile(f"<title>Home</title><button onclick='location.replace({code})'>Go</button>")
    with pytest.raises(ActionError, match=r"refused|loaded"):
        it.act("click", "Go")
    assert it.look().title == "Home"
