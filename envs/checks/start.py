"""Rules on where an episode starts: the application with the task's parameters, before anything was done.

The application's server side is made and asked here without a server and without a browser.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from ...rewards.spec import Spec, ask
from ...rewards.state_detectors import ServerState
from ...rewards.templates import Style
from ...rewards.types import Moment
from ...rewards.wording import every_spec
from ...sandbox.app_server import App, episode_database
from ...sandbox.errors import MilepostError, RewardError, TaskError
from ...sandbox.snapshot import Snapshot
from ..apps import get_app
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
        app = get_app(task.app)
    except TaskError as error:
        yield subject.error("application", str(error), "app")
        return
    read: set[str] = set()
    told: set[str] = set()
    for seed in _SEEDS:
        try:
            parameters = _Read(task.draw_parameters(seed))
        except TaskError:
            return  # told by another rule
        try:
            state = _first_state(app, seed, parameters)
        except MilepostError as error:
            yield subject.error("application", str(error), "app")
            return
        except Exception as error:  # the application is the user's code: whatever it raises is the finding
            yield subject.error(
                "application",
                f"the application {task.app!r} does not start with the parameters of seed {seed} "
                f"({type(error).__name__}: {error}); mend the parameters or the application",
                "app",
            )
            return
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
    for name in task.parameters:
        if name not in read | task.used_parameters:
            yield subject.warning(
                "unused-parameter",
                f"the parameter {name!r} is used neither by the task nor by the application; take it out",
                "parameters",
                name,
            )


def _first_state(app: App, seed: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])  # as an episode's own
    with closing(episode_database()) as db:
        app.create_schema(db)
        app.seed(db, rng, parameters)
        return app.state(db)


def _problem(spec: Spec, state: Mapping[str, Any]) -> str:
    """Return what is wrong with a detector's queries on the first state, or ""."""
    try:
        for each in every_spec(spec):
            for name in type(each).model_fields:
                query = getattr(each, name)
                if isinstance(query, str) and type(each).style_of(name) is Style.JMESPATH:
                    ask(query, state)
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
