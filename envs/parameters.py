"""The parameters of a task: what can be drawn, and how an episode's seed draws it.

Parameters are drawn in the order of their declaration from one `numpy` generator, so that a seed names an instance for
ever; adding one at the end leaves the earlier ones as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from math import ceil, floor, perm
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, model_validator

from ..rewards.templates import fill, placeholders

Scalar = StrictBool | StrictInt | StrictFloat | Annotated[str, Field(strict=True)]


def _is_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"expected a number, got {value!r}")
    return str(value)


def _identity(value: Any) -> tuple[str, Any]:
    """Return what tells two values apart; `1` and `True` are different choices."""
    return type(value).__name__, value


class Sample(BaseModel):
    """One or several distinct values out of a list.

    Attributes:
        options: the list, under the key "from".
        count: how many; with more than one the value is a tuple.
        distinct_from: earlier parameters whose values must not be drawn.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    options: tuple[Scalar, ...] = Field(alias="from", min_length=1, max_length=10_000)
    count: int = Field(default=1, ge=1)
    distinct_from: tuple[str, ...] = ()


class Parameter(BaseModel):
    """How one parameter is drawn: exactly one of the attributes is given.

    Attributes:
        choice: one of these values, all equally likely.
        integer: lowest and highest whole number, both included.
        decimal: lowest and highest number, both included, and the number of decimal places (0 to 9); the value is a
            string with exactly that many places, such as "17.50".
        sample: one or several distinct values out of a list.
        template: a text with earlier parameters in it; nothing is drawn.
        sha256: a template as well; the value is the hex digest of the text, as UTF-8. For the hash of a file that the
            task's `files` put into the workspace.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    choice: tuple[Scalar, ...] | None = Field(default=None, min_length=1, max_length=10_000)
    integer: tuple[StrictInt, StrictInt] | None = None
    decimal: (
        tuple[
            Annotated[Decimal, BeforeValidator(_is_number)],
            Annotated[Decimal, BeforeValidator(_is_number)],
            Annotated[StrictInt, Field(ge=0, le=9)],
        ]
        | None
    ) = None
    sample: Sample | None = None
    template: str | None = None
    sha256: str | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "expected exactly one of choice, integer, decimal, sample, template, sha256, got "
                f"{' and '.join(given) or 'none'}"
            )
        if self.integer is not None and self.integer[0] > self.integer[1]:
            raise ValueError(f"expected integer: [lowest, highest], got {list(self.integer)}; swap them")
        if self.decimal is not None:
            low, high = self._decimal_steps()
            if low > high:
                raise ValueError(
                    f"expected decimal: [lowest, highest, places] with at least one value between, got "
                    f"[{self.decimal[0]}, {self.decimal[1]}, {self.decimal[2]}]; swap the bounds or add places"
                )
        for values, key in ((self.choice, "choice"), (self.sample and self.sample.options, "sample from")):
            if values and len({_identity(value) for value in values}) < len(values):
                raise ValueError(f"expected {key} to hold each value once, got a repeated one; take it out")
        return self

    def _decimal_steps(self) -> tuple[int, int]:
        assert self.decimal is not None
        low, high, places = self.decimal
        return ceil(low.scaleb(places)), floor(high.scaleb(places))

    def instance_count(self, sizes: Mapping[str, int]) -> int:
        """Return how many values can be drawn (for `distinct_from`: at least), given those of earlier parameters."""
        if self.choice is not None:
            return len(self.choice)
        if self.integer is not None:
            return self.integer[1] - self.integer[0] + 1
        if self.decimal is not None:
            low, high = self._decimal_steps()
            return high - low + 1
        if self.sample is not None:
            free = len(self.sample.options) - len(self.sample.distinct_from)
            return max(perm(max(free, 0), self.sample.count), 1)
        return 1

    def depends_on(self) -> tuple[str, ...]:
        """Return the names of the earlier parameters that this one needs."""
        for text in (self.template, self.sha256):
            if text is not None:
                return placeholders(text)
        return self.sample.distinct_from if self.sample is not None else ()

    def draw(self, rng: np.random.Generator, earlier: Mapping[str, Any]) -> Any:
        """Return a value; `earlier` holds the values of the parameters before this one.

        Raises:
            ValueError: `distinct_from` leaves too few values.
        """
        if self.choice is not None:
            return self.choice[int(rng.integers(len(self.choice)))]
        if self.integer is not None:
            return int(rng.integers(self.integer[0], self.integer[1], endpoint=True))
        if self.decimal is not None:
            low, high = self._decimal_steps()
            places = self.decimal[2]
            return f"{Decimal(int(rng.integers(low, high, endpoint=True))).scaleb(-places):.{places}f}"
        if self.sample is not None:
            taken = {_identity(earlier[name]) for name in self.sample.distinct_from}
            free = [value for value in self.sample.options if _identity(value) not in taken]
            if len(free) < self.sample.count:
                raise ValueError(f"`from` leaves {len(free)} values to draw {self.sample.count} from; add more values")
            drawn = [free[int(i)] for i in rng.choice(len(free), size=self.sample.count, replace=False)]
            return drawn[0] if self.sample.count == 1 else tuple(drawn)
        if self.sha256 is not None:
            return sha256(fill(self.sha256, earlier).encode()).hexdigest()
        assert self.template is not None
        return fill(self.template, earlier)
