"""A task as an object with one method per action, as TRL's GRPOTrainer takes it for `environment_factory`.

    from trl import GRPOConfig, GRPOTrainer
    from datasets import Dataset

    trainer = GRPOTrainer(
        model="Qwen/Qwen3-0.6B",
        environment_factory=tool_environment("expense-form"),
        train_dataset=Dataset.from_list(tool_rows("expense-form", range(64))),
        args=GRPOConfig(max_tool_calling_iterations=10),
    )

The trainer resets each object with a row's columns, shows what `reset` returns behind the row's prompt, offers the
methods to the model as tools, and asks `get_reward` when the model calls no more of them. A group's rows have the same
seed, so its members begin alike. It plays its objects one after another; `milepost train grpo` plays them at once.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import numpy as np

from ..envs.actions import ACTION_TYPES
from ..envs.concurrent import reset_many, step_many
from ..envs.env import MilepostEnv
from ..envs.registration import resolve_id, task_for
from ..envs.suites import expand
from ..sandbox.errors import SandboxError
from .prompts import render_observation

PROMPT = "You operate a web page to reach a goal, by calling one tool at a time.\n"
OVER = "The episode is over."


class ToolEnvironment:
    """One rollout's episode; its subclasses, made by `tool_environment`, have the actions as methods.

    Attributes:
        ids: the tasks that it may play; the first unless a reset says otherwise.
    """

    ids: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._env: MilepostEnv | None = None
        self._over = True
        self._reward: float | None = None
        self._rng = np.random.default_rng()

    def reset(self, task: str | None = None, seed: int | None = None, **_: Any) -> str:
        """Begin an episode.

        Args:
            task: name or id of one of the tasks; the first if left out.
            seed: of the episode; drawn if left out.

        Returns:
            The goal and the page, in words. If the machine failed it says so, and `get_reward` gives None.

        Raises:
            ValueError: the task is not one of these.
            TaskError: there is no such task.
        """
        task_id = self.ids[0] if task is None else resolve_id(task)
        if task_id not in self.ids:
            raise ValueError(f"expected one of {', '.join(self.ids)}, came {task!r}; name it in tool_environment(...)")
        if self._env is not None and self._env.task_id != task_id:
            self._env.close()
            self._env = None
        if self._env is None:
            self._env = MilepostEnv(task_for(task_id))
        seed = int(self._rng.integers(2**31)) if seed is None else int(seed)
        self._over, self._reward = True, None
        try:
            [(observation, info)] = reset_many([self._env], [seed])
        except SandboxError as error:
            return f"{error}. {OVER}"
        if info["failure"] is not None:
            return f"the machine failed ({info['failure']}). {OVER}"
        self._over, self._reward = False, 0.0
        return render_observation(observation)

    def get_reward(self) -> float | None:
        """Return the episode's reward so far; None if the machine failed, which says nothing about the model."""
        return self._reward

    def _act(self, verb: str, arguments: Mapping[str, Any]) -> str:
        if self._over or self._env is None:
            return OVER
        given = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items() if value is not None)
        [(observation, reward, terminated, truncated, info)] = step_many([self._env], [f"{verb}({given})"])
        self._over = bool(terminated or truncated)
        if info["reward"].total is None:
            self._reward = None
        elif self._reward is not None:
            self._reward += float(reward)
        shown = render_observation(observation).partition("\n")[2]  # the goal stands in the prompt
        return f"{shown}\n{OVER}" if self._over else shown


def tool_environment(*names: str) -> Callable[[], ToolEnvironment]:
    """Return what makes environments of tasks, for `environment_factory`.

    Args:
        names: tasks or suites, as in a training configuration; their actions together are the tools.

    Raises:
        TaskError: there is no such task or suite.
    """
    ids = expand(names)
    verbs = frozenset[str]().union(*(task_for(task_id).verbs for task_id in ids))
    members: dict[str, Any] = {verb: _tool(verb) for verb in ACTION_TYPES if verb in verbs}
    return type("MilepostEnvironment", (ToolEnvironment,), {"__doc__": ToolEnvironment.__doc__, "ids": ids, **members})


def tool_rows(name: str, seeds: Iterable[int], *, prompt: str = PROMPT) -> list[dict[str, Any]]:
    """Return rows of a data set for GRPOTrainer: a prompt, and what `reset` is called with.

    Args:
        name: a task or suite; each seed makes a row of each task.
        seeds: the episodes' seeds; training's are below `milepost.agents.evaluate.HELD_OUT_SEED`.
        prompt: what the user says before the goal and the page.
    """
    message = [{"role": "user", "content": prompt}]
    return [{"prompt": message, "task": task_id, "seed": int(s)} for s in seeds for task_id in expand([name])]


def _tool(verb: str) -> Callable[..., str]:
    """Return the method of an action: typed and described as tool schemas are made from."""
    cls = ACTION_TYPES[verb]
    fields = {name: field for name, field in cls.model_fields.items() if name != "kind"}

    def act(self: ToolEnvironment, **arguments: Any) -> str:
        return self._act(verb, arguments)

    types = {name: _plain(field.annotation) for name, field in fields.items()}
    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters += [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=types[name],
            default=inspect.Parameter.empty if field.is_required() else field.default,
        )
        for name, field in fields.items()
    ]
    lines = [" ".join((cls.__doc__ or "").split()), ""]
    if fields:
        lines += ["Args:", *(f"    {name}: {field.description}" for name, field in fields.items()), ""]
    act.__name__ = act.__qualname__ = verb
    act.__doc__ = "\n".join([*lines, "Returns:", "    What the page looks like afterwards."])
    act.__annotations__ = {**types, "return": str}
    act.__signature__ = inspect.Signature(parameters, return_annotation=str)  # type: ignore[attr-defined]
    return act


def _plain(annotation: Any) -> Any:
    """Return a type without its bounds, which the environment itself holds calls to."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return Union[tuple(_plain(part) for part in get_args(annotation))]  # noqa: UP007 (made of values)
    if origin is Literal or origin is None:
        return annotation
    return origin[tuple(_plain(part) for part in get_args(annotation))]


__all__ = ["OVER", "PROMPT", "ToolEnvironment", "tool_environment", "tool_rows"]
