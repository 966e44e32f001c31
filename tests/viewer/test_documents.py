"""What the page is told of runs and episodes, and that it is what the other tools say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from milepost.agents.rescore_run import rescore_run
from milepost.agents.task_scores import score
from milepost.envs.registration import task_for
from milepost.rewards.ledger_reading import read_header, read_ledger
from milepost.sandbox.errors import FailureKind, RewardError
from milepost.trainers.run_folder import RunFolder
from milepost.trainers.viewing.episode import MAX_MOMENTS, episode_document
from milepost.trainers.viewing.evidence import rescored
from milepost.trainers.viewing.index import Outcome, RunIndex
from milepost.trainers.viewing.overview import run_document, success_of
from milepost.trainers.viewing.targets import target_of
from milepost.trainers.viewing.tokens import TokenTexts
from tests.labelling.choices import episode as bare_episode
from tests.labelling.choices import record
from tests.rewards.scenes import el
from tests.rewards.written import edit

from .runs import P_TOKEN, TASK, episode, record_run, word_model


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    return record_run(folder / "run", name=str(word_model(folder / "model")))


def told(run: Path, number: int = 0):
    return episode_document(RunIndex.open(run), number, TokenTexts(run))


def test_a_moment_is_what_was_seen_what_was_done_and_what_came_of_it(run: Path):
    episode = told(run)
    values = task_for(TASK).instantiate(0).parameters
    first = episode["moments"][0]
    assert first["action"] == f'fill("Name", "{values["person"]}")'
    assert '[2] textbox "Name" ""' in first["page"]
    assert "Goal:" not in first["page"]
    assert first["target"] == {"what": 'textbox "Name"', "box": [0.25, 0.2, 0.5, 0.05]}
    assert [(p["id"], p["reward"]) for p in first["paid"]] == [("name_filled", 0.2)]
    assert first["reward"] == 0.2
    assert "Name" in first["paid"][0]["summary"]
    assert first["tiers"][0]["tier"] == "rule"
    assert first["events"]["listed"][0][0] == "input"
    assert episode["moments"][1]["error"] == "cannot do this twice"
    assert episode["moments"][-1].keys() == {"page", "url", "title"}
    assert episode["moments"][-1]["url"].endswith("/receipt")
    assert (episode["cut"], episode["goal"]) == (0, task_for(TASK).instantiate(0).goal)


def test_milestones_stand_with_the_step_that_reached_them(run: Path):
    episode = told(run)
    assert episode["reached"]["saved"] == {"step": 4, "reward": 0.5}
    assert episode["reached"]["amount_filled"] == {"step": 2, "reward": 0.2}
    assert [m["id"] for m in episode["milestones"] if m["success"]] == ["saved"]
    assert "saved" not in told(run, 1)["reached"]
    assert episode["most"] == pytest.approx(task_for(TASK).instantiate(0).max_reward)


def test_tokens_stand_with_their_text_and_probability(run: Path, tmp_path: Path):
    tokens = told(run)["moments"][0]["tokens"]
    assert [t["text"] for t in tokens] == ["fill", "<b>Name</b>", "<end>"]
    assert [t["p"] for t in tokens] == pytest.approx([P_TOKEN, 0.999, 1.0])
    without = episode_document(RunIndex.open(run), 0, TokenTexts(tmp_path))["moments"][0]["tokens"]
    assert [(t["id"], t["text"]) for t in without] == [(1, ""), (2, ""), (0, "")]


def test_a_prompt_whose_tokens_were_kept_is_shown_as_it_was(run: Path, tmp_path: Path):
    index = RunIndex.open(run)
    trajectory = index.trajectory(0)
    steps = (replace(trajectory.steps[0], prompt_ids=(1, 2)), *trajectory.steps[1:])
    with RunFolder.create(tmp_path / "kept", {"model": str(run.parent / "model")}, seed=0) as folder:
        folder.write_trajectories(0, [replace(trajectory, steps=steps)], with_tokens=True)
    assert told(tmp_path / "kept")["moments"][0]["prompt"] == "fill <b>Name</b>"
    assert told(run)["moments"][0]["prompt"] is None
    assert [turn["role"] for turn in told(run)["prompt"]] == ["system", "user", "assistant"]


def test_a_ledger_that_was_altered_is_not_believed(tmp_path: Path):
    run = record_run(tmp_path / "run", seeds=1, iterations=1)
    ledger = run / "trajectories" / "iteration_000" / "e0-0.jsonl"
    edit(ledger, 2, lambda line: line["reward"].update(total=5.0))
    episode = told(run)
    assert episode["ledger"]["state"] == "tampered"
    assert "line 3 was edited" in episode["ledger"]["note"]
    assert episode["moments"][0]["paid"] == []
    assert episode["total"] == pytest.approx(sum(step["reward"] for step in episode["moments"][:-1]))
    assert rescored(ledger, None)["verdict"] == "tampered"
    ledger.unlink()
    assert told(run)["ledger"]["state"] == "none"
    assert told(run)["milestones"]
    assert rescored(None, None)["verdict"] == "missing"


def test_a_ledger_of_another_episode_is_found_out(tmp_path: Path):
    run = record_run(tmp_path / "run", seeds=1, iterations=1)
    folder = run / "trajectories" / "iteration_000"
    (folder / "e0-0.jsonl").write_bytes((folder / "e0-1.jsonl").read_bytes())
    assert told(run)["ledger"]["state"] == "tampered"


def test_an_episode_of_an_unknown_task_without_a_ledger_is_shown(tmp_path: Path):
    run = record(tmp_path / "run", [bare_episode("a()", "b()", total=0.5)])
    episode = told(run)
    assert [m.get("action") for m in episode["moments"]] == ["a()", "b()", None]
    assert (episode["milestones"], episode["most"], episode["prompt"]) == ([], None, [])
    assert run_document(RunIndex.open(run))["tasks"][0]["milestones"] == []


def test_a_very_long_episode_is_cut_and_says_so(tmp_path: Path):
    run = record(tmp_path / "run", [bare_episode(*(f"a({n})" for n in range(MAX_MOMENTS + 7)))])
    episode = told(run)
    assert (len(episode["moments"]), episode["cut"]) == (MAX_MOMENTS, 7)


@pytest.mark.parametrize(
    ("action", "what", "box"),
    [
        ("click(2)", 'button "Send"', [0.0, 0.0, 0.25, 0.1]),
        ('click("send")', 'button "Send"', [0.0, 0.0, 0.25, 0.1]),
        ('click("Below")', 'button "Below"', None),
        ("mouse_click(640, 360)", "point 640, 360", [0.49375, 0.48889, 0.0125, 0.02222]),
    ],
)
def test_targets_are_found_as_the_environment_finds_them(action: str, what: str, box: list[float] | None):
    elements = [
        replace(el(2, "button", "Send"), box=(-320.0, -72.0, 640.0, 144.0), interactive=True),
        replace(el(3, "button", "Below"), box=(0.0, 900.0, 50.0, 50.0), interactive=True),
    ]
    assert target_of(action, elements) == {"what": what, "box": box}


@pytest.mark.parametrize("action", ["noop()", "no action", 'click("Gone")', "click(99)", ""])
def test_what_aims_at_nothing_has_no_target(action: str):
    assert target_of(action, [el(2, "button", "Send")]) is None


def test_every_tool_says_the_same_numbers(run: Path):
    """To the last digit: evaluation's scores, the viewer's, those of `rescore`, and each episode's own."""
    index = RunIndex.open(run)
    trajectories = [index.trajectory(n) for n in range(len(index.rows))]
    scores = score(TASK, trajectories)
    viewed = run_document(index)["summary"]
    assert viewed["all"] == viewed["tasks"][0] == success_of(index.rows)
    again = rescore_run(run)
    assert viewed["all"]["successes"] == scores.successes == again.old_successes
    assert viewed["all"]["success_rate"] == scores.success_rate == again.old_successes / len(again.scored)
    assert (viewed["all"]["low"], viewed["all"]["high"]) == (scores.success_low, scores.success_high)
    by_ledger = {report.path.name: report for report in again.episodes if report.path.parent.name == "iteration_001"}
    for number, row in enumerate(index.rows[8:], start=8):
        report = by_ledger[row.ledger]
        episode = told(run, number)
        assert (
            row.total == episode["total"] == trajectories[number].total_reward == report.old_total == report.new_total
        )
        ledger = index.ledger(number)
        assert ledger is not None
        footer = read_ledger(ledger).footer
        assert footer is not None
        assert footer.total == row.total == rescored(ledger, trajectories[number].ledger_hash)["total"]


