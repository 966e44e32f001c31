"""The wording of each kind of detector that is not made of others, beside the fields that it speaks of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .phrases import (
    article,
    conditions,
    element,
    from_state,
    how,
    listed,
    plain_value,
    says,
    size,
    so_that,
    texts,
    with_query,
)

Words = Callable[[Any], str]

_FORMATS = {"csv": "a real CSV table", "json": "real JSON", "pdf": "a real PDF", "png": "a real PNG picture"}
_CHANGES = {"created": "is created", "modified": "is changed", "deleted": "is deleted", "moved": "is moved there"}


def _url_loaded(spec: Any) -> str:
    loads = "loads or is shown without loading" if spec.same_document else "loads"
    early = ", its pictures and frames or not" if spec.load_state == "domcontentloaded" else ""
    return f"the page {spec.path}{with_query(spec.query)} {loads}{early}"


def _element_present(spec: Any) -> str:
    states = f", {listed(spec.states)}," if spec.states else ""
    return f"{element(spec, spec.role or 'element')}{says(spec)}{states} appears"


def _element_gone(spec: Any) -> str:
    return f"{element(spec, spec.role or 'element')}{says(spec)} disappears{how(spec)}"


def _element_changed(spec: Any) -> str:
    becomes = conditions("its text", *texts(spec, "to_text")) + conditions("its value", *texts(spec, "to_value"))
    becomes += [f"it is {state}" for state in spec.gained] + [f"it is no longer {state}" for state in spec.lost]
    return f"{element(spec, spec.role or 'element')} changes so that {listed(becomes)}{how(spec)}"


def _focused(spec: Any) -> str:
    return f"the agent's input moves the focus to {element(spec, spec.role or 'element')}"


def _field_filled(spec: Any) -> str:
    return f"the agent types into {element(spec, spec.role or 'field')}{so_that('its text', spec, 'value')}"


def _query_filled(spec: Any) -> str:
    return f"the agent types into {element(spec, spec.role or 'search field')}{so_that('its text', spec, 'value')}"


def _fields_filled(spec: Any) -> str:
    fields = listed([f'"{name}" with "{value}"' for name, value in spec.fields.items()])
    return f"the agent has filled all of these fields: {fields}"


def _clicked(spec: Any) -> str:
    return f"the agent clicks {element(spec, spec.role or 'element')}"


def _toggle_changed(spec: Any) -> str:
    return f"the agent switches {element(spec, spec.role or 'checkbox or switch')} {'on' if spec.checked else 'off'}"


def _submit_dialog(spec: Any) -> str:
    named = spec.submit_name or spec.submit_name_contains or spec.submit_name_pattern
    after = f"the agent has pressed {element(spec, 'button', 'submit_name')}" if named else "the agent has sent a form"
    return f"a dialog{says(spec)} appears after {after}"


def _dialog_closed(spec: Any) -> str:
    if spec.accepted is not None:
        return f"a dialog of the browser{says(spec)} is {'accepted' if spec.accepted else 'dismissed'}"
    if spec.button is not None:
        return f'a dialog of the page{says(spec)} closes when the agent clicks the button "{spec.button}"{how(spec)}'
    return f"a dialog{says(spec)} is closed or answered{how(spec)}"


def _banner(spec: Any) -> str:
    return f"{article(spec.roles[0])} {listed(spec.roles, 'or')} element{says(spec)} appears"


def _title_matches(spec: Any) -> str:
    return f"the page's title changes{so_that('it', spec, 'title')}"


def _tab_opened(spec: Any) -> str:
    parts = [] if spec.path is None else [f"at {spec.path}"]
    parts += conditions("whose title", *texts(spec, "title"))
    return f"a tab {listed(parts)} opens{how(spec)}"


def _region_changed(spec: Any) -> str:
    left, top, width, height = spec.region
    where = f"the {width} x {height} pixels that begin {left} from the left and {top} from the top of the viewport"
    since = "at the reset" if spec.since == "reset" else "a step before"
    return f"at least {spec.percent:g} % of {where} look different from how they looked {since}{how(spec)}"


def _request_sent(spec: Any) -> str:
    carries = [f"whose form has {key}={value}" for key, value in spec.form.items()]
    carries += conditions("whose body", None, spec.body_contains, spec.body_pattern)
    carries += [] if spec.body_query is None else [_json("in whose JSON", spec.body_query, spec.equals)]
    carries += [] if spec.status is None else [f"which is answered {spec.status}"]
    method = "" if spec.method is None else f"{spec.method} "
    request = f"{method}request to {spec.path}{with_query(spec.query)}{', ' * bool(carries)}{listed(carries)}"
    return f"the page sends a {request}{how(spec)}"


def _json(where: str, query: str, equals: Any) -> str:
    return f"{where} {query} {'holds' if equals is None else f'is {plain_value(equals)}'}"


def _process_ran(spec: Any) -> str:
    exact, contains, pattern = texts(spec, "command")
    parts = [] if contains is None else [f'with "{contains}" in it']
    parts += [] if pattern is None else [f"that fits the pattern {pattern}"]
    given = (
        f"a command {listed(parts)}" if exact is None else f'the command "{exact}"{" " * bool(parts)}{listed(parts)}'
    )
    status = "whatever its exit code" if spec.exit_code == "any" else f"with exit code {spec.exit_code}"
    return f"the agent runs {given} and it ends, {status}"


def _file_created(spec: Any) -> str:
    arrives = "arrives by download" if spec.download_only else "is created"
    if spec.min_bytes == 1:
        large = ", not empty" + ("" if spec.max_bytes is None else f", of at most {spec.max_bytes} bytes") + ","
    else:
        large = size(spec)
    return f"a file {spec.path}{large} {arrives}"


def _file_changed(spec: Any) -> str:
    if spec.moved_from is not None:
        change = f"is moved there from {spec.moved_from}"
    else:
        change = _CHANGES.get(spec.change, "is created, changed or deleted, or moved there")
    return f"a file {spec.path}{size(spec)} {change}"


def _file_matches(spec: Any) -> str:
    inside = _inside(spec)
    parts = [inside] if inside else []
    parts = parts if spec.format is None else [f"that is {' '.join((_FORMATS[spec.format], *parts))}"]
    parts += [] if spec.extension is None else [f"whose name ends in .{spec.extension.lstrip('.')}"]
    parts += [] if spec.sha256 is None else [f"whose SHA-256 is {spec.sha256}"]
    parts += [] if spec.sha256_from is None else [f"whose SHA-256 is {from_state(spec.sha256_from)}"]
    parts += [] if spec.content_contains is None else [f'whose text contains "{spec.content_contains}"']
    parts += [] if spec.content_pattern is None else [f"one of whose lines fits the pattern {spec.content_pattern}"]
    file = "a file" if spec.path == "**" else f"a file {spec.path}"
    return f"{file}{size(spec)}{' ' if parts else ''}{listed(parts)} comes to be there"


def _inside(spec: Any) -> str:
    """Return what a file of a format must have inside: 'with the columns "Month" and "Total"', or nothing."""
    has = [f"the columns {listed([*map(plain_value, spec.columns)])}"] if spec.columns else []
    has += [] if spec.min_rows is None else [f"at least {_number(spec.min_rows, 'row')}"]
    has += [] if spec.max_rows is None else [f"at most {_number(spec.max_rows, 'row')}"]
    has += [] if spec.delimiter is None else [f'"{spec.delimiter}" between its fields']
    has += [] if spec.pages is None else [_number(spec.pages, "page")]
    has += [] if spec.width is None else [f"a width of {_number(spec.width, 'pixel')}"]
    has += [] if spec.height is None else [f"a height of {_number(spec.height, 'pixel')}"]
    if spec.query is not None:
        return _json("in which", spec.query, spec.equals)
    return f"with {listed(has)}" if has else ""


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _directory_updated(spec: Any) -> str:
    folder = spec.path.strip("/")
    where = f"the folder {folder}" if folder else "the workspace"
    return f"a file in {where} is created, changed or moved, and none in it is lost"


def _results_rendered(spec: Any) -> str:
    query = f' for "{spec.query}"' if spec.query is not None else ""
    by = f' with "{spec.submit_name}"' if spec.submit_name is not None else ""
    shown = f"at least {_number(spec.min_items, spec.item_role or 'result')}"
    named = any(x is not None for x in (spec.role, spec.name, spec.name_contains, spec.name_pattern))
    where = f" in {element(spec, spec.role or 'list')}" if named else ""
    return f"a search{query} by the agent{by} shows {shown}{where}"


def _entry_opened(spec: Any) -> str:
    page = "a page" if spec.path is None else f"the page {spec.path}"
    heading = listed(conditions("whose heading", spec.heading, None, spec.heading_pattern))
    return f"the agent's click on {element(spec, spec.role or 'entry')} opens {page}{' ' if heading else ''}{heading}"


def _answer(spec: Any) -> str:
    if spec.answer_from is not None:
        key = from_state(spec.answer_from) + (", a list in its order" if spec.ordered else "")
    elif spec.number is not None:
        key = f"the number {_key(spec.number, mark='')}"
    elif spec.any_of:
        key = listed([*map(_key, spec.any_of)], "or")
    elif spec.items:
        order = "in this order" if spec.ordered else "in any order"
        key = f"the list of {listed([*map(_key, spec.items)])}, {order}"
    else:
        key = _key(spec.text)
    off = [f"{spec.tolerance:g}"] if spec.tolerance else []
    off += [f"{100 * spec.relative_tolerance:g} %"] if spec.relative_tolerance else []
    key += f", give or take {' or '.join(off)}" if off else ""
    return f"the agent answers, by done(...), {key}{', in any case of letters' if spec.ignore_case else ''}"


def _key(value: float | str, mark: str = '"') -> str:
    return f"{value:g}" if isinstance(value, float) else f"{mark}{value}{mark}"


def _server_state(spec: Any) -> str:
    if spec.equals is None:
        return f"this comes to hold of the server's state: {spec.query}"
    return f"in the server's state, {spec.query} comes to be {plain_value(spec.equals)}"


def _data_transferred(spec: Any) -> str:
    source, target = spec.source, spec.target
    named = any((source.role, source.name, source.name_contains, source.name_pattern))
    if source.query is not None:
        value = from_state(source.query)
    else:
        value = "a value" if source.pattern is None else f"a value that fits the pattern {source.pattern}"
    if source.file is not None:
        seen = f"read in a file {source.file}"
    else:
        place = element(source, source.role or "element") if named else "the page"
        seen = f"seen in {place}" + ("" if source.page is None else f" of the page {source.page}")
    if target.file is not None:
        to = f"a file {target.file}"
    elif target.query is not None:
        to = from_state(target.query)
    else:
        to = f"{element(target, target.role or 'field')} by the agent's input"
    return f"{value}, {seen} at an earlier step, comes into {to}{', among other words or not' * target.contains}"


_NAME = ("role", "name", "name_contains", "name_pattern")
_TEXT = ("text", "text_contains", "text_pattern")
_TITLE = ("title", "title_contains", "title_pattern")
_SUBMIT = ("submit_name", "submit_name_contains", "submit_name_pattern")
_SIZE = ("min_bytes", "max_bytes")
_CSV = ("columns", "min_rows", "max_rows", "delimiter")
_INSIDE = ("format", *_CSV, "query", "equals", "pages", "width", "height", "content_contains", "content_pattern")
_BODY = ("form", "body_contains", "body_pattern", "body_query", "equals")
_CHANGED = ("to_text", "to_text_contains", "to_text_pattern", "to_value", "to_value_pattern", "gained", "lost")
_KEYS = ("text", "number", "any_of", "items", "answer_from")

LEAVES: dict[str, tuple[tuple[str, ...], Words]] = {
    "url_loaded": (("path", "query", "same_document", "load_state"), _url_loaded),
    "element_present": ((*_NAME, *_TEXT, "states"), _element_present),
    "element_gone": ((*_NAME, *_TEXT, "same_document", "after_input"), _element_gone),
    "element_changed": ((*_NAME, *_CHANGED, "after_input"), _element_changed),
    "focused": (_NAME, _focused),
    "field_filled": ((*_NAME, "value", "value_pattern"), _field_filled),
    "query_filled": ((*_NAME, "value", "value_pattern"), _query_filled),
    "fields_filled": (("fields",), _fields_filled),
    "clicked": (_NAME, _clicked),
    "toggle_changed": ((*_NAME, "checked"), _toggle_changed),
    "submit_dialog": ((*_SUBMIT, *_TEXT), _submit_dialog),
    "dialog_closed": ((*_TEXT, "accepted", "button", "same_document"), _dialog_closed),
    "banner": ((*_TEXT, "roles"), _banner),
    "title_matches": (_TITLE, _title_matches),
    "tab_opened": (("path", *_TITLE, "after_input"), _tab_opened),
    "region_changed": (("region", "percent", "since", "same_document", "after_input"), _region_changed),
    "request_sent": (("path", "method", "query", "status", *_BODY, "after_input"), _request_sent),
    "process_ran": (("command", "command_contains", "command_pattern", "exit_code"), _process_ran),
    "file_created": (("path", *_SIZE, "download_only"), _file_created),
    "file_changed": (("path", "change", "moved_from", *_SIZE), _file_changed),
    "file_matches": (("path", "extension", "sha256", "sha256_from", *_SIZE, *_INSIDE), _file_matches),
    "directory_updated": (("path",), _directory_updated),
    "results_rendered": ((*_NAME, "query", "min_items", "item_role", "submit_name"), _results_rendered),
    "entry_opened": ((*_NAME, "path", "heading", "heading_pattern"), _entry_opened),
    "answer": ((*_KEYS, "tolerance", "relative_tolerance", "ordered", "ignore_case"), _answer),
    "server_state": (("query", "equals"), _server_state),
    "data_transferred": (("source", "target"), _data_transferred),
}
"""Per kind: the fields that its wording speaks of, and the wording."""

__all__ = ["LEAVES", "Words"]
