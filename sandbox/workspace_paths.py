"""Paths of a workspace: which may be asked for, which names may be made, and how the kernel keeps both inside.

A path is resolved by one `openat2` call beneath the root, which follows no link of any kind and crosses no mount; a
kernel without it (Linux before 5.6, other systems) is asked folder by folder with O_NOFOLLOW, which follows none
either. Neither can be raced: a folder swapped for a link while it is being walked is refused, not followed.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import sys
import unicodedata
from collections.abc import Sequence

from .errors import ActionError, WorkspaceError

MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 1_024
MAX_DEPTH = 16
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_SYS_OPENAT2 = 437  # the same number on every architecture
_RESOLVE_NO_XDEV, _RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 1, 2, 4, 8
_RENAME_NOREPLACE = 1
_TRIES = 8

_REASONS = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "goes through something that is not a folder",
    errno.EISDIR: "is a folder",
    errno.ELOOP: "goes through a symbolic link",
    errno.ENXIO: "is not a file",
    errno.EACCES: "may not be opened",
    errno.EPERM: "may not be changed",
    errno.ENAMETOOLONG: "is too long",
    errno.EEXIST: "exists already",
    errno.ENOTEMPTY: "is a folder that is not empty",
}


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def split_path(path: str) -> tuple[str, ...]:
    """Return the parts of a path relative to the workspace.

    Raises:
        ActionError: it is empty, absolute, leads out, is too long or deep, or holds characters that cannot be seen.
    """
    if not isinstance(path, str) or not path.strip():
        raise ActionError("a file path is needed, such as 'notes.txt'")
    if not path.isprintable():
        raise ActionError(f"{path!r} holds characters that a file name must not have")
    if path.startswith(("/", "~")) or "\\" in path:
        raise ActionError(f"{path!r} must be relative to the workspace, with forward slashes")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts or not parts:
        raise ActionError(f"{path!r} leads out of the workspace")
    if not fits(parts):
        raise ActionError(
            f"the path is too long: at most {MAX_NAME_BYTES} bytes a name, {MAX_PATH_BYTES} in all, "
            f"{MAX_DEPTH} folders deep"
        )
    return parts


def fits(parts: Sequence[str]) -> bool:
    """Tell whether a path is within the limits on names, length and depth."""
    sizes = [len(os.fsencode(part)) for part in parts]
    return max(sizes) <= MAX_NAME_BYTES and sum(sizes) + len(sizes) - 1 <= MAX_PATH_BYTES and len(sizes) <= MAX_DEPTH


def check_new_names(path: str, parts: Sequence[str]) -> None:
    """Refuse names that pass for another: spaces or dots at an edge, decomposed letters, wide dots and slashes.

    Raises:
        ActionError: with the name and what to write instead.
    """
    for name in parts:
        plain, folded = unicodedata.normalize("NFC", name), unicodedata.normalize("NFKC", name)
        if plain != name:
            raise ActionError(f"the name {name!r} in {path!r} is spelled with combining marks; write it as {plain!r}")
        if name != name.strip() or name.endswith("."):
            raise ActionError(f"the name {name!r} in {path!r} must not begin with a space or end with a space or a dot")
        if any(c in folded for c in "/\\") or not folded.strip(". ") or folded.startswith("~"):
            raise ActionError(f"the name {name!r} in {path!r} can be taken for a path; choose another")


def safe_name(suggested: str, *, otherwise: str) -> tuple[str, str]:
    """Return a name that passes `check_new_names` and is short, as (stem, suffix with its dot), from any text."""
    plain = unicodedata.normalize("NFKC", suggested).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(c for c in plain if c.isprintable()).strip(". ").lstrip("~. ")
    stem, dot, suffix = name.rpartition(".")
    stem, suffix = (stem, dot + suffix) if stem else (suffix, "")
    stem, suffix = stem.encode()[:180].decode(errors="ignore"), suffix.encode()[:40].decode(errors="ignore")
    return stem.strip(". ") or otherwise, suffix.rstrip(". ")


def is_shown(name: str) -> bool:
    """Tell whether a name made by somebody else can be shown and asked for: UTF-8, printable, one line."""
    return name.isprintable() and "\\" not in name and not name.startswith("~")


def open_folder(root: int, parts: Sequence[str]) -> int:
    """Return a new descriptor of a folder beneath `root`, following no link.

    Raises:
        OSError: as the kernel says: ENOENT, ENOTDIR, ELOOP (a link on the way) and so on.
    """
    if not parts:
        return os.open(".", FOLDER_FLAGS, dir_fd=root)
    if _has_openat2():
        return _openat2(root, "/".join(parts), FOLDER_FLAGS)
    return walk_to_folder(root, parts)


def walk_to_folder(root: int, parts: Sequence[str]) -> int:
    """`open_folder` for kernels without `openat2`."""
    fd = os.open(".", FOLDER_FLAGS, dir_fd=root)
    for part in parts:
        try:
            inner = os.open(part, FOLDER_FLAGS, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
    return fd


def rename_new(source: str, target: str, *, source_fd: int, target_fd: int) -> None:
    """Rename within two open folders, refusing (FileExistsError) to replace anything."""
    if sys.platform == "linux" and hasattr(_libc(), "renameat2"):
        if not _libc().renameat2(
            source_fd, os.fsencode(source), target_fd, os.fsencode(target), ctypes.c_uint(_RENAME_NOREPLACE)
        ):
            return
        code = ctypes.get_errno()
        if code != errno.EINVAL:  # a file system that cannot do it
            raise OSError(code, os.strerror(code), source)
    try:
        os.stat(target, dir_fd=target_fd, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)


def refusal(path: str, error: OSError) -> ActionError | WorkspaceError:
    """Return what to raise for an error of the kernel: the agent's mistake, or else the machine's failure."""
    reason = _REASONS.get(error.errno or 0)
    if reason is None:
        return WorkspaceError(f"the disk refused {path!r}: {error}")
    return ActionError(f"{path!r} {reason}")


@functools.cache
def _has_openat2() -> bool:
    if sys.platform != "linux":
        return False
    fd = os.open("/", FOLDER_FLAGS)
    try:
        os.close(_openat2(fd, ".", FOLDER_FLAGS))
    except OSError:  # ENOSYS, or EPERM from a container's filter that does not know the call
        return False
    finally:
        os.close(fd)
    return True


def _openat2(root: int, path: str, flags: int) -> int:
    how = _How(flags, 0, _RESOLVE_NO_XDEV | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH)
    code = errno.EAGAIN
    for _ in range(_TRIES):  # EAGAIN: something was renamed during the walk
        fd = int(
            _libc().syscall(
                ctypes.c_long(_SYS_OPENAT2),
                ctypes.c_int(root),
                os.fsencode(path),
                ctypes.byref(how),
                ctypes.c_size_t(ctypes.sizeof(how)),
            )
        )
        if fd >= 0:
            return fd
        code = ctypes.get_errno()
        if code not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(code, os.strerror(code), path)


__all__ = [
    "FOLDER_FLAGS",
    "MAX_DEPTH",
    "MAX_NAME_BYTES",
    "MAX_PATH_BYTES",
    "check_new_names",
    "fits",
    "is_shown",
    "open_folder",
    "refusal",
    "rename_new",
    "safe_name",
    "split_path",
    "walk_to_folder",
]
