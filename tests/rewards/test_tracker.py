"""The tracker's laws, over random sets of milestones and random histories, and its rules one by one."""

import pickle
import random
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isclose

import orjson
import pytest
from gymnasium.vector import VectorEnv
from hypothesis import given
from hypothesis import strategies as st

from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.tracker import Tracker, dag_order
from milepost.rewards.types import Evidence, Milestone, Moment, Source
from milepost.sandbox.errors import RewardError, TaskError

from .scenes import Step, click, el, moments, page, went


@dataclass(frozen=True)
class At:
    """Fires at given steps."""

    steps: frozenset[int]

    def __call__(self, moment: Moment) -> Evidence | None:
        return Evidence(summary=f"step {moment.step}") if moment.step in self.steps else None


def milestone(name: str, steps=(), *, reward: float = 1.0, **more) -> Milestone:
    return Milestone(id=name, description=name, detector=At(frozenset(steps)), reward=reward, **more)


def play(milestones, steps: int) -> tuple[Tracker, list[float], list[int]]:
    tracker = Tracker(milestones)
    totals: list[float] = []
    bits: list[int] = []
    for moment in moments(*[([], page())] * (steps + 1)):
        total = tracker.update(moment).total
        assert total is not None
        totals.append(total)
        bits.append(tracker.bits)
    return tracker, totals, bits


STEPS = 8


@st.composite
def task_milestones(draw: st.DrawFn) -> list[Milestone]:
    """Draw milestones whose prerequisites form a DAG, in shuffled order of declaration."""
    names = [f"m{i}" for i in range(draw(st.integers(1, 7)))]
    result = []
    for i, name in enumerate(names):
        forbidden = draw(st.booleans()) and i > 0
        reward = draw(st.sampled_from([-1.0, -0.1, 0.0] if forbidden else [0.1, 0.2, 0.25, 0.3, 1.0, -0.5, 0.0]))
        after = draw(st.lists(st.sampled_from(names[:i]), unique=True, max_size=3)) if i else []
        steps = draw(st.frozensets(st.integers(0, STEPS)))
        result.append(milestone(name, steps, reward=reward, forbidden=forbidden, after=tuple(after)))
    return draw(st.permutations(result))


@given(task_milestones())
def test_a_milestone_never_pays_twice_nor_before_its_prerequisites(milestones):
    tracker = Tracker(milestones)
    after = {m.id: set(m.after) for m in milestones}
    seen: set[str] = set()
    for moment in moments(*[([], page())] * (STEPS + 1)):
        reward = tracker.update(moment)
        now = [result.id for result in reward.milestones]
        assert not seen & set(now)
        seen |= set(now)
        assert all(after[name] <= seen for name in now)
        assert tracker.reached == seen
        assert reward.total == pytest.approx(sum(m.reward for m in milestones if m.id in now))
        assert reward.tiers[0].tier is Source.RULE
        assert reward.tiers[0].raw == reward.total


@given(task_milestones(), st.randoms(use_true_random=False))
def test_the_order_of_declaration_changes_nothing_but_the_bits(milestones, rng: random.Random):
    shuffled = list(milestones)
    rng.shuffle(shuffled)
    one, totals, _ = play(milestones, STEPS)
    other, totals_again, _ = play(shuffled, STEPS)
    assert totals == totals_again
    assert one.reached == other.reached
    assert (one.progress, one.max_reward, one.fault) == (other.progress, other.max_reward, other.fault)


@given(task_milestones())
def test_rewards_stay_within_the_largest_and_bits_agree_with_the_frontier(milestones):
    tracker, totals, bits = play(milestones, STEPS)
    assert sum(totals) <= tracker.max_reward + 1e-9
    assert totals[0] == 0
    assert 0 <= tracker.progress <= 1
    assert all(earlier & later == earlier for earlier, later in pairwise(bits))
    assert {m.id for i, m in enumerate(milestones) if tracker.bits >> i & 1} == tracker.reached
    assert tracker.fault == any(m.forbidden and m.id in tracker.reached for m in milestones)
    gains = [m for m in milestones if m.reward > 0 and not m.forbidden]
    reached = sum(m.reward for m in gains if m.id in tracker.reached)
    assert isclose(tracker.progress * tracker.max_reward, reached, abs_tol=1e-9)
    if gains and all(m.id in tracker.reached for m in gains):
        assert tracker.progress == 1.0


def test_prerequisites_of_the_same_step_are_resolved_in_order():
    chain = [milestone("c", [1], after=("b",)), milestone("b", [1], after=("a",)), milestone("a", [1])]
    tracker, totals, _ = play(chain, 1)
    assert totals == [0, 3]
    assert tracker.bits == 0b111


def test_what_happened_before_its_prerequisites_must_happen_again():
    _, totals, _ = play([milestone("a", [2]), milestone("b", [1, 4], reward=0.5, after=("a",))], 4)
    assert totals == [0, 0, 1, 0, 0.5]


def test_traps_and_endings():
    ended = milestone("end", [2], ends_episode=True)
    tracker, totals, _ = play([ended, milestone("trap", [1], reward=-0.5, forbidden=True)], 1)
    assert (totals, tracker.fault, tracker.ended, tracker.progress) == ([0, -0.5], True, False, 0.0)
    tracker, _, _ = play([ended, milestone("trap", [1], reward=-0.5, forbidden=True)], 2)
    assert (tracker.ended, tracker.progress, tracker.max_reward) == (True, 1.0, 1.0)


def test_a_forbidden_milestone_may_end_the_episode():
    trap = milestone("trap", [2], reward=-0.5, forbidden=True, ends_episode=True)
    tracker, totals, _ = play([milestone("a", [1]), trap], 2)
    assert (totals, tracker.fault, tracker.ended, tracker.progress) == ([0, 1, -0.5], True, True, 1.0)


