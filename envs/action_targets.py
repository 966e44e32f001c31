"""Which element of the page an action means.

Agents name elements as they read them. A name is tried as written, then ignoring case and spacing, then as a prefix,
then as a part of a name; the first of these that finds anything decides. Two equally good elements are never chosen
between: the error lists them in the form that would have worked.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Literal

from ..sandbox.errors import ActionError
from ..sandbox.snapshot import Element

Verb = Literal["click", "fill", "select"]

FILLABLE_ROLES = frozenset(
    {"textbox", "searchbox", "spinbutton", "combobox", "slider", "color", "date", "time", "month", "week", "datetime"}
)
SELECTABLE_ROLES = frozenset({"combobox", "listbox"})
_SHOWN = 4
_NEEDS = {"fill": "a text field", "select": "a list of options", "click": "an element"}


def resolve_target(
    target: int | str,
    elements: Sequence[Element],
    *,
    verb: Verb = "click",
    role: str | None = None,
    nth: int | None = None,
) -> Element:
    """Find the one element that an action means.

    Args:
        target: reference number, or accessible name.
        elements: the page's elements in document order.
        verb: what will be done with it; elements that cannot take it are not considered for names.
        role: only elements of this ARIA role.
        nth: which of several equally good ones, counting from 1 in document order.

    Returns:
        The element.

    Raises:
        ActionError: nothing fits (with close names), several do (with the candidates), or it is of the wrong kind.
    """
    if isinstance(target, int):
        return _by_ref(target, elements, verb)
    of_role = [e for e in elements if e.name and (role is None or e.role == role)]
    suitable = [e for e in of_role if is_suitable(e, verb)]
    for match in _matchers(target):
        found = [e for e in suitable if match(e.name)]
        if found:
            return _choose(found, target, verb, role, nth)
    others = [e for e in of_role if not is_suitable(e, verb) and _squashed(e.name) == _squashed(target)]
    if verb == "click":
        if others:
            return _choose(others, target, verb, role, nth)
    elif others:
        raise ActionError(
            f'{verb} needs {_NEEDS[verb]}, but "{target}" is a {others[0].role}{_close(target, suitable, verb)}'
        )
    with_role = f" with role {role}" if role else ""
    raise ActionError(
        f'no {_NEEDS[verb].partition(" ")[2]} "{_cut(target)}"{with_role}{_close(target, suitable, verb)}'
    )


def is_suitable(element: Element, verb: Verb) -> bool:
    """Return whether an element is of a kind that takes this verb."""
    if verb == "fill":
        return element.role in FILLABLE_ROLES and not element.options
    if verb == "select":
        return element.role in SELECTABLE_ROLES
    return element.interactive


def _by_ref(ref: int, elements: Sequence[Element], verb: Verb) -> Element:
    element = next((e for e in elements if e.ref == ref), None)
    if element is None:
        raise ActionError(f"no element [{ref}] on this page; use a number or a name shown in it")
    if verb != "click" and not is_suitable(element, verb):
        raise ActionError(f"{verb} needs {_NEEDS[verb]}, but [{ref}] is a {element.role}")
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


def _choose(found: list[Element], target: str, verb: Verb, role: str | None, nth: int | None) -> Element:
    if nth is not None:
        if nth > len(found):
            raise ActionError(f'nth={nth}, but only {len(found)} on this page fit "{_cut(target)}"')
        return found[nth - 1]
    if len(found) == 1:
        return found[0]
    unique = len({e.name for e in found}) == len(found)
    shown = ", ".join(_call(e, i, verb, role, unique) for i, e in enumerate(found[:_SHOWN], start=1))
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise ActionError(f'"{_cut(target)}" fits {len(found)} elements; use {shown}{more}')


def _call(element: Element, position: int, verb: Verb, role: str | None, unique: bool) -> str:
    arguments = [f'"{_cut(element.name)}"']
    if verb != "click":
        arguments.append("...")
    if role is not None:
        arguments.append(f'role="{role}"')
    if not unique:
        arguments.append(f"nth={position}")
    return f"{verb}({', '.join(arguments)})"


def _close(target: str, suitable: Sequence[Element], verb: Verb) -> str:
    names = {_squashed(e.name): e.name for e in reversed(suitable)}
    close = difflib.get_close_matches(_squashed(target), list(names), n=3, cutoff=0.5)
    shown = [names[c] for c in close] or list(dict.fromkeys(e.name for e in suitable))[:3]
    if not shown:
        return f"; nothing on this page takes {verb}"
    return "; close names: " + ", ".join(f'"{_cut(name)}"' for name in shown)


def _squashed(name: str) -> str:
    return " ".join(name.split()).casefold()


def _cut(name: str) -> str:
    return name if len(name) <= 60 else name[:57] + "..."


__all__ = ["FILLABLE_ROLES", "SELECTABLE_ROLES", "Verb", "is_suitable", "resolve_target"]
