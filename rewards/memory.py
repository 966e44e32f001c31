"""Keeps, for one episode, the traces of the detectors that look at more than one step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import cast

from .looks import Looks
from .trace import Remembering, Trace
from .types import Detector, Evidence, Moment

_NOTHING: Mapping[str, int] = MappingProxyType({})


class Memory:
    """The traces of one episode's detectors, by name."""

    def __init__(self) -> None:
        self._traces: dict[str, Trace] = {}

    def judge(
        self, name: str, detector: Detector, moment: Moment, reached: Mapping[str, int] = _NOTHING
    ) -> Evidence | None:
        """Return what a detector says at a moment. One that remembers must be asked at every step, the reset included.

        Args:
            name: tells the detectors apart.
            detector: the detector.
            moment: the moment.
            reached: the steps of the milestones reached so far.
        """
        if not keeps_trace(detector):
            return detector(moment)
        seen = replace(moment, past=self._traces.get(name), reached=dict(reached))
        self._traces[name] = trace = cast(Remembering, detector).trace(seen)
        return trace.now(moment.step)


def keeps_trace(detector: Detector) -> bool:
    """Tell whether a detector must be asked at every step."""
    remembers = getattr(detector, "remembers", None)  # isinstance with a protocol takes longer than many a detector
    return remembers is not None and bool(remembers())


def detections(detector: Detector, moments: Iterable[Moment]) -> list[Evidence | None]:
    """Return what a detector says at each moment of an episode.

    Args:
        detector: any detector.
        moments: the episode's moments in order, the reset first.
    """
    memory, looks = Memory(), Looks()
    return [memory.judge("", detector, looks.recall(moment)) for moment in moments]


__all__ = ["Memory", "detections", "keeps_trace"]
