"""Pictures of recorded episodes, taken by playing their actions again in a real browser.

Episodes are deterministic: the same task, seed and actions give the same pages. That is not taken for granted. What
each page says is compared with what was recorded, and from the first difference on there are no pictures, since they
would be of another episode.

Pictures are kept in `pictures` of the run's folder, a folder for each episode, so that each is played once. The
labelling page and the viewer share them.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from ..agents.prompts import render_observation
from ..agents.records import Trajectory
from ..envs.env import MilepostEnv
from ..envs.registration import task_for
from ..rewards.preferences import TrajectoryRef
from ..sandbox.chromium import find_chromium
from ..sandbox.errors import BrowserNotFoundError, MilepostError, RunError, TaskError
from .run_folder import write_atomically, writing

Stopped = Callable[[], bool]
Look = Callable[[Mapping[str, str]], str]
"""What of an observation is held against the record."""
_INDEX = "pictures.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """An episode's pictures.

    Attributes:
        files: a PNG of the page at the start and after each action, in order; None where there is none. Pages that look
            alike share one.
        note: why pictures are missing; "" if none is.
        differs_at: the first page, 0 being the start, that was not as recorded when played again; None if none was.
    """

    files: tuple[Path | None, ...] = ()
    note: str = ""
    differs_at: int | None = None


def pictures_of(
    trajectory: Trajectory, folder: Path, *, stopped: Stopped = lambda: False, look: Look = render_observation
) -> Pictures:
    """Return an episode's pictures, from the folder if it was played before.

    Args:
        trajectory: the recorded episode.
        folder: where all episodes' pictures are kept; it is made.
        stopped: asked before every step; once true, the rest is not played.
        look: gives of an observation the text that the trajectory has of it.

    Raises:
        RunError: the folder cannot be written.
    """
    place = folder / _name(trajectory)
    kept = _kept(place, len(trajectory.steps) + 1)
    if kept is not None:
        return kept
    with writing(place):
        place.mkdir(parents=True, exist_ok=True)
    files: list[Path | None] = []
    note, differs = _play(trajectory, lambda png: files.append(_write(place, len(files), png, files)), stopped, look)
    if not note:
        names = [None if file is None else file.name for file in files]
        write_atomically(place / _INDEX, json.dumps(names).encode())
    missing = len(trajectory.steps) + 1 - len(files)
    return Pictures(files=(*files, *[None] * missing), note=note, differs_at=len(files) if differs else None)


def _play(trajectory: Trajectory, take: Callable[[bytes], None], stopped: Stopped, look: Look) -> tuple[str, bool]:
    """Play an episode again and hand over the picture of each page that is as recorded.

    Returns:
        Why it ended early, "" if it did not; and whether that is because a page was not as recorded.
    """
    recorded = [*(step.observation for step in trajectory.steps), trajectory.final_observation]
    actions = [step.action for step in trajectory.steps]
    try:
        env = MilepostEnv(task_for(trajectory.task), screenshots=True)
    except TaskError:
        return f"There are no pictures: {trajectory.task} is not registered here. Give its file with --tasks.", False
    try:
        observation, info = env.reset(seed=trajectory.seed)
        for number, expected in enumerate(recorded):
            if info["failure"] is not None:
                return f"No pictures after step {number - 1}: the browser failed ({info['failure']}).", False
            if expected and look(observation) != expected:
                return f"No pictures from step {number} on: played again, the page is not as it was recorded.", True
            if info["screenshot"] is None:
                return f"No pictures from step {number} on: the page could not be drawn.", False
            take(info["screenshot"])
            if number == len(actions):
                return "", False
            if stopped():
                return "The pictures were not finished.", False
            observation, _, terminated, truncated, info = env.step(actions[number])
            if (terminated or truncated) and number + 1 < len(actions):
                return f"No pictures from step {number + 1} on: played again, the episode ends there.", True
        return "", False
    except MilepostError as error:
        return f"There are no further pictures: {error}", False
    finally:
        env.close()


def _write(place: Path, number: int, png: bytes, before: Sequence[Path | None]) -> Path:
    """Write a picture, unless the one before it is the same."""
    last = before[-1] if before else None
    if last is not None and last.read_bytes() == png:
        return last
    path = place / f"{number:03d}.png"
    write_atomically(path, png)
    return path


def _kept(place: Path, count: int) -> Pictures | None:
    try:
        names = json.loads((place / _INDEX).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(names, list) or len(names) != count:
        return None
    files = tuple(place / name if isinstance(name, str) and name == Path(name).name else None for name in names)
    return Pictures(files=files) if all(file is not None and file.is_file() for file in files) else None


def _name(trajectory: Trajectory) -> str:
    """Name an episode by all that its pictures depend on."""
    told = [trajectory.task, trajectory.seed, [[s.action, s.observation] for s in trajectory.steps]]
    return hashlib.sha256(json.dumps([*told, trajectory.final_observation]).encode()).hexdigest()[:24]


class PictureMaker:
    """Plays episodes one after another on a thread of its own, what is wanted most first.

    Args:
        read: gives the episode behind a reference.
        folder_of: gives the folder that holds the pictures of a reference's run.
        look: as for `pictures_of`.
    """

    def __init__(
        self,
        read: Callable[[TrajectoryRef], Trajectory],
        folder_of: Callable[[TrajectoryRef], Path],
        look: Look = render_observation,
    ) -> None:
        self._read = read
        self._folder_of = folder_of
        self._look = look
        self._changed = threading.Condition()
        self._wanted: list[TrajectoryRef] = []
        self._made: dict[TrajectoryRef, Future[Pictures]] = {}
        self._closed = False
        self._thread: threading.Thread | None = None
        self.note = _browser_note()

    def want(self, refs: Sequence[TrajectoryRef]) -> None:
        """Say which episodes are wanted now, the most urgent first; earlier wishes that are not among them are off."""
        with self._changed:
            self._wanted = [ref for ref in refs if not self._future(ref).done()]
            if self._thread is None and self._wanted and not self._closed:
                self._thread = threading.Thread(target=self._work, name="milepost-pictures", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def pictures(self, ref: TrajectoryRef) -> Future[Pictures]:
        """Return what will hold an episode's pictures, once it was wanted and its turn has come."""
        with self._changed:
            return self._future(ref)

    def close(self) -> None:
        """Stop after the step under way and wait for it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _future(self, ref: TrajectoryRef) -> Future[Pictures]:
        if ref not in self._made:
            future: Future[Pictures] = Future()
            self._made[ref] = future
            future.set_running_or_notify_cancel()  # whoever gives up waiting for it must not cancel it for all
            if self.note:
                future.set_result(Pictures(note=self.note))
        return self._made[ref]

    def _work(self) -> None:
        while (ref := self._next()) is not None:
            try:
                made = pictures_of(self._read(ref), self._folder_of(ref), stopped=lambda: self._closed, look=self._look)
            except (MilepostError, OSError) as error:
                made = Pictures(note=f"There are no pictures: {error}")
            with self._changed:
                self._made[ref].set_result(made)

    def _next(self) -> TrajectoryRef | None:
        with self._changed:
            while not self._closed:
                while self._wanted:
                    ref = self._wanted.pop(0)
                    if not self._made[ref].done():
                        return ref
                self._changed.wait()
        return None


def _browser_note() -> str:
    try:
        find_chromium()
    except BrowserNotFoundError:
        return "There are no pictures, since no browser was found to take them with; `milepost doctor` tells how."
    return ""


def picture_folder(run: Path, fallback: Path) -> Path:
    """Return the folder for a run's pictures: in the run's folder, or the fallback where that cannot be written."""
    folder = run / "pictures"
    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / ".writable"
            probe.touch()
            probe.unlink()
    except RunError:
        return fallback
    return folder


__all__ = ["PictureMaker", "Pictures", "picture_folder", "pictures_of"]
