"""The workspace: nothing leads out of it, quotas hold, and the fence makes every change visible."""

import asyncio
import hashlib
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milepost.sandbox.errors import ActionError, WorkspaceError
from milepost.sandbox.watch import Watcher
from milepost.sandbox.workspace import Workspace

ESCAPES = [
    "../secret", "a/../../secret", "/etc/passwd", "~/x", "..", ".", "", "  ", "a\0b", "a\nb", "..\\secret",
    "x/" * 20 + "y", "n" * 256, "é" * 128, "\ud800",
]  # fmt: skip


def changes(workspace):
    asyncio.run(workspace.fence())
    return [(e.change, e.path) for e in workspace.drain_events(1)]


@pytest.mark.parametrize("path", ESCAPES)
def test_paths_that_lead_out_are_refused(workspace, path):
    with pytest.raises(ActionError):
        workspace.write_text(path, "x")
    with pytest.raises(ActionError):
        workspace.read_text(path)
    assert workspace.files() == ()


def test_symbolic_links_are_never_followed(workspace, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("gold")
    (workspace.root / "link.txt").symlink_to(secret)
    (workspace.root / "folder").symlink_to(tmp_path)
    for path in ("link.txt", "folder/secret.txt"):
        with pytest.raises(ActionError, match=r"symbolic link|not a folder"):
            workspace.read_text(path)
        with pytest.raises(ActionError, match=r"symbolic link|not a folder"):
            workspace.write_text(path, "changed")
    with pytest.raises(ActionError):
        workspace.write_text("folder/new.txt", "x")
    assert secret.read_text() == "gold"
    assert os.listdir(tmp_path) == ["secret.txt"]
    assert workspace.files() == ()


def test_special_files_cannot_block_or_be_read(workspace):
    os.mkfifo(workspace.root / "pipe")
    for use in (lambda: workspace.read_text("pipe"), lambda: workspace.write_text("pipe", "x")):
        with pytest.raises(ActionError, match="not a file"):
            use()
    assert workspace.files() == ()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text(alphabet="ab./~\\ \0é", max_size=12))
def test_any_path_is_refused_or_stays_inside(workspace, path):
    outside = {p.name for p in workspace.root.parent.iterdir()}
    try:
        workspace.write_text(path, "x")
    except ActionError:
        return
    finally:
        assert {p.name for p in workspace.root.parent.iterdir()} == outside
    assert workspace.read_text(path) == "x"
    for file in workspace.files():
        (workspace.root / file.path).unlink()
    for folder in sorted((p for p in workspace.root.rglob("*")), reverse=True):
        folder.rmdir()


def test_what_is_written_is_read_and_listed(workspace):
    workspace.write_text("notes/b.txt", "grüße")
    workspace.write_bytes("a.bin", b"\xff\x00")
    assert workspace.read_text("notes/b.txt") == "grüße"
    assert [(f.path, f.size_bytes) for f in workspace.files()] == [("a.bin", 2), ("notes/b.txt", 7)]
    assert workspace.files()[0].sha256 == hashlib.sha256(b"\xff\x00").hexdigest()
    with pytest.raises(ActionError, match="UTF-8"):
        workspace.read_text("a.bin")
    with pytest.raises(ActionError, match="does not exist"):
        workspace.read_text("missing.txt")
    with pytest.raises(ActionError, match="folder"):
        workspace.write_text("notes", "x")


def test_quotas_hold(workspace):
    workspace.write_bytes("a", b"x" * 900)
    with pytest.raises(ActionError, match="1000 bytes"):
        workspace.write_bytes("b", b"x" * 101)
    workspace.write_bytes("a", b"x" * 1000)
    for number in range(11):
        workspace.write_bytes(f"f{number}", b"")
    with pytest.raises(ActionError, match="12 files"):
        workspace.write_bytes("one-more", b"")
    with pytest.raises(ActionError, match="at most 10"):
        workspace.read_bytes("a", limit_bytes=10)


def test_changes_are_what_is_there_at_the_fence(workspace):
    workspace.write_text("a/b/c.txt", "1")
    workspace.write_text("gone.txt", "x")
    (workspace.root / "gone.txt").unlink()
    assert changes(workspace) == [("created", "a"), ("created", "a/b"), ("created", "a/b/c.txt")]
    workspace.write_text("a/b/c.txt", "1")
    assert changes(workspace) == []
    workspace.write_text("a/b/c.txt", "2")
    assert changes(workspace) == [("modified", "a/b/c.txt")]
    (workspace.root / "a/b/c.txt").rename(workspace.root / "d.txt")
    assert changes(workspace) == [("moved", "d.txt")]
    (workspace.root / "d.txt").unlink()
    assert changes(workspace) == [("deleted", "d.txt")]


