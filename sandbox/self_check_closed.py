"""Checks of what must not be possible, and of what happens when something breaks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

from .errors import ActionError, AppServerError, BrowserCrashedError, PageHungError, SandboxError
from .events import Click, Input, Submit
from .self_check_kit import CheckFailedError, CheckGroup, CheckSkippedError, Kit, browser_pids, expect, require

GROUP = CheckGroup("closed")
HANG_DEADLINE_S = 40.0


class _Ear(asyncio.DatagramProtocol):
    """Remembers what reached a port of this machine by TCP or UDP."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.port = 0

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.append(f"{len(data)} bytes by UDP")

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(f"a TCP connection, {(await reader.read(80))!r}")
        writer.close()


@contextlib.asynccontextmanager
async def _listening() -> AsyncIterator[_Ear]:
    ear = _Ear()
    server = await asyncio.start_server(ear.accepted, "127.0.0.1", 0)
    ear.port = server.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: ear, local_addr=("127.0.0.1", ear.port)
    )
    try:
        yield ear
    finally:
        transport.close()
        server.close()


async def _hears_nothing(kit: Kit, url: str, script: str) -> None:
    async with _listening() as ear:
        where = url.replace("PORT", str(ear.port))
        it = await kit.open(
            f"<title>Home</title><p>x</p><script>onload = () => {{ const U = {where!r}; {script} }}</script>"
        )
        for _ in range(3):
            with contextlib.suppress(ActionError):
                await it.settle(300)
        expect(ear.heard, [], f"what a port of this machine heard when a page asked for {where}")


LOAD = (
    "fetch(U, {mode: 'no-cors'}).catch(() => 0); new Image().src = U; navigator.sendBeacon(U, 'x');"
    "const put = (t, p) => document.body.append(Object.assign(document.createElement(t), p));"
    "put('script', {src: U}); put('link', {rel: 'stylesheet', href: U}); put('link', {rel: 'preconnect', href: U});"
    "put('link', {rel: 'prefetch', href: U}); put('iframe', {src: U}); put('style', {textContent: `@import url(${U})`});"
    "try { new EventSource(U) } catch (e) {} try { new WebSocket(U.replace('http', 'ws')) } catch (e) {}"
    "const w = `fetch('${U}', {mode: 'no-cors'}); importScripts('${U}')`;"
    "new Worker(window.URL.createObjectURL(new Blob([w])))"
)


@GROUP.check("no address by number can be reached", "the machine's other services are not the page's")
async def _number(kit: Kit) -> None:
    await _hears_nothing(kit, "http://127.0.0.1:PORT/", LOAD)


@GROUP.check("no name of this machine can be reached", "localhost has more names than one")
async def _names(kit: Kit) -> None:
    for host in ("localhost", "x.localhost", "x.apps.localhost"):
        await _hears_nothing(kit, f"http://{host}:PORT/", LOAD)


@GROUP.check("WebRTC sends nothing", "it opens sockets of its own")
async def _webrtc(kit: Kit) -> None:
    await _hears_nothing(
        kit,
        "127.0.0.1:PORT",
        "for (const s of ['stun:' + U, 'turn:' + U + '?transport=udp', 'turn:' + U + '?transport=tcp']) {"
        "const pc = new RTCPeerConnection({iceServers: [{urls: s, username: 'u', credential: 'c'}]});"
        "pc.createDataChannel('x'); pc.createOffer().then(o => pc.setLocalDescription(o)) }",
    )


@GROUP.check("goto takes http to the task's hosts only", "files and browser pages hold answers and settings")
async def _schemes(kit: Kit) -> None:
    it = await kit.open("<title>Home</title>")
    for url in (
        "file:///etc/passwd", "javascript:document.title='Away'", "data:text/html,x", "chrome://version", "about:blank",
        "view-source:http://x/", "blob:null/x", "http://127.0.0.1/", "http://example.com/", "https://example.com/",
    ):  # fmt: skip
        await it.refused("goto", url)
    expect(await it.title(), "Home", "the title afterwards")