@pytest.mark.parametrize(("fires", "paid"), [(1, True), (3, True), (4, False)])
def test_without_prerequisites_time_runs_from_the_reset(fires, paid):
    tracker, totals, _ = play([milestone("a", [fires], expires_after=3)], 5)
    assert (sum(totals), tracker.expired) == (1.0, frozenset()) if paid else (0.0, {"a"})


@pytest.mark.parametrize(("fires", "paid"), [(1, False), (3, True), (4, True), (5, True), (6, False)])
def test_with_prerequisites_time_runs_from_the_last_of_them(fires, paid):
    first = [milestone("a", [1]), milestone("b", [3])]
    tracker, totals, _ = play([milestone("c", [fires], after=("a", "b"), expires_after=2), *first], 7)
    assert sum(totals) == (3.0 if paid else 2.0)
    assert tracker.expired == (frozenset() if paid else {"c"})


def test_what_comes_after_something_expired_is_expired_too():
    chain = [milestone("c", [4], after=("b",)), milestone("b", [3], after=("a",)), milestone("a", [3], expires_after=2)]
    tracker, totals, _ = play(chain, 1)
    assert tracker.expired == frozenset()
    tracker, totals, _ = play(chain, 5)
    assert tracker.expired == {"a", "b", "c"}
    assert sum(totals) == 0


def test_sixty_four_milestones_fit_the_bitmask():
    tracker, _, bits = play([milestone(f"m{i}", [1 + i % 2]) for i in range(64)], 2)
    assert bits == [0, 0x5555_5555_5555_5555, 2**64 - 1]
    assert tracker.progress == 1.0
    assert orjson.loads(orjson.dumps(tracker.bits)) == pickle.loads(pickle.dumps(tracker.bits)) == 2**64 - 1


def test_gymnasium_batches_the_sixty_fourth_bit():
    tracker, _, _ = play([milestone(f"m{i}", [1] if i == 63 else []) for i in range(64)], 1)
    envs: VectorEnv = VectorEnv()
    envs.num_envs = 2
    infos = envs._add_info({}, {"milestone_bits": tracker.bits}, 0)
    infos = envs._add_info(infos, {"milestone_bits": Tracker([]).bits}, 1)
    assert infos["milestone_bits"].tolist() == [2**63, 0]
    assert (infos["milestone_bits"] >> 63 & 1).tolist() == [1, 0]


def test_a_milestone_of_another_source_is_left_to_it():
    _, totals, _ = play([replace(milestone("a", [1]), source=Source.JUDGE)], 2)
    assert totals == [0, 0, 0]


def there(after: tuple[str, ...] = ()) -> Milestone:
    detector = DETECTOR_ADAPTER.validate_python({"kind": "element_present", "name": "Here"}).build({})
    return Milestone(id="there", description="", detector=detector, reward=1.0, after=after)


HERE: Step = ([], page("/", el(1, "heading", "Here")))
AWAY: Step = ([went("/x")], page("/x"))


def run(milestones, *steps: Step) -> tuple[Tracker, list[float | None]]:
    tracker = Tracker(milestones)
    return tracker, [tracker.update(moment).total for moment in moments(*steps)]


def test_what_held_at_the_reset_is_barred():
    tracker, totals = run([there()], HERE, AWAY, HERE)
    assert totals == [0, 0, 0]
    assert tracker.barred == {"there"}
    tracker, totals = run([there()], AWAY, HERE)
    assert totals == [0, 1]
    assert tracker.barred == frozenset()


def test_what_held_at_the_reset_may_come_back_after_its_prerequisites():
    assert run([there(after=("left",)), milestone("left", [1])], HERE, AWAY, HERE)[1] == [0, 1, 1]
    assert run([there(after=("left",)), milestone("left", [1])], HERE, HERE, HERE)[1] == [0, 1, 0]


def test_an_event_of_the_reset_pays_nothing():
    detector = DETECTOR_ADAPTER.validate_python({"kind": "clicked", "name": "Go"}).build({})
    tracker, totals = run(
        [Milestone(id="go", description="", detector=detector, reward=1.0)],
        ([click("button", "Go")], page()),
        ([], page()),
    )
    assert totals == [0, 0]
    assert tracker.reached == frozenset()


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("a", ["b"]), ("b", ["a"])], ["circles", "a -> b", "take one"]),
        ([("a", ["a"])], ["circles", "a -> a"]),
        ([("a", []), ("banner", ["bannr"]), ("bannr2", [])], ["'bannr'", "did you mean"]),
        ([("a", ["z"])], ["'z'", "known ids: a"]),
        ([("a", []), ("a", [])], ["'a' 2 times", "rename"]),
    ],
)
def test_wrong_prerequisites_are_named(pairs, words):
    with pytest.raises(TaskError) as caught:
        dag_order(pairs)
    if pairs == [("a", ["b"]), ("b", ["a"])]:
        assert "a -> b" in str(caught.value) or "b -> a" in str(caught.value)
    else:
        assert all(word in str(caught.value) for word in words)
    with pytest.raises(TaskError):
        Tracker([milestone(name, after=tuple(after)) for name, after in pairs])


def test_steps_come_once_and_in_order():
    reset, first, second = moments(*[([], page())] * 3)
    with pytest.raises(RewardError, match="expected the moment of step 0, got step 1"):
        Tracker([milestone("a")]).update(first)
    tracker = Tracker([milestone("a")])
    tracker.update(reset)
    with pytest.raises(RewardError, match="step 1, got step 0"):
        tracker.update(reset)
    with pytest.raises(RewardError, match="step 1, got step 2"):
        tracker.update(second)
