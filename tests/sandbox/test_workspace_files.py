"""The file actions: append, copy, move, delete, make_folder, find; each refuses what it must, and says what to do."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milepost.sandbox.errors import ActionError, WorkspaceError
from milepost.sandbox.workspace import Workspace

from .test_workspace import ESCAPES, changes

USES = {
    "append": lambda w, path: w.append_text(path, "x"),
    "copy from": lambda w, path: w.copy(path, "copied"),
    "copy to": lambda w, path: w.copy("here.txt", path),
    "move from": lambda w, path: w.move(path, "moved"),
    "move to": lambda w, path: w.move("here.txt", path),
    "delete": lambda w, path: w.delete(path),
    "make_folder": lambda w, path: w.make_folder(path),
    "read": lambda w, path: w.read_text(path),
    "write": lambda w, path: w.write_text(path, "x"),
}


def paths(workspace):
    return [file.path for file in workspace.files()]


@pytest.fixture
def wide():
    made = Workspace.create()
    yield made
    made.close()


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("path", ESCAPES)
def test_no_action_takes_a_path_that_leads_out(workspace, use, path):
    workspace.write_text("here.txt", "kept")
    around = sorted(os.listdir(workspace.root.parent))
    with pytest.raises(ActionError):
        USES[use](workspace, path)
    assert paths(workspace) == ["here.txt"]
    assert workspace.read_text("here.txt") == "kept"
    assert sorted(os.listdir(workspace.root.parent)) == around


def test_append_adds_to_the_end_or_makes_the_file(workspace):
    workspace.append_text("log/a.txt", "1\n")
    workspace.append_text("log/a.txt", "é")
    assert workspace.read_text("log/a.txt") == "1\né"
    assert changes(workspace) == [("created", "log"), ("created", "log/a.txt")]
    workspace.append_text("log/a.txt", "!")
    assert changes(workspace) == [("modified", "log/a.txt")]
    workspace.append_text("log/a.txt", "x" * 995)
    with pytest.raises(ActionError, match="1000 bytes"):
        workspace.append_text("log/a.txt", "x")
    assert len(workspace.read_bytes("log/a.txt")) == 1000
    with pytest.raises(ActionError, match="folder"):
        workspace.append_text("log", "")


def test_copy_makes_a_second_file_and_replaces_nothing(workspace):
    workspace.write_bytes("a", b"\xff" * 400)
    workspace.copy("a", "deep/er/b")
    assert workspace.read_bytes("deep/er/b") == b"\xff" * 400
    workspace.write_bytes("a", b"new")
    assert workspace.read_bytes("deep/er/b") == b"\xff" * 400
    with pytest.raises(ActionError, match="'deep/er/b' exists already"):
        workspace.copy("a", "deep/er/b")
    with pytest.raises(ActionError, match="'deep' exists already"):
        workspace.copy("a", "deep")
    with pytest.raises(ActionError, match="'a' exists already"):
        workspace.copy("a", "a")
    with pytest.raises(ActionError, match="'deep' is a folder"):
        workspace.copy("deep", "other")
    with pytest.raises(ActionError, match="'missing' does not exist"):
        workspace.copy("missing", "other")
    workspace.write_bytes("big", b"x" * 500)
    with pytest.raises(ActionError, match="1000 bytes"):
        workspace.copy("big", "big2")
    assert paths(workspace) == ["a", "big", "deep/er/b"]


def test_move_takes_files_and_folders_along_and_replaces_nothing(workspace):
    workspace.write_text("a/x", "1")
    workspace.write_text("b", "2")
    assert changes(workspace)
    workspace.move("a", "c/d")
    assert paths(workspace) == ["b", "c/d/x"]
    assert changes(workspace) == [("created", "c"), ("moved", "c/d"), ("moved", "c/d/x")]
    with pytest.raises(ActionError, match="'b' exists already"):
        workspace.move("c/d/x", "b")
    with pytest.raises(ActionError, match="'c' exists already"):
        workspace.move("b", "c")
    with pytest.raises(ActionError, match="into itself"):
        workspace.move("c", "c/d/e")
    with pytest.raises(ActionError, match="does not exist"):
        workspace.move("nothing", "e")
    assert paths(workspace) == ["b", "c/d/x"]


def test_a_chain_of_moves_is_one_move(workspace):
    workspace.write_text("a", "1")
    workspace.write_text("other", "2")
    assert changes(workspace)
    workspace.move("a", "b")
    workspace.move("b", "c")
    workspace.move("other", "b")
    assert changes(workspace) == [("moved", "b"), ("moved", "c")]
    workspace.move("c", "d")
    workspace.append_text("d", "more")
    assert changes(workspace) == [("moved", "d")]
    workspace.move("d", "e")
    workspace.move("e", "d")
    assert changes(workspace) == []


def test_a_move_cannot_make_a_tree_too_deep(wide):
    wide.write_text("/".join(["n"] * 12), "x")
    wide.make_folder("a/b/c/d/e")
    with pytest.raises(ActionError, match="16 deep"):
        wide.move("n", "a/b/c/d/e/f")
    wide.move("n", "a/b/c/d/f")
    assert paths(wide) == ["a/b/c/d/f/" + "/".join(["n"] * 11)]


def test_delete_takes_files_and_empty_folders_and_says_what_is_in_the_way(workspace, tmp_path):
    for name in "abcdef":
        workspace.write_text(f"full/{name}", "x")
    with pytest.raises(ActionError, match=r"not empty; delete or move first.*'full/a', .*'full/e', …$"):
        workspace.delete("full")
    for name in "abcdef":
        workspace.delete(f"full/{name}")
    workspace.delete("full")
    with pytest.raises(ActionError, match="does not exist"):
        workspace.delete("full")
    (tmp_path / "outside").write_text("kept")
    (workspace.root / "link").symlink_to(tmp_path / "outside")
    os.mkfifo(workspace.root / "pipe")
    workspace.delete("link")
    workspace.delete("pipe")
    assert (tmp_path / "outside").read_text() == "kept"
    assert os.listdir(workspace.root) == []


def test_make_folder_makes_what_is_missing(workspace):
    workspace.make_folder("a/b/c")
    assert changes(workspace) == [("created", "a"), ("created", "a/b"), ("created", "a/b/c")]
    workspace.make_folder("a/d")
    with pytest.raises(ActionError, match="exists already"):
        workspace.make_folder("a/b")
    workspace.write_text("file", "x")
    with pytest.raises(ActionError, match="exists already"):
        workspace.make_folder("file")
    with pytest.raises(ActionError, match="not a folder"):
        workspace.make_folder("file/inside")
    assert changes(workspace) == [("created", "a/d"), ("created", "file")]
    with pytest.raises(ActionError, match="12 files"):
        workspace.make_folder("1/2/3/4/5/6/7/8")


def test_find_matches_whole_paths(workspace):
    for path in ("a.csv", "r/b.csv", "r/B.CSV", "r/x[1].txt"):
        workspace.write_text(path, "")
    assert workspace.find("*.csv") == ("a.csv", "r/b.csv")
    assert workspace.find("./a.???") == ("a.csv",)
    assert workspace.find("r/*") == ("r/B.CSV", "r/b.csv", "r/x[1].txt")
    assert workspace.find("r/x[[]1].txt") == ("r/x[1].txt",)
    assert workspace.find("../*") == ()
    assert workspace.find("*a" * 40 + "!") == ()
    for pattern in ("", " ", "*" * 1025):
        with pytest.raises(ActionError, match="pattern"):
            workspace.find(pattern)


@pytest.mark.parametrize("count", [255, 256])
def test_a_name_has_at_most_255_bytes(workspace, count):
    if count == 255:
        workspace.write_text("n" * count, "x")
        assert workspace.read_text("n" * count) == "x"
    else:
        with pytest.raises(ActionError, match="255 bytes"):
            workspace.write_text("n" * count, "x")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a\u202etxt.exe", "characters"),
        ("a\u200bb", "characters"),
        ("\ufeffa", "characters"),
        ("a\u2066b", "characters"),
        ("a\x1b[2Jb", "characters"),
        ("a\u00a0b", "characters"),
        ("e\u0301.txt", "combining marks"),
        (" a", "space"),
        ("a ", "space"),
        ("a.", "dot"),
        ("...", "dot"),
        ("a/ /b", "space"),
        ("\uff0e\uff0e", "path"),
        ("a\uff0fb", "path"),
        ("a\uff3cb", "path"),
        ("\uff5eroot", "path"),
        ("\u2024\u2024", "path"),
    ],
)
def test_names_that_pass_for_another_are_not_made(workspace, name, why):
    workspace.write_text("here.txt", "x")
    for use in ("write", "append", "copy to", "move to", "make_folder"):
        with pytest.raises(ActionError, match=why):
            USES[use](workspace, name)
    assert os.listdir(workspace.root) == ["here.txt"]


@pytest.mark.parametrize(
    "name", ["nul", "CON", "aux.txt", ".fence", ".hidden", "-rf", "*", "$(id)", "é", "日本", "a b"]
)
def test_names_that_mean_nothing_here_are_ordinary(workspace, name):
    workspace.write_text(name, "x")
    assert paths(workspace) == [name]
    assert (workspace.root / name).read_text() == "x"


def test_names_made_by_somebody_else_can_be_used_only_if_they_can_be_shown(workspace):
    made = [b"e\xcc\x81", b"bad\xff", b"line\nbreak", b"rtl\xe2\x80\xae", b"back\\slash"]
    for name in made:
        with open(os.fsencode(workspace.root) + b"/" + name, "wb") as file:
            file.write(b"123")
    assert paths(workspace) == ["e\u0301"]
    assert workspace.read_text("e\u0301") == "123"
    assert changes(workspace) == [("created", "e\u0301")]
    for number in range(7):
        workspace.write_text(f"{number}", "")
    with pytest.raises(ActionError, match="12 files"):  # they count
        workspace.write_text("8", "")


def test_hard_links_are_neither_read_nor_written_nor_listed(workspace, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("gold")
    os.link(secret, workspace.root / "link") if _same_disk(tmp_path, workspace.root) else pytest.skip("two disks")
    for use in USES.values():
        if use in (USES["delete"], USES["make_folder"], USES["copy to"], USES["move to"]):
            continue
        with pytest.raises(ActionError, match="hard link"):
            use(workspace, "link")
    assert paths(workspace) == []
    assert secret.read_text() == "gold"
    workspace.delete("link")
    assert secret.read_text() == "gold"


def _same_disk(one, other):
    return one.stat().st_dev == other.stat().st_dev


def test_sparse_files_count_in_full(workspace):
    with open(workspace.root / "sparse", "wb") as file:
        file.truncate(901)
    with pytest.raises(ActionError, match="1000 bytes"):
        workspace.write_bytes("more", b"x" * 100)
    workspace.write_bytes("more", b"x" * 99)
    assert workspace.files()[1].sha256 == hashlib.sha256(b"\0" * 901).hexdigest()


def test_writers_at_once_cannot_exceed_the_quota_together(workspace):
    def write(number):
        for turn in range(10):
            for act in (workspace.write_bytes, lambda path, data: workspace.append_text(path, data.decode())):
                try:
                    act(f"{number}-{turn}", b"x" * 90)
                except ActionError:
                    refused.append(number)

    refused = []
    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(file.size_bytes for file in workspace.files()) <= 1000
    assert len(paths(workspace)) <= 12
    assert refused
    assert os.listdir(workspace.scratch.new) == []


def test_a_reader_sees_the_old_content_or_the_new(wide):
    whole = {bytes([65 + n]) * 200_000 for n in range(2)}
    wide.write_bytes("file", min(whole))
    stop = threading.Event()

    def write():
        while not stop.is_set():
            for data in whole:
                wide.write_bytes("file", data)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(wide.read_bytes("file") in whole for _ in range(300))
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("has_openat2", [True, False])
def test_a_folder_swapped_for_a_link_in_the_middle_of_it_all_is_not_followed(wide, tmp_path, monkeypatch, has_openat2):
    if not has_openat2:
        from milepost.sandbox import workspace_paths

        monkeypatch.setattr(workspace_paths, "_has_openat2", lambda: False)
    secret = tmp_path / "secret"
    secret.write_text("gold")
    (wide.root / "real").mkdir()
    (wide.root / "real" / "secret").write_text("mine")
    stop = threading.Event()

    def swap():
        real, aside = wide.root / "real", wide.root / "aside"
        while not stop.is_set():
            with contextlib.suppress(OSError):  # the workspace may just have made a folder there
                if not aside.exists():
                    real.rename(aside)
                real.symlink_to(tmp_path)
                swapped.append(True)
            if real.is_symlink():
                real.unlink()
            with contextlib.suppress(OSError):
                shutil.rmtree(real, ignore_errors=True)
                aside.rename(real)

    swapped = []
    swapper = threading.Thread(target=swap)
    swapper.start()
    read, refused = 0, 0
    try:
        for turn in range(400):
            for act in (
                lambda: _is_not_gold(wide.read_text("real/secret")),
                lambda n=turn: wide.write_text(f"real/new{n % 3}", "x"),
                lambda n=turn: wide.delete(f"real/new{n % 3}"),
                lambda: wide.append_text("real/secret", ""),
                lambda: [_is_ours(file) for file in wide.files()],
            ):
                try:
                    act()
                    read += 1
                except ActionError:
                    refused += 1
    finally:
        stop.set()
        swapper.join()
    assert os.listdir(tmp_path) == ["secret"]
    assert secret.read_text() == "gold"
    assert read
    assert refused
    assert len(swapped) > 10


def _is_not_gold(text):
    assert text != "gold"


def _is_ours(file):
    assert file.sha256 != hashlib.sha256(b"gold").hexdigest()


def test_a_root_that_was_taken_away_is_the_machine_s_fault(workspace, tmp_path):
    workspace.root.rename(tmp_path / "away")
    (tmp_path / "away").rmdir()
    workspace.root.symlink_to(tmp_path)
    for use in USES.values():
        with pytest.raises(WorkspaceError):
            use(workspace, "x")
    assert os.listdir(tmp_path) == []
    workspace.root.unlink()


NAMES = st.sampled_from(["a", "b", "a/c", "a/c/d", "..", "a/..", "b/", "é", ""])
ACTS = st.tuples(st.sampled_from(sorted({*USES} - {"read"})), NAMES)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(ACTS, max_size=12))
def test_whatever_is_done_the_events_lead_from_what_was_to_what_is(workspace, acts):
    seen = {file.path: file.sha256 for file in workspace.files()}
    changes(workspace)
    for use, path in acts:
        try:
            if "here.txt" not in paths(workspace):
                workspace.write_text("here.txt", "kept")
            USES[use](workspace, path)
        except ActionError:
            continue
    asyncio.run(workspace.fence())
    events = workspace.drain_events(1)
    now = {file.path: file.sha256 for file in workspace.files()}
    told = {event.path: event.sha256 for event in events if not event.is_directory}
    assert now == {path: told.get(path, seen.get(path)) for path in now}
    assert all(path not in now for path, sha256 in told.items() if sha256 is None)
