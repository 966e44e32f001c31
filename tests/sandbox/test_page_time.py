"""The page's clock: fixed at the start, still between steps, granted exactly, seeded throughout."""

import time

import pytest

from milepost.sandbox.events import Request

pytestmark = pytest.mark.browser

START = "2026-01-15T09:00:00"


def test_the_clock_starts_at_its_fixed_time_in_utc(computer):
    it = computer("<script>window.began = new Date()</script>")
    assert it.script("began.toISOString()") == START + ".000Z"
    assert it.script("Intl.DateTimeFormat().resolvedOptions().timeZone + navigator.language") == "UTCen-US"
    assert it.script("String(began)").startswith("Thu Jan 15 2026 09:00:00 GMT+0000")
    assert it.script("Date()").startswith("Thu Jan 15 2026 09:00:00 GMT+0000")


def test_dates_with_arguments_are_what_they_were(computer):
    it = computer("")
    assert it.script("new Date(0).toISOString() + Date.UTC(2000, 0)") == "1970-01-01T00:00:00.000Z946684800000"
    assert it.script("new Date() instanceof Date && new (class D extends Date {})() instanceof Date")
    assert it.script("Date.length + Date.name + new Date().constructor.name") == "7DateDate"
    assert it.script("new Date() - Date.now()") == 0


def test_the_page_stands_still_while_the_agent_thinks(computer):
    it = computer("<script>window.n = 0; setInterval(() => n++, 10); </script>")
    before = it.script("[n, Date.now()].join()")
    time.sleep(0.5)
    assert it.script("[n, Date.now()].join()") == before


@pytest.mark.parametrize("budget_ms", [10, 50, 500, 5000])
def test_a_settle_grants_exactly_its_budget(computer, budget_ms):
    it = computer("<script>window.n = 0; onload = () => setTimeout(() => setInterval(() => n++, 10), 300)</script>")
    it.settle(1000)
    before, ticks = it.script("Date.now()"), it.script("n")
    began = time.monotonic()
    it.settle(budget_ms)
    assert time.monotonic() - began < 2
    assert it.script("Date.now()") - before == budget_ms
    assert it.script("n") - ticks == budget_ms / 10


def test_requests_in_flight_hold_the_clock(computer):
    it = computer(
        '<button onclick=\'const t = Date.now(); fetch("/slow?s=0.4").then(r => r.text()).then('
        "x => document.title = x + (Date.now() - t))'>Go</button>"
        "<script>setTimeout(() => document.body.append('timer'), 100000)</script>"
    )
    it.act("click", "Go")
    title = it.look().title
    assert title.startswith("late")
    assert int(title[4:]) <= 50
    assert [e.status for e in it.of(Request)] == [200]


@pytest.mark.parametrize(
    "part",
    ["<link rel=stylesheet href='/slow?s=S'>", "<script src='/slow?s=S'></script>", "<img src='/slow?s=S'>",
     "<iframe src='/slow?s=S'></iframe>", "<script defer src='/slow?s=S'></script>"],
)  # fmt: skip
@pytest.mark.parametrize("seconds", ["0.05", "0.5"])
def test_a_page_does_not_see_how_long_it_took_to_load(computer, part, seconds):
    """What it sees would differ between a quiet machine and a busy one."""
    it = computer(f"{part.replace('S', seconds)}<p>x<script>onload = () => document.title = performance.now()</script>")
    assert it.look().title == "0"


def test_a_page_that_is_sent_in_pieces_does_not_see_it(computer):
    it = computer("<a href='/halves'>Go</a>")
    it.act("click", "Go")
    assert it.look().title == "0"


@pytest.mark.parametrize(
    "script",
    [
        "(async () => { for (let i = 0; i < 6; i++) await fetch(`/slow?s=0.01&i=${i}`); post.submit() })()",
        "for (let i = 0; i < 6; i++) fetch(`/slow?s=0.1&i=${i}`); post.submit()",
    ],
)
def test_a_form_posted_into_a_frame_after_requests_does_not_stop_the_clock(computer, script):
    it = computer(
        "<iframe name=inner></iframe><form id=post method=post action='/slow?s=0.1' target=inner></form>"
        f'<button onclick="{script}">Go</button>'
    )
    it.act("click", "Go")
    assert sorted(e.method for e in it.of(Request)) == ["GET"] * 6 + ["POST"]


