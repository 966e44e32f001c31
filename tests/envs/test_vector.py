"""The vector environment does what Gymnasium's own does with the same environments, only at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from milepost.envs import MilepostEnv, MilepostVectorEnv
from milepost.errors import FailureKind, TaskError

from .stubborn import stubborn_task

pytestmark = pytest.mark.browser

NUM_ENVS = 3
STEPS = 7


def pair(mode: AutoresetMode) -> tuple[MilepostVectorEnv, SyncVectorEnv[Any, Any]]:
    """Return ours and Gymnasium's, over environments of their own."""
    theirs = SyncVectorEnv([lambda: MilepostEnv("search-open")] * NUM_ENVS, autoreset_mode=mode)
    return MilepostVectorEnv("search-open", num_envs=NUM_ENVS, autoreset_mode=mode), theirs


def assert_same(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> None:
    """Compare two returns of `reset` or `step`, types and data types of arrays included."""
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert type(one) is type(other)
        assert data_equivalence(one, other, exact=True), (one, other)
    assert sorted(ours[-1]) == sorted(theirs[-1])


def script(envs: MilepostVectorEnv, done_for: list[int]) -> list[str]:
    """The first one solves its task, the second does nothing, the third gives up at once."""
    oracle = envs.envs[0].instance.oracle
    return [oracle[min(done_for[0], len(oracle) - 1)], "noop()", 'done("no")']


@pytest.mark.parametrize("mode", AutoresetMode)
def test_it_agrees_with_gymnasiums_sync_vector_env(mode: AutoresetMode):
    ours, theirs = pair(mode)
    assert ours.metadata == theirs.metadata
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert_same(ours.reset(seed=[5, 5, 9]), theirs.reset(seed=[5, 5, 9]))
    assert ours.np_random_seed[0] == theirs.np_random_seed[0] == 5
    assert_same(ours.reset(seed=40), theirs.reset(seed=40))
    assert ours.np_random_seed == theirs.np_random_seed == (40, 41, 42)

    done_for, endings = [0] * NUM_ENVS, 0
    for _ in range(STEPS):
        actions = script(ours, done_for)
        mine = ours.step(actions)
        assert_same(mine, theirs.step(tuple(actions)))
        observations, _, terminated, truncated, infos = mine
        assert observations in ours.observation_space
        ended = terminated | truncated
        endings += int(ended.sum())
        done_for = [0 if over else steps + 1 for over, steps in zip(ended, done_for, strict=True)]
        if mode is AutoresetMode.SAME_STEP:
            assert ("final_obs" in infos) is bool(ended.any())
        if mode is AutoresetMode.NEXT_STEP:
            done_for = [0 if infos["stop_reason"][i] is not None else done_for[i] for i in range(NUM_ENVS)]
        if mode is AutoresetMode.DISABLED and ended.any():
            assert_same(ours.reset(options={"reset_mask": ended}), theirs.reset(options={"reset_mask": ended.copy()}))
    assert endings > STEPS, "the third one alone ends at every step that acts, the others now and then"
    for generator, other in zip(ours.np_random, theirs.np_random, strict=True):
        assert generator.bit_generator.state == other.bit_generator.state
    ours.close()
    theirs.close()


def test_the_last_observation_and_info_of_an_episode_are_not_lost_in_same_step_mode():
    envs = MilepostVectorEnv("search-open", num_envs=2, autoreset_mode="SameStep")
    observations, _ = envs.reset(seed=3)
    goal = observations["goal"][0]
    observations, _, terminated, _, infos = envs.step(['done("no")', "noop()"])
    assert terminated.tolist() == [True, False]
    assert infos["final_obs"][0]["goal"] == goal
    assert infos["final_obs"][1] is None
    assert infos["final_info"]["stop_reason"][0] == "done"
    assert infos["_final_info"].tolist() == [True, False]
    assert observations["goal"][0] != goal
    assert infos["stop_reason"][0] is None
    envs.close()


def test_a_mask_resets_only_what_it_says():
    envs = MilepostVectorEnv("search-open", num_envs=3, autoreset_mode=AutoresetMode.DISABLED)
    mask = np.array([True, False, True])
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"leaves out \[1\]"):
        envs.reset(options={"reset_mask": mask})
    observations, _ = envs.reset(seed=1)
    goals = observations["goal"]
    envs.step(['done("no")', "noop()", "noop()"])
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"\[0\] have ended.*reset_mask"):
        envs.step(["noop()"] * 3)
    options = {"reset_mask": mask, "instance_seed": 77}
    observations, infos = envs.reset(options=options)
    assert set(options) == {"reset_mask", "instance_seed"}, "the caller's options are left as they are"
    assert infos["_seed"].tolist() == [True, False, True]
    assert infos["seed"].tolist() == [77, 0, 77]
    assert observations["goal"][1] == goals[1]
    assert observations["goal"][0] == observations["goal"][2] != goals[0]
    _, _, terminated, truncated, infos = envs.step(["noop()"] * 3)
    assert not (terminated | truncated)[[0, 2]].any()
    assert infos["seed"].tolist() == [77, 2, 77]
    envs.close()


