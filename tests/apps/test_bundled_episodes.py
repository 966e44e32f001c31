"""The bundled tasks on their real pages: idlers earn nothing, and pages are short (test_env.py plays them whole)."""

import pytest

from milepost.envs.env import MilepostEnv
from milepost.envs.registration import BUNDLED_TASKS, register_bundled_tasks, task_for

pytestmark = pytest.mark.browser

NAMES = tuple(sorted(path.stem for path in BUNDLED_TASKS.glob("*.yaml")))
# The whole computer within this many lines keeps a prompt short enough for a small language model.
PAGE_LINES = 16


@pytest.fixture(params=NAMES)
def env(request):
    register_bundled_tasks()
    env = MilepostEnv(task_for(request.param))
    yield env
    env.close()


def play(env, seed, actions):
    """Return the summed reward, the last info, and the observations, the first one included."""
    observation, info = env.reset(seed=seed)
    observations, total = [observation], 0.0
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        assert info["failure"] is None
        observations.append(observation)
        total += reward
        if terminated or truncated:
            break
    return total, info, observations


def drawn(env, seed):
    return env.task.instantiate(seed)


def test_no_single_step_but_the_last_succeeds(env):
    *before_last, last = drawn(env, 4).oracle
    _, info, _ = play(env, 4, before_last)
    assert not info["success"]
    _, _, _, _, info = env.step(last)
    assert info["success"]


def test_idling_and_pressing_buttons_earn_nothing(env):
    last = drawn(env, 0).oracle[-1]
    for action in ("noop()", 'press("Tab")', 'press("Enter")', 'click("Submit")', 'click("Search")', last):
        total, info, _ = play(env, 0, [action] * 3)
        assert (total, info["milestones"]) == (0.0, frozenset())


def test_pages_are_short(env):
    _, _, observations = play(env, 0, drawn(env, 0).oracle)
    for observation in observations:
        assert 1 <= len(observation["page"].splitlines()) <= PAGE_LINES


def test_same_seed_same_observations(env):
    actions = drawn(env, 1).oracle
    first = play(env, 1, actions)
    second = play(env, 1, actions)
    assert first[2] == second[2]
    assert first[0] == second[0]
