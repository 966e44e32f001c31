"""Files that outlive a kill: written whole by temporary file and rename, or grown by whole lines that are synced.

A kill at any instant leaves every earlier record intact, and at most a torn last line, which reading leaves out.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from ..sandbox.errors import RunError

_ABSENT = object()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an operating-system error met while writing `path` into a RunError that names the cure."""
    try:
        yield
    except OSError as error:
        match error.errno:
            case errno.ENOSPC | errno.EDQUOT:
                cure = "The disk or quota is full: free some space and run the same command again; it resumes."
            case errno.EACCES | errno.EPERM | errno.EROFS:
                cure = "It is not writable: choose another run folder, or change its owner or permissions."
            case errno.ENOTDIR | errno.EEXIST | errno.EISDIR:
                cure = "Something else is in the way: a part of this path is a file. Choose another run folder."
            case _:
                cure = "Choose another run folder, or mend this one."
        raise RunError(f"cannot write {path}: {error.strerror or error}. {cure}") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` as a whole: readers and a crash see the old content or the new, never a mixture.

    Raises:
        RunError: the file cannot be written; the message names the cure. The old content is then still there.
    """
    with writing(path):
        fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        sync_folder(path.parent)


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one JSON line and wait until it is on disk; NaN and infinities become null.

    Raises:
        RunError: the line cannot be written; what part of it was is taken back.
    """
    append_lines(path, [record])


def append_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Append JSON lines in one write; see `append_line`."""
    option = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    line = b"".join(orjson.dumps(record, option=option) for record in records)
    with writing(path):
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            before = os.fstat(fd).st_size
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(fd, rest) :]
                os.fsync(fd)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(fd, before)
                raise
        finally:
            os.close(fd)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a JSONL file; a torn last line is left out and a missing file is empty.

    Raises:
        RunError: a line before the last is not a JSON object.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    while lines and not lines[-1]:
        lines.pop()
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            if number == len(lines):
                break
            raise RunError(f"{path}:{number}: expected a JSON object on every line, got {line[:60]!r} ({error}). "
                           "Remove that line, or restore the file.") from error  # fmt: skip
        if not isinstance(record, dict):
            raise RunError(f"{path}:{number}: expected a JSON object, got {line[:60]!r}. Remove that line.")
        records.append(record)
    return records


def take_lock(path: Path) -> int:
    """Hold the folder for this process until it closes or dies."""
    fd = os.open(path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(fd, 20).decode(errors="replace").strip() or "unknown"
        os.close(fd)
        raise RunError(f"{path} is being written by another process (pid {holder}). Wait for it, stop it, "
                       "or choose another run folder.") from error  # fmt: skip
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {k: v for key, item in value.items() for k, v in _flatten(item, f"{prefix}{key}.").items()}
    return {prefix.removesuffix("."): value}


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the dotted keys in which two nested settings differ, each with both values as text."""
    a, b = _flatten(found), _flatten(wanted)
    keys = [*a, *(key for key in b if key not in a)]
    return {k: (_show(a, k), _show(b, k)) for k in keys if a.get(k, _ABSENT) != b.get(k, _ABSENT)}


def _show(flat: dict[str, Any], key: str) -> str:
    return repr(flat[key]) if key in flat else "nothing"


def sync_folder(path: Path) -> None:
    """Wait until a folder's entries are on disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
