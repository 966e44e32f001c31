"""Policies: something that looks at a batch of live episodes and decides an action for each.

`OraclePolicy`, `NoopPolicy` and `RandomPolicy` need no model: they are the upper bound and two of the floors that every
task is checked against; null_policies.py has the others. `LanguageModelPolicy` is the one that trains.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..envs.task import TaskInstance
from ..sandbox.errors import TaskError
from .prompts import build_prompt_ids, render_observation

if TYPE_CHECKING:
    import torch

    from .engines.base import Engine


_MOST_SEED = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a policy sees of one live episode.

    Attributes:
        observation: the environment's observation.
        instance: the task instance; only the oracle may read beyond the observation. None where the environment is
            not a task of milepost.
        step: number of actions taken so far.
        rng: the episode's own generator.
        instructions: what a policy is told of the actions where they are not ours.
    """

    observation: Mapping[str, str]
    instance: TaskInstance | None
    step: int
    rng: np.random.Generator
    instructions: str | None = None

    @property
    def drawn(self) -> TaskInstance:
        """The task instance, where there must be one.

        Raises:
            TaskError: there is none.
        """
        if self.instance is None:
            raise TaskError("this policy plays tasks of milepost; a foreign environment has no oracle and no actions")
        return self.instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An action, with the tokens behind it when a language model chose it (see `StepRecord`).

    Attributes:
        action: what to do.
        prompt_ids: see `StepRecord`, as the next three.
        response_ids: see there.
        behaviour_logprobs: see there.
        entropy: see there.
        prompt_tokens: how many tokens the prompt had, where the ids are not known.
        completion_tokens: the same of the answer.
        failure: why there is no action, if what was to decide broke down: the episode then ends as one that the machine
            broke, to be played again or left out, never scored.
    """

    action: str
    prompt_ids: tuple[int, ...] = ()
    response_ids: tuple[int, ...] = ()
    behaviour_logprobs: tuple[float, ...] = ()
    entropy: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    failure: str | None = None


class Policy(Protocol):
    """Decides one action for each of a batch of live episodes."""

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return one decision per view, in the same order."""
        ...


class ScriptPolicy:
    """Plays the actions that a function gives for an instance, then repeats `noop()`."""

    def __init__(self, actions_of: Callable[[TaskInstance], Sequence[str]]) -> None:
        self._actions_of = actions_of

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return the script's next action for each episode."""
        return [Decision(action=self._act(v)) for v in views]

    def _act(self, view: View) -> str:
        actions = self._actions_of(view.drawn)
        return actions[view.step] if view.step < len(actions) else "noop()"


class OraclePolicy(ScriptPolicy):
    """Plays the task's own oracle, then repeats `noop()`.

    MiniWoB++ tasks have none of their own: for them it is `MiniwobOracle`.

    Attributes:
        observations: what it needs to see of such tasks.
    """

    observations = ("text", "html", "boxes")

    def __init__(self) -> None:
        super().__init__(lambda instance: instance.oracle)
        self._by_reading: Policy | None = None

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return the oracle's next action for each episode."""
        scripted = [view.drawn.oracle != () for view in views]
        if all(scripted):
            return super().decide(views)
        if self._by_reading is None:
            from .miniwob_oracles import MiniwobOracle

            self._by_reading = MiniwobOracle()
        read = iter(self._by_reading.decide([view for view, own in zip(views, scripted, strict=True) if not own]))
        return [
            super(OraclePolicy, self).decide([v])[0] if own else next(read)
            for v, own in zip(views, scripted, strict=True)
        ]


class NoopPolicy:
    """Never does anything. It must earn nothing."""

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return `noop()` for each episode."""
        return [Decision(action="noop()") for _ in views]


class RandomPolicy:
    """Acts on a random listed element: clicks it, fills it with a word of the goal, or chooses one of its options.

    It must earn little.
    """

    _ELEMENT = re.compile(r'^\s*\[(\d+)\] (\w+) ".*?"(?: "[^"]*" \((.*)\))?')

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return a random plausible action for each episode."""
        return [Decision(action=self._act(v)) for v in views]

    def _act(self, view: View) -> str:
        targets = [m.groups() for line in view.observation["page"].splitlines() if (m := self._ELEMENT.match(line))]
        if not targets:
            return "back()"
        ref, role, listed = targets[int(view.rng.integers(len(targets)))]
        options = [option for option in (listed or "").split(", ") if option not in ("", "...")]
        if options:
            return f'select({ref}, "{options[int(view.rng.integers(len(options)))]}")'
        if role in {"textbox", "searchbox", "spinbutton"}:
            words = re.findall(r"\w+", view.observation["goal"]) or ["text"]
            return f'fill({ref}, "{words[int(view.rng.integers(len(words)))]}")'
        return f"click({ref})"


@dataclass(slots=True)
class LanguageModelPolicy:
    """Samples actions from a causal language model through an engine.

    Args:
        engine: what turns prompts into token ids and log-probabilities.
        tokenizer: the model's tokenizer, with a chat template.
        generator: source of every random draw; same generator state, same samples.
        temperature: 0 decodes greedily.
        max_new_tokens: longest action, in tokens.
        by_episode: draw each action from a seed of the episode's own, so that it is drawn alike in whatever company;
            the generator then only tells one policy's seeds from another's. Otherwise all are drawn from the generator.
    """

    engine: Engine
    tokenizer: Any
    generator: torch.Generator
    temperature: float = 1.0
    max_new_tokens: int = 24
    by_episode: bool = False
    _greedy_memo: dict[tuple[int, ...], Decision] = field(default_factory=dict)
    _salt: int | None = None

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return one sampled (or greedy) decision per view.

        Greedy decoding is a function of the prompt, so a prompt already answered is answered from memory.
        """
        prompts = [self._prompt(view) for view in views]
        ask = [p for p in dict.fromkeys(prompts) if p not in self._greedy_memo] if self.temperature == 0 else prompts
        samples = self.engine.sample(
            ask,
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            stop_ids=(int(self.tokenizer.eos_token_id),),
            generator=self.generator,
            seeds=self._seeds(views) if self.by_episode and self.temperature > 0 else None,
        )
        decisions = [
            Decision(
                action=self.tokenizer.decode(s.ids, skip_special_tokens=True),
                prompt_ids=p,
                response_ids=tuple(s.ids),
                behaviour_logprobs=tuple(s.logprobs),
                entropy=s.entropy,
            )
            for p, s in zip(ask, samples, strict=True)
        ]
        if self.temperature > 0:
            return decisions
        self._greedy_memo.update(zip(ask, decisions, strict=True))
        return [self._greedy_memo[p] for p in prompts]

    def _seeds(self, views: Sequence[View]) -> list[int]:
        if self._salt is None:
            import torch

            self._salt = int(torch.randint(_MOST_SEED, (), generator=self.generator))
        return [int(view.rng.integers(_MOST_SEED)) ^ self._salt for view in views]

    def _prompt(self, view: View) -> tuple[int, ...]:
        shown = render_observation(view.observation)
        if view.instructions is not None:
            return build_prompt_ids(self.tokenizer, shown, instructions=view.instructions)
        return build_prompt_ids(self.tokenizer, shown, verbs=view.drawn.task.verbs)


__all__ = [
    "Decision",
    "LanguageModelPolicy",
    "NoopPolicy",
    "OraclePolicy",
    "Policy",
    "RandomPolicy",
    "ScriptPolicy",
    "View",
]
