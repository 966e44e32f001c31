"""Laws that hold in every episode, over random tasks, random ways to pay, and random interleavings of what happens.

Hypothesis draws the task and a seed; each example then plays several interleavings from that seed: 10 200 in all by
default. Ten times as many:

    MILEPOST_LAW_SCALE=10 pytest tests/rewards/test_tracker_laws.py
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, replace
from functools import partial
from math import fsum
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milepost.rewards.ledger import LedgerWriter, read_ledger, rescore
from milepost.rewards.scorer import RewardScheme, Scorer, most_reward
from milepost.rewards.shaping import Shaping
from milepost.rewards.tracker import Tracker
from milepost.rewards.types import Component, Ending, Evidence, Milestone, Moment, StepReward

from .scenes import moments, page
from .worlds import permuted, random_play, schemes, task_milestones

SCALE = int(os.environ.get("MILEPOST_LAW_SCALE", "1"))
STEPS = 6
SEEDS = st.integers(0, 2**32 - 1)

law = partial(settings, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@st.composite
def tasks(draw: st.DrawFn) -> tuple[list[Milestone], RewardScheme]:
    milestones = draw(task_milestones())
    return milestones, draw(schemes(milestones))


@dataclass(frozen=True)
class At:
    """Fires at given steps."""

    steps: frozenset[int]

    def __call__(self, moment: Moment) -> Evidence | None:
        return Evidence(summary=f"step {moment.step}") if moment.step in self.steps else None


BLANK = moments(*[([], page())] * (STEPS + 1))


def obeys(milestones: list[Milestone], episode: list[Moment]) -> None:
    """Hold one episode against the tracker's rules, step by step."""
    tracker = Tracker(milestones)
    by_id = {milestone.id: milestone for milestone in milestones}
    reached: dict[str, int] = {}
    for moment in episode:
        earlier = (tracker.bits, tracker.progress, tracker.expired, tracker.fault, tracker.ended)
        now = [result.id for result in tracker.update(moment).milestones]
        assert not reached.keys() & set(now), "paid twice"
        assert moment.step > 0 or not now, "the reset paid"
        reached |= dict.fromkeys(now, moment.step)
        for name in now:
            opened = max((reached[other] for other in by_id[name].after), default=0)
            assert reached.keys() >= set(by_id[name].after), "before its prerequisites"
            assert opened <= moment.step <= opened + (by_id[name].expires_after or STEPS), "after its time"
        assert tracker.reached == reached.keys()
        assert tracker.bits & earlier[0] == earlier[0]
        assert {m.id for i, m in enumerate(milestones) if tracker.bits >> i & 1} == tracker.reached
        assert 0.0 <= earlier[1] <= tracker.progress <= 1.0
        assert earlier[2] <= tracker.expired
        assert not tracker.expired & tracker.reached
        assert (tracker.fault, tracker.ended) >= earlier[3:]
    assert tracker.fault == any(by_id[name].forbidden for name in reached)
    assert tracker.ended == any(by_id[name].ends_episode for name in reached)


@given(task_milestones(st.just(At(frozenset()))), SEEDS)
@law(max_examples=200 * SCALE)
def test_latching_prerequisites_and_expiry(milestones: list[Milestone], seed: int):
    """30 interleavings an example, on detectors that fire when chance says so: 6 000."""
    rng = random.Random(seed)
    for _ in range(30):
        steps = {m.id: frozenset(rng.sample(range(STEPS + 1), rng.randrange(STEPS))) for m in milestones}
        obeys([replace(m, detector=At(steps[m.id])) for m in milestones], BLANK)


@given(task_milestones(), SEEDS)
@law(max_examples=60 * SCALE)
def test_latching_prerequisites_and_expiry_with_real_detectors(milestones: list[Milestone], seed: int):
    """10 interleavings an example: 600."""
    rng = random.Random(seed)
    for _ in range(10):
        obeys(milestones, random_play(rng, steps=STEPS).moments)


def until_it_ends(
    scorer: Scorer, episode: list[Moment], endings: list[Ending | None]
) -> list[tuple[Moment, StepReward]]:
    """Play as an environment does: no step after the one that ends the episode."""
    played = []
    for moment, ending in zip(episode, endings, strict=True):
        reward = scorer.update(moment, ending)
        played.append((moment, reward))
        if reward.ending is not None:
            break
    return played


