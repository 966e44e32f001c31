"""What agents and people are told about the actions, made from their classes: help for prompts, and docs/actions.md.

python -m milepost.envs.action_help docs/actions.md      writes the page again after a change
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from .action_base import MAX_ACTION_CHARS, ActionBase
from .action_tools import tool_schemas
from .actions import ACTION_TYPES, DEFAULT_GROUPS, GROUPS, is_number, verbs_of

_GROUP_TITLES = {
    "basic": "enough to read, fill in, follow and answer",
    "pointer": "what else a mouse does to an element",
    "forms": "typing, checkboxes and file fields",
    "history": "the rest of the browser's history",
    "tabs": "several tabs",
    "dialogs": "answering the page's dialogs; where a task does not allow this group they are accepted at once",
    "clipboard": "a clipboard of the episode's own",
    "mouse": "the mouse by coordinates",
    "time": "letting the page's clock run",
    "files": "more about files",
    "command": "commands, in a sandbox; only where a task asks for it",
}

_INTRODUCTION = f"""\
# Actions

<!-- Made from the action classes by `python -m milepost.envs.action_help docs/actions.md`; change those instead. -->

An action is one line of text: a verb and its arguments, such as `click("Save")`. It is parsed by hand and never
evaluated. Arguments are texts in double or single quotes (`\\n`, `\\t`, `\\"`, `\\\\` and `\\u00e9` are understood) and
numbers from zero, whole or with decimals. Those shown with `=` need their name, the others may be given by position or
by name; those in square brackets may be left out. Only the first line counts, after an opening code fence if there is
one, and at most {MAX_ACTION_CHARS} characters are read.

An element is named as the page's text shows it. The name is tried as written, then without regard to case and spacing,
then as the beginning and then as a part of a name. Two equally good elements are never chosen between: the error lists
the calls that would have worked, with `role=` and `nth=`. A number is an element's reference, as in `[12]`.

A click on a list of options, a date or a colour opens no window: what the browser would lay over the page is closed
before the page is looked at, and the field keeps the focus. `select` and `fill` set such fields; arrow keys choose in a
list.

What cannot be done is told in `observation["last_action_error"]`, costs a step and ends nothing.

A task allows actions by group or one by one, as in `actions: [basic, tabs, hover]`; without that key it allows
`{", ".join(DEFAULT_GROUPS)}`. `done` and `noop` are always allowed.

For tool calls, `milepost.envs.action_tools.tool_schemas(verbs)` gives the JSON Schemas and `parse_tool_call(name,
arguments)` the action; `milepost.envs.actions.format_action` turns that into the line that `step` takes.
"""


def action_help(names: Iterable[str] = DEFAULT_GROUPS, *, examples: bool = True) -> str:
    """Return help for a prompt: one line per action, in the order of the registry.

    Args:
        names: groups or single actions; `done` and `noop` come with them.
        examples: add each action's first example.

    Returns:
        Lines such as `press("keys"): Press a key. Example: press("Enter")`.

    Raises:
        ValueError: a name is neither a group nor an action.
    """
    allowed = verbs_of(names)
    lines = []
    for verb, cls in ACTION_TYPES.items():
        if verb in allowed:
            example = f" Example: {cls.examples[0]}" if examples else ""
            lines.append(f"{signature(verb)}: {_summary(cls)}{example}")
    return "\n".join(lines)


def signature(verb: str) -> str:
    """Return how an action is written; what stands in square brackets may be left out."""
    cls = ACTION_TYPES[verb]
    by_position = [_optional(cls, name, name if is_number(cls, name) else f'"{name}"') for name in cls.positional]
    by_name = [
        _optional(cls, name, f"{name}=..." if is_number(cls, name) else f'{name}="..."')
        for name in cls.model_fields
        if name != "kind" and name not in cls.positional
    ]
    return f"{verb}({', '.join(by_position + by_name)})"


def brief_signature(verb: str) -> str:
    """Return how an action is written with what it cannot do without, such as `upload("target", "path")`."""
    cls = ACTION_TYPES[verb]
    required = [name for name in cls.positional if cls.model_fields[name].is_required()]
    shown = [name if is_number(cls, name) else f'"{name}"' for name in required]
    return f"{verb}({', '.join(shown)})"


def _optional(cls: type[ActionBase], name: str, shown: str) -> str:
    return shown if cls.model_fields[name].is_required() else f"[{shown}]"


def actions_markdown() -> str:
    """Return the text of docs/actions.md."""
    sections = [_INTRODUCTION]
    for group, verbs in GROUPS.items():
        sections.append(f"## `{group}`: {_GROUP_TITLES[group]}\n")
        sections += [_section(verb) for verb in verbs]
    return "\n".join(sections)


def _section(verb: str) -> str:
    cls = ACTION_TYPES[verb]
    (tool,) = tool_schemas([verb])
    lines = [f"### `{signature(verb)}`", "", _summary(cls), ""]
    for name, schema in tool["function"]["parameters"]["properties"].items():
        choices = f" ({', '.join(schema['enum'])})" if "enum" in schema else ""
        default = f"; `{schema['default']}` if left out" if schema.get("default") not in (None, "") else ""
        lines.append(f"- `{name}`: {schema['description']}{choices}{default}")
    if lines[-1]:
        lines.append("")
    lines += ["```", *cls.examples, "```", ""]
    return "\n".join(lines)


def _summary(cls: type[ActionBase]) -> str:
    return " ".join((cls.__doc__ or "").split())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(actions_markdown(), encoding="utf-8")


__all__ = ["action_help", "actions_markdown", "brief_signature", "signature"]
