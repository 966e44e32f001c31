"""Shaping: hand-worked terms, telescoping, and what each way to pay pays on the episode of docs/rewards.md."""

from __future__ import annotations

from fractions import Fraction
from math import fsum, ulp
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.errors import TaskError
from milepost.rewards.components import Components
from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.scorer import RewardScheme, Scorer
from milepost.rewards.shaping import Shaping, Truncation, declared_potential, potential_at, shaping_term
from milepost.rewards.types import Ending, Milestone, StepReward

from .scenes import Step, answered, click, downloaded, file, loaded, moments, page, went

DOCUMENT = Path(__file__).parents[2] / "docs" / "rewards.md"


def test_hand_worked_terms():
    assert shaping_term(0.25, 0.75, gamma=1.0) == 0.5
    assert shaping_term(0.5, 0.5, gamma=0.9) == pytest.approx(-0.05)
    assert shaping_term(0.75, 0.0, gamma=0.9) == -0.75
    assert declared_potential({"a", "b", "z"}, {"a": 0.25, "b": -1.0, "c": 5.0}) == -0.75


@pytest.mark.parametrize(
    ("ending", "truncation", "phi"),
    [
        (None, Truncation.BOOTSTRAP, 0.7),
        (None, Truncation.CLOSE, 0.7),
        (Ending.TERMINATED, Truncation.BOOTSTRAP, 0.0),
        (Ending.TERMINATED, Truncation.CLOSE, 0.0),
        (Ending.TRUNCATED, Truncation.BOOTSTRAP, 0.7),
        (Ending.TRUNCATED, Truncation.CLOSE, 0.0),
    ],
)
def test_truncation_is_not_termination(ending, truncation, phi):
    assert potential_at(0.7, ending, truncation) == phi


def terms(potentials: list[float], gamma: float) -> list[float]:
    """Return F at each step of an episode that terminates after these states' potentials, that of the reset first."""
    return [shaping_term(a, b, gamma=gamma) for a, b in zip(potentials, [*potentials[1:], 0.0], strict=True)]


@given(st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=40))
def test_it_telescopes_exactly_where_floating_point_is_exact(numerators):
    potentials = [n / 2**10 for n in numerators]
    assert sum(terms(potentials, 1.0)) == -potentials[0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_it_telescopes_to_minus_the_first_potential_up_to_rounding(potentials):
    largest = max(map(abs, potentials))
    assert abs(fsum(terms(potentials, 1.0)) + potentials[0]) <= len(potentials) * 2 * ulp(largest)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.floats(0, 1))
def test_discounted_it_telescopes_with_the_learners_own_gamma(potentials, gamma):
    discounted = fsum(gamma**t * term for t, term in enumerate(terms(potentials, gamma)))
    assert discounted == pytest.approx(-potentials[0], abs=1e-12)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=20))
def test_each_term_is_rounded_once(potentials):
    for a, b, term in zip(potentials, [*potentials[1:], 0.0], terms(potentials, 1.0), strict=True):
        assert term == float(Fraction(b) - Fraction(a))


def milestone(name: str, spec: dict[str, Any], reward: float, **more: Any) -> Milestone:
    detector = DETECTOR_ADAPTER.validate_python(spec).build({})
    return Milestone(id=name, description="", detector=detector, reward=reward, **more)


FOUND = milestone("found", {"kind": "url_loaded", "path": "/report"}, 0.25)
EXPORTED = milestone("exported", {"kind": "file_created", "path": "*.csv"}, 0.75, after=("found",))
TRAP = milestone("trap", {"kind": "clicked", "name": "Delete"}, -0.5, forbidden=True)
SUCCESS = frozenset({"exported"})
COMPONENTS = Components.model_validate(
    {
        "weights": {"nav": 0.1, "ui": 0.1, "form": 0.2, "file": 0.2, "goal": 0.4},
        "pages": ["/report"],
        "clicks": [{"role": "button", "name": "Export"}],
        "files": [{"path": "*.csv"}],
    }
)

RESET: Step = ([went("/"), loaded("/")], page("/"))
OPEN: Step = ([went("/report"), loaded("/report")], page("/report"))
LOOK: Step = ([], page("/report"))
EXPORT: Step = ([click("button", "Export"), downloaded("a.csv")], page("/report", files=[file("a.csv")]))
GIVE_UP: Step = ([answered("?")], page("/report"))
DELETE: Step = ([click("button", "Delete")], page("/report"))


def play(scheme: RewardScheme, *steps: Step, last: Ending | None = None) -> list[StepReward]:
    scorer = Scorer([FOUND, EXPORTED, TRAP], scheme)
    *before, final = moments(RESET, *steps)
    return [*(scorer.update(moment) for moment in before), scorer.update(final, last)][1:]