@pytest.mark.parametrize(
    "mask", [[True, False], np.array([1, 0]), np.array([True]), np.array([[True], [False]]), np.array([False, False])]
)
def test_a_wrong_mask_is_refused_as_gymnasium_refuses_it(mask: Any):
    ours = MilepostVectorEnv("search-open", num_envs=2)
    theirs = SyncVectorEnv([lambda: MilepostEnv("search-open")] * 2)
    raised = []
    for envs in (ours, theirs):
        with pytest.raises((TypeError, ValueError), match="reset_mask") as caught:
            envs.reset(options={"reset_mask": mask})
        raised.append(caught.type)
    assert raised[0] is raised[1]


def test_make_vec_makes_it_and_its_episodes_are_distinct():
    envs = gymnasium.make_vec("milepost:milepost/search-open-v0", num_envs=4, autoreset_mode="Disabled")
    assert isinstance(envs, MilepostVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert MilepostVectorEnv.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP, "the class keeps its default"
    observations, infos = envs.reset(seed=40)
    assert list(infos["seed"]) == [40, 41, 42, 43]
    assert len(set(observations["goal"])) == 4
    oracles = [env.instance.oracle for env in envs.envs]
    for step in range(3):
        actions = [oracle[step] for oracle in oracles[:3]] + [oracles[3][0]]
        _, rewards, terminated, _, infos = envs.step(actions)
        assert rewards.dtype == np.float64
    assert list(terminated) == [True, True, True, False]
    assert list(infos["success"]) == [True, True, True, False]
    assert (rewards[:3] > 0).all()
    envs.close()
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.step(["noop()"] * 4)


def test_each_environment_may_have_a_task_of_its_own():
    names = ["expense-form", "search-open", "report-download"]
    envs = MilepostVectorEnv(tasks=names)
    envs.reset(seed=7)
    assert [env.task.name for env in envs.envs] == names
    alive = np.ones(3, dtype=bool)
    succeeded = np.zeros(3, dtype=bool)
    for step in range(8):
        oracles = [env.instance.oracle for env in envs.envs]
        actions = [o[step] if going and step < len(o) else "noop()" for o, going in zip(oracles, alive, strict=True)]
        _, _, terminated, truncated, infos = envs.step(actions)
        succeeded |= infos["success"]
        alive &= ~(terminated | truncated)
        if not alive.any():
            break
    assert succeeded.all()
    envs.close()


def test_one_that_hangs_ends_its_own_episode_only_and_holds_nobody_up():
    envs = MilepostVectorEnv(stubborn_task(), num_envs=4, autoreset_mode="SameStep", step_timeout_s=2.0)
    envs.reset(seed=1)
    began = time.monotonic()
    _, rewards, terminated, truncated, infos = envs.step(['click("Loop")', *['click("Fine")'] * 3])
    assert time.monotonic() - began < 8.0, "two seconds for the hung page, and its successor's reset"
    assert rewards.tolist() == [0.0, 0.25, 0.25, 0.25]
    assert terminated.tolist() == [False] * 4
    assert truncated.tolist() == [True, False, False, False]
    assert infos["final_info"]["failure"][0] is FailureKind.PAGE_HUNG
    assert infos["final_info"]["reward"][0].total is None
    assert infos["failure"].tolist() == [None] * 4
    _, rewards, _, truncated, _ = envs.step(['click("Fine")'] * 4)
    assert rewards.tolist() == [0.25, 0.0, 0.0, 0.0]
    assert not truncated.any()
    envs.close()


def test_it_is_awaited_in_any_event_loop_and_leaves_that_loop_free():
    async def play() -> tuple[Any, int]:
        envs = MilepostVectorEnv("search-open", num_envs=2, autoreset_mode="SameStep")
        turns = 0

        async def tick() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        await envs.areset(seed=40)
        result = await envs.astep([envs.envs[0].instance.oracle[0], 'done("no")'])
        ticking.cancel()
        blocking = envs.reset(seed=40)  # a notebook's cell runs inside a loop, too
        envs.close()
        return (*result, blocking), turns

    (observations, rewards, terminated, _, infos, (again, _)), turns = asyncio.run(play())
    assert turns > 10
    assert rewards[0] > 0
    assert terminated.tolist() == [False, True]
    assert infos["final_info"]["seed"][1] == 41
    assert again["goal"][0] == observations["goal"][0]


def test_a_cancelled_step_leaves_every_environment_in_need_of_a_reset():
    envs = MilepostVectorEnv(stubborn_task(), num_envs=2)

    async def play() -> None:
        await envs.areset(seed=1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(envs.astep(['click("Fine")', 'click("Loop")']), 1.0)
        with pytest.raises(gymnasium.error.ResetNeeded):
            await envs.astep(['click("Fine")'] * 2)
        await envs.areset(seed=1)
        _, rewards, _, truncated, _ = await envs.astep(['click("Fine")'] * 2)
        assert rewards.tolist() == [0.25, 0.25]
        assert not truncated.any()

    asyncio.run(play())
    envs.close()


def test_cancelled_at_any_moment_of_a_step_and_its_resets_all_need_a_reset():
    envs = MilepostVectorEnv(stubborn_task(), num_envs=3, autoreset_mode="SameStep")

    async def play() -> int:
        cancelled = 0
        for patience_s in (0.0, 0.005, 0.02, 0.05, 0.1, 0.2):
            await envs.areset(seed=1)
            stepping = asyncio.create_task(envs.astep(['done("no")', 'click("Fine")', 'done("no")']))
            await asyncio.sleep(patience_s)
            if stepping.cancel():
                cancelled += 1
                with pytest.raises(asyncio.CancelledError):
                    await stepping
                for env in envs.envs:
                    with pytest.raises(gymnasium.error.ResetNeeded):
                        env.require_episode()
        _, infos = await envs.areset(seed=8)
        assert infos["seed"].tolist() == [8, 9, 10]
        assert infos["failure"].tolist() == [None] * 3
        return cancelled

    assert asyncio.run(play()) >= 2
    envs.close()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_gymnasiums_vector_wrappers_take_it(mode: AutoresetMode):
    inner = MilepostVectorEnv(stubborn_task(), num_envs=2, autoreset_mode=mode)
    envs = RecordEpisodeStatistics(inner)
    envs.reset(seed=1)
    for action in ("noop()", 'click("Fine")', 'click("Fine")', 'click("Fine")'):
        _, _, terminated, _, infos = envs.step([action, 'done("no")'])
    assert terminated[0]
    ended = infos["final_info"] if "episode" not in infos else infos
    assert ended["episode"]["r"][0] == inner.envs[0].instance.max_reward == 0.75
    assert ended["episode"]["l"][0] == 4
    envs.close()


def test_closing_hung_pages_takes_as_long_as_one_of_them():
    envs = MilepostVectorEnv(stubborn_task(), num_envs=3, step_timeout_s=0.5)
    envs.reset(seed=1)
    _, _, _, truncated, _ = envs.step(['click("Loop")'] * 3)
    assert truncated.all()
    began = time.monotonic()
    envs.close()
    assert time.monotonic() - began < 15.0


def test_attributes_are_read_and_set_on_every_environment():
    envs = MilepostVectorEnv("search-open", num_envs=2)
    envs.reset(seed=5)
    assert envs.get_attr("task_id") == ("milepost/search-open-v0",) * 2
    assert [instance.seed for instance in envs.get_attr("instance")] == [5, 6]
    envs.set_attr("marker", ["a", "b"])
    assert envs.get_attr("marker") == ("a", "b")
    envs.set_attr("marker", "c")
    assert envs.get_attr("marker") == ("c", "c")
    with pytest.raises(ValueError, match="expected 2 values"):
        envs.set_attr("marker", ["a"])
    envs.close()


def test_arguments_are_checked():
    with pytest.raises(TaskError, match="at least 1"):
        MilepostVectorEnv("search-open", num_envs=0)
    with pytest.raises(TaskError, match="either one task"):
        MilepostVectorEnv("search-open", tasks=["search-open"])
    with pytest.raises(TaskError, match="either one task"):
        MilepostVectorEnv()
    with pytest.raises(TaskError, match="came 1 for num_envs=2"):
        MilepostVectorEnv(tasks=["search-open"], num_envs=2)
    with pytest.raises(ValueError, match="Sometimes"):
        MilepostVectorEnv("search-open", autoreset_mode="Sometimes")
    envs = MilepostVectorEnv("search-open", num_envs=2)
    with pytest.raises(ValueError, match="expected 2 actions; came 1"):
        envs.step(["noop()"])
    with pytest.raises(ValueError, match="came one text"):
        envs.step("no")
    with pytest.raises(ValueError, match="expected 2 seeds"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(TaskError, match="came x"):
        envs.reset(options={"x": 1})
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.step(["noop()"] * 2)
    envs.close()
