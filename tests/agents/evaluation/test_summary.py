"""Figures by task, by family and in all, worked by hand; comparison and leaderboard of the same episodes."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from milepost.agents.evaluation.comparison import compare
from milepost.agents.evaluation.outcome import success_rate
from milepost.agents.evaluation.play import summary_of
from milepost.agents.evaluation.report import leaderboard, leaderboard_table, report_page, row_of
from milepost.agents.evaluation.summary import Figure, as_csv, summarise, table
from milepost.agents.task_scores import wilson_interval
from milepost.sandbox.errors import RunError

from .made import MILESTONES, episode, evaluation

EPISODES = [
    episode("a", 1, 0, steps=4, oracle_steps=4, completion_tokens=10, prompt_tokens=100),
    episode("a", 1, 1, success=False, reward=0.5, milestones=("named",), steps=10, completion_tokens=30),
    episode("a", 2, 0, steps=8, oracle_steps=4),
    episode("a", 2, 1, success=False, failure="page_hung", reward=None),
    episode("b", 1, 0, success=None, reward=None, unjudged=("sent",), max_reward=1.0, milestones=()),
    episode("b", 1, 1, success=False, max_reward=1.0, milestones=()),
]


def ends(figure: Figure) -> tuple[float, float]:
    assert figure.low is not None
    assert figure.high is not None
    return figure.low, figure.high


def test_figures_by_hand():
    summary = summarise(EPISODES, MILESTONES)
    a, b = summary.tasks["milepost/a-v0"], summary.tasks["milepost/b-v0"]
    assert (a.episodes, a.failures, a.undecided, a.successes) == (3, 1, 0, 2)
    assert a.success.value == pytest.approx(2 / 3)
    # pass@1: the mean of 1/2 (seed 1) and 1 (seed 2); pass@2: seed 1 alone has two samples
    assert {k: f.value for k, f in a.pass_at.items()} == {"1": pytest.approx(0.75), "2": 1.0}
    assert a.reward_fraction.value == pytest.approx((1 + 1 / 3 + 1) / 3)
    assert a.milestone_rate.value == pytest.approx((1 + 0.5 + 1) / 3), "what costs is no milestone to reach"
    assert a.efficiency.value == pytest.approx((1 + 0.5) / 2)
    assert a.mean_steps == pytest.approx(22 / 3)
    assert (a.mean_prompt_tokens, a.mean_completion_tokens) == (100.0, 20.0)
    assert (b.success.value, b.undecided, b.efficiency.value) == (0.0, 1, None)
    assert b.milestone_rate.value == 0.0, "of the judged one only"
    assert summary.all.success.value == pytest.approx(2 / 4)
    assert list(summary.families) == ["form", "mail"]
    assert summary.families["form"] == a
    assert summary.scores["milepost/a-v0"].milestones["named"] == 1.0


def test_an_episode_that_nobody_could_decide_widens_the_interval_both_ways():
    successes = [episode("a", s, success=s % 2 == 0) for s in range(40)]
    decided = summarise(successes, MILESTONES).all.success
    unknown = [episode("a", s, success=None if s < 8 else s % 2 == 0) for s in range(40)]
    wider = summarise(unknown, MILESTONES).all.success
    (low, high), (decided_low, decided_high) = ends(wider), ends(decided)
    assert low < decided_low < decided_high < high
    assert wider.value == 0.5


def test_where_all_agree_the_interval_is_wilsons():
    figure = summarise([episode("a", s) for s in range(5)], MILESTONES).all.success
    assert (figure.value, figure.low, figure.high) == (1.0, *wilson_interval(5, 5))
    nothing = summarise([], MILESTONES).all
    assert (nothing.success.value, nothing.success.low, nothing.pass_at, nothing.mean_steps) == (None, None, {}, None)


def test_one_rate_everywhere_to_the_last_digit():
    episodes = [episode("a", s, success=s % 3 == 0) for s in range(7)] + [episode("b", s) for s in range(4)]
    summary = summarise(episodes, MILESTONES)
    assert summary.all.success.value == success_rate(e.success for e in episodes) == 7 / 11
    assert summary.tasks["milepost/a-v0"].success.value == summary.scores["milepost/a-v0"].success_rate == 3 / 7


def test_figures_by_length_are_those_of_the_oracles_ways():
    steps = {3: True, 4: False, 7: True, 8: False, 15: False, None: True}
    episodes = [episode("a", s, success=good, oracle_steps=n) for s, (n, good) in enumerate(steps.items())]
    summary = summarise([*episodes, episode("b", 9, oracle_steps=1, success=False)], MILESTONES)
    found = {level: (group.successes, group.episodes) for level, group in summary.levels.items()}
    assert found == {"easy": (1, 2), "medium": (1, 2), "hard": (0, 2)}
    assert list(summary.levels) == ["easy", "medium", "hard"]
    of_form = {level: (group.successes, group.episodes) for level, group in summary.family_levels["form"].items()}
    assert of_form == {"easy": (1, 1), "medium": (1, 2), "hard": (0, 2)}
    assert list(summary.family_levels["mail"]) == ["easy"]
    assert summary.to_json()["family_levels"]["mail"]["easy"]["successes"] == 0


def test_tasks_without_an_oracle_have_no_length(tmp_path: Path):
    summary = summarise([episode("a", s, oracle_steps=None) for s in range(3)], MILESTONES)
    assert (summary.levels, summary.family_levels) == ({}, {})
    folder = evaluation(tmp_path / "free", [episode("a", 1, oracle_steps=None)])
    assert "By length" not in report_page([row_of(folder, summary_of(folder))])


def test_the_report_has_a_table_by_length(tmp_path: Path):
    folder = evaluation(tmp_path / "one", [episode("a", 1, oracle_steps=2), episode("b", 1, oracle_steps=9)])
    text = _Page(report_page([row_of(folder, summary_of(folder))])).text
    assert "By length" in text
    assert "1 to 3 actions" in text
    assert "4 to 7 actions" not in text, "no column for what was not played"


def test_the_table_has_a_row_for_each():
    columns, rows = table(summarise(EPISODES, MILESTONES))
    assert [row[:2] for row in rows] == [
        ["all", "all"], ["family", "form"], ["family", "mail"], ["length", "medium"],
        ["family and length", "form medium"], ["family and length", "mail medium"],
        ["task", "milepost/a-v0"], ["task", "milepost/b-v0"],
    ]  # fmt: skip
    lines = as_csv(columns, rows).splitlines()
    assert len(lines) == 9
    assert len({line.count(",") for line in lines}) == 1
    assert lines[8].split(",")[columns.index("efficiency")] == ""


def test_pairs_by_hand():
    mine = [episode("a", s, success=s != 3) for s in range(5)] + [episode("b", 0, success=None)]
    theirs = [episode("a", s, success=s in (0, 3), steps=6) for s in range(4)] + [episode("b", 0)]
    found = compare(mine, theirs, other="old")
    assert (found.all.pairs, found.all.better, found.all.worse, found.unpaired) == (4, 2, 1, 2)
    assert (found.all.success, found.all.other_success, found.all.difference) == (0.75, 0.5, 0.25)
    assert found.all.p_value == 1.0  # of eight sign patterns every one has |sum| >= 1
    assert found.all.steps_difference == -2.0  # in the one that both solved
    assert list(found.tasks) == ["milepost/a-v0"]
    with pytest.raises(RunError, match="decided episodes in common"):
        compare(mine, [episode("a", 99)], other="old")


def test_samples_of_one_instance_are_one_cluster():
    mine = [episode("a", 1, k) for k in range(8)]
    theirs = [episode("a", 1, k, success=False) for k in range(8)]
    assert compare(mine, theirs, other="old").all.p_value == 1.0, "eight samples of one instance are no evidence"


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_leaderboard_ranks_on_what_all_have(tmp_path: Path):
    better = evaluation(tmp_path / "better", [episode("a", s) for s in (1, 2)], policy="<i>runs/new</i>")
    worse = evaluation(tmp_path / "worse", [episode("a", 1, success=False), episode("b", 1)], policy="runs/old")
    board = leaderboard([row_of(folder, summary_of(folder)) for folder in (worse, better)])
    assert [row.name for row in board] == ["better", "worse"]
    assert [(row.common, row.common_success) for row in board] == [(1, 1.0), (1, 0.0)]
    assert board[0].versus_best is None
    assert board[1].versus_best is not None
    assert board[1].versus_best.difference == -1.0
    columns, rows = leaderboard_table(board)
    assert all(len(row) == len(columns) for row in rows)
    assert rows[1][columns.index("success:mail")] == 1.0
    for shown in (board, board[:1]):
        html = report_page(shown)
        page = _Page(html)
        assert "<i>runs/new</i>" in page.text, "names are text, not markup"
        assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
        assert not [a for _, attrs in page.tags for name, a in attrs.items() if name in {"src", "href"}]
        assert "http" not in html.replace("http-equiv", "")
    assert "not of the same episodes" in report_page(board)
    assert "100.0\u202f%" in report_page(board[:1])