def shaped(**more: Any) -> RewardScheme:
    return RewardScheme(success=SUCCESS, shaping=Shaping.POTENTIAL, **more)


WAYS = {
    "milestones, raw": RewardScheme(success=SUCCESS),
    "milestones, none": RewardScheme(success=SUCCESS, shaping=Shaping.NONE),
    "milestones, potential": shaped(),
    "the same, truncation: close": shaped(truncation=Truncation.CLOSE),
    "components, none": RewardScheme(success=SUCCESS, components=COMPONENTS, shaping=Shaping.NONE),
    "components, potential": shaped(components=COMPONENTS),
}


@pytest.mark.parametrize("name", WAYS)
def test_the_table_of_the_documentation_is_what_is_paid(name):
    cells: list[float] = []
    for final, ending in ((EXPORT, None), (GIVE_UP, Ending.TERMINATED), (LOOK, Ending.TRUNCATED)):
        totals = [reward.total or 0.0 for reward in play(WAYS[name], OPEN, LOOK, final, last=ending)]
        cells += (totals if not cells else totals[2:]) + [fsum(totals)]
    row = next(line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| {name} |"))
    assert [float(cell) for cell in row.strip("| ").split("|")[1:]] == pytest.approx(cells)


@pytest.mark.parametrize("name", WAYS)
def test_a_step_says_how_the_episode_ended(name):
    assert play(WAYS[name], OPEN, EXPORT)[-1].ending is Ending.TERMINATED, "success terminates by itself"
    assert play(WAYS[name], OPEN, EXPORT, last=Ending.TRUNCATED)[-1].ending is Ending.TERMINATED, "at the limit too"
    assert play(WAYS[name], OPEN, LOOK, last=Ending.TRUNCATED)[-1].ending is Ending.TRUNCATED
    assert play(WAYS[name], OPEN, LOOK)[-1].ending is None


@pytest.mark.parametrize("name", WAYS)
def test_a_trap_costs_the_same_in_every_way_and_rules_out_success(name):
    *_, trapped, exported = play(WAYS[name], OPEN, DELETE, EXPORT)
    assert trapped.tiers[0].raw == -0.5
    assert [(m.id, m.reward) for m in trapped.milestones] == [("trap", -0.5)]
    assert exported.ending is None
    assert exported.goal == 0.0
    assert all(part.component != "goal" for part in exported.components)


def test_with_potential_milestones_are_named_but_pay_nothing():
    opened, exported = play(shaped(), OPEN, EXPORT)
    assert [(m.id, m.reward) for m in opened.milestones] == [("found", 0.0)]
    assert (opened.total, opened.shaping, opened.goal, opened.tiers[0].raw) == (0.25, 0.25, 0.0, 0.0)
    assert (exported.total, exported.shaping, exported.goal, exported.tiers[0].raw) == (0.75, -0.25, 1.0, 1.0)


def test_discounted_waiting_costs_a_little():
    opened, looked, exported = play(shaped(gamma=0.8), OPEN, LOOK, EXPORT)
    assert [opened.shaping, looked.shaping, exported.shaping] == pytest.approx([0.2, -0.05, -0.25])


def test_a_potential_may_be_declared():
    opened, exported = play(shaped(potential={"found": 3.0, "exported": 1.0}), OPEN, EXPORT)
    assert (opened.shaping, exported.shaping) == (3.0, -3.0)
    trapped = play(shaped(potential={"found": 3.0, "trap": -1.0}), OPEN, DELETE)[-1]
    assert trapped.shaping == -1.0


def test_success_pays_once_though_an_episode_be_played_on():
    rewards = play(shaped(), OPEN, EXPORT, LOOK, LOOK)
    assert [reward.total for reward in rewards] == [0.25, 0.75, 0.0, 0.0]


def test_a_milestone_that_ends_the_episode_terminates_it():
    ending = milestone("trap", {"kind": "clicked", "name": "Delete"}, -0.5, forbidden=True, ends_episode=True)
    scorer = Scorer([FOUND, EXPORTED, ending], shaped())
    *_, reward = [scorer.update(moment) for moment in moments(RESET, OPEN, DELETE)]
    assert (reward.ending, reward.shaping, reward.total) == (Ending.TERMINATED, -0.25, -0.75)
    assert not scorer.succeeded


def test_a_scheme_that_does_not_fit_is_refused():
    with pytest.raises(TaskError, match="got exportd; known ids: exported, found"):
        Scorer([FOUND, EXPORTED], RewardScheme(success=frozenset({"exportd"})))
    with pytest.raises(TaskError, match="got z;"):
        Scorer([FOUND, EXPORTED], shaped(potential={"z": 1.0}))
    with pytest.raises(TaskError, match="got raw; components are raw bonuses already"):
        Scorer([FOUND], RewardScheme(components=COMPONENTS))
