"""Our wrappers, and Gymnasium's own, around real episodes."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from milepost.envs import MilepostEnv, StopReason
from milepost.envs.registration import isolated_registry, register_task
from milepost.envs.wrappers import HistoryStack, RecordEpisode, RewardScale, ScreenshotOnly, TextOnly, TimeLimit
from milepost.sandbox.errors import TaskError

from .stubborn import stubborn_task

pytestmark = pytest.mark.browser

FINE, LOST = 'click("Fine")', 'click("Nowhere")'
ID = "milepost/stubborn-v0"


@pytest.fixture(scope="module", autouse=True)
def _task() -> Iterator[None]:
    with isolated_registry():
        register_task(stubborn_task())
        yield


@pytest.fixture
def make() -> Iterator[Any]:
    made: list[MilepostEnv] = []

    def new(**settings: Any) -> MilepostEnv:
        made.append(MilepostEnv(stubborn_task(), **settings))
        return made[-1]

    yield new
    for env in made:
        env.close()


def played(env: Any, *actions: str, seed: int = 1) -> list[Any]:
    env.reset(seed=seed)
    return [env.step(action) for action in actions]


def test_time_limit_cuts_after_steps_and_says_why(make):
    env = TimeLimit(make(), max_steps=2)
    first, second = played(env, FINE, FINE)
    assert first[2:4] == (False, False)
    assert second[2:4] == (False, True)
    assert second[4]["stop_reason"] is StopReason.STEP_LIMIT
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(FINE)
    steps = played(TimeLimit(make(), max_steps=3), FINE, FINE, FINE)
    assert steps[-1][2:4] == (True, False), "success at the last step is success"
    assert steps[-1][4]["stop_reason"] is StopReason.SUCCESS


def test_time_limit_cuts_after_seconds(make, monkeypatch: pytest.MonkeyPatch):
    env = TimeLimit(make(), max_seconds=30)
    env.reset(seed=1)
    assert not env.step(FINE)[3]
    later = time.monotonic() + 31
    monkeypatch.setattr("milepost.envs.wrappers.limits.monotonic", lambda: later)
    assert env.step(FINE)[3]
    for wrong in ({}, {"max_steps": 0}, {"max_seconds": 0.0}):
        with pytest.raises(ValueError, match="expected"):
            TimeLimit(env, **wrong)


def test_reward_scale_leaves_what_was_measured(make):
    env = RewardScale(make(), 10)
    _, reward, _, _, info = played(env, FINE)[0]
    assert (reward, info["reward"].total) == (2.5, 0.25)
    with pytest.raises(ValueError, match="finite"):
        RewardScale(make(), float("nan"))


def test_text_only_and_screenshot_only_leave_their_part(make):
    both = ("text", "screenshot", "boxes")
    env = TextOnly(make(observations=both))
    observation, _ = env.reset(seed=1)
    assert observation in env.observation_space
    assert "page" in observation
    assert all(isinstance(value, str) for value in observation.values())
    two = TextOnly(make(observations=both), keys=("goal", "page"))
    assert list(two.reset(seed=1)[0]) == ["goal", "page"]
    picture = ScreenshotOnly(make(observations=both))
    whole, _ = picture.reset(seed=1)
    assert whole in picture.observation_space
    assert whole.std() > 1, "the page is not blank"
    small = ScreenshotOnly(make(observations=("marks",)), size=(160, 90))
    shown, _ = small.reset(seed=1)
    assert shown.shape == (90, 160, 3)
    assert small.step(FINE)[0] in small.observation_space
    with pytest.raises(TaskError, match="with pictures"):
        ScreenshotOnly(make())
    with pytest.raises(TaskError, match="keys of texts"):
        TextOnly(make(observations=both), keys=("screenshot",))


def test_history_stack_tells_the_last_actions(make):
    env = HistoryStack(make(), steps=2)
    observation, _ = env.reset(seed=1)
    assert observation["history"] == ""
    env.step(LOST)
    observation = env.step(FINE)[0]
    first, second = observation["history"].splitlines()
    assert first.startswith(f"{LOST} -> error: ")
    assert second == f"{FINE} -> the page changed"
    observation = env.step("click(" + "x" * 4000)[0]
    assert observation in env.observation_space
    assert [line[:4] for line in observation["history"].splitlines()] == [FINE[:4], "clic"]
    assert env.reset(seed=1)[0]["history"] == ""


def test_record_episode_writes_what_was_done_and_seen(make, tmp_path):
    from PIL import Image

    env = RecordEpisode(make(screenshots=True), tmp_path / "new", width=320)
    played(env, LOST, FINE, FINE, FINE, seed=4)
    [path] = env.written
    assert path == tmp_path / "new" / "stubborn-v0-seed4-0.json"
    document = json.loads(path.read_text())
    assert (document["task"], document["seed"], document["success"], document["stop_reason"]) == (
        ID,
        4,
        True,
        "success",
    )
    assert [step["action"] for step in document["steps"]] == [None, LOST, FINE, FINE, FINE]
    assert [step["reward"] for step in document["steps"]] == [None, 0.0, 0.25, 0.0, 0.5]
    assert document["total_reward"] == 0.75
    assert document["steps"][1]["error"]
    assert document["steps"][-1]["milestones"] == ["once", "thrice"]
    assert "pressed 3" in document["steps"][-1]["observation"]["page"]
    with Image.open(path.with_suffix(".gif")) as gif:
        assert gif.size == (320, 180)
        frames: Any = gif
        assert frames.n_frames == 4, "the page as it opened, and each press"
    played(env, FINE, seed=4)
    env.close()
    left = json.loads((tmp_path / "new" / "stubborn-v0-seed4-1.json").read_text())
    assert (left["stop_reason"], left["success"], len(left["steps"])) == (None, False, 2)


def test_record_episode_without_pictures_and_now_and_then(make, tmp_path):
    env = RecordEpisode(make(), tmp_path, every=2)
    for seed in range(4):
        played(env, "done()", seed=seed)
    env.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stubborn-v0-seed0-0.json", "stubborn-v0-seed2-0.json"]


def test_record_episode_says_what_failed(make, tmp_path):
    env = RecordEpisode(make(step_timeout_s=1.0), tmp_path)
    played(env, FINE, 'click("Loop")')
    document = json.loads(env.written[0].read_text())
    assert (document["failure"], document["stop_reason"], document["success"]) == ("page_hung", "failure", False)
    assert [step["reward"] for step in document["steps"]] == [None, 0.25, None]


def test_ours_stack(make, tmp_path):
    env = make(observations=("text", "screenshot"))
    stacked = TextOnly(HistoryStack(RewardScale(TimeLimit(RecordEpisode(env, tmp_path), 2), 2.0)))
    steps = played(stacked, FINE, FINE)
    assert steps[0][1] == 0.5
    assert steps[1][3]
    assert steps[1][0] in stacked.observation_space
    assert "history" in steps[1][0]
    assert stacked.spec is None or stacked.spec.id == ID


def test_gymnasiums_make_and_wrappers(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(ID, max_episode_steps=2)  # PassiveEnvChecker, OrderEnforcing and TimeLimit
        names = str(env)
        assert all(name in names for name in ("TimeLimit", "OrderEnforcing", "PassiveEnvChecker"))
        statistics = gymnasium.wrappers.RecordEpisodeStatistics(
            gymnasium.wrappers.TransformReward(env, lambda reward: 4 * float(reward))
        )
        with pytest.raises(gymnasium.error.ResetNeeded):
            statistics.step(FINE)
        first, second = played(statistics, FINE, FINE)
        assert (first[1], second[3]) == (1.0, True)
        assert second[4]["episode"]["r"] == 1.0
        assert second[4]["episode"]["l"] == 2
        space: Any = env.observation_space
        goals = gymnasium.wrappers.TransformObservation(env, lambda seen: seen["goal"], space["goal"])
        assert goals.reset(seed=1)[0].startswith("Press ")
        statistics.close()


def test_gymnasiums_wrappers_of_pictures(make):
    env = ScreenshotOnly(make(observations=("screenshot",)), size=(64, 36))
    stacked = gymnasium.wrappers.FrameStackObservation(gymnasium.wrappers.GrayscaleObservation(env), 3)
    observation, _ = stacked.reset(seed=1)
    assert observation.shape == (3, 36, 64)
    assert isinstance(stacked.observation_space, spaces.Box)
    assert stacked.step(FINE)[0] in stacked.observation_space


def test_gymnasiums_vector_wrappers():
    from gymnasium.wrappers.vector import RecordEpisodeStatistics, TransformReward

    env: Any = RecordEpisodeStatistics(TransformReward(gymnasium.make_vec(ID, num_envs=2), lambda reward: 2 * reward))
    try:
        env.reset(seed=[1, 2])
        _, rewards, terminated, _, _ = env.step([FINE, "done()"])
        assert list(rewards) == [0.5, 0.0]
        assert list(terminated) == [False, True]
        infos = [env.step([FINE, "noop()"])[4], env.step([FINE, "noop()"])[4]]
        ended = [info["episode"] for info in infos if "episode" in info]
        assert np.isclose(ended[-1]["r"][0], 1.5)
    finally:
        env.close()


def test_our_wrappers_work_in_gymnasiums_vector_environment(make):
    def one() -> Any:
        return TextOnly(HistoryStack(MilepostEnv(stubborn_task())))

    env = gymnasium.vector.SyncVectorEnv([one, one])
    try:
        observation, _ = env.reset(seed=[1, 2])
        assert len(observation["history"]) == 2
        observation, rewards, _, _, _ = env.step((FINE, "noop()"))
        assert list(rewards) == [0.25, 0.0]
        assert observation["history"][0].startswith(FINE)
    finally:
        env.close()
