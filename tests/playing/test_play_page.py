"""A person's browser on the playing page: milestones light up as they are reached, and what was played trains."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page
from typer.testing import CliRunner

from milepost.agents.rescore_run import rescore_run
from milepost.cli import app
from milepost.envs.registration import task_for
from milepost.sandbox.errors import RunError
from milepost.trainers.demonstrations import Demonstrations
from milepost.trainers.local_page.server import LocalServer
from milepost.trainers.playing.server import PlayPage
from milepost.trainers.recorded import read_trajectories, trajectory_files
from milepost.trainers.sft import main as sft
from tests.labelling.conftest import chromium, tab
from tests.labelling.served import ServedPage
from tests.trainers.conftest import tiny_model

__all__ = ["chromium", "tab", "tiny_model"]
TASK = "milepost/expense-form-v0"
pytestmark = pytest.mark.browser


@contextmanager
def playing(seed: int, run: Path) -> Iterator[ServedPage]:
    with Demonstrations.open(run) as demonstrations:
        page = PlayPage(TASK, seed, demonstrations)
        try:
            with LocalServer(page.app()) as server:
                server.start()
                yield ServedPage(server)
        finally:
            page.close()


def shown(tab: Page) -> list[str]:
    return list(tab.locator("#marks li.reached").evaluate_all("rows => rows.map((row) => row.dataset.id)"))


def done(tab: Page, actions: int) -> None:
    tab.wait_for_function("n => document.querySelectorAll('#steps li').length === n", arg=actions)


def play(tab: Page, seed: int) -> list[list[str]]:
    """Solve the form by pointing and typing; return which milestones were lit after each action."""
    values = task_for(TASK).instantiate(seed).parameters
    lit = []
    for number, name in enumerate(("Name", "Amount", "Purpose")):
        tab.locator(f".offer[title='fill textbox {name}'], .offer[title='fill spinbutton {name}']").click()
        tab.keyboard.insert_text(str(values[{"Name": "person", "Amount": "amount", "Purpose": "purpose"}[name]]))
        tab.keyboard.press("Enter")
        done(tab, number + 1)
        lit.append(shown(tab))
    tab.locator(".offer[title='click button Submit']").click()
    done(tab, 4)
    return [*lit, shown(tab)]


@pytest.mark.model
def test_what_was_played_by_hand_trains(tab: Page, tmp_path: Path, tiny_model: Path):
    run = tmp_path / "by_hand"
    with playing(3, run) as page:
        tab.goto(page.server.url)
        tab.wait_for_selector(".offer")
        assert tab.locator("#goal").inner_text() == task_for(TASK).instantiate(3).goal
        assert shown(tab) == []
        lit = play(tab, 3)
        assert [len(each) for each in lit] == sorted(len(each) for each in lit)
        assert len(lit[0]) > 0, "the first field lights its milestone at once"
        assert "Solved" in tab.locator("#ending").inner_text()
        assert "holds 1 now" in tab.locator("#ending").inner_text()
        tab.locator("#again").click()
        tab.wait_for_function("() => document.getElementById('seed').textContent === '4'")
        assert shown(tab) == []
        play(tab, 4)
        tab.locator("#again").click()  # and leaves this one unfinished
        tab.wait_for_function("() => document.getElementById('seed').textContent === '5'")
    episodes = [episode for file in trajectory_files(run) for episode in read_trajectories(file)]
    assert [(episode.seed, episode.success, len(episode.steps)) for episode in episodes] == [(3, True, 4), (4, True, 4)]
    assert all(step.action.startswith(("fill(", "click(")) for episode in episodes for step in episode.steps)
    assert rescore_run(run).passed, "its ledgers are whole and pay the same again"

    settings = {
        "tasks": ["expense-form"], "run": str(tmp_path / "sft"), "model": str(tiny_model), "precision": "float32",
        "episodes": [str(run)], "demonstrations": 0, "evaluation_seeds": 0, "batch": 2, "epochs": 12,
        "learning_rate": 0.03, "warmup_updates": 0, "checkpoint_every": 1, "lora": {"rank": 4, "alpha": 8},
    }  # fmt: skip
    file = tmp_path / "sft.yaml"
    file.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    assert sft([str(file)]).examples == 2
    logged = [json.loads(line) for line in (tmp_path / "sft" / "metrics.jsonl").read_text().splitlines()]
    losses = [record["train/loss"] for record in logged if "train/loss" in record]
    assert len(losses) == 12
    assert losses[-1] < losses[0] - 0.05


def test_what_the_page_sends_is_checked(tmp_path: Path):
    with playing(3, tmp_path / "run") as page:
        assert page.post("/act", {"ref": 999_999}).status == 409
        assert page.post("/act", {"acts": "x"}).status == 422
        assert page.post("/begin", {"seed": -1}).status == 422
        assert page.post("/act", {"action": "noop()"}, origin="http://evil.example").status == 403
        state = page.ask("GET", "/now").json()
        assert state["steps"] == []
        impossible = page.post("/act", {"action": 'click("Nothing")'}).json()
        assert "Nothing" in impossible["error"]
        assert impossible["steps"][0]["error"]
        assert page.ask("GET", "/picture/1").body.startswith(b"\x89PNG")
        assert page.ask("GET", "/picture/0").status == 404
        assert page.post("/act", {"action": "done()"}).json()["over"]
        after = page.post("/act", {"action": "noop()"})
        assert (after.status, after.body) == (409, b"the episode is over: begin another one")


def test_an_episode_that_is_left_leaves_nothing_behind(tmp_path: Path):
    run = tmp_path / "run"
    with playing(3, run) as page:
        assert page.post("/act", {"action": "noop()"}).status == 200
        assert page.post("/begin", {"seed": 4}).json()["steps"] == []
        for action in task_for(TASK).instantiate(4).oracle:
            state = page.post("/act", {"action": action}).json()
        assert (state["over"]["success"], state["recorded"], state["episodes"]) == (True, True, 1)
        assert page.post("/act", {"action": "noop()"}).status == 409
    assert [report.seed for report in rescore_run(run).episodes] == [4]


def test_on_the_terminal_only_whole_episodes_are_recorded(tmp_path: Path):
    run, arguments = tmp_path / "run", ["play", "expense-form", "--seed", "3", "--record"]
    left = CliRunner().invoke(app, [*arguments, str(run)], input='fill("Name", "x")\nquit\n')
    assert left.exit_code == 0
    assert "was not recorded: it was not played to its end" in left.output
    assert list((run / "trajectories").iterdir()) == []
    actions = task_for(TASK).instantiate(3).oracle
    played = CliRunner().invoke(app, [*arguments, str(run)], input="\n".join(actions))
    assert f"1 episodes in {run}" in played.output
    ((episode,),) = map(read_trajectories, trajectory_files(run))
    assert (episode.success, tuple(step.action for step in episode.steps)) == (True, actions)


def test_a_folder_that_holds_another_run_is_refused(tmp_path: Path):
    from milepost.trainers.run_folder import RunFolder

    RunFolder.create(tmp_path / "run", {"policy": "oracle"}, seed=0).close()
    with pytest.raises(RunError, match="another configuration"):
        Demonstrations.open(tmp_path / "run")