def test_tenths_are_summed_as_in_the_ledger():
    """0.1 thirty times is 3.0 when it is rounded once, and 3.0000000000000013 when it is rounded thirty times."""
    summed = bare_episode(*("a()" for _ in range(30)))
    trajectory = replace(summed, steps=tuple(replace(step, reward=0.1) for step in summed.steps))
    assert trajectory.total_reward == trajectory.rule_reward == 3.0


def test_broken_and_undecided_episodes_are_no_failures(tmp_path: Path):
    broken = bare_episode("a()", failure=FailureKind.PAGE_HUNG, success=False)
    undecided = bare_episode("b()", unjudged=("good",), success=False)
    run = record(tmp_path / "run", [broken, undecided, bare_episode("c()", total=1.0), bare_episode("d()", total=0.1)])
    rows = RunIndex.open(run).rows
    assert [r.outcome for r in rows] == [Outcome.BROKEN, Outcome.UNDECIDED, Outcome.SUCCESS, Outcome.FAILED]
    summary = success_of(rows)
    assert (summary["episodes"], summary["successes"], summary["undecided"], summary["broken"]) == (3, 1, 1, 1)
    assert summary["success_rate"] == 0.5
    assert success_of([])["success_rate"] is None
    assert success_of(rows[:1])["mean_total"] is None


