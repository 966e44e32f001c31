"""The watcher: a fence proves that every earlier change was seen, through floods, overflows and its own death."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.sandbox.errors import ActionError
from milepost.sandbox.watch import Watcher
from milepost.sandbox.workspace_changes import Moves

linux = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


@pytest.fixture
def folder():
    watcher = Watcher.shared()
    made = watcher.make_folder(None)
    yield made
    watcher.forget(made)


def moved(folder):
    Watcher.shared().fence()
    moves = Watcher.shared().drain_moves(folder)
    return lambda path: moves.source_of(path)


def in_threads(work, count):
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_fence_after_thousands_of_changes_by_many_threads_has_seen_the_last_of_each(folder):
    def work(number):
        (folder / str(number)).mkdir()
        Watcher.shared().fence()
        for turn in range(500):
            (folder / str(number) / "new").write_text(str(turn))
            (folder / str(number) / "new").rename(folder / str(number) / f"{turn}")

    in_threads(work, 8)
    source_of = moved(folder)
    assert all(source_of(f"{number}/{turn}") == f"{number}/new" for number in range(8) for turn in range(500))


def test_folders_made_and_filled_at_once_are_known_after_a_fence(folder):
    deep = "/".join("abcdefghijkl")

    def work(number):
        for turn in range(20):
            place = folder / f"{number}-{turn}" / deep
            place.mkdir(parents=True)
            (place / "file").write_text("x")

    in_threads(work, 4)
    Watcher.shared().fence()
    for number in range(4):
        for turn in range(20):
            place = folder / f"{number}-{turn}" / deep
            (place / "file").rename(place / "renamed")
    source_of = moved(folder)
    for number in range(4):
        for turn in range(20):
            assert source_of(f"{number}-{turn}/{deep}/renamed") == f"{number}-{turn}/{deep}/file"


def test_a_moved_folder_takes_its_watches_along(folder):
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "x").write_text("1")
    Watcher.shared().fence()
    (folder / "a").rename(folder / "c")
    (folder / "c" / "b" / "x").rename(folder / "c" / "b" / "y")
    (folder / "c").rename(folder / "d")
    source_of = moved(folder)
    assert (source_of("d"), source_of("d/b/y"), source_of("d/b")) == ("a", "a/b/x", "a/b")


def test_what_is_moved_out_of_sight_holds_nothing_back(folder, tmp_path):
    (folder / "gone").write_text("x")
    Watcher.shared().fence()
    if folder.stat().st_dev != tmp_path.stat().st_dev:
        pytest.skip("two disks")
    (folder / "gone").rename(tmp_path / "gone")
    began = time.monotonic()
    Watcher.shared().fence()
    assert time.monotonic() - began < 0.4


@linux
def test_an_overflow_of_the_kernel_s_queue_loses_no_fence_and_no_folder(folder):
    if int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) > 50_000:
        pytest.skip("the queue is too long to be filled")
    (emitter,) = Watcher.shared()._observer.emitters
    before = emitter.overflows
    script = """
        import os, select, sys
        open("x", "w").close()
        print("ready", flush=True)
        made = 0
        while not select.select([sys.stdin], [], [], 0)[0]:
            os.makedirs(f"{made}/then")
            open(f"{made}/then/file", "w").close()
            made += 1
            for _ in range(1000):
                os.rename("x", "y")
                os.rename("y", "x")
        print(made, flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        hold_all_threads = ctypes.PyDLL(None).sleep  # it keeps Python's lock, so the watcher cannot read
        deadline = time.monotonic() + 60
        while emitter.overflows == before and time.monotonic() < deadline:
            hold_all_threads(3)
            Watcher.shared().fence(timeout_s=30)
        made = int(process.communicate("!")[0])
    assert emitter.overflows > before
    Watcher.shared().fence(timeout_s=30)
    for number in range(made):
        (folder / f"{number}/then/file").rename(folder / f"{number}/then/renamed")
    source_of = moved(folder)
    assert [source_of(f"{n}/then/renamed") for n in range(made)] == [f"{n}/then/file" for n in range(made)]


def test_a_watcher_that_died_is_replaced(folder):
    Watcher.shared()._observer.stop()
    Watcher.shared()._observer.join()
    (folder / "a").write_text("x")
    Watcher.shared().fence()
    (folder / "a").rename(folder / "b")
    assert moved(folder)("b") == "a"


def test_fences_of_many_threads_and_coroutines_all_come_back():
    async def many():
        await asyncio.gather(*(Watcher.shared().fence_async() for _ in range(200)))

    def work(number):
        if number % 2:
            asyncio.run(many())
        else:
            for _ in range(100):
                Watcher.shared().fence()

    in_threads(work, 6)
    assert os.listdir(Watcher.shared().folder / ".fence") == []


def test_an_agent_cannot_reach_or_fake_the_sentinel(workspace):
    with pytest.raises(ActionError):
        workspace.write_text("../.fence/1", "x")
    arrived = []
    fence = Watcher.shared()
    with fence._planted(lambda: arrived.append(True)):
        fence.fence()
        assert arrived == [True]
        for number in range(1, 9):
            workspace.write_text(f".fence/{number}", "x")
        fence.fence()
        assert arrived == [True]


def test_the_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays():
    script = "from milepost.sandbox.workspace import Workspace; w = Workspace.create(); w.write_text('a/b', 'x')"
    script += "; print(w.scratch.folder, flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert (folder / "watched").is_dir()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 20
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not folder.exists()
    assert Watcher.shared().folder.is_dir()


PATHS = st.sampled_from(["a", "b", "a/x", "b/x", "a/y", "c", "a/x/z", "c/x"])


@given(acts=st.lists(st.tuples(PATHS, PATHS), max_size=10))
def test_moves_are_composed_as_a_file_system_would(acts):
    files = {path: path for path in ("a/x/z", "a/y", "b/x", "f")}
    moves = Moves()
    for source, target in acts:
        taken = {p for p in files if p == source or p.startswith(source + "/")}
        blocked = target == source or target.startswith(source + "/") or source.startswith(target + "/")
        blocked = blocked or any(p == target or p.startswith(target + "/") or target.startswith(p + "/") for p in files)
        if not taken or blocked:
            continue
        files = {(target + p[len(source) :] if p in taken else p): origin for p, origin in files.items()}
        moves.add(source, target, is_folder=source not in taken)
    assert {path: moves.source_of(path) or path for path in files} == files
