"""Weights of the loss that adapt from iteration to iteration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .checkpoint import TrainingState
from .divergence import kl_coef_after, penalty_after
from .online_config import OnlineConfig


@dataclass(slots=True, kw_only=True)
class Coefficients:
    """The present weights of the entropy bonus, the KL to the reference, and the KL to the old policy."""

    entropy: float
    kl: float
    penalty: float

    @classmethod
    def of(cls, config: OnlineConfig) -> Coefficients:
        """Return those that a run begins with."""
        return cls(entropy=config.entropy_coef, kl=config.kl_coef, penalty=config.penalty_coef)

    def resumed(self, state: TrainingState) -> Coefficients:
        """Return those of a checkpoint; what it does not know stays as it is here."""
        return Coefficients(
            entropy=state.entropy_coef,
            kl=self.kl if state.kl_coef is None else state.kl_coef,
            penalty=self.penalty if state.penalty_coef is None else state.penalty_coef,
        )

    def adapt(self, config: OnlineConfig, update: Mapping[str, float], entropy: float) -> None:
        """Move those that have a target towards it.

        Args:
            config: the targets.
            update: what the update measured: `kl_reference` and `last_kl_old`, nats a token, where it did.
            entropy: the sampling distribution's, nats a token.
        """
        if config.entropy_target is not None:
            self.entropy = adapt_entropy_coef(self.entropy, entropy, config.entropy_target)
        if config.kl_target is not None and "kl_reference" in update:
            self.kl = kl_coef_after(self.kl, update["kl_reference"], config.kl_target)
        if config.penalty_target is not None and self.penalty > 0 and "last_kl_old" in update:
            self.penalty = penalty_after(self.penalty, update["last_kl_old"], config.penalty_target)

    def metrics(self, config: OnlineConfig) -> dict[str, float]:
        """Return them by the names of `metrics`; those that the run does not use are left out."""
        values = {"train/entropy_coef": self.entropy}
        if config.kl_target is not None:
            values["train/kl_coef"] = self.kl
        if config.penalty_coef > 0:
            values["train/penalty_coef"] = self.penalty
        return values


def adapt_entropy_coef(coef: float, entropy: float, target: float, *, rate: float = 0.5, most: float = 0.05) -> float:
    """Return the next entropy weight: it grows while the policy's entropy is below the target and shrinks above it.

    Args:
        coef: current weight.
        entropy: mean token entropy just seen, nats.
        target: wanted, nats.
        rate: how much of the relative gap one iteration makes up, times `most`.
        most: upper bound of the weight.
    """
    gap = (target - entropy) / max(target, 1e-6)
    return min(most, max(0.0, coef + rate * most * gap))


__all__ = ["Coefficients", "adapt_entropy_coef"]
