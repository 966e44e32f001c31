"""Snapshots and scans: restored exactly, kept out of reach, never stale, nothing too deep or too many to handle."""

import asyncio
import dataclasses
import gc
import hashlib
import mmap
import os
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milepost.sandbox import workspace_scan
from milepost.sandbox.errors import WorkspaceError
from milepost.sandbox.watch import Watcher
from milepost.sandbox.workspace import Workspace
from milepost.sandbox.workspace_scan import TooManyFilesError, remove_tree, scan, walk

from .test_workspace import changes


def tree(workspace):
    """Return all that is there, read from outside: folders as None, links by target, files by content."""
    found = {}
    for place, folders, names in os.walk(workspace.root):
        for name in (*folders, *names):
            path = os.path.join(place, name)
            key = os.path.relpath(path, workspace.root)
            if os.path.islink(path):
                found[key] = os.readlink(path)
            elif os.path.isdir(path):
                found[key] = None
            else:
                with open(path, "rb") as file:
                    found[key] = file.read()
    return found


@pytest.fixture
def wide():
    made = Workspace.create()
    yield made
    made.close()


def test_restore_brings_back_exactly_what_was_and_tells_it_once(wide, tmp_path):
    for path, text in {"a.txt": "1", "d/b.txt": "2", "d/e/c.txt": "3", "swap": "file"}.items():
        wide.write_text(path, text)
    wide.make_folder("empty")
    changes(wide)
    was, snapshot = tree(wide), wide.snapshot()
    wide.write_text("a.txt", "changed")
    wide.delete("d/b.txt")
    wide.move("d/e", "moved")
    wide.delete("swap")
    wide.write_text("swap/in/folder", "x")
    wide.delete("empty")
    wide.write_text("empty", "a file now")
    wide.write_text("extra/1/2/3", "x")
    (wide.root / "link").symlink_to(tmp_path)
    os.mkfifo(wide.root / "pipe")
    (wide.root / "line\nbreak").write_text("hidden")
    changes(wide)
    wide.restore(snapshot)
    assert tree(wide) == was
    told = changes(wide)
    assert {path for _, path in told} >= {"a.txt", "d/b.txt", "d/e/c.txt", "swap", "empty", "extra"}
    assert len(told) == len({path for _, path in told})
    wide.restore(snapshot)
    assert changes(wide) == []


CONTENTS = st.dictionaries(
    st.sampled_from(["a", "b", "a/c", "a/d/e", "b/f", "g/h/i"]), st.sampled_from([b"", b"1", b"22"]), max_size=5
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=st.lists(CONTENTS, min_size=2, max_size=4))
def test_any_state_can_be_reached_from_any_other(workspace, states):
    taken = []
    for state in states:
        for path in sorted(tree(workspace), reverse=True):
            workspace.delete(path)
        written = {}
        for path, data in state.items():
            if not any(other.startswith(path + "/") or path.startswith(other + "/") for other in written):
                workspace.write_bytes(path, data)
                written[path] = data
        taken.append((workspace.snapshot(), tree(workspace)))
    for snapshot, was in [*taken, *reversed(taken)]:
        workspace.restore(snapshot)
        assert tree(workspace) == was


def test_a_snapshot_outlives_its_workspace_and_fits_into_another(workspace):
    first = Workspace.create()
    first.write_text("d/a.txt", "gold")
    snapshot = first.snapshot()
    first.close()
    workspace.write_text("other", "x")
    workspace.restore(snapshot)
    assert tree(workspace) == {"d": None, "d/a.txt": b"gold"}
    assert snapshot.read_bytes("d/a.txt") == b"gold"
    with pytest.raises(KeyError):
        snapshot.read_bytes("d")
    with pytest.raises(dataclasses.FrozenInstanceError):
        snapshot.files = ()  # type: ignore[misc]


def test_a_snapshot_too_large_for_a_workspace_leaves_it_as_it_was(wide, workspace):
    wide.write_bytes("big", b"x" * 1001)
    workspace.write_text("small", "x")
    with pytest.raises(WorkspaceError, match="does not fit"):
        workspace.restore(wide.snapshot())
    assert tree(workspace) == {"small": b"x"}


def test_contents_are_kept_once_out_of_reach_and_go_with_the_last_snapshot(wide):
    store = wide.scratch.store
    wide.write_text("a", "same")
    wide.write_text("b", "same")
    first, second = wide.snapshot(), wide.snapshot()
    name = hashlib.sha256(b"same").hexdigest()
    assert os.listdir(store) == [name]
    assert not store.is_relative_to(wide.root)
    assert not store.is_relative_to(Watcher.shared().folder)
    del first
    gc.collect()
    assert os.listdir(store) == [name]
    (store / name).chmod(0o600)
    (store / name).write_text("fake")
    with pytest.raises(WorkspaceError, match="was changed"):
        second.read_bytes("a")
    wide.write_text("a", "else")
    with pytest.raises(WorkspaceError, match="was changed"):
        wide.restore(second)
    assert wide.read_text("a") == "else"
    del second
    gc.collect()
    assert os.listdir(store) == []


def test_what_is_unchanged_is_not_read_again(wide):
    wide.write_text("a", "1")
    time.sleep(2 * workspace_scan.SETTLING_NS / 1e9)
    settled = wide.entries()["a"]
    assert settled.trusted
    assert wide.entries()["a"] is settled
    wide.write_text("b", "1")
    assert wide.entries()["a"] is settled


