"""What a check finds, and where it stands in the task's file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ..task import Task
from ..task_file import Document


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """The task cannot be played, or cannot be solved as it says."""
    WARNING = "warning"
    """It can, but probably pays for something else than is meant."""
    ADVICE = "advice"
    """It could be better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about a task that its author should know.

    Attributes:
        severity: how much it matters.
        rule: the rule that found it, a short name that does not change.
        place: "file:line", or for a task that comes from no file the task's name and the keys that lead there.
        message: one sentence with the cure.
        milestone: id of the milestone that it is about, if it is about one.
    """

    severity: Severity
    rule: str
    place: str
    message: str
    milestone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A task under examination, with the document that it was read from, if any."""

    task: Task
    document: Document | None = None

    def place(self, *location: str | int) -> str:
        """Return where a part of the task stands."""
        if self.document is not None:
            return f"{self.document.path}:{self.document.line_of(location)}"
        return f"{self.task.name}: {'.'.join(map(str, location))}" if location else self.task.name

    def error(self, rule: str, message: str, *location: str | int, milestone: str | None = None) -> Finding:
        """Return an error at a part of the task."""
        return self._finding(Severity.ERROR, rule, message, location, milestone)

    def warning(self, rule: str, message: str, *location: str | int, milestone: str | None = None) -> Finding:
        """Return a warning at a part of the task."""
        return self._finding(Severity.WARNING, rule, message, location, milestone)

    def advice(self, rule: str, message: str, *location: str | int, milestone: str | None = None) -> Finding:
        """Return a piece of advice on a part of the task."""
        return self._finding(Severity.ADVICE, rule, message, location, milestone)

    def _finding(
        self, severity: Severity, rule: str, message: str, location: tuple[str | int, ...], milestone: str | None
    ) -> Finding:
        return Finding(severity=severity, rule=rule, place=self.place(*location), message=message, milestone=milestone)


Findings = Iterator[Finding]

__all__ = ["Finding", "Findings", "Severity", "Subject"]
