"""What is a CSV, JSON, PNG or PDF file, and what only looks like one."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.rewards.file_formats import Picture, Table, read_csv, read_json, read_png
from milepost.rewards.pdf_structure import pdf_pages

from .documents import chunk, packed_pdf, pdf, png


@pytest.mark.parametrize(
    ("content", "table"),
    [
        (b"Name,Amount\nAda,3\n", Table(columns=("Name", "Amount"), rows=1)),
        (b'\xef\xbb\xbfName, Amount\r\n"a, ""b""\nc",3\r\n\r\n', Table(columns=("Name", "Amount"), rows=1)),
        (b"Name\n", Table(columns=("Name",), rows=0)),
        (b"", None),
        (b"\n\n", None),
        (b"Name,Amount\nAda\n", None),  # a row cut short
        (b"Name,Name\na,b\n", None),
        (b"Name,\na,b\n", None),
        (b'Name,Amount\n"Ada,3\n', None),  # a quote without an end
        (b"Name,Amount\nA\x00da,3\n", None),
        (b"Name,Amount\n\xff,3\n", None),
        (b"<html><body>Name, Amount</body></html>\nx", None),
        (png(2, 2), None),
    ],
)
def test_csv(content, table):
    assert read_csv(content) == table


def test_csv_with_another_delimiter():
    assert read_csv(b"a;b\n1;2\n", ";") == Table(columns=("a", "b"), rows=1)


@pytest.mark.parametrize(
    ("content", "valid"),
    [
        (b'{"a": [1]}', True),
        (b"\xef\xbb\xbfnull", True),
        (b"NaN", False),
        (b"{'a': 1}", False),
        (b"", False),
        (b"[1,]", False),
        (b"[" * 5000 + b"]" * 5000, False),
    ],
)
def test_json(content, valid):
    assert (read_json(content) is not None) == valid


def test_a_json_query_that_does_not_fit_finds_nothing():
    value = read_json(b'{"a": 1, "b": ["x", 2]}')
    assert value is not None
    assert (value.asked("a"), value.asked("length(a)"), value.asked("sort(b)")) == (1, None, None)


def test_png():
    good = png(5, 3)
    assert read_png(good) == Picture(width=5, height=3)
    assert read_png(png(1, 1, raw=b"\x00\x01\x02\x03", interlace=1)) == Picture(width=1, height=1)
    passes = [(1, 1), (1, 1), (1, 1), (3, 1), (2, 2), (5, 1)]  # worked by hand; the third of Adam7's seven is empty
    raw = b"".join((b"\x00" + b"abc" * columns) * rows for columns, rows in passes)
    assert read_png(png(5, 3, raw=raw, interlace=1)) == Picture(width=5, height=3)
    assert read_png(png(5, 3, raw=raw[:-1], interlace=1)) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        png(5, 3)[:-1],
        png(5, 3)[:-12],  # no end
        png(5, 3) + b"x",
        png(5, 3)[:8],
        png(5, 3).replace(b"\x00\x00\x00\x05\x00\x00\x00\x03", b"\x00\x00\x00\x06\x00\x00\x00\x03"),  # checksum
        png(5, 3, raw=b"\x00" * 10),  # too few pixels
        png(5, 3, raw=b"\x00" * 1000),  # too many
        png(60_000, 60_000, raw=b""),  # more than is looked at
        b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""),
        b"GIF89a" + png(1, 1),
    ],
)
def test_what_is_no_png(content):
    assert read_png(content) is None


@pytest.mark.parametrize("pages", [1, 2, 7])
def test_pdf(pages):
    assert pdf_pages(pdf(pages)) == pages
    assert pdf_pages(pdf(pages, claimed=99)) == pages
    assert pdf_pages(packed_pdf(pages)) == pages


def test_pdf_in_two_versions():
    first = pdf(1)
    table = first.rindex(b"xref\n0")
    at = len(first)
    more = b"2 0 obj << /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >> endobj\n4 0 obj << /Type /Page >> endobj\n"
    xref = at + len(more)
    second = at + more.index(b"4 0 obj")
    more += f"xref\n2 1\n{at:010} 00000 n \n4 1\n{second:010} 00000 n \n".encode()
    more += f"trailer << /Size 5 /Root 1 0 R /Prev {table} >>\nstartxref\n{xref}\n%%EOF".encode()
    assert pdf_pages(first + more) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"%PDF-1.4\n%%EOF",
        b"%PDF-1.4\n" + b"x" * 200 + b"\nstartxref\n9\n%%EOF",
        pdf(0),
        pdf(2)[:-8],
        b"x" + pdf(2),
        pdf(2).replace(b"/Catalog", b"/Catalogg"),
        pdf(2).replace(b"1 0 obj", b"9 0 obj"),
        pdf(2).replace(b"[3 0 R 4 0 R]", b"[3 0 R 3 0 R]"),  # one page twice
        pdf(2).replace(b"[3 0 R 4 0 R]", b"[3 0 R 2 0 R]"),  # a circle
        pdf(2).replace(b"[3 0 R 4 0 R]", b"[[[[[[[[[[[[["),
        pdf(1).replace(b"<< /Size 4 /Root 1 0 R >>", b"<< /Size 4 >>"),
        packed_pdf(2).replace(b"/FlateDecode", b"/LZWDecodee"),
        png(2, 2),
    ],
)
def test_what_is_no_pdf(content):
    assert pdf_pages(content) is None


GOOD = [pdf(2), packed_pdf(2), png(3, 2), b"a,b\n1,2\n", b'{"a": 1}']


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(GOOD), st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4)), max_size=5))
def test_broken_files_break_nothing(content, edits):
    for at, data in edits:
        content = content[: at % len(content)] + data + content[at % len(content) + len(data) :] or b"x"
    for read in (read_csv, read_json, read_png, pdf_pages):
        read(content)


def test_a_bomb_is_not_unpacked():
    bomb = zlib.compress(b"\x00" * 100_000_000, 9)
    head = chunk(b"IHDR", png(4, 4)[16:29])
    assert read_png(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", bomb) + chunk(b"IEND", b"")) is None
