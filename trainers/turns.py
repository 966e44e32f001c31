"""What offline trainers learn from: turns (a prompt and a response), and examples made of them.

A turn that several examples share is stored, and computed, once. The data of a run are written down before its first
update, with the reference's log-probabilities, so that a killed run goes on with the same numbers even if the recorded
runs behind them have grown since.

Shape legend: T turns of the data, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from ..agents.prompts import build_prompt_ids
from ..agents.records import StepRecord, Trajectory
from ..envs.registration import task_for
from ..sandbox.errors import RunError
from .run_folder import write_atomically

Ids = tuple[int, ...]
Turn = tuple[Ids, Ids]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One thing to learn from, as indices of turns.

    A pair has both sides. What is known to be desirable has only a chosen side, what is known not to be only a rejected
    one. A demonstration is desirable.

    Attributes:
        task: the environment's id.
        chosen: turns to make likelier.
        rejected: turns to make less likely.
        mismatched: turns with another example's responses, for the reference point of KTO.
    """

    task: str
    chosen: tuple[int, ...] = ()
    rejected: tuple[int, ...] = ()
    mismatched: tuple[int, ...] = ()


@dataclass(slots=True)
class Turns:
    """Distinct turns, in the order in which they came.

    Attributes:
        prompts: distinct prompts.
        items: for each turn the index of its prompt, and its response.
    """

    prompts: list[Ids] = field(default_factory=list)
    items: list[tuple[int, Ids]] = field(default_factory=list)
    _prompt_of: dict[Ids, int] = field(default_factory=dict)
    _turn_of: dict[tuple[int, Ids], int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Turn:
        prompt, response = self.items[index]
        return self.prompts[prompt], response

    def add(self, turn: Turn) -> int:
        """Return the index of a turn, which is stored unless it is there."""
        prompt_ids, response_ids = turn
        prompt = self._prompt_of.setdefault(prompt_ids, len(self.prompts))
        if prompt == len(self.prompts):
            self.prompts.append(prompt_ids)
        key = (prompt, response_ids)
        index = self._turn_of.setdefault(key, len(self.items))
        if index == len(self.items):
            self.items.append(key)
        return index

    def tokens(self, indices: Iterable[int]) -> int:
        """Return how many response tokens these turns have."""
        return sum(len(self.items[i][1]) for i in indices)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineData:
    """Examples with their turns.

    Attributes:
        turns: of all examples.
        examples: what is learnt from.
        reference_T: each turn's log-probability under the reference; empty where no loss asks for it.
    """

    turns: Turns
    examples: tuple[Example, ...]
    reference_T: tuple[float, ...] = ()


@dataclass(slots=True)
class Tokens:
    """The tokens of recorded steps, as a model's tokenizer gives them.

    What was recorded with its tokens keeps them (`offline_episodes` takes away another model's). Anything else is
    tokenised from its text, ended by the end token: then a response that was cut at its longest looks finished.

    Attributes:
        tokenizer: of the model that learns.
    """

    tokenizer: Any

    def turn(self, task: str, step: StepRecord) -> Turn:
        """Return a recorded step's turn."""
        if step.prompt_ids and step.response_ids:
            return step.prompt_ids, step.response_ids
        response = self.tokenizer(step.action, add_special_tokens=False)["input_ids"]
        prompt_ids = build_prompt_ids(self.tokenizer, step.observation, verbs=task_for(task).verbs)
        return prompt_ids, (*map(int, response), int(self.tokenizer.eos_token_id))

    def turns(self, trajectory: Trajectory) -> list[Turn]:
        """Return an episode's turns, in order."""
        return [self.turn(trajectory.task, step) for step in trajectory.steps]


def mismatched(turns: Turns, own: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    """Return turns of one example's prompts with another's responses, which are gone round as often as needed."""
    return tuple(
        turns.add((turns[mine][0], turns[other[k % len(other)]][1])) for k, mine in enumerate(own)
    )  # fmt: skip


def save_data(path: Path, data: OfflineData) -> None:
    """Write the data of a run.

    Raises:
        RunError: the file cannot be written.
    """
    document = {
        "prompts": data.turns.prompts,
        "turns": data.turns.items,
        "examples": [[e.task, e.chosen, e.rejected, e.mismatched] for e in data.examples],
        "reference": data.reference_T,
    }
    write_atomically(path, orjson.dumps(document))


def load_data(path: Path) -> OfflineData:
    """Read the data of a run; raises RunError if they are missing or damaged."""
    try:
        document = orjson.loads(path.read_bytes())
        turns = Turns()
        prompts = [tuple(p) for p in document["prompts"]]
        for prompt, response in document["turns"]:
            turns.add((prompts[prompt], tuple(response)))
        examples = tuple(
            Example(task=task, chosen=tuple(chosen), rejected=tuple(rejected), mismatched=tuple(other))
            for task, chosen, rejected, other in document["examples"]
        )
        return OfflineData(turns=turns, examples=examples, reference_T=tuple(document["reference"]))
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        raise RunError(
            f"{path} is missing or damaged ({type(error).__name__}: {error}). It holds what the run learns from, so "
            "it cannot go on: choose another run folder and begin anew."
        ) from error


__all__ = ["Example", "Ids", "OfflineData", "Tokens", "Turn", "Turns", "load_data", "mismatched", "save_data"]
