"""Rankings by a judge behind a real HTTP server: good, malformed, late, contradictory, dear, and cut short."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.responses import PlainTextResponse

from milepost.agents.task_rubric import RubricOrigin
from milepost.rewards.preferences import PreferenceSource, read_preferences, write_preferences
from milepost.sandbox.errors import FailureKind, RewardError, RunError
from milepost.trainers.judge_preferences_config import JudgePreferencesConfig, load_judge_preferences
from milepost.trainers.preferences_from_judge import FromJudge, connect_judge, rankings_from_judge, ranks_of
from milepost.trainers.recorded import RecordedEpisodes
from milepost.trainers.rule_agreement import RuleAgreement
from milepost.trainers.run_folder import RunFolder
from tests.judge.scripted import Server, completion, serving, verdict

from .preferred_episodes import GOOD, IDLE, episode, record, step

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def good_steps(server: Server, number: int) -> int:
    """How many good actions the question shows: 0 to 2."""
    return str(server.asked[number]["messages"][1]["content"]).count(GOOD)


def score_of(score: float, **more: Any) -> Any:
    return completion(verdict(score >= 0.5, score, quotes=["Save"], **more))


def fair(server: Server, number: int) -> Any:
    return score_of((0.1, 0.6, 0.9)[good_steps(server, number)])


def configured(server: Server, **changes: Any) -> JudgePreferencesConfig:
    own = changes.pop("judge", {})
    judge = server.config(samples=3, max_retries=0).model_dump(mode="json") | own
    return JudgePreferencesConfig.model_validate({"judge": judge, **changes})


def rank(run: Path, config: JudgePreferencesConfig, out: Path, **given: Any) -> FromJudge:
    return asyncio.run(rankings_from_judge([run], config, connect_judge(config, out), now=NOW, **given))


def judged(run: Path, answer: Callable[[Server, int], Any], **changes: Any) -> tuple[FromJudge, Server]:
    with serving(answer) as server:
        out = run.parent / f"{server.url.split(':')[-1].partition('/')[0]}.jsonl"  # each server with a cache of its own
        return rank(run, configured(server, **changes), out), server


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """One group: two good steps, one, none, and a long idle episode."""
    return record(tmp_path / "run", seeds=[0])


def test_a_group_is_ranked_by_the_judges_scores(run: Path, tmp_path: Path):
    made, server = judged(run, fair, judge={"budget": {"prompt_price": 1.0, "completion_price": 1.0}})
    (ranking,) = made.rankings
    assert [(item.trajectory.index, item.rank) for item in ranking.items] == [(0, 0), (1, 1), (2, 2), (3, 2)]
    assert (ranking.task, ranking.seed, ranking.source) == ("milepost/a-v0", 0, PreferenceSource.JUDGE)
    assert ranking.annotator.startswith("scripted v1:")
    assert ranking.reason == "scores 0.9, 0.6, 0.1, 0.1. Of the best: seen Of the worst: seen"
    assert ranking.time == NOW
    assert (made.groups, made.asked, made.judged, made.unsure, made.pairs) == (1, 4, 4, 0, 5)
    assert made.tokens == 120 * len(server.asked) == 120 * 12
    assert made.cost == pytest.approx(made.tokens / 1e6)
    assert made.rubrics == {RubricOrigin.GOAL: 4}
    assert made.agreement_in_all == RuleAgreement(agreed=5)
    path = tmp_path / "written.jsonl"
    write_preferences(path, made.rankings)
    (read,) = read_preferences(path)
    assert read == ranking
    totals = [RecordedEpisodes().trajectory(item.trajectory).total_reward for item in read.items]
    assert totals == [2.0, 1.0, 0.0, 0.0]


def test_each_episode_is_asked_about_by_itself(run: Path):
    _, server = judged(run, fair)
    assert sorted(good_steps(server, n) for n in range(12)) == [0] * 6 + [1] * 3 + [2] * 3
    assert all("The agent reached this goal: Save it." in b["messages"][1]["content"] for b in server.asked)


def test_near_scores_are_ties_and_a_group_of_ties_says_nothing(run: Path):
    made, _ = judged(run, lambda s, n: score_of((0.5, 0.52, 0.9)[good_steps(s, n)]), tie=0.05)
    assert [item.rank for item in made.rankings[0].items] == [0, 1, 1, 1]
    made, _ = judged(run, lambda *_: score_of(0.7))
    assert (made.rankings, made.tied_groups, made.judged) == ([], 1, 4)
    assert made.agreement_in_all == RuleAgreement(tied=5)


def test_a_poor_judge_shows(run: Path):
    made, _ = judged(run, lambda s, n: score_of((0.9, 0.6, 0.1)[good_steps(s, n)]))
    assert made.agreement == {"milepost/a-v0": RuleAgreement(reversed=5)}
    assert made.agreement_in_all.somers_d == -1.0


BAD: dict[str, Callable[[Server, int], Any]] = {
    "malformed": lambda *_: completion("I would say 0.9"),
    "contradiction": lambda *_: completion(verdict(True, 0.2, quotes=["Save"])),
    "quotes": lambda *_: completion(verdict(quotes=["nowhere to be seen"])),
    "server": lambda *_: PlainTextResponse("broken", 500),
    "refused": lambda *_: completion(verdict(), finish="content_filter"),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_episode_that_is_not_judged_is_left_out_and_never_last(run: Path, kind: str):
    made, _ = judged(run, lambda s, n: BAD[kind](s, n) if good_steps(s, n) == 1 else fair(s, n))
    (ranking,) = made.rankings
    assert [(item.trajectory.index, item.rank) for item in ranking.items] == [(0, 0), (2, 1), (3, 1)]
    assert (made.judged, made.abstained, made.thin_groups) == (3, {kind: 1}, 0)


@pytest.mark.parametrize("kind", BAD)
def test_a_group_of_which_less_than_two_are_judged_is_not_written(run: Path, kind: str):
    made, _ = judged(run, lambda s, n: fair(s, n) if good_steps(s, n) == 2 else BAD[kind](s, n))
    assert (made.rankings, made.thin_groups, made.judged, made.abstained) == ([], 1, 1, {kind: 3})
    assert made.agreement_in_all == RuleAgreement()


def test_late_answers_are_abstentions(run: Path):
    async def late() -> Any:
        await asyncio.sleep(3)
        return score_of(0.9)

    made, _ = judged(
        run, lambda s, n: late() if good_steps(s, n) else fair(s, n), judge={"timeout_s": 0.4, "deadline_s": 1.0}
    )
    assert made.abstained == {"late": 2}
    assert (made.tied_groups, made.rankings) == (1, [])


def test_no_server_at_all_is_no_crash(run: Path):
    with serving(fair) as server:
        config = configured(server)
    made = rank(run, config, run.parent / "p.jsonl")
    assert (made.rankings, made.abstained, made.cost) == ([], {"unreachable": 4}, 0.0)


def test_samples_that_contradict_each_other_are_too_unsure(run: Path):
    def wavering(server: Server, number: int) -> Any:
        return score_of(0.9 if number % 3 else 0.1) if good_steps(server, number) == 1 else fair(server, number)

    made, _ = judged(run, wavering, judge={"max_concurrency": 1})
    assert (made.judged, made.unsure, made.abstained) == (3, 1, {})
    made, _ = judged(run, wavering, judge={"max_concurrency": 1}, min_confidence=0.0)
    assert (made.judged, made.unsure) == (4, 0)


def test_the_budget_holds_and_the_cache_goes_on_from_there(tmp_path: Path):
    run = record(tmp_path / "run", seeds=range(4), pages_differ=True)  # 16 episodes, 3 samples each
    out = tmp_path / "p.jsonl"
    with serving(fair) as server:
        first = rank(run, configured(server, judge={"budget": {"requests": 20}, "max_concurrency": 2}), out)
        assert len(server.asked) == 20
        assert first.asked == 16
        assert first.abstained["budget"] >= 9
        assert len(first.rankings) <= 2
        second = rank(run, configured(server, judge={"max_concurrency": 2}), out)
        assert len(server.asked) == 48, "what was answered is not asked again"
        assert (second.judged, second.abstained, len(second.rankings)) == (16, {}, 4)
        third = rank(run, configured(server), out)
        assert len(server.asked) == 48
    assert (third.cached, third.cost, third.tokens) == (16, 0.0, 0)
    assert third.rankings == second.rankings
    assert (tmp_path / "p.answers.sqlite").is_file()


def test_the_cost_limit_is_kept_to(tmp_path: Path):
    run = record(tmp_path / "run", seeds=range(3), pages_differ=True)
    prices = {"prompt_price": 1000.0, "completion_price": 1000.0}
    made, server = judged(run, fair, judge={"max_answer_tokens": 20, "budget": {"cost": 6.0, **prices}})
    assert 0 < made.cost <= 6.0
    assert made.cost == pytest.approx(0.120 * len(server.asked))
    assert made.abstained.keys() == {"budget"}


def test_nobody_is_asked_about_what_no_ranking_can_use(tmp_path: Path):
    unscored = dataclasses.replace(episode(GOOD), seed=1, steps=(step(IDLE, None),))
    episodes = [
        episode(GOOD), episode(GOOD), episode(IDLE), episode(IDLE, IDLE, failure=FailureKind.PAGE_HUNG),
        dataclasses.replace(episode(GOOD, seed=5), steps=()), episode(GOOD, seed=2), unscored, episode(GOOD, seed=1),
    ]  # fmt: skip
    with RunFolder.create(tmp_path / "run", {}, seed=0) as folder:
        folder.write_trajectories(0, episodes)
    made, _ = judged(tmp_path / "run", fair)
    assert (made.episodes, made.broken, made.repeated, made.alone, made.asked) == (8, 2, 1, 1, 4)
    assert [ranking.seed for ranking in made.rankings] == [0, 1]
    assert made.agreement_in_all == RuleAgreement(agreed=1), "of what rules did not score, they say nothing"


def test_of_a_large_group_those_that_differ_most_are_asked_about(tmp_path: Path):
    plans = [(IDLE,) * n for n in (1, 2, 3)] + [(GOOD,), (GOOD, GOOD)]
    with RunFolder.create(tmp_path / "run", {}, seed=0) as folder:
        folder.write_trajectories(0, [episode(*plan) for plan in plans])
    made, _ = judged(tmp_path / "run", fair, most=3)
    assert [item.trajectory.index for item in made.rankings[0].items] == [4, 3, 0]
    assert (made.asked, made.spared) == (3, 2)


def test_a_file_of_rubrics_is_asked_by(run: Path, tmp_path: Path):
    (tmp_path / "rubrics.yaml").write_text("tasks: {milepost/a-v0: {text: It was saved twice., truth: two saves}}\n")
    made, server = judged(run, fair, rubrics=str(tmp_path / "rubrics.yaml"))
    assert made.rubrics == {RubricOrigin.FILE: 4}
    assert all(
        "It was saved twice." in body["messages"][1]["content"] and "two saves" in body["messages"][1]["content"]
        for body in server.asked
    )
    with pytest.raises(RewardError, match="no rubrics"):
        judged(run, fair, rubrics=str(tmp_path / "absent.yaml"))


def test_reasons_are_one_bounded_line(run: Path):
    made, _ = judged(run, lambda s, n: score_of((0.1, 0.6, 0.9)[good_steps(s, n)], reasons="a\u202e\n\x1b[31m" * 400))
    assert made.rankings[0].reason.isprintable()
    assert len(made.rankings[0].reason) < 700


def test_progress_is_told(tmp_path: Path):
    told: list[tuple[int, int, float]] = []
    run = record(tmp_path / "run", seeds=range(3), pages_differ=True)
    with serving(fair) as server:
        config = configured(server, judge={"max_concurrency": 1})
        rank(run, config, tmp_path / "p.jsonl", on_judged=lambda *said: told.append(said))
    assert [(done, total) for done, total, _ in told] == [(1, 3), (2, 3), (3, 3)]


def test_a_judge_that_cannot_say_how_sure_it_is_is_refused_at_once():
    judge = {"model": "m", "base_url": "http://127.0.0.1:1/v1", "samples": 1}
    with pytest.raises(ValidationError, match=r"raise judge\.samples.*min_confidence: 0"):
        JudgePreferencesConfig.model_validate({"judge": judge})
    assert JudgePreferencesConfig.model_validate({"judge": judge, "min_confidence": 0}).most == 8


def test_wrong_settings_are_named(tmp_path: Path):
    path = tmp_path / "judge.yaml"
    path.write_text(json.dumps({"judge": {"model": "m"}, "tye": 0.1}))
    with pytest.raises(RunError, match=r"tye.*Known settings: judge, rubrics, most, tie, min_confidence"):
        load_judge_preferences(path)
    example = Path(__file__).parents[2] / "examples" / "reward_model" / "from_judge.yaml"
    assert load_judge_preferences(example, ["most=4", "judge.samples=5"]).judge.samples == 5


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0, 1))
def test_ranks_follow_scores_and_what_is_ordered_differs_by_more_than_a_tie(scores, tie):
    ranks = ranks_of(scores, tie=tie)
    assert sorted(set(ranks)) == list(range(len(set(ranks))))
    for score, rank in zip(scores, ranks, strict=True):
        for other, other_rank in zip(scores, ranks, strict=True):
            if rank < other_rank:
                assert score - other > tie
            if score == other:
                assert rank == other_rank


def test_ranks_by_hand():
    assert ranks_of([0.2, 0.9, 0.8, 0.5], tie=0.1) == [2, 0, 0, 1]
    assert ranks_of([0.9, 0.82, 0.74, 0.5], tie=0.1) == [0, 0, 0, 1]  # a chain: its ends lie further apart
    assert ranks_of([0.3, 0.3], tie=0.0) == [0, 0]
    assert ranks_of([], tie=0.1) == []
