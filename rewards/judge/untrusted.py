"""Text that a page or the agent wrote, made fit to stand in a judge's prompt.

What cannot be seen is taken out, and what looks like a chat's control token, a fence or a role's label is broken up, so
that in a cleaned text no `<` or `[` opens a tag, no `|` closes one, and no line begins like a turn. The rules look at a
skeleton of the text, in which characters that look alike are one: full width, capitals, Cyrillic and Greek letters,
every kind of angle bracket. They name forms, not models: a token of a family yet to come has one of them too.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from importlib import resources

_LOOK_ALIKES: dict[str, str] = {
    letter: plain
    for plain, letters in json.loads(
        (resources.files(__package__) / "look_alikes.json").read_text(encoding="utf-8")
    ).items()
    for letter in letters
}
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_BLANK = frozenset("\u2800")
_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPEAKERS = (
    "system|developer|user|human|assistant|ai|bot|model|tool|function|ipython|observation|environment|"
    "instructions?|response|input|output|judge|grader|verifier|verdict|rubric|criteria|goal|reference answer|"
    "ground truth|delimiter|episode|final answer|step \\d+"
)
_OPENS = re.compile(
    r"<(?=\S)"  # any tag: <|im_start|>, <start_of_turn>, </s>, <<SYS>>, <<<end, <!--
    r"|\|(?=>)|>(?=>)"  # its end: |>, >>>
    r"|\[(?=[/_a-z][/_a-z ]{0,40}\])"  # [INST], [/INST], [SYSTEM_PROMPT]; [12] numbers an element
    r"|`(?=`)|~(?=~)"  # code blocks
)
_SPEAKS = re.compile(rf"^[ \t>*_#\-]*(?:#{{2,}}|delimiter is\b|(?:{_SPEAKERS})\b[^\n:]{{0,40}}:)", re.MULTILINE)
_QUOTED = "| "


def clean(text: str) -> str:
    """Return a text without invisible characters, its look-alikes of tokens, fences and labels broken up by spaces.

    Cleaning a cleaned text changes nothing. Letters stay as they are, so that evidence can be quoted.
    """
    visible = _visible(_LINE_ENDS.sub("\n", text))
    skeleton, place_of = _skeleton(visible)
    insertions = {place_of[match.start()] + 1: " " for match in _OPENS.finditer(skeleton)}
    for match in _SPEAKS.finditer(skeleton):
        start = place_of[match.start()]
        insertions[start] = insertions.get(start, "") + _QUOTED
    if not insertions:
        return visible
    parts, done = [], 0
    for place in sorted(insertions):
        parts += [visible[done:place], insertions[place]]
        done = place
    return "".join([*parts, visible[done:]])


def bare(text: str) -> str:
    """Return only the letters and digits of a text's skeleton: what is left of a delimiter however it is disguised."""
    return "".join(filter(str.isalnum, _skeleton(_visible(text))[0]))


def one_line(text: str, most_chars: int) -> str:
    """Return what a server or a model wrote as one printable line of at most so many characters, for people."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most_chars]).split())
    return line if len(line) <= most_chars else line[: most_chars - 1] + "…"


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


@lru_cache(maxsize=1 << 14)
def _shown(character: str) -> str:
    if character in "\n\t":
        return character
    if character in _BLANK or unicodedata.category(character) == "Zs":
        return " "
    hidden = character in _INVISIBLE or unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"}
    # Variation selectors carry whole messages that nobody sees.
    hidden = hidden or "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return "" if hidden else character


def _skeleton(text: str) -> tuple[str, range | list[int]]:
    """Return the text's skeleton, and for each of its characters the place in the text that it comes from."""
    if text.isascii():
        return text.lower(), range(len(text))
    parts = [_plain(character) for character in text]
    return "".join(parts), [place for place, part in enumerate(parts) for _ in part]


@lru_cache(maxsize=1 << 14)
def _plain(character: str) -> str:
    if character in _LOOK_ALIKES:
        return _LOOK_ALIKES[character]
    folded = unicodedata.normalize("NFKC", character).casefold()
    return "".join(_LOOK_ALIKES.get(part, part) for part in folded)


__all__ = ["bare", "clean", "one_line"]
