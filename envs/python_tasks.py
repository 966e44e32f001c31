"""Tasks written in Python: a class whose attributes are a task's keys, and whose functions are its parts.

    @milepost.register_task
    class FileInvoice:
        '''Move the right invoice into its folder.'''

        family = "files"
        goal = "Move {customer}'s invoice from inbox to paid."
        parameters = {"customer": {"choice": ["ada", "ben", "clara"]}}
        actions = ["basic", "files"]
        max_steps = 5
        oracle = ['move_file("inbox/{customer}.txt", "paid/{customer}.txt")', "done()"]

        def setup(episode):                                  # a Setup: parameters, seed, rng, files, db
            for name in ("ada", "ben", "clara"):
                episode.files.write_text(f"inbox/{name}.txt", f"Invoice for {name}")

        @milepost.milestone(reward=-0.5, forbidden=True)
        def wrong_one(moment):                               # True, a sentence, or Evidence, when it is reached
            paid = [f.path for f in moment.snapshot.files if f.path.startswith("paid/")]
            return any(path != f"paid/{moment.parameters['customer']}.txt" for path in paid)

        def success(moment):
            return any(f.path == f"paid/{moment.parameters['customer']}.txt" for f in moment.snapshot.files)

The name is the class's in lower case with hyphens and the description is the first line of its docstring, unless they
are given. Whatever held at the reset pays nothing. Functions need no `self`; one that names it, as type checkers want
it, is given an instance made for this one call. Either way nothing outlives the call, so that an episode depends on its
seed and its actions alone. Ledgers of such tasks cannot be scored again without their code.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import update_wrapper
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ..rewards.types import Evidence, Moment
from ..sandbox.errors import MilepostError, RewardError, TaskError
from .milestone_spec import MilestoneSpec
from .schema_problems import hint, schema_problems
from .task import Task, known_keys
from .task_file import Document

SUCCESS = "success"
_MARK = "__milepost_milestone__"

DetectorFunction = Callable[[Moment], Any]
Marked = TypeVar("Marked", bound=Callable[..., Any])


def milestone(
    *,
    reward: float,
    id: str | None = None,
    description: str | None = None,
    after: Sequence[str] = (),
    forbidden: bool = False,
    ends_episode: bool = False,
) -> Callable[[Marked], Marked]:
    """Make a function of a task's class one of its milestones.

    The function is given a `Moment` and returns what it saw: True, a sentence, or `Evidence`; None, False or "" if
    nothing. It must be pure. What it sees at the reset already, it is not paid for.

    Args:
        reward: what the milestone pays.
        id: unique in the task; the function's name if absent.
        description: one line for people, a template; the first line of the function's docstring if absent.
        after: ids that must have been reached before it.
        forbidden: reaching it is a fault.
        ends_episode: reaching it terminates the episode.
    """

    def mark(function: Marked) -> Marked:
        keys = {"reward": reward, "after": tuple(after), "forbidden": forbidden, "ends_episode": ends_episode}
        named = {
            "id": id or function.__name__,
            "description": _first_line(function) if description is None else description,
        }
        setattr(function, _MARK, {**keys, **named})
        return function

    return mark


def task_from_class(cls: type) -> Task:
    """Return the task that a class describes.

    Raises:
        TaskError: it describes none; the message names file and line.
    """
    document = _document_of(cls)
    keys: dict[str, Any] = {"name": _hyphenated(cls.__name__), "description": _first_line(cls)}
    functions: dict[str, DetectorFunction] = {}
    for each in reversed(cls.__mro__[:-1]):
        for name, value in vars(each).items():
            if name.startswith("_"):
                continue
            value = value.__func__ if isinstance(value, staticmethod) else _without_self(value, cls)
            if name in Task.model_fields and not (name == SUCCESS and callable(value)):
                keys[name] = value
            elif hasattr(value, _MARK) or name == SUCCESS:
                functions[name] = value
            else:
                known = [*Task.model_fields]
                raise _wrong(document, name, f"unknown attribute {name!r}; {hint(name, known)}, or begin it with _")
    try:
        keys["milestones"] = [*keys.get("milestones", ()), *(_milestone(f, name) for name, f in functions.items())]
        if SUCCESS in functions:
            keys[SUCCESS] = [getattr(functions[SUCCESS], _MARK, {}).get("id", SUCCESS)]
        if callable(keys.get("setup")):
            _check_takes_one(keys["setup"], "episode")
        for function in functions.values():
            _check_takes_one(function, "moment")
        return Task.model_validate(keys, context={"folder": document.path.parent})
    except ValidationError as error:
        described = Document(data=keys, path=document.path, lines=document.lines)
        problem = schema_problems(error, described, known_keys)[0]
        raise TaskError(f"{document.path}:{problem.line}: {problem.message}") from error
    except _SignatureError as error:
        raise _wrong(document, error.name, str(error)) from error


@dataclass(frozen=True, slots=True)
class FunctionDetector:
    """A function of a moment as a detector: what it says is made evidence, and the reset is taken off.

    Attributes:
        call: the function.
        description: what is said of it when it only answers True.
    """

    call: DetectorFunction
    description: str

    def __call__(self, moment: Moment) -> Evidence | None:
        """Return evidence if the function sees what it looks for, and did not at the reset."""
        seen = self._ask(moment)
        if seen is None or (moment.reset is not None and self._ask(_at_reset(moment)) is not None):
            return None
        return seen

    def held_at_reset(self, moment: Moment) -> bool:
        """Tell whether the function sees it before the agent has done anything."""
        return self._ask(moment) is not None

    def _ask(self, moment: Moment) -> Evidence | None:
        try:
            seen = self.call(moment)
        except MilepostError:
            raise
        except Exception as error:  # the author's code
            raise RewardError(
                f"the detector {self.call.__qualname__} raised {type(error).__name__}: {error} at step {moment.step}; "
                "let it answer at every step, the reset included"
            ) from error
        if isinstance(seen, Evidence):
            return seen
        if isinstance(seen, str):
            return Evidence(summary=seen) if seen else None
        return Evidence(summary=self.description) if seen else None


def _at_reset(moment: Moment) -> Moment:
    assert moment.reset is not None
    start = tuple(event for event in moment.history if event.step == 0)
    return replace(moment, step=0, events=start, history=start, snapshot=moment.reset, previous=None, reset=None)


def _milestone(function: DetectorFunction, name: str) -> MilestoneSpec:
    usual = {"id": SUCCESS, "reward": 1.0, "description": _first_line(function), "after": ()}
    keys: Mapping[str, Any] = getattr(function, _MARK, usual)
    described = keys["description"] or keys["id"].replace("_", " ")
    return MilestoneSpec.model_validate({**keys, "detector": FunctionDetector(function, described)})


def _without_self(value: Any, cls: type) -> Any:
    """Return a function whose first parameter is `self` as one that makes its own; anything else as it is."""
    if not inspect.isfunction(value) or next(iter(inspect.signature(value).parameters), None) != "self":
        return value

    def called(*arguments: Any) -> Any:
        return value(cls(), *arguments)

    update_wrapper(called, value)
    bound = inspect.signature(value)
    called.__signature__ = bound.replace(parameters=list(bound.parameters.values())[1:])  # type: ignore[attr-defined]
    return called


class _SignatureError(Exception):
    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def _check_takes_one(function: Callable[..., Any], what: str) -> None:
    name = getattr(function, "__name__", str(function))
    try:
        inspect.signature(function).bind(object())
    except TypeError as error:
        raise _SignatureError(
            name,
            f"expected {name}({what}) to take one argument beside `self`, got {inspect.signature(function)}; change it",
        ) from error


def _document_of(cls: type) -> Document:
    """Return where a class and its attributes stand."""
    try:
        path = Path(inspect.getsourcefile(cls) or "").absolute()
        source, first = inspect.getsourcelines(cls)
    except (OSError, TypeError):  # typed at a prompt
        return Document(data={}, path=Path.cwd() / f"<{cls.__qualname__}>", lines={(): 1})
    lines: dict[tuple[str | int, ...], int] = {(): first}
    body = ast.parse(textwrap.dedent("".join(source))).body[0]
    for node in body.body if isinstance(body, ast.ClassDef) else ():
        for name in _names_set(node):
            lines[(name,)] = first + node.lineno - 1
    return Document(data={}, path=path, lines=lines)


def _names_set(node: ast.stmt) -> list[str]:
    match node:
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.FunctionDef(name=name):
            return [name]
        case _:
            return []


def _wrong(document: Document, name: str, message: str) -> TaskError:
    return TaskError(f"{document.path}:{document.line_of((name,))}: {message}")


def _first_line(documented: Any) -> str:
    own = documented.__doc__ if isinstance(documented, type) else getattr(documented, "__doc__", None)
    return inspect.cleandoc(own or "").partition("\n")[0].strip()


def _hyphenated(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).replace("_", "-").lower()


__all__ = ["FunctionDetector", "milestone", "task_from_class"]
