"""Makes the task of a MiniWoB++ page: its score as milestones, beside those of `milestones.yaml`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from ...sandbox.errors import TaskError
from ..task import NOT_TOLD, Task
from .pages import PREFIX, miniwob_page
from .scores import COMPATIBLE, FAILED, STRICT

ACTIONS = ("click", "fill", "select", "press", "scroll", "pointer", "forms", "clipboard", "mouse", "time")
"""What an agent may do: everything on the page, and nothing that leads away from it."""

_PAGE_SEEDS = 2**31

TimeLimits = Literal["off", "published"]


class MiniwobTask(Task):
    """The task of a page. Its goal is what the page says at the start of an episode.

    Attributes:
        goal_pattern: a regular expression that is searched for in that goal; its named groups are parameters of the
            milestones' texts. One that takes no part in the match is `NOT_TOLD`.
        oracle: none: what solves a page depends on what it shows; see `milepost.agents.miniwob_oracles`.
    """

    goal_pattern: str = ""
    oracle: tuple[str, ...] = ()

    @property
    def instance_count(self) -> int:
        """As many as the page tells seeds apart, though some pages draw from fewer problems."""
        return _PAGE_SEEDS

    @property
    def told_names(self) -> tuple[str, ...]:
        """The named groups of `goal_pattern`."""
        return tuple(re.compile(self.goal_pattern).groupindex)

    def told_by(self, goal: str) -> dict[str, Any]:
        """Return what the goal holds in place of these groups."""
        found = re.search(self.goal_pattern, goal)
        told = dict.fromkeys(self.told_names) if found is None else found.groupdict()
        return {name: NOT_TOLD if value is None else value for name, value in told.items()}


def miniwob_task(page: str, *, time_limits: TimeLimits = "off") -> MiniwobTask:
    """Return the task of a page.

    Args:
        page: its name, such as "click-test", or its task's, "miniwob-click-test".
        time_limits: "off", or "published": the page ends the episode (raw = -1) when so much of its own time has passed
            as its authors gave people, most often ten seconds. Its time stands still while an agent thinks; a step
            takes 50 ms of it.

    Raises:
        TaskError: there is no such page.
    """
    if time_limits not in ("off", "published"):
        raise TaskError(f"time_limits is 'off' or 'published'; came {time_limits!r}")
    found = miniwob_page(page)
    rules = _rules().get(found.name, {})
    query = "" if time_limits == "off" else "?time_limits=published"
    return MiniwobTask.model_validate(
        {
            "name": PREFIX + found.name,
            "family": "miniwob",
            "description": f"MiniWoB++ {found.name}.",
            "app": "miniwob",
            "start": f"/miniwob/{found.name}.html{query}",
            "goal": "Do what the page asks for.",
            "goal_pattern": rules.get("goal", ""),
            "actions": ACTIONS,
            "max_steps": found.max_steps,
            "milestones": [*rules.get("milestones", ()), *_SCORE],
            "success": [STRICT],
        }
    )


_SCORE = (
    {"id": STRICT, "description": "the page gave its full reward", "detector": "server_state", "query": "strict",
     "reward": 1.0, "ends_episode": True},
    {"id": COMPATIBLE, "description": "the page gave some reward", "detector": "server_state", "query": "compatible",
     "reward": 0.0},
    {"id": FAILED, "description": "the page ended without its full reward", "detector": "server_state",
     "query": "over && !strict", "reward": 0.0, "forbidden": True, "ends_episode": True},
)  # fmt: skip


@cache
def _rules() -> dict[str, Any]:
    """Return what `milestones.yaml` says: page -> goal (a pattern) and milestones."""
    return dict(yaml.safe_load(Path(__file__).with_name("milestones.yaml").read_text(encoding="utf-8")) or {})


__all__ = ["ACTIONS", "MiniwobTask", "TimeLimits", "miniwob_task"]
