"""Farama's `miniwob` (Selenium), its part of env_speed.py, run in an environment of its own.

It observes its own DOM listing and a screenshot, and nothing at all at the step that ends a problem; only steps that
do not end one are timed. A reset starts a new problem in the loaded page.
"""

import os
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

TAGS = {"textbox": ("input_text", "input_password"), "checkbox": ("input_checkbox",), "button": ("button",)}
NO_TIME_LIMIT = "core.EPISODE_MAX_TIME = 1e9;"


def make_env(page, base_url):
    """Return an environment on one page."""
    from miniwob.environment import MiniWoBEnvironment

    known = {} if page in PLANS else {"field_extractor": lambda utterance: []}
    env = MiniWoBEnvironment(subdomain=page, base_url=base_url, **known)
    env.instance.driver.execute_script(NO_TIME_LIMIT)
    return env


def action_for(operation, env, observation):
    """Return an operation as an action; its element is found in the observation."""
    from miniwob.action import ActionTypes

    verb, kind, position, *text = operation
    refs = [e["ref"] for e in observation["dom_elements"] if e["tag"].lower() in TAGS[kind]]
    if verb == "click":
        return env.create_action(ActionTypes.CLICK_ELEMENT, ref=refs[position])
    return env.create_action(ActionTypes.FOCUS_ELEMENT_AND_TYPE_TEXT, ref=refs[position], text=text[0])


def run_plan(page, plan, base_url, *, steps, resets):
    plan = [operation for operation in plan if not ends_the_problem(page, operation)]
    env, stepping, resetting, seed = make_env(page, base_url), Stopwatch(), Stopwatch(), 0
    env.reset(seed=seed)
    while (plan and len(stepping.samples_ms) < steps) or len(resetting.samples_ms) < resets:
        seed += 1
        with resetting:
            observation, _ = env.reset(seed=seed)
        for operation in plan:
            action = action_for(operation, env, observation)
            with stepping:
                observation, _, terminated, _, _ = env.step(action)
            if terminated:
                raise RuntimeError(f"{page}: {operation} ended the problem")
    env.close()
    return {"step_ms": summary(stepping.samples_ms), "reset_ms": summary(resetting.samples_ms)}


def memory(base_url):
    envs = [make_env(MAIN_PAGE, base_url)]
    envs[0].reset(seed=0)
    one_mb = tree_pss_mb()
    envs.append(make_env(MAIN_PAGE, base_url))
    envs[1].reset(seed=1)
    two_mb = tree_pss_mb()
    for env in envs:
        env.close()
    return {"one_context_mb": one_mb, "further_context_mb": two_mb - one_mb}


def measure(settings):
    os.environ["MINIWOB_CHROME_BINARY"] = settings["browser"]
    os.environ["MINIWOB_CHROMEDRIVER"] = settings["chromedriver"]
    base_url = settings["pages_url"] + "/miniwob/"
    steps, resets = settings["steps"], settings["resets"]
    pages = {}
    for page in settings["pages"]:
        plan = PLANS[page]
        steps_here, resets_here = (steps, resets) if page == MAIN_PAGE else (steps // 4, 2)
        pages[page] = run_plan(page, plan, base_url, steps=steps_here, resets=resets_here)
    nodes = run_plan(NODES_PAGE, NODES_PLAN, base_url, steps=steps // 4, resets=1)
    step_ms = pages[MAIN_PAGE]["step_ms"]
    return {
        "versions": {name: version(name) for name in ("miniwob", "selenium")},
        "browser": settings["browser"],
        "pages": pages,
        "warm_reset_ms": pages[MAIN_PAGE]["reset_ms"],
        "screenshot_step_ms": step_ms,
        "nodes_step_ms": nodes["step_ms"],
        "batched_steps_per_s": 1000 / step_ms["p50"],
        **memory(base_url),
    }


if __name__ == "__main__":
    contestant(measure)
