"""One training run on disk: everything needed to read it, reproduce it and resume it.

    runs/<name>/
      config.yaml          the resolved configuration, the seed with it
      versions.json        interpreter, packages, Chromium, platform, commit
      status.json          state, wall-clock seconds so far
      metrics.jsonl        one line per iteration (see metrics.py), mirrored in tensorboard/
      evaluations.json     held-out results per stage and task
      trajectories/        iteration_000.jsonl: a line per episode; iteration_000/: the episodes' ledgers
      checkpoints/         what resuming needs
      samples/             example episodes with their screenshots
      report.html

Usage:

    folder = RunFolder.create("runs/first", config, seed=0)     # new, or the same run again: folder.resumed says which
    envs = [MilepostEnv(task, ledger_dir=folder.ledger_dir(iteration)) for task in tasks]
    folder.write_trajectories(iteration, trajectories)
    folder.mark("finished", wall_s=612.0)
    folder.close()

Whole files appear by temporary file and rename; logs grow by whole lines, synced to disk. So a kill at any instant
leaves every earlier record intact, and at most a torn last line, which the next opening drops.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import orjson
import yaml

from ..agents.record_files import append_line as append_line
from ..agents.record_files import differences, sync_folder, take_lock
from ..agents.record_files import read_lines as read_lines
from ..agents.record_files import write_atomically as write_atomically
from ..agents.record_files import writing as writing
from ..agents.records import Trajectory
from ..sandbox.errors import BrowserNotFoundError, RunError
from .settings_file import merged

State = Literal["running", "interrupted", "finished"]

_PROMPT_FIELDS = frozenset({"prompt_ids"})


def collect_versions() -> dict[str, Any]:
    """Return what the run depends on, JSON-ready; an absent package, browser or commit is None."""
    from ..sandbox.chromium import find_chromium

    def version(package: str) -> str | None:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return None

    try:
        found = find_chromium()
        chromium = {"path": str(found.path), "source": found.source, "version": found.version}
    except BrowserNotFoundError:
        chromium = None
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "chromium": chromium,
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "git_commit": _git_commit(),
    }


class RunFolder:
    """A run's folder; build it with `create` (to write) or `open` (to read).

    Attributes:
        path: the folder.
        config: the resolved configuration as plain data, "seed" included.
        seed: the run's seed.
        resumed: whether `create` found this very run begun earlier.
    """

    def __init__(self, path: Path, config: dict[str, Any], *, resumed: bool, lock: int | None) -> None:
        self.path = path
        self.config = config
        self.seed = int(config["seed"])
        self.resumed = resumed
        self._lock = lock

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        config: Mapping[str, Any],
        seed: int,
        *,
        may_change: Collection[str] = (),
        absent: Mapping[str, Any] | None = None,
    ) -> Self:
        """Begin a run, or take up the one that lies there with the same configuration.

        Args:
            path: the folder; its parents are made.
            config: resolved configuration, JSON-like (paths become text, tuples lists).
            seed: the run's seed, written into the configuration.
            may_change: dotted keys in which an existing run's configuration may differ, such as "iterations"; the new
                value is then written down.
            absent: what settings meant before there were keys for them: a key that an existing run's configuration
                lacks has this value there.

        Raises:
            RunError: the folder cannot be written, holds something else, is in use by another process, or holds a run
                of another configuration (the differing keys are named).
        """
        path = Path(path).resolve()
        wanted = _plain({"seed": seed, **config})
        if wanted["seed"] != seed:
            raise RunError(f"the configuration says seed {wanted['seed']} but the run was asked for seed {seed}")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or (path.is_dir() and not any(path.iterdir())):
                _lay_out(path, wanted)
                return cls(path, wanted, resumed=False, lock=take_lock(path))
        written = _read_config(path)
        found = merged(_plain(absent or {}), written)
        differing = {
            key: pair for key, pair in differences(found, wanted).items() if not _allowed(key, may_change)
        }  # fmt: skip
        if differing:
            lines = "\n".join(f"  {key}: the run has {a}, now asked for {b}" for key, (a, b) in differing.items())
            raise RunError(
                f"{path} holds a run of another configuration:\n{lines}\n"
                "Use the same configuration to resume it, or choose another run folder for a new run."
            )
        with writing(path):
            lock = take_lock(path)
            for name in _SUBFOLDERS:
                (path / name).mkdir(exist_ok=True)
            _clear_torn(path)
        folder = cls(path, wanted, resumed=True, lock=lock)
        if written != wanted:
            write_atomically(path / "config.yaml", _yaml(wanted))
        folder.write_json("versions.json", collect_versions())
        folder.mark("running", wall_s=folder.wall_s)
        return folder

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open an existing run for reading.

        Raises:
            RunError: there is no run in that folder.
        """
        path = Path(path).resolve()
        if not path.exists():
            raise RunError(f"there is no run folder at {path}. Give the folder that a training run printed.")
        return cls(path, _read_config(path), resumed=True, lock=None)

    @property
    def metrics_path(self) -> Path:
        """The metrics log; see `metrics.MetricsWriter`."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard_dir(self) -> Path:
        """Where TensorBoard's event files go."""
        return self.path / "tensorboard"

    @property
    def checkpoints_dir(self) -> Path:
        """Where checkpoints go."""
        return self.path / "checkpoints"

    @property
    def samples_dir(self) -> Path:
        """Where example episodes and their screenshots go."""
        return self.path / "samples"

    @property
    def evaluations_path(self) -> Path:
        """Held-out results per stage and task."""
        return self.path / "evaluations.json"

    @property
    def report_path(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    def ledger_dir(self, iteration: int) -> Path:
        """Return the (existing) folder for the ledgers of an iteration's episodes."""
        folder = self.path / "trajectories" / f"iteration_{iteration:03d}"
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def trajectories_path(self, iteration: int) -> Path:
        """Return the file that holds an iteration's trajectories, one JSON line each."""
        return self.path / "trajectories" / f"iteration_{iteration:03d}.jsonl"

    def write_trajectories(
        self, iteration: int, trajectories: Iterable[Trajectory], *, with_tokens: bool = False
    ) -> Path:
        """Write an iteration's trajectories at once, one JSON line each.

        Args:
            iteration: 0 or more.
            trajectories: the episodes.
            with_tokens: keep the prompts' token ids too (about twenty times larger); sampled ones are always kept.
        """
        path = self.trajectories_path(iteration)
        lines = [orjson.dumps(_trajectory_json(t, with_tokens), option=_LINE) for t in trajectories]
        write_atomically(path, b"".join(lines))
        return path

    def discard_trajectories_after(self, iteration: int) -> None:
        """Remove trajectories and ledgers of later iterations, left by a run that was killed; -1 removes all."""
        for entry in (self.path / "trajectories").iterdir():
            found = re.fullmatch(r"iteration_(\d+)(\.jsonl)?", entry.name)
            if found and int(found[1]) > iteration:
                with writing(entry):
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def write_json(self, name: str, data: Any) -> Path:
        """Write `name` (relative to the folder) atomically as indented JSON."""
        path = self.path / name
        write_atomically(path, orjson.dumps(data, option=orjson.OPT_INDENT_2 | _LINE))
        return path

    def read_json(self, name: str) -> Any:
        """Read `name` (relative to the folder); None if it is not there.

        Raises:
            RunError: it is not JSON.
        """
        path = self.path / name
        try:
            return orjson.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except orjson.JSONDecodeError as error:
            raise RunError(f"{path} is not JSON ({error}). Remove it; the next run writes it again.") from error

    @property
    def wall_s(self) -> float:
        """Wall-clock seconds of training so far, all sessions together, as last marked."""
        return float((self.read_json("status.json") or {}).get("wall_s", 0.0))

    def mark(self, state: State, *, wall_s: float) -> None:
        """Record the run's state and its wall-clock seconds so far, all sessions together."""
        before = self.read_json("status.json") or {}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.write_json(
            "status.json",
            {"state": state, "started": before.get("started", now), "updated": now, "wall_s": round(wall_s, 3)},
        )

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


_PACKAGES = ("milepost", "torch", "transformers", "peft", "playwright", "gymnasium", "numpy")
_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
_TORN = re.compile(r"\..+\.[a-z0-9_]{8}")
_SUBFOLDERS = ("tensorboard", "trajectories", "checkpoints", "samples")


def _lay_out(path: Path, config: dict[str, Any]) -> None:
    """Make a new folder beside its place, then move it there, so that a kill leaves none half-made.

    An empty folder that is there already (a mounted volume, say) is filled in place, its config.yaml last.
    """
    if path.exists():
        _fill(path, config)
        return
    new = Path(tempfile.mkdtemp(prefix=f".{path.name}.new-", dir=path.parent))
    try:
        new.chmod(0o755)
        _fill(new, config)
        os.rename(new, path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    sync_folder(path.parent)


def _fill(path: Path, config: dict[str, Any]) -> None:
    for name in _SUBFOLDERS:
        (path / name).mkdir()
    folder = RunFolder(path, config, resumed=False, lock=None)
    folder.write_json("versions.json", collect_versions())
    folder.mark("running", wall_s=0.0)
    write_atomically(path / "config.yaml", _yaml(config))


def _clear_torn(path: Path) -> None:
    """Remove what a process that was killed had begun to write: `write_atomically`'s temporary files."""
    for folder in (path, *(path / name for name in _SUBFOLDERS)):
        for entry in folder.iterdir():
            if _TORN.fullmatch(entry.name) and entry.is_file():
                entry.unlink()


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise RunError(f"expected a run folder at {path}, found a file. Choose another run folder.")
    try:
        config = yaml.safe_load((path / "config.yaml").read_text("utf-8"))
    except FileNotFoundError as error:
        holds = ", ".join(sorted(p.name for p in path.iterdir())[:5])
        raise RunError(f"{path} is not a run folder: it has no config.yaml (it holds {holds}). It is something else or "
                       "half-made: choose another run folder, or remove this one.") from error  # fmt: skip
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise RunError(f"{path / 'config.yaml'} cannot be read: {reason}. Restore it, or remove the folder.") from error
    if not isinstance(config, dict) or not isinstance(config.get("seed"), int):
        raise RunError(f"{path / 'config.yaml'} is not a run's configuration (expected a mapping with an integer "
                       "`seed`). Restore it, or remove the folder and start anew.")  # fmt: skip
    return config


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration as what comes back from its file."""
    data: dict[str, Any] = orjson.loads(orjson.dumps(dict(config), default=str, option=orjson.OPT_SERIALIZE_NUMPY))
    return data


def _yaml(config: dict[str, Any]) -> bytes:
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=110).encode()


def _allowed(key: str, may_change: Collection[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in may_change)


def _trajectory_json(trajectory: Trajectory, with_tokens: bool) -> dict[str, Any]:
    data = {f.name: getattr(trajectory, f.name) for f in fields(trajectory)}
    data["total_reward"] = trajectory.total_reward
    steps: Sequence[Any] = data.pop("steps")
    data["steps"] = [
        {f.name: getattr(s, f.name) for f in fields(s) if with_tokens or f.name not in _PROMPT_FIELDS} for s in steps
    ]
    return data


def _git_commit() -> str | None:
    """Return the commit of the checkout that tracks this file, with "+changes" when it is not clean; else None."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    here = Path(__file__).resolve()
    try:
        git("ls-files", "--error-unmatch", here.name)
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None
