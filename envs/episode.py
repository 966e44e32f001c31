"""The computer of one episode: a page, its applications and a workspace, with the milestones watching them.

Everything here runs on the browser thread. An application's origin holds a random episode id; it is replaced by its
place's (`http://<app>.local`) in everything that leaves this module, so that the same seed and actions give the same
observations, events and ledgers.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin
from uuid import uuid4

import numpy as np

from ..rewards.ledger import LedgerWriter
from ..rewards.needs import needs_of
from ..rewards.scorer import Scorer
from ..rewards.types import Ending, Moment, StepReward
from ..sandbox.app_server import SITE, AppInstance, AppServer
from ..sandbox.errors import ActionError, FailureKind, MilepostError, SandboxError, TaskError
from ..sandbox.events import Answer, AppState, Event, FileRead
from ..sandbox.fleet import Fleet
from ..sandbox.page import PageSession
from ..sandbox.snapshot import DialogInfo, Element, Snapshot, TabInfo
from ..sandbox.workspace import Workspace
from .action_perform import Hands
from .actions import GROUPS, Action
from .file_contents import FileContents
from .fixtures import fixture_folder
from .frames import region_digests
from .observation_kinds import EXTRA_LIMITS_CHARS, Sights
from .outcome import StopReason
from .places import app_seeds
from .setup import Setup
from .task import TaskInstance

Part = TypeVar("Part", AppInstance, Workspace)
Record = TypeVar("Record", Event, TabInfo, DialogInfo)
MOST_RENEWALS = 200  # of one page: then it is loaded anew, lest what its episodes leave behind adds up


class Episode:
    """Made by `open`; then, per step, `begin_step`, `perform`, `settle`, `observe`, `judge`; at last `close`."""

    def __init__(
        self, instance: TaskInstance, *, apps: Sequence[AppInstance], workspace: Workspace, page: PageSession
    ) -> None:
        self.instance = instance
        self.verbs = instance.task.verbs
        self._scorer = Scorer(instance.milestones, instance.scheme)
        self.tracker = self._scorer.tracker
        self.snapshot = Snapshot(url="", title="")
        self.events: tuple[Event, ...] = ()
        self.step = 0
        self.idle_steps = 0
        self.timings_ms: dict[str, float] = {}
        self.ledger_path: Path | None = None
        self._apps = tuple(apps)
        self._workspace = workspace
        self._page = page
        self._hands = Hands(
            page=page,
            workspace=workspace,
            verbs=self.verbs,
            address=self._real_url,
            on_command=lambda result: self._pending.append(result.event(self.step)),
        )
        self._history: list[Event] = []
        self._pending: list[Event] = []
        self._moment: Moment | None = None
        self._last_sights = Sights()
        self._needs = needs_of(instance.milestones)
        self._contents = FileContents(self._needs.files)
        self._picture: bytes | None = None  # drawn for the last look
        self._ledger: LedgerWriter | None = None
        self._clock = time.perf_counter()
        shown = [place.origin for place in instance.task.places]
        self._named_app = bool(instance.task.apps) or (
            isinstance(instance.task.app, str) and ":" not in instance.task.app
        )
        self._origins = dict(zip((app.origin for app in apps), shown, strict=True))
        self._renewals = 0

    @classmethod
    async def open(cls, instance: TaskInstance, *, env_id: str, ledger_dir: Path | None) -> Episode:
        """Get a page from the fleet, start the task's app, and look at the start page: step 0, which pays nothing.

        Raises:
            SandboxError: a part of the machine failed; what had been opened is closed again.
            TaskError: the task's application, fixture or set-up is wrong.
        """
        began = time.perf_counter()
        apps: list[AppInstance] = []
        workspace, page = None, None
        try:
            await _open_apps(instance, apps)
            workspace = await _open_workspace(instance)
            if instance.task.setup is not None:
                await asyncio.to_thread(set_up, instance, apps[0], workspace)
                await workspace.fence()
                workspace.drain_events(0)  # the set-up's doing is no event of the episode
            page = await Fleet.shared().acquire()
            await page.open(
                url=urljoin(apps[0].origin, instance.start),
                allowed_hosts=[app.host for app in apps],
                seed=instance.seed % 2**32,
                downloads=workspace,
                dialogs="accept" if instance.task.verbs.isdisjoint(GROUPS["dialogs"]) else "ask",
                request_bodies=needs_of(instance.milestones).request_bodies,
            )
            episode = await cls._begin(
                instance, apps=apps, workspace=workspace, page=page, env_id=env_id, ledger_dir=ledger_dir, began=began
            )
        except BaseException:
            if page is not None:
                await Fleet.shared().release(page)
            if workspace is not None:
                workspace.close()
            for app in apps:
                app.close()
            raise
        return episode

    def can_renew(self, instance: TaskInstance) -> bool:
        """Tell whether another episode of the same task can begin in this one's page as it stands."""
        return (
            instance.task is self.instance.task
            and instance.start == self.instance.start
            and self._renewals < MOST_RENEWALS
            and self._page.as_opened
            and len(self._apps) == 1
            and instance.task.workspace is None
            and instance.task.setup is None
            and self._apps[0].begins_anew(instance.start)
        )

    async def renew(self, instance: TaskInstance, *, env_id: str, ledger_dir: Path | None) -> Episode:
        """Begin another episode in this one's page, in a fraction of `open`'s time; this one is over then.

        Args:
            instance: of the same task; see `can_renew`.
            env_id: as for `open`.
            ledger_dir: as for `open`.

        Raises:
            SandboxError: a part of the machine failed; `close` this episode.
        """
        began = time.perf_counter()
        if self._ledger is not None:
            self._ledger.close()
        seeds = np.random.SeedSequence(instance.seed).spawn(1)
        (app,) = self._apps
        await asyncio.to_thread(app.renew, rng=np.random.default_rng(seeds[0]), parameters=instance.parameters)
        if self._workspace.files() or instance.files:
            self._workspace.close()
            self._workspace = Workspace.create(files=instance.files)
        episode = await self._begin(
            instance,
            apps=self._apps,
            workspace=self._workspace,
            page=self._page,
            env_id=env_id,
            ledger_dir=ledger_dir,
            began=began,
            again=True,
        )
        episode._renewals = self._renewals + 1
        return episode

    @classmethod
    async def _begin(
        cls,
        instance: TaskInstance,
        *,
        apps: Sequence[AppInstance],
        workspace: Workspace,
        page: PageSession,
        env_id: str,
        ledger_dir: Path | None,
        began: float,
        again: bool = False,
    ) -> Episode:
        """Begin the episode in its page, if its application has a script for that, and look at it."""
        script = await asyncio.to_thread(apps[0].opening, instance.seed)
        if script is not None:
            bodies = needs_of(instance.milestones).request_bodies
            value = await page.start(script, downloads=workspace, request_bodies=bodies, again=again)
            if isinstance(value, Mapping) and isinstance(value.get("goal"), str):
                instance = instance.told(value["goal"])
        episode = cls(instance, apps=apps, workspace=workspace, page=page)
        if ledger_dir is not None:
            name = f"{env_id.replace('/', '_')}-seed{instance.seed}-{uuid4().hex[:8]}.jsonl"
            episode._open_ledger(ledger_dir / name)
        episode._clock = began
        episode._lap("act")
        episode._score(await episode._look())
        return episode

    def begin_step(self) -> None:
        """Start the next step's count and clock."""
        self.step += 1
        self.timings_ms = {}
        self._clock = time.perf_counter()
        self._pending = []

    async def perform(self, action: Action) -> str:
        """Do one action.

        Returns:
            Its output for the agent ("" where the page shows what happened).

        Raises:
            ActionError: the agent asked for something impossible.
            SandboxError: the machine failed.
        """
        if action.kind == "done":
            self._pending.append(Answer(step=self.step, t=time.monotonic(), origin="agent", text=action.text))
        output = await self._hands.perform(action, self.snapshot.elements)
        if action.kind == "read_file":
            self._pending.append(
                FileRead(step=self.step, t=time.monotonic(), origin="files", path=action.path, text=output)
            )
        return output

    async def settle(self) -> None:
        """Let the page react to the action.

        Raises:
            ActionError: the action led where the agent must not go; the page was brought back.
            SandboxError: the machine failed.
        """
        self._lap("act")
        await self._page.settle()
        self._lap("settle")

    async def observe(self) -> None:
        """Look at everything; `snapshot` and `events` are then this step's, and `judge` is due."""
        self._lap("settle")
        self._moment = await self._look(previous=self.snapshot)

    def judge(self, action: str, error: str = "", *, is_done: bool) -> tuple[StepReward, StopReason | None]:
        """Let the milestones judge what `observe` saw, and write it into the ledger.

        `idle_steps` must be this step's already: whether an episode ends is part of what its last step is worth.

        Args:
            action: the action's text, for the ledger.
            error: why it could not be done, "" if it was, for the ledger.
            is_done: whether the agent says that it is done.

        Returns:
            The step's reward, and whether and why the episode is over.
        """
        self._lap("look")
        moment, self._moment = self._moment, None
        assert moment is not None, "observe comes before judge"
        limit = self._limit()
        outside = Ending.TERMINATED if is_done else None if limit is None else Ending.TRUNCATED
        reward = self._score(moment, outside, action, error)
        if self._scorer.succeeded:
            return reward, StopReason.SUCCESS
        if self.tracker.ended:
            return reward, StopReason.MILESTONE
        return reward, StopReason.DONE if is_done else limit

    def _limit(self) -> StopReason | None:
        """Return the limit that the episode has reached, if any."""
        task = self.instance.task
        if self.step >= task.max_steps:
            return StopReason.STEP_LIMIT
        idle_too_long = task.max_idle_steps is not None and self.idle_steps >= task.max_idle_steps
        return StopReason.IDLE_LIMIT if idle_too_long else None

    @property
    def ledger_hash(self) -> str | None:
        """The hash of the last line of the episode's ledger, which stands for all of it; None if it has none."""
        return None if self._ledger is None else self._ledger.last_hash

    def conclude(self, stop: StopReason, failure: FailureKind | None = None) -> None:
        """Write how the episode ended into its ledger."""
        if self._ledger is not None:
            self._ledger.finish(stop_reason=stop, success=stop is StopReason.SUCCESS, failure=failure)

    async def screenshot(self) -> bytes:
        """Return the page as PNG."""
        return await self._page.screenshot()

    async def sights(self, *, screenshot: bool, html: bool, clipboard: bool) -> Sights:
        """Read what is asked for of the page, besides its snapshot; behind a dialog it stands as it was seen last."""
        self._clock = time.perf_counter()
        seen, free = self._last_sights, self.snapshot.dialog is None
        if screenshot and free:
            seen = dataclasses.replace(seen, screenshot=self._picture or await self._page.screenshot())
        if html and free:
            source = await self._page.html(EXTRA_LIMITS_CHARS["html"])
            seen = dataclasses.replace(seen, html=self.masked(source))
        if clipboard:
            seen = dataclasses.replace(seen, clipboard=self.masked(self._page.clipboard))
        self._last_sights = seen
        self._lap("look")
        return seen

    async def close(self, *, discard: bool = False) -> None:
        """Give everything back. `discard` closes the page for good instead of returning it to the pool."""
        try:
            if discard:
                with suppress(SandboxError):  # it failed already: that is why it is discarded
                    await self._page.close()
            await Fleet.shared().release(self._page)
        finally:
            self._workspace.close()
            for app in self._apps:
                app.close()
            if self._ledger is not None:
                self._ledger.close()

    def masked(self, text: str) -> str:
        """Return text with the applications' real origins replaced by the shown ones."""
        for origin, shown in self._origins.items():
            text = text.replace(origin, shown).replace(origin.partition("://")[2], shown.partition("://")[2])
        return text

    def _masked_elements(self, elements: tuple[Element, ...]) -> tuple[Element, ...]:
        """Mask what a page's text says of its address, which pages of the author's own may do."""
        if self._named_app or not any(SITE in text for e in elements for text in (e.name, e.value or "", *e.options)):
            return elements
        return tuple(
            dataclasses.replace(
                e,
                name=self.masked(e.name),
                value=None if e.value is None else self.masked(e.value),
                options=tuple(map(self.masked, e.options)),
            )
            for e in elements
        )

    def _real_url(self, url: str) -> str:
        for origin, shown in self._origins.items():
            if url == shown or url.startswith((shown + "/", shown + "?", shown + "#")):
                return origin + url[len(shown) :]
        if "://" not in url and url.startswith(("/", "?", "#")):
            return urljoin(self._apps[0].origin, url)
        return url

    async def _look(self, *, previous: Snapshot | None = None) -> Moment:
        regions = await self._regions()
        view = await self._page.look()
        files, changes = await self._workspace.look(self.step)
        contents = self._contents.new(self._workspace, files, self.step)
        state = await asyncio.to_thread(self._state)  # it may wait for the applications' thread
        snapshot = Snapshot(
            url=self.masked(view.url),
            title=view.title,
            focused=view.focused,
            elements=self._masked_elements(view.elements),
            elements_omitted=view.elements_omitted,
            files=files,
            tabs=tuple(self._masked_record(tab) for tab in view.tabs),
            dialog=None if view.dialog is None else self._masked_record(view.dialog),
            app_state=state,
            regions=regions,
        )
        events = [*self._page.drain_events(self.step), *changes, *contents, *self._pending]
        if previous is not None and previous.app_state != state:
            changed = tuple(
                sorted(k for k in {*previous.app_state, *state} if previous.app_state.get(k) != state.get(k))
            )
            events.append(AppState(step=self.step, t=time.monotonic(), origin="app", changed=changed))
        self.snapshot = snapshot
        self.events = tuple(self._masked_record(e) for e in events)
        self._history += self.events
        self._lap("look")
        return Moment(
            step=self.step,
            events=self.events,
            history=tuple(self._history),
            snapshot=snapshot,
            previous=previous,
            parameters=self.instance.parameters,
        )

    def _state(self) -> dict[str, Any]:
        """Return the application's state; of several named ones each under its name; blocks."""
        names = self.instance.task.apps
        if names:
            return {name: app.state() for name, app in zip(names, self._apps, strict=True)}
        for app in self._apps[1:]:
            app.check()
        return self._apps[0].state()

    async def _regions(self) -> Mapping[str, str]:
        """Picture the parts of the viewport that milestones ask about; behind a dialog they stand as they were last."""
        self._picture = None
        if not self._needs.regions:
            return {}
        try:
            self._picture = await self._page.screenshot()
        except ActionError:
            return self.snapshot.regions
        return await asyncio.to_thread(region_digests, self._picture, self._needs.regions)

    def _score(self, moment: Moment, ending: Ending | None = None, action: str = "", error: str = "") -> StepReward:
        reward = self._scorer.update(moment, ending)
        if self._ledger is not None:
            self._ledger.write_step(moment, reward, action=action, error=error)
        self._lap("score")
        return reward

    def _masked_record(self, record: Record) -> Record:
        changed: dict[str, Any] = {}
        for field in dataclasses.fields(record):
            value = getattr(record, field.name)
            if isinstance(value, str) and (masked := self.masked(value)) != value:
                changed[field.name] = masked
        return dataclasses.replace(record, **changed) if changed else record

    def _open_ledger(self, path: Path) -> None:
        task = self.instance.task
        self.ledger_path = path
        self._ledger = LedgerWriter(
            path,
            task=task.name,
            version=task.version,
            seed=self.instance.seed,
            parameters=self.instance.parameters,
            milestones=self.instance.milestones,
            scheme=self.instance.scheme,
        )

    def _lap(self, part: str) -> None:
        now = time.perf_counter()
        self.timings_ms[part] = self.timings_ms.get(part, 0.0) + 1000 * (now - self._clock)
        self._clock = now


