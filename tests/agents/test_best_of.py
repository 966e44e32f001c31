from __future__ import annotations

from dataclasses import replace

import pytest

from milepost.agents.best_of import BestOf, by_model, by_rules
from milepost.agents.policies import NoopPolicy
from milepost.rewards.reward_model.scores import StepScore
from milepost.sandbox.errors import FailureKind, RunError

from ..trainers.preferred_episodes import GOOD, IDLE, episode

BEST = BestOf(count=2, temperature=1.0, worth=by_rules)


def test_the_best_episode_of_each_instance_is_chosen():
    poor, good, other = episode(IDLE), episode(GOOD), episode(IDLE, seed=1)
    assert BEST.choose([poor, good, other]) == [good, other]
    assert BEST.choose([good, poor, replace(good, final_observation="later")]) == [good]  # the first of equals


def test_broken_episodes_are_chosen_only_where_all_are():
    broken = episode(GOOD, failure=FailureKind.PAGE_HUNG)
    assert BEST.choose([broken, episode(IDLE)]) == [episode(IDLE)]
    assert BEST.choose([broken]) == [broken]


def test_a_reward_model_chooses_by_the_sum_of_its_raw_scores():
    class LikesIdling:
        version = "v"

        def score(self, episodes):
            return [[self._score(float(step.action == IDLE)) for step in e.steps] for e in episodes]

        def _score(self, raw):
            return StepScore(value=0.0, raw=raw, spread=0.0, confidence=1.0, version="v")

    best = BestOf(count=3, temperature=1.0, worth=by_model(LikesIdling()))
    assert best.choose([episode(GOOD), episode(IDLE, IDLE), episode(IDLE)]) == [episode(IDLE, IDLE)]


def test_a_scripted_policy_is_refused():
    with pytest.raises(RunError, match="scripted"):
        BEST.sampling(NoopPolicy())
