"""An evaluation on disk.

    evals/<name>/
      config.json      what was asked: policy, tasks with digests of their content, seeds, rewards; and versions
      episodes.jsonl   one line per episode, appended and synced as it ends (see outcome.EpisodeResult)
      episodes/        the episodes' ledgers, which `milepost rescore` reads
      summary.json     figures by task, by family and in all
      summary.csv      the same as a table
      report.html      the same for people; one file, nothing is loaded

Usage:

    with EvaluationFolder.create("evals/mine", settings) as folder:      # new, or the same evaluation again
        folder.append(results)
    folder = EvaluationFolder.open("evals/mine")                         # to read; never waits for the writer

A kill loses the episodes under way and nothing else: the next `create` with the same settings finds what is done.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from ...sandbox.errors import RunError
from ..record_files import append_lines, differences, read_lines, take_lock, write_atomically, writing
from .outcome import EpisodeResult, Key

FORMAT = 1
_CONFIG, _EPISODES, _LEDGERS, _SUMMARY = "config.json", "episodes.jsonl", "episodes", "summary.json"


class EvaluationFolder:
    """An evaluation's folder; build it with `create` (to write) or `open` (to read).

    Attributes:
        path: the folder.
        settings: what was asked; the same settings resume it.
        facts: what it ran with and when; never compared.
        episodes: what is done, by key; of an episode that was played again the newest.
        settlements: how the layers of the reward were used, one entry for each batch.
        resumed: whether `create` found this evaluation begun earlier.
    """

    def __init__(self, path: Path, config: Mapping[str, Any], *, resumed: bool, lock: int | None) -> None:
        self.path = path
        self.settings: dict[str, Any] = dict(config["settings"])
        self.facts: dict[str, Any] = dict(config.get("facts", {}))
        self.resumed = resumed
        self.episodes: dict[Key, EpisodeResult] = {}
        self.settlements: list[Mapping[str, Any]] = []
        self._lock = lock
        for number, line in enumerate(read_lines(path / _EPISODES), start=1):
            try:
                self._note(EpisodeResult.from_json(line), line.get("settlement"))
            except RunError as error:
                raise RunError(f"{path / _EPISODES}:{number}: {error}. Remove that line.") from error

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        settings: Mapping[str, Any],
        *,
        facts: Mapping[str, Any] | None = None,
        fresh: bool = False,
    ) -> Self:
        """Begin an evaluation, or take up the one that lies there with the same settings.

        Args:
            path: the folder; its parents are made.
            settings: everything that the figures depend on, JSON-like.
            facts: what to keep beside them, such as versions.
            fresh: remove an evaluation that lies there first.

        Raises:
            RunError: the folder cannot be written, holds something else, is in use by another process, or holds an
                evaluation with other settings (those that differ are named).
        """
        path = Path(path).resolve()
        plain: dict[str, Any] = orjson.loads(orjson.dumps(dict(settings), default=str))
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
        if any(not entry.name.startswith(".") for entry in path.iterdir()):
            config = _read_config(path)  # whatever is no evaluation is left alone, with `fresh` too
            if not fresh and (differing := differences(dict(config["settings"]), plain)):
                lines = "\n".join(f"  {key}: it has {a}, now asked for {b}" for key, (a, b) in differing.items())
                raise RunError(
                    f"{path} holds an evaluation with other settings:\n{lines}\n"
                    "Use the same settings to resume it, name another folder, or begin anew with --fresh."
                )
        lock = take_lock(path)
        if fresh:
            _clear(path)
        resumed = (path / _CONFIG).is_file()
        if not resumed:
            started = datetime.now(UTC).isoformat(timespec="seconds")
            config = {"format": FORMAT, "settings": plain, "facts": {"started": started, **(facts or {})}}
            _write_json(path / _CONFIG, config)
        folder = cls(path, config, resumed=resumed, lock=lock)
        folder._mend()
        return folder

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open an evaluation for reading.

        Raises:
            RunError: there is none.
        """
        path = Path(path).resolve()
        return cls(path, _read_config(path), resumed=True, lock=None)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def ledger_dir(self) -> Path:
        """Where the episodes' ledgers go."""
        return self.path / _LEDGERS

    @property
    def wall_s(self) -> float:
        """Seconds of playing so far, all sessions together, as last marked."""
        return float((self._read_summary() or {}).get("wall_s", 0.0))

    def append(self, results: Sequence[EpisodeResult], settlement: Mapping[str, Any] | None = None) -> None:
        """Write down episodes that have ended, in one piece, and how their rewards were settled.

        Raises:
            RunError: they cannot be written.
        """
        if not results:
            return
        lines = [result.to_json() for result in results]
        if settlement is not None:
            lines[-1]["settlement"] = dict(settlement)
        append_lines(self.path / _EPISODES, lines)
        for result in results:
            self._note(result, None)
        if settlement is not None:
            self.settlements.append(settlement)

    def write_json(self, data: Mapping[str, Any]) -> None:
        """Write `summary.json`."""
        _write_json(self.path / _SUMMARY, data)

    def write(self, name: str, data: bytes) -> Path:
        """Write a file of the folder as a whole."""
        write_atomically(self.path / name, data)
        return self.path / name

    def close(self) -> None:
        """Let another process write to the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _note(self, result: EpisodeResult, settlement: Mapping[str, Any] | None) -> None:
        self.episodes[result.key] = result
        if settlement is not None:
            self.settlements.append(settlement)

    def _read_summary(self) -> dict[str, Any] | None:
        try:
            read: dict[str, Any] = orjson.loads((self.path / _SUMMARY).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return None
        return read

    def _mend(self) -> None:
        """Drop a torn last line, and the ledgers of episodes that were under way when the last session was killed."""
        with writing(self.path):
            self.ledger_dir.mkdir(exist_ok=True)
        episodes = self.path / _EPISODES
        lines = read_lines(episodes)
        whole = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
        if episodes.exists() and not episodes.read_bytes().endswith(b"\n") and episodes.stat().st_size:
            write_atomically(episodes, whole)
        kept = {Path(result.ledger_path).name for result in self.episodes.values() if result.ledger_path}
        for ledger in self.ledger_dir.glob("*.jsonl"):
            if ledger.name not in kept:
                with writing(ledger):
                    ledger.unlink(missing_ok=True)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = orjson.loads((path / _CONFIG).read_bytes())
    except OSError as error:
        raise RunError(
            f"{path} is not an evaluation: it has no {_CONFIG}. Give a folder that `milepost eval` wrote, such as "
            "evals/core-oracle-1a2b3c4d."
        ) from error
    except orjson.JSONDecodeError as error:
        raise RunError(f"{path / _CONFIG} is not JSON ({error}). Restore it, or remove the folder.") from error
    if not isinstance(config, dict) or not isinstance(config.get("settings"), dict) or "format" not in config:
        raise RunError(
            f"{path / _CONFIG} is not an evaluation's configuration. Give a folder that `milepost eval` wrote."
        )
    if config["format"] != FORMAT:
        raise RunError(
            f"{path} has format {config['format']}, this version reads {FORMAT}; read it with a newer milepost."
        )
    return config


def _clear(path: Path) -> None:
    """Remove what an evaluation wrote, and nothing else."""
    with writing(path):
        shutil.rmtree(path / _LEDGERS, ignore_errors=True)
        for name in (_EPISODES, _SUMMARY, "summary.csv", "report.html", _CONFIG):  # last: until then it is one
            (path / name).unlink(missing_ok=True)


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    write_atomically(path, orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def ordered(episodes: Iterable[EpisodeResult], tasks: Sequence[str]) -> list[EpisodeResult]:
    """Return episodes by task in the order of `tasks`, then by seed and sample."""
    place = {task: i for i, task in enumerate(tasks)}
    return sorted(episodes, key=lambda e: (place.get(e.task, len(place)), e.task, e.seed, e.sample))


__all__ = ["FORMAT", "EvaluationFolder", "ordered"]
