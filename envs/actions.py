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

import re
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ..sandbox.errors import ActionError

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

_VERB = re.compile(r"\s*([A-Za-z_]+)\s*\(")
_KEYWORD = re.compile(r"\s*([A-Za-z_]+)\s*=")
_INTEGER = re.compile(r"\s*(\d{1,9})(?![\w.])")
_FENCE = re.compile(r"```[A-Za-z]*$")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'"}


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
    line = _first_line(text)
    if not line:
        raise ActionError(f"the action is empty; expected {GRAMMAR}")
    match = _VERB.match(line)
    if match is None:
        raise ActionError(f"{_shown(line)} is not an action; expected {GRAMMAR}")
    verb = match[1]
    cls = ACTION_TYPES.get(verb)
    if cls is None:
        raise ActionError(f"unknown action {_shown(verb)}; expected {GRAMMAR}")
    values = _arguments(line, match.end(), verb, cls.positional)
    try:
        action: Action = _ADAPTER.validate_python({"kind": verb, **values})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"][1:2]) or "arguments"
        raise ActionError(f"{verb}: {field}: {_lower_first(first['msg'])}; expected {usage(verb)}") from error
    return action


def format_action(action: Action) -> str:
    """Return the canonical one-line text of an action; `parse_action` reads it back to an equal action."""
    parts: list[str] = []
    by_keyword = False
    for name in action.positional:
        value = getattr(action, name)
        if name in type(action).model_fields and not type(action).model_fields[name].is_required():
            if value == type(action).model_fields[name].default:
                by_keyword = True
                continue
            parts.append(f"{name}={_literal(value)}" if by_keyword else _literal(value))
        else:
            parts.append(_literal(value))
    if isinstance(action, _TargetedAction):
        parts += [f"{name}={_literal(v)}" for name in ("role", "nth") if (v := getattr(action, name)) is not None]
    return f"{action.kind}({', '.join(parts)})"


def usage(verb: str) -> str:
    """Return how one verb is written, for error messages."""
    cls = ACTION_TYPES[verb]
    shown = ", ".join("number" if name == "nth" else f'"{name}"' for name in cls.positional)
    return f"{verb}({shown})"


def _first_line(text: str) -> str:
    lines = [stripped for raw in re.split(r"[\r\n]+", text) if (stripped := raw.strip())]
    if lines and _FENCE.match(lines[0]):
        lines = lines[1:]
    return lines[0].strip("`").strip() if lines else ""


def _arguments(line: str, at: int, verb: str, positional: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    keyword_seen = False
    at = _skip_spaces(line, at)
    while not line.startswith(")", at):
        if at >= len(line):
            raise ActionError(f"{verb}: the closing parenthesis is missing; expected {usage(verb)}")
        if values:
            if line[at] != ",":
                raise ActionError(f"{verb}: expected a comma at {_shown(line[at:])}; expected {usage(verb)}")
            at += 1
        keyword = _KEYWORD.match(line, at)
        if keyword is not None:
            name, at, keyword_seen = keyword[1], keyword.end(), True
        elif keyword_seen or len(values) >= len(positional):
            raise ActionError(f"{verb}: too many arguments; expected {usage(verb)}")
        else:
            name = positional[len(values)]
        if name in values or name == "kind":
            raise ActionError(f"{verb}: {name} is given twice or is not an argument; expected {usage(verb)}")
        values[name], at = _read_literal(line, at, verb)
        at = _skip_spaces(line, at)
    rest = line[at + 1 :].strip().strip("`").strip()
    if rest not in ("", ".", ";"):
        raise ActionError(f"unexpected {_shown(rest)} after {verb}(...); expected one action on the line")
    return values


def _read_literal(line: str, at: int, verb: str) -> tuple[int | str, int]:
    at = _skip_spaces(line, at)
    integer = _INTEGER.match(line, at)
    if integer is not None:
        return int(integer[1]), integer.end()
    if at >= len(line) or line[at] not in "\"'":
        raise ActionError(
            f"{verb}: expected a quoted text or a number, came {_shown(line[at:])}; expected {usage(verb)}"
        )
    out: list[str] = []
    quote, at = line[at], at + 1
    while at < len(line):
        char = line[at]
        if char == quote:
            return "".join(out), at + 1
        if char != "\\":
            out.append(char)
            at += 1
            continue
        following = line[at + 1 : at + 2]
        code = line[at + 2 : at + 6]
        if following in _ESCAPES and following:
            out.append(_ESCAPES[following])
            at += 2
        elif following == "u" and re.fullmatch(r"[0-9a-fA-F]{4}", code):
            out.append(chr(int(code, 16)))
            at += 6
        else:
            out.append("\\")
            at += 1
    raise ActionError(f"{verb}: a text is not closed by {quote}; expected {usage(verb)}")


def _skip_spaces(line: str, at: int) -> int:
    while at < len(line) and line[at].isspace():
        at += 1
    return at


def _literal(value: int | str) -> str:
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return '"' + "".join(c if c.isprintable() else _escape(c) for c in escaped) + '"'


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else char


def _shown(text: str) -> str:
    cut = text if len(text) <= 40 else text[:37] + "..."
    return '"' + "".join(c if c.isprintable() else "?" for c in cut) + '"'


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


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
