"""Nothing of one episode is found by another: not at the same time, and not by the next one on the same warm page."""

import time

import pytest

from milepost.sandbox.page import PageSession

pytestmark = pytest.mark.browser

LEAVE = """
const put = (target) => { try { target() } catch (e) {} };
put(() => document.cookie = 'own=1');
put(() => document.cookie = 'site=1; domain=apps.localhost; path=/; max-age=99999');
put(() => document.cookie = 'part=1; secure; partitioned; path=/; samesite=none');
put(() => localStorage.a = 1);
put(() => sessionStorage.a = 1);
put(() => window.name = 'left');
put(() => indexedDB.open('left'));
put(() => caches.open('left').then(c => c.put('/x', new Response('left'))));
put(() => navigator.storage.getDirectory().then(d => d.getFileHandle('left', {create: true})));
put(() => history.pushState({left: 1}, ''));
put(() => { const c = new BroadcastChannel('x'); c.onmessage = e => c.postMessage('heard ' + e.data) });
put(() => navigator.locks.request('left', () => new Promise(() => 0)));
put(() => document.designMode = 'off');
put(() => navigator.clipboard.writeText('left'));
put(() => performance.mark('left'));
put(() => Math.random = () => 0.5);
put(() => { Array.prototype.left = 1; window.left = 1 });
put(() => new Notification('left'));
put(() => navigator.setAppBadge(1));
put(() => screen.orientation.lock('portrait'));
put(() => document.body.requestFullscreen());
"""
FIND = """
onload = async () => {
  const found = [];
  const look = async (name, what) => {
    const patience = new Promise(done => setTimeout(done, 4000, 'no answer'));
    try { const got = await Promise.race([what(), patience]); if (got) found.push(name + ':' + got) } catch (e) {}
  };
  await look('cookie', () => document.cookie);
  await look('local', () => localStorage.length);
  await look('session', () => sessionStorage.length);
  await look('name', () => window.name);
  await look('opener', () => window.opener);
  await look('referrer', () => document.referrer);
  await look('databases', async () => (await indexedDB.databases()).map(d => d.name).join());
  await look('caches', async () => (await caches.keys()).join());
  await look('files', async () => { for await (const k of (await navigator.storage.getDirectory()).keys()) return k });
  await look('state', () => history.state);
  await look('locks', async () => (await navigator.locks.query()).held.length);
  await look('marks', () => performance.getEntriesByType('mark').length);
  await look('global', () => window.left || [].left);
  await look('workers', async () => (await navigator.serviceWorker.getRegistrations()).length);
  await look('clipboard', () => navigator.clipboard.readText());
  await look('fullscreen', () => document.fullscreenElement);
  document.title = 'found ' + found.join(' ');
};
"""


def leave(it):
    it.act("click", "Leave")
    for _ in range(3):
        it.settle(200)


def found(it):
    for _ in range(12):
        if it.look().title.startswith("found"):
            break
        time.sleep(0.05)  # a disk answers in real time, and the page's patience is virtual
        it.settle(500)
    return it.look().title


def test_a_reused_warm_page_starts_clean_of_everything(hostile):
    html = f'<p>x</p><button onclick="leave()">Leave</button><script>const leave = () => {{ {LEAVE} }};{FIND}</script>'
    pages: list[PageSession] = []
    reused, sizes = 0, set()
    while reused < 3:
        assert len(pages) < 60  # other tests may have left a few browsers full of warm pages; they take turns
        it = hostile(html)
        assert found(it) == "found"
        sizes.add(it.script("[innerWidth, innerHeight, devicePixelRatio, history.length].join()"))
        reused += it.page in pages
        pages.append(it.page)
        leave(it)
        it.close()
    assert sizes == {"1280,720,1,1"}


def test_two_episodes_at_once_do_not_hear_each_other(hostile):
    html = f'<p>x</p><button onclick="leave()">Leave</button><script>const leave = () => {{ {LEAVE} }}</script>'
    first = hostile(html)
    leave(first)
    second = hostile(
        "<script>new BroadcastChannel('x').onmessage = e => document.title = e.data;"
        f"new BroadcastChannel('x').postMessage('hello');{FIND}</script>"
    )
    assert found(second) == "found"  # a "heard hello" would stand there instead
    assert first.script("document.cookie").count("=") >= 1  # it did leave something


def test_what_one_episode_copied_another_cannot_paste(hostile):
    first = hostile("<input aria-label=Source value=secret>")
    second = hostile("<input aria-label=Sink>")
    first.act("click", "Source")
    first.act("press", "Control+A")
    first.act("press", "Control+C")
    second.act("click", "Sink")
    second.act("press", "Control+V")
    assert "secret" not in (second.element("Sink").value or "")


def test_a_script_s_copy_is_not_pasted_elsewhere(hostile):
    first = hostile(
        "<input aria-label=Source value=secret><button onclick='document.querySelector(`input`).select();"
        "document.title = document.execCommand(`copy`)'>Copy</button>"
    )
    second = hostile(
        "<input aria-label=Sink><button onclick='navigator.clipboard.readText().then("
        "t => document.title = t, e => document.title = e.name)'>Read</button>"
    )
    first.act("click", "Copy")
    second.act("click", "Sink")
    second.act("press", "Control+V")
    assert "secret" not in (second.element("Sink").value or "")
    second.act("click", "Read")
    assert second.look().title in ("NotAllowedError", "")


def test_another_episode_s_address_is_of_no_use_even_when_known(hostile):
    other = hostile("<title>Other</title>")
    o = other.instance.origin
    it = hostile(
        f"<title>Home</title><p id=out></p><script>onload = async () => {{ const said = [];"
        f"for (const how of [{{}}, {{mode: 'no-cors'}}, {{credentials: 'include'}}, "
        f"{{method: 'POST', mode: 'no-cors'}}])"
        f"said.push(await fetch('{o}/hit/x', how).then(r => r.type, e => e.name));"
        f"new Image().src = '{o}/hit/y'; navigator.sendBeacon('{o}/hit/z', 'x');"
        f"document.title = said.join() }}</script><iframe src='{o}/hit/frame'></iframe>"
    )
    it.settle(500)
    assert set(it.look().title.split(",")) <= {"TypeError", "Home"}
    assert other.instance.state() == {"hits": []}
    view = it.look()
    assert "Other" not in [e.name for e in view.elements]


def test_a_closed_episode_answers_nobody(hostile):
    gone = hostile("<title>Gone</title>")
    origin = gone.instance.origin
    gone.close()
    it = hostile(
        f"<script>fetch('{origin}/', {{mode: 'no-cors'}}).then(r => document.title = r.type, "
        "e => document.title = e.name)</script>"
    )
    it.settle()
    assert it.look().title == "TypeError"


def test_a_reused_warm_page_does_not_tell_where_the_last_episode_s_mouse_was(hostile):
    hover = "[...document.querySelectorAll(':hover')].map(e => e.localName).join()"
    pages: list[PageSession] = []
    reused = 0
    while reused < 2:
        assert len(pages) < 60
        it = hostile("<style>html{height:100%}</style><button>Press</button>")
        it.look()
        it.run(it.page.screenshot())  # with a frame, the page learns what the mouse is over
        assert it.script(hover) == ""
        reused += it.page in pages
        pages.append(it.page)
        it.act("click", "Press")
        assert it.script(hover) == "html,body,button"
        it.close()
