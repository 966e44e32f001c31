"""Text spaces for observations and actions: any Unicode text up to a length."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

_SAMPLE_CHARS = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~äéøßñžΩЖ中文字😀"
)
_SAMPLE_MAX_CHARS = 64


class UnicodeText(spaces.Text):
    """Any text of at most `max_length` characters that UTF-8 can encode.

    `gymnasium.spaces.Text` asks for the complete alphabet; web pages have no such thing. Samples are short texts (at
    most 64 characters) over a small mixed alphabet, so a sampled action is hardly ever a valid one: good for checkers,
    useless as a policy.

    Args:
        max_length: most characters of a member, inclusive.
        seed: seed or generator of `sample`.
    """

    def __init__(self, max_length: int, *, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(max_length, min_length=0, charset=_SAMPLE_CHARS, seed=seed)

    def sample(self, mask: None = None, probability: None = None) -> str:  # type: ignore[override]
        """Return a short random text; the same seed gives the same texts."""
        if mask is not None or probability is not None:
            raise ValueError("UnicodeText.sample takes neither mask nor probability: its alphabet is open")
        length = int(self.np_random.integers(0, min(self.max_length, _SAMPLE_MAX_CHARS) + 1))
        return "".join(self.character_list[i] for i in self.np_random.integers(0, len(self.character_list), length))

    def contains(self, x: Any) -> bool:
        """Return whether `x` is a text of at most `max_length` characters without lone surrogates."""
        return isinstance(x, str) and len(x) <= self.max_length and not any("\ud800" <= c <= "\udfff" for c in x)

    @property
    def is_np_flattenable(self) -> bool:
        """Always False: an open alphabet has no index."""
        return False

    def __eq__(self, other: object, /) -> bool:
        return isinstance(other, UnicodeText) and self.max_length == other.max_length

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"UnicodeText({self.max_length})"


__all__ = ["UnicodeText"]
