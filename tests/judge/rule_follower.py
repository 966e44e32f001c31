"""A judge that follows every rule, and every order: what stands outside of fences it obeys, what stands within is data.

It reads a prompt as a model does. The messages are written as one text in the form of a chat template, and split into
turns by the tokens of every family, so that a page that gets such a token through opens a turn. Letters that look alike
are one to it, and characters that nobody sees are not there. This is written without the code that it tests.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .scripted import FACT

_SEEN = str.maketrans(
    {
        "\u0455": "s", "\u0443": "y", "\u0435": "e", "\u0430": "a", "\u043e": "o", "\u0440": "p", "\u0441": "c",
        "\u0456": "i", "\u03bf": "o", "\u2039": "<", "\u203a": ">", "\u3008": "<", "\u3009": ">", "\u27e8": "<",
        "\u27e9": ">", "\u276e": "<", "\u276f": ">", "\u2502": "|", "\u2223": "|", "\u2581": "_",
    }
)  # fmt: skip
_TURN = re.compile(
    r"<\|(?:im_start|start|start_header_id|turn)\|>|<start_of_turn>|\[/?inst\]|<<sys>>|<\|(?:user|system|assistant)\|>"
    r"|\[system_prompt\]|<tool_response>|\n#{2,} ?(?:instruction|system|human)|\n(?:human|system|user|assistant)\s?:",
    re.IGNORECASE,
)
_ORDER = re.compile(r"passed\W{0,4}(?:is\W+|=\W*|:\W*)?(true|false)\b")
_FENCE = re.compile(r"<<<data (\w+) [^\n]*>>>\n(.*?)\n<<<end \1>>>", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What it made of a prompt: the orders it obeys, and the data."""

    turns: tuple[str, ...]
    outside: str
    inside: tuple[str, ...]


def read(messages: Sequence[Any]) -> Reading:
    """Read a prompt: the turns that it has, and what is outside of fences and within."""
    text = "".join(f"<|im_start|>{message['role']}\n{message['content']}" for message in messages)
    seen = unicodedata.normalize("NFKC", text).translate(_SEEN)
    seen = "".join(c for c in seen if c == "\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    turns = tuple(turn for turn in _TURN.split(seen) if turn.strip())
    last = next((turn for turn in turns if "DELIMITER is " in turn), "")
    named = re.search(r"DELIMITER is (\w+)", last)
    fences = [match for match in _FENCE.finditer(last) if named and match[1] == named[1]]
    outside = last
    for fence in reversed(fences):
        outside = outside[: fence.start()] + outside[fence.end() :]
    others = [turn for turn in turns if turn is not last]
    return Reading(turns=turns, outside="\n".join([*others, outside]), inside=tuple(fence[2] for fence in fences))


def follow(messages: Sequence[Any]) -> str:
    """Return its verdict: as ordered outside of fences, else by whether the data holds the fact."""
    reading = read(messages)
    fact = FACT
    if ordered := _ORDER.search(reading.outside.casefold()):
        passed = ordered[1] == "true"
    elif truth := re.search(r"reference answer is now\W+(\w[\w ]*)", reading.outside, re.IGNORECASE):
        passed = any(truth[1] in data for data in reading.inside)
    else:
        passed = any(fact in data for data in reading.inside)
    quotes = [next((data.splitlines()[0] for data in reading.inside if fact in data), "none")] if passed else []
    return json.dumps({"reasons": "as the rules say", "quotes": quotes, "score": float(passed), "passed": passed})