def test_what_is_known_to_have_failed_is_not_undecided(tmp_path: Path):
    """Of a task that is known here: rules would have found what is missing, so no judge could help."""
    open_end = bare_episode("a()", task=TASK, unjudged=("saved",))
    run = record(tmp_path / "run", [open_end, replace(open_end, unjudged=("name_filled",))])
    assert [row.outcome for row in RunIndex.open(run).rows] == [Outcome.UNDECIDED, Outcome.FAILED]


def test_a_run_has_its_curves_and_evaluations(run: Path):
    document = run_document(RunIndex.open(run), [3, 1])
    assert document["iterations"] == [0, 1]
    assert document["curves"]["train/success"] == [0.5, 0.5]
    assert document["evaluations"]["trained"]["expense-form"]["success_rate"] == 0.75
    assert [row[0] for row in document["episodes"]] == [3, 1]
    assert document["summary"]["all"]["episodes"] == 16
    assert [m["id"] for m in document["tasks"][0]["milestones"]][:2] == ["name_filled", "amount_filled"]


def test_a_header_is_read_by_itself(run: Path, tmp_path: Path):
    path = run / "trajectories" / "iteration_000" / "e0-0.jsonl"
    assert read_header(path) == read_ledger(path).header
    for bad in ("", "{}", "[]", "not json"):
        (tmp_path / "bad.jsonl").write_text(bad)
        with pytest.raises(RewardError, match="expected a ledger's header"):
            read_header(tmp_path / "bad.jsonl")
    with pytest.raises(RewardError, match="cannot read"):
        read_header(tmp_path / "none.jsonl")


def test_nothing_unseen_reaches_the_page(tmp_path: Path):
    hostile = "\u202egnp.\u2066\x00<script>"
    with RunFolder.create(tmp_path / "run", {}, seed=0) as folder:
        trajectory = episode(folder.ledger_dir(0) / "e.jsonl", 0, "all")
        steps = (
            replace(trajectory.steps[0], action=hostile, observation=hostile, error=hostile),
            *trajectory.steps[1:],
        )
        folder.write_trajectories(0, [replace(trajectory, steps=steps, stop_reason=hostile, final_observation=hostile)])
    text = orjson.dumps([told(tmp_path / "run"), run_document(RunIndex.open(tmp_path / "run"))]).decode()
    assert not {"\u202e", "\u2066"} & set(text)
    assert "\\u0000" not in text
    assert "\u27e8U+202E\u27e9" in text
