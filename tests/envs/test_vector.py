from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from milepost.envs import MilepostVectorEnv
from milepost.errors import TaskError

pytestmark = pytest.mark.browser


def test_make_vec_gives_concurrent_episodes_that_reset_at_the_next_step():
    envs = gymnasium.make_vec("milepost:milepost/search-open-v0", num_envs=4)
    assert isinstance(envs, MilepostVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    observations, infos = envs.reset(seed=40)
    assert observations in envs.observation_space
    assert list(infos["seed"]) == [40, 41, 42, 43]
    assert len(set(observations["goal"])) == 4

    oracles = [env.instance.oracle for env in envs.envs]
    for step in range(3):
        actions = [oracle[step] for oracle in oracles[:3]] + ["noop()"]
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        assert observations in envs.observation_space
        assert rewards.dtype == np.float64
    assert list(terminated) == [True, True, True, False]
    assert list(infos["success"]) == [True, True, True, False]
    assert (rewards[:3] > 0).all()

    goals = observations["goal"]
    observations, rewards, terminated, truncated, infos = envs.step(["noop()"] * 4)
    assert not terminated.any()
    assert not truncated.any()
    assert (rewards == 0).all()
    assert observations["goal"][3] == goals[3]
    assert all(new != old for new, old in zip(observations["goal"][:3], goals[:3], strict=True))
    envs.close()


def test_arguments_are_checked():
    with pytest.raises(TaskError, match="at least 1"):
        MilepostVectorEnv("search-open", num_envs=0)
    envs = MilepostVectorEnv("search-open", num_envs=2)
    with pytest.raises(ValueError, match="expected 2 actions"):
        envs.step(["noop()"])
    with pytest.raises(TaskError, match="no options"):
        envs.reset(options={"x": 1})
    envs.close()
