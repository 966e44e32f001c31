"""Everything that can be said of a task file without a browser, in milliseconds.

for report in check_file("my_tasks/claim-lunch.yaml"):
    for finding in report.findings:
        print(finding.place, finding.severity, finding.message)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...sandbox.errors import TaskError
from ..task import Task, read_task
from ..task_file import Document, matching_files, read_documents
from . import start, structure, texts, versions
from .findings import Finding, Severity, Subject

_ORDER = list(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticReport:
    """What was found out about one task.

    Attributes:
        name: the task's name, or the file's if it has none.
        task: the task; None where the schema does not hold.
        document: where it was read; None for a task that comes from no file.
        findings: what was found, the worst first, then in the order of the file.
    """

    name: str
    task: Task | None
    document: Document | None
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error among the findings."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


def check_file(path_or_glob: str | Path) -> list[StaticReport]:
    """Check every task of a file, a folder, or the files that a pattern matches.

    Raises:
        TaskError: there is no such file, or it is no YAML.
    """
    reports: list[StaticReport] = []
    seen: dict[tuple[str, int], Path] = {}
    for path in matching_files(path_or_glob):
        for document in read_documents(path):
            report = _check_document(document)
            key = None if report.task is None else (report.task.name, report.task.version)
            if key is not None and key in seen:
                raise TaskError(
                    f"{path}:{document.line_of(('name',))}: the task {key[0]!r} of version {key[1]} is also in "
                    f"{seen[key]}; rename one or raise its version"
                )
            if key is not None:
                seen[key] = path
            reports.append(report)
    return reports


def check_static(task: Task, document: Document | None = None) -> StaticReport:
    """Check a task that is already loaded; `document` lends the findings their lines.

    A task without an oracle is a page of others' (MiniWoB++): its texts are the page's, and no author is there to be
    told anything.
    """
    if not task.oracle:
        return StaticReport(name=task.name, task=task, document=document, findings=())
    subject = Subject(task=task, document=document)
    rules = (*structure.RULES, *texts.RULES, *start.RULES, *versions.RULES)
    findings = [finding for rule in rules for finding in rule(subject)]
    findings.sort(key=lambda finding: (_ORDER.index(finding.severity), _line(finding)))
    return StaticReport(name=task.name, task=task, document=document, findings=tuple(findings))


def _check_document(document: Document) -> StaticReport:
    task, problems = read_task(document)
    if task is not None:
        return check_static(task, document)
    named = document.data.get("name") if isinstance(document.data, dict) else None
    return StaticReport(
        name=named if isinstance(named, str) else document.path.stem,
        task=None,
        document=document,
        findings=tuple(
            Finding(
                severity=Severity.ERROR,
                rule="schema",
                place=f"{document.path}:{problem.line}",
                message=problem.message,
            )
            for problem in problems
        ),
    )


def _line(finding: Finding) -> int:
    line = finding.place.rpartition(":")[2]
    return int(line) if line.isdigit() else 0


__all__ = ["StaticReport", "check_file", "check_static"]
