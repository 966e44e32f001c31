"""Is this really a CSV, JSON or PNG file? Decided from the content alone, in bounded time; for PDF see `pdf_structure`.

The content is the agent's, so it may be anything. What cannot be read is no such file; nothing is raised for it.
"""

from __future__ import annotations

import csv
import io
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jmespath
import orjson
from jmespath.exceptions import JMESPathError

from .file_content import text_of

MAX_PNG_BYTES = 64 * 1024 * 1024
"""Most bytes of unpacked pixels that are looked at."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A CSV file: the names in its header, and how many rows follow it."""

    columns: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonValue:
    """A JSON file's value."""

    value: Any

    def asked(self, query: str) -> Any:
        """Return what a JMESPath query finds in it; None also where the query does not fit it."""
        try:
            return jmespath.search(query, self.value)
        except (JMESPathError, TypeError, ValueError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG file's size in pixels."""

    width: int
    height: int


@lru_cache(maxsize=32)
def read_csv(content: bytes, delimiter: str = ",") -> Table | None:
    """Return the table that a content is: UTF-8, a header of different names, and rows that are all as long as it.

    Empty lines are passed over. None if it is no such table.
    """
    text = text_of(content)
    if text is None or any(ord(c) < 32 and c not in "\t\r\n" for c in text):
        return None
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
    except csv.Error:
        return None
    if not rows:
        return None
    columns = tuple(name.strip() for name in rows[0])
    if not all(columns) or len(set(columns)) < len(columns) or any(len(row) != len(columns) for row in rows):
        return None
    return Table(columns=columns, rows=len(rows) - 1)


@lru_cache(maxsize=32)
def read_json(content: bytes) -> JsonValue | None:
    """Return the JSON value that a content is (strictly: no NaN, no comments); None if it is none."""
    try:
        return JsonValue(value=orjson.loads(content.removeprefix(b"\xef\xbb\xbf")))
    except orjson.JSONDecodeError:
        return None


@lru_cache(maxsize=32)
def read_png(content: bytes) -> Picture | None:
    """Return the picture that a content is: whole chunks with right checksums, and exactly the pixels of its size."""
    chunks = _png_chunks(content)
    if chunks is None or chunks[0][0] != b"IHDR" or chunks[-1] != (b"IEND", b"") or len(chunks[0][1]) != 13:
        return None
    width, height, depth, colour, packing, filtering, interlace = struct.unpack(">IIBBBBB", chunks[0][1])
    if not (0 < width < 2**31 and 0 < height < 2**31 and depth in _DEPTHS.get(colour, ())):
        return None
    if packing or filtering or interlace > 1 or (colour == 3 and b"PLTE" not in dict(chunks)):
        return None
    bits = depth * _CHANNELS[colour]
    size = _raw_bytes(width, height, bits) if not interlace else _raw_bytes_interlaced(width, height, bits)
    if size > MAX_PNG_BYTES:
        return None
    packed = b"".join(data for kind, data in chunks if kind == b"IDAT")
    return Picture(width=width, height=height) if _unpacks_to(packed, size) else None


def _png_chunks(content: bytes) -> list[tuple[bytes, bytes]] | None:
    if not content.startswith(_PNG_SIGNATURE):
        return None
    chunks: list[tuple[bytes, bytes]] = []
    at = len(_PNG_SIGNATURE)
    while at < len(content):
        if at + 12 > len(content):
            return None
        (length,) = struct.unpack_from(">I", content, at)
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        if at + 12 + length > len(content):
            return None
        (checksum,) = struct.unpack_from(">I", content, at + 8 + length)
        if zlib.crc32(data, zlib.crc32(kind)) != checksum:
            return None
        chunks.append((kind, data))
        at += 12 + length
    return chunks or None


def _raw_bytes(width: int, height: int, bits: int) -> int:
    return height * (1 + (width * bits + 7) // 8) if width and height else 0


def _raw_bytes_interlaced(width: int, height: int, bits: int) -> int:
    return sum(
        _raw_bytes((width - x + dx - 1) // dx, (height - y + dy - 1) // dy, bits)
        for x, y, dx, dy in _ADAM7
        if width > x and height > y
    )


def _unpacks_to(packed: bytes, size: int) -> bool:
    unpacker, total = zlib.decompressobj(), 0
    try:
        while packed and not unpacker.eof and total <= size:
            total += len(unpacker.decompress(packed, 1 << 20))
            packed = unpacker.unconsumed_tail
    except zlib.error:
        return False
    return unpacker.eof and total == size


__all__ = ["JsonValue", "Picture", "Table", "read_csv", "read_json", "read_png"]
