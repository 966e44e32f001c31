"""What the site says of the command line, made from the commands themselves: docs/reference/commands.md.

python -m milepost.command_help docs/reference/commands.md      writes the page again after a change
"""

from __future__ import annotations

import inspect
import re
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

_INTRODUCTION = """\
# The command line

<!-- Made from the commands by `python -m milepost.command_help docs/reference/commands.md`. -->

What is meant for programs goes to standard output, everything else (progress, errors) to standard error. A command
that answers something takes `--json` and then prints one JSON document. The exit code is 0 when all is well, 1 when
something is missing or failed, 2 when the input is wrong, and 130 after Ctrl-C in a training.
`milepost --install-completion` teaches your shell the commands, tasks and policies. With `MILEPOST_DEBUG=1` an error
shows its traceback.

Values named `[KEY=VALUE]...` replace settings of the configuration file: `seed=1`, `loss.beta=0.2`, `tasks=[core]`.
"""

Info = ArgumentInfo | OptionInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parameter:
    name: str
    annotation: Any
    info: Info
    default: Any

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def repeated(self) -> bool:
        return get_origin(_without_none(self.annotation)) in (list, tuple)


def commands_markdown() -> str:
    """Return the text of docs/reference/commands.md."""
    from .cli import app

    parts = [_INTRODUCTION]
    for words, callback in commands(app):
        parts += _section(words, callback)
    return "\n".join(parts)


def commands(app: typer.Typer, *before: str) -> Iterator[tuple[tuple[str, ...], Callable[..., Any]]]:
    """Yield the words of every command, without the program's name, and the function behind it."""
    for command in app.registered_commands:
        if command.callback is not None and not command.hidden:
            yield (*before, command.name or command.callback.__name__.replace("_", "-")), command.callback
    for group in app.registered_groups:
        if group.typer_instance is not None and not group.hidden:
            yield from commands(group.typer_instance, *before, *([group.name] if group.name else []))


def _section(words: tuple[str, ...], callback: Callable[..., Any]) -> Iterator[str]:
    parameters = list(_parameters(callback))
    arguments = [p for p in parameters if isinstance(p.info, ArgumentInfo)]
    options = [p for p in parameters if isinstance(p.info, OptionInfo)]
    usage = " ".join(["milepost", *words, *map(_in_usage, arguments), *(["[OPTIONS]"] if options else [])])
    yield f"## `milepost {' '.join(words)}`\n"
    yield f"```text\n{usage}\n```\n"
    yield f"{_prose(callback.__doc__)}\n"
    for each in arguments:
        yield f"- `{_in_usage(each)}`{_about(each)}"
    for each in options:
        yield f"- `{_spelt(each)}`{_about(each)}{_default(each)}"
    yield ""


def _parameters(callback: Callable[..., Any]) -> Iterator[_Parameter]:
    hints = get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        hint = hints[name]
        for info in getattr(hint, "__metadata__", ()):
            if isinstance(info, ArgumentInfo | OptionInfo) and not info.hidden:
                yield _Parameter(name=name, annotation=get_args(hint)[0], info=info, default=parameter.default)


def _in_usage(parameter: _Parameter) -> str:
    shown = parameter.info.metavar or parameter.name.upper() + ("..." if parameter.repeated else "")
    return shown if parameter.required or shown.startswith("[") else f"[{shown}]"


def _spelt(parameter: _Parameter) -> str:
    """Return how an option is written: every name, and what its value is."""
    # within Annotated, typer keeps the first name where a default would stand
    first = parameter.info.default
    declared = [
        each for each in (first, *(getattr(parameter.info, "param_decls", None) or ())) if isinstance(each, str)
    ]
    name = "--" + parameter.name.replace("_", "-")
    if _without_none(parameter.annotation) is bool:
        return ", ".join(part for each in declared or [f"{name}/--no-{name[2:]}"] for part in each.split("/"))
    value = parameter.info.metavar or _value(_without_none(parameter.annotation))
    return f"{', '.join(sorted(declared, key=len, reverse=True) or [name])} {value}"


def _value(annotation: Any) -> str:
    if get_origin(annotation) in (list, tuple):
        return _value(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return "|".join(str(member.value) for member in annotation)
    return {int: "N", float: "NUMBER", Path: "PATH"}.get(annotation, "TEXT")


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        kept = [each for each in get_args(annotation) if each is not type(None)]
        return kept[0] if len(kept) == 1 else annotation
    return annotation


def _about(parameter: _Parameter) -> str:
    words = _prose(parameter.info.help)
    needed = " (needed)" if parameter.required and isinstance(parameter.info, OptionInfo) else ""
    return f"{needed}: {words}" if words else needed


def _default(parameter: _Parameter) -> str:
    value = parameter.default
    if parameter.required or value is None or isinstance(value, bool) or value in ("", [], ()):
        return ""
    return f" `{value}` if left out."


def _prose(text: str | None) -> str:
    """Return a docstring as Markdown paragraphs, with nothing in it that could be taken for HTML."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text or "").replace("\b", ""))
    return "\n\n".join(" ".join(each.split()) for each in paragraphs).replace("<", "&lt;")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(commands_markdown(), encoding="utf-8")


__all__ = ["commands", "commands_markdown"]
