"""However a process ends, its browsers, its driver, its watchdog and its folders are gone; and nobody else's."""

import os
import select
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from milepost.sandbox.browser_process import (
    OWNER_SWITCH,
    Process,
    clear_stale,
    command_line,
    descendants,
    family,
    find_leaders,
    process_table,
    read_process,
)

from .fleets import eventually, signal_group

pytestmark = pytest.mark.browser

START_DEADLINE_S = 120.0
START = """
    import multiprocessing, os, signal, sys, threading, time
    from milepost.sandbox.browser_process_guard import ProcessGuard
    from milepost.sandbox.browser_thread import BrowserThread
    from milepost.sandbox.fleet import Fleet
    from milepost.sandbox.workspace import Workspace

    async def acquire():
        return await Fleet.shared().acquire()

    async def release(page):
        await Fleet.shared().release(page)

    def start():
        Workspace.create().write_text("notes/a.txt", "kept in a folder of this process")
        BrowserThread.get().run(acquire(), 60)

    def say_ready():
        print("ready", flush=True)
"""


class Owner:
    """A Python process with a fleet and a workspace, its temporary files in a folder of its own."""

    def __init__(self, script, tmp_path, begin="start()\nsay_ready()"):
        source = textwrap.dedent(START) + begin + "\n" + textwrap.dedent(script)
        tmp_path.mkdir(exist_ok=True)
        (tmp_path / "script.py").write_text(source)
        self.temporary = tmp_path / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, str(tmp_path / "script.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(self.temporary)},
        )
        assert self.process.stdout is not None
        heard, _, _ = select.select([self.process.stdout], [], [], START_DEADLINE_S)
        self.said = self.process.stdout.readline().strip() if heard else ""
        table = process_table()
        self.children = [table[pid] for pid in descendants([self.process.pid], table) if pid in table]

    def end(self, *, code=None, timeout_s=40):
        """Let it go on to its end, and return what it wrote to stderr."""
        _, errors = self.process.communicate("go on\n", timeout=timeout_s)
        if code is not None:
            assert self.process.returncode == code, errors
        return errors

    def wait(self):
        """Wait until it has ended; idempotent."""
        self.process.wait(30)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def find(self, word):
        """Return its descendants whose command line has this word in it."""
        return [p for p in self.children if any(word in argument for argument in command_line(p.pid))]

    def living(self):
        """Return which of its descendants live, and whoever else names its temporary folder."""
        table = process_table()
        named = [p for p in table.values() if any(str(self.temporary) in a for a in command_line(p.pid))]
        known = [table[p.pid] for p in self.children if p.pid in table and table[p.pid].started == p.started]
        return {p.pid: command_line(p.pid)[:1] for p in named + known if not p.ended and p.pid != self.process.pid}

    def left(self):
        return sorted(str(p.relative_to(self.temporary)) for p in self.temporary.glob("*"))

    def has_left_nothing(self):
        assert eventually(lambda: not self.living()), self.living()
        assert eventually(lambda: not self.left()), self.left()


@pytest.fixture
def own(tmp_path):
    """Return a function that starts an owner."""
    owners = []

    def start(script, **options):
        owners.append(Owner(script, tmp_path, **options))
        assert owners[-1].said == "ready", owners[-1].end()
        return owners[-1]

    yield start
    for owner in owners:
        owner.process.kill()
        owner.wait()


ENDS = {
    "return": ("", 0),
    "exception": ("raise SystemExit('on purpose')", 1),
    "os._exit": ("os._exit(7)", 7),
    "abort": ("os.abort()", -signal.SIGABRT),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -signal.SIGTERM),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL); time.sleep(60)", -signal.SIGKILL),
}


@pytest.mark.parametrize("end", ENDS)
def test_nothing_outlives_its_process(own, end):
    script, code = ENDS[end]
    owner = own(f"sys.stdin.readline()\n{script}")
    assert owner.find("run-driver")
    assert owner.find(OWNER_SWITCH)
    assert owner.find("browser_process.py")
    assert owner.left()
    errors = owner.end(code=code)
    if end in ("return", "exception"):
        assert errors.strip() == ("on purpose" if end == "exception" else "")
    owner.has_left_nothing()


def test_ctrl_c_ends_the_whole_foreground_group_and_leaves_nothing(own):
    # The terminal sends it to the driver and to whoever else is in the group as well.
    owner = own("try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    raise SystemExit(130)")
    for process in [*owner.find("run-driver"), read_process(owner.process.pid)]:
        os.kill(process.pid, signal.SIGINT)
    owner.process.wait(30)
    owner.wait()
    assert owner.process.returncode == 130
    owner.has_left_nothing()


@pytest.mark.parametrize("hung", ["browser", "driver", "both"])
def test_not_even_what_hangs_outlives_a_killed_process(own, hung):
    owner = own("time.sleep(60)")
    browser = next(p for p in owner.find(OWNER_SWITCH))
    driver = next(p for p in owner.find("run-driver"))
    if hung != "driver":
        signal_group(browser.group, signal.SIGSTOP)
    if hung != "browser":
        os.kill(driver.pid, signal.SIGSTOP)
    owner.process.kill()
    owner.wait()
    owner.has_left_nothing()


