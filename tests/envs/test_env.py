"""The environment on real pages: what Gymnasium asks, what tasks promise, and what happens when the machine fails."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence

import milepost
from milepost.envs import MilepostEnv, StopReason, Task, reset_many, step_many, task_for
from milepost.envs.registration import BUNDLED_TASKS
from milepost.errors import BrowserNotFoundError, FailureKind, TaskError
from milepost.rewards.ledger import rescore
from milepost.rewards.types import StepReward
from milepost.sandbox.browser_thread import BrowserThread

pytestmark = pytest.mark.browser

TASKS = tuple(sorted(path.stem for path in BUNDLED_TASKS.glob("*.yaml")))


def patient(task: Task) -> Task:
    """Return the task without a limit on idle steps."""
    return task.model_copy(update={"max_idle_steps": None})


@pytest.fixture(params=TASKS)
def env(request: pytest.FixtureRequest) -> Iterator[MilepostEnv]:
    made = milepost.make(request.param)
    yield made
    made.close()


@pytest.fixture
def form() -> Iterator[MilepostEnv]:
    made = milepost.make(patient(task_for("expense-form")))
    yield made
    made.close()


@pytest.mark.parametrize("task", TASKS)
def test_gymnasiums_checker_is_content(task: str):
    env = gymnasium.make(f"milepost:milepost/{task}-v0").unwrapped
    check_env(env, skip_render_check=True)
    env.close()


def test_rendering_passes_the_checker():
    pytest.importorskip("PIL")
    env = gymnasium.make("milepost:milepost/expense-form-v0", render_mode="rgb_array")
    env.reset(seed=1)
    frame = env.render()
    assert isinstance(frame, np.ndarray)
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    assert frame.shape[2] == 3
    assert len(np.unique(frame)) > 2, "the page is not blank"
    env.close()


def test_the_oracle_earns_everything_on_twenty_seeds(env: MilepostEnv):
    for seed in range(20):
        _, info = env.reset(seed=seed)
        total, stop = info["reward"].total, None
        for action in env.instance.oracle:
            assert stop is None, f"seed {seed} stopped early: {stop}"
            observation, reward, terminated, truncated, info = env.step(action)
            assert observation["last_action_error"] == ""
            assert reward == info["reward"].total
            total += reward
            stop = info["stop_reason"]
        assert (terminated, truncated, stop, info["success"]) == (True, False, StopReason.SUCCESS, True)
        assert info["milestones"] == {m.id for m in env.instance.milestones if not m.forbidden}
        assert total == pytest.approx(env.instance.max_reward)
        assert info["progress"] == pytest.approx(1.0)
        assert info["failure"] is None


@pytest.mark.parametrize("task", TASKS)
def test_doing_nothing_earns_nothing(task: str):
    env = milepost.make(patient(task_for(task)))
    env.reset(seed=3)
    for step in range(1, env.task.max_steps + 1):
        observation, reward, terminated, truncated, info = env.step("noop()")
        assert reward == 0.0
        assert terminated is False
        assert truncated is (step == env.task.max_steps)
        assert info["milestones"] == frozenset()
        assert info["milestone_bits"] == 0
        assert observation["last_action_result"] == "nothing changed"
    assert info["stop_reason"] is StopReason.STEP_LIMIT
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("noop()")
    env.close()


def test_an_agent_that_changes_nothing_is_cut_short_where_the_task_says_so():
    env = milepost.make(task_for("expense-form").model_copy(update={"max_idle_steps": 2}))
    env.reset(seed=3)
    stops = [env.step(a)[4]["stop_reason"] for a in ("noop()", 'fill("Name", "Ada")', "noop()", 'click("No such")')]
    assert stops == [None, None, None, StopReason.IDLE_LIMIT]
    env.reset(seed=3)
    env.step("what?")
    _, reward, terminated, truncated, _ = env.step("noop()")
    assert (reward, terminated, truncated) == (0.0, False, True)
    env.close()


def test_near_misses_do_not_reach_what_they_must_not(env: MilepostEnv):
    for seed in range(5):
        near_misses = env.task.instantiate(seed).near_misses
        assert near_misses
        for near_miss in near_misses:
            _, info = env.reset(seed=seed)
            total = info["reward"].total
            for action in near_miss.actions:
                observation, reward, terminated, truncated, info = env.step(action)
                total += reward
                assert observation["last_action_error"] == "", (near_miss.name, action)
                if terminated or truncated:
                    break
            assert not info["milestones"] & set(near_miss.not_reached), near_miss.name
            assert info["success"] is False
            assert total <= env.instance.max_reward - 0.5, near_miss.name


def test_same_seed_and_actions_give_the_same_everything(env: MilepostEnv):
    other = milepost.make(env.task)
    runs = []
    for one in (env, other):
        run: list[tuple[Any, ...]] = [one.reset(seed=11)]
        actions = ["click(nothing)", *one.instance.oracle]
        for action in actions[: one.task.max_steps]:
            run.append(one.step(action))
            if run[-1][2] or run[-1][3]:
                break
        runs.append(run)
    other.close()
    assert len(runs[0]) == len(runs[1])
    for first, second in zip(*runs, strict=True):
        assert data_equivalence(first, second, exact=True)


def test_different_seeds_give_different_tasks(env: MilepostEnv):
    goals = {env.reset(seed=seed)[0]["goal"] for seed in range(8)}
    assert len(goals) >= 7


def test_seeds_are_drawn_as_gymnasium_asks(form: MilepostEnv):
    def seeds() -> list[int]:
        return [form.reset(seed=5)[1]["seed"], form.reset()[1]["seed"], form.reset()[1]["seed"]]

    first = seeds()
    assert first[0] == 5
    assert len(set(first)) == 3
    assert seeds() == first
    assert form.reset(options={"instance_seed": 77})[1]["seed"] == 77
    with pytest.raises(TaskError, match="sed"):
        form.reset(options={"sed": 77})


def test_the_origin_of_the_episode_is_not_shown(form: MilepostEnv):
    observation, _ = form.reset(seed=2)
    assert observation["url"] == "http://expenses.local/new"
    for action in (
        'goto("http://expenses.local/new")',
        'goto("/new")',
        'goto("/nowhere")',
        'goto("http://example.com/")',
    ):
        observation, *_ = form.step(action)
        assert "localhost" not in json.dumps(observation)
        assert observation["url"].startswith("http://expenses.local/")
    assert observation["last_action_error"]


def test_what_the_agent_does_wrong_costs_a_step_and_says_why(form: MilepostEnv):
    form.reset(seed=2)
    for action, reason in (
        ("please submit", "not an action"),
        ('click("Sbumit")', "Submit"),
        ('fill("Submit", "x")', "is a button"),
        ('goto("file:///etc/passwd")', ""),
        ('goto("javascript:alert(1)")', ""),
        ('read_file("../../etc/passwd")', ""),
        ('read_file("missing.txt")', ""),
    ):
        observation, reward, terminated, truncated, info = form.step(action)
        assert observation["last_action_error"], action
        assert reason in observation["last_action_error"]
        assert "\n" not in observation["last_action_error"]
        assert (reward, terminated, truncated, info["failure"]) == (0.0, False, False, None)


def test_the_result_says_what_the_action_changed(form: MilepostEnv):
    form.reset(seed=2)
    observation, *_ = form.step('fill("Name", "Ada")')
    assert observation["last_action"] == 'fill("Name", "Ada")'
    assert observation["last_action_result"] == '"Name" is now "Ada"'
    assert '"Name" "Ada"' in observation["page"]
    assert observation["focused"] == 'textbox "Name"'


def test_done_ends_the_episode(form: MilepostEnv):
    form.reset(seed=2)
    _, reward, terminated, truncated, info = form.step('done("finished")')
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert info["stop_reason"] is StopReason.DONE
    assert info["success"] is False


def test_files_are_written_listed_and_read(form: MilepostEnv):
    form.reset(seed=2)
    assert form.step("list_files()")[0]["last_action_result"] == "no files"
    observation, *_ = form.step('write_file("notes/a.txt", "hello\\nworld")')
    assert observation["files"] == "notes/a.txt (11 B)"
    assert "notes/a.txt" in observation["last_action_result"]
    assert form.step('read_file("notes/a.txt")')[0]["last_action_result"] == "hello\nworld"
    form.step('write_file("long.txt", "' + "x" * 3000 + '")')
    long = form.step('read_file("long.txt")')[0]["last_action_result"]
    assert long.endswith("...")
    assert len(long) == 2000


def test_an_episode_leaves_a_ledger(tmp_path: Path):
    env = milepost.make("expense-form", ledger_dir=tmp_path)
    _, info = env.reset(seed=4)
    assert info["screenshot"] is None
    for action in env.instance.oracle:
        *_, info = env.step(action)
    env.close()
    lines = Path(info["ledger_path"]).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3 + len(env.instance.oracle), "a header, the reset, the steps and a footer"
    assert "localhost" not in "\n".join(lines)
    paid = 0.0
    for reward in rescore(info["ledger_path"]):
        assert reward.total is not None
        paid += reward.total
    assert paid == pytest.approx(env.instance.max_reward)


def test_screenshots_are_taken_at_every_step():
    env = milepost.make("expense-form", screenshots=True)
    for seed in range(4):
        _, info = env.reset(seed=seed)
        shots = [info["screenshot"]]
        for action in env.instance.oracle:
            *_, info = env.step(action)
            shots.append(info["screenshot"])
        assert all(shot.startswith(b"\x89PNG") for shot in shots), info["failure_message"]
        assert len(set(shots)) == len(shots), "every action changed what is seen"
    env.close()


def test_a_killed_browser_is_a_typed_failure_and_the_next_reset_works(form: MilepostEnv):
    form.reset(seed=2)
    _kill_chromium()
    observation, reward, terminated, truncated, info = form.step('fill("Name", "Ada")')
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["failure"] in (FailureKind.BROWSER_CRASHED, FailureKind.PAGE_HUNG)
    assert info["stop_reason"] is StopReason.FAILURE
    assert info["reward"] == StepReward(total=None)
    assert observation in form.observation_space
    assert "machine failed" in observation["last_action_error"]
    with pytest.raises(gymnasium.error.ResetNeeded):
        form.step("noop()")
    observation, info = form.reset(seed=2)
    assert info["failure"] is None
    for action in form.instance.oracle:
        *_, info = form.step(action)
    assert info["success"] is True


def test_an_interrupted_step_ends_the_episode_and_the_next_reset_works(form: MilepostEnv):
    form.reset(seed=2)
    thread = BrowserThread.get()

    async def interrupted() -> None:
        stepping = asyncio.ensure_future(form.astep('fill("Name", "Ada")'))
        await asyncio.sleep(0)
        stepping.cancel()
        await stepping

    with pytest.raises(concurrent.futures.CancelledError):
        thread.run(interrupted(), timeout_s=20)
    with pytest.raises(gymnasium.error.ResetNeeded):
        form.step("noop()")
    assert form.reset(seed=2)[1]["failure"] is None
    assert form.step('fill("Name", "Ada")')[0]["last_action_result"] == '"Name" is now "Ada"'


def test_a_step_has_a_deadline():
    env = milepost.make("expense-form", step_timeout_s=1e-4)
    env.reset(seed=2)
    _, reward, terminated, truncated, info = env.step('fill("Name", "Ada")')
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["failure"] is FailureKind.PAGE_HUNG
    assert "0.0001 s" in info["failure_message"]
    assert env.reset(seed=3)[1]["failure"] is None
    env.close()


def test_a_failed_reset_is_an_episode_whose_first_step_fails(form: MilepostEnv, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MILEPOST_CHROMIUM", "/nowhere/chromium")
    _kill_chromium_and_wait(form)
    working = milepost.make("search-open")
    ((observation, info),) = reset_many([form], [2])
    assert info["failure"] is FailureKind.BROWSER_NOT_FOUND
    assert observation in form.observation_space
    assert form.instance.goal == observation["goal"]
    ((_, reward, terminated, truncated, info),) = step_many([form], ["noop()"])
    assert (reward, terminated, truncated, info["failure"]) == (0.0, False, True, FailureKind.BROWSER_NOT_FOUND)
    assert info["reward"].total is None
    with pytest.raises(BrowserNotFoundError):
        working.reset(seed=1)
    monkeypatch.delenv("MILEPOST_CHROMIUM")
    assert working.reset(seed=1)[1]["failure"] is None
    working.close()


def test_forty_eight_episodes_run_at_once():
    envs = [milepost.make(TASKS[i % len(TASKS)]) for i in range(48)]
    seeds = list(range(48))
    for (observation, info), env in zip(reset_many(envs, seeds), envs, strict=True):
        assert observation in env.observation_space
        assert info["failure"] is None
    going = list(envs)
    succeeded = 0
    for step in range(8):
        actions = [env.instance.oracle[step] for env in going]
        results = step_many(going, actions)
        going = [env for env, result in zip(going, results, strict=True) if not (result[2] or result[3])]
        succeeded += sum(result[4]["success"] for result in results)
        if not going:
            break
    for env in envs:
        env.close()
    assert succeeded == 48


def test_concurrent_calls_check_their_arguments(form: MilepostEnv):
    with pytest.raises(ValueError, match="one of seeds per environment"):
        reset_many([form], [])
    with pytest.raises(ValueError, match="twice"):
        reset_many([form, form], [1, 2])
    with pytest.raises(gymnasium.error.ResetNeeded):
        step_many([form], ["noop()"])
    assert reset_many([], []) == []


def test_step_before_reset_and_close_twice():
    env = milepost.make("expense-form")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("noop()")
    with pytest.raises(gymnasium.error.ResetNeeded):
        _ = env.instance
    env.reset(seed=1)
    env.close()
    env.close()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("noop()")
    env.reset(seed=1)
    env.close()


def test_an_unknown_render_mode_is_refused():
    with pytest.raises(TaskError, match="rgb_array"):
        milepost.make("expense-form", render_mode="human")


def _kill_chromium_and_wait(env: MilepostEnv) -> None:
    """Kill the browser, and return when the fleet must have noticed: when a step on it has failed."""
    env.reset(seed=2)
    _kill_chromium()
    assert env.step("noop()")[4]["failure"] is not None


def _kill_chromium() -> None:
    """Kill the browser processes that this process started."""
    mine = _descendants(os.getpid())
    browsers = [pid for pid, name in mine if "chrom" in name or "headless" in name]
    assert browsers, "no browser is running"
    for pid in browsers:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # its parent's death took it along
            continue


def _descendants(root: int) -> list[tuple[int, str]]:
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[tuple[int, str]]] = {}
    for line in listing.splitlines():
        pid, parent, name = line.split(None, 2)
        children.setdefault(int(parent), []).append((int(pid), name))
    found, queue = [], [root]
    while queue:
        for child, name in children.get(queue.pop(), []):
            found.append((child, name))
            queue.append(child)
    return found
