"""Reading a configuration: a YAML file, `key=value` overrides, and messages that say what would fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from ..sandbox.errors import RunError

S = TypeVar("S", bound=BaseModel)


def load_settings(path: Path, overrides: Sequence[str], settings: type[S], *, kind: str, example: str) -> S:
    """Read a configuration.

    Args:
        path: YAML file with the fields of `settings`.
        overrides: `key=value` items, dots reaching into sections (`warm_start.epochs=1`); values are YAML.
        settings: what it must fit.
        kind: of configuration, for messages.
        example: a file of that kind, for messages.

    Raises:
        RunError: the file is missing, is no YAML, or a key or value does not fit; says which and what would.
    """
    data = read_mapping(path, example)
    for item in overrides:
        override(data, item)
    return fitted(data, settings, f"{path} with {len(overrides)} overrides is no valid {kind} configuration")


def read_mapping(path: Path, example: str) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; `example` names one that does.

    Raises:
        RunError: it is missing, is no YAML, or holds something else.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(
            f"cannot read the configuration {path}: {error.strerror}. Give a YAML file, such as {example}."
        ) from error
    except yaml.YAMLError as error:
        raise RunError(f"{path} is not valid YAML: {error}. Mend the line it names.") from error
    if not isinstance(data, dict):
        raise RunError(f"{path}: expected a mapping of settings at the top, got {type(data).__name__}.")
    return data


def fitted(data: Any, settings: type[S], wrong: str) -> S:
    """Return the data as `settings`.

    Raises:
        RunError: it does not fit; begins with `wrong`, and names the nearest setting for each unknown one.
    """
    try:
        return settings.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(_told(e, settings) for e in error.errors())
        raise RunError(f"{wrong}: {problems}. Known settings: {', '.join(settings.model_fields)}.") from error


def _told(error: Mapping[str, Any], settings: type[BaseModel]) -> str:
    where = [str(part) for part in error["loc"]]
    told = f"{'.'.join(where)}: {error['msg']}" if where else str(error["msg"])
    if error["type"] != "extra_forbidden":
        return f"{told} (got {error['input']!r})" if where else told
    known = _keys_beside(settings, where)
    near = get_close_matches(where[-1], known, n=1, cutoff=0.5)
    return f"{told} (got {error['input']!r}{f'; the nearest setting is {near[0]}' if near else ''})"


def _keys_beside(settings: type[BaseModel], where: Sequence[str]) -> list[str]:
    """Return the settings of the section in which `where` lies."""
    section = settings
    for part in where[:-1]:
        field = section.model_fields.get(part)
        kinds = () if field is None else (field.annotation, *get_args(field.annotation))
        inner = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
        if inner is None:
            return []
        section = inner
    return list(section.model_fields)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings below with those above over them, section by section."""
    out = dict(below)
    for key, value in above.items():
        under = out.get(key)
        out[key] = merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return out


def override(data: dict[str, Any], item: str) -> None:
    """Put one `key=value` item into the data, dots reaching into sections.

    Raises:
        RunError: it has no such form, its value is no YAML, or a section is a value.
    """
    key, separator, value = item.partition("=")
    if not separator or not key:
        raise RunError(f"override {item!r}: expected key=value, for example iterations=5 or warm_start.epochs=1.")
    *sections, last = key.split(".")
    for section in sections:
        inner = data.setdefault(section, {})
        if not isinstance(inner, dict):
            raise RunError(f"override {item!r}: {section!r} is a value, not a section.")
        data = inner
    try:
        data[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RunError(f"override {item!r}: its value is no YAML: {error}. Quote it, or mend it.") from error


__all__ = ["fitted", "load_settings", "merged", "override", "read_mapping"]
