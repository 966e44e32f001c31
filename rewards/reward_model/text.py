"""The text form of a step for a learned reward model: goal, page, action, and what it led to.

    Goal: Find the article "Fixing a red lamp" ...
    Page:
    heading "Library"
    textbox "Topic" ""
    button "Search"
    Action: fill("Topic", "red lamp")
    Result: "Topic" is now "red lamp"
    New:
    textbox "Topic" "red lamp"
    Asked: some
    Progress:

Steps of one goal share its tokens, steps on one page the page's too: that is what a token trie computes once. So the
parts stand in the order in which they are shared, each is tokenised by itself, and what is left out is what the rest
implies or what would tell equal states apart: the observation's account of the action before this one, the elements'
numbers (the one that an action names is replaced by the element), and the lines of the page that stayed as they were.

`Asked` says how many of the words that the action quotes are in the goal: all, some or none. A small model sees that
for itself on tasks that it was trained on, and hardly on others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from ..step_view import StepView

Encode = Callable[[str], Sequence[int]]
"""A tokenizer's plain encoding: no special tokens added."""

_NUMBERED = re.compile(r"^(\s*)\[(\d+)\] ")
_BY_NUMBER = re.compile(r"^\s*\w+\(\s*(\d+)\s*[,)]")
_QUESTION = "Progress:"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WORD = re.compile(r"\w+")
_GAP = "\n...\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBudgets:
    """Most tokens of each part of a step's text; the middle of a longer part is left out.

    Attributes:
        goal_tokens: of the goal.
        before_tokens: of the page that the action answers.
        action_tokens: of the action.
        after_tokens: of what it led to, the environment's error message included.
    """

    goal_tokens: int = 56
    before_tokens: int = 80
    action_tokens: int = 40
    after_tokens: int = 48

    def __post_init__(self) -> None:
        for item in fields(self):
            if getattr(self, item.name) < 8:
                raise ValueError(f"expected {item.name} of at least 8, got {getattr(self, item.name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepText:
    """The parts of a step's text, in order; together they are the text."""

    goal: str
    before: str
    action: str
    after: str
    asked: str

    def __str__(self) -> str:
        return self.goal + self.before + self.action + self.after + self.asked


def step_text(goal: str, step: StepView) -> StepText:
    """Return the parts of a step's text, whole."""
    page, _ = _page_and_result(step.before)
    lines = [_unnumbered(line) for line in page]
    action = _named(step.action, page)
    return StepText(
        goal=f"Goal: {goal}\n",
        before="Page:\n" + "".join(f"{line}\n" for line in lines),
        action=f"Action: {action}\n",
        after=_outcome(lines, step),
        asked=f"Asked: {_asked(action, goal)}\n{_QUESTION}",
    )


class StepEncoder:
    """Turns steps into token ids; a part that was met before is not tokenised again.

    Args:
        encode: the tokenizer's plain encoding.
        budgets: most tokens of each part.
        parts_kept: how many parts' tokens are remembered.
    """

    def __init__(self, encode: Encode, budgets: TextBudgets | None = None, *, parts_kept: int = 20_000) -> None:
        self.budgets = TextBudgets() if budgets is None else budgets
        self._encode = encode
        self._known: dict[tuple[str, int], tuple[int, ...]] = {}
        self._parts_kept = parts_kept
        self._gap = tuple(encode(_GAP))

    def ids(self, goal: str, step: StepView) -> tuple[int, ...]:
        """Return the step's token ids, each part within its budget; the last token is where its score is read."""
        text, budgets = step_text(goal, step), self.budgets
        return (
            *self._part(text.goal, budgets.goal_tokens),
            *self._part(text.before, budgets.before_tokens),
            *self._part(text.action, budgets.action_tokens),
            *self._part(text.after, budgets.after_tokens),
            *self._part(text.asked, len(text.asked)),
        )

    def _part(self, text: str, budget: int) -> tuple[int, ...]:
        key = (text, budget)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= self._parts_kept:
                self._known.clear()
            known = self._known[key] = _within(tuple(self._encode(text)), budget, self._gap)
        return known


def _within(ids: tuple[int, ...], budget: int, gap: tuple[int, ...]) -> tuple[int, ...]:
    """Cut the middle out of what is too long: three quarters of what is kept come from its beginning."""
    if len(ids) <= budget:
        return ids
    if len(gap) >= budget:
        return ids[:budget]
    kept = budget - len(gap)
    tail = kept // 4
    return (*ids[: kept - tail], *gap, *ids[len(ids) - tail :])


def _page_and_result(observation: str) -> tuple[list[str], str]:
    """Split an observation into its page's lines and the account of the action that led to it."""
    lines = observation.splitlines()
    at = next((i for i in reversed(range(len(lines))) if lines[i].startswith("Last: ")), len(lines))
    result = [line for line in lines[at:] if not line.startswith(("Last: ", "Error: "))]
    return lines[:at], "\n".join(result).removeprefix("Result: ")


def _unnumbered(line: str) -> str:
    return _NUMBERED.sub(r"\1", line)


def _named(action: str, page: Sequence[str]) -> str:
    """The action, with the element behind a number: numbers mean nothing without the page's own."""
    target = _BY_NUMBER.match(action)
    if target is None:
        return action
    named = (line[m.end() :] for line in page if (m := _NUMBERED.match(line)) and m[2] == target[1])
    return f"{action} on {next(named, 'nothing')}"


def _asked(action: str, goal: str) -> str:
    """How many of the words that an action quotes are in the goal."""
    words = {word for quoted in _QUOTED.findall(action) for word in _WORD.findall(quoted.lower())}
    found = words & set(_WORD.findall(goal.lower()))
    return "none" if not found else "all" if found == words else "some"


def _outcome(lines_before: Sequence[str], step: StepView) -> str:
    """What the action led to: the error, the environment's account, and the lines that are new on the page."""
    page, result = _page_and_result(step.after)
    stayed = Counter(lines_before)
    new: list[str] = []
    for line in map(_unnumbered, page):
        if stayed[line] > 0:
            stayed[line] -= 1
        else:
            new.append(line)
    told = []
    if step.error:
        told.append(f"Error: {step.error}")
    if not step.after:
        told.append("Result: not recorded")
    elif result:
        told.append(f"Result: {result}")
    if new and step.after:
        told += ["New:", *new]
    return "".join(f"{line}\n" for line in told)


__all__ = ["Encode", "StepEncoder", "StepText", "TextBudgets", "step_text"]