@pytest.mark.parametrize("after_s", [0.0, 0.15, 0.3, 0.45, 0.6])
def test_a_process_killed_while_its_browser_starts_leaves_nothing(own, after_s):
    owner = own("", begin="say_ready()\nstart()\ntime.sleep(60)")
    time.sleep(after_s)
    table = process_table()
    owner.children = [table[pid] for pid in descendants([owner.process.pid], table)]
    owner.process.kill()
    owner.wait()
    owner.has_left_nothing()


def test_a_forked_child_that_lives_on_keeps_nothing_alive(own):
    # It has copies of every pipe, so nobody is told of the parent's end by a pipe that closes.
    script = """
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        print(child, flush=True)
        sys.stdin.readline()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    owner = own(script)
    assert owner.process.stdout is not None
    child = int(owner.process.stdout.readline())
    owner.process.stdin.write("go on\n")
    owner.process.stdin.flush()
    try:
        assert owner.process.wait(30) == -signal.SIGKILL
        owner.children = [p for p in owner.children if p.pid != child]
        assert eventually(lambda: not [pid for pid in owner.living() if pid != child]), owner.living()
        assert eventually(lambda: not owner.left())
        alive = read_process(child)
        assert alive is not None
        assert not alive.ended
    finally:
        os.kill(child, signal.SIGKILL)
        owner.wait()


def test_a_forked_child_has_a_fleet_of_its_own_and_the_parent_keeps_its_one(own):
    script = """
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            start()
            os._exit(0)  # without a word to anybody
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        deadline = time.monotonic() + 15
        while len(os.listdir(os.environ["TMPDIR"])) > before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(os.listdir(os.environ["TMPDIR"])) == before, os.listdir(os.environ["TMPDIR"])
        page = BrowserThread.get().run(acquire(), 60)
        assert BrowserThread.get().run(page.answers(), 10)
    """
    owner = own(script, begin="start()\nbefore = len(os.listdir(os.environ['TMPDIR']))\nsay_ready()")
    errors = owner.end(timeout_s=90)
    assert (owner.process.returncode, errors) == (0, "")
    owner.has_left_nothing()


def test_spawned_processes_have_a_fleet_each_and_one_that_is_killed_costs_the_others_nothing(own):
    script = """
        def work(said):
            start()
            said.send("ready")
            said.recv()
            page = BrowserThread.get().run(acquire(), 60)
            assert BrowserThread.get().run(page.answers(), 10)

        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            pipes = [context.Pipe() for _ in range(3)]
            workers = [context.Process(target=work, args=(there,)) for _, there in pipes]
            for worker in workers:
                worker.start()
            for here, _ in pipes:
                assert here.poll(90)
            os.kill(workers[0].pid, signal.SIGKILL)
            workers[0].join(30)
            for here, _ in pipes[1:]:
                here.send("go on")
            for worker in workers:
                worker.join(60)
            assert [worker.exitcode for worker in workers] == [-signal.SIGKILL, 0, 0]
            say_ready()
    """
    owner = own(script, begin="")
    errors = owner.end(timeout_s=60)
    assert owner.process.returncode == 0, errors
    owner.has_left_nothing()


def test_what_a_killed_watchdog_could_not_do_the_next_process_does(own):
    first = own("time.sleep(60)")
    other = own("sys.stdin.readline()")
    for watchdog in first.find("browser_process.py"):
        os.kill(watchdog.pid, signal.SIGKILL)
    for browser in first.find(OWNER_SWITCH):
        signal_group(browser.group, signal.SIGSTOP)  # else it would go with its driver
    first.process.kill()
    first.wait()
    kept = other.left()
    assert len(kept) >= 2
    third = own("sys.stdin.readline()")
    mine = [p.pid for p in first.children]
    assert eventually(lambda: not [pid for pid in first.living() if pid in mine])
    assert other.end(code=0) == "", "the living one was left alone"
    assert third.end(code=0) == ""
    third.has_left_nothing()


def test_only_folders_that_a_dead_owner_has_locked_are_cleared(tmp_path):
    for name in ("milepost_other", "milepost_dead", "somebody-else", "playwright_kept"):
        (tmp_path / name).mkdir()
    (tmp_path / "milepost_link").symlink_to(tmp_path / "somebody-else")
    (tmp_path / "somebody-else" / "owner").touch()
    (tmp_path / "milepost_dead" / "owner").touch()
    (tmp_path / "milepost_dead" / "held").write_text(
        f"folder {tmp_path}/playwright_profile\nfolder {tmp_path}/somebody-else\nbrowser {os.getpid()} 5\nfol"
    )
    (tmp_path / "playwright_profile").mkdir()
    assert clear_stale(tmp_path) == [tmp_path / "milepost_dead"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "milepost_link",
        "milepost_other",
        "playwright_kept",
        "somebody-else",
    ]


def test_a_number_used_again_names_nobody():
    mine = read_process(os.getpid())
    assert mine is not None
    assert mine.pid in [process.pid for process in family(mine)]
    earlier = Process(pid=mine.pid, parent=mine.parent, group=mine.pid, state="S", started=mine.started - 1, cpu_s=0.0)
    assert family(earlier) == []
    assert find_leaders("--an-argument-that-nobody-has") == []
    assert read_process(2**22 + 1) is None
