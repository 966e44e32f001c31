"""`then`, `count`, `within` and `at_end`: detectors of what happens in an order, repeatedly, soon, or last.

    detector: then                      # exported, then mailed, and not deleted in between
    steps:
      - {detector: file_created, path: "*.csv"}
      - {detector: not, of: {detector: file_changed, path: "*.csv", change: deleted}}
      - {detector: server_state, query: "length(mails)", equals: 1}

All of them are events: once they have happened they hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import orjson
from pydantic import Field, model_validator

from ..sandbox.events import Answer
from .combinators import Not, Parts, is_absence, refuse_absence
from .combined import Combined, kind_of, seen
from .parts import Part
from .spec import Spec, Text
from .trace import Trace
from .types import Evidence, Moment

Chain = tuple[Mapping[str, Any], ...]
"""What was seen of the parts that have come, in order."""


class Then(Combined):
    """Several things happen in order; it fires when the last of them does, and then starts over.

    Things of one step count as in order, unless `strict`: a step is one action, and what it caused has no order that
    can be relied on. What the reset had can be the beginning, but not the end.

    Attributes:
        steps: the parts in order. A `not` among them is a guard: it must not happen between the part before it (or the
            beginning of the episode) and the part after it, the steps of both included.
        strict: every part must come at a later step than the one before it.
    """

    kind: Literal["then"] = "then"
    steps: Parts
    strict: bool = False

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if is_absence(self.steps[-1]):
            raise ValueError(
                "expected something that happens as the last part of `then`, got `not`: whether it still happens can "
                "never be told; put it before the part up to which it must not happen"
            )
        return self

    def parts(self) -> tuple[Spec, ...]:
        """Return the parts, guards included."""
        return self.steps

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether everything that is to come was there at the reset."""
        return all(self.steps[i].held_at_reset(moment) for i in self._plan()[0])

    def follow(self, past: Trace, parts: tuple[Trace, ...], moment: Moment) -> Trace:
        """Carry on every chain that this step makes longer; fire if one is complete.

        `memo` holds, by how many parts have come, the latest chain of that length. How a chain of some length came
        about does not matter to what may follow, so one of each is enough.
        """
        step = moment.step
        chains: dict[int, Chain] = dict(past.memo) if past.memo is not None else {0: ()}
        stages, guards = self._plan()
        broken = {k for k, guard in enumerate(guards) if any(self._violated(parts[i], i, step) for i in guard)}
        for k in broken:
            chains.pop(k, None)
        fired = None
        order = range(len(stages))
        for k in reversed(order) if self.strict else order:
            trace = parts[stages[k]]
            came = trace.last == step or (step == 0 and trace.since is not None)
            if k not in chains or not came:
                continue
            chain = (*chains[k], seen(self.steps[stages[k]], trace))
            if k + 1 < len(stages):
                if k + 1 not in broken:
                    chains[k + 1] = chain
            elif step > 0:
                summary = ", then ".join(each["summary"] for each in chain)
                fired = Evidence(summary=summary, facts={"parts": list(chain)})
        if fired is not None:
            chains = {0: ()} if 0 in chains else {}
        stands = fired is not None or past.since is not None
        return past.after(step, fired, stands=stands, parts=parts, memo=chains)

    def _plan(self) -> tuple[list[int], list[list[int]]]:
        """Return which parts are to come, and which guards stand before each of them."""
        stages: list[int] = []
        guards: list[list[int]] = [[]]
        for i, part in enumerate(self.steps):
            if _is_guard(part) and i + 1 < len(self.steps):
                guards[-1].append(i)
            else:
                stages.append(i)
                guards.append([])
        return stages, guards[: len(stages)]

    def _violated(self, trace: Trace, index: int, step: int) -> bool:
        guard, (inner,) = self.steps[index], trace.parts
        assert isinstance(guard, Not)
        if guard.now:
            return inner.since is not None
        return inner.last == step or (step == 0 and inner.since is not None)


