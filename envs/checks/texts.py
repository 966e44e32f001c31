"""Rules on a task's texts: patterns that tell nothing apart, parameters that nobody uses, goals that keep silent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...rewards.spec import Spec, collapse
from ...rewards.templates import Style, fill, glob_regex, placeholders
from ...rewards.wording import every_spec
from ...sandbox.errors import TaskError
from ..task import Task
from .findings import Findings, Subject
from .structure import SEEDS

_ANY_TEXT = ("a", "Zq 7: of 12 %, elsewhere")
_ANY_PATH = (("/", "/zq7", "/zq/7.x"), ("zq7", "zq/7.x"), ("zq7", "zq7.x"))
"""Texts that have nothing to do with any task; a pattern that all of them fit tells nothing apart. Paths: of pages, of
files at any depth, of files at the top."""


def patterns(subject: Subject) -> Findings:
    """A pattern that everything fits recognises nothing."""
    try:
        drawn = [subject.task.draw_parameters(seed) for seed in SEEDS]
    except TaskError:
        return  # told by another rule
    for i, milestone in enumerate(subject.task.milestones):
        for spec in every_spec(milestone.spec):
            for field, text in _own_texts(spec):
                problem = _fits_everything(spec, field, text, drawn)
                if problem:
                    yield subject.warning(
                        "fits-everything",
                        f"{field} {text!r} of {milestone.id!r} {problem}",
                        "milestones",
                        i,
                        field,
                        milestone=milestone.id,
                    )


def _own_texts(spec: Spec) -> Iterable[tuple[str, str]]:
    """Return the texts that stand directly in a detector's fields and were not left at their defaults."""
    for name, info in type(spec).model_fields.items():
        value = getattr(spec, name)
        if name == "path" and getattr(spec, "moved_from", None) is not None:
            continue  # wherever it was moved to, from there it came
        if name != "kind" and isinstance(value, str) and value != info.default:
            yield name, value


def _fits_everything(spec: Spec, field: str, text: str, drawn: Iterable[Mapping[str, Any]]) -> str:
    """Return what is wrong with a text of a detector, or ""."""
    style = type(spec).style_of(field)
    for parameters in drawn:
        filled = fill(text, parameters, style)
        if style is Style.REGEX and all(re.fullmatch(filled, any_text) for any_text in _ANY_TEXT):
            return "fits every text; say what is special about the right one"
        if style is Style.GLOB and any(all(map(glob_regex(filled).fullmatch, paths)) for paths in _ANY_PATH):
            return "fits every path; name the folder, the file or the page"
        if field.endswith("contains") and len(collapse(filled)) <= 1:
            return "is at most one letter, which nearly every text has in it; give more of the text"
    return ""


def told_by(task: Task, texts: Iterable[str]) -> frozenset[str]:
    """Return the parameters whose values one knows after reading these texts: those in them, and what follows."""
    known = set()
    waiting = [name for text in texts for name in placeholders(text)]
    while waiting:
        name = waiting.pop()
        if name not in known:
            known.add(name)
            waiting += placeholders(task.parameters[name].template or "")
    for name, parameter in task.parameters.items():  # in order: a template uses earlier ones only
        if parameter.template is not None and known.issuperset(placeholders(parameter.template)):
            known.add(name)
    return frozenset(known)


def silent_goal(subject: Subject) -> Findings:
    """What a milestone asks for, the goal should tell, or a file that lies in the workspace from the start."""
    task = subject.task
    told = told_by(task, [task.goal, *task.files, *task.files.values()])
    for i, milestone in enumerate(task.milestones):
        if milestone.forbidden or milestone.spec.kind == "answer":  # an answer is to be found out
            continue
        asked = dict.fromkeys(name for _, text in milestone.spec.templates() for name in placeholders(text))
        for name in asked:
            if name not in told and task.parameters[name].sha256 is None:  # nobody is told a digest
                yield subject.warning(
                    "goal-silent",
                    f"{milestone.id!r} asks for {{{name}}}, which the goal does not tell; name it in the goal, unless "
                    "a page shows which one is meant",
                    "milestones",
                    i,
                    milestone=milestone.id,
                )


RULES = (patterns, silent_goal)

__all__ = ["RULES", "told_by"]
