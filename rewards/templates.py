r"""Texts with `{parameter}` in them, filled safely: names only, no attributes, no indexing, no format specifications.

`{{name}}` stands for a literal `{name}`; any other brace is itself, so that regular expressions (`\d{3}`) and
JMESPath hashes (`{id: id}`) need no escaping. How a value is written depends on where it goes, hence the `Style`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from ..sandbox.errors import TaskError

_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_]\w*)\}\}|\{([A-Za-z_]\w*)\}")


class Style(StrEnum):
    """How a parameter's value is written into a text."""

    PLAIN = "plain"
    REGEX = "regex"
    GLOB = "glob"
    JMESPATH = "jmespath"
    URL = "url"
    ACTION = "action"


def placeholders(template: str) -> tuple[str, ...]:
    """Return the parameter names that a template uses, in order, each once."""
    return tuple(dict.fromkeys(m[2] for m in _PLACEHOLDER.finditer(template) if m[2]))


def fill(template: str, parameters: Mapping[str, Any], style: Style = Style.PLAIN) -> str:
    """Return the template with every `{name}` replaced by that parameter's value, written in the given style.

    Raises:
        TaskError: the template names a parameter that is not there.
    """

    def value_of(match: re.Match[str]) -> str:
        if match[1]:
            return "{" + match[1] + "}"
        if match[2] not in parameters:
            known = ", ".join(parameters) or "none"
            raise TaskError(f"{template!r} uses the parameter {match[2]!r}; expected one of: {known}")
        return _WRITERS[style](parameters[match[2]])

    return _PLACEHOLDER.sub(value_of, template)


def fill_value(value: Any, parameters: Mapping[str, Any]) -> Any:
    """Fill every string inside JSON-like data; a string that is nothing but `{name}` becomes that value, type kept."""
    if isinstance(value, str):
        whole = _PLACEHOLDER.fullmatch(value)
        if whole and whole[2] in parameters:
            return parameters[whole[2]]
        return fill(value, parameters)
    if isinstance(value, Mapping):
        return {key: fill_value(item, parameters) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill_value(item, parameters) for item in value]
    return value


def value_text(value: Any) -> str:
    """Return a parameter's value as people read it: lists joined by ", ", booleans in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(value_text(item) for item in value)
    return str(value)


def jmespath_literal(value: Any) -> str:
    r"""Return a value as a JMESPath literal that no content can break out of.

    A JSON literal between backticks, its backticks, backslashes and braces as \u escapes: JMESPath's
    raw strings cannot write every text (a backslash before a quote has no form there), JSON literals can.
    """
    text = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    text = text.replace("\\\\", "\\u005c")
    for character in "`{}":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f"`{text}`"


@lru_cache(maxsize=1024)
def glob_regex(glob: str) -> re.Pattern[str]:
    """Compile a path glob: `*` within a segment, `**` across segments, `**/` also nothing, `?` and `[...]` literal.

    A character after a backslash is itself.
    """
    pieces: list[str] = []
    for token in re.findall(r"\\.|\*\*/|\*\*|\*|.", glob, re.DOTALL):
        match token:
            case "**/":
                pieces.append("(?:.*/)?")
            case "**":
                pieces.append(".*")
            case "*":
                pieces.append("[^/]*")
            case _:
                pieces.append(re.escape(token[1] if len(token) == 2 else token))
    return re.compile("".join(pieces), re.DOTALL)


def _glob_escape(value: Any) -> str:
    return re.sub(r"([\\*])", r"\\\1", value_text(value))


def _action_escape(value: Any) -> str:
    return json.dumps(value_text(value), ensure_ascii=False)[1:-1]


_WRITERS: dict[Style, Callable[[Any], str]] = {
    Style.PLAIN: value_text,
    Style.REGEX: lambda value: re.escape(value_text(value)),
    Style.GLOB: _glob_escape,
    Style.JMESPATH: jmespath_literal,
    Style.URL: lambda value: quote(value_text(value), safe=""),
    Style.ACTION: _action_escape,
}
