"""What an agent may do, as typed actions and as one line of text.

    click("Export CSV")   click(12)   click("Open", role="link", nth=2)
    fill("Name", "Ada")   select("Country", "France")   press("Enter")
    goto("/reports")      back()      scroll("down")
    list_files()          read_file("a.csv")            write_file("a.txt", "text")
    done("answer")        noop()

The text is parsed by hand: one verb, literal strings and whole numbers, nothing else. It is never evaluated. What
small language models add around an action (spaces, a code fence, a full stop, more lines) is forgiven; anything that
could mean two things is not.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ..sandbox.errors import ActionError
from .action_text import Call, first_line, literal, read_arguments, read_verb, shown

MAX_ACTION_CHARS = 4096
"""Longest action text that is looked at; longer text is refused unread."""

GRAMMAR = (
    'verb("target", ...): click fill select press goto back scroll list_files read_file write_file done noop, '
    'for example fill("Name", "Ada")'
)

Target = Annotated[int, Field(strict=True, ge=0)] | Annotated[str, Field(strict=True, min_length=1, max_length=300)]
"""A reference number as shown in the observation, or an accessible name."""

_Line = Annotated[str, Field(strict=True, min_length=1, max_length=500)]
_Text = Annotated[str, Field(strict=True, max_length=MAX_ACTION_CHARS)]


class _Action(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    positional: ClassVar[tuple[str, ...]] = ()


class _TargetedAction(_Action):
    target: Target
    role: Annotated[str, Field(strict=True, min_length=1, max_length=40)] | None = None
    nth: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = None


class Click(_TargetedAction):
    """Click an element; `nth` counts from 1 among those that fit."""

    kind: Literal["click"] = "click"
    positional: ClassVar[tuple[str, ...]] = ("target",)


class Fill(_TargetedAction):
    """Replace the text of a field."""

    kind: Literal["fill"] = "fill"
    text: _Text
    positional: ClassVar[tuple[str, ...]] = ("target", "text")


class Select(_TargetedAction):
    """Choose an option of a list by its name."""

    kind: Literal["select"] = "select"
    option: _Line
    positional: ClassVar[tuple[str, ...]] = ("target", "option")


class Press(_Action):
    """Press a key or a chord such as "Control+A" on the focused element."""

    kind: Literal["press"] = "press"
    keys: _Line
    positional: ClassVar[tuple[str, ...]] = ("keys",)


class Goto(_Action):
    """Open a path of the task's site, or a whole http(s) address on one of the task's hosts."""

    kind: Literal["goto"] = "goto"
    url: _Line
    positional: ClassVar[tuple[str, ...]] = ("url",)


class Back(_Action):
    """Go one entry back in the page's history."""

    kind: Literal["back"] = "back"


class Scroll(_Action):
    """Scroll the page by most of a viewport."""

    kind: Literal["scroll"] = "scroll"
    direction: Literal["up", "down"] = "down"
    positional: ClassVar[tuple[str, ...]] = ("direction",)


class ListFiles(_Action):
    """List the workspace's files."""

    kind: Literal["list_files"] = "list_files"


class ReadFile(_Action):
    """Read a text file of the workspace."""

    kind: Literal["read_file"] = "read_file"
    path: _Line
    positional: ClassVar[tuple[str, ...]] = ("path",)


class WriteFile(_Action):
    """Write a text file of the workspace, replacing what was there."""

    kind: Literal["write_file"] = "write_file"
    path: _Line
    text: _Text
    positional: ClassVar[tuple[str, ...]] = ("path", "text")


class Done(_Action):
    """End the episode, with an answer where the task asks for one."""

    kind: Literal["done"] = "done"
    text: _Text = ""
    positional: ClassVar[tuple[str, ...]] = ("text",)


class Noop(_Action):
    """Do nothing for a step."""

    kind: Literal["noop"] = "noop"


Action = Annotated[
    Click | Fill | Select | Press | Goto | Back | Scroll | ListFiles | ReadFile | WriteFile | Done | Noop,
    Field(discriminator="kind"),
]
"""The discriminated union; `TypeAdapter(Action)` reads and writes it as JSON."""

ACTION_TYPES: dict[str, type[_Action]] = {
    cls.model_fields["kind"].default: cls for cls in get_args(get_args(Action)[0])
}
_ADAPTER: TypeAdapter[Any] = TypeAdapter(Action)


def parse_action(text: str) -> Action:
    """Read one action from an agent's text.

    Args:
        text: the agent's text; only its first line counts (after an opening code fence), at most 4096 characters.

    Returns:
        The typed action.

    Raises:
        ActionError: one line that says what is wrong and shows the grammar.
    """
    if len(text) > MAX_ACTION_CHARS:
        raise ActionError(f"the action has {len(text)} characters; at most {MAX_ACTION_CHARS} are read")
    line = first_line(text)
    if not line:
        raise ActionError(f"the action is empty; expected {GRAMMAR}")
    opening = read_verb(line)
    if opening is None:
        raise ActionError(f"{shown(line)} is not an action; expected {GRAMMAR}")
    verb, at = opening
    if verb not in ACTION_TYPES:
        raise ActionError(f"unknown action {shown(verb)}; expected {GRAMMAR}")
    try:
        values = _bind(read_arguments(line, verb, at))
        action: Action = _ADAPTER.validate_python({"kind": verb, **values})
    except ActionError as error:
        raise ActionError(f"{verb}: {error}; expected {usage(verb)}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"][1:2]) or "arguments"
        message = first["msg"][:1].lower() + first["msg"][1:]
        raise ActionError(f"{verb}: {field}: {message}; expected {usage(verb)}") from error
    return action


def format_action(action: Action) -> str:
    """Return the canonical one-line text of an action; `parse_action` reads it back to an equal action."""
    parts: list[str] = []
    for name in action.positional:
        field, value = type(action).model_fields[name], getattr(action, name)
        if field.is_required() or value != field.default:
            parts.append(literal(value))
    if isinstance(action, _TargetedAction):
        parts += [f"{name}={literal(v)}" for name in ("role", "nth") if (v := getattr(action, name)) is not None]
    return f"{action.kind}({', '.join(parts)})"


def usage(verb: str) -> str:
    """Return how one verb is written, for error messages."""
    shown_arguments = ", ".join(f'"{name}"' for name in ACTION_TYPES[verb].positional)
    return f"{verb}({shown_arguments})"


def _bind(call: Call) -> dict[str, int | str]:
    names = ACTION_TYPES[call.verb].positional
    if len(call.positional) > len(names):
        raise ActionError("too many arguments")
    values = dict(zip(names, call.positional, strict=False))
    for name in call.keywords:
        if name in values or name == "kind":
            raise ActionError(f"{name} is given twice or is not an argument")
    return values | call.keywords


__all__ = [
    "ACTION_TYPES",
    "GRAMMAR",
    "MAX_ACTION_CHARS",
    "Action",
    "Back",
    "Click",
    "Done",
    "Fill",
    "Goto",
    "ListFiles",
    "Noop",
    "Press",
    "ReadFile",
    "Scroll",
    "Select",
    "Target",
    "WriteFile",
    "format_action",
    "parse_action",
    "usage",
]
