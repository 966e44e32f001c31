"""R_phi at work: a trained version that scores the steps of episodes in batches.

    model = LearnedRewardModel.load(Path("models/reward_model"))      # the newest version, or a version's own folder
    for steps in model.score(episodes):                               # EpisodeView, see agents.views
        print([round(step.value, 2) for step in steps])

Steps are tokenised part by part and scored by what they say, so an episode that has grown by a step since it was last
scored costs that step, and a step that several episodes share is scored once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...rewards.reward_model.calibration import Floats, centred, step_confidence
from ...rewards.reward_model.scores import StepScore
from ...rewards.reward_model.text import StepEncoder, TextBudgets
from ...rewards.reward_model.versions import ADAPTER, HEADS, Calibration, Manifest, read_manifest, resolve_version
from ...rewards.step_view import EpisodeView
from ..lora import load_lora
from .network import Ids, RewardNetwork, load_backbone


class LearnedRewardModel:
    """Implements `rewards.reward_model.RewardModel`; see the module's docstring.

    Args:
        network: the trained network; it is only read.
        encoder: makes token ids of steps.
        calibration: how raw scores become values and confidences.
        version: name given to the scores.
        steps_kept: how many distinct steps' scores are remembered; the network must not change while they are.
    """

    def __init__(
        self,
        network: RewardNetwork,
        encoder: StepEncoder,
        calibration: Calibration,
        *,
        version: str,
        steps_kept: int = 50_000,
    ) -> None:
        self.network = network
        self.encoder = encoder
        self.calibration = calibration
        self._version = version
        self._steps_kept = steps_kept
        self._known: dict[Ids, Floats] = {}

    @classmethod
    def load(cls, path: Path, *, dtype: torch.dtype | None = None) -> LearnedRewardModel:
        """Load a version: its own folder, or the newest in a folder of versions.

        Raises:
            RewardError: there is none, or its manifest is damaged.
            EngineError: its backbone or weights cannot be loaded.
        """
        folder = resolve_version(path)
        manifest = read_manifest(folder)
        network, tokenizer = load_network(folder, manifest, trainable=False, dtype=dtype)
        encoder = step_encoder(tokenizer, manifest.text_budgets())
        return cls(network, encoder, manifest.calibration, version=manifest.version)

    @property
    def version(self) -> str:
        """The version that answers."""
        return self._version

    def score(self, episodes: Sequence[EpisodeView]) -> list[list[StepScore]]:
        """Return a score for each step of each episode; see `RewardModel.score`."""
        raw = self.raw(episodes)
        scored: list[list[StepScore]] = []
        for raw_SH in raw:
            mean = raw_SH.mean(axis=1).tolist()
            values = centred(mean, self.calibration.offset)
            spread = raw_SH.std(axis=1).tolist()
            sure = step_confidence(raw_SH, self.calibration.temperature, self.calibration.demonstration_step).tolist()
            scored.append(
                [
                    StepScore(value=v, raw=r, spread=s, confidence=c, version=self._version)
                    for v, r, s, c in zip(values, mean, spread, sure, strict=True)
                ]
            )
        return scored

    @torch.no_grad()
    def raw(self, episodes: Sequence[EpisodeView]) -> list[Floats]:
        """Return each head's uncentred scores, (steps, heads), of each episode."""
        ids = [[self.encoder.ids(episode.goal, step) for step in episode.steps] for episode in episodes]
        wanted = list(dict.fromkeys(step for steps in ids for step in steps))
        if len(self._known) + len(wanted) > self._steps_kept:
            self._known.clear()
        new = [step for step in wanted if step not in self._known]
        self._known.update(zip(new, self.network.scores(new).double().numpy(), strict=True))
        none = np.zeros((0, self.network.heads))
        return [np.stack([self._known[step] for step in steps]) if steps else none for steps in ids]


def load_network(
    folder: Path, manifest: Manifest, *, trainable: bool, dtype: torch.dtype | None = None
) -> tuple[RewardNetwork, Any]:
    """Load a version's network and its backbone's tokenizer."""
    backbone, tokenizer, pooling = load_backbone(manifest.backbone, layers=manifest.layers, dtype=dtype)
    adapted = load_lora(backbone, folder / ADAPTER, trainable=trainable).eval()
    network = RewardNetwork(adapted, heads=manifest.heads, pooling=pooling)
    network.load_heads(folder / HEADS)
    return network, tokenizer


def step_encoder(tokenizer: Any, budgets: TextBudgets) -> StepEncoder:
    """Return what makes token ids of steps, with a Hugging Face tokenizer."""

    def encode(text: str) -> list[int]:
        return [int(i) for i in tokenizer(text, add_special_tokens=False)["input_ids"]]

    return StepEncoder(encode, budgets)


__all__ = ["LearnedRewardModel", "load_network", "step_encoder"]
