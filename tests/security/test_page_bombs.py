"""Pages that try to hold, flood or exhaust the machine: each ends within its deadline, typed, and alone."""

import os
import time
from pathlib import Path

import pytest

from milepost.sandbox import settle, tab_input
from milepost.sandbox.errors import ActionError, SandboxError

pytestmark = pytest.mark.browser

BOMBS = {
    "ten thousand alerts": "for (let i = 0; i < 1e4; i++) alert(i)",
    "ten thousand prompts": "for (let i = 0; i < 1e4; i++) prompt(i, i)",
    "alerts without end": "const f = () => { alert(1); setTimeout(f) }; f()",
    "a flood of history": "for (let i = 0; i < 1e4; i++) try { history.pushState(i, '', '?' + i) } catch (e) {}",
    "a flood of fragments": "for (let i = 0; i < 1e4; i++) location.hash = i",
    "a storm of popups": "for (let i = 0; i < 300; i++) window.open('/' + i)",
    "a storm of frames": "for (let i = 0; i < 50; i++) { const f = document.createElement('iframe'); f.src = '/f'; "
    "document.body.append(f) }",
    "requests without end": "const f = () => fetch('/x').finally(f); f(); f(); f()",
    "reloads without end": "sessionStorage.again = 1; location.reload()",
    "a page that asks before it is left": "onbeforeunload = e => { e.preventDefault(); return 1 }; location = '/x'",
    "prints without end": "for (let i = 0; i < 1000; i++) print()",
    "fullscreen and back": "for (let i = 0; i < 100; i++) document.body.requestFullscreen().catch(() => 0)",
    "objects without end": "const o = []; for (;;) o.push(new Array(1e6).fill(1.5).map(x => x + Math.random()))",
    "elements without end": "for (;;) document.body.append(document.createElement('p'))",
    "a loop without end": "for (;;);",
    "microtasks without end": "const f = () => Promise.resolve().then(f); f()",
    "timers without end": "const f = () => { setTimeout(f); setTimeout(f) }; f()",
    "a pattern without end": "/^(a+)+$/.test('a'.repeat(60) + 'b')",
    "spinning workers": "for (let i = 0; i < 8; i++) new Worker(window.URL.createObjectURL(new Blob(['for (;;);'])))",
    "a deep tree": "let e = document.body; for (let i = 0; i < 3e4; i++) { const d = document.createElement('div'); "
    "e.append(d); e = d }",
    "a long title": "document.title = 'x'.repeat(5e7)",
    "a long name": (
        "document.body.append(Object.assign(document.createElement('button'), {textContent: 'x'.repeat(2e7)}))"
    ),
}
PAGE = (
    "<title>Home</title><button onclick='go()'>Go</button><script>"
    "if (sessionStorage.again) location.reload();%s</script>"
)
DEADLINE_S = 45.0  # of the machine's worst day; alone, the slowest takes five


@pytest.fixture(scope="module", autouse=True)
def short_deadlines():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tab_input, "INPUT_DEADLINE_S", 2.0)
        patch.setattr(settle, "LOAD_DEADLINE_S", 3.0)
        yield


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_ends_within_its_deadline_and_harms_nobody_else(hostile, bomb):
    other = hostile("<title>Other</title><button onclick='document.title += `!`'>B</button>")
    it = hostile(PAGE % f"const go = () => {{ {BOMBS[bomb]} }}")
    began = time.monotonic()
    try:
        it.act("click", "Go")
        it.look()
        it.settle()
    except (ActionError, SandboxError):
        pass  # typed, either way
    assert time.monotonic() - began < DEADLINE_S
    other.act("click", "B")
    assert other.look().title == "Other!"
    it.close()
    following = hostile("<title>Next</title>")
    assert following.look().title == "Next"
    assert following.script("[innerWidth, innerHeight].join()") == "1280,720"


def worker_threads():
    """Return how many threads of workers this process's browsers have."""
    parents, found = {}, []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            found += [int(entry.name) for task in (entry / "task").iterdir() if "Worker" in (task / "comm").read_text()]
        except OSError:
            continue  # it ended meanwhile

    def is_ours(pid):
        while pid > 1 and pid != os.getpid():
            pid = parents.get(pid, 0)
        return pid == os.getpid()

    return sum(is_ours(pid) for pid in found)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
@pytest.mark.parametrize("kind", ["Worker", "SharedWorker"])
def test_no_worker_in_an_endless_loop_outlives_its_episode(hostile, kind):
    """Chromium ends such a worker by a timer of its page, and the page's time stands still."""
    before = worker_threads()
    it = hostile(
        PAGE % f"const go = () => new {kind}(window.URL.createObjectURL(new Blob(['self.onconnect = 1; for (;;);'])))"
    )
    it.act("click", "Go")
    assert worker_threads() > before
    it.close()
    deadline = time.monotonic() + 15
    while worker_threads() > before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert worker_threads() <= before
    assert hostile("<title>Next</title>").look().title == "Next"
