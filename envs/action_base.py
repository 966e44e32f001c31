"""What every action has: typed arguments, how they are written, the group it belongs to, and examples."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..sandbox.page import VIEWPORT

MAX_ACTION_CHARS = 4096
"""Longest action text that is looked at; longer text is refused unread."""

Target = Annotated[int, Field(strict=True, ge=0)] | Annotated[str, Field(strict=True, min_length=1, max_length=300)]
"""A reference number as shown in the observation, or an accessible name."""

Role = Annotated[str, Field(strict=True, min_length=1, max_length=40)]
Nth = Annotated[int, Field(strict=True, ge=1, le=1000)]
Line = Annotated[str, Field(strict=True, min_length=1, max_length=500)]
LongText = Annotated[str, Field(strict=True, max_length=MAX_ACTION_CHARS)]


def _rounded(limit: int) -> AfterValidator:
    """Keep a coordinate to a hundredth of a pixel, and below the limit: what is written is then what is meant."""
    return AfterValidator(lambda value: min(round(value, 2), limit - 0.01))


Across = Annotated[float, Field(strict=True, ge=0, lt=VIEWPORT[0]), _rounded(VIEWPORT[0])]
"""CSS pixels from the left edge of the viewport."""

Down = Annotated[float, Field(strict=True, ge=0, lt=VIEWPORT[1]), _rounded(VIEWPORT[1])]
"""CSS pixels from the top edge of the viewport."""


class ActionBase(BaseModel):
    """An action: frozen, and with nothing but its declared arguments.

    A subclass's docstring is what agents and people are told about it; its `kind` is the verb.

    Attributes:
        group: the group of actions by which a task allows it.
        positional: arguments that may be given by position, in this order; the others need their names.
        examples: calls that show its use.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: ClassVar[str]
    positional: ClassVar[tuple[str, ...]] = ()
    examples: ClassVar[tuple[str, ...]]
    kind: str


class TargetedAction(ActionBase):
    """An action on one element, which is named, and told from others of that name by `role` and `nth`."""

    positional: ClassVar[tuple[str, ...]] = ("target",)

    target: Target = Field(description="the element's name as shown on the page, or its number")
    role: Role | None = Field(default=None, description="only elements of this role, such as button")
    nth: Nth | None = Field(default=None, description="which one of several that fit, from 1")


__all__ = [
    "MAX_ACTION_CHARS",
    "Across",
    "ActionBase",
    "Down",
    "Line",
    "LongText",
    "Nth",
    "Role",
    "Target",
    "TargetedAction",
]
