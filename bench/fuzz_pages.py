"""Generated pages, hostile and merely strange: each is looked at and acted on. Does anything crash, hang or stay mute?

    python bench/fuzz_pages.py [--count 2000] [--seed 0] [--contexts 8] [--only N]

A page is a random tree of elements with random attributes, styles, frames, shadow roots and scripts (the parts are in
fuzz_page_parts.json). On each, an episode takes a few random actions. It passes if every observation lies in its space,
every refusal is one line of words, every call keeps its deadline, and the machine fails only where the page loops for
ever, with a typed failure. Anything else is printed with the episode's seed, which `--only` plays again, and fails the
run.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from milepost.envs import MilepostEnv, Task
from milepost.envs.actions import ACTION_TYPES, GROUPS
from milepost.envs.apps import register_app
from milepost.sandbox.app_server import App
from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.errors import FailureKind, SandboxError

KINDS = ("text", "screenshot", "html", "boxes", "tabs", "clipboard")
STEPS = 4
PARTS = json.loads((Path(__file__).parent / "fuzz_page_parts.json").read_text(encoding="utf-8"))
TAGS, TYPES, HREFS = (PARTS[name].split() for name in ("tags", "types", "hrefs"))
ROLES, WORDS, STYLES, SCRIPTS, LOOPS = (PARTS[name] for name in ("roles", "words", "styles", "scripts", "loops"))


def attributes(rng):
    """Return the text of some attributes."""
    made = []
    for _ in range(rng.choice((0, 0, 1, 2, 4))):
        name, value = rng.choice(
            (
                ("role", rng.choice(ROLES)),
                ("aria-label", rng.choice(WORDS)),
                ("aria-labelledby", f"id{rng.randrange(6)} id{rng.randrange(6)}"),
                ("aria-hidden", rng.choice(("true", "false", "x"))),
                ("aria-owns", f"id{rng.randrange(6)}"),
                ("id", f"id{rng.randrange(6)}"),
                ("style", rng.choice(STYLES)),
                ("type", rng.choice(TYPES)),
                ("href", rng.choice(HREFS)),
                ("src", rng.choice(("/other", "/slow", "about:blank", "javascript:1", "data:text/html,<button>d"))),
                ("srcdoc", "<button>framed</button><script>setInterval(()=>0,1)</script>"),
                ("target", rng.choice(("_blank", "_top", "x"))),
                ("tabindex", rng.choice(("0", "-1", "99999999999"))),
                ("value", rng.choice(WORDS)),
                ("title", rng.choice(WORDS)),
                ("onclick", rng.choice(("this.remove()", "throw 1", "alert(1)", "this.outerHTML += this.outerHTML"))),
                ("download", "x.txt"),
                ("for", f"id{rng.randrange(6)}"),
                (rng.choice(("disabled", "hidden", "inert", "checked", "open", "multiple", "readonly", "popover")), ""),
                ("contenteditable", "true"),
                ("dir", "rtl"),
            )
        )
        escaped = value.replace("&", "&amp;").replace('"', "&quot;")
        made.append(f' {name}="{escaped}"')
    return "".join(made)


def markup(rng, depth=0):
    """Return a random tree, closed properly or not."""
    parts = []
    for _ in range(rng.randrange(1, 6 if depth < 5 else 2)):
        if rng.random() < 0.3 or depth > 8:
            parts.append(rng.choice(WORDS))
        else:
            tag = rng.choice(TAGS)
            closing = f"</{tag}>" if rng.random() < 0.9 else ""
            parts.append(f"<{tag}{attributes(rng)}>{markup(rng, depth + 1)}{closing}")
    return "".join(parts)


def page(number):
    """Return a page's HTML, and whether it may loop for ever."""
    rng = random.Random(number)
    loops = rng.random() < 0.02
    scripts = [rng.choice(SCRIPTS) for _ in range(rng.choice((0, 0, 1, 1, 2, 3)))] + [rng.choice(LOOPS)] * loops
    head = rng.choice(("<!doctype html>", "", "<!doctype html><meta charset=utf-8>", "<?xml version='1.0'?>"))
    tags = "".join(f"<script>{script}</script>" for script in scripts)
    return head + rng.choice(("<title>Fuzz</title>", "")) + markup(rng) + tags + rng.choice(("", markup(rng))), loops


class FuzzSite(App):
    """Serves the generated page of its parameter, another page, and one that is slow to answer."""

    name = "fuzz"

    def create_schema(self, db):
        """One row: the page."""
        db.execute("CREATE TABLE page (html TEXT)")

    def seed(self, db, rng, parameters):
        """Put the page in."""
        db.execute("INSERT INTO page VALUES (?)", (page(parameters["number"])[0],))

    def asgi(self):
        """Serve the pages."""

        async def home(request):
            html = request.state.db.execute("SELECT html FROM page").fetchone()["html"]
            return HTMLResponse(html.encode("utf-8", "replace"))

        async def other(request):
            return HTMLResponse("<!doctype html><h1>Other</h1><a href=/>Back</a>")

        async def slow(request):
            await asyncio.sleep(0.2)
            return HTMLResponse("slow")

        rest = Route("/{path:path}", other, methods=["GET", "POST"])
        return Starlette(routes=[Route("/", home), Route("/slow", slow), rest])

    def state(self, db):
        """Return nothing."""
        return {}


