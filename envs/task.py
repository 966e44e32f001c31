"""Tasks: what an episode is about, which milestones it pays for, and how to solve it.

    name: expense-form                   # milepost/expense-form-v0
    family: form
    description: File an expense.
    app: expenses
    start: /new
    goal: "Submit an expense for {person}."
    max_steps: 8
    parameters:
      person: {choice: [Ada Byron, Alan Turing]}
    milestones:
      - {id: filled, catalogue: field_filled, name: Name, value: "{person}"}
      - {id: sent, catalogue: success_banner, text_contains: Saved, after: [filled], ends_episode: true}
    oracle:
      - fill("Name", "{person}")
      - click("Submit")

A task is data: nothing here starts a browser or loads an application. Where it may run is in `places`; one written in
Python may also have functions, see `python_tasks`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NoReturn, Self

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from ..rewards.scorer import RewardScheme, most_reward
from ..rewards.shaping import Shaping
from ..rewards.templates import Style, fill, placeholders
from ..rewards.tracker import dag_order
from ..rewards.types import Milestone, Source
from ..sandbox.errors import TaskError
from .actions import ACTION_TYPES, DEFAULT_GROUPS, GROUPS, verbs_of
from .fixtures import ARCHIVES, is_archive
from .initial_files import MAX_INITIAL_FILES, fill_files, path_problem
from .milestone_spec import Identifier, MilestoneSpec
from .parameters import Parameter
from .places import (
    MAX_APPS,
    MAX_HOSTS,
    AppSpec,
    Host,
    OwnApp,
    Place,
    PlainName,
    SiteFolder,
    full_path,
    missing,
    place_in_words,
    places_of,
)
from .reward_spec import MilestoneReward, RewardSpec, known_reward_keys
from .schema_problems import SchemaProblem, hint, schema_problems
from .setup import Setup
from .task_file import Document, matching_files, read_documents

NAME_PATTERN = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
"""What a task may be named."""

NOT_TOLD = "(not told)"
"""Stands for what the page's goal does not say, or has not said yet; no field is ever asked to hold it."""


