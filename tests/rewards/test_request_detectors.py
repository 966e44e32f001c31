"""request_sent and process_ran."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.needs import Needs, needs_of
from milepost.rewards.types import Detector, Evidence, Milestone
from milepost.sandbox.events import MAX_BODY_CHARS
from milepost.sandbox.request_body import body_of

from .scenes import Step, click, fires, page, ran, request, submit, typed

RESET: Step = ([], page())
SENT = {"kind": "request_sent", "method": "post", "path": "/api/orders/*", "status": "2xx"}


def sent(spec, *happened):
    return fires({**SENT, **spec}, RESET, (list(happened), page()), parameters={"who": "O'Neill", "n": 3}) == [1]


def test_a_request_of_that_kind():
    assert sent({}, request("POST", "/api/orders/7", 201))
    assert sent({"status": 201, "query": {"who": "{who}"}}, request("POST", "/api/orders/7?who=O%27Neill", 201))
    assert sent({"status": None}, request("POST", "/api/orders/7", None))


@pytest.mark.parametrize(
    "happened",
    [
        request("GET", "/api/orders/7"),
        request("POST", "/api/orders"),
        request("POST", "/api/orders/7/8"),
        request("POST", "/api/orders/7", 422),
        request("POST", "/api/orders/7", 302),
        request("POST", "/api/orders/7", None),
        typed("textbox", "Note", "POST /api/orders/7"),
    ],
)
def test_other_requests(happened):
    assert not sent({}, happened)
    assert fires(SENT, ([request("POST", "/api/orders/7")], page())) == [0]  # which the tracker never pays


def body(value):
    return request("POST", "/api/orders/7", 200, value if value is None else json.dumps(value))


def test_what_a_json_body_says():
    asks = {"body_query": "items[?name == {who}] | [0].count", "equals": "{n}"}
    assert sent(asks, body({"items": [{"name": "O'Neill", "count": 3}]}))
    others: list[Any] = [
        {"items": [{"name": "O'Neill", "count": 4}]},
        {"items": []},
        {"items": 3},
        [],
        "O'Neill",
        3,
        None,
    ]
    for other in others:
        assert not sent(asks, body(other))
    assert sent({"body_query": "items"}, body({"items": [0]}))
    assert not sent({"body_query": "items"}, body({"items": []}))
    assert not sent({"body_query": "length(items)"}, body({}))  # does not fit, and breaks nothing
    assert not sent({"body_query": "items"}, request("POST", "/api/orders/7", 200, '{"items": [1]'))
    assert not sent({"body_query": "items"}, request("POST", "/api/orders/7?items=1", 200))


def test_what_any_body_says():
    form = request("POST", "/api/orders/7", 200, "name=O%27Neill+Sons&count=3&note=")
    assert sent({"form": {"name": "{who} Sons", "count": "3", "note": ""}}, form)
    assert not sent({"form": {"name": "{who}"}}, form)
    assert not sent({"form": {"missing": ""}}, form)
    assert sent({"body_contains": "count=3"}, form)
    assert not sent({"body_contains": "count=4"}, form)
    assert sent({"body_pattern": "name=.*&count=3&note="}, form)
    assert not sent({"body_pattern": "name=.*&count=3"}, form)
    both = {"form": {"count": "3"}, "body_contains": "count=4"}
    assert not sent(both, form)
    for asks in ({"form": {"a": "b"}}, {"body_contains": "a"}, {"body_pattern": ".*"}, {"body_query": "a"}):
        assert not sent(asks, request("POST", "/api/orders/7", 200))


def test_after_input_wants_it_before_the_request():
    asks = {"after_input": True}
    went_out = request("POST", "/api/orders/7")
    for doing in (click("button", "Order"), submit(), typed("textbox", "Count", "3")):
        assert sent(asks, doing, went_out)
        assert not sent(asks, went_out, doing)
        assert not sent(asks, {**doing, "origin": "agent"}, went_out)
    assert fires({**SENT, **asks}, RESET, ([click("button", "Order")], page()), ([went_out], page())) == []


def test_bodies_are_recorded_only_if_they_are_asked_about():
    def needs(**spec):
        return DETECTOR_ADAPTER.validate_python({**SENT, **spec}).build({}).needs().request_bodies

    assert not needs()
    assert not needs(query={"a": "b"}, after_input=True)
    assert all(needs(**{field: "a"}) for field in ("body_contains", "body_pattern", "body_query"))
    assert needs(form={"a": "b"})


def test_the_needs_of_milestones_are_united():
    class Code:
        def __call__(self, moment):
            return None

        def needs(self):
            return Needs(files=frozenset({"*.csv"}))

    def plain(moment) -> Evidence | None:
        return None

    specs = ({"kind": "region_changed", "region": [0, 0, 10, 10]}, {**SENT, "body_contains": "a"})
    detectors: list[Detector] = [*(DETECTOR_ADAPTER.validate_python(spec).build({}) for spec in specs), Code(), plain]
    milestones = [
        Milestone(id=f"m{i}", description="", detector=detector, reward=1.0) for i, detector in enumerate(detectors)
    ]
    assert needs_of(milestones) == Needs(
        files=frozenset({"*.csv"}), regions=frozenset({(0, 0, 10, 10)}), request_bodies=True
    )
    assert needs_of([]) == Needs()


def test_bodies_as_chromium_tells_them():
    assert body_of({"url": "/", "method": "GET"}) is None
    assert body_of({"postData": ""}) == ""
    assert body_of({"postData": "x" * (MAX_BODY_CHARS + 1), "hasPostData": True}) == "x" * MAX_BODY_CHARS
    assert body_of({"hasPostData": True, "postDataEntries": [{}]}) is None
    boundary = "------WebKitFormBoundary0123456789abcdEF"
    assert body_of({"postData": f"{boundary}\r\nx\r\n{boundary}--"}) == (
        "------WebKitFormBoundary\r\nx\r\n------WebKitFormBoundary--"
    )


@given(st.text(), st.sampled_from(["body_contains", "body_pattern", "body_query", "form"]))
def test_no_body_breaks_a_detector(text, field):
    asks = {"form": {"form": {"a": "b"}}}.get(field, {field: "a.b"})
    sent(asks, request("POST", "/api/orders/7", 200, text))


COMMAND = {"kind": "process_ran", "command": "python report.py {who}"}


@pytest.mark.parametrize(
    ("spec", "happened", "right"),
    [
        ({}, ran("python  report.py Ada"), True),
        ({}, ran("python report.py Ada", 1), False),
        ({}, ran("python report.py Ada", None), False),
        ({}, ran("python report.py Ada", 0, timed_out=True), False),
        ({}, ran("echo python report.py Ada"), False),
        ({}, ran("python report.py Ada || true"), False),
        ({}, typed("textbox", "Note", "python report.py Ada"), False),
        ({"exit_code": 3}, ran("python report.py Ada", 3), True),
        ({"exit_code": "any"}, ran("python report.py Ada", 3), True),
        ({"exit_code": "any"}, ran("python report.py Ada", None), False),
        ({"command": None, "command_pattern": r"grep -c \w+ .*\.csv"}, ran("grep -c Ada data/a.csv"), True),
        ({"command": None, "command_pattern": r"grep -c \w+ .*\.csv"}, ran("true; grep -c Ada data/a.csv"), False),
        ({"command": None, "command_contains": "report.py"}, ran("cat report.py"), True),  # hence the docstring
    ],
)
def test_commands(spec, happened, right):
    assert fires({**COMMAND, **spec}, RESET, ([happened], page()), parameters={"who": "Ada"}) == ([1] if right else [])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kind": "request_sent"}, "Field required"),
        ({**SENT, "equals": 3}, "body_query"),
        ({**SENT, "status": "6xx"}, "pattern"),
        ({**SENT, "status": 20}, "greater than"),
        ({**SENT, "body_query": "items["}, "JMESPath"),
        ({"kind": "process_ran"}, "say which command"),
        ({"kind": "process_ran", "command": "x", "exit_code": "none"}, "any"),
    ],
)
def test_descriptions_that_are_refused(spec, message):
    with pytest.raises(ValidationError, match=message):
        DETECTOR_ADAPTER.validate_python(spec)