@given(tasks(), SEEDS)
@law(max_examples=130 * SCALE)
def test_totals_stay_in_bounds_and_the_order_of_simultaneous_events_does_not_matter(
    task: tuple[list[Milestone], RewardScheme], seed: int
):
    """10 interleavings an example, and a permutation of the events within the steps of each: 2 600."""
    milestones, scheme = task
    rng = random.Random(seed)
    for _ in range(10):
        play = random_play(rng, steps=STEPS)
        rewards = [r for _, r in until_it_ends(Scorer(milestones, scheme), play.moments, play.endings)]
        adds_up_within_bounds(milestones, scheme, rewards)
        shuffled = permuted(play, rng)
        again = [r for _, r in until_it_ends(Scorer(milestones, scheme), shuffled, play.endings)]
        assert [worth(reward) for reward in again] == [worth(reward) for reward in rewards]


def adds_up_within_bounds(milestones: list[Milestone], scheme: RewardScheme, rewards: list[StepReward]) -> None:
    """Hold the rewards of an episode against the bounds that docs/rewards.md states."""
    lowest = fsum(m.reward for m in milestones if m.reward < 0)
    base = fsum(tier.raw for reward in rewards for tier in reward.tiers if tier.raw is not None)
    assert lowest - 1e-9 <= base <= most_reward(milestones, scheme.components) + 1e-9
    for reward in rewards:
        parts = [m.reward for m in reward.milestones] + [c.score * c.weight for c in reward.components]
        assert reward.total == pytest.approx(fsum([*parts, reward.goal, reward.shaping]), abs=1e-9)
        assert all(0.0 < part.score <= 1.0 for part in reward.components)
    most = dict.fromkeys(Component, 0.0)
    if (looked_for := scheme.components) is not None:
        counts = (len(looked_for.pages), len(looked_for.clicks), 1, len(looked_for.files), 1)
        most = dict(zip(Component, map(float, counts), strict=True))
    for component, limit in most.items():
        paid = fsum(part.score for reward in rewards for part in reward.components if part.component is component)
        assert paid <= limit + 1e-9, component
    shaped = fsum(reward.shaping for reward in rewards)
    if scheme.shaping is not Shaping.POTENTIAL:
        assert shaped == 0.0
    elif scheme.gamma == 1.0 and rewards[-1].ending is Ending.TERMINATED:
        assert shaped == pytest.approx(0.0, abs=1e-9), "nothing is reached at the reset, so -Phi(s0) is 0"


def worth(reward: StepReward) -> object:
    """Return all of a reward but its evidence, which may be another of several events that would do."""
    return (
        reward.total,
        reward.shaping,
        reward.goal,
        reward.ending,
        [(m.id, m.reward) for m in reward.milestones],
        [(c.component, c.score, c.weight) for c in reward.components],
    )


@given(tasks(), SEEDS)
@law(max_examples=100 * SCALE)
def test_a_replayed_ledger_gives_exactly_the_live_reward(
    tmp_path_factory: pytest.TempPathFactory, task: tuple[list[Milestone], RewardScheme], seed: int
):
    """10 interleavings an example, each through a file: 1 000."""
    milestones, scheme = task
    rng = random.Random(seed)
    folder = tmp_path_factory.mktemp("ledgers")
    for number in range(10):  # a new file each: some file systems flush one that is truncated and written again
        path = folder / f"{number}.jsonl"
        play = random_play(rng, steps=STEPS)
        live = write(path, milestones, scheme, play.moments, play.endings)
        assert rescore(path) == live
    recorded = read_ledger(path)
    assert [step.reward for step in recorded.steps] == live
    assert recorded.header.scheme == scheme
    assert recorded.footer is not None
    assert recorded.footer.total == fsum(reward.total for reward in live if reward.total is not None)


def write(
    path: Path,
    milestones: list[Milestone],
    scheme: RewardScheme,
    episode: list[Moment],
    endings: list[Ending | None],
) -> list[StepReward]:
    ledger = LedgerWriter(path, task="t", version=0, seed=0, parameters={}, milestones=milestones, scheme=scheme)
    scorer = Scorer(milestones, scheme)
    played = until_it_ends(scorer, episode, endings)
    for moment, reward in played:
        ledger.write_step(moment, reward)
    ledger.finish(stop_reason="done", success=scorer.succeeded)
    return [reward for _, reward in played]
