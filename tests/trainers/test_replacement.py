"""Dead groups are replaced once each, up to a bound, and as soon as they are over."""

from __future__ import annotations

from milepost.agents.records import Trajectory
from milepost.agents.rollout import EpisodeSpec
from milepost.trainers.replacement import GroupReplacer

from ..labelling.choices import episode


def ended(seed: int) -> Trajectory:
    return episode("noop()", seed=seed, task="t")


def replacer(dead: set[int], fresh: list[int], *, most: int = 9, again: bool = False) -> GroupReplacer:
    def draw() -> EpisodeSpec | None:
        return EpisodeSpec(task="t", seed=fresh.pop(0)) if fresh else None

    return GroupReplacer(2, size=2, most=most, is_dead=lambda group: group[0].seed in dead, draw=draw, again=again)


def test_a_dead_group_is_replaced_when_its_last_episode_is_over() -> None:
    refill = replacer({0}, [7])
    assert refill(1, ended(0)) == []
    assert refill(2, ended(1)) == []
    assert refill(0, ended(0)) == [EpisodeSpec(task="t", seed=7)] * 2
    assert refill(3, ended(1)) == []
    assert refill.dead == [("t", 0)]
    assert [t.seed for t in refill.without_dead([ended(0), ended(1), ended(7)])] == [1, 7]


def test_a_replacement_is_not_replaced() -> None:
    refill = replacer({0, 7}, [7, 8])
    refill(0, ended(0))
    assert len(refill(1, ended(0))) == 2
    assert refill(4, ended(7)) == []
    assert refill(5, ended(7)) == []
    assert refill.dead == [("t", 0)]


def test_a_replacement_is_replaced_too_where_that_is_wanted() -> None:
    refill = replacer({0, 7, 8}, [7, 8, 9], most=3, again=True)
    played = [refill(i, ended(seed)) for i, seed in enumerate((0, 0, 1, 1, 7, 7, 8, 8, 9, 9))]
    assert [more[0].seed for more in played if more] == [7, 8, 9]
    assert refill.dead == [("t", 0), ("t", 7), ("t", 8)]
    bounded = replacer({0, 7, 8}, [7, 8, 9], most=1, again=True)
    played = [bounded(i, ended(seed)) for i, seed in enumerate((0, 0, 1, 1, 7, 7))]
    assert [more[0].seed for more in played if more] == [7]


def test_no_more_are_replaced_than_may_be() -> None:
    refill = replacer({0, 1}, [7, 8], most=1)
    played = [refill(i, ended(i // 2)) for i in range(4)]
    assert [len(more) for more in played] == [0, 2, 0, 0]


def test_a_dead_group_stays_where_there_is_nothing_better() -> None:
    refill = replacer({0}, [])
    played = [refill(i, ended(0)) for i in range(2)]
    assert (played, refill.dead) == ([[], []], [])