class NearMiss(BaseModel):
    """A way of almost solving the task, and what it must not earn.

    Attributes:
        name: what goes wrong.
        actions: action templates.
        not_reached: milestones that it must not reach.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    actions: tuple[str, ...] = Field(min_length=1)
    not_reached: tuple[Identifier, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledNearMiss:
    """A near miss of one instance, its actions filled."""

    name: str
    actions: tuple[str, ...]
    not_reached: frozenset[str]


def _fixture(written: str, info: ValidationInfo) -> str:
    path = full_path(written, info)
    if not path.exists():
        raise ValueError(missing("a folder or an archive", written, path))
    if not path.is_dir() and not is_archive(path):
        raise ValueError(f"expected a folder or an archive ({', '.join(ARCHIVES)}), got {written!r}; pack it so")
    return str(path)


class Task(BaseModel):
    """A family of episodes that differ in their drawn parameters.

    Attributes:
        name: lower-case words joined by hyphens; the id is "milepost/<name>-v<version>".
        version: raised when a change makes old scores incomparable.
        family: tasks of one kind, for reports.
        description: one line for people.
        app: where it runs: the name of a bundled or registered application, or an application of your own.
        site: or a folder of HTML files, served read-only.
        hosts: or real sites, the first being where the episode starts.
        apps: or several bundled or registered applications, by name; the episode starts in the first. With none of the
            four there are no pages.
        start: path (and query) on the application where the episode starts; values are URL-quoted.
        goal: what the agent is told.
        parameters: what an episode draws from its seed, in this order.
        workspace: a folder whose copy the workspace begins with, or an archive; see `fixtures`.
        files: what it holds besides, from the start: path -> text, both templates; see `initial_files`.
        setup: a function that prepares each episode's files and database; in Python only.
        actions: what the agent may do: groups of actions, or single ones; see docs/actions.md.
        max_steps: the episode is cut after so many actions.
        max_idle_steps: it is cut earlier after so many actions in a row that changed nothing; None: never.
        milestones: what pays.
        success: milestones that together mean success; all that are not forbidden, if absent.
        reward: how they pay; each its own reward, if absent.
        oracle: actions that solve the task; values are escaped for use inside "quotes".
        near_miss: ways of almost solving it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=60)]
    version: int = Field(default=0, ge=0)
    family: str = Field(min_length=1)
    description: str = Field(min_length=1)
    app: AppSpec | None = None
    site: SiteFolder | None = None
    hosts: tuple[Host, ...] = Field(default=(), max_length=MAX_HOSTS)
    apps: tuple[PlainName, ...] = Field(default=(), max_length=MAX_APPS)
    start: Annotated[str, StringConstraints(pattern=r"^/")] = "/"
    goal: str = Field(min_length=1)
    parameters: dict[Identifier, Parameter] = Field(default_factory=dict)
    workspace: Annotated[str, StringConstraints(min_length=1), AfterValidator(_fixture)] | None = None
    files: dict[str, str] = Field(default_factory=dict, max_length=MAX_INITIAL_FILES)
    setup: SkipJsonSchema[Callable[[Setup], None] | None] = Field(default=None, exclude=True, repr=False)
    actions: tuple[str, ...] = Field(default=DEFAULT_GROUPS, min_length=1)
    max_steps: int = Field(ge=1, le=500)
    max_idle_steps: int | None = Field(default=None, ge=1, le=500)
    milestones: tuple[MilestoneSpec, ...] = Field(min_length=1, max_length=64)
    success: tuple[Identifier, ...] = ()
    reward: RewardSpec = MilestoneReward()
    oracle: tuple[str, ...] = Field(min_length=1)
    near_miss: tuple[NearMiss, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._runs_somewhere()
        for i, name in enumerate(self.actions):
            _known(name, [*GROUPS, *ACTION_TYPES], "a group of actions or of a single action", "actions", i)
        earlier: list[str] = []
        for name, parameter in self.parameters.items():
            for needed in parameter.depends_on():
                _known(needed, earlier, "an earlier parameter", "parameters", name)
            earlier.append(name)
        earlier += self.told_names
        for where, template in self._templates():
            for needed in placeholders(template):
                _known(needed, earlier, "a parameter", *where)
        for path in self.files:
            if problem := path_problem(path):
                _fail(f"files: {problem}", "files", path)
        ids = [milestone.id for milestone in self.milestones]
        judged = {milestone.id for milestone in self.milestones if milestone.source is not Source.RULE}
        for i, milestone in enumerate(self.milestones):
            if milestone.id in ids[:i]:
                _fail(f"expected each milestone id once, got {milestone.id!r} again; rename it", "milestones", i, "id")
            for other in milestone.after:
                _known(other, ids, "a milestone", "milestones", i, "after")
            if milestone.source is Source.RULE and (late := judged.intersection(milestone.after)):
                _fail(
                    f"a milestone that a rule finds cannot come after {min(late)!r}, which is judged when the episode "
                    "is over; take that out of its `after`",
                    "milestones",
                    i,
                    "after",
                )
            for app in sorted(milestone.apps()):
                _known(app, list(self.apps), "one of the task's `apps`", "milestones", i)
            for other in milestone.counted_from():
                _known(other, list(milestone.after), "a milestone that stands in `after`", "milestones", i)
        try:
            dag_order([(milestone.id, milestone.after) for milestone in self.milestones])
        except TaskError as error:
            _fail(str(error), "milestones")
        forbidden = {milestone.id for milestone in self.milestones if milestone.forbidden}
        if len(forbidden) == len(ids):
            _fail(
                "expected at least one milestone that is not forbidden, got none; add what the task is about",
                "milestones",
            )
        for i, name in enumerate(self.success):
            _known(name, ids, "a milestone", "success", i)
            if name in forbidden:
                _fail(f"expected milestones that may be reached, got the forbidden {name!r}; take it out", "success", i)
        for name in self.reward.potential or ():
            _known(name, ids, "a milestone", "reward", "potential", name)
        if judged and (self.reward.mode != "milestones" or self.reward.shaping is not Shaping.RAW):
            _fail(
                f"expected milestones that pay one by one beside {min(judged)!r}, which is judged when the episode is "
                "over; take the task's `reward` out",
                "reward",
            )
        gains = any(milestone.reward > 0 for milestone in self.milestones)
        if self.reward.mode == "milestones" and self.reward.shaping is not Shaping.RAW and not gains:
            _fail(
                f"expected a milestone with a reward above zero, since with `shaping: {self.reward.shaping}` success "
                "pays their sum, got none; give the success milestones rewards",
                "reward",
            )
        for i, near_miss in enumerate(self.near_miss):
            for name in near_miss.not_reached:
                _known(name, ids, "a milestone", "near_miss", i, "not_reached")
        return self

    def _runs_somewhere(self) -> None:
        given = [key for key in ("app", "apps", "site", "hosts") if getattr(self, key)]
        if len(given) > 1:
            _fail(f"expected one of app, apps, site and hosts, got {' and '.join(given)}; take one out", given[-1])
        if not given and not self.workspace and not self.files and self.setup is None:
            _fail(
                "expected where the task runs (`app: NAME`, `site: ./folder` or `hosts: [...]`), or what files it is "
                "about (`workspace:` or `files:`), got none of them; add one",
                "name",
            )
        if self.apps and (len(self.apps) < 2 or len(set(self.apps)) < len(self.apps)):
            _fail(
                f"expected two or more applications, each once, got {', '.join(self.apps)}; for one of them write "
                f"`app: {self.apps[0]}`",
                "apps",
            )
        if not given and self.start != "/":
            _fail(
                f"expected `start` beside app, apps, site or hosts only, got {self.start!r} without; take it out",
                "start",
            )

    def _templates(self) -> list[tuple[tuple[str | int, ...], str]]:
        found: list[tuple[tuple[str | int, ...], str]] = [(("goal",), self.goal), (("start",), self.start)]
        found += [(("files", path), template) for path, text in self.files.items() for template in (path, text)]
        for i, milestone in enumerate(self.milestones):
            found += [(("milestones", i, *place), text) for place, text in milestone.spec.templates()]
            found.append((("milestones", i, "description"), milestone.description))
        found += [(("reward", *where), text) for where, text in self.reward.templates()]
        found += [(("oracle", i), action) for i, action in enumerate(self.oracle)]
        for i, near_miss in enumerate(self.near_miss):
            found += [(("near_miss", i, "actions", j), action) for j, action in enumerate(near_miss.actions)]
        return found

    @property
    def instance_count(self) -> int:
        """How many instances the parameters can make (with `distinct_from`: at least)."""
        sizes: dict[str, int] = {}
        product = 1
        for name, parameter in self.parameters.items():
            sizes[name] = parameter.instance_count(sizes)
            product *= sizes[name]
        return product

    @property
    def places(self) -> tuple[Place, ...]:
        """The applications that it runs on, the one where it starts first.

        Raises:
            TaskError: there is no such application, or it cannot be imported.
        """
        return places_of(self.app, self.site, self.hosts, self.apps)

    @property
    def place(self) -> str:
        """Where it runs, in a word or two."""
        return place_in_words(self.app, self.site, self.hosts, self.apps)

    @property
    def used_parameters(self) -> frozenset[str]:
        """The parameters that the task's texts use, and those that these are drawn from."""
        used = {name for _, text in self._templates() for name in placeholders(text)}
        for name in reversed(self.parameters):
            if name in used:
                used.update(self.parameters[name].depends_on())
        return frozenset(used)

    @property
    def verbs(self) -> frozenset[str]:
        """The actions that the agent may use."""
        return verbs_of(self.actions)

    @property
    def success_ids(self) -> frozenset[str]:
        """Milestones that together mean success."""
        return frozenset(self.success) or frozenset(m.id for m in self.milestones if not m.forbidden)

    @property
    def told_names(self) -> tuple[str, ...]:
        """Parameters that are not drawn but come with the goal, where the page itself says what it is."""
        return ()

    def told_by(self, goal: str) -> dict[str, Any]:
        """Return those parameters, as the page's goal has them."""
        return {}

    def draw_parameters(self, seed: int) -> dict[str, Any]:
        """Return the parameters that a seed draws.

        Args:
            seed: zero or more.

        Raises:
            TaskError: the seed is negative, or a `sample` has too few values left.
        """
        if seed < 0:
            raise TaskError(f"expected a seed of zero or more, got {seed}")
        rng = np.random.default_rng(seed)
        values: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            try:
                values[name] = parameter.draw(rng, values)
            except ValueError as error:
                raise TaskError(f"task {self.name!r}, parameter {name!r}, seed {seed}: {error}") from error
        return values

    def instantiate(self, seed: int, *, goal: str | None = None) -> TaskInstance:
        """Return the instance that a seed names. Pure: the same seed always gives an equal instance.

        Args:
            seed: zero or more.
            goal: what the page says that the goal is, where it does (see `App.opening`); None: the task's own.

        Raises:
            TaskError: see `draw_parameters` and `fill_files`.
        """
        values = self.draw_parameters(seed)
        values |= dict.fromkeys(self.told_names, NOT_TOLD) if goal is None else self.told_by(goal)
        milestones = tuple(milestone.build(values) for milestone in self.milestones)
        scheme = self.reward.build(values, self.success_ids)
        return TaskInstance(
            task=self,
            seed=seed,
            parameters=MappingProxyType(values),
            goal=fill(self.goal, values) if goal is None else goal,
            start=fill(self.start, values, Style.URL),
            files=MappingProxyType(fill_files(self.files, values)),
            milestones=milestones,
            success=self.success_ids,
            scheme=scheme,
            oracle=tuple(fill(action, values, Style.ACTION) for action in self.oracle),
            near_misses=tuple(
                FilledNearMiss(
                    name=near_miss.name,
                    actions=tuple(fill(action, values, Style.ACTION) for action in near_miss.actions),
                    not_reached=frozenset(near_miss.not_reached),
                )
                for near_miss in self.near_miss
            ),
            max_reward=most_reward(milestones, scheme.components),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInstance:
    """One episode's task: parameters drawn, every text filled.

    Attributes:
        task: where it comes from.
        seed: what drew the parameters.
        parameters: the drawn values, read-only.
        goal: what the agent is told.
        start: path where the episode starts, URL-quoted.
        files: path -> text of what the workspace holds from the start, read-only.
        milestones: in the order of declaration, which numbers the frontier's bits.
        success: ids that together mean success.
        scheme: how they pay.
        oracle: actions that solve it.
        near_misses: actions that almost do.
        max_reward: what a perfect episode earns, shaping aside.
    """

    task: Task
    seed: int
    parameters: Mapping[str, Any]
    goal: str
    start: str
    files: Mapping[str, str]
    milestones: tuple[Milestone, ...]
    success: frozenset[str]
    scheme: RewardScheme
    oracle: tuple[str, ...]
    near_misses: tuple[FilledNearMiss, ...]
    max_reward: float

    def told(self, goal: str) -> TaskInstance:
        """Return this instance with the goal that the page tells, and what follows from it."""
        return self.task.instantiate(self.seed, goal=goal)

    @property
    def judged(self) -> frozenset[str]:
        """Ids of the milestones that are judged when the episode is over."""
        return frozenset(m.id for m in self.milestones if m.source is not Source.RULE)

    @property
    def rule_reward(self) -> float:
        """What a perfect episode earns by rules alone, shaping aside."""
        if not self.judged:
            return self.max_reward
        return most_reward([m for m in self.milestones if m.source is Source.RULE], None)

    @property
    def rule_success(self) -> frozenset[str]:
        """The part of `success` that rules find."""
        return self.success - self.judged


def load_tasks(path_or_glob: str | Path) -> list[Task]:
    """Load every task of a YAML file, a folder, or the files that a pattern matches; a file may hold several documents.

    Raises:
        TaskError: one paragraph that names file and line, what was expected, what came, and the cure.
    """
    tasks: list[Task] = []
    seen: dict[tuple[str, int], Path] = {}
    for path in matching_files(path_or_glob):
        for document in read_documents(path):
            task = _parse(document)
            key = (task.name, task.version)
            if key in seen:
                raise TaskError(
                    f"{path}:{document.line_of(('name',))}: the task {task.name!r} of version {task.version} is also "
                    f"in {seen[key]}; rename one or raise its version"
                )
            seen[key] = path
            tasks.append(task)
    return tasks


def read_task(document: Document) -> tuple[Task | None, tuple[SchemaProblem, ...]]:
    """Return the task that a document holds, or None and everything that is wrong with it, unknown keys first."""
    if not isinstance(document.data, dict):
        message = f"expected a task (name:, app:, goal:, ...), got {type(document.data).__name__}"
        return None, (SchemaProblem(line=1, message=f"{message}; start from one of the bundled tasks"),)
    try:
        return Task.model_validate(document.data, context={"folder": document.path.parent.absolute()}), ()
    except ValidationError as error:
        return None, schema_problems(error, document, known_keys)


def _parse(document: Document) -> Task:
    task, problems = read_task(document)
    if task is not None:
        return task
    first, rest = problems[0], len(problems) - 1
    more = f" ({rest} more problem{'s' if rest > 1 else ''} in this file.)" if rest else ""
    raise TaskError(f"{document.path}:{first.line}: {first.message}{more}")


def known_keys(location: tuple[str | int, ...]) -> list[str]:
    """Return the keys that are allowed where an unknown one was found."""
    match location:
        case (_,):
            return [name for name in Task.model_fields if name != "setup"]
        case ("app", _):
            return list(OwnApp.model_fields)
        case ("parameters", _, "sample", _):
            return ["from", "count", "distinct_from"]
        case ("parameters", _, _):
            return list(Parameter.model_fields)
        case ("near_miss", _, _):
            return list(NearMiss.model_fields)
        case ("reward", *inner):
            return known_reward_keys(tuple(inner))
        case _:
            return []


def _known(name: str, known: list[str], what: str, *where: str | int) -> None:
    if name not in known:
        _fail(f"{'.'.join(map(str, where))}: expected the name of {what}, got {name!r}; {hint(name, known)}", *where)


def _fail(message: str, *where: str | int) -> NoReturn:
    raise PydanticCustomError("task_fit", "{message}", {"message": message, "where": where})


__all__ = [
    "NAME_PATTERN",
    "FilledNearMiss",
    "NearMiss",
    "SchemaProblem",
    "Task",
    "TaskInstance",
    "known_keys",
    "load_tasks",
    "read_task",
]
