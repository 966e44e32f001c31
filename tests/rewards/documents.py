"""Small files of each format, made by hand, and the events that record them."""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from typing import Any

from milepost.sandbox import events as ev
from milepost.sandbox.snapshot import FileInfo


def info(path: str, content: bytes) -> FileInfo:
    return FileInfo(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def content(path: str, data: bytes, *, recorded: bool = True) -> dict[str, Any]:
    """Return the event that records a file's content."""
    try:
        text, is_base64 = data.decode(), False
    except UnicodeDecodeError:
        text, is_base64 = base64.b64encode(data).decode(), True
    return {
        "cls": ev.FileContent,
        "origin": "files",
        "path": path,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "data": text if recorded else None,
        "is_base64": is_base64 and recorded,
    }


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, raw: bytes | None = None, interlace: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlace)
    pixels = (b"\x00" + b"\x10\x20\x30" * width) * height if raw is None else raw
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def pdf(pages: int, *, claimed: int | None = None) -> bytes:
    """Return a PDF with a plain table of objects; `claimed` is what its page tree says of itself."""
    kids = " ".join(f"{3 + i} 0 R" for i in range(pages))
    objects = ["<< /Type /Catalog /Pages 2 0 R /Lang (en\\) x) >>"]
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {pages if claimed is None else claimed} >>")
    objects += ["<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792.5] >>"] * pages
    body, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, text in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    size = len(objects) + 1
    end = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n".encode()
    return body + f"xref\n0 {size}\n0000000000 65535 f \n".encode() + table + end


def packed_pdf(pages: int) -> bytes:
    """Return a PDF whose objects lie in a stream, and whose table is a stream with a predictor, as PDF 1.5 has it."""
    kids = " ".join(f"{3 + i} 0 R" for i in range(pages))
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {pages}>>"]
    objects += ["<</Type/Page/Parent 2 0 R>>"] * pages
    offsets, texts = [], ""
    for text in objects:
        offsets.append(len(texts))
        texts += text + " "
    head = " ".join(f"{number} {offset}" for number, offset in enumerate(offsets, start=1)) + " "
    stream = zlib.compress((head + texts).encode())
    holder, table = len(objects) + 1, len(objects) + 2
    body = b"%PDF-1.5\n"
    place = len(body)
    body += f"{holder} 0 obj <</Type/ObjStm/N {len(objects)}/First {len(head)}".encode()
    body += f"/Filter/FlateDecode/Length {len(stream)}>> stream\n".encode() + stream + b"\nendstream endobj\n"
    at = len(body)
    rows = [(0, 0, 0), *((2, holder, i) for i in range(len(objects))), (1, place, 0), (1, at, 0)]
    above, filtered = bytes(5), b""
    for kind, second, third in rows:
        row = struct.pack(">BHH", kind, second, third)
        filtered += b"\x02" + bytes((x - y) % 256 for x, y in zip(row, above, strict=True))
        above = row
    stream = zlib.compress(filtered)
    body += f"{table} 0 obj <</Type/XRef/Size {table + 1}/W[1 2 2]/Root 1 0 R/Filter/FlateDecode".encode()
    body += f"/DecodeParms<</Predictor 12/Columns 5>>/Length {len(stream)}>> stream\n".encode() + stream
    return body + f"\nendstream endobj\nstartxref\n{at}\n%%EOF".encode()
