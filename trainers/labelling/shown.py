"""What an annotator reads of an episode: its actions and what the page showed, as text that can do nothing.

Rewards, milestones, success, why the episode ended and how old the policy was are left out: they would give away what
the rules say, and the annotator's word is wanted for what rules do not see. The texts come from pages and policies and
are not trusted: characters that steer a text's direction or cannot be seen are written out, and lengths are bounded.
The page itself must still treat all of it as text, never as HTML.
"""

from __future__ import annotations

import re
from typing import Any

from ...agents.records import Trajectory
from ...agents.views import episode_view
from ...rewards.step_view import StepView
from ..local_page.text import MAX_TEXT_CHARS, harmless

MAX_ACTION_CHARS = 1_000
MAX_TARGET_CHARS = 120
MAX_FRAMES = 300

_NUMBERED = re.compile(r"\s*\w+\(\s*([0-9]{1,6})\s*[,)]")


def episode_shown(trajectory: Trajectory) -> dict[str, Any]:
    """Return an episode as the page gets it, JSON-ready.

    Returns:
        frames: the start and then one for each action: `action` (None at the start), `target` (what an element is that
            the action names by its number, "" if it does not), `page` (what was seen after it) and `error` ("" if the
            action was possible).
        cut: how many steps are left out at the end, beyond MAX_FRAMES.
    """
    steps = episode_view(trajectory).steps
    frames: list[dict[str, Any]] = [{"action": None, "target": "", "page": harmless(steps[0].before), "error": ""}]
    frames += [
        {
            "action": harmless(step.action, MAX_ACTION_CHARS),
            "target": harmless(target_of(step), MAX_TARGET_CHARS),
            "page": harmless(step.after),
            "error": harmless(step.error, MAX_ACTION_CHARS),
        }
        for step in steps[: MAX_FRAMES - 1]
    ]
    return {"frames": frames, "cut": len(steps) - (len(frames) - 1)}


def goal_shown(trajectory: Trajectory) -> str:
    """Return what the agent was asked to do."""
    return harmless(episode_view(trajectory).goal, MAX_TEXT_CHARS)


def target_of(step: StepView) -> str:
    """Return role and name, on the page before an action, of the element that it names by its number; "" if none."""
    named = _NUMBERED.match(step.action)
    line = named and re.search(rf'^\s*\[{named[1]}\] (\S+(?: "(?:[^"\\]|\\.)*")?)', step.before, re.MULTILINE)
    return line[1] if line else ""


__all__ = ["MAX_ACTION_CHARS", "MAX_FRAMES", "episode_shown", "goal_shown", "target_of"]
