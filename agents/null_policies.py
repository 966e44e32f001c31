"""Null agents: policies that understand nothing. What they earn, a task gives away.

`NoopPolicy` and `RandomPolicy` in policies.py are the other two. None of them reads the instance beyond what its
environment shows, and `for_null_agents` gives them more steps than an episode has, so that a small step limit does not
hide what a longer one would pay for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..envs.task import Task
from .policies import Decision, View

NULL_STEPS = 200
"""Actions that a null agent may take in one episode."""

_ELEMENT = re.compile(r'^\s*\[(?P<ref>\d+)\] (?P<role>\w+)(?: "(?P<name>.*?)")?')
_SUBMITS = re.compile(r"\b(submit|save|send|ok|okay|confirm|apply|finish)\b", re.IGNORECASE)
_BUTTONS = frozenset({"button", "menuitem"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownElement:
    """An interactive element as the page's text shows it."""

    ref: int
    role: str
    name: str


def shown_elements(observation: Mapping[str, str]) -> Iterator[ShownElement]:
    """Yield the interactive elements that an observation's page shows, in its order."""
    for line in observation["page"].splitlines():
        if match := _ELEMENT.match(line):
            yield ShownElement(ref=int(match["ref"]), role=match["role"], name=match["name"] or "")


def for_null_agents(task: Task, steps: int = NULL_STEPS) -> Task:
    """Return a copy of a task that lets an agent take so many steps, idle ones too."""
    return task.model_copy(update={"max_steps": steps, "max_idle_steps": None})


def ending_at_faults(task: Task) -> Task:
    """Return a copy of a task whose episodes end once they can no longer succeed: at a forbidden milestone."""
    milestones = [m.model_copy(update={"ends_episode": True}) if m.forbidden else m for m in task.milestones]
    return task.model_copy(update={"milestones": tuple(milestones)})


class SubmitOnlyPolicy:
    """Presses the button that looks like submitting, again and again; the first button if none does."""

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return a click on that button for each episode, or `noop()` where there is no button."""
        return [Decision(action=self._act(view)) for view in views]

    def _act(self, view: View) -> str:
        if answer := _answer_to_dialog(view):
            return answer
        buttons = [element for element in shown_elements(view.observation) if element.role in _BUTTONS]
        chosen = next((button for button in buttons if _SUBMITS.search(button.name)), None)
        if chosen is None and buttons:
            chosen = buttons[0]
        return "noop()" if chosen is None else f"click({chosen.ref})"


class RestThenSubmitPolicy:
    """Does nothing for a while, then presses what looks like submitting until that changes nothing, and is done.

    Args:
        rest: so many steps of nothing.
    """

    def __init__(self, rest: int) -> None:
        self._rest = rest
        self._submit = SubmitOnlyPolicy()
        self._pressed: dict[int, tuple[str, str]] = {}

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return `noop()`, a click, or `done()` for each episode."""
        # An episode is known by its generator, which lives as long as it does; those that ended are forgotten.
        self._pressed = {id(v.rng): self._pressed[id(v.rng)] for v in views if v.step and id(v.rng) in self._pressed}
        return [Decision(action=self._act(view)) for view in views]

    def _act(self, view: View) -> str:
        if view.step < self._rest:
            return "noop()"
        (decision,) = self._submit.decide([view])
        now = (view.observation["page"], decision.action)
        if self._pressed.get(id(view.rng)) == now or decision.action == "noop()":
            return "done()"
        self._pressed[id(view.rng)] = now
        return decision.action


@dataclass(slots=True)
class _Tour:
    """What one episode's tour has clicked: element by page, role, name and place among equals."""

    clicked: set[tuple[str, str, str, int]] = field(default_factory=set)
    went_back_from: set[str] = field(default_factory=set)


class ClickEverythingPolicy:
    """Clicks every interactive element of a page once, in order, page after page; then goes back; then is done."""

    def __init__(self) -> None:
        self._tours: dict[int, _Tour] = {}

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """Return the next click of each episode's tour."""
        # An episode is known by its generator, which lives as long as it does; those that ended are forgotten.
        kept = {id(view.rng): _Tour() if view.step == 0 else self._tours.get(id(view.rng), _Tour()) for view in views}
        self._tours = kept
        return [Decision(action=self._act(view, kept[id(view.rng)])) for view in views]

    def _act(self, view: View, tour: _Tour) -> str:
        if answer := _answer_to_dialog(view):
            return answer
        url = view.observation["url"]
        same: Counter[tuple[str, str]] = Counter()
        for element in shown_elements(view.observation):
            same[element.role, element.name] += 1
            key = (url, element.role, element.name, same[element.role, element.name])
            if key not in tour.clicked:
                tour.clicked.add(key)
                return f"click({element.ref})"
        if url not in tour.went_back_from:
            tour.went_back_from.add(url)
            return "back()"
        return "done()"


def _answer_to_dialog(view: View) -> str | None:
    """Return what accepts the dialog that holds the page up, if one does and the task lets the agent answer it."""
    held = "dialog_accept() or dialog_dismiss() answers it" in view.observation["page"].partition("\n")[0]
    return "dialog_accept()" if held and "dialog_accept" in view.drawn.task.verbs else None


__all__ = [
    "NULL_STEPS",
    "ClickEverythingPolicy",
    "RestThenSubmitPolicy",
    "ShownElement",
    "SubmitOnlyPolicy",
    "ending_at_faults",
    "for_null_agents",
    "shown_elements",
]
