"""Checks of the workspace: files seen, hashed, fenced, held to quotas, and kept inside; downloads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import ActionError
from .events import Download
from .self_check_kit import CheckFailedError, CheckGroup, CheckSkippedError, Kit, expect, require
from .workspace import Workspace

GROUP = CheckGroup("files")
CSV = b"a,b\n1,2\n"


def refused(act: Callable[..., Any], *arguments: Any) -> str:
    """Return why the workspace refuses; if it does not, the check has failed."""
    try:
        act(*arguments)
    except ActionError as error:
        return str(error)
    raise CheckFailedError(f"{act.__name__}{arguments} was expected to be refused, and was done")


async def changes(files: Workspace) -> list[tuple[str, str]]:
    """Return what has changed since the last time, fenced."""
    await files.fence()
    return [(event.change, event.path) for event in files.drain_events(1)]


def method(files: Workspace, name: str) -> Any:
    """Return a method, or skip the check where the backend has none."""
    found = getattr(files, name, None)
    if found is None:
        raise CheckSkippedError(f"this backend's workspace has no {name}")
    return found


@GROUP.check("text comes back as it was written", "what an agent wrote is what milestones read")
async def _round(kit: Kit) -> None:
    files = kit.workspace()
    files.write_text("notes/über uns.txt", "Zoë ✓\n")
    expect(files.read_text("notes/über uns.txt"), "Zoë ✓\n", "the text")
    expect([f.sha256 for f in files.files()], [hashlib.sha256("Zoë ✓\n".encode()).hexdigest()], "the file's hash")


@GROUP.check("every change before the fence is seen", "a milestone must not miss the file of its own step")
async def _fence(kit: Kit) -> None:
    files = kit.workspace()
    for number in range(200):
        (files.root / f"{number}.txt").write_text("x")
    expect(len(await changes(files)), 200, "created files that are reported")
    expect(await changes(files), [], "changes reported twice")


@GROUP.check("changes are told apart", "created, modified, moved and deleted earn different things")
async def _kinds(kit: Kit) -> None:
    files = kit.workspace()
    files.write_text("a.txt", "1")
    files.write_text("b.txt", "1")
    expect(await changes(files), [("created", "a.txt"), ("created", "b.txt")], "after two writes")
    files.write_text("a.txt", "22")
    (files.root / "b.txt").rename(files.root / "c.txt")
    expect(await changes(files), [("modified", "a.txt"), ("moved", "c.txt")], "after a rewrite and a rename")
    (files.root / "c.txt").unlink()
    expect(await changes(files), [("deleted", "c.txt")], "after a deletion")


@GROUP.check("what comes and goes within a step is no change", "rewards are paid at quiescence")
async def _transient(kit: Kit) -> None:
    files = kit.workspace()
    files.write_text("kept.txt", "1")
    await changes(files)
    (files.root / "gone.txt").write_text("x")
    (files.root / "gone.txt").unlink()
    files.write_text("kept.txt", "2")
    files.write_text("kept.txt", "1")
    expect(await changes(files), [], "the changes")


@GROUP.check("no path leads out", "the machine's own files are nobody's workspace")
async def _paths(kit: Kit) -> None:
    files = kit.workspace()
    for path in ("../x", "a/../../x", "/etc/passwd", "~/x", "", ".", "a\0b", "..\\x", "C:\\x", "a\nb", "./.."):
        refused(files.read_text, path)
        refused(files.write_text, path, "x")


@GROUP.check("no symbolic link is followed", "it would lead anywhere, whoever made it")
async def _links(kit: Kit) -> None:
    files, outside = kit.workspace(), kit.workspace()
    outside.write_text("secret.txt", "secret")
    (files.root / "file").symlink_to(outside.root / "secret.txt")
    (files.root / "folder").symlink_to(outside.root)
    for path in ("file", "folder/secret.txt"):
        refused(files.read_text, path)
        refused(files.write_text, path, "changed")
    expect(outside.read_text("secret.txt"), "secret", "the file outside")
    expect(files.files(), (), "the files that are listed")


@GROUP.check("pipes and devices are not read", "reading one would never end")
async def _special(kit: Kit) -> None:
    files = kit.workspace()
    if not hasattr(os, "mkfifo"):
        raise CheckSkippedError("this system has no named pipes")
    os.mkfifo(files.root / "pipe")
    refused(files.read_text, "pipe")
    expect(files.files(), (), "the files that are listed")


@GROUP.check("bytes are held to the quota", "one episode must not fill the disk")
async def _bytes(kit: Kit) -> None:
    files = kit.workspace(quota_bytes=100)
    files.write_text("a", "x" * 60)
    require("quota" in refused(files.write_text, "b", "x" * 60), "the refusal does not name the quota")
    files.write_text("a", "y" * 100)
    expect([f.size_bytes for f in files.files()], [100], "the files' sizes")


@GROUP.check("the number of files is held to the quota", "nor use up its entries")
async def _count(kit: Kit) -> None:
    files = kit.workspace(quota_files=3)
    for name in "abc":
        files.write_text(name, "x")
    require("quota" in refused(files.write_text, "d", "x"), "the refusal does not name the quota")
    refused(files.write_text, "new/e", "x")


@GROUP.check("names and depth are bounded", "the disk's own limits would be failures of the machine")
async def _names(kit: Kit) -> None:
    files = kit.workspace()
    files.write_text("x" * 255, "fits")
    refused(files.write_text, "x" * 256, "x")
    refused(files.write_text, "é" * 128, "x")
    refused(files.write_text, "/".join("a" * 40), "x")


@GROUP.check("what cannot be read is refused in words", "an agent learns from what it is told")
async def _words(kit: Kit) -> None:
    files = kit.workspace()
    files.write_bytes("binary", b"\xff\xfe")
    files.write_text("folder/a", "x")
    require("not exist" in refused(files.read_text, "absent"), "a missing file's refusal does not say so")
    require("text" in refused(files.read_text, "binary"), "a binary file's refusal does not say so")
    require("folder" in refused(files.write_text, "folder", "x"), "a folder's refusal does not say so")


@GROUP.check("files can be appended to, copied, moved, deleted and found", "as actions do it")
async def _more(kit: Kit) -> None:
    files = kit.workspace()
    append, copy, move = method(files, "append_text"), method(files, "copy"), method(files, "move")
    append("a.txt", "1")
    append("a.txt", "2")
    copy("a.txt", "b.txt")
    method(files, "make_folder")("c")
    move("b.txt", "c/d.txt")
    expect(files.read_text("c/d.txt"), "12", "the text that was appended, copied and moved")
    expect(tuple(method(files, "find")("*.txt")), ("a.txt", "c/d.txt"), "what is found")
    method(files, "delete")("a.txt")
    expect([f.path for f in files.files()], ["c/d.txt"], "what is left")


@GROUP.check("a snapshot is restored exactly", "branching episodes start from it")
async def _snapshot(kit: Kit) -> None:
    files = kit.workspace()
    files.write_text("a.txt", "1")
    taken = method(files, "snapshot")()
    files.write_text("a.txt", "2")
    files.write_text("b.txt", "3")
    method(files, "restore")(taken)
    expect([(f.path, files.read_text(f.path)) for f in files.files()], [("a.txt", "1")], "the files after the restore")


@GROUP.check("a closed workspace is gone", "nothing may be left behind")
async def _closed(kit: Kit) -> None:
    files = kit.workspace()
    files.write_text("a", "x")
    root = Path(files.root)
    files.close()
    require(not root.exists(), f"{root} is still there")


@GROUP.check("a download lands in the workspace with its hash", "exports are worth rewards")
async def _download(kit: Kit) -> None:
    it = await kit.open("<a href=/table>Export</a>")
    await it.do("click", on="Export")
    expect(it.workspace.read_bytes("downloads/table.csv"), CSV, "the file's bytes")
    got = [(e.path, e.size_bytes, e.sha256) for e in it.of(Download)]
    expect(got, [("downloads/table.csv", len(CSV), hashlib.sha256(CSV).hexdigest())], "the Download events")


@GROUP.check("a download made by a script lands as well", "many applications make their files in the page")
async def _blob(kit: Kit) -> None:
    it = await kit.open(
        "<button onclick='const a = document.createElement(`a`); a.download = `../made.csv`;"
        "a.href = window.URL.createObjectURL(new Blob([`x`])); a.click()'>Make</button>"
    )
    await it.do("click", on="Make")
    files = it.workspace.files()
    expect([f.size_bytes for f in files], [1], "the sizes of the files")
    require(files[0].path.startswith("downloads/"), f"it was saved as {files[0].path!r}")


@GROUP.check(
    "downloads above the quota, or without a workspace, are refused", "nothing is saved that was not asked for"
)
async def _refused_download(kit: Kit) -> None:
    it = await kit.open("<a href=/table>Export</a>", quota_bytes=3)
    require("quota" in await it.refused("click", on="Export"), "the refusal does not name the quota")
    expect(it.workspace.files(), (), "the files")
    other = await kit.open("<a href=/table>Export</a>", saves_downloads=False)
    await other.do("click", on="Export")
    expect((other.of(Download), other.workspace.files()), ([], ()), "downloads of a task that saves none")


__all__ = ["GROUP"]
