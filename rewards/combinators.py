"""`all`, `any` and `not`: detectors of what is so together. `combined` says what "holds" means and why `not` guards.

detector: all                       # mailed, and nothing was deleted up to then
of:
- {detector: server_state, query: "length(mails)", equals: 1}
- {detector: not, of: {detector: clicked, name: Delete}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ..sandbox.errors import TaskError
from .combined import MAX_PARTS, Combined, kind_of, seen
from .parts import Part
from .spec import BoundDetector, Spec
from .trace import Trace
from .types import Evidence, Moment

Parts = Annotated[tuple[Part, ...], Field(min_length=1, max_length=MAX_PARTS)]


class AllOf(Combined):
    """Everything holds at the end of one step: what is about now is so, what is an event has happened by then.

    It fires at a step at which all parts hold and at least one of them fires.

    Attributes:
        of: the parts; at least one is no `not`.
    """

    kind: Literal["all"] = "all"
    of: Parts

    @model_validator(mode="after")
    def _happens(self) -> Self:
        if all(map(is_absence, self.of)):
            raise ValueError(
                "expected at least one part that happens, got only `not`, which would pay for doing nothing; add what "
                "is to be achieved"
            )
        return self

    def parts(self) -> tuple[Spec, ...]:
        """Return the parts."""
        return self.of

    def lasts(self) -> bool:
        """Tell whether a part is about what is so now."""
        return any(part.lasts() for part in self.of)

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether all parts hold at the reset."""
        return all(part.held_at_reset(moment) for part in self.of)

    def follow(self, past: Trace, parts: tuple[Trace, ...], moment: Moment) -> Trace:
        """Fire if all parts hold and one of them fires."""
        holds = all(trace.since is not None for trace in parts)
        fired = None
        if holds and any(trace.last == moment.step for trace in parts):
            shown = [seen(part, trace) for part, trace in zip(self.of, parts, strict=True)]
            fired = Evidence(summary=" and ".join(each["summary"] for each in shown), facts={"parts": shown})
        return past.after(moment.step, fired, stands=holds, parts=parts)


class AnyOf(Combined):
    """One of several: it fires whenever a part fires, and holds while a part holds.

    Attributes:
        of: the parts.
    """

    kind: Literal["any"] = "any"
    of: Parts

    @model_validator(mode="after")
    def _happens(self) -> Self:
        refuse_absence("any", *self.of)
        return self

    def parts(self) -> tuple[Spec, ...]:
        """Return the parts."""
        return self.of

    def lasts(self) -> bool:
        """Tell whether a part is about what is so now."""
        return any(part.lasts() for part in self.of)

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether a part holds at the reset."""
        return any(part.held_at_reset(moment) for part in self.of)

    def follow(self, past: Trace, parts: tuple[Trace, ...], moment: Moment) -> Trace:
        """Fire if a part fires."""
        firing = [(part, t) for part, t in zip(self.of, parts, strict=True) if t.last == moment.step]
        shown = [seen(part, trace) for part, trace in firing]
        fired = Evidence(summary=shown[0]["summary"], facts={"parts": shown}) if shown else None
        return past.after(moment.step, fired, stands=any(trace.since is not None for trace in parts), parts=parts)


class Not(Combined):
    """Something has not happened: a guard inside `all` (not up to now) and `then` (not between two parts).

    Attributes:
        of: what must not happen.
        now: only what is so at this moment counts: the guard is open again when it is over. With it, `not` may also
            stand alone; it then fires when something that was so is so no longer.
    """

    kind: Literal["not"] = "not"
    of: Part
    now: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        refuse_absence("not", self.of)
        if self.now and not self.of.lasts():
            raise ValueError(
                f"expected `now` only for what can be so or not so at a moment, got {kind_of(self.of)}, which is an "
                "event; take `now` out"
            )
        return self

    def build(self, parameters: Mapping[str, Any]) -> BoundDetector:
        """Return the detector for one episode's parameters.

        Raises:
            TaskError: it stands alone without `now`, or a template names an unknown parameter.
        """
        try:
            refuse_alone(self)
        except ValueError as error:
            raise TaskError(str(error)) from error
        return super().build(parameters)

    def parts(self) -> tuple[Spec, ...]:
        """Return the one part."""
        return (self.of,)

    def lasts(self) -> bool:
        """Tell whether it is about what is so now."""
        return self.now

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether it is not so at the reset."""
        return not self.of.held_at_reset(moment)

    def unseen(self) -> str:
        """Return that it did not happen."""
        return f"{kind_of(self.of)} is not so" if self.now else f"{kind_of(self.of)} did not happen"

    def follow(self, past: Trace, parts: tuple[Trace, ...], moment: Moment) -> Trace:
        """Hold as long as it has not happened; with `now`, fire when it is over."""
        (part,) = parts
        if not self.now:
            clean = part.times == 0 and part.since is None and (moment.step == 0 or past.since is not None)
            return past.after(moment.step, None, stands=clean, parts=parts)
        over = part.since is None and past.since is None
        fired = Evidence(summary=f"{kind_of(self.of)} is no longer so", facts={}) if over else None
        return past.after(moment.step, fired, stands=part.since is None, parts=parts)


def is_absence(spec: Spec) -> bool:
    """Tell whether a detector is about what did not happen, so that it holds before anything was done."""
    return isinstance(spec, Not) and not spec.now


def refuse_absence(where: str, *parts: Spec) -> None:
    """Refuse a `not` where it would be paid for doing nothing.

    Raises:
        ValueError: there is one.
    """
    if any(map(is_absence, parts)):
        raise ValueError(
            f"expected what happens as part of `{where}`, got `not`, which holds before anything was done; `not` is a "
            "guard: put it into an `all`, or between two parts of a `then`"
        )


def refuse_alone(spec: Spec) -> None:
    """Refuse a `not` as a milestone of its own.

    Raises:
        ValueError: it is one.
    """
    if is_absence(spec):
        raise ValueError(
            "expected a milestone for something that happens, got a `not` alone, which would pay for doing nothing; "
            "put it into an `all` beside what is to be achieved, or make what must not happen a `forbidden` milestone"
        )


__all__ = ["AllOf", "AnyOf", "Not", "Parts", "is_absence", "refuse_absence", "refuse_alone"]
