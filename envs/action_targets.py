"""Which element of the page an action means.

Agents name elements as they read them. A name is tried as written, then ignoring case and spacing, then as a prefix,
then as a part of a name; the first of these that finds anything decides. Two equally good elements are never chosen
between: the error lists them in the form that would have worked. An element of the wrong kind is answered with the
action that takes it, if the task allows that.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from ..sandbox.errors import ActionError
from ..sandbox.snapshot import Element
from .actions import DEFAULT_VERBS

FILLABLE_ROLES = frozenset(
    {"textbox", "searchbox", "spinbutton", "combobox", "slider", "color", "date", "time", "month", "week", "datetime"}
)
SELECTABLE_ROLES = frozenset({"combobox", "listbox"})
SWITCHED_ROLES = frozenset({"checkbox", "switch", "menuitemcheckbox"})
RADIO_ROLES = frozenset({"radio", "menuitemradio"})
_SHOWN = 4
_NEEDS = {
    "fill": "a text field",
    "select": "a list of options",
    "check": "a checkbox",
    "uncheck": "a checkbox",
    "upload": "a file field",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What an action asks for; `argument` is the argument that names the element, "target" or "onto"."""

    verb: str
    role: str | None
    nth: int | None
    argument: str
    allowed: Collection[str]


def resolve_target(
    target: int | str,
    elements: Sequence[Element],
    *,
    verb: str = "click",
    role: str | None = None,
    nth: int | None = None,
    argument: Literal["target", "onto"] = "target",
    allowed: Collection[str] = DEFAULT_VERBS,
) -> Element:
    """Find the one element that an action means.

    Args:
        target: reference number, or accessible name.
        elements: the page's elements in document order.
        verb: the action that will be done with it; elements that cannot take it are not considered for names.
        role: only elements of this ARIA role.
        nth: which of several equally good ones, counting from 1 in document order.
        argument: which argument of the action names it, for the calls that errors propose.
        allowed: the verbs that errors may propose.

    Returns:
        The element.

    Raises:
        ActionError: nothing fits (with close names), several do (with the candidates), or it is of the wrong kind.
    """
    wanted = _Wanted(verb=verb, role=role, nth=nth, argument=argument, allowed=allowed)
    if isinstance(target, int):
        return _by_ref(target, elements, wanted)
    of_role = [e for e in elements if e.name and (role is None or e.role == role)]
    suitable = [e for e in of_role if is_suitable(e, verb)]
    for match in _matchers(target):
        found = [e for e in suitable if match(e.name)]
        if found:
            return _choose(found, target, wanted)
    others = [e for e in of_role if not is_suitable(e, verb) and _squashed(e.name) == _squashed(target)]
    if others and verb in _NEEDS:
        other = next((e for e in others if e.interactive), others[0])
        cure = _instead(other, wanted) or _close(target, suitable, verb)
        raise ActionError(f'{verb} needs {_NEEDS[verb]}, but "{_cut(target)}" is {_a(other.role)}{cure}')
    if others:
        return _choose(others, target, wanted)
    noun = _NEEDS[verb].partition(" ")[2] if verb in _NEEDS else "element"
    with_role = f" with role {_cut(role)}" if role else ""
    cure = _as_number(target, elements) or _close(target, suitable, verb)
    raise ActionError(f'no {noun} named "{_cut(target)}"{with_role}{cure}')


def is_suitable(element: Element, verb: str) -> bool:
    """Return whether an element is of a kind that takes this verb."""
    match verb:
        case "fill":
            return element.role in FILLABLE_ROLES and not element.options
        case "select":
            return element.role in SELECTABLE_ROLES
        case "check":
            return element.role in SWITCHED_ROLES | RADIO_ROLES
        case "uncheck":
            return element.role in SWITCHED_ROLES
        case "upload":
            return element.role == "file"
        case _:
            return element.interactive


def _by_ref(ref: int, elements: Sequence[Element], wanted: _Wanted) -> Element:
    element = next((e for e in elements if e.ref == ref), None)
    if element is None:
        raise ActionError(f"no element [{ref}] on this page; use a number or a name shown in it")
    if wanted.verb in _NEEDS and not is_suitable(element, wanted.verb):
        needs = _NEEDS[wanted.verb]
        raise ActionError(
            f"{wanted.verb} needs {needs}, but [{ref}] is {_a(element.role)}{_instead(element, wanted, str(ref))}"
        )
    return element


