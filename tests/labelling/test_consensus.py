from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from milepost.rewards.labels import Choice, Purpose, episode_key, standing
from milepost.rewards.preferences import PreferenceSource, Ranking, read_preferences, write_preferences
from milepost.trainers.labelling.consensus import Consensus, ConsensusSettings, consensus

from .choices import START, choice

LEFT, RIGHT, TIE, SKIP = Choice.LEFT, Choice.RIGHT, Choice.TIE, Choice.SKIP
PEOPLE = ("kim", "lee", "max")


def votes(pair: int, *choices: Choice) -> list[Ranking]:
    return [choice(one, pair=pair, annotator=name) for name, one in zip(PEOPLE, choices, strict=False)]


def known(annotator: str, right: int, wrong: int, *, tied: int = 0, skipped: int = 0) -> list[Ranking]:
    answers = [LEFT] * right + [RIGHT] * wrong + [TIE] * tied + [SKIP] * skipped
    return [
        choice(one, pair=100 + n, annotator=annotator, purpose=Purpose.CALIBRATION, expected=0)
        for n, one in enumerate(answers)
    ]


def merge(choices: list[Ranking], **settings: object) -> Consensus:
    return consensus(standing(choices), ConsensusSettings(**settings))  # type: ignore[arg-type]


def winners(made: Consensus) -> dict[int, str]:
    return {r.seed: episode_key(item.trajectory) for r in made.rankings for item in r.items if item.rank == 0}


def test_the_majority_decides_and_what_has_none_is_counted():
    made = merge([
        *votes(0, LEFT, LEFT, LEFT),
        *votes(1, RIGHT, RIGHT, LEFT),
        *votes(2, LEFT, RIGHT, TIE),
        *votes(3, TIE, TIE, LEFT),
        *votes(4, LEFT, RIGHT),
        *votes(5, LEFT, TIE),
        *votes(6, SKIP, RIGHT, SKIP),
        *votes(7, SKIP, SKIP, SKIP),
    ])  # fmt: skip
    assert winners(made) == {0: "0-0", 1: "1-1", 6: "6-1"}
    assert (made.pairs, made.unanimous, made.disagreed, made.tied, made.too_few) == (8, 2, 3, 1, 1)


def test_a_ranking_says_who_voted_and_why():
    said = [
        choice(LEFT, annotator="kim", reason="it saved", minute=1),
        choice(LEFT, annotator="lee", minute=7),
        choice(RIGHT, annotator="max", reason="shorter", minute=3),
    ]
    (ranking,) = merge(said).rankings
    assert ranking.annotator == "consensus of kim, lee, max"
    assert ranking.reason == "2 of 3 votes (kim, lee); kim: it saved"
    assert (ranking.source, ranking.label) == (PreferenceSource.PERSON, None)
    assert (ranking.time - START).seconds == 7 * 60
    assert [item.rank for item in ranking.items] == [0, 1]


def test_sides_are_undone_before_votes_are_counted():
    made = merge([choice(LEFT, annotator="kim", left=0), choice(RIGHT, annotator="lee", left=1)])
    assert (winners(made), made.unanimous) == ({0: "0-0"}, 1)


def test_who_fails_calibration_has_no_vote():
    choices = [
        *votes(0, LEFT, RIGHT, RIGHT),
        *known("kim", 4, 0),
        *known("lee", 2, 2),
        *known("max", 2, 1, tied=1),
    ]
    made = merge(choices)
    assert winners(made) == {0: "0-0"}
    assert list(made.accepted) == ["kim"]
    assert {name: (c.right, c.answered) for name, c in made.excluded.items()} == {"lee": (2, 4), "max": (2, 4)}
    assert winners(merge(choices, min_accuracy=0.5)) == {0: "0-1"}


def test_too_few_known_answers_exclude_nobody():
    made = merge([*votes(0, LEFT), *known("kim", 0, 3, skipped=5)])
    assert made.unchecked == ("kim",)
    assert winners(made) == {0: "0-0"}
    assert merge([*votes(0, LEFT), *known("kim", 0, 3)], min_calibration=3).rankings == ()


def test_pairs_with_a_known_answer_are_taken_if_asked_for():
    choices = [*votes(0, LEFT), *known("kim", 4, 0)]
    assert merge(choices).calibration_pairs == 4
    assert len(merge(choices, with_calibration=True).rankings) == 5


def test_answers_that_contradict_each_other_under_swapped_sides_are_a_vote_for_a_tie():
    steady = choice(LEFT, left=0), choice(RIGHT, left=1, purpose=Purpose.SWAPPED)
    made = merge(list(steady))
    assert (winners(made), made.pairs) == ({0: "0-0"}, 1)
    made = merge([choice(LEFT, left=0), choice(LEFT, left=1, purpose=Purpose.SWAPPED)])
    assert (made.rankings, made.tied) == ((), 1)
    made = merge([choice(LEFT, left=0), choice(SKIP, left=1, purpose=Purpose.SWAPPED)])
    assert winners(made) == {0: "0-0"}


@given(
    st.lists(st.tuples(st.sampled_from(PEOPLE), st.integers(0, 2), st.sampled_from([LEFT, RIGHT, TIE, SKIP]))),
    st.data(),
)
def test_neither_sides_nor_the_order_of_choices_matter(answers: list[tuple[str, int, Choice]], data: st.DataObject):
    said = {(name, pair): one for name, pair, one in answers}
    choices = [choice(one, pair=pair, annotator=name) for (name, pair), one in said.items()]
    made = merge(choices)
    mirror = {LEFT: RIGHT, RIGHT: LEFT, TIE: TIE, SKIP: SKIP}
    other = [choice(mirror[one], pair=pair, annotator=name, left=1) for (name, pair), one in said.items()]
    again = merge(data.draw(st.permutations(other)))
    assert winners(again) == winners(made)
    assert (again.tied, again.disagreed, again.too_few) == (made.tied, made.disagreed, made.too_few)
    left_out = made.tied + made.disagreed + made.too_few + made.calibration_pairs
    assert len(made.rankings) + left_out == made.pairs == len({pair for _, pair in said})


def test_least_votes():
    made = merge([*votes(0, LEFT, LEFT), *votes(1, LEFT)], min_votes=2)
    assert (winners(made), made.too_few) == ({0: "0-0"}, 1)


def test_it_is_written_as_plain_preferences(tmp_path: Path):
    made = merge([*votes(0, LEFT, LEFT), *votes(1, RIGHT)])
    write_preferences(tmp_path / "p.jsonl", made.rankings)
    assert read_preferences(tmp_path / "p.jsonl") == list(made.rankings)
    assert "label" not in (tmp_path / "p.jsonl").read_text()
