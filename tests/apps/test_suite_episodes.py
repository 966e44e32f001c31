"""The tasks of the suites on real pages and files: the oracle earns everything, near misses not what they missed.

`milepost tasks check` plays them with more seeds, and null agents as well.
"""

import pytest

from milepost.envs.env import MilepostEnv
from milepost.envs.registration import BUNDLED_TASKS
from milepost.envs.task import load_tasks

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FOLDERS = ("core/*", "files", "cross")
TASKS = {task.name: task for folder in FOLDERS for task in load_tasks(str(BUNDLED_TASKS / folder / "*.yaml"))}
SEED = 11


@pytest.fixture(params=list(TASKS.values()), ids=list(TASKS))
def env(request):
    env = MilepostEnv(request.param)
    yield env
    env.close()


def play(env, actions):
    """Return the summed reward, the last info and every refusal."""
    _, info = env.reset(seed=SEED)
    assert info["milestones"] == frozenset(), "nothing holds at first"
    total, refused = 0.0, []
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        assert info["failure"] is None
        total += reward
        refused += [observation["last_action_error"]] if observation["last_action_error"] else []
        if terminated or truncated:
            break
    return total, info, refused


def test_the_oracle_earns_everything(env):
    instance = env.task.instantiate(SEED)
    total, info, refused = play(env, instance.oracle)
    assert refused == []
    assert info["milestones"] == {m.id for m in instance.milestones if not m.forbidden}
    assert info["stop_reason"] == "success"
    assert total == pytest.approx(instance.max_reward)


def test_near_misses_do_not_reach_what_they_missed(env):
    instance = env.task.instantiate(SEED)
    for near_miss in instance.near_misses:
        total, info, refused = play(env, near_miss.actions)
        assert refused == []
        assert not info["milestones"] & near_miss.not_reached
        assert not info["success"]
        assert total < instance.max_reward
