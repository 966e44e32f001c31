"""Batches of environments: deadlines, cancellation, threads, loops and forks."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import gymnasium
import pytest

from milepost.envs import MilepostEnv, areset_many, astep_many, reset_many, step_many
from milepost.envs import concurrent as batches
from milepost.envs.concurrent import StepResult
from milepost.errors import FailureKind, SandboxError, TaskError
from milepost.sandbox.browser_thread import BrowserThread

from .stubborn import stubborn_task

pytestmark = pytest.mark.browser

FINE, LOOP = 'click("Fine")', 'click("Loop")'


@pytest.fixture
def envs() -> Iterator[list[MilepostEnv]]:
    task = stubborn_task()
    made = [MilepostEnv(task) for _ in range(3)]
    yield made
    for env in made:
        env.close()


def rewards(results: list[StepResult]) -> list[float]:
    return [reward for _, reward, _, _, _ in results]


def failures(results: list[StepResult]) -> list[FailureKind | None]:
    return [info["failure"] for *_, info in results]


def test_each_has_its_own_deadline_and_a_late_one_costs_the_others_nothing(envs: list[MilepostEnv]):
    hasty = MilepostEnv(envs[0].task, step_timeout_s=1.0)
    reset_many([hasty, *envs], [1, 2, 3, 4])
    began = time.monotonic()
    results = step_many([hasty, *envs], [LOOP, FINE, FINE, FINE])
    assert time.monotonic() - began < 4.0
    assert failures(results) == [FailureKind.PAGE_HUNG, None, None, None]
    assert rewards(results) == [0.0, 0.25, 0.25, 0.25]
    began = time.monotonic()
    ((_, info),) = reset_many([hasty], [1])
    assert time.monotonic() - began < 6.0, "it does not wait for the hung page to close"
    assert info["failure"] is None
    assert rewards(step_many([hasty], [FINE])) == [0.25]
    hasty.close()


class Deaf(MilepostEnv):
    """Does not even notice that its own deadline has passed."""

    async def astep(self, action: str) -> StepResult:
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(30)
        return await super().astep(action)


def test_one_that_ignores_its_deadline_is_given_up_by_the_batch(envs: list[MilepostEnv]):
    deaf = Deaf(envs[0].task, step_timeout_s=0.5)
    reset_many([deaf, *envs], [1, 2, 3, 4])
    began = time.monotonic()
    results = step_many([deaf, *envs], [FINE] * 4)
    assert deaf.step_deadline_s <= time.monotonic() - began < deaf.step_deadline_s + 2.0
    assert failures(results) == [FailureKind.PAGE_HUNG, None, None, None]
    assert "within 2.5 s" in results[0][4]["failure_message"]
    with pytest.raises(gymnasium.error.ResetNeeded):
        step_many([deaf], [FINE])
    assert rewards(step_many(envs, [FINE] * 3)) == [0.0] * 3
    deaf.close()


def test_a_blocked_browser_thread_is_a_failure_and_not_a_hang(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batches, "BACKSTOP_S", 0.5)
    env = MilepostEnv(stubborn_task(), step_timeout_s=0.1)

    async def block() -> None:
        time.sleep(5.0)

    reset_many([env], [1])
    blocked = BrowserThread.get().submit(block())
    began = time.monotonic()
    results = step_many([env], [FINE])
    assert time.monotonic() - began < 4.0
    assert failures(results) == [FailureKind.PAGE_HUNG]
    with pytest.raises(gymnasium.error.ResetNeeded):
        step_many([env], [FINE])
    blocked.result(10)
    ((_, info),) = reset_many([env], [1])
    assert info["failure"] is None
    env.close()


def test_awaited_in_a_loop_of_their_own_they_leave_it_free(envs: list[MilepostEnv]):
    async def play() -> tuple[list[StepResult], int]:
        turns = 0

        async def tick() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        await areset_many(envs, [1, 2, 3])
        results = await astep_many(envs, [FINE, FINE, "noop()"])
        ticking.cancel()
        return results, turns

    results, turns = asyncio.run(play())
    assert rewards(results) == [0.25, 0.25, 0.0]
    assert turns > 10


def test_two_batches_of_one_loop_run_side_by_side(envs: list[MilepostEnv]):
    async def play() -> tuple[list[StepResult], float, float]:
        await areset_many(envs, [1, 2, 3])
        hung = asyncio.create_task(astep_many(envs[:1], [LOOP]))
        began = time.monotonic()
        results = await astep_many(envs[1:], [FINE, FINE])
        mine = time.monotonic() - began
        hung.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hung
        return results, mine, time.monotonic() - began

    results, mine, all_of_it = asyncio.run(play())
    assert rewards(results) == [0.25, 0.25]
    assert mine < 5.0
    assert all_of_it < 6.0, "cancelling waits for nothing"


def test_awaited_on_the_browser_thread_itself(envs: list[MilepostEnv]):
    async def play() -> list[StepResult]:
        await areset_many(envs, [1, 2, 3])
        with pytest.raises(SandboxError, match="await areset_many"):
            step_many(envs, [FINE] * 3)
        return await astep_many(envs, [FINE] * 3)

    assert rewards(BrowserThread.get().run(play(), 60)) == [0.25] * 3


@pytest.mark.parametrize("on_browser_thread", [False, True])
def test_after_a_cancelled_step_all_need_a_reset_and_get_it_at_once(envs: list[MilepostEnv], on_browser_thread: bool):
    async def play() -> None:
        await areset_many(envs, [1, 2, 3])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(astep_many(envs, [FINE, LOOP, FINE]), 1.0)
        for env in envs:
            with pytest.raises(gymnasium.error.ResetNeeded):
                await astep_many([env], [FINE])
        observations = await areset_many(envs, [1, 2, 3])
        assert [info["failure"] for _, info in observations] == [None] * 3
        assert all("nothing yet" in observation["page"] for observation, _ in observations)
        assert rewards(await astep_many(envs, [FINE] * 3)) == [0.25] * 3

    if on_browser_thread:
        BrowserThread.get().run(play(), 60)
    else:
        asyncio.run(play())


def test_a_cancelled_reset_may_be_followed_by_another_at_any_moment(envs: list[MilepostEnv]):
    async def play() -> None:
        for patience_s in (0.0, 0.001, 0.005, 0.02, 0.05):
            resetting = asyncio.create_task(areset_many(envs, [1, 2, 3]))
            await asyncio.sleep(patience_s)
            resetting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await resetting
        results = await areset_many(envs, [7, 8, 9])
        assert [info["seed"] for _, info in results] == [7, 8, 9]
        for _ in range(3):
            stepped = await astep_many(envs, [FINE] * 3)
        assert [info["success"] for *_, info in stepped] == [True] * 3

    asyncio.run(play())


def test_an_interrupt_from_the_keyboard_ends_the_wait_at_once(envs: list[MilepostEnv]):
    reset_many(envs, [1, 2, 3])
    interrupt = threading.Timer(0.5, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    interrupt.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        step_many(envs, [FINE, LOOP, FINE])
    assert time.monotonic() - began < 3.0
    interrupt.join()
    for env in envs:
        with pytest.raises(gymnasium.error.ResetNeeded):
            step_many([env], [FINE])
    assert [info["failure"] for _, info in reset_many(envs, [1, 2, 3])] == [None] * 3
    assert rewards(step_many(envs, [FINE] * 3)) == [0.25] * 3


def test_several_threads_and_their_loops_share_the_browser():
    task = stubborn_task()

    def play(first_seed: int) -> list[bool]:
        envs = [MilepostEnv(task) for _ in range(2)]
        seeds = [first_seed, first_seed + 1]

        async def awaited() -> list[StepResult]:
            await areset_many(envs, seeds)
            for _ in range(3):
                results = await astep_many(envs, [FINE] * 2)
            return results

        if first_seed % 4:
            results = asyncio.run(awaited())
        else:
            reset_many(envs, seeds)
            for _ in range(3):
                results = step_many(envs, [FINE] * 2)
        for env in envs:
            env.close()
        assert [info["seed"] for *_, info in results] == seeds
        return [info["success"] for *_, info in results]

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        played = list(threads.map(play, (0, 2, 4, 6)))
    assert played == [[True, True]] * 4


def test_one_environment_in_two_threads_does_one_thing_at_a_time(envs: list[MilepostEnv]):
    env = envs[0]
    reset_many([env], [1])
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        results = list(threads.map(lambda _: step_many([env], [FINE]), range(3)))
    pages = sorted(result[0][0]["page"].split("pressed ")[1][:1] for result in results)
    assert pages == ["1", "2", "3"], "each step saw the page as it had left it"
    assert sum(result[0][1] for result in results) == 0.75


def test_arguments_are_checked_before_anything_is_done(envs: list[MilepostEnv]):
    reset_many(envs, [1, 2, 3])
    with pytest.raises(ValueError, match="one of actions per environment; came 3 environments and 2 actions"):
        step_many(envs, [FINE, FINE])
    with pytest.raises(ValueError, match="one text"):
        step_many(envs[:1], FINE)
    with pytest.raises(ValueError, match="twice"):
        step_many([envs[0], envs[0]], [FINE, FINE])
    assert rewards(step_many(envs, [FINE] * 3)) == [0.25] * 3
    assert reset_many([], []) == []
    assert step_many([], []) == []
    with pytest.raises(TaskError, match="came x"):
        reset_many(envs, [1, 2, 3], options={"x": 1})
    assert [info["seed"] for _, info in reset_many(envs, [1, 2, 3], options={"instance_seed": 9})] == [9] * 3


FORK = """
import os, signal
import gymnasium
from milepost.envs import MilepostEnv, step_many
env, other = MilepostEnv("search-open"), MilepostEnv("search-open")
env.reset(seed=1)
action = env.instance.oracle[0]
child = os.fork()
if child == 0:
    signal.alarm(100)
    try:
        step_many([env], [action])
    except gymnasium.error.ResetNeeded as error:
        assert "forked" in str(error), error
    else:
        raise AssertionError("the parent's episode was stepped")
    observation, info = env.reset(seed=1)
    assert info["failure"] is None
    assert env.step(action)[1] > 0
    env.close()
    other.reset(seed=2)
    other.close()
    raise SystemExit
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert env.step(action)[1] > 0, "the parent's own episode goes on"
env.close()
"""


def test_a_forked_child_is_told_that_the_episode_is_its_parents_and_begins_its_own():
    # In a process of its own: forking this one, full of other threads, would test them too.
    subprocess.run([sys.executable, "-W", "error", "-c", FORK], check=True, timeout=120)
