"""BrowserGym's part of env_speed.py, run in an environment of its own: tuned, that is without its deliberate waits.

Its action, its wait for the page and its whole observation (DOM snapshot, accessibility tree, screenshot) are in every
step; it has no cheaper one. It keeps two browsers per environment and starts both anew at each reset.
"""

import logging
import os
from functools import partial
from importlib.metadata import version

from _measuring import (
    MAIN_PAGE,
    NODES_PAGE,
    NODES_PLAN,
    PLANS,
    SELECTORS,
    Stopwatch,
    contestant,
    ends_the_problem,
    summary,
    tree_pss_mb,
)


def make_env(page, base_url):
    """Return an environment on one page, with `pre_observation_delay=0, slow_mo=0`."""
    from browsergym.core.env import BrowserEnv
    from browsergym.miniwob.base import AbstractMiniwobTask

    task = type("Task", (AbstractMiniwobTask,), {"subdomain": page})
    return BrowserEnv(
        task_entrypoint=partial(task, base_url=base_url), slow_mo=0, pre_observation_delay=0.0, headless=True
    )


def action_for(operation, env):
    """Return an operation as action text; looking up the element's id is not part of the step."""
    verb, kind, position, *text = operation
    bid = env.page.locator(SELECTORS[kind]).nth(position).get_attribute("bid")
    arguments = ", ".join(repr(argument) for argument in (bid, *text))
    return f"{verb}({arguments})"


def run_plan(page, plan, base_url, *, steps, resets):
    env, stepping, resetting, seed, failed = make_env(page, base_url), Stopwatch(), Stopwatch(), 0, 0
    env.reset(seed=seed)
    while len(stepping.samples_ms) < steps or len(resetting.samples_ms) < resets:
        seed += 1
        if len(resetting.samples_ms) < resets or any(ends_the_problem(page, operation) for operation in plan):
            with resetting:
                env.reset(seed=seed)
        for operation in plan:
            action = action_for(operation, env)
            with stepping:
                observation = env.step(action)[0]
            if observation["last_action_error"]:  # mostly that it waited in vain for 500 ms: not a step like the others
                stepping.samples_ms.pop()
                failed += 1
                if failed > steps:
                    raise RuntimeError(f"{page}: {action} fails: {observation['last_action_error'].splitlines()[0]}")
                break
    env.close()
    return {"step_ms": summary(stepping.samples_ms), "reset_ms": summary(resetting.samples_ms), "failed": failed}


def memory(base_url):
    envs = [make_env(MAIN_PAGE, base_url) for _ in range(2)]
    envs[0].reset(seed=0)
    one_mb = tree_pss_mb()
    envs[1].reset(seed=1)
    two_mb = tree_pss_mb()
    for env in envs:
        env.close()
    return {"one_context_mb": one_mb, "further_context_mb": two_mb - one_mb}


def measure(settings):
    logging.getLogger("browsergym").setLevel(logging.ERROR)  # it warns of every tuned setting at every reset
    os.environ["PLAYWRIGHT_BROWSERS_PATH"] = settings["playwright_browsers"]
    base_url = settings["pages_url"] + "/miniwob/"
    steps, resets = settings["steps"], settings["resets"]
    pages = {}
    for page in settings["pages"]:
        plan = PLANS[page]
        steps_here, resets_here = (steps, resets) if page == MAIN_PAGE else (steps // 4, 1)
        pages[page] = run_plan(page, plan, base_url, steps=steps_here, resets=resets_here)
    nodes = run_plan(NODES_PAGE, NODES_PLAN, base_url, steps=steps // 4, resets=1)
    step_ms = pages[MAIN_PAGE]["step_ms"]
    return {
        "versions": {name: version(name) for name in ("browsergym-core", "playwright")},
        "browser": settings["browser"],
        "pages": pages,
        "screenshot_step_ms": step_ms,
        "nodes_step_ms": nodes["step_ms"],
        "batched_steps_per_s": 1000 / step_ms["p50"],
        **memory(base_url),
    }


if __name__ == "__main__":
    contestant(measure)