class Count(Combined):
    """Something happens at several steps: it fires whenever the part fires and has done so often enough.

    Attributes:
        of: what is to happen.
        times: at how many different steps it must have happened at least, this one included.
        distinct: name of a fact in the part's evidence, such as `path` or `url`: not steps are counted then, but the
            different values of it.
    """

    kind: Literal["count"] = "count"
    of: Part
    times: int = Field(ge=1)
    distinct: Text | None = None

    @model_validator(mode="after")
    def _happens(self) -> Self:
        refuse_absence("count", self.of)
        return self

    def parts(self) -> tuple[Spec, ...]:
        """Return the one part."""
        return (self.of,)

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether the part holds at the reset: what can be left and come back to is not to be counted."""
        return self.of.held_at_reset(moment)

    def follow(self, past: Trace, parts: tuple[Trace, ...], moment: Moment) -> Trace:
        """Count, and fire if it is enough."""
        (part,) = parts
        evidence = part.now(moment.step)
        values: frozenset[bytes] = past.memo if past.memo is not None else frozenset()
        if self.distinct is not None and evidence is not None and evidence.facts.get(self.distinct) is not None:
            values |= {orjson.dumps(evidence.facts[self.distinct], option=orjson.OPT_SORT_KEYS)}
        number = part.times if self.distinct is None else len(values)
        fired = None
        if evidence is not None and number >= self.times:
            summary = f"{evidence.summary} ({'time' if self.distinct is None else self.distinct} {number})"
            fired = Evidence(summary=summary, facts={"count": number, "parts": [seen(self.of, part)]})
        return past.after(moment.step, fired, stands=number >= self.times, parts=parts, memo=values)


class Within(Combined):
    """Something happens soon: at most some steps after the reset, after something else, or after a milestone.

    Attributes:
        of: what is to happen.
        steps: at most so many steps later; 0 is the same step.
        since: what the steps are counted from: the latest time that this happened.
        since_milestone: the milestone that they are counted from; it must stand in the milestone's `after`.
    """

    kind: Literal["within"] = "within"
    of: Part
    steps: int = Field(ge=0)
    since: Part | None = None
    since_milestone: Text | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        refuse_absence("within", self.of, *(() if self.since is None else (self.since,)))
        if self.since is not None and self.since_milestone is not None:
            raise ValueError("expected since or since_milestone, got both; say what the steps are counted from")
        return self

    def parts(self) -> tuple[Spec, ...]:
        """Return what is to happen, and what the steps are counted from."""
        return (self.of,) if self.since is None else (self.of, self.since)

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether what is to happen was so at the reset."""
        return self.of.held_at_reset(moment)

    def follow(self, past: Trace, parts: tuple[Trace, ...], moment: Moment) -> Trace:
        """Fire if it happens, and soon enough."""
        start: int | None = 0
        after = "the start"
        if self.since is not None:
            start = parts[1].since if parts[1].last is None else parts[1].last
            after = parts[1].evidence.summary if parts[1].evidence is not None else kind_of(self.since)
        elif self.since_milestone is not None:
            start, after = moment.reached.get(self.since_milestone), self.since_milestone
        fired = None
        evidence = parts[0].now(moment.step)
        if evidence is not None and start is not None and moment.step - start <= self.steps:
            took = moment.step - start
            fired = Evidence(
                summary=f"{evidence.summary}, {took} steps after {after}",
                facts={"steps": took, "parts": [seen(self.of, parts[0])]},
            )
        stands = fired is not None or past.since is not None
        return past.after(moment.step, fired, stands=stands, parts=parts)


class AtEnd(Combined):
    """Something holds when the agent says that it is done: where absence up to the end is to be judged.

    Attributes:
        of: what must hold at that step; mostly an `all` with a `not` in it.
    """

    kind: Literal["at_end"] = "at_end"
    of: Part

    @model_validator(mode="after")
    def _happens(self) -> Self:
        refuse_absence("at_end", self.of)
        return self

    def parts(self) -> tuple[Spec, ...]:
        """Return the one part."""
        return (self.of,)

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether it holds at the reset: then nothing need be done for it."""
        return self.of.held_at_reset(moment)

    def follow(self, past: Trace, parts: tuple[Trace, ...], moment: Moment) -> Trace:
        """Fire if the agent ends its episode here, and it holds."""
        fired = None
        if parts[0].since is not None and any(isinstance(event, Answer) for event in moment.events):
            shown = seen(self.of, parts[0])
            fired = Evidence(summary=f"{shown['summary']}, up to the end", facts={"parts": [shown]})
        stands = fired is not None or past.since is not None
        return past.after(moment.step, fired, stands=stands, parts=parts)


def _is_guard(part: Spec) -> bool:
    return isinstance(part, Not)


__all__ = ["AtEnd", "Count", "Then", "Within"]
