"""Texts of pages and policies made harmless for a page that shows them.

They are not trusted: characters that steer a text's direction or cannot be seen are written out, and lengths are
bounded. The page itself must still treat all of it as text, never as HTML.
"""

from __future__ import annotations

import unicodedata

MAX_TEXT_CHARS = 12_000

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_KEPT = frozenset("\n\t\u00ad\u200c\u200d")
"""Line breaks; and what words and signs of some scripts are joined and parted with, which hides nothing."""


def harmless(text: str, most: int = MAX_TEXT_CHARS) -> str:
    """Return a text with what cannot be seen written out as ⟨U+202E⟩, cut after so many characters."""
    shown = "".join(f"⟨U+{ord(c):04X}⟩" if _unseen(c) else c for c in text[:most])
    return shown if len(text) <= most else f"{shown}\n… ({len(text) - most} more characters)"


def _unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN and character not in _KEPT


__all__ = ["MAX_TEXT_CHARS", "harmless"]
