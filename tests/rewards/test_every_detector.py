"""Every detector in a real browser, on real files: it pays for the deed, not for a near miss, not for a forgery.

`cases` has the episodes. A detector without its three is missed here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from milepost.envs import MilepostEnv
from milepost.rewards.detectors import DETECTORS
from milepost.rewards.ledger import rescore

from ..integrity.stage import NOTHING, Played, play_on
from .cases import CASES, Case

MISSING = {
    "process_ran": (shutil.which("bwrap") is None, "needs bubblewrap"),
    "region_changed": (find_spec("PIL") is None, "needs Pillow"),
}
"""Kinds that cannot be played on every machine: whether on this one, and why."""


def one_apart(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether two lists differ in one entry: left out, put in, or another."""
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest, others = one[start:], other[start:]
    return rest != others and any(rest[i:] == others[j:] for i, j in ((1, 0), (0, 1), (1, 1)))


@dataclass(frozen=True, slots=True)
class Site:
    """A case, and the environment that plays it."""

    kind: str
    case: Case
    env: MilepostEnv

    def play(self, *actions: str) -> Played:
        """Play actions on a fresh episode, none of which may be refused; the ledger must pay the same."""
        played = play_on(self.env, actions)
        assert played.errors.strip() == ""
        paid = [reward.total for reward in rescore(played.info["ledger_path"])]
        assert paid == [0, *(reward.total for reward in played.rewards)]
        return played


def kinds() -> list[object]:
    skips = {kind: [pytest.mark.skipif(missing, reason=why)] for kind, (missing, why) in MISSING.items()}
    return [pytest.param(kind, marks=skips.get(kind, ())) for kind in CASES]


@pytest.fixture(scope="module", params=kinds())
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    kind: str = request.param
    ledgers: Path = tmp_path_factory.mktemp(kind)
    env = CASES[kind].stage(kind).make(ledger_dir=ledgers)
    yield Site(kind, CASES[kind], env)
    env.close()


def test_every_registered_detector_has_its_cases_and_no_other():
    judged = {"rubric"}  # nothing that happens pays for it: tests/envs/test_semantic_milestones.py
    assert set(CASES) == set(DETECTORS) - judged


@pytest.mark.parametrize("kind", CASES)
def test_a_near_miss_misses_by_one_action(kind: str):
    assert one_apart(CASES[kind].positive, CASES[kind].near_miss)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("abc", "abd", True),
        ("abc", "ab", True),
        ("abc", "abxc", True),
        ("abc", "abc", False),
        ("abc", "axy", False),
        ("abc", "a", False),
        ("abc", "cba", False),
    ],
)
def test_what_one_apart_is(one: str, other: str, expected: bool):
    assert one_apart(one, other) is expected


@pytest.mark.browser
def test_the_deed_is_paid_when_it_is_done(site: Site):
    played = site.play(*site.case.positive)
    assert played.earned == (0.5, frozenset({"it"}))
    assert played.earned_after(len(site.case.positive) - 1) == played.earned


@pytest.mark.browser
def test_a_near_miss_is_not_paid(site: Site):
    played = site.play(*site.case.near_miss)
    assert len(played.rewards) == len(site.case.near_miss)
    assert played.earned == NOTHING


@pytest.mark.browser
def test_a_forgery_is_not_paid(site: Site):
    played = site.play(*site.case.forged)
    assert site.case.lie
    for key, lie in site.case.lie.items():
        assert lie in played.last[key]
    assert len(played.rewards) == len(site.case.forged)
    assert played.earned == NOTHING
