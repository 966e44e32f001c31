"""What an agent may do, as typed actions and as one line of text.

    click("Export CSV")   click(12)   click("Open", role="link", nth=2)
    fill("Name", "Ada")   select("Country", "France")   press("Enter")
    goto("/reports")      back()      scroll("down")
    list_files()          read_file("a.csv")            write_file("a.txt", "text")
    done("answer")        noop()

The text is parsed by hand: one verb, literal strings and plain numbers, nothing else. It is never evaluated. What
small language models add around an action (spaces, a code fence, a full stop, more lines) is forgiven; anything that
could mean two things is not.

The actions are classes, one each; everything that is said about them comes from there: this parser, the help for
prompts and docs/actions.md (`action_help`), the schemas for tool calls (`action_tools`). A task allows them by group.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter, ValidationError

from ..sandbox.errors import ActionError
from .action_base import MAX_ACTION_CHARS, ActionBase, Target, TargetedAction
from .action_basic import (
    Back,
    Click,
    Done,
    Fill,
    Goto,
    ListFiles,
    Noop,
    Press,
    ReadFile,
    Scroll,
    Select,
    WriteFile,
)
from .action_files import AppendFile, CopyFile, DeleteFile, FindFiles, MakeFolder, MoveFile, Run
from .action_page import (
    Check,
    ClipboardCopy,
    ClipboardPaste,
    DialogAccept,
    DialogDismiss,
    DoubleClick,
    Drag,
    Forward,
    Hover,
    MouseClick,
    MouseDrag,
    MouseMove,
    Reload,
    RightClick,
    TabClose,
    TabNew,
    TabSwitch,
    Type,
    Uncheck,
    Upload,
    Wait,
)
from .action_text import Call, Value, first_line, literal, read_arguments, read_verb, shown

Action = Annotated[
    Click | Fill | Select | Press | Goto | Back | Scroll | ListFiles | ReadFile | WriteFile | Done | Noop
    | DoubleClick | RightClick | Hover | Drag
    | Type | Check | Uncheck | Upload
    | Forward | Reload
    | TabNew | TabSwitch | TabClose
    | DialogAccept | DialogDismiss
    | ClipboardCopy | ClipboardPaste
    | MouseClick | MouseMove | MouseDrag
    | Wait
    | AppendFile | CopyFile | MoveFile | DeleteFile | MakeFolder | FindFiles
    | Run,
    Field(discriminator="kind"),
]  # fmt: skip
"""The discriminated union; `TypeAdapter(Action)` reads and writes it as JSON."""

ACTION_TYPES: dict[str, type[ActionBase]] = {
    cls.model_fields["kind"].default: cls for cls in get_args(get_args(Action)[0])
}
"""The registry: every verb's class."""

GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(verb for verb, cls in ACTION_TYPES.items() if cls.group == group)
    for group in dict.fromkeys(cls.group for cls in ACTION_TYPES.values())
}
"""Every group and its verbs."""

ALWAYS_ALLOWED = ("done", "noop")
"""Verbs that no task takes away."""

DEFAULT_GROUPS = ("basic",)
"""What a task allows unless it says otherwise."""

_ADAPTER: TypeAdapter[Any] = TypeAdapter(Action)


def verbs_of(names: Iterable[str]) -> frozenset[str]:
    """Return the verbs that a list of groups and verbs allows, with those that are always allowed.

    Raises:
        ValueError: a name is neither a group nor a verb.
    """
    verbs = set(ALWAYS_ALLOWED)
    for name in names:
        if name not in GROUPS and name not in ACTION_TYPES:
            raise ValueError(
                f"expected groups of actions ({', '.join(GROUPS)}) or single actions such as hover, got {name!r}"
            )
        verbs.update(GROUPS.get(name, (name,)))
    return frozenset(verbs)


DEFAULT_VERBS = verbs_of(DEFAULT_GROUPS)


def grammar(verbs: Collection[str] | None = None) -> str:
    """Return in one line how an action is written and which there are, for error messages; None: all of them."""
    listed = [verb for verb in ACTION_TYPES if verbs is None or verb in verbs]
    example = Fill if "fill" in listed else ACTION_TYPES[listed[0]]
    return f'verb("target", ...): {" ".join(listed)}, for example {example.examples[0]}'


GRAMMAR = grammar(DEFAULT_VERBS)
"""The grammar of what a task allows unless it says otherwise."""


def parse_action(text: str, *, allowed: Collection[str] | None = None) -> Action:
    """Read one action from an agent's text.

    Args:
        text: the agent's text; only its first line counts (after an opening code fence), at most 4096 characters.
        allowed: the verbs that the task allows; None: every verb.

    Returns:
        The typed action.

    Raises:
        ActionError: one line that says what is wrong and shows the grammar.
    """
    if len(text) > MAX_ACTION_CHARS:
        raise ActionError(f"the action has {len(text)} characters; at most {MAX_ACTION_CHARS} are read")
    line = first_line(text)
    if not line:
        raise ActionError(f"the action is empty; expected {grammar(allowed)}")
    opening = read_verb(line)
    if opening is None:
        raise ActionError(f"{shown(line)} is not an action; expected {grammar(allowed)}")
    verb, at = opening
    check_allowed(verb, allowed)
    try:
        values = _bind(read_arguments(line, verb, at))
    except ActionError as error:
        raise ActionError(f"{verb}: {error}; expected {usage(verb)}") from error
    return build_action(verb, values)


