"""What a workspace begins with when a task names a folder or an archive: `workspace: ./inbox`, `workspace: inbox.zip`.

A folder is copied into each episode's workspace; an archive (.zip, .tar, .tar.gz, .tgz) is unpacked once per process.
Neither may hold what a workspace could not: links and devices, paths that lead out, names that pass for others, more
bytes or files than its quota. An archive is refused before its content is written beyond that, whatever it says of
itself.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import IO, BinaryIO, cast

from ..sandbox.browser_process_guard import ProcessGuard
from ..sandbox.errors import ActionError, TaskError
from ..sandbox.workspace import QUOTA_BYTES, QUOTA_FILES
from ..sandbox.workspace_paths import check_new_names, split_path

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_CHUNK_BYTES = 256 * 1024
_TAR_OVERHEAD_BYTES = 4 * 1024 * 1024
"""Headers and padding of an archive whose files are within the quota take less."""


def is_archive(path: Path) -> bool:
    """Tell by its name whether a file is an archive that can be unpacked."""
    return path.name.lower().endswith(ARCHIVES)


def fixture_folder(path: Path) -> Path:
    """Return the folder whose copy an episode's workspace begins with.

    Args:
        path: a folder, or an archive.

    Raises:
        TaskError: it is neither, or holds what a workspace must not.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            _check_folder(path)
            return path
        if not is_archive(path):
            raise TaskError(
                f"workspace: expected a folder or an archive ({', '.join(ARCHIVES)}), got {path}; name one of these"
            )
        return _unpacked(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise TaskError(f"workspace: {path} cannot be read: {error.strerror or error}; check it") from error


@dataclass(slots=True)
class _Room:
    """What may still come."""

    source: Path
    left_bytes: int = QUOTA_BYTES
    left_files: int = QUOTA_FILES

    def take(self, size_bytes: int) -> None:
        self.left_bytes -= size_bytes
        if self.left_bytes < 0:
            raise TaskError(
                f"workspace: {self.source} holds more than {QUOTA_BYTES} bytes, the workspace's quota; take some away"
            )

    def enter(self) -> None:
        self.left_files -= 1
        if self.left_files < 0:
            raise TaskError(
                f"workspace: {self.source} holds more than {QUOTA_FILES} files and folders, the workspace's quota; "
                "take some away"
            )


def _parts(source: Path, name: str) -> tuple[str, ...]:
    try:
        parts = split_path(name)
        check_new_names(name, parts)
    except ActionError as error:
        raise TaskError(f"workspace: {source} holds a path that no workspace can have: {error}; rename it") from error
    return parts


def _refused(source: Path, name: str, what: str) -> TaskError:
    return TaskError(f"workspace: {source} holds {name!r}, which is {what}; put a plain file in its place")


@lru_cache(maxsize=256)
def _folder_checked(path: str, when_ns: int) -> None:
    room = _Room(Path(path))
    for folder, folders, files in os.walk(path, onerror=_raise):
        for name in (*folders, *files):
            full = os.path.join(folder, name)
            relative = os.path.relpath(full, path)
            status = os.lstat(full)
            if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
                what = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "neither a file nor a folder"
                raise _refused(Path(path), relative, what)
            _parts(Path(path), relative)
            room.enter()
            room.take(status.st_size if stat.S_ISREG(status.st_mode) else 0)


def _check_folder(path: Path) -> None:
    _folder_checked(str(path), path.stat().st_mtime_ns)


def _raise(error: OSError) -> None:
    raise error


@lru_cache(maxsize=256)
def _unpacked(path: Path, when_ns: int, size_bytes: int) -> Path:
    """Unpack an archive as it was at a time, and return the folder; it lasts as long as the process."""
    room = _Room(path)
    if size_bytes > QUOTA_BYTES:
        room.take(size_bytes)
    target = ProcessGuard.shared().make_folder("fixture")
    with path.open("rb") as file:
        try:
            if path.name.lower().endswith(".zip"):
                _unzip(file, target, room)
            else:
                _untar(file, target, room)
        except (zipfile.BadZipFile, tarfile.TarError, BadGzipFile, EOFError, zlib.error, NotImplementedError) as error:
            raise TaskError(f"workspace: {path} is no sound archive ({error}); pack it again") from error
    return target


def _unzip(file: BinaryIO, target: Path, room: _Room) -> None:
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                what = "a symbolic link" if kind == stat.S_IFLNK else "neither a file nor a folder"
                raise _refused(room.source, entry.filename, what)
            if entry.flag_bits & 1:
                raise _refused(room.source, entry.filename, "encrypted")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without bounds
                raise _refused(room.source, entry.filename, "packed in another way than zip's usual one (deflate)")
            room.enter()
            parts = _parts(room.source, entry.orig_filename)
            if entry.is_dir():
                _make_folder(target, parts)
                continue
            if entry.file_size > room.left_bytes:  # told before a byte of it is unpacked
                room.take(entry.file_size)
            with archive.open(entry) as content:
                _write(target, parts, content, room)


def _untar(file: BinaryIO, target: Path, room: _Room) -> None:
    is_packed = room.source.name.lower().endswith(("gz",))
    stream = _Bounded(GzipFile(fileobj=file) if is_packed else file, room.source)
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as archive:
        for entry in archive:
            if not entry.isreg() and not entry.isdir():
                what = "a link" if entry.issym() or entry.islnk() else "neither a file nor a folder"
                raise _refused(room.source, entry.name, what)
            if entry.isdir() and entry.name.strip("./") == "":
                continue  # the archive's own top folder, as `tar -C folder .` writes it
            room.enter()
            parts = _parts(room.source, entry.name)
            if entry.isdir():
                _make_folder(target, parts)
                continue
            if entry.size > room.left_bytes:
                room.take(entry.size)
            content = archive.extractfile(entry)
            assert content is not None
            _write(target, parts, content, room)


class _Bounded:
    """A stream that refuses to be read further than a workspace's quota and what an archive needs besides."""

    def __init__(self, stream: BinaryIO | GzipFile, source: Path) -> None:
        self._stream = stream
        self._source = source
        self._left_bytes = QUOTA_BYTES + _TAR_OVERHEAD_BYTES

    def read(self, size: int) -> bytes:
        """Return at most so many bytes."""
        data = self._stream.read(min(size, self._left_bytes + 1))
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise TaskError(
                f"workspace: {self._source} unpacks to more than the workspace's quota of {QUOTA_BYTES} bytes; take "
                "some away"
            )
        return data


def _make_folder(target: Path, parts: tuple[str, ...]) -> None:
    target.joinpath(*parts).mkdir(parents=True, exist_ok=True)


def _write(target: Path, parts: tuple[str, ...], content: IO[bytes], room: _Room) -> None:
    path = target.joinpath(*parts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for chunk in _chunks(content):
                room.take(len(chunk))
                file.write(chunk)
    except (FileExistsError, NotADirectoryError) as error:
        raise TaskError(f"workspace: {room.source} holds {'/'.join(parts)!r} twice; pack it again") from error


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK_BYTES):
        yield chunk


__all__ = ["ARCHIVES", "fixture_folder", "is_archive"]