def _matchers(target: str) -> tuple[Callable[[str], bool], ...]:
    wanted = _squashed(target)
    if not wanted:
        return ()
    return (
        lambda name: name == target,
        lambda name: _squashed(name) == wanted,
        lambda name: _squashed(name).startswith(wanted),
        lambda name: wanted in _squashed(name),
    )


def _choose(found: list[Element], target: str, wanted: _Wanted) -> Element:
    if wanted.nth is not None:
        if wanted.nth > len(found):
            raise ActionError(f'nth={wanted.nth}, but only {len(found)} on this page fit "{_cut(target)}"')
        return found[wanted.nth - 1]
    if len(found) == 1:
        return found[0]
    unique = len({e.name for e in found}) == len(found)
    shown = ", ".join(_call(e, None if unique else i, wanted) for i, e in enumerate(found[:_SHOWN], start=1))
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise ActionError(f'"{_cut(target)}" fits {len(found)} elements; use {shown}{more}')


def _call(element: Element, position: int | None, wanted: _Wanted) -> str:
    """Return the call that would have meant this element; "..." stands for the action's other arguments."""
    name = f'"{_cut(element.name)}"'
    prefix = ""
    match wanted.verb, wanted.argument:
        case "drag", "onto":
            arguments, prefix = ["...", name], "onto_"
        case "scroll", _:
            arguments = ["...", f"target={name}"]
        case (("fill" | "select" | "upload" | "drag"), _):
            arguments = [name, "..."]
        case _:
            arguments = [name]
    if wanted.role is not None:
        arguments.append(f'{prefix}role="{_cut(wanted.role)}"')
    if position is not None:
        arguments.append(f"{prefix}nth={position}")
    return f"{wanted.verb}({', '.join(arguments)})"


def _instead(element: Element, wanted: _Wanted, shown: str | None = None) -> str:
    """Return "; use " and the call that an element of this kind takes, "" if the task allows none."""
    shown = shown or f'"{_cut(element.name)}"'
    if wanted.verb == "uncheck" and element.role in RADIO_ROLES:
        return "; choose another of its group"
    for verb, call in (
        ("fill", f"fill({shown}, ...)"),
        ("select", f"select({shown}, ...)"),
        ("check", f"check({shown})"),
        ("upload", f"upload({shown}, ...)"),
        ("click", f"click({shown})"),
    ):
        if verb in wanted.allowed and verb != wanted.verb and is_suitable(element, verb):
            return f"; use {call}"
    return ""


def _as_number(target: str, elements: Sequence[Element]) -> str:
    """Return a cure for a reference number that was written as a name."""
    number = target.strip().strip("[]")
    if not (number.isascii() and number.isdigit()) or not any(e.ref == int(number) for e in elements):
        return ""
    return f"; for the element [{number}] write {number} without quotes"


def _close(target: str, suitable: Sequence[Element], verb: str) -> str:
    names = {_squashed(e.name): e.name for e in reversed(suitable)}
    close = [names[c] for c in difflib.get_close_matches(_squashed(target), list(names), n=3, cutoff=0.5)]
    if close:
        return f"; did you mean {_or([_quoted(name) for name in close])}?"
    shown = [_quoted(name) for name in dict.fromkeys(e.name for e in suitable)]
    if not shown:
        return f"; nothing on this page takes {verb}"
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return f"; on this page: {', '.join(shown[:3])}{more}"


def _or(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


def _a(role: str) -> str:
    return f"an {role}" if role[:1] in "aeiou" else f"a {role}"


def _squashed(name: str) -> str:
    return " ".join(name.split()).casefold()


def _quoted(name: str) -> str:
    return f'"{_cut(name)}"'


def _cut(name: str) -> str:
    line = "".join(c if c.isprintable() else "?" for c in " ".join(name.split()))
    return line if len(line) <= 60 else line[:57] + "..."


__all__ = ["FILLABLE_ROLES", "SELECTABLE_ROLES", "is_suitable", "resolve_target"]
