"""YAML with line numbers: plain data out of a task file, and where each part of it stands.

Only what JSON could say is read (plus comments): no tags, no merge keys, no repeated keys. Size, depth and the number
of values are bounded, so that a file cannot blow up through its aliases.
"""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from ..sandbox.errors import TaskError

MAX_FILE_BYTES = 256 * 1024
_MAX_VALUES = 20_000
_MAX_DEPTH = 20
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document.

    Attributes:
        data: plain data: dicts, lists, texts, numbers, booleans, None.
        path: the file.
        lines: line number (from 1) of each part, by the keys and indices that lead to it; an entry of a
            mapping stands where its key does.
    """

    data: Any
    path: Path
    lines: dict[tuple[str | int, ...], int]

    def line_of(self, location: Sequence[str | int]) -> int:
        """Return the line of a part, or of the innermost part around it that is in the file.

        Steps of the location that are not keys of the file (names of alternatives) are passed over.
        """
        return self.lines[self._innermost(location)]

    def place_of(self, location: Sequence[str | int]) -> tuple[str | int, ...]:
        """Return the location without those of its steps that are not in the file; the last one is kept."""
        here = self._innermost(location)
        return here if not location or (here and here[-1] == location[-1]) else (*here, location[-1])

    def _innermost(self, location: Sequence[str | int]) -> tuple[str | int, ...]:
        here: tuple[str | int, ...] = ()
        for part in location:
            if (*here, part) in self.lines:
                here = (*here, part)
        return here


class _Reader:
    """Turns one document's nodes into plain data, counting as it goes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[tuple[str | int, ...], int] = {}
        self._loader = yaml.SafeLoader("")

    def read(self, node: yaml.Node, where: tuple[str | int, ...] = ()) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(where, line)
        if len(self.lines) > _MAX_VALUES or len(where) > _MAX_DEPTH:
            raise _problem(
                self.path,
                line,
                f"at most {_MAX_VALUES} values, nested {_MAX_DEPTH} deep",
                "more",
                "take out aliases (*name)",
            )
        if node.tag not in _PLAIN_TAGS:
            got = f"{node.tag.removeprefix('tag:yaml.org,2002:')} {getattr(node, 'value', '')!s:.40}"
            raise _problem(
                self.path, line, "texts, numbers, booleans, lists and mappings", got, "put the value in quotes"
            )
        if isinstance(node, yaml.MappingNode):
            result: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
                key_line = key_node.start_mark.line + 1
                if key is None or key in result:
                    got = "a list or mapping as key" if key is None else f"{key!r} a second time"
                    raise _problem(self.path, key_line, "each key once, as a text", got, "rename or remove it")
                self.lines[(*where, key)] = key_line
                result[key] = self.read(value_node, (*where, key))
            return result
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*where, i)) for i, child in enumerate(node.value)]
        try:
            return self._loader.construct_object(node, deep=True)
        except (ValueError, yaml.YAMLError) as error:
            raise _problem(self.path, line, "a plain value", f"{node.value!r} ({error})", "put it in quotes") from error


def read_documents(path: Path) -> list[Document]:
    """Read every YAML document of a file.

    Raises:
        TaskError: the file is missing, too large, not UTF-8, not YAML, or holds no document.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise TaskError(
            f"cannot read the task file {path}: {error.strerror}; check the path and its permissions"
        ) from error
    if len(raw) > MAX_FILE_BYTES:
        raise TaskError(f"{path}: expected a task file of at most {MAX_FILE_BYTES} bytes, got {len(raw)}; split it")
    try:
        nodes = _composed(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise TaskError(
            f"{path}: expected UTF-8 text, got byte {raw[error.start]:#04x} at offset {error.start}; save it as UTF-8"
        ) from error
    except yaml.MarkedYAMLError as error:
        open_to_the_end = "end of stream" in (error.problem or "")  # then where it was opened says more
        marks = (error.problem_mark, error.context_mark)
        mark = next(filter(None, reversed(marks) if open_to_the_end else marks), None)
        line = mark.line + 1 if mark is not None else 1
        raise _problem(
            path,
            line,
            "YAML",
            f"{error.problem or error.context}",
            _cure_of(error.problem or ""),
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _problem(
            path, 1, "YAML", str(error) or "nesting without end", "write it as plain mappings and lists"
        ) from error
    if not nodes:
        raise TaskError(f"{path}:1: expected a task, got an empty file; start from one of the bundled tasks")
    documents = []
    for node in nodes:
        reader = _Reader(path)
        documents.append(Document(data=reader.read(node), path=path, lines=reader.lines))
    return documents


def _composed(text: str) -> list[yaml.Node]:
    """Return the documents' nodes.

    What libyaml refuses is read again by PyYAML's own parser, whose messages are plainer.
    """
    if _Quick is not None:
        with contextlib.suppress(yaml.YAMLError, RecursionError):
            return [node for node in yaml.compose_all(text, Loader=_Quick) if node is not None]
    return [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]


def _quick_loader() -> Any:
    """Return a loader that parses by libyaml, in a third of the time; None where PyYAML was built without it.

    It composes in Python: PyYAML's C composer recurses without a bound, and a file of brackets overruns its stack.
    """
    if not yaml.__with_libyaml__:
        return None
    CParser: Any = import_module("yaml.cyaml").CParser

    class Quick(yaml.composer.Composer, CParser, yaml.constructor.SafeConstructor, yaml.resolver.Resolver):  # type: ignore[misc]
        def __init__(self, stream: str) -> None:
            CParser.__init__(self, stream)
            yaml.composer.Composer.__init__(self)
            yaml.constructor.SafeConstructor.__init__(self)
            yaml.resolver.Resolver.__init__(self)

    return Quick


_Quick = _quick_loader()


def matching_files(path_or_glob: str | Path) -> list[Path]:
    """Return the files that a path or glob pattern names, sorted; of a folder, its *.yaml and *.yml files.

    Raises:
        TaskError: there are none.
    """
    given = Path(path_or_glob)
    if given.is_dir():
        found = sorted([*given.glob("*.yaml"), *given.glob("*.yml")])
    elif given.exists():
        found = [given]
    else:
        found = sorted(Path(name) for name in glob.glob(str(path_or_glob), recursive=True) if Path(name).is_file())
    if not found:
        raise TaskError(
            f"expected task files at {path_or_glob}, found none (looked from {Path.cwd()}); give the path of a .yaml "
            'file, a folder, or a pattern in quotes such as "tasks/*.yaml"'
        )
    return found


def _cure_of(problem: str) -> str:
    """Return what to do about a problem that the YAML parser names."""
    if r"'\t'" in problem:
        return "indent with spaces, never with a tab"
    if "expected <block end>" in problem and "<scalar>" in problem:
        return "put quotes around a text with braces or quotes in it, and look above for a quote that is not closed"
    if "expected <block end>" in problem:
        return "give the line as many spaces as those it belongs with"
    if "unexpected end of stream" in problem:
        return "close the quotes"
    return "texts with ': ', '#', quotes or braces need quotes around them"


def _problem(path: Path, line: int, expected: str, got: str, cure: str) -> TaskError:
    return TaskError(f"{path}:{line}: expected {expected}, got {got}; {cure}")


__all__ = ["MAX_FILE_BYTES", "Document", "matching_files", "read_documents"]