@GROUP.check("a link that leads out brings nobody away", "wherever a navigation starts, the list holds")
async def _links(kit: Kit) -> None:
    it = await kit.open(
        "<title>Home</title><a href=http://example.com/>A</a><a href=file:///etc/passwd>B</a>"
        "<button onclick='location = `http://127.0.0.1/`'>C</button><a href='/redirect?to=http://example.com/'>D</a>"
        "<button onclick='window.open(`http://example.com/`)'>E</button>"
    )
    for name in "ABCDE":
        with contextlib.suppress(ActionError):
            await it.do("click", on=name)
        expect(await it.title(), "Home", f"the title after {name}")


@GROUP.check("another episode is out of reach", "one episode's state must not depend on another's")
async def _apart(kit: Kit) -> None:
    other = await kit.open("<title>Other</title>")
    url = other.instance.origin + "/hit?"
    it = await kit.open(
        f"<title>Home</title><a href={url}link>Go</a><iframe src={url}frame></iframe><script>new Image().src = '{url}image';"
        f"fetch('{url}fetch', {{mode: 'no-cors'}}).catch(() => 0)</script>"
    )
    with contextlib.suppress(ActionError):
        await it.do("click", on="Go")
    await it.refused("goto", url)
    expect((await other.state())["hits"], [], "the requests that reached the other episode")
    expect(await it.title(), "Home", "the title afterwards")


LEAVE = (
    "window.name = 'left'; document.cookie = 'a=1; domain=apps.localhost; path=/'; document.cookie = 'b=1';"
    "localStorage.a = sessionStorage.a = 1; history.pushState(1, ''); indexedDB.open('left')"
)


@GROUP.check("the next episode finds nothing of the last", "warm pages must be as good as new")
async def _clean(kit: Kit) -> None:
    html = (
        "<script>document.title = [document.cookie, localStorage.length, sessionStorage.length, window.name, "
        f"history.length, document.referrer, opener].join('|')</script><button onclick=\"{LEAVE}\">Leave</button>"
    )
    for _ in range(3):
        it = await kit.open(html)
        expect((await it.title()).replace("|2|", "|1|"), "|0|0||1||", "what a new episode finds")
        await it.do("click", on="Leave")
        await kit.close(it)


@GROUP.check("service workers and WebSockets are refused", "they would act behind the agent's back")
async def _workers(kit: Kit) -> None:
    it = await kit.open(
        "<script>const said = []; const say = x => { said.push(x); document.title = said.sort().join() };"
        "navigator.serviceWorker.register('/hit?worker').then(r => say(r ? 'worker' : 'no worker'), () => say('no worker'));"
        "const s = new WebSocket('ws://' + location.host + '/hit?socket');"
        "s.onopen = () => say('socket'); s.onerror = () => say('no socket')</script>"
    )
    await it.settle(500)
    expect(await it.title(), "no socket,no worker", "what the page got")
    expect((await it.state())["hits"], [], "the requests that reached the application")


@GROUP.check("devices and sensors are refused", "no task has any")
async def _devices(kit: Kit) -> None:
    it = await kit.open(
        "<button onclick='ask()'>Ask</button><script>const got = []; document.title = 'none'; const ask = () => {"
        "const say = n => { got.push(n); document.title = got.join() };"
        "navigator.geolocation.getCurrentPosition(() => say('place'), () => 0);"
        "navigator.mediaDevices?.getUserMedia({audio: true}).then(() => say('microphone'), () => 0);"
        "Notification.requestPermission().then(p => p === 'granted' && say('notifications'));"
        "navigator.clipboard?.readText().then(() => say('clipboard'), () => 0);"
        "navigator.requestMIDIAccess?.().then(() => say('midi'), () => 0);"
        "navigator.storage?.persist().then(p => p && say('storage')) }</script>"
    )
    await it.do("click", on="Ask")
    await it.settle(1000)
    expect(await it.title(), "none", "what the page was granted")


@GROUP.check("a script forges no click, input or submission", "only an agent's own hands earn rewards")
async def _forgery(kit: Kit) -> None:
    it = await kit.open(
        "<form onsubmit='return false'><input aria-label=A><button id=b>Pay</button></form><script>const f = () => {"
        "b.click(); b.dispatchEvent(new MouseEvent('click', {bubbles: true})); const i = document.querySelector('input');"
        "i.focus(); document.execCommand('insertText', false, 'x'); i.dispatchEvent(new InputEvent('input', {bubbles: true}));"
        'document.forms[0].requestSubmit(); window.milepostJournal?.(\'{"kind":"click"}\') }; f(); setTimeout(f, 20)</script>'
    )
    first = [e for e in it.events if isinstance(e, Click | Input | Submit)]
    await it.settle(100)
    expect(
        first + [e for e in it.events if isinstance(e, Click | Input | Submit)], [], "the events that were journalled"
    )


