"""Files of labelled choices: appended to line by line, by several processes at once, and never rewritten.

A choice is on disk when `append_label` returns. A kill at any instant leaves at most one torn last line, which reading
leaves out and the next append removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..sandbox.errors import RewardError
from .labels import standing
from .preferences import Ranking, is_whole, preference_line, read_all


def read_labels(paths: Iterable[Path]) -> list[Ranking]:
    """Return the choices that stand in some files, all together in the order they were made.

    Preferences without a label (of rules, of a judge) are left out. Of one annotator's choices on a pair in several
    files the latest stands; within a file, whose lines are in order, the last.

    Raises:
        RewardError: a file cannot be read, a line is no preference, or no file holds a label.
    """
    paths = list(paths)
    found = [ranking for path in paths for ranking in read_all(path, torn=True) if ranking.label is not None]
    if not found:
        raise RewardError(
            f"{', '.join(map(str, paths))}: expected choices that people made, found none. Give a file that `milepost "
            "label RUN` wrote."
        )
    if len(paths) > 1:
        found.sort(key=lambda ranking: ranking.time)  # stable: equal times stay in their files' order
    return standing(found)


def append_label(path: Path, ranking: Ranking) -> None:
    """Append one labelled choice and wait until it is on disk.

    Raises:
        RewardError: the choice is not valid, or the file cannot be written; the file is then as it was.
    """
    line = preference_line(ranking, path.resolve().parent).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _held(path) as fd:
            end = _mended(fd)
            try:
                _write(fd, line, end)
                os.fsync(fd)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(fd, end)
                raise
    except OSError as error:
        raise RewardError(
            f"cannot write the choice to {path}: {error.strerror or error}. Free some space or make the file writable, "
            "then choose again; what was chosen before is kept."
        ) from error


@contextlib.contextmanager
def _held(path: Path) -> Iterator[int]:
    """The open file, held against other processes that append to it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def _mended(fd: int) -> int:
    """Give the last line its newline, or remove it if it is torn; returns the file's size."""
    size = os.fstat(fd).st_size
    if size == 0 or os.pread(fd, 1, size - 1) == b"\n":
        return size
    whole = os.pread(fd, size, 0)
    start = whole.rfind(b"\n") + 1
    if is_whole(whole[start:].decode("utf-8", "replace")):
        return size + os.pwrite(fd, b"\n", size)
    os.ftruncate(fd, start)
    return start


def _write(fd: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        offset += written
        rest = rest[written:]


__all__ = ["append_label", "read_labels"]
