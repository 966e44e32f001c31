"""The reward table of a task in words: what each milestone asks, what it pays, and what ends the episode.

The sentences are made from the task itself, so they cannot say anything else than what is paid. Keys of a milestone or
a task that this module does not know are told by their names and values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..rewards.shaping import Shaping
from ..rewards.spec import Spec
from ..rewards.templates import value_text
from ..rewards.types import Source
from ..rewards.wording import describe, listed
from .milestone_spec import MilestoneSpec
from .parameters import Parameter
from .places import OwnApp
from .registration import env_id_of
from .reward_spec import ComponentReward
from .task import Task

_KNOWN_OF_MILESTONE = frozenset(
    {
        "id",
        "description",
        "source",
        "catalogue",
        "reward",
        "after",
        "forbidden",
        "ends_episode",
        "expires_after",
        "spec",
    }
)
_KNOWN_OF_TASK = frozenset(
    {"name", "version", "family", "description", "app", "start", "goal", "parameters", "actions", "max_steps"}
    | {"max_idle_steps", "milestones", "success", "oracle", "near_miss", "reward", "files"}
    | {"apps", "site", "hosts", "workspace", "setup"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneInWords:
    """One row of the reward table.

    Attributes:
        id: the milestone's.
        description: the author's line on it; a template if no seed was given.
        reward: what it pays, once per episode.
        when: what must happen, as a clause.
        conditions: sentences on what it needs first, whether it is forbidden, what it ends.
    """

    id: str
    description: str
    reward: float
    when: str
    conditions: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        verb = f"pays {self.reward:.2f}" if self.reward >= 0 else f"costs {-self.reward:.2f}"
        return " ".join((f"{self.id} {verb} when {self.when}.", *self.conditions))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A task's rewards in words.

    Attributes:
        id: the environment's id.
        description: the task's line for people.
        goal: what the agent is told; a template if no seed was given.
        seed: the instance that is explained; None explains all of them.
        milestones: the reward table, in the order of declaration.
        rules: sentences on success, totals and ends.
        drawn: what stands for each `{parameter}`: its value, or how it is drawn.
        max_reward: what a perfect episode earns.
    """

    id: str
    description: str
    goal: str
    seed: int | None
    milestones: tuple[MilestoneInWords, ...]
    rules: tuple[str, ...]
    drawn: dict[str, str]
    max_reward: float

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as JSON-ready plain data."""
        rows = [asdict(row) | {"sentence": row.sentence} for row in self.milestones]
        return asdict(self) | {"milestones": rows}


def explain(task: Task, seed: int | None = None) -> Explanation:
    """Put a task's rewards into words.

    Args:
        task: the task.
        seed: the instance to explain, zero or more; None leaves the parameters in braces, which explains all.

    Raises:
        TaskError: the seed is negative, or draws no instance.
    """
    instance = task.instantiate(0 if seed is None else seed)
    specs: list[Spec] = [m.spec if seed is None else m.spec.filled(instance.parameters) for m in task.milestones]
    return Explanation(
        id=env_id_of(task.name, task.version),
        description=task.description,
        goal=task.goal if seed is None else instance.goal,
        seed=seed,
        milestones=tuple(
            _row(task, m, spec, m.description if seed is None else filled.description)
            for m, spec, filled in zip(task.milestones, specs, instance.milestones, strict=True)
        ),
        rules=_rules(task, instance.max_reward),
        drawn={
            name: _how_drawn(parameter) if seed is None else value_text(instance.parameters[name])
            for name, parameter in task.parameters.items()
        },
        max_reward=instance.max_reward,
    )


def _row(task: Task, milestone: MilestoneSpec, spec: Spec, description: str) -> MilestoneInWords:
    conditions = []
    if milestone.after:
        first = listed(milestone.after)
        conditions.append(f"It counts only once {first} {'are' if len(milestone.after) > 1 else 'is'} reached.")
    if milestone.expires_after is not None:
        since = "then" if milestone.after else "the start"
        conditions.append(f"It counts only within {_steps(milestone.expires_after)} from {since} on.")
    if milestone.forbidden:
        conditions.append("It is forbidden: an episode that reaches it is no success.")
    if milestone.ends_episode:
        conditions.append("It ends the episode.")
    if milestone.source is not Source.RULE:
        who = {Source.JUDGE: "An LLM judge", Source.MODEL: "The learned reward model"}[milestone.source]
        conditions.append(f"{who} answers for it.")
    if milestone.id in task.success_ids:
        conditions.append("Success needs it.")
    conditions += _further(milestone, _KNOWN_OF_MILESTONE)
    return MilestoneInWords(
        id=milestone.id,
        description=description,
        reward=milestone.reward,
        when=describe(spec),
        conditions=tuple(conditions),
    )


def _rules(task: Task, max_reward: float) -> tuple[str, ...]:
    needed = [m.id for m in task.milestones if m.id in task.success_ids]
    forbidden = [m for m in task.milestones if m.forbidden]
    success = f"Success: {listed(needed)} reached"
    success += f", and none of the forbidden ({listed([m.id for m in forbidden])})." if forbidden else "."
    total = f"A perfect episode earns {max_reward:.2f}."
    if cost := sum(m.reward for m in forbidden):
        total += f" Reaching everything that is forbidden costs {-cost:.2f}."
    by_rules = all(m.source is Source.RULE for m in task.milestones if m.id in task.success_ids)
    ends = [
        *["at success"] * by_rules,
        *(f"when {m.id} is reached" for m in task.milestones if m.ends_episode),
        "at done(...)",
    ]
    ends.append(f"after {task.max_steps} action{'s' * (task.max_steps != 1)}")
    if task.max_idle_steps is not None:
        idle = "one action that changes" if task.max_idle_steps == 1 else f"{task.max_idle_steps} in a row that change"
        ends.append(f"after {idle} nothing")
    once = "Each milestone pays once in an episode. What already holds at the start pays nothing."
    rules = [success, total, f"The episode ends {listed(ends, 'or')}.", once, *_how_it_pays(task, max_reward)]
    rules += _where(task)
    if task.files:
        rules.append(f"The workspace holds {listed(list(task.files))} at the start.")
    return (*rules, *_further(task, _KNOWN_OF_TASK))


def _where(task: Task) -> list[str]:
    """Return where it runs, if that is no bundled application, and what prepares it."""
    rules = []
    if task.site is not None:
        rules.append(f"Its pages are the files of the folder {Path(task.site).name}.")
    elif task.hosts:
        rules.append(f"Its pages are those of {listed(task.hosts)}.")
    elif task.apps:
        rules.append(f"Its pages are those of {listed(task.apps)}; it starts in {task.apps[0]}.")
    elif isinstance(task.app, OwnApp) or ":" in (task.app or ""):
        rules.append(f"Its pages are served by {task.place}.")
    elif task.app is None:
        rules.append("It has no pages.")
    if task.workspace is not None:
        rules.append(f"The workspace begins as a copy of {Path(task.workspace).name}.")
    if task.setup is not None:
        rules.append("A function of Python prepares each episode.")
    return rules


def _how_it_pays(task: Task, max_reward: float) -> list[str]:
    """Return what changes the reward table: components, and shaping."""
    reward = task.reward
    rules = []
    if isinstance(reward, ComponentReward):
        weights = reward.weights.model_dump()
        shares = listed([f"{name} {weight:g}" for name, weight in weights.items() if weight])
        rules.append(
            f"Not the milestones pay but components, each for new progress only and by its weight ({shares}); a "
            "milestone that costs something still does."
        )
    elif reward.shaping is not Shaping.RAW:
        rules.append(
            f"The milestones' rewards are not paid one by one: success pays {max_reward:.2f} at once; a milestone that "
            "costs something still does."
        )
    if reward.shaping is Shaping.POTENTIAL:
        rules.append(f"Potential-based shaping (gamma {reward.gamma:g}) rewards progress and takes it back at the end.")
    return rules


def _steps(count: int) -> str:
    return "one step" if count == 1 else f"{count} steps"


def _further(model: BaseModel, known: frozenset[str]) -> list[str]:
    """Return one sentence for each key that is set and that this module does not word."""
    return [
        f"{name.replace('_', ' ').capitalize()}: {_plain(getattr(model, name))}."
        for name, info in type(model).model_fields.items()
        if name not in known and getattr(model, name) != info.get_default(call_default_factory=True)
    ]


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_defaults=True)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return value_text(value)


def _how_drawn(parameter: Parameter) -> str:
    if parameter.choice is not None:
        return _one_of(parameter.choice)
    if parameter.integer is not None:
        return f"a whole number from {parameter.integer[0]} to {parameter.integer[1]}"
    if parameter.decimal is not None:
        low, high, places = parameter.decimal
        return f"a number from {low} to {high} with {places} decimal place{'s' * (places != 1)}"
    if parameter.sample is not None:
        sample = parameter.sample
        drawn = _one_of(sample.options) if sample.count == 1 else f"{sample.count} of {_shortened(sample.options)}"
        return drawn + (f", other than {listed(sample.distinct_from)}" if sample.distinct_from else "")
    if parameter.sha256 is not None:
        return f'the SHA-256 digest of "{parameter.sha256}"'
    return f'"{parameter.template}"'


def _one_of(options: Sequence[Any]) -> str:
    return value_text(options[0]) if len(options) == 1 else f"one of {_shortened(options)}"


def _shortened(options: Sequence[Any]) -> str:
    shown = ", ".join(map(value_text, options[:4]))
    return shown if len(options) <= 4 else f"{shown} and {len(options) - 4} more"


__all__ = ["Explanation", "MilestoneInWords", "explain"]
