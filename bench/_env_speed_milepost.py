"""milepost's part of env_speed.py: whole environment steps and resets, through the public interface."""

import asyncio
import math
import platform
import re
import time
from importlib.metadata import version

from _measuring import (
    MAIN_PAGE,
    NODES_PAGE,
    NODES_PLAN,
    PLANS,
    Stopwatch,
    contestant,
    ends_the_problem,
    summary,
    tree_pss_mb,
)
from _miniwob_site import miniwob_task, register_site

from milepost.envs import MilepostEnv, reset_many, step_many
from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.chromium import find_chromium


def action_for(operation, observation):
    """Return an operation as action text: its element is found in what the agent reads."""
    verb, kind, position, *text = operation
    refs = re.findall(rf"^\[(\d+)\] {kind}\b", observation["page"], re.MULTILINE)
    arguments = [refs[position], *(f'"{t}"' for t in text)]
    return f"{verb}({', '.join(arguments)})"


def checked(result):
    """Return a step's result, having made sure that the step did what it was to do."""
    observation, _, _, _, info = result
    if info["failure"] is not None or observation["last_action_error"]:
        raise RuntimeError(f"a step failed: {info['failure_message'] or observation['last_action_error']}")
    return result


def run_plan(env, page, plan, *, steps, resets):
    """Return step and reset times of at least `steps` steps and `resets` resets."""
    stepping, resetting, seed = Stopwatch(), Stopwatch(), 0
    env.reset(seed=seed)
    while len(stepping.samples_ms) < steps or len(resetting.samples_ms) < resets:
        seed += 1
        with resetting:
            observation, _ = env.reset(seed=seed)
        ends = any(ends_the_problem(page, operation) for operation in plan)
        rounds = 1 if ends else math.ceil(steps / (resets * len(plan)))
        for operation in plan * rounds:
            action = action_for(operation, observation)
            with stepping:
                result = env.step(action)
            observation = checked(result)[0]
    return {"step_ms": summary(stepping.samples_ms), "reset_ms": summary(resetting.samples_ms)}


def in_page_resets(page, resets):
    """Return the times of resets that begin the next problem in the loaded page."""
    watch = Stopwatch()
    env = MilepostEnv(miniwob_task(page))
    seen = {env.reset(seed=0)[0]["goal"]}
    for seed in range(1, resets + 1):
        with watch:
            observation, _ = env.reset(seed=seed)
        seen.add(observation["goal"])
    env.close()
    if len(seen) < resets // 2:
        raise RuntimeError("the resets did not begin new problems")
    return summary(watch.samples_ms)


def many(settings):
    """Return the throughput and the memory of many contexts in this one process."""
    contexts, rounds = settings["contexts"], settings["rounds"]
    plan = PLANS[MAIN_PAGE]
    envs = [MilepostEnv(miniwob_task(MAIN_PAGE)) for _ in range(contexts)]
    observations = [reset_many(envs[:1], [0])[0][0]]
    one_mb = tree_pss_mb()
    observations += [observation for observation, _ in reset_many(envs[1:], list(range(1, contexts)))]
    all_mb = tree_pss_mb()
    actions = [[action_for(operation, seen) for operation in plan] for seen in observations]

    def batch(position):
        for result in step_many(envs, [each[position % len(plan)] for each in actions]):
            checked(result)

    async def alone(env, texts):
        for position in range(rounds):
            checked(await env.astep(texts[position % len(plan)]))

    async def side_by_side():
        await asyncio.gather(*(alone(env, texts) for env, texts in zip(envs, actions, strict=True)))

    for position in range(len(plan)):
        batch(position)  # warm
    began = time.perf_counter()
    for position in range(rounds):
        batch(position)
    batched_s = time.perf_counter() - began
    began = time.perf_counter()
    BrowserThread.get().run(side_by_side(), 300)
    free_s = time.perf_counter() - began
    for env in envs:
        env.close()
    return {
        "batched_steps_per_s": contexts * rounds / batched_s,
        "free_steps_per_s": contexts * rounds / free_s,
        "one_context_mb": one_mb,
        "further_context_mb": (all_mb - one_mb) / (contexts - 1),
    }


def measure(settings):
    """Measure once."""
    register_site()
    steps, resets = settings["steps"], settings["resets"]
    pages = {}
    for page in settings["pages"]:
        plan = PLANS[page]
        env = MilepostEnv(miniwob_task(page), warm_resets=False)
        if page == MAIN_PAGE:
            pages[page] = run_plan(env, page, plan, steps=steps, resets=resets)
            warm_reset = in_page_resets(page, resets)
        else:
            pages[page] = run_plan(env, page, plan, steps=steps // 4, resets=2)
        env.close()
    env = MilepostEnv(miniwob_task(MAIN_PAGE), screenshots=True)
    shots = run_plan(env, MAIN_PAGE, PLANS[MAIN_PAGE], steps=steps // 2, resets=2)
    env.close()
    env = MilepostEnv(miniwob_task(NODES_PAGE))
    nodes = run_plan(env, NODES_PAGE, NODES_PLAN, steps=steps // 4, resets=2)
    env.close()
    return {
        "versions": {name: version(name) for name in ("milepost", "playwright")}
        | {"python": platform.python_version()},
        "browser": str(find_chromium().path),
        "pages": pages,
        "warm_reset_ms": warm_reset,
        "screenshot_step_ms": shots["step_ms"],
        "nodes_step_ms": nodes["step_ms"],
        **many(settings),
    }


if __name__ == "__main__":
    contestant(measure)
