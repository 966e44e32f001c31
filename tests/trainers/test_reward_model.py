from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.agents.reward_model.learned import LearnedRewardModel
from milepost.agents.views import episode_view
from milepost.rewards.preferences import Ranking, read_preferences, write_preferences
from milepost.rewards.reward_model import read_manifest, versions
from milepost.sandbox.errors import RunError
from milepost.trainers.preferences_from_rules import rankings_from_rules
from milepost.trainers.reward_model import RewardModelResult, main, refusal, summary
from milepost.trainers.reward_model_data import RankedEpisodes, is_held_out, split_rankings
from milepost.trainers.reward_model_fit import Scored, calibrate, draw_episodes, measure

from .preferred_episodes import GOOD, IDLE, episode, record, tiny_backbone

SEEDS = range(12)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, RewardModelResult]:
    """A folder with preferences, a configuration, and the first version trained by it."""
    folder = tmp_path_factory.mktemp("rm")
    run = record(folder / "run", SEEDS, tasks=("milepost/a-v0", "milepost/b-v0"))
    write_preferences(folder / "p.jsonl", rankings_from_rules([run]).rankings)
    config = dict(
        preferences=[str(folder / "p.jsonl")],
        out=str(folder / "models"),
        backbone=str(tiny_backbone(folder / "tiny")),
        unseen_tasks=["milepost/b-v0"],
        epochs=6,
        heads=3,
        learning_rate=1e-2,
        head_learning_rate=3e-2,
        trajectories=3,
        precision="float32",
        lora={"rank": 4, "alpha": 8},
    )
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    return folder, main([str(folder / "config.yaml")])


def test_it_learns_what_good_steps_are(trained):
    _, result = trained
    assert result.refused is None
    assert result.held_out.accuracy == 1.0
    assert result.unseen.accuracy == 1.0
    assert result.held_out.pairs == 5 * result.held_out.rankings > 0
    assert result.unseen.pairs == 5 * len(SEEDS)


def test_the_version_scores_as_it_was_measured(trained):
    folder, _ = trained
    model = LearnedRewardModel.load(folder / "models", dtype=torch.float32)
    assert model.version == "v001"
    good, idle = model.score([episode_view(episode(GOOD, IDLE, GOOD)), episode_view(episode(IDLE))])
    assert good[0].raw > idle[0].raw
    assert sum(s.value for s in good) > sum(s.value for s in idle)
    assert sum(s.value for s in good) == pytest.approx(0.0, abs=1e-4)  # the demonstrations are all this episode
    assert min(s.confidence for s in good) > 0.5


def test_the_manifest_says_what_it_was_made_of(trained):
    folder, result = trained
    manifest = read_manifest(result.folder)
    assert manifest.held_out == result.held_out
    assert manifest.parent is None
    assert list(manifest.trained_on) == [str(folder / "p.jsonl")]
    held_out = sum(is_held_out("milepost/a-v0", seed, 0.25) for seed in SEEDS)
    assert manifest.rankings == len(SEEDS) - held_out
    assert manifest.trained_tokens > 0


def test_going_on_makes_a_new_version_and_a_worse_one_is_put_aside(trained, capsys):
    folder, _ = trained
    config = str(folder / "config.yaml")
    second = main([config, "epochs=1", "learning_rate=1e-5", "head_learning_rate=1e-5"])
    assert (second.version, second.refused) == ("v002", None)
    assert read_manifest(second.folder).parent == "v001"
    # what it trains on is turned around, what it is measured on is not
    rankings = [
        ranking if is_held_out(ranking.task, ranking.seed, 0.25) else turned_around(ranking)
        for ranking in read_preferences(folder / "p.jsonl")
    ]
    write_preferences(folder / "turned.jsonl", rankings)
    worse = main([config, f"preferences=[{folder / 'turned.jsonl'}]"])
    assert worse.held_out.accuracy is not None
    assert worse.held_out.accuracy is not None
    assert worse.held_out.accuracy < 0.5
    assert "held-out accuracy fell from 1.0000" in (worse.refused or "")
    assert worse.folder == folder / "models" / "refused" / "v003"
    assert [f.name for f in versions(folder / "models")] == ["v001", "v002"]
    assert "REFUSED" in capsys.readouterr().out