def task():
    """Return a task on the generated pages, with every action but commands."""
    return Task.model_validate(
        {
            "name": "fuzz-pages",
            "family": "fuzz",
            "description": "A generated page.",
            "app": FuzzSite.name,
            "start": "/",
            "goal": "Do something.",
            "parameters": {"number": {"integer": [0, 10**9]}},
            "actions": [group for group in GROUPS if group != "command"],
            "max_steps": 50,
            "milestones": [{"id": "never", "detector": "title_matches", "title": "no such title", "reward": 1.0}],
            "oracle": ["noop()"],
        }
    )


def action(rng, observation):
    """Return an action on something that is there, or nearly."""
    refs = re.findall(r"^\[(\d+)\]", observation["page"], re.MULTILINE) or ["1"]
    ref, other = rng.choice(refs), rng.choice(refs)
    return rng.choice(
        (
            *(f"click({ref})",) * 6,
            *(f'fill({ref}, "text")',) * 3,
            f"double_click({ref})",
            f"hover({ref})",
            f"drag({ref}, {other})",
            f'select({ref}, "a")',
            'type("x")',
            f'press("{rng.choice(("Enter", "Tab", "Escape", "Control+A", "F5", "Alt+ArrowLeft", "Alt+ArrowDown"))}")',
            f"mouse_click({rng.randrange(1280)}, {rng.randrange(720)})",
            *(rng.choice(cls.examples) for cls in rng.sample(list(ACTION_TYPES.values()), 2)),
        )
    )


def complaints(env, observation, info, may_loop):
    """Return what is wrong with what a call returned."""
    for name, space in env.observation_space.items():
        if not space.contains(observation[name]):
            yield f"{name} is not in its space: {getattr(observation[name], 'shape', repr(observation[name])[:200])}"
    error = observation["last_action_error"]
    if len(error.splitlines()) > 1 or (error and not error.strip()):
        yield f"the refusal is no line of words: {error!r}"
    if info["failure"] is not None and not (may_loop and info["failure"] is FailureKind.PAGE_HUNG):
        yield f"the machine failed: {info['failure']}: {info['failure_message']}"


async def play(the_task, number, slowest):
    """Play one page and return complaints."""
    rng, env = random.Random(number), MilepostEnv(the_task, observations=KINDS)
    may_loop = page(the_task.instantiate(number).parameters["number"])[1]
    found = []
    try:
        began = time.perf_counter()
        observation, info = await env.areset(seed=number)
        found += complaints(env, observation, info, may_loop)
        for _ in range(STEPS):
            slowest.append((time.perf_counter() - began, number))
            text, began = action(rng, observation), time.perf_counter()
            observation, _, terminated, truncated, info = await env.astep(text)
            found += [f"{complaint} (after {text})" for complaint in complaints(env, observation, info, may_loop)]
            if terminated or truncated:
                break
        slowest.append((time.perf_counter() - began, number))
    except SandboxError as error:
        if not (may_loop and error.kind is FailureKind.PAGE_HUNG):
            found.append(f"{type(error).__name__}: {error}")
    except Exception as error:  # this is what is looked for
        found.append(f"{type(error).__name__}: {error}")
    finally:
        await env.aclose()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first episode")
    parser.add_argument("--contexts", type=int, default=8)
    parser.add_argument("--only", type=int, help="play the episode of this seed alone")
    options = parser.parse_args()
    register_app(FuzzSite())
    numbers = [options.only] if options.only is not None else range(options.seed, options.seed + options.count)
    queue, the_task, slowest, done, failures = iter(numbers), task(), [], 0, 0

    async def work():
        nonlocal done, failures
        for number in queue:
            found = await play(the_task, number, slowest)
            done += 1
            failures += bool(found)
            for complaint in found:
                print(f"seed {number}: {complaint}", file=sys.stderr, flush=True)
            if done % 100 == 0:
                print(f"{done} of {len(numbers)} pages, {failures} with complaints", flush=True)

    async def all_of_them():
        await asyncio.gather(*(work() for _ in range(options.contexts)))

    began = time.perf_counter()
    BrowserThread.get().run(all_of_them(), 60.0 * len(numbers) + 600)
    took_s, (longest_s, longest) = time.perf_counter() - began, max(slowest, default=(0.0, None))
    loops = sum(page(the_task.instantiate(number).parameters["number"])[1] for number in numbers)
    print(
        f"{done} pages ({loops} may loop for ever), {failures} with complaints, {took_s:.0f} s; "
        f"the longest call took {longest_s:.1f} s, seed {longest}"
    )
    sys.exit(1 if failures or done != len(numbers) else 0)


if __name__ == "__main__":
    main()