def test_a_change_carries_what_it_left(workspace):
    workspace.write_text("a.csv", "x,y\n")
    asyncio.run(workspace.fence())
    (event,) = workspace.drain_events(7)
    assert (event.step, event.origin, event.size_bytes, event.is_directory) == (7, "files", 4, False)
    assert event.sha256 == hashlib.sha256(b"x,y\n").hexdigest()


def test_a_fence_never_misses_a_file_written_just_before(workspace):
    async def rounds():
        for number in range(100):
            (workspace.root / "file").write_text(str(number))
            await workspace.fence()
            assert len(workspace.drain_events(number)) == 1

    asyncio.run(rounds())


def test_workspaces_do_not_see_each_other(workspace):
    other = Workspace.create()
    try:
        other.write_text("x", "1")
        assert changes(workspace) == []
        assert changes(other) == [("created", "x")]
    finally:
        other.close()
    assert not other.root.exists()
    with pytest.raises(WorkspaceError, match="closed"):
        other.files()


def test_a_fixture_is_there_but_no_change(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("a")
    workspace = Workspace.create(fixture=tmp_path)
    try:
        assert [f.path for f in workspace.files()] == ["in/a.txt"]
        assert changes(workspace) == []
        workspace.write_text("in/a.txt", "b")
        assert (tmp_path / "in/a.txt").read_text() == "a"
        assert changes(workspace) == [("modified", "in/a.txt")]
    finally:
        workspace.close()


def test_a_fixture_that_is_missing_or_too_large_is_the_machine_s_fault(tmp_path):
    before = set(Watcher.shared().folder.iterdir())
    with pytest.raises(WorkspaceError, match="missing"):
        Workspace.create(fixture=tmp_path / "missing")
    (tmp_path / "big").write_bytes(b"x" * 100)
    with pytest.raises(WorkspaceError, match="quota"):
        Workspace.create(fixture=tmp_path, quota_bytes=10)
    assert set(Watcher.shared().folder.iterdir()) == before


def test_files_to_begin_with_are_there_but_no_change(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    workspace = Workspace.create(fixture=tmp_path, files={"a.txt": "new", "in/b.txt": "é"})
    try:
        assert [f.path for f in workspace.files()] == ["a.txt", "in/b.txt"]
        assert workspace.read_text("a.txt") == "new"
        assert (tmp_path / "a.txt").read_text() == "old"
        assert changes(workspace) == []
        workspace.write_text("in/b.txt", "b")
        assert changes(workspace) == [("modified", "in/b.txt")]
    finally:
        workspace.close()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"../x": ""}, "leads out"),
        ({"a": "12345", "b": "123456"}, "quota of 10 bytes"),
        ({"a/b/c": ""}, "2 files and folders"),
    ],
)
def test_files_that_it_cannot_begin_with_leave_nothing_behind(files, reason):
    before = set(Watcher.shared().folder.iterdir())
    with pytest.raises(WorkspaceError, match=reason):
        Workspace.create(files=files, quota_bytes=10, quota_files=2)
    assert set(Watcher.shared().folder.iterdir()) == before


@pytest.mark.parametrize(
    ("suggested", "saved"),
    [
        ("report.csv", "downloads/report.csv"),
        ("../../../etc/cron.d/x", "downloads/x"),
        ("..\\..\\x.exe", "downloads/x.exe"),
        (".bashrc", "downloads/bashrc"),
        ("a\0b\n.csv", "downloads/ab.csv"),
        ("", "downloads/download"),
        ("..", "downloads/download"),
        ("n" * 400 + ".csv", "downloads/" + "n" * 180 + ".csv"),
    ],
)
def test_a_download_s_name_is_made_safe(workspace, suggested, saved):
    assert workspace.save_download(suggested, b"1") == saved


def test_downloads_of_one_name_do_not_overwrite_each_other(workspace):
    assert [workspace.save_download("r.csv", b"1") for _ in range(3)] == [
        "downloads/r.csv",
        "downloads/r (1).csv",
        "downloads/r (2).csv",
    ]
