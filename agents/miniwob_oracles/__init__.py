"""Scripted solutions of MiniWoB++ pages: they prove that a page can be solved with our actions, and are demonstrations.

    policy = MiniwobOracle()          # a Policy; `milepost eval miniwob-login-user --policy oracle` uses it

Each reads what any agent is shown, the goal and the page, and acts as any agent does. None reads the page's scripts, or
what the episode keeps from agents. docs/miniwob.md says how often each succeeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module

from ...envs.miniwob.pages import PREFIX
from ...envs.task import TaskInstance
from ..policies import Decision, View
from .reading import Oracle, Script, read

_KINDS = (
    "boxes", "buttons", "fields", "lists", "mail", "media", "menus",
    "numbers", "pointer", "scrolling", "tables", "travel", "windows",
)  # fmt: skip


@cache
def oracles() -> Mapping[str, Oracle]:
    """Return the oracle of every page that has one, by the page's name."""
    found: dict[str, Oracle] = {}
    for kind in _KINDS:
        found |= import_module(f".{kind}", __name__).ORACLES
    return dict(sorted(found.items()))


def has_oracle(task: str) -> bool:
    """Tell whether a task, by its name, has one."""
    return task.removeprefix(PREFIX) in oracles()


class MiniwobOracle:
    """The policy that plays each page's oracle, then repeats `noop()`. A page without one gets nothing but that.

    One that meets a page it does not understand gives up, like one that has ended.

    Attributes:
        observations: what it reads; where only the text is observed, some of the oracles give up.
    """

    observations = ("text", "html", "boxes")

    def __init__(self) -> None:
        self._at_work: dict[int, tuple[TaskInstance, Script | None]] = {}

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return each oracle's next action; episodes that are not among `views` are taken to be over."""
        present = {id(view.instance) for view in views}
        self._at_work = {key: kept for key, kept in self._at_work.items() if key in present}
        return [Decision(action=self._act(view)) for view in views]

    def _act(self, view: View) -> str:
        look, key = read(view.observation), id(view.instance)
        try:
            if view.step == 0 or key not in self._at_work:
                oracle = oracles().get(view.drawn.task.name.removeprefix(PREFIX))
                script = None if oracle is None else oracle(look)
                self._at_work[key] = (view.drawn, script)
                return "noop()" if script is None else next(script)
            script = self._at_work[key][1]
            return "noop()" if script is None else script.send(look)
        except (StopIteration, ValueError, IndexError):
            self._at_work[key] = (view.drawn, None)
            return "noop()"


__all__ = ["MiniwobOracle", "has_oracle", "oracles"]
