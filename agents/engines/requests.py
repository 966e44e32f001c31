"""What is the same for every engine: which requests are refused, and where each row's randomness comes from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...sandbox.errors import EngineError

_MOST_SEED = 1 << 62


def check_request(
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float,
    generator: torch.Generator | None,
    seeds: Sequence[int] | None,
) -> None:
    """Refuse what no engine can sample.

    Raises:
        EngineError: says which argument, what was expected, and what to do.
    """
    empty = [i for i, p in enumerate(prompts) if len(p) == 0]
    if empty:
        raise EngineError(
            f"expected non-empty prompts, but prompt {empty[0]} has no tokens: render its observation first"
        )
    if max_new_tokens < 1:
        raise EngineError(f"expected max_new_tokens of at least 1, got {max_new_tokens}")
    if temperature < 0:
        raise EngineError(f"expected a temperature of 0 (greedy) or above, got {temperature}")
    if seeds is not None and len(seeds) != len(prompts):
        raise EngineError(
            f"expected a seed for each prompt, got {len(seeds)} seeds for {len(prompts)} prompts: leave seeds out to "
            "draw from the generator"
        )
    if temperature > 0 and generator is None and seeds is None:
        raise EngineError("sampling needs a torch.Generator: pass generator=, or temperature=0 for greedy decoding")


def row_uniforms(rows: int, steps: int, *, generator: torch.Generator | None, seeds: Sequence[int] | None) -> Tensor:
    """(rows, steps) numbers in [0, 1), float64: each row from its own seed, or all of them from the generator."""
    if seeds is None:
        return torch.rand(rows, steps, generator=generator, dtype=torch.float64)
    own = torch.Generator()
    return torch.stack([torch.rand(steps, generator=own.manual_seed(seed), dtype=torch.float64) for seed in seeds])


def row_seeds(rows: int, *, generator: torch.Generator | None, seeds: Sequence[int] | None) -> list[int]:
    """A seed for each row: its own, or one drawn from the generator."""
    if seeds is not None:
        return list(seeds)
    drawn: list[int] = torch.randint(_MOST_SEED, (rows,), generator=generator).tolist()
    return drawn


__all__ = ["check_request", "row_seeds", "row_uniforms"]
