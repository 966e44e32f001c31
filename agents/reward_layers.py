"""The learned reward model and the judge in the form in which rewards are settled (`rewards.layers`)."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..envs.action_basic import Done
from ..envs.actions import parse_action
from ..rewards.judge.abstention import AbstentionKind
from ..rewards.judge.judge import Judge
from ..rewards.judge.request import JudgeRequest, Rubric
from ..rewards.layers import Question
from ..rewards.reward_model.scores import RewardModel
from ..rewards.step_view import EpisodeView
from ..rewards.types import Source, TierScore
from ..sandbox.errors import ActionError


class LearnedLayer:
    """R_phi as a layer.

    A step's answer is its score. Of an episode as a whole the model only knows how it compares: with its score V,
    centred so that demonstrations average 0, sigmoid(V / T) is the chance that it is preferred to a demonstration. So a
    milestone's answer is twice that, at most 1: as good as a demonstration is good enough. How sure it is of an episode
    is how sure it is of its steps, on average.

    Args:
        model: the reward model.
        temperature: T, of the model's calibration, above 0.
    """

    def __init__(self, model: RewardModel, *, temperature: float = 1.0) -> None:
        self._model = model
        self._temperature = temperature

    @classmethod
    def load(cls, path: Path) -> LearnedLayer:
        """Load a version: its own folder, or the newest in a folder of versions.

        Raises:
            RewardError: there is none, or its manifest is damaged.
            EngineError: its backbone or weights cannot be loaded.
        """
        from .reward_model.learned import LearnedRewardModel  # which needs torch

        model = LearnedRewardModel.load(path)
        return cls(model, temperature=model.calibration.temperature)

    def score_steps(self, episodes: Sequence[EpisodeView]) -> list[list[TierScore]]:
        """Return one answer for each step of each episode."""
        began = time.perf_counter()
        scored = self._model.score(episodes)
        each_ms = 1000 * (time.perf_counter() - began) / max(1, sum(map(len, scored)))
        return [
            [TierScore(tier=Source.MODEL, raw=s.value, confidence=s.confidence, latency_ms=each_ms) for s in steps]
            for steps in scored
        ]

    def score(self, questions: Sequence[Question]) -> list[TierScore]:
        """Return one answer for each question; none about an episode without steps."""
        answers = []
        for steps in self.score_steps([q.episode for q in questions]):
            if not steps:
                answers.append(TierScore(tier=Source.MODEL, raw=None, confidence=None))
                continue
            total = math.fsum(s.raw for s in steps if s.raw is not None)
            sure = math.fsum(s.confidence for s in steps if s.confidence is not None) / len(steps)
            preferred = 1.0 / (1.0 + math.exp(min(700.0, -total / self._temperature)))
            answers.append(
                TierScore(
                    tier=Source.MODEL, raw=min(1.0, 2.0 * preferred), confidence=sure,
                    latency_ms=math.fsum(s.latency_ms for s in steps),
                )
            )  # fmt: skip
        return answers


class JudgingLayer:
    """The judge as a layer.

    Args:
        judge: what is asked.

    Attributes:
        abstentions: how often it abstained so far, by the kind of its abstention.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.abstentions: Counter[AbstentionKind] = Counter()

    def score(self, questions: Sequence[Question]) -> list[TierScore]:
        """Return one answer for each question; where the judge abstains, `raw` is None."""
        requests = [
            JudgeRequest(
                rubric=Rubric(text=q.rubric, truth=q.truth),
                view=q.episode,
                answer=final_answer(q.episode),
                id=f"{q.episode.task} {q.episode.seed} {q.milestone or 'goal'}",
            )
            for q in questions
        ]
        judgements = self._judge.judge_blocking(requests) if requests else []
        self.abstentions.update(j.abstention.kind for j in judgements if j.abstention is not None)
        return [judgement.tier for judgement in judgements]


def final_answer(episode: EpisodeView) -> str:
    """Return what the agent answered in its `done`, or "" if it did not."""
    if not episode.steps:
        return ""
    try:
        action = parse_action(episode.steps[-1].action)
    except ActionError:
        return ""
    return action.text if isinstance(action, Done) else ""


__all__ = ["JudgingLayer", "LearnedLayer", "final_answer"]
