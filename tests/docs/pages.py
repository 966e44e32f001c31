"""The documentation's code blocks, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHELL = frozenset({"sh", "bash", "shell", "console"})

_FENCE = re.compile(r"^```(?P<language>[\w-]*)(?P<rest>[^\n]*)\n(?P<text>.*?)^```\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of code on a page.

    Attributes:
        page: the page, as seen from the checkout's root.
        line: where its text begins, from 1.
        language: as its fence says; "sh" for an indented block that holds commands of ours.
        title: the file that it is, "" if it is none.
        text: what is in it.
    """

    page: str
    line: int
    language: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a shell block: its words, without comments."""

    page: str
    line: int
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        """The command as it might be typed."""
        return shlex.join(self.words)


def pages() -> list[str]:
    """Return the pages of the documentation, README first, as seen from the root."""
    docs = sorted((ROOT / "docs").rglob("*.md"))
    return ["README.md", "CONTRIBUTING.md", *(str(page.relative_to(ROOT)) for page in docs)]


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """Return a page's blocks of code in order: all fenced ones, and indented ones with commands of ours."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        title = re.search(r'title="([^"]+)"', match["rest"])
        found.append(
            Block(
                page=page,
                line=text.count("\n", 0, match.start("text")) + 1,
                language=match["language"],
                title=title[1] if title else "",
                text=match["text"],
            )
        )
    bare = _FENCE.sub(lambda match: re.sub(r"[^\n]+", "", match[0]), text)
    for match in re.finditer(r"(?:^ {4}[^\n]+\n)+", bare, re.MULTILINE):
        inner = re.sub(r"^ {4}", "", match[0], flags=re.MULTILINE)
        if re.search(r"^(milepost|make|pip|python) ", inner, re.MULTILINE):
            line = bare.count("\n", 0, match.start()) + 1
            found.append(Block(page=page, line=line, language="sh", title="", text=inner))
    return tuple(sorted(found, key=lambda block: block.line))


def commands(page: str) -> Iterator[Command]:
    """Yield the commands of a page's shell blocks, in order."""
    for block in blocks(page):
        if block.language in SHELL:
            yield from commands_of(block)


def commands_of(block: Block) -> Iterator[Command]:
    """Yield the commands of one block: comments and variables taken off, lines that end in a backslash
    joined, `&&` parted.
    """
    lines = block.text.replace("\\\n", "  ").splitlines()
    for number, line in enumerate(lines):
        words = shlex.split(line, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            del words[0]
        while "&&" in words:
            at = words.index("&&")
            yield Command(page=block.page, line=block.line + number, words=tuple(words[:at]))
            words = words[at + 1 :]
        if words:
            yield Command(page=block.page, line=block.line + number, words=tuple(words))
