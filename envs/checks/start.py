"""Rules on where an episode starts: the application with the task's parameters, before anything was done.

The application's server side is made and asked here without a server and without a browser. A command is not started:
what it serves is seen when the task is played.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any
from urllib.parse import unquote

import numpy as np

from ...rewards.app_detector import InApp
from ...rewards.spec import Spec, ask
from ...rewards.state_detectors import ServerState
from ...rewards.templates import Style
from ...rewards.types import Moment
from ...rewards.wording import every_spec
from ...sandbox.app_server import App, Served, episode_database
from ...sandbox.errors import MilepostError, RewardError, TaskError
from ...sandbox.snapshot import Snapshot
from ...sandbox.workspace import Workspace
from ..fixtures import fixture_folder
from ..places import app_seeds
from ..served.stateless import StatelessApp
from ..served.static_site import StaticSite
from ..setup import Setup
from ..task import Task, TaskInstance
from .findings import Findings, Subject

_SEEDS = range(3)


class _Read(Mapping[str, Any]):
    """Parameters that remember which of them were asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        self.names.update(self._values)
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def start(subject: Subject) -> Findings:
    """The application must start with the task's parameters, queries must fit its state, and nothing be earned yet."""
    task = subject.task
    try:
        places = task.places
    except TaskError as error:
        yield subject.error("application", str(error), _key(task))
        return
    app = places[0].app
    yield from _stateless(subject, app)
    if task.workspace is not None:
        try:
            fixture_folder(Path(task.workspace))
        except TaskError as error:
            yield subject.error("workspace", str(error), "workspace")
            return
    read: set[str] = set()
    told: set[str] = set()
    for seed in _SEEDS:
        try:
            parameters = _Read(task.draw_parameters(seed))
            instance = task.instantiate(seed)
        except TaskError:
            return  # told by another rule
        if isinstance(app, StaticSite) and not app.has(unquote(instance.start.partition("?")[0].partition("#")[0])):
            shown = instance.start.partition("?")[0]
            yield subject.error(
                "start-page",
                f"the episode starts at {shown}, and {app.folder} holds no such page; add it"
                f"{' as index.html' if shown.endswith('/') else ''}, or name another with `start`",
                "start",
            )
            return
        try:
            states = [
                _first_state(place.app, instance, parameters, seed, is_first=i == 0)
                for i, (place, seed) in enumerate(zip(places, app_seeds(instance.seed, len(places)), strict=True))
            ]
        except MilepostError as error:
            yield subject.error("application", str(error), _key(task))
            return
        except Exception as error:  # the application is the user's code: whatever it raises is the finding
            yield subject.error(
                "application",
                f"the application {task.place!r} does not start with the parameters of seed {seed} "
                f"({type(error).__name__}: {error}); mend the parameters or the application",
                _key(task),
            )
            return
        state = dict(zip(task.apps, states, strict=True)) if task.apps else states[0]
        read |= parameters.names
        for i, milestone in enumerate(task.milestones):
            problem = _problem(milestone.spec.filled(dict(parameters)), state)
            if problem and milestone.id not in told:
                told.add(milestone.id)
                make = subject.error if milestone.id in task.success_ids else subject.warning
                yield make(
                    "holds-at-start" if "already" in problem else "query",
                    f"{milestone.id!r}, seed {seed}: {problem}",
                    "milestones",
                    i,
                    milestone=milestone.id,
                )
    if not all(milestone.spec.is_data() for milestone in task.milestones):
        return  # a function of Python may use any parameter
    for name in task.parameters:
        if name not in read | task.used_parameters:
            yield subject.warning(
                "unused-parameter",
                f"the parameter {name!r} is used neither by the task nor by the application; take it out",
                "parameters",
                name,
            )


def _key(task: Task) -> str:
    """Return the key that says where the task runs."""
    return next((key for key in ("app", "apps", "site", "hosts") if getattr(task, key)), "name")


def _stateless(subject: Subject, app: App) -> Findings:
    """Nobody can ask for the state of what has none."""
    if not isinstance(app, StatelessApp) or app.has_state:
        return
    for i, milestone in enumerate(subject.task.milestones):
        if any(isinstance(each, ServerState) for each in every_spec(milestone.spec)):
            yield subject.error(
                "no-state",
                f"{milestone.id!r} asks for the server's state, and {subject.task.place!r} tells none; ask for what is "
                "on the page, in the files or in the requests, or give your own application a `state` path",
                "milestones",
                i,
                milestone=milestone.id,
            )


def _first_state(
    app: App,
    instance: TaskInstance,
    parameters: Mapping[str, Any],
    seed: np.random.SeedSequence,
    *,
    is_first: bool,
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    with closing(episode_database()) as db:
        app.create_schema(db)
        app.seed(db, rng, parameters)
        if instance.task.setup is not None and is_first:
            _, second = np.random.SeedSequence(instance.seed).spawn(2)  # as an episode's own
            _set_up(instance, db, parameters, np.random.default_rng(second))
        served = None if app.starts_slowly else app.serve(db, rng, parameters)
        if served is None:
            return app.state(db)
        try:
            return asyncio.run(_read(served))
        finally:
            served.close()


async def _read(served: Served) -> dict[str, Any]:
    return await served.state()


def _set_up(instance: TaskInstance, db: Connection, parameters: Mapping[str, Any], rng: np.random.Generator) -> None:
    assert instance.task.setup is not None
    fixture = instance.task.workspace
    workspace = Workspace.create(
        fixture=None if fixture is None else fixture_folder(Path(fixture)), files=instance.files
    )
    with closing(workspace):
        instance.task.setup(Setup(parameters=parameters, seed=instance.seed, rng=rng, files=workspace, db=db))


def _ask_all(spec: Spec, state: Mapping[str, Any]) -> None:
    """Ask every query of a detector, and of those inside it; raises RewardError where one does not fit the state."""
    if isinstance(spec, InApp):
        state = state.get(spec.app, {})
    for name in type(spec).model_fields:
        query = getattr(spec, name)
        if isinstance(query, str) and type(spec).style_of(name) is Style.JMESPATH:
            ask(query, state)
    for part in spec.parts():
        _ask_all(part, state)


def _problem(spec: Spec, state: Mapping[str, Any]) -> str:
    """Return what is wrong with a detector's queries on the first state, or ""."""
    if isinstance(spec, InApp):
        return _problem(spec.of, state.get(spec.app, {}))
    try:
        _ask_all(spec, state)
    except RewardError as error:
        return str(error)
    if not isinstance(spec, ServerState):
        return ""
    nothing = Moment(step=0, events=(), history=(), snapshot=Snapshot(url="", title="", app_state=state), previous=None)
    if not spec.held_at_reset(nothing):
        return ""
    return "the state already answers so when the episode starts; ask for what only the agent's work brings about"


RULES = (start,)

__all__ = ["RULES"]