def turned_around(ranking: Ranking) -> Ranking:
    items = tuple(dataclasses.replace(item, rank=9 - item.rank) for item in ranking.items)
    return dataclasses.replace(ranking, items=items)


def test_a_refusal_says_how_much_was_lost_and_what_to_do():
    assert refusal(0.9, 0.9, 0.0) is None
    assert refusal(0.9, 0.896, 0.005) is None
    assert refusal(None, 0.1, 0.0) is None
    assert "from 0.9000 to 0.8900" in (refusal(0.9, 0.89, 0.005) or "")


def test_the_summary_tells_a_refused_version(trained):
    _, result = trained
    refused = dataclasses.replace(result, refused="it lost.")
    assert "REFUSED" in summary(refused)
    assert "in use from now on" in summary(result)


def test_a_misspelt_setting_and_a_task_without_preferences_are_named(trained):
    folder, _ = trained
    with pytest.raises(RunError, match="epoch_count"):
        main([str(folder / "config.yaml"), "epoch_count=3"])
    with pytest.raises(RunError, match="milepost/c-v0"):
        main([str(folder / "config.yaml"), "unseen_tasks=[milepost/c-v0]", "start=fresh"])


def ranked(task: str = "t", seed: int = 0, ranks: tuple[int, ...] = (0, 1), **overrides) -> RankedEpisodes:
    given_ = dict(steps=tuple(((i + 1,),) for i in range(len(ranks))), successes=(False,) * len(ranks))
    return RankedEpisodes(task=task, seed=seed, ranks=ranks, **(given_ | overrides))


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.9), st.floats(0.0, 0.09))
def test_a_held_out_group_stays_held_out_when_more_are(seed, share, more):
    assert is_held_out("t", seed, share) <= is_held_out("t", seed, share + more)


def test_about_the_share_asked_for_is_held_out():
    assert sum(is_held_out("t", seed, 0.25) for seed in range(4000)) == pytest.approx(1000, abs=120)


def test_sides_share_no_group_and_need_members():
    rankings = [ranked(task, seed) for task in ("a", "b", "c") for seed in range(30) for _ in range(2)]
    sides = split_rankings(rankings, share=0.3, unseen_tasks=["c"])
    groups = [{(r.task, r.seed) for r in side} for side in (sides.train, sides.held_out, sides.unseen)]
    assert not groups[0] & groups[1]
    assert {task for task, _ in groups[2]} == {"c"}
    assert len(sides.train) + len(sides.held_out) + len(sides.unseen) == len(rankings)
    with pytest.raises(RunError, match="Record more seeds"):
        split_rankings(rankings[:2], share=0.3, unseen_tasks=[])


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=10).filter(lambda r: len(set(r)) > 1), st.integers(2, 10))
def test_a_draw_has_something_to_order(ranks, most):
    drawn = draw_episodes(ranks, most, np.random.default_rng(0))
    assert drawn == sorted(set(drawn))
    assert len(drawn) == min(most, len(ranks))
    assert len({ranks[i] for i in drawn}) > 1


def test_demonstrations_are_the_best_and_the_successful_of_them():
    assert ranked(ranks=(1, 0, 0, 2)).demonstrations() == [1, 2]
    assert ranked(ranks=(1, 0, 0, 2), successes=(True, False, True, False)).demonstrations() == [2]


def test_hand_worked_calibration_and_measures():
    one = Scored(ranked=ranked(), steps=(np.array([[1.0, 3.0], [1.0, 1.0]]), np.array([[0.5, 0.5]])))
    other = Scored(ranked=ranked("u", 1), steps=(np.array([[0.0, 0.0]]), np.array([[1.0, 1.0]])))
    assert one.winner_leads_PH.tolist() == [[1.5, 3.5]]
    calibration = calibrate([one, other])
    assert calibration.offset == pytest.approx((3.0 + 0.0) / 2)
    assert calibration.demonstration_step == pytest.approx((2.0 + 1.0 + 0.0) / 3)
    measured = measure([one, other])
    assert (measured.accuracy, measured.pairs, measured.by_task) == (0.5, 2, {"t": 1.0, "u": 0.0})
    assert measure([]).accuracy is None
