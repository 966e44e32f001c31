"""The detector of files that are as expected: by name, hash, size, format and content."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, WithJsonSchema, model_validator

from ..sandbox.snapshot import FileInfo
from .file_content import recorded, says, text_of
from .file_detectors import size_fits
from .file_formats import read_csv, read_json, read_png
from .needs import Needs
from .page_view import path_matches
from .pdf_structure import pdf_pages
from .spec import Glob, Pattern, Query, StateSpec, Text, ask
from .state_detectors import same_value
from .templates import Style
from .types import Evidence, Moment


class FileMatches(StateSpec):
    """A file with the expected extension and content comes to be there.

    What it holds (`format` and all below it) is judged by what was recorded of it: files of up to 256 KiB, 1 MiB in one
    episode. A larger one meets no such condition.

    Attributes:
        path: glob over the path relative to the workspace.
        extension: what the name must end in, without or with the dot; case does not matter. An empty file counts only
            by its hash, or where `max_bytes` is 0.
        sha256: hex digest of the content.
        sha256_from: JMESPath over the application's state that gives the digest (or a list of acceptable ones).
        min_bytes: how large it must at least be.
        max_bytes: how large it may be.
        format: what it must really be, whatever its name: "csv" (a header of different names, rows as long as it),
            "json", "pdf" (a table of objects, a tree of pages) or "png" (right checksums, all its pixels).
        columns: CSV: names that the header must hold, in any order.
        min_rows: CSV: how many rows must at least follow the header; 1 if absent.
        max_rows: CSV: how many may.
        delimiter: CSV: what stands between the fields.
        query: JSON: JMESPath over the content.
        equals: JSON: what it must give; if absent, anything truthy will do.
        pages: PDF: how many pages it must have.
        width: PNG: its width in pixels.
        height: PNG: its height in pixels.
        content_contains: a part of its text, white space collapsed.
        content_pattern: a regular expression that one of its lines must match as a whole.
    """

    kind: Literal["file_matches"] = "file_matches"
    path: Glob = "**"
    extension: Text | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-fA-F]{64}|\{\w+\})$"), Style.PLAIN] | None = None
    sha256_from: Query | None = None
    min_bytes: int | None = Field(default=None, ge=0)
    max_bytes: int | None = Field(default=None, ge=0)
    format: Literal["csv", "json", "pdf", "png"] | None = None
    columns: tuple[Text, ...] = ()
    min_rows: int | None = Field(default=None, ge=0)
    max_rows: int | None = Field(default=None, ge=0)
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1), Style.PLAIN] | None = None
    query: Query | None = None
    equals: Annotated[JsonValue, WithJsonSchema({})] = None
    pages: int | None = Field(default=None, ge=1)
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    content_contains: Text | None = None
    content_pattern: Pattern | None = None

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        given = {name for name in type(self).model_fields if getattr(self, name) not in (None, ())} - {"kind", "path"}
        if not given:
            raise ValueError(
                "expected extension, sha256, sha256_from, format, size or content, got none; say what the file must be"
            )
        for name in sorted(given & _OF_FORMAT.keys()):
            if self.format != _OF_FORMAT[name]:
                raise ValueError(f"expected `format: {_OF_FORMAT[name]}` beside {name}, got {self.format}; add it")
        if self.equals is not None and self.query is None:
            raise ValueError("expected query beside equals, got none; say what is asked of the content")
        return self

    def needs(self) -> Needs:
        """Return the files whose content it looks into."""
        return Needs(files=frozenset({self.path}) if self._looks_into() else frozenset())

    def holds(self, moment: Moment) -> Evidence | None:
        """Return evidence if such a file is there."""
        wanted: set[str] | None = None
        if self.sha256_from is not None:
            found = ask(self.sha256_from, moment.snapshot.app_state)
            wanted = {str(digest).lower() for digest in (found if isinstance(found, list) else [found]) if digest}
        if self.sha256 is not None:
            wanted = {self.sha256.lower()} if wanted is None else wanted & {self.sha256.lower()}
        ending = None if self.extension is None else "." + self.extension.lower().lstrip(".")
        for file in moment.snapshot.files:
            if (
                path_matches(file.path, self.path)
                and (ending is None or file.path.lower().endswith(ending))
                and (self._may_be_empty(file) if wanted is None else file.sha256.lower() in wanted)
                and size_fits(file, self.min_bytes, self.max_bytes)
                and (seen := self._seen_in(file, moment)) is not None
            ):
                facts = {"path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256, **seen}
                return Evidence(summary=f"{file.path} is as expected", facts=facts)
        return None

    def _may_be_empty(self, file: FileInfo) -> bool:
        return file.size_bytes > 0 or self.max_bytes == 0

    def _looks_into(self) -> bool:
        return self.format is not None or self.content_contains is not None or self.content_pattern is not None

    def _seen_in(self, file: FileInfo, moment: Moment) -> dict[str, Any] | None:
        """Return what was found in a file that is as it must be; None if it is not."""
        if not self._looks_into():
            return {}
        content = recorded(file.sha256, moment)
        if content is None or not says(text_of(content), self.content_contains, self.content_pattern):
            return None
        match self.format:
            case "csv":
                return self._as_csv(content)
            case "json":
                return self._as_json(content)
            case "pdf":
                pages = pdf_pages(content)
                return {"pages": pages} if pages is not None and self.pages in (None, pages) else None
            case "png":
                picture = read_png(content)
                if (
                    picture is None
                    or self.width not in (None, picture.width)
                    or self.height not in (None, picture.height)
                ):
                    return None
                return {"width": picture.width, "height": picture.height}
        return {}

    def _as_png(self, content: bytes) -> dict[str, Any] | None:
        picture = read_png(content)
        if picture is None or self.width not in (None, picture.width) or self.height not in (None, picture.height):
            return None
        return {"width": picture.width, "height": picture.height}

    def _as_csv(self, content: bytes) -> dict[str, Any] | None:
        table = read_csv(content, self.delimiter or ",")
        if table is None or not set(self.columns) <= set(table.columns):
            return None
        fewest = 1 if self.min_rows is None else self.min_rows
        if table.rows < fewest or (self.max_rows is not None and table.rows > self.max_rows):
            return None
        return {"columns": list(table.columns), "rows": table.rows}

    def _as_json(self, content: bytes) -> dict[str, Any] | None:
        json = read_json(content)
        if json is None or self.query is None:
            return None if json is None else {}
        found = json.asked(self.query)
        right = bool(found) if self.equals is None else same_value(found, self.equals)
        return {"found": found} if right else None


_OF_FORMAT = {
    **dict.fromkeys(("columns", "min_rows", "max_rows", "delimiter"), "csv"),
    **dict.fromkeys(("query", "equals"), "json"),
    **dict.fromkeys(("width", "height"), "png"),
    "pages": "pdf",
}