async def _open_apps(instance: TaskInstance, apps: list[AppInstance]) -> None:
    """Open the task's applications, the first first, into `apps`: what has been opened is there if another fails."""
    places = instance.task.places
    for place, seed in zip(places, app_seeds(instance.seed, len(places)), strict=True):
        opening = partial(
            AppServer.shared().open,
            place.app,
            rng=np.random.default_rng(seed),
            parameters=instance.parameters,
            beside=apps[0] if apps else None,
        )
        apps.append(await _in_thread(opening) if place.app.starts_slowly else opening())


async def _open_workspace(instance: TaskInstance) -> Workspace:
    if instance.task.workspace is None:
        return Workspace.create(files=instance.files)
    path = Path(instance.task.workspace)

    def copied() -> Workspace:
        return Workspace.create(fixture=fixture_folder(path), files=instance.files)

    return await _in_thread(copied)  # a large one takes its time, and other episodes need not wait for it


async def _in_thread(make: Callable[[], Part]) -> Part:
    """Make a part of an episode on a thread; if nobody waits for it any more it is closed when it is there."""
    making = asyncio.ensure_future(asyncio.to_thread(make))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(made: asyncio.Future[Any]) -> None:
    if not made.cancelled() and made.exception() is None:
        made.result().close()


def set_up(instance: TaskInstance, app: AppInstance, workspace: Workspace) -> None:
    """Let the task's own function prepare an episode; blocks.

    Raises:
        TaskError: it raised.
    """
    task, seeds = instance.task, np.random.SeedSequence(instance.seed).spawn(2)
    assert task.setup is not None
    prepare = task.setup
    try:
        app.prepare(
            lambda db: prepare(
                Setup(
                    parameters=instance.parameters,
                    seed=instance.seed,
                    rng=np.random.default_rng(seeds[1]),
                    files=workspace,
                    db=db,
                )
            )
        )
    except SandboxError:
        raise
    except Exception as error:  # the author's code
        detail = str(error) if isinstance(error, MilepostError) else f"{type(error).__name__}: {error}"
        raise TaskError(f"the set-up of the task {task.name!r} failed for seed {instance.seed}: {detail}") from error


__all__ = ["Episode", "set_up"]
