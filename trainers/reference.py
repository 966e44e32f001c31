"""A reference policy that follows the trained one: a running average of its adapter's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..agents.lora import trainable_parameters
from ..sandbox.errors import RunError


class AveragedReference:
    """The average, and the means to speak with its voice.

    With decay 0 it is the policy as it was when last told to `follow`: GRPO's reference, refreshed in every iteration
    (Shao et al. 2024, algorithm 1). Between 0 and 1 it is an exponential moving average.

    Args:
        model: the policy; its trainable weights are the average's start.
        decay: share of itself that it keeps, in [0, 1).
    """

    def __init__(self, model: Any, decay: float) -> None:
        self._parameters = list(trainable_parameters(model))
        self._decay = decay
        self._average = [p.detach().clone() for p in self._parameters]

    def follow(self) -> None:
        """Take in the policy as it is now."""
        for mean, parameter in zip(self._average, self._parameters, strict=True):
            mean.lerp_(parameter.detach(), 1.0 - self._decay)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Within this context the policy's model has the average's weights; no gradient may be pending."""
        own = [p.detach().clone() for p in self._parameters]
        self._write(self._average)
        try:
            yield
        finally:
            self._write(own)

    def save(self, path: Path) -> None:
        """Write the average."""
        torch.save(self._average, path)

    def load(self, path: Path) -> None:
        """Read an average that `save` wrote.

        Raises:
            RunError: the file is missing or does not fit the model.
        """
        try:
            found = torch.load(path, weights_only=True)
            for mean, value in zip(self._average, found, strict=True):
                mean.copy_(value)
        except (OSError, ValueError, RuntimeError) as error:
            raise RunError(
                f"cannot read the reference policy {path}: {error}. Delete the checkpoint that holds it to resume from "
                "the one before."
            ) from error

    def _write(self, values: list[torch.Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self._parameters, values, strict=True):
                parameter.copy_(value)


__all__ = ["AveragedReference"]
