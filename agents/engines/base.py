"""What every sampling engine promises: token ids in, token ids out, with the log-probabilities they were drawn at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch


EngineKind = Literal["hf", "vllm"]
"""The engines there are, see `opening`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sampled response.

    Attributes:
        ids: token ids as sampled, the stop token included when one was sampled.
        logprobs: log-probability of each token under the distribution it was drawn from (temperature applied), nats.
            Under greedy decoding (temperature 0): its log-probability at temperature 1.
        entropy: mean entropy of those distributions, nats; an engine that does not see whole distributions estimates it
            by minus the mean of `logprobs`, whose expectation it is. None: unknown (greedy decoding of such an engine).
        stopped: whether the response ends in a stop token (False: cut at `max_new_tokens`).
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    entropy: float | None
    stopped: bool


@runtime_checkable
class Engine(Protocol):
    """Samples responses from a language model whose weights may change between calls."""

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int,
        temperature: float,
        stop_ids: Sequence[int],
        generator: torch.Generator | None = None,
        seeds: Sequence[int] | None = None,
    ) -> list[Sample]:
        """Draw one response for each prompt, in order; repeat a prompt to draw several.

        Args:
            prompts: token ids, each non-empty.
            max_new_tokens: most tokens to draw for one prompt, at least 1.
            temperature: above 0; 0 means greedy.
            stop_ids: tokens that end a response (and belong to it).
            generator: source of randomness; may be None when greedy or with seeds.
            seeds: one for each prompt, 0 to 2^62: its response is then drawn from this alone, in whatever company it is
                sampled. None: all from the generator.

        Raises:
            EngineError: the arguments are unusable or the model cannot sample them.
        """
        ...

    def weights_changed(self) -> None:
        """Say that the model's weights were updated: whatever was computed from the old ones is dropped."""
        ...

    def forget(self) -> None:
        """Drop what is kept of earlier prompts, so that what comes does not depend, by rounding, on what came before.

        Resuming a run bit for bit needs it; the weights stay as they are.
        """
        ...


__all__ = ["Engine", "EngineKind", "Sample"]
