"""An evaluation's folder: what a kill leaves, what resumes, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from milepost.agents.evaluation.folder import EvaluationFolder, ordered
from milepost.agents.evaluation.outcome import EpisodeResult
from milepost.sandbox.errors import RunError

from .made import episode, evaluation, settings


def test_episodes_come_back_as_they_were_written(tmp_path: Path):
    written = [episode(seed=1), episode("b", seed=2, success=None, reward=None, unjudged=("meant",), failure=None)]
    folder = evaluation(tmp_path / "one", written)
    assert list(folder.episodes.values()) == written
    assert folder.facts["policy"] == "oracle"
    assert "started" in folder.facts


def test_the_same_settings_resume_and_others_are_refused_by_name(tmp_path: Path):
    path = tmp_path / "evals" / "one"
    evaluation(path, [episode()])
    with EvaluationFolder.create(path, settings()) as folder:
        assert folder.resumed
        assert len(folder.episodes) == 1
    other = settings(samples=4, policy={"kind": "scripted", "name": "noop"})
    with pytest.raises(RunError) as caught:
        EvaluationFolder.create(path, other)
    message = str(caught.value)
    assert "samples: it has 1, now asked for 4" in message
    assert "policy.name: it has 'oracle', now asked for 'noop'" in message
    assert "seeds" not in message
    with EvaluationFolder.create(path, other, fresh=True) as folder:
        assert (folder.resumed, folder.episodes) == (False, {})
        assert folder.settings["samples"] == 4


def test_a_torn_line_and_ledgers_of_nobody_are_dropped(tmp_path: Path):
    path = tmp_path / "one"
    evaluation(path, [episode(seed=1, ledger_path="episodes/kept.jsonl"), episode(seed=2)])
    (path / "episodes" / "kept.jsonl").write_text("{}\n")
    (path / "episodes" / "under-way.jsonl").write_text("{}\n")
    lines = (path / "episodes.jsonl").read_bytes()
    (path / "episodes.jsonl").write_bytes(lines[: len(lines) - 30])  # killed in the middle of the second line
    assert len(EvaluationFolder.open(path).episodes) == 1, "reading leaves it out"
    with EvaluationFolder.create(path, settings()) as folder:
        folder.append([episode(seed=2)])
    assert [e.seed for e in EvaluationFolder.open(path).episodes.values()] == [1, 2]
    assert [p.name for p in (path / "episodes").iterdir()] == ["kept.jsonl"]


def test_of_an_episode_that_was_played_again_the_newest_counts(tmp_path: Path):
    broken = episode(success=False, failure="page_hung", reward=None)
    folder = evaluation(tmp_path / "one", [broken, episode()])
    assert [e.failure for e in folder.episodes.values()] == [None]


def test_what_is_no_evaluation_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("important")
    for fresh in (False, True):
        with pytest.raises(RunError, match="not an evaluation"):
            EvaluationFolder.create(tmp_path, settings(), fresh=fresh)
    assert (tmp_path / "thesis.txt").read_text() == "important"
    with pytest.raises(RunError, match="not an evaluation"):
        EvaluationFolder.open(tmp_path / "absent")


def test_two_writers_are_told_apart(tmp_path: Path):
    with (
        EvaluationFolder.create(tmp_path / "one", settings()),
        pytest.raises(RunError, match="being written by another process"),
    ):
        EvaluationFolder.create(tmp_path / "one", settings(), fresh=True)


def test_a_line_that_is_no_episode_is_named(tmp_path: Path):
    evaluation(tmp_path / "one", [episode()])
    with (tmp_path / "one" / "episodes.jsonl").open("a") as file:
        file.write('{"task": "x"}\n')
    with pytest.raises(RunError, match=r"episodes\.jsonl:2: expected an episode"):
        EvaluationFolder.open(tmp_path / "one")


def test_lines_of_a_later_version_can_be_read():
    line = episode().to_json() | {"mood": "good", "settlement": {}}
    assert EpisodeResult.from_json(line) == episode()


def test_the_order_is_that_of_the_tasks():
    mixed = [episode("b", 1), episode("a", 2), episode("a", 1, 1), episode("a", 1, 0)]
    keys = [e.key for e in ordered(mixed, ["milepost/a-v0", "milepost/b-v0"])]
    assert keys == [("milepost/a-v0", 1, 0), ("milepost/a-v0", 1, 1), ("milepost/a-v0", 2, 0), ("milepost/b-v0", 1, 0)]
