"""Answers of a judge by the content of the question, in an SQLite file that any number of processes may share.

A key covers the model, the prompt's version, the messages without their delimiter, the sampling settings and the number
of the sample. The server's address is not in it: a model that moved is the same model, two models need two names.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import threading
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from ...sandbox.errors import MilepostWarning, RewardError

_APPLICATION_ID = 0x6D706A63  # "mpjc"
_LAYOUT = 1  # of the table; raise it when that changes
_LOCKED_S = 30.0
_MOST_BESIDE = 20

_T = TypeVar("_T")


class DamagedCacheWarning(MilepostWarning):
    """A judge's cache cannot be read; another file is used, and the damaged one left as it is."""


def cache_key(*, model: str, content: str, temperature: float, max_tokens: int, constrained: bool, sample: int) -> str:
    """Return the key of one answer.

    Args:
        model: the model's name.
        content: `Prompt.content`, which covers the prompt's version.
        temperature: of the sampling.
        max_tokens: most tokens of the answer.
        constrained: whether the schema is asked for.
        sample: number of the sample.
    """
    parts = [_LAYOUT, model, content, temperature, max_tokens, constrained, sample]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class AnswerCache:
    """Keeps answers across runs.

    A file that is damaged, or is no judge's cache, is left untouched, and a fresh one beside it is used from then on:
    "answers.sqlite" gives way to "answers-2.sqlite". A warning says so.

    Args:
        path: the SQLite file; it and its folder are made if missing.
    """

    def __init__(self, path: Path) -> None:
        self._wanted = path
        self._lock = threading.Lock()
        self._path = path
        with self._lock:
            self._path = self._usable()

    @property
    def path(self) -> Path:
        """The file in use."""
        return self._path

    async def get(self, key: str) -> str | None:
        """Return the answer kept under a key; None if there is none."""
        return await asyncio.to_thread(self._do, lambda db: _get(db, key))

    async def put(self, key: str, answer: str) -> None:
        """Keep an answer; one that is there already stays."""
        await asyncio.to_thread(self._do, lambda db: _put(db, key, answer))

    def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """Do something with the file; None if that file's lock or disk does not let us, which costs an answer only."""
        with self._lock:
            for _ in range(2):
                try:
                    with closing(_connect(self._path)) as db, db:
                        return work(db)
                except sqlite3.OperationalError as error:
                    if "no such table" not in str(error):  # it was removed while in use
                        return None
                    self._path = self._usable()
                except sqlite3.DatabaseError:
                    self._path = self._usable()
        return None

    def _usable(self) -> Path:
        """Return the first of the file and those beside it that is a whole cache, or is not there yet."""
        for number in range(1, _MOST_BESIDE + 1):
            path = self._wanted
            if number > 1:
                path = path.with_name(f"{path.stem}-{number}{path.suffix}")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with closing(_connect(path)) as db:
                    _prepare(db)
            except sqlite3.OperationalError as error:
                raise RewardError(
                    f"the judge's cache {path} cannot be opened: {error}. Expected a file that can be written in a "
                    "folder with room; mend that, or name another file in `cache`."
                ) from error
            except OSError as error:
                raise RewardError(f"the judge's cache {path} cannot be made: {error}; name another file") from error
            except sqlite3.DatabaseError as error:
                warnings.warn(
                    f"{path} is no judge's cache or is damaged ({error}). It is left as it is, and answers are kept "
                    "in a file beside it. Recover it with `sqlite3 FILE .recover`, or remove it.",
                    DamagedCacheWarning,
                    stacklevel=2,
                )
                continue
            return path
        raise RewardError(f"{_MOST_BESIDE} damaged caches lie beside {self._wanted}; remove them, or name another file")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_LOCKED_S, isolation_level="IMMEDIATE")


def _prepare(db: sqlite3.Connection) -> None:
    """Make the table in an empty file; raises sqlite3.DatabaseError if the file is another's or damaged."""
    with db:
        db.execute("BEGIN IMMEDIATE")  # two processes may find the file empty at once
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (layout,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not (application or layout or tables):
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {_LAYOUT}")
            db.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL, hash TEXT NOT NULL)")
        elif (application, layout) != (_APPLICATION_ID, _LAYOUT):
            raise sqlite3.DatabaseError(f"its application and layout are {application:#x} and {layout}")
    (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _get(db: sqlite3.Connection, key: str) -> str | None:
    row = db.execute("SELECT answer, hash FROM answers WHERE key = ?", (key,)).fetchone()
    return row[0] if row is not None and row[1] == _hash(key, row[0]) else None


def _put(db: sqlite3.Connection, key: str, answer: str) -> None:
    db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (key, answer, _hash(key, answer)))


def _hash(key: str, answer: str) -> str:
    return hashlib.sha256(f"{key}\0{answer}".encode()).hexdigest()


__all__ = ["AnswerCache", "DamagedCacheWarning", "cache_key"]
