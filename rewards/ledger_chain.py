"""The hash chain of a ledger: every line names the line before it and is sealed by a hash over its own bytes.

    {"prev":"<hash of the line before>", ...the record..., "hash":"<hash of everything before this key>"}

The hash is BLAKE2b of 32 bytes in hexadecimal; the header's `prev` is all zeros; the footer, sealed like every other
line, closes the chain.

What this protects: a line that was changed by hand, by a bad disk or by a merge, and one that was taken out, put in,
doubled or moved, is found and named. What it does not protect: there is no secret in it. Whoever can write the file can
make a chain anew that is whole in itself, and can cut lines off the end so that the episode looks like one that was
broken off. Both show only against a copy of the last line's hash that they cannot write: a run keeps it beside its
trajectories (`ledger_hash`), and who wants more keeps it elsewhere. Re-scoring is the other half: a chain says that a
record is unchanged, re-scoring that what it records pays what the rules pay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any

import orjson

START = "0" * 64
"""What the first line names as the line before it."""

_HEAD = b'{"prev":"'
_RECORD_AT = len(_HEAD) + len(START) + len(b'",')
_TAIL = b',"hash":"'
_TAIL_BYTES = len(_TAIL) + len(START) + len(b'"}')
_FOOTER = b'"record":"footer"'


class BreachKind(StrEnum):
    """How a chain is broken."""

    EDITED = "edited"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One place where a chain is broken: the line (from 1), how, and a sentence for people."""

    line: int
    kind: BreachKind
    message: str


def seal(record: bytes, previous: str) -> tuple[bytes, str]:
    """Return the sealed line, newline included, and its hash.

    Args:
        record: a JSON object that is not empty, as `orjson.dumps` writes it.
        previous: the hash of the line before, `START` for the first.
    """
    body = b"".join((_HEAD, previous.encode(), b'",', record[1:-1]))
    digest = blake2b(body, digest_size=32).hexdigest()
    return b"".join((body, _TAIL, digest.encode(), b'"}\n')), digest


def is_sealed(line: bytes) -> bool:
    """Tell whether a line is of the sealed form, true to its hash or not."""
    return line.startswith(_HEAD)


def hash_of(line: bytes) -> str:
    """Return the hash that a sealed line, without its newline, carries; "" if it carries none."""
    tail = line[-_TAIL_BYTES:]
    return tail[len(_TAIL) : -2].decode("ascii", "replace") if tail.startswith(_TAIL) and tail.endswith(b'"}') else ""


def verify(lines: Sequence[bytes]) -> list[Breach]:
    """Return every place where the chain is broken, in the order of lines; an empty list if it is whole.

    Args:
        lines: the whole lines of a ledger, without their newlines.
    """
    hashes = [hash_of(line) for line in lines]
    previous = [line[len(_HEAD) : len(_HEAD) + len(START)].decode("ascii", "replace") for line in lines]
    edited = {i for i, line in enumerate(lines) if not _is_true(line, hashes[i])}
    footers = {i for i, line in enumerate(lines) if line.startswith(_FOOTER, _RECORD_AT)}
    if not edited and footers <= {len(lines) - 1} and previous == [START, *hashes][: len(lines)]:
        return []
    breaches = {i: _edited(i, hashes[i]) for i in edited}
    for breach in _out_of_place(lines, hashes, previous, edited, footers - edited):
        breaches.setdefault(breach.line - 1, breach)
    return [breaches[i] for i in sorted(breaches)]


def _is_true(line: bytes, hashed: str) -> bool:
    return is_sealed(line) and blake2b(line[:-_TAIL_BYTES], digest_size=32).hexdigest() == hashed


def _edited(index: int, hashed: str) -> Breach:
    why = "its content does not match its hash" if hashed else "it carries no hash"
    return Breach(line=index + 1, kind=BreachKind.EDITED, message=f"line {index + 1} was edited: {why}")


def _out_of_place(
    lines: Sequence[bytes], hashes: Sequence[str], previous: Sequence[str], edited: set[int], footers: set[int]
) -> list[Breach]:
    """Name the lines that do not follow the one before them, each cause once."""
    first = {hashed: i for i, hashed in reversed(list(enumerate(hashes)))}
    chain = _written_chain(first, previous, footers)
    last = next(iter(footers & chain), len(lines) - 1)
    followed = set(previous)
    breaches: list[Breach] = []

    def inserted(index: int, why: str) -> None:
        breaches.append(Breach(line=index + 1, kind=BreachKind.INSERTED, message=f"line {index + 1} was put in: {why}"))

    for i, before in enumerate(previous):
        if i in edited:
            continue  # named already, and its `prev` may have been edited with it
        if i > last and i not in chain:
            inserted(i, "it stands after the footer")
            continue
        if before == (hashes[i - 1] if i else START):
            continue
        place = -1 if before == START else first.get(before)
        if first[hashes[i]] < i:
            inserted(i, f"it is line {first[hashes[i]] + 1} once more")
        elif place is None and hashes[i] not in followed and i + 1 < len(lines):
            inserted(i, "it names no line that is there, and none follows from it")
        elif place is None:
            if i - 1 not in edited:
                breaches.append(_gap(i, lines))
        elif place > i:
            message = f"line {i + 1} was moved: it belongs after line {place + 1}"
            breaches.append(Breach(line=i + 1, kind=BreachKind.REORDERED, message=message))
        elif i not in chain:
            inserted(i, "it is not of the chain that the other lines make")
        else:
            for j in range(place + 1, i):
                if j not in chain and j not in edited:
                    inserted(j, "it is not of the chain that the other lines make")
    return breaches


def _written_chain(first: dict[str, int], previous: Sequence[str], footers: set[int]) -> set[int]:
    """Return the lines that were most likely written: the longest chain that ends in a footer and holds no other.

    Without a footer it is the longest chain. An inserted line may well name a line that is there, but few lead to it.
    """
    followed = {first[before] for before in previous if before in first}
    ends = sorted(footers) or [i for i in range(len(previous)) if i not in followed]
    longest: set[int] = set()
    for end in ends:
        chain = {end}
        at = first.get(previous[end])
        while at is not None and at not in chain:
            chain.add(at)
            at = first.get(previous[at])
        if len(chain) > len(longest) and len(chain & footers) <= 1:
            longest = chain
    return longest


def _gap(index: int, lines: Sequence[bytes]) -> Breach:
    """Say what became of the line that a line names as the one before it, and that is not there."""
    if index == 0:
        return Breach(line=1, kind=BreachKind.REMOVED, message="the header was taken out before line 1")
    before, after = _step(lines[index - 1]), _step(lines[index])
    if (
        before is not None and after == before + 1
    ):  # none is missing, so the line before is not the one that was written
        message = f"line {index} was edited and sealed anew: line {index + 1} names another line before it"
        return Breach(line=index, kind=BreachKind.EDITED, message=message)
    message = f"one line or more was taken out between lines {index} and {index + 1}"
    return Breach(line=index + 1, kind=BreachKind.REMOVED, message=message)


def _step(line: bytes) -> int | None:
    """Return the step that a line is of, -1 for the header, None if it says none."""
    try:
        record: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if record.get("record") == "header":
        return -1
    step = record.get("step")
    return step if isinstance(step, int) else None


__all__ = ["START", "Breach", "BreachKind", "hash_of", "is_sealed", "seal", "verify"]