def check_allowed(verb: str, allowed: Collection[str] | None) -> None:
    """Raise ActionError unless there is such a verb and the task allows it."""
    if verb not in ACTION_TYPES:
        raise ActionError(f"unknown action {shown(verb)}; expected {grammar(allowed)}")
    if allowed is not None and verb not in allowed:
        raise ActionError(f"{verb} is not among this task's actions; expected {grammar(allowed)}")


def build_action(verb: str, values: dict[str, Any]) -> Action:
    """Make an action of a known verb from its arguments by name.

    Raises:
        ActionError: an argument is missing, unknown or not of its type.
    """
    try:
        action: Action = _ADAPTER.validate_python({**values, "kind": verb})
    except ValidationError as error:
        raise ActionError(f"{verb}: {_problem(error)}; expected {usage(verb)}") from error
    return action


def format_action(action: Action) -> str:
    """Return the canonical one-line text of an action; `parse_action` reads it back to an equal action."""
    cls = type(action)
    given = {
        name: value
        for name, field in cls.model_fields.items()
        if name != "kind" and ((value := getattr(action, name)) != field.default or field.is_required())
    }
    parts: list[str] = []
    for name in cls.positional:
        if name not in given:
            break
        parts.append(literal(given.pop(name)))
    parts += [f"{name}={literal(value)}" for name, value in given.items()]
    return f"{action.kind}({', '.join(parts)})"


def usage(verb: str) -> str:
    """Return how one verb is written, for error messages: texts in quotes, numbers without."""
    cls = ACTION_TYPES[verb]
    shown_arguments = ", ".join(name if is_number(cls, name) else f'"{name}"' for name in cls.positional)
    return f"{verb}({shown_arguments})"


def is_number(cls: type[ActionBase], name: str) -> bool:
    """Return whether an argument takes nothing but numbers."""
    kinds = {type(None), *_plain_types(cls.model_fields[name].annotation)}
    return kinds <= {int, float, type(None)}


def _plain_types(annotation: Any) -> set[Any]:
    inner = get_args(annotation)
    if not inner:
        return {annotation}
    if hasattr(annotation, "__metadata__"):
        return _plain_types(inner[0])
    return set().union(*(_plain_types(each) for each in inner))


def _bind(call: Call) -> dict[str, Value]:
    names = ACTION_TYPES[call.verb].positional
    if len(call.positional) > len(names):
        raise ActionError("too many arguments")
    values = dict(zip(names, call.positional, strict=False))
    for name in call.keywords:
        if name in values or name == "kind":
            raise ActionError(f"{name} is given twice or is not an argument")
    return values | call.keywords


def _problem(error: ValidationError) -> str:
    """Say in a few words what the first wrong argument is."""
    errors = error.errors(include_url=False, include_input=False)
    first = errors[0]
    field = ".".join(str(part) for part in first["loc"][1:2]) or "arguments"
    # Of a value that could be a number or a text, what counts is what is wrong with the kind that came.
    same = [e for e in errors if e["loc"][1:2] == first["loc"][1:2]]
    chosen = next((e for e in same if not e["type"].endswith("_type")), first)
    message = " ".join(chosen["msg"].split())
    return f"{_shown_name(field)}: {message[:1].lower()}{message[1:]}"


def _shown_name(name: str) -> str:
    """Return an argument's name as it is shown in an error: at most 40 characters, all printable."""
    return name if name.isidentifier() and len(name) <= 40 else shown(name)


__all__ = [
    "ACTION_TYPES",
    "ALWAYS_ALLOWED",
    "DEFAULT_GROUPS",
    "DEFAULT_VERBS",
    "GRAMMAR",
    "GROUPS",
    "MAX_ACTION_CHARS",
    "Action",
    "AppendFile",
    "Back",
    "Check",
    "Click",
    "ClipboardCopy",
    "ClipboardPaste",
    "CopyFile",
    "DeleteFile",
    "DialogAccept",
    "DialogDismiss",
    "Done",
    "DoubleClick",
    "Drag",
    "Fill",
    "FindFiles",
    "Forward",
    "Goto",
    "Hover",
    "ListFiles",
    "MakeFolder",
    "MouseClick",
    "MouseDrag",
    "MouseMove",
    "MoveFile",
    "Noop",
    "Press",
    "ReadFile",
    "Reload",
    "RightClick",
    "Run",
    "Scroll",
    "Select",
    "TabClose",
    "TabNew",
    "TabSwitch",
    "Target",
    "TargetedAction",
    "Type",
    "Uncheck",
    "Upload",
    "Wait",
    "WriteFile",
    "build_action",
    "check_allowed",
    "format_action",
    "grammar",
    "is_number",
    "parse_action",
    "usage",
    "verbs_of",
]
