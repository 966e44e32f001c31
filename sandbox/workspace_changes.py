"""What differs between two looks at a workspace, told as events."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal

from .events import FileChange
from .workspace_scan import Entry

Change = Literal["created", "modified", "deleted", "moved"]
MAX_MOVES = 10_000


class Moves:
    """What was moved, several times perhaps, within one folder: from where did each path come?"""

    def __init__(self) -> None:
        self._sources: dict[str, str] = {}

    def add(self, source: str, target: str, *, is_folder: bool) -> None:
        """Note that a file, or a folder with all in it, was moved; in the order in which it happened."""
        origin = self.source_of(source) or source
        if not is_folder:
            self._sources.pop(source, None)
            if len(self._sources) < MAX_MOVES:
                self._sources[target] = origin
            return
        carried = {p: s for p, s in self._sources.items() if p.startswith(source + "/")}
        for path in (source, *carried, *(p for p in self._sources if p == target or p.startswith(target + "/"))):
            self._sources.pop(path, None)
        if len(self._sources) + len(carried) < MAX_MOVES:
            self._sources[target] = origin
            self._sources.update({target + path[len(source) :]: origin for path, origin in carried.items()})

    def source_of(self, path: str) -> str | None:
        """Return where what is at a path was at first, or None if it did not move."""
        head, tail = path, ""
        while head:
            if head in self._sources:
                found = self._sources[head] + tail
                return found if found != path else None
            head, _, name = head.rpartition("/")
            tail = f"/{name}{tail}"
        return None


def changes_between(
    before: Mapping[str, Entry], after: Mapping[str, Entry], moves: Moves, *, step: int
) -> list[FileChange]:
    """Return what changed, sorted by path; what was moved is told once, at its new path.

    Args:
        before: the folders and files of the last report.
        after: those of now.
        moves: what the watcher saw moved.
        step: the step to report.
    """
    changed = sorted(p for p in before.keys() | after.keys() if not _same(before.get(p), after.get(p)))
    sources = _moved_unchanged(before, after)
    sources.update((path, source) for path in changed if (source := moves.source_of(path)) is not None)
    changes = [(path, _kind(path, before, after, sources)) for path in changed]
    moved_away = {sources[path] for path, kind in changes if kind == "moved"}
    now = time.monotonic()
    events = []
    for path, kind in changes:
        if kind == "deleted" and path in moved_away:
            continue
        entry = after.get(path)
        is_file = entry is not None and entry.sha256 is not None
        events.append(
            FileChange(
                step=step,
                t=now,
                origin="files",
                change=kind,
                path=path,
                is_directory=(entry or before[path]).sha256 is None,
                size_bytes=entry.size_bytes if entry is not None and is_file else None,
                sha256=entry.sha256 if entry is not None else None,
                previous_path=sources[path] if kind == "moved" else None,
            )
        )
    return events


def may_be_moves(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> bool:
    """Tell whether something is gone and something new is there: it may have been moved."""
    return bool(before.keys() - after.keys()) and bool(after.keys() - before.keys())


def _moved_unchanged(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> dict[str, str]:
    """Return {destination: source} of what kept its inode, size and modification time under a new path."""
    if not may_be_moves(before, after):
        return {}
    gone = {(before[p].signature[:3], before[p].sha256): p for p in before.keys() - after.keys()}
    found = {p: gone.get((after[p].signature[:3], after[p].sha256)) for p in after.keys() - before.keys()}
    return {path: source for path, source in found.items() if source is not None}


def _same(a: Entry | None, b: Entry | None) -> bool:
    return a is not None and b is not None and a.same_as(b)


def _kind(path: str, before: Mapping[str, Entry], after: Mapping[str, Entry], sources: Mapping[str, str]) -> Change:
    if path not in after:
        return "deleted"
    if path in before:
        return "modified"
    source = sources.get(path)
    if source is not None and source in before and source not in after:
        is_same_kind = (before[source].sha256 is None) == (after[path].sha256 is None)
        return "moved" if is_same_kind else "created"
    return "created"


__all__ = ["Change", "Moves", "changes_between", "may_be_moves"]
