"""What a person can do by pointing at the page: for each element the action, written as an agent would write it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...envs.action_targets import is_suitable, resolve_target
from ...envs.actions import build_action, format_action
from ...sandbox.errors import ActionError
from ...sandbox.snapshot import Element

Verb = Literal["click", "fill", "select"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One element that can be pointed at.

    Attributes:
        element: it.
        verb: what pointing at it means; `fill` and `select` want a text.
        target: how an action names it: `target`, with `role` and `nth` where the name alone fits several.
    """

    element: Element
    verb: Verb
    target: dict[str, Any]

    def action(self, text: str | None) -> str:
        """Return the action as text.

        Args:
            text: what is written or chosen; of no account for a click.

        Raises:
            ActionError: a text is wanted and there is none, or it is too long.
        """
        words: dict[str, str | None] = (
            {} if self.verb == "click" else {"text" if self.verb == "fill" else "option": text}
        )
        if None in words.values():
            raise ActionError(f"{self.verb} wants a text, got none; type one")
        return format_action(build_action(self.verb, {**self.target, **words}))


def offers(elements: Sequence[Element], allowed: Collection[str]) -> list[Offer]:
    """Return what can be pointed at, in document order: what lies in view and takes an action that the task allows."""
    found = []
    for element in elements:
        if element.interactive and element.in_viewport and element.box is not None:
            verb = _verb(element)
            if verb in allowed:
                found.append(Offer(element=element, verb=verb, target=_named(element, elements, verb)))
    return found


def _verb(element: Element) -> Verb:
    written: tuple[Verb, ...] = ("fill", "select")
    for verb in written:
        if is_suitable(element, verb):
            return verb
    return "click"


def _named(element: Element, elements: Sequence[Element], verb: Verb) -> dict[str, Any]:
    """Return the shortest way to name an element that means it and no other."""
    for target in _names(element, elements):
        try:
            if resolve_target(elements=elements, verb=verb, **target).ref == element.ref:
                return target
        except ActionError:
            continue
    return {"target": element.ref}


def _names(element: Element, elements: Sequence[Element]) -> Iterator[dict[str, Any]]:
    if not element.name:
        return
    yield {"target": element.name}
    yield {"target": element.name, "role": element.role}
    alike = [each.ref for each in elements if (each.name, each.role) == (element.name, element.role)]
    yield {"target": element.name, "role": element.role, "nth": alike.index(element.ref) + 1}


__all__ = ["Offer", "offers"]