@GROUP.check("a page cannot keep the mouse", "pointer lock would take it from the agent")
async def _pointer(kit: Kit) -> None:
    it = await kit.open(
        "<title>T</title><button onclick='document.body.requestPointerLock()'>Lock</button>"
        "<button onclick='document.title = `clicked`'>Other</button>"
    )
    await it.do("click", on="Lock")
    await it.do("click", on="Other")
    expect(await it.title(), "clicked", "the title after a click elsewhere")


@GROUP.check("popups open no window", "pages nobody looks at would run on")
async def _popups(kit: Kit) -> None:
    it = await kit.open(
        "<title>Home</title><button onclick='for (let i = 0; i < 20; i++) window.open(`/hit?` + i)'>Open</button>"
    )
    await it.do("click", on="Open")
    hits = (await it.state())["hits"]
    require(len(hits) <= 1, f"{len(hits)} of 20 popups were loaded")


@GROUP.check("a thousand alerts end", "each of them stops the page", deadline_s=HANG_DEADLINE_S)
async def _alerts(kit: Kit) -> None:
    it = await kit.open("<title>T</title><button onclick='for (let i = 0; i < 300; i++) alert(i)'>Go</button>")
    await it.do("click", on="Go")
    expect(await it.title(), "T", "the title afterwards")


@GROUP.check("a flood of history does not slow the others", "one browser serves many", deadline_s=HANG_DEADLINE_S)
async def _flood(kit: Kit) -> None:
    other = await kit.open("<title>Other</title><button onclick='document.title += `!`'>B</button>")
    it = await kit.open(
        "<button onclick='for (let i = 0; i < 5000; i++) history.pushState(i, ``, `?` + i)'>Go</button>"
    )
    with contextlib.suppress(SandboxError):
        await it.do("click", on="Go")
    began = asyncio.get_running_loop().time()
    await other.do("click", on="B")
    took_s = asyncio.get_running_loop().time() - began
    require(took_s < 5, f"a step of another episode took {took_s:.1f} s")


@GROUP.check("an endless loop is a typed hang within its deadline", "training must go on", deadline_s=HANG_DEADLINE_S)
async def _hang(kit: Kit) -> None:
    other = await kit.open("<title>Other</title>")
    it = await kit.open("<button onclick='for (;;);'>Loop</button>")
    try:
        await it.do("click", on="Loop")
    except PageHungError:
        expect(await other.title(), "Other", "the title of another episode")
        return
    raise CheckFailedError("a page in an endless loop passed for one that answers")


@GROUP.check("an application's failure is typed", "it must not be scored as the agent's")
async def _application(kit: Kit) -> None:
    it = await kit.open("<a href=/fail>Go</a>")
    await it.do("click", on="Go")
    try:
        await it.state()
    except AppServerError as error:
        require("on purpose" in str(error), f"the failure does not say what happened: {error}")
        return
    raise CheckFailedError("the application broke and its state was read as if it had not")


@GROUP.check("an unreachable first page is typed", "a dead server is no failed episode")
async def _unreachable(kit: Kit) -> None:
    page = await kit.backend.acquire()
    try:
        await page.open(url="http://nobody.example/", allowed_hosts=["nobody.example"], seed=0)
    except SandboxError:
        return
    finally:
        await kit.backend.release(page)
    raise CheckFailedError("an episode began on a page that cannot be reached")


@GROUP.check(
    "a browser that dies ends its episodes typed, and the next one runs",
    "a crash costs an episode, not a run",
    deadline_s=HANG_DEADLINE_S,
)
async def _crash(kit: Kit) -> None:
    it = await kit.open("<title>T</title><button>B</button>")
    pids = browser_pids() - kit.foreign_pids
    if not pids:
        raise CheckSkippedError("the browser's processes cannot be told on this system")
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        for _ in range(100):
            await it.settle()
    except BrowserCrashedError:
        pass
    else:
        raise CheckFailedError("the page of a killed browser went on answering")
    await kit.close(it)
    expect(await (await kit.open("<title>Next</title>")).title(), "Next", "the title of the next episode")


__all__ = ["GROUP"]
