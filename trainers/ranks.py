"""Several processes that train one policy: which of them this is, and what they tell each other.

Each process (a rank) holds the whole policy and keeps the same random states, so that all draw the same groups and deal
the same minibatches. A rank plays its share of the groups; the episodes are then gathered, so that every rank credits
the whole batch and knows the normalisers of the whole batch; it computes its share of each minibatch, and the gradients
are summed. Sums only: nothing is averaged over ranks, so an update is that of one process on the same batch, up to the
order of additions. Rank 0 alone evaluates, writes the run's folder (but for the ledgers of other ranks' episodes) and
speaks.

A launcher such as `accelerate launch` or `torchrun` says in the environment who is who; without one there is one rank.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from ..sandbox.errors import RunError

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = timedelta(hours=24)
"""How long a rank waits for the others, which may be evaluating; one that has died is noticed at once."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """One process among those that train together; what is called collective is called by all of them, in one order.

    Attributes:
        rank: this process' number, from 0.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def of_environment(cls) -> Ranks:
        """Return which process a launcher has made this one.

        Raises:
            RunError: the launcher's variables contradict each other.
        """
        said = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE")}
        if not all(said.values()) or said["WORLD_SIZE"] == "1":
            return cls()
        if not all(value.isdigit() for value in said.values()) or int(said["RANK"]) >= int(said["WORLD_SIZE"]):
            raise RunError(
                f"expected RANK below WORLD_SIZE, as torchrun and accelerate set them, got {said}. Start the processes "
                "with `torchrun`, or unset both variables for a single one."
            )
        return cls(int(said["RANK"]), int(said["WORLD_SIZE"]))

    @property
    def main(self) -> bool:
        """Whether this is the rank that evaluates, writes and speaks."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.world > 1

    def share(self, items: Sequence[T]) -> list[T]:
        """Return this rank's part of what is dealt out one by one."""
        return list(items[self.rank :: self.world])

    def stretch(self, costs: Sequence[float]) -> range:
        """Return this rank's part of a row of things, neighbours together, of about equal cost for every rank.

        Args:
            costs: of each thing, 0 or more.
        """
        total, before, ranks = sum(costs), 0.0, []
        for cost in costs:
            middle = before + cost / 2
            ranks.append(min(self.world - 1, int(self.world * middle / total)) if total else 0)
            before += cost
        mine = [i for i, rank in enumerate(ranks) if rank == self.rank]
        return range(mine[0], mine[-1] + 1) if mine else range(0)

    def generator(self, common: torch.Generator) -> torch.Generator:
        """Return a source of draws of this rank's own, seeded by one draw from the common one; alone: the common one.

        Collective only in that all ranks must draw alike from `common`.
        """
        if not self.several:
            return common
        seed = int(torch.randint(2**53, (), generator=common))
        return torch.Generator().manual_seed(seed * self.world + self.rank)

    def gathered(self, own: T) -> list[T]:
        """Collective: return every rank's object, by rank."""
        if not self.several:
            return [own]
        found: list[T | None] = [None] * self.world
        with self._together():
            distributed.all_gather_object(found, own)
        return found  # type: ignore[return-value]

    def agreed(self, value: T) -> T:
        """Collective: return rank 0's value."""
        if not self.several:
            return value
        box = [value]
        with self._together():
            distributed.broadcast_object_list(box, src=0)
        return box[0]

    def mapped(self, items: Sequence[T], compute: Callable[[Sequence[T]], Sequence[R]]) -> list[R]:
        """Collective: return what `compute` makes of the items, each rank computing a stretch of them."""
        mine = self.stretch([1.0] * len(items))
        own = list(compute(items[mine.start : mine.stop])) if mine else []
        return [result for part in self.gathered(own) for result in part]

    def summed(self, values: Mapping[str, float]) -> dict[str, float]:
        """Collective: add up every rank's numbers by name; a name that a rank lacks counts 0 there."""
        totals: dict[str, float] = {}
        for part in self.gathered(dict(values)):
            for name, value in part.items():
                totals[name] = totals.get(name, 0.0) + value
        return totals

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Collective: replace each gradient by the sum of every rank's; one that is absent here counts 0."""
        if not self.several:
            return
        learnt = list(parameters)
        flat = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1).float().cpu() for p in learnt]
        )
        with self._together():
            distributed.all_reduce(flat)
        for parameter, part in zip(learnt, torch.split(flat, [p.numel() for p in learnt]), strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.device, parameter.dtype)

    def share_parameters(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Collective: overwrite the parameters with those of rank 0."""
        if not self.several:
            return
        with torch.no_grad():
            for parameter in parameters:
                value = parameter.detach().cpu().contiguous()
                with self._together():
                    distributed.broadcast(value, src=0)
                parameter.copy_(value)

    def wait(self) -> None:
        """Collective: go on when all are here."""
        self.agreed(None)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Say what a lost connection means."""
        try:
            yield
        except RuntimeError as error:
            raise RunError(
                f"process {self.rank} of {self.world} lost the others ({error}). Look at the first error that one of "
                "them gave; the same command resumes after the last finished iteration."
            ) from error


@contextmanager
def joined() -> Iterator[Ranks]:
    """Meet the other processes that a launcher has started (over gloo), and part from them afterwards.

    Raises:
        RunError: they cannot be reached.
    """
    ranks = Ranks.of_environment()
    if not ranks.several:
        yield ranks
        return
    try:
        distributed.init_process_group("gloo", rank=ranks.rank, world_size=ranks.world, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise RunError(
            f"process {ranks.rank} of {ranks.world} does not reach the others ({error}). Expected MASTER_ADDR and "
            "MASTER_PORT in the environment, as `torchrun` and `accelerate launch` set them."
        ) from error
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()


__all__ = ["PATIENCE", "Ranks", "joined"]
