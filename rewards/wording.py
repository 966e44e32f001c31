"""Detectors in words: the clause that completes "it pays when ...".

Each kind has its wording here, beside the fields that it speaks of. What a wording does not speak of is added in
brackets, and a kind without one is told by the first sentence of its docstring and all its fields; so nothing that a
task asks for is left unsaid, also of kinds and fields that are newer than this module. Detectors inside a detector are
worded the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .spec import Spec
from .templates import value_text

_Words = Callable[[Any], str]


def describe(spec: Spec) -> str:
    """Return what must happen for a detector to fire, as a clause without a full stop.

    Args:
        spec: a detector's description, as written or filled; templates are shown as they are.
    """
    kind = getattr(spec, "kind", "")
    fields, words = _WORDINGS.get(kind, ((), _summary))
    rest = [
        f"{name.replace('_', ' ')}: {_value(getattr(spec, name))}"
        for name, info in type(spec).model_fields.items()
        if name not in ("kind", *fields) and getattr(spec, name) != info.get_default(call_default_factory=True)
    ]
    return words(spec) + (f" ({'; '.join(rest)})" if rest else "")


def every_spec(spec: Spec) -> tuple[Spec, ...]:
    """Return a detector and all those inside it, outermost first."""
    inside = [inner for name in type(spec).model_fields for inner in _specs_in(getattr(spec, name))]
    return spec, *(found for inner in inside for found in every_spec(inner))


def listed(parts: Sequence[str], word: str = "and") -> str:
    """Return "a, b and c"; "" for nothing."""
    return ", ".join(parts) if len(parts) < 2 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _specs_in(value: Any) -> list[Spec]:
    if isinstance(value, Spec):
        return [value]
    if isinstance(value, Mapping):
        return [spec for item in value.values() for spec in _specs_in(item)]
    if isinstance(value, list | tuple):
        return [spec for item in value for spec in _specs_in(item)]
    return []


def _summary(spec: Spec) -> str:
    """Return the first sentence of the detector's docstring."""
    sentence = " ".join((type(spec).__doc__ or type(spec).__name__).split("\n\n")[0].split()).partition(". ")[0]
    return sentence[:1].lower() + sentence[1:].rstrip(".:")