def test_a_rewrite_within_one_tick_of_the_clock_is_seen(wide, monkeypatch):
    """A page already written to through memory changes without a trace in the file's times: as within one tick."""
    monkeypatch.setattr(workspace_scan, "SETTLING_NS", 60_000_000_000)  # a slow machine must not let it settle
    wide.write_text("a", "old")
    with open(wide.root / "a", "r+b") as file, mmap.mmap(file.fileno(), 3) as page:
        page[:] = b"two"
        entry = wide.entries()["a"]
        page[:] = b"six"
        later = wide.entries()["a"]
    assert later.signature == entry.signature
    assert (entry.sha256, later.sha256) == tuple(hashlib.sha256(text).hexdigest() for text in (b"two", b"six"))


def test_quick_rewrites_of_one_size_never_leave_an_old_hash(wide):
    for number in range(300):
        data = f"{number:04}".encode()
        (wide.root / "a").write_bytes(data)
        assert wide.files()[0].sha256 == hashlib.sha256(data).hexdigest()


def test_a_file_that_is_being_written_gets_its_last_hash_after_the_fence(wide):
    def write():
        with open(wide.root / "a", "wb", buffering=0) as file:
            while not stop.is_set():
                if file.write(os.urandom(1000)) and file.tell() >= 1_000_000:
                    file.seek(0)

    stop = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            assert len(wide.files()) <= 1
    finally:
        stop.set()
        writer.join()
    asyncio.run(wide.fence())
    wide.drain_events(1)
    with open(wide.root / "a", "rb") as file:
        assert wide.files()[0].sha256 == hashlib.file_digest(file, "sha256").hexdigest()


def test_files_that_vanish_during_a_scan_are_no_failure(wide):
    def churn():
        while not stop.is_set():
            for number in range(30):
                (wide.root / f"{number}").write_text("x")
            for number in range(30):
                (wide.root / f"{number}").unlink()

    stop = threading.Event()
    churner = threading.Thread(target=churn)
    churner.start()
    try:
        seen = [len(wide.files()) for _ in range(200)]
    finally:
        stop.set()
        churner.join()
    assert max(seen) <= 30
    assert wide.files() == ()


@pytest.mark.slow
def test_a_hundred_thousand_files_are_refused_not_read(wide):
    for number in range(100_000):
        os.mknod(wide.root / str(number))
    began = time.monotonic()
    with pytest.raises(TooManyFilesError, match="more than 10000"):
        wide.files()
    with pytest.raises(WorkspaceError):
        wide.write_text("more", "x")
    assert time.monotonic() - began < 10
    wide.close()
    assert not wide.root.exists()


def test_a_tree_deeper_than_python_s_stack_is_neither_followed_nor_left_behind(wide):
    fd = os.open(wide.root, os.O_RDONLY)
    for _ in range(3_000):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("file", os.O_CREAT, dir_fd=fd))
    os.close(fd)
    assert wide.files() == ()
    assert len(wide.entries()) == 16
    assert changes(wide)[-1] == ("created", "/".join("d" * 16))
    wide.write_text("here", "x")
    wide.close()
    assert not wide.root.exists()


def test_folders_that_were_locked_are_opened_and_removed(wide):
    """As an ordinary user: root is never locked out."""
    folder = wide.scratch.run / "locked"
    folder.mkdir()
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_text("x")
    was_root = os.geteuid() == 0
    if was_root:
        for path in (folder, folder / "a", folder / "a/b", folder / "a/b/file"):
            os.chown(path, 65534, 65534)
        os.chmod(wide.scratch.run, 0o777)
        os.seteuid(65534)
    try:
        os.chmod(folder / "a/b/file", 0)
        os.chmod(folder / "a/b", 0)
        os.chmod(folder / "a", 0)
        fd = os.open(folder, os.O_RDONLY)
        assert list(scan(fd, known={}, limit=10)) == ["a", "a/b", "a/b/file"]
        os.close(fd)
        os.chmod(folder / "a/b", 0)
        os.chmod(folder / "a", 0)
        remove_tree(str(folder))
    finally:
        if was_root:
            os.seteuid(0)
            os.chmod(wide.scratch.run, 0o711)
    assert not folder.exists()


def test_removal_and_walks_follow_no_link(wide, tmp_path):
    (tmp_path / "kept").write_text("x")
    (wide.root / "d").mkdir()
    (wide.root / "d" / "link").symlink_to(tmp_path)
    fd = os.open(wide.root, os.O_RDONLY)
    assert [found.path for found in walk(fd, limit=10)] == ["d", "d/link"]
    os.close(fd)
    remove_tree(str(wide.root / "d"))
    assert (tmp_path / "kept").exists()


def test_a_look_sees_everything_written_before_it_and_names_moves(wide):
    async def rounds():
        (wide.root / "f0").write_text("x")
        await wide.look(0)
        for number in range(50):
            (wide.root / f"f{number}").rename(wide.root / f"f{number + 1}")
            (wide.root / f"f{number + 1}").write_text(str(number))
            files, events = await wide.look(number)
            assert [file.path for file in files] == [f"f{number + 1}"]
            assert [(e.change, e.path, e.sha256) for e in events] == [("moved", f"f{number + 1}", files[0].sha256)]
        assert (await wide.look(99))[1] == []

    asyncio.run(rounds())