def test_a_page_that_waits_for_frames_gets_them(computer):
    it = computer(
        "<button onclick='requestAnimationFrame(() => requestAnimationFrame(() => "
        'document.title = "drawn"))\'>Draw</button>'
        "<button onclick='setTimeout(() => requestAnimationFrame(() => "
        'setTimeout(() => document.title = "later", 20)), 20)\'>Late</button>'
    )
    for name, title in (("Draw", "drawn"), ("Late", "later")):
        it.act("click", name)
        assert it.look().title == title


def test_transitions_and_animations_end_at_once(computer):
    it = computer(
        "<style>.box { position: fixed; left: -900px; transition: left 3s } .open { left: 0 }"
        "@keyframes spin { to { rotate: 360deg } } .spin { animation: spin 1s infinite }</style>"
        "<p>x<p>y<button onclick='box.classList.add(\"open\")'>Show</button><i class=spin>*</i>"
        "<div id=box class=box ontransitionend='document.title = \"ended\"'>"
        "<button onclick='document.title = \"hit\"'>In</button></div>"
    )
    it.act("click", "Show")
    assert it.look().title == "ended"
    it.act("click", "In")
    assert it.look().title == "hit"


def test_performance_counts_whole_milliseconds_from_the_document(computer):
    html = (
        "<title>T</title><script>const seen = () => [performance.timeOrigin, performance.now(), Date.now()].join();"
        "document.title = seen()</script><button onclick='document.title = seen()'>Now</button>"
    )
    it = computer(html, {"/b": html})
    start = 1_768_467_600_000
    assert it.look().title == f"{start},0,{start}"
    it.act("click", "Now")
    assert it.look().title == f"{start},100,{start + 100}"
    it.act("goto", "/b")
    origin, now, date = map(int, it.look().title.split(","))
    assert (now, date) == (0, origin)
    assert origin > start + 100
    tried = "(() => { try { Performance.prototype.now.call({}) } catch (error) { return error.name } })()"
    assert it.script(tried) == "TypeError"


def test_random_is_seeded_per_episode_and_page(app, computer):
    html = "<title>T</title><script>document.title = [Math.random(), Math.random()].join()</script>"
    first, second = computer(html, {"/b": html}), computer(html)
    assert first.look().title == second.look().title
    values = [float(x) for x in first.look().title.split(",")]
    assert len(set(values)) == 2
    assert all(0 <= v < 1 for v in values)
    first.act("goto", "/b")
    assert first.look().title != second.look().title


def test_the_same_actions_give_the_same_episode(computer):
    """Warm or fresh, pooled or not: clocks, refs, boxes and events are equal."""
    html = (
        "<title>T</title><form action=/b><label>Name <input name=n autofocus></label>"
        "<button>Go</button></form><p id=out></p>"
        "<script>setInterval(() => out.textContent = Date.now() + ' ' + Math.random(), 7)</script>"
    )
    other = "<title>B</title><p id=o></p><script>o.textContent = new Date().toISOString() + history.length</script>"

    def episode():
        it = computer(html, {"/b": other})
        seen = [it.look(), it.events]
        for action in (("fill", "Name", "x"), ("press", "Tab"), ("click", "Go"), ("back",)):
            seen += [it.act(*action), it.look()]
        it.close()
        return repr(seen).replace(it.instance.host, "HOST")

    def plain(text):
        import re

        return re.sub(r" t=[\d.]+,", "", text)

    assert len({plain(episode()) for _ in range(4)}) == 1


LEAVINGS = """<script>document.title = [document.cookie, localStorage.length, 
  sessionStorage.length, history.length, window.name, document.referrer, opener].join();
window.name = 'left'; document.cookie = 'a=1'; localStorage.a = 1; sessionStorage.a = 1</script><p>x"""


def test_an_episode_starts_without_the_last_one_s_leavings(computer):
    seen, reused = set(), False
    while not reused:
        it = computer(LEAVINGS, {"/b": "b"})
        assert it.look().title == ",0,0,2,,,"
        assert it.script("history.length") == 1
        it.act("goto", "/b")
        reused = id(it.page) in seen
        seen.add(id(it.page))
        it.close()