def _value(value: Any) -> str:
    if isinstance(value, Spec):
        return describe(value)
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_value(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        worded = [_value(item) for item in value]
        if any(isinstance(item, Spec) for item in value):
            return ", ".join(f"({i}) {words}" for i, words in enumerate(worded, 1))
        return ", ".join(worded)
    return value_text(value)


def _conditions(what: str, exact: str | None, contains: str | None, pattern: str | None) -> list[str]:
    """Return what is asked of a text, such as 'whose name contains "Save"'."""
    found = [] if exact is None else [f'{what} is "{exact}"']
    found += [] if contains is None else [f'{what} contains "{contains}"']
    return found + ([] if pattern is None else [f"{what} fits the pattern {pattern}"])


def _element(spec: Any, noun: str, prefix: str = "name") -> str:
    """Return an element by role and name: 'the button "Save"', 'a field whose name contains "mail"'."""
    exact, contains, pattern = (getattr(spec, prefix + ending, None) for ending in ("", "_contains", "_pattern"))
    if exact is not None and contains is None and pattern is None:
        return f'the {noun} "{exact}"'
    conditions = _conditions("whose name", exact, contains, pattern)
    return f"{_article(noun)} {noun}" + (f" {listed(conditions)}" if conditions else "")


def _article(noun: str) -> str:
    return "an" if noun[:1] in "aeiou" else "a"


def _says(spec: Any, verb: str = "that says", prefix: str = "text") -> str:
    """Return what an element must say: ' that says "Saved"', or nothing."""
    exact, contains, pattern = (getattr(spec, prefix + ending, None) for ending in ("", "_contains", "_pattern"))
    parts = [] if exact is None else [f'{verb} "{exact}"']
    parts += [] if contains is None else [f'{verb} something with "{contains}" in it']
    parts += [] if pattern is None else [f"{verb} something that fits the pattern {pattern}"]
    return f" {listed(parts)}" if parts else ""


def _url_loaded(spec: Any) -> str:
    query = listed([f"{key}={value}" for key, value in spec.query.items()]) if spec.query else ""
    loads = "loads or is shown without loading" if spec.same_document else "loads"
    return f"the page {spec.path}{' with ' + query if query else ''} {loads}"


def _element_present(spec: Any) -> str:
    states = f", {listed(spec.states)}," if spec.states else ""
    return f"{_element(spec, spec.role or 'element')}{_says(spec)}{states} appears"


def _field_filled(spec: Any) -> str:
    return f"the agent types into {_element(spec, spec.role or 'field')}{_so_that('its text', spec, 'value')}"


def _query_filled(spec: Any) -> str:
    return f"the agent types into {_element(spec, spec.role or 'search field')}{_so_that('its text', spec, 'value')}"


def _so_that(what: str, spec: Any, prefix: str) -> str:
    exact, contains, pattern = (getattr(spec, prefix + ending, None) for ending in ("", "_contains", "_pattern"))
    conditions = listed(_conditions(what, exact, contains, pattern))
    return f" so that {conditions}" if conditions else ""


def _fields_filled(spec: Any) -> str:
    fields = listed([f'"{name}" with "{value}"' for name, value in spec.fields.items()])
    return f"the agent has filled all of these fields: {fields}"


def _clicked(spec: Any) -> str:
    return f"the agent clicks {_element(spec, spec.role or 'element')}"


def _submit_dialog(spec: Any) -> str:
    named = spec.submit_name or spec.submit_name_contains or spec.submit_name_pattern
    after = f"the agent has pressed {_element(spec, 'button', 'submit_name')}" if named else "the agent has sent a form"
    return f"a dialog{_says(spec)} appears after {after}"


def _banner(spec: Any) -> str:
    return f"{_article(spec.roles[0])} {listed(spec.roles, 'or')} element{_says(spec)} appears"


def _title_matches(spec: Any) -> str:
    return f"the page's title changes{_so_that('it', spec, 'title')}"


def _file_created(spec: Any) -> str:
    how = "arrives by download" if spec.download_only else "is created"
    size = {0: "", 1: ", not empty,"}.get(spec.min_bytes, f" of at least {spec.min_bytes} bytes")
    return f"a file {spec.path}{size} {how}"


def _file_matches(spec: Any) -> str:
    parts = [] if spec.extension is None else [f"whose name ends in .{spec.extension.lstrip('.')}"]
    parts += [] if spec.sha256 is None else [f"whose SHA-256 is {spec.sha256}"]
    if spec.sha256_from is not None:
        parts.append(f"whose SHA-256 is what the server's state gives for {spec.sha256_from}")
    file = "a file" if spec.path == "**" else f"a file {spec.path}"
    return f"{file}{' ' if parts else ''}{listed(parts)} comes to be there"


def _directory_updated(spec: Any) -> str:
    folder = spec.path.strip("/")
    where = f"the folder {folder}" if folder else "the workspace"
    return f"a file in {where} is created, changed or moved, and none in it is lost"


def _results_rendered(spec: Any) -> str:
    query = f' for "{spec.query}"' if spec.query is not None else ""
    by = f' with "{spec.submit_name}"' if spec.submit_name is not None else ""
    item = spec.item_role or "result"
    shown = f"at least {spec.min_items} {item}{'s' * (spec.min_items != 1)}"
    named = any(x is not None for x in (spec.role, spec.name, spec.name_contains, spec.name_pattern))
    where = f" in {_element(spec, spec.role or 'list')}" if named else ""
    return f"a search{query} by the agent{by} shows {shown}{where}"


def _entry_opened(spec: Any) -> str:
    page = "a page" if spec.path is None else f"the page {spec.path}"
    heading = listed(_conditions("whose heading", spec.heading, None, spec.heading_pattern))
    return f"the agent's click on {_element(spec, spec.role or 'entry')} opens {page}{' ' if heading else ''}{heading}"


def _answer(spec: Any) -> str:
    if spec.answer_from is not None:
        key = f"what the server's state gives for {spec.answer_from}"
    elif spec.number is not None:
        number = spec.number
        key = f"the number {number:g}" if isinstance(number, float) else f"the number {number}"
    else:
        key = "rightly" if spec.text is None else f'"{spec.text}"'
    key += f", give or take {spec.tolerance:g}" if spec.tolerance else ""
    return f"the agent answers, by done(...), {key}{', in any case of letters' if spec.ignore_case else ''}"


def _server_state(spec: Any) -> str:
    if spec.equals is None:
        return f"this comes to hold of the server's state: {spec.query}"
    return f"in the server's state, {spec.query} comes to be {_value(spec.equals)}"


def _toggle_changed(spec: Any) -> str:
    return f"the agent switches {_element(spec, spec.role or 'checkbox or switch')} {'on' if spec.checked else 'off'}"


_NAME = ("role", "name", "name_contains", "name_pattern")
_TEXT = ("text", "text_contains", "text_pattern")
_SUBMIT = ("submit_name", "submit_name_contains", "submit_name_pattern")


def _all(spec: Any) -> str:
    return f"all of this is so: {'; '.join(map(describe, spec.of))}"


def _any(spec: Any) -> str:
    return ", or ".join(map(describe, spec.of))


def _not(spec: Any) -> str:
    return f"it {'is not now so' if spec.now else 'has not happened'} that {describe(spec.of)}"


def _then(spec: Any) -> str:
    return "first " + ", then ".join(map(describe, spec.steps))


def _count(spec: Any) -> str:
    if spec.distinct is not None:
        return f"{describe(spec.of)}, with {spec.times} different values of {spec.distinct} at least"
    return f"{describe(spec.of)}, at {spec.times} different steps at least"


def _within(spec: Any) -> str:
    start = "the start"
    if spec.since is not None:
        start = describe(spec.since)
    elif spec.since_milestone is not None:
        start = f"{spec.since_milestone} is reached"
    return f"{describe(spec.of)}, at most {spec.steps} step{'s' * (spec.steps != 1)} after {start}"


def _at_end(spec: Any) -> str:
    return f"the agent says that it is done while this is so: {describe(spec.of)}"


def _rubric(spec: Any) -> str:
    known = "" if spec.truth is None else f" (known to be right: {spec.truth})"
    return f'this is judged to be so when the episode is over: "{spec.rubric.rstrip(".")}"{known}'


_WORDINGS: dict[str, tuple[tuple[str, ...], _Words]] = {
    "url_loaded": (("path", "query", "same_document"), _url_loaded),
    "element_present": ((*_NAME, *_TEXT, "states"), _element_present),
    "field_filled": ((*_NAME, "value", "value_pattern"), _field_filled),
    "query_filled": ((*_NAME, "value", "value_pattern"), _query_filled),
    "fields_filled": (("fields",), _fields_filled),
    "clicked": (_NAME, _clicked),
    "submit_dialog": ((*_SUBMIT, *_TEXT), _submit_dialog),
    "banner": ((*_TEXT, "roles"), _banner),
    "title_matches": (("title", "title_contains", "title_pattern"), _title_matches),
    "file_created": (("path", "min_bytes", "download_only"), _file_created),
    "file_matches": (("path", "extension", "sha256", "sha256_from"), _file_matches),
    "directory_updated": (("path",), _directory_updated),
    "results_rendered": ((*_NAME, "query", "min_items", "item_role", "submit_name"), _results_rendered),
    "entry_opened": ((*_NAME, "path", "heading", "heading_pattern"), _entry_opened),
    "answer": (("text", "number", "tolerance", "answer_from", "ignore_case"), _answer),
    "server_state": (("query", "equals"), _server_state),
    "toggle_changed": ((*_NAME, "checked"), _toggle_changed),
    "all": (("of",), _all),
    "any": (("of",), _any),
    "not": (("of", "now"), _not),
    "then": (("steps",), _then),
    "count": (("of", "times", "distinct"), _count),
    "within": (("of", "steps", "since", "since_milestone"), _within),
    "at_end": (("of",), _at_end),
    "rubric": (("rubric", "truth"), _rubric),
}
"""Per kind: the fields that its wording speaks of, and the wording."""

__all__ = ["describe", "every_spec", "listed"]
