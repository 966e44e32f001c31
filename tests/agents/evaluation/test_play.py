"""Evaluations played in a real browser: killed and resumed, and the same figures wherever they are read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from milepost.agents.evaluation.folder import EvaluationFolder
from milepost.agents.evaluation.play import Plan, default_name, play, result_in, settings_of, summary_of
from milepost.agents.evaluation.policies import policy_named
from milepost.agents.rescore_run import rescore_run

TASK = "file-answer"  # two steps by its oracle; its page is a single line

KILLED = f"""
import sys, time
from milepost.agents.evaluation.folder import EvaluationFolder
from milepost.agents.evaluation.play import Plan, play, settings_of
from milepost.agents.evaluation.policies import policy_named

named, plan = policy_named("oracle"), Plan.of([{TASK!r}], seeds=6)
seen = []

def on_episode(result):  # the third has ended and is not written down when the kill comes
    seen.append(result)
    if len(seen) == 3:
        print("third", flush=True)
        time.sleep(600)

with EvaluationFolder.create(sys.argv[1], settings_of(plan, named.identity)) as folder:
    play(folder, plan, named.load(), concurrency=1, on_episode=on_episode)
"""


def test_names_differ_where_settings_do():
    plan = Plan.of([TASK, "expense-form"], seeds=2, samples=3)
    assert plan.total == 12
    specs = list(plan.specs())
    assert len(set(specs)) == 12
    assert [s.task for s in specs] == [plan.tasks[0]] * 6 + [plan.tasks[1]] * 6
    settings = settings_of(plan, {"kind": "scripted", "name": "oracle"})
    assert settings["tasks"]["milepost/file-answer-v0"]["milestones"]["answered"] == 1.0
    name = default_name(["core"], "oracle", settings)
    assert name.startswith("core-oracle-")
    assert name == default_name(["core"], "oracle", settings)
    assert name != default_name(["core"], "oracle", settings | {"seeds": 3})
    served = default_name(["my_tasks/a.yaml", "core"], "openai:org/model@http://host:1/v1", settings)
    assert served.startswith("a-and-1-more-model-")


def test_an_episode_is_drawn_alike_wherever_it_stands():
    specs = list(Plan.of([TASK, "expense-form"], seeds=2, samples=2).specs())
    drawn = [tuple(spec.generator(place).integers(1 << 30, size=4)) for place, spec in enumerate(specs)]
    again = [tuple(spec.generator(99).integers(1 << 30, size=4)) for spec in specs]
    assert drawn == again
    assert len(set(drawn)) == len(specs)


@pytest.mark.browser
def test_a_killed_evaluation_goes_on_and_all_its_readers_agree(tmp_path: Path):
    path = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "third\n"
        os.killpg(process.pid, signal.SIGKILL)
    kept = EvaluationFolder.open(path)
    assert len(kept.episodes) == 2, "only the one under way is lost"

    named, plan = policy_named("oracle"), Plan.of([TASK], seeds=6)
    played: list[int] = []
    with EvaluationFolder.create(path, settings_of(plan, named.identity)) as folder:
        assert folder.resumed
        play(folder, plan, named.load(), concurrency=2, on_episode=lambda e: played.append(e.seed))
        assert play(folder, plan, named.load()) == 0.0, "nothing is left to play"
        summary = summary_of(folder)
        result = result_in(folder, summary, policy="oracle", wall_s=1.0)
    assert len(played) == 6 - len(kept.episodes)
    assert not {seed for _, seed, _ in kept.episodes} & set(played)

    lines = [json.loads(line) for line in (path / "episodes.jsonl").read_text().splitlines()]
    assert len(lines) == 6
    assert all(line["ledger_hash"] and (path / line["ledger_path"]).is_file() for line in lines)
    assert all(line["steps"] == line["oracle_steps"] == 2 and line["duration_s"] > 0 for line in lines)
    assert summary.all.efficiency.value == 1.0

    rescored = rescore_run(path)
    assert rescored.passed
    assert rescored.counts == {"ok": 6}, "no ledger is left of the episode that was killed"
    rates = {summary.all.success.value, result.success_rate, rescored.success_rate}
    rates |= {summary.scores["milepost/file-answer-v0"].success_rate, result.to_json()["success_rate"]}
    assert rates == {1.0}
    assert rescored.old_total == sum(line["reward"] for line in lines)
    assert result.settlement.items == sum(line["steps"] for line in lines)

    (path / lines[0]["ledger_path"]).unlink()
    assert rescore_run(path).counts == {"ok": 5, "missing": 1}


@pytest.mark.browser
def test_what_the_machine_broke_is_played_again_by_the_same_command(tmp_path: Path):
    class Unlucky:
        """Breaks the first seed's episode every time, in its first round."""

        def __init__(self) -> None:
            self.oracle = policy_named("oracle").load()

        def decide(self, views):
            decisions = self.oracle.decide(views)
            return [
                type(d)(action=d.action, failure="no route to host") if v.drawn.seed == plan.first_seed else d
                for v, d in zip(views, decisions, strict=True)
            ]

    named, plan = policy_named("oracle"), Plan.of([TASK], seeds=2, samples=2)
    settings = settings_of(plan, named.identity)
    with EvaluationFolder.create(tmp_path / "unlucky", settings) as folder:
        play(folder, plan, Unlucky())
        broken = summary_of(folder).all
        assert (broken.episodes, broken.failures, broken.success.value) == (2, 2, 1.0)
        assert {e.failure_message for e in folder.episodes.values()} == {"", "no route to host"}
        play(folder, plan, named.load())
        mended = summary_of(folder).all
    assert (mended.episodes, mended.failures) == (4, 0)
    assert list(mended.pass_at) == ["1", "2"]
