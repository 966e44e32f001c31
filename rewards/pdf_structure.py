"""Is this really a PDF file, and how many pages has it? Decided from its structure, in bounded time.

A PDF is read from its end: `startxref` leads to the table of objects (plain, or packed into a stream), the trailer to
the catalogue, the catalogue to the tree of pages. The pages are counted as leaves of that tree; the tree's own `/Count`
is not believed. What is drawn on a page is not looked at. Encrypted files count as well: their structure is plain.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

MAX_PAGES = 5_000
MAX_UNPACKED_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 40
_MAX_SECTIONS = 64
_SPACE = b"\x00\t\n\x0c\r "
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)")
_REFERENCE = re.compile(rb"(\d{1,9})[\x00\t\n\x0c\r ]+(\d{1,5})[\x00\t\n\x0c\r ]+R(?![A-Za-z0-9])")
_OBJECT = re.compile(rb"[\x00\t\n\x0c\r ]*(\d{1,9})[\x00\t\n\x0c\r ]+(\d{1,5})[\x00\t\n\x0c\r ]+obj")
_WORD = re.compile(rb"[^\x00\t\n\x0c\r ()<>\[\]{}/%]+")
_ENTRY = re.compile(rb"(\d{10}) (\d{5}) ([nf])[\r\n ]{1,2}")
_SUBSECTION = re.compile(rb"[\x00\t\n\x0c\r ]*(\d{1,9}) (\d{1,9})[ ]*(?:\r\n|\r|\n)")


class BrokenPdfError(ValueError):
    """The content is not what a PDF must be."""


@dataclass(frozen=True, slots=True)
class _Reference:
    number: int


@lru_cache(maxsize=32)
def pdf_pages(content: bytes) -> int | None:
    """Return how many pages a PDF has; None if the content is no PDF, or has none."""
    try:
        return _Pdf(content).pages() or None
    except (BrokenPdfError, IndexError, KeyError, zlib.error):
        return None


class _Pdf:
    def __init__(self, content: bytes) -> None:
        self._data = content
        self._places: dict[int, tuple[int, int] | int] = {}  # offset, or (stream of objects, index in it)
        self._packed: dict[int, list[Any]] = {}
        self._trailer: dict[str, Any] = {}
        if re.match(rb"%PDF-[12]\.\d", content) is None:
            raise BrokenPdfError("no header")
        end = re.search(rb"startxref\s+(\d{1,10})\s+%%EOF\s*\Z", content[-1024:])
        if end is None:
            raise BrokenPdfError("no end")
        self._read_sections(int(end[1]))

    def pages(self) -> int:
        catalogue = self._resolve(self._trailer["Root"])
        if not isinstance(catalogue, dict) or catalogue.get("Type") != "/Catalog":
            raise BrokenPdfError("no catalogue")
        pending, seen, count = [catalogue["Pages"]], set[int](), 0
        while pending:
            node = pending.pop()
            if not isinstance(node, _Reference) or node.number in seen or len(seen) > 2 * MAX_PAGES:
                raise BrokenPdfError("a page tree that is none")
            seen.add(node.number)
            entry = self._resolve(node)
            kind = entry.get("Type") if isinstance(entry, dict) else None
            if kind == "/Page":
                count += 1
            elif kind == "/Pages" and isinstance(kids := self._resolve(entry["Kids"]), list):
                pending += kids
            else:
                raise BrokenPdfError("a page that is none")
            if len(pending) + count > MAX_PAGES:
                raise BrokenPdfError("too many pages")
        return count

    def _read_sections(self, offset: int) -> None:
        pending, seen = [offset], set[int]()
        while pending:
            at = pending.pop(0)
            if at in seen or len(seen) >= _MAX_SECTIONS or at >= len(self._data):
                raise BrokenPdfError("object tables that lead nowhere")
            seen.add(at)
            reader = _Reader(self._data, at)
            reader.skip_space()
            if self._data.startswith(b"xref", reader.at):
                trailer = self._read_table(reader.at + 4)
            else:
                trailer, body = self._stream_at(at)
                self._read_packed_table(trailer, body)
            for key, value in trailer.items():
                self._trailer.setdefault(key, value)
            pending += [trailer[key] for key in ("XRefStm", "Prev") if isinstance(trailer.get(key), int)]

    def _read_table(self, at: int) -> dict[str, Any]:
        while (head := _SUBSECTION.match(self._data, at)) is not None:
            at = head.end()
            for number in range(int(head[1]), int(head[1]) + int(head[2])):
                entry = _ENTRY.match(self._data, at)
                if entry is None:
                    raise BrokenPdfError("a broken object table")
                if entry[3] == b"n":
                    self._places.setdefault(number, int(entry[1]))
                at = entry.end()
        reader = _Reader(self._data, at)
        reader.skip_space()
        if not self._data.startswith(b"trailer", reader.at):
            raise BrokenPdfError("no trailer")
        reader.at += len(b"trailer")
        trailer = reader.value()
        if not isinstance(trailer, dict):
            raise BrokenPdfError("no trailer")
        return trailer

    def _read_packed_table(self, table: dict[str, Any], body: bytes) -> None:
        widths = table["W"]
        if table.get("Type") != "/XRef" or not _are_integers(widths) or len(widths) != 3 or not 0 < sum(widths) < 32:
            raise BrokenPdfError("no object table")
        index = table.get("Index", [0, table["Size"]])
        if not _are_integers(index) or len(index) % 2:
            raise BrokenPdfError("a broken object table")
        at = 0
        for first, count in zip(index[::2], index[1::2], strict=True):
            for number in range(first, first + min(count, len(body))):
                row = body[at : at + sum(widths)]
                if len(row) < sum(widths):
                    raise BrokenPdfError("an object table cut short")
                at += len(row)
                a, b = widths[0], widths[0] + widths[1]
                kind = int.from_bytes(row[:a], "big") if a else 1
                second, third = int.from_bytes(row[a:b], "big"), int.from_bytes(row[b:], "big")
                if kind in (1, 2):
                    self._places.setdefault(number, second if kind == 1 else (second, third))

    def _resolve(self, value: Any, depth: int = 0) -> Any:
        while isinstance(value, _Reference):
            if depth > _MAX_DEPTH:
                raise BrokenPdfError("references in circles")
            depth += 1
            place = self._places.get(value.number)
            if place is None:
                return None
            if isinstance(place, tuple):
                value = self._objects_in(place[0], depth)[place[1]]
            else:
                value = self._object_at(place, value.number)[0]
        return value

    def _object_at(self, at: int, number: int | None = None) -> tuple[Any, _Reader]:
        head = _OBJECT.match(self._data, at)
        if head is None or (number is not None and int(head[1]) != number):
            raise BrokenPdfError("an object that is not where the table says")
        reader = _Reader(self._data, head.end())
        return reader.value(), reader

    def _stream_at(self, at: int, depth: int = 0) -> tuple[dict[str, Any], bytes]:
        entry, reader = self._object_at(at)
        reader.skip_space()
        start = re.compile(rb"stream(\r\n|\n)").match(self._data, reader.at)
        if not isinstance(entry, dict) or start is None:
            raise BrokenPdfError("no stream")
        length = self._resolve(entry["Length"], depth + 1)
        if not isinstance(length, int) or not 0 <= length <= len(self._data) - start.end():
            raise BrokenPdfError("a stream of no length")
        return entry, _unpacked(entry, self._data[start.end() : start.end() + length])

    def _objects_in(self, number: int, depth: int) -> list[Any]:
        if number not in self._packed:
            place = self._places.get(number)
            if not isinstance(place, int):
                raise BrokenPdfError("no stream of objects")
            entry, body = self._stream_at(place, depth)
            count, first = entry["N"], entry["First"]
            if entry.get("Type") != "/ObjStm" or not _are_integers([count, first]) or count > len(body):
                raise BrokenPdfError("no stream of objects")
            head = _Reader(body, 0)
            offsets = [(head.value(), head.value())[1] for _ in range(count)]
            if not _are_integers(offsets):
                raise BrokenPdfError("a broken stream of objects")
            self._packed[number] = [_Reader(body, first + offset).value() for offset in offsets]
        return self._packed[number]


@dataclass(slots=True)
class _Reader:
    """Reads values: names as texts with their slash, strings as bytes, references, numbers, lists and dicts."""

    data: bytes
    at: int
    depth: int = field(default=0)

    def skip_space(self) -> None:
        while self.at < len(self.data):
            if self.data[self.at] in _SPACE:
                self.at += 1
            elif self.data[self.at : self.at + 1] == b"%":
                while self.at < len(self.data) and self.data[self.at] not in b"\r\n":
                    self.at += 1
            else:
                return

    def value(self) -> Any:
        self.skip_space()
        data, at = self.data, self.at
        if self.depth > _MAX_DEPTH:
            raise BrokenPdfError("nested too deep")
        match data[at : at + 1]:
            case b"<" if data[at : at + 2] == b"<<":
                return self._dict()
            case b"<":
                return self._until(b">")
            case b"[":
                return self._items(b"]")
            case b"(":
                return self._string()
            case b"/":
                name = _WORD.match(data, at + 1)
                self.at = at + 1 if name is None else name.end()
                return "/" + ("" if name is None else name[0].decode("latin-1"))
        if (reference := _REFERENCE.match(data, at)) is not None:
            self.at = reference.end()
            return _Reference(int(reference[1]))
        if (number := _NUMBER.match(data, at)) is not None:
            self.at = number.end()
            text = number[0][:20]
            return float(text) if b"." in text else int(text)
        word = _WORD.match(data, at)
        if word is None or word[0] not in (b"true", b"false", b"null"):
            raise BrokenPdfError("no value")
        self.at = word.end()
        return {b"true": True, b"false": False, b"null": None}[word[0]]

    def _dict(self) -> dict[str, Any]:
        self.at += 1  # the second bracket is taken for the opening one of a list
        items = self._items(b">>")
        keys = items[::2]
        if len(items) % 2 or not all(isinstance(key, str) for key in keys):
            raise BrokenPdfError("a broken dictionary")
        return {key[1:]: value for key, value in zip(keys, items[1::2], strict=True)}

    def _items(self, end: bytes) -> list[Any]:
        self.at += 1
        self.depth += 1
        items: list[Any] = []
        while True:
            self.skip_space()
            if self.data.startswith(end, self.at):
                self.at += len(end)
                self.depth -= 1
                return items
            items.append(self.value())

    def _until(self, end: bytes) -> bytes:
        stop = self.data.find(end, self.at)
        if stop < 0:
            raise BrokenPdfError("a string without an end")
        found = self.data[self.at + 1 : stop]
        self.at = stop + len(end)
        return found

    def _string(self) -> bytes:
        start, level = self.at, 0
        while self.at < len(self.data):
            character = self.data[self.at : self.at + 1]
            self.at += 2 if character == b"\\" else 1
            level += (character == b"(") - (character == b")")
            if level == 0:
                return self.data[start + 1 : self.at - 1]
        raise BrokenPdfError("a string without an end")


def _are_integers(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, int) and 0 <= value < 2**31 for value in values)


def _unpacked(entry: dict[str, Any], body: bytes) -> bytes:
    """Return a stream's content; only what tables and streams of objects are packed with is known."""
    packing, how = entry.get("Filter"), entry.get("DecodeParms")
    packing = packing[0] if isinstance(packing, list) and len(packing) == 1 else packing
    how = how[0] if isinstance(how, list) and len(how) == 1 else how
    if packing is None:
        return body
    if packing != "/FlateDecode":
        raise BrokenPdfError("a stream that is packed in an unknown way")
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(body, MAX_UNPACKED_BYTES)
    if unpacker.unconsumed_tail:
        raise BrokenPdfError("a stream that is too large")
    predictor = how.get("Predictor", 1) if isinstance(how, dict) else 1
    if predictor == 1:
        return content
    columns = how.get("Columns", 1) if isinstance(how, dict) else 1
    if not _are_integers([predictor, columns]) or predictor < 10 or not 0 < columns < 64:
        raise BrokenPdfError("a stream that is packed in an unknown way")
    return _unfiltered(content, columns)


def _unfiltered(content: bytes, columns: int) -> bytes:
    """Undo PNG's row filters, of one byte a pixel, of which tables use `none`, `sub` and `up`."""
    above, rows = bytes(columns), []
    for at in range(0, len(content), columns + 1):
        how, row = content[at], bytearray(content[at + 1 : at + 1 + columns])
        if how > 2 or len(row) < columns:
            raise BrokenPdfError("a row that is filtered in an unknown way")
        for i in range(columns if how else 0):
            row[i] = (row[i] + (above[i] if how == 2 else row[i - 1] if i else 0)) % 256
        above = bytes(row)
        rows.append(above)
    return b"".join(rows)


__all__ = ["MAX_PAGES", "pdf_pages"]
