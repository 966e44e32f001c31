"""What one application does is nothing to another's milestones: events, elements, dialogs and state are told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from milepost.rewards import detectors
from milepost.rewards.app_detector import is_at, of_app
from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.types import Moment
from milepost.sandbox.events import AppState
from milepost.sandbox.snapshot import Snapshot

from .scenes import changed, click, el, file, js_dialog, moments, page, typed, went

MINE, OTHER = "http://mail.local", "http://shop.local"


def at(origin: str, event: dict[str, Any]) -> dict[str, Any]:
    """Return a scene's event as it happens on another application's page."""
    return {**event, "url": event["url"].replace(OTHER, origin)}


def shown(origin: str, snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, url=snapshot.url.replace(OTHER, origin))


def fires(detector: dict[str, Any], episode: list[Moment]) -> list[int]:
    """Return the steps at which a detector of the application `mail` fires."""
    spec = DETECTOR_ADAPTER.validate_python({"kind": "in_app", "app": "mail", "of": detector})
    return [moment.step for moment in episode if spec.detect(moment) is not None]


@pytest.mark.parametrize(
    ("url", "is_mine"),
    [
        (MINE, True),
        (f"{MINE}/", True),
        (f"{MINE}?q=1", True),
        (f"{MINE}#top", True),
        (f"blob:{MINE}/1", True),
        (f"{MINE}.evil.local/", False),
        (f"{MINE}x/", False),
        (f"{OTHER}/?next={MINE}/", False),
        ("about:blank", False),
    ],
)
def test_an_address_belongs_to_an_application_by_its_origin(url: str, is_mine: bool):
    assert is_at(url, "mail") is is_mine


@pytest.mark.parametrize("origin", [MINE, OTHER])
def test_events_count_on_the_application_s_own_pages_only(origin: str):
    start = page()
    for detector, event in (
        ({"detector": "clicked", "name": "Send"}, click("button", "Send")),
        ({"detector": "url_loaded", "path": "/sent", "same_document": True}, went("/sent", same_document=True)),
    ):
        episode = moments(([], start), ([at(origin, event)], shown(origin, page("/sent"))))
        assert fires(detector, episode) == ([1] if origin == MINE else [])


@pytest.mark.parametrize("origin", [MINE, OTHER])
def test_elements_and_fields_count_on_the_application_s_own_pages_only(origin: str):
    box, banner = el(1, "textbox", "To", value="Ada"), el(2, "status", "Message sent")
    before, after = shown(origin, page("/", el(1, "textbox", "To", value=""))), shown(origin, page("/", box, banner))
    episode = moments(
        ([at(origin, went("/"))], before),
        ([at(origin, typed("textbox", "To", "Ada"))], after),
    )
    wanted = [1] if origin == MINE else []
    assert fires({"detector": "field_filled", "name": "To", "value": "Ada"}, episode) == wanted
    assert fires({"detector": "banner", "text": "Message sent"}, episode) == wanted


@pytest.mark.parametrize("origin", [MINE, OTHER])
def test_a_dialog_belongs_to_the_page_that_was_loaded_last(origin: str):
    happened = [at(origin, went("/")), js_dialog("Sure?")]
    episode = moments(([], page()), (happened, shown(origin, page("/"))))
    kept = [event.kind for event in of_app(episode[1], "mail").events]
    assert ("dialog" in kept) is (origin == MINE)


def test_a_query_is_asked_of_the_application_s_own_state():
    query = {"detector": "server_state", "query": "length(sent)", "equals": 1}
    empty = page(state={"mail": {"sent": []}, "shop": {"sent": []}})
    other = page(state={"mail": {"sent": []}, "shop": {"sent": ["x"]}})
    mine = page(state={"mail": {"sent": ["x"]}, "shop": {"sent": []}})
    assert fires(query, moments(([], empty), ([], other))) == []
    assert fires(query, moments(([], empty), ([], mine))) == [1]
    unconfined = detectors.server_state(query="shop.sent[0]", equals="x")
    assert [bool(unconfined(m)) for m in moments(([], empty), ([], other))] == [False, True]


def test_files_and_answers_belong_to_no_application():
    episode = moments(([], page()), ([changed("created", "a.csv")], page(files=[file("a.csv")])))
    assert fires({"detector": "file_created", "path": "a.csv"}, episode) == [1]


def test_a_state_change_is_the_application_s_that_it_names():
    episode = moments(([], page()), ([], page()))
    events = tuple(AppState(step=1, t=0.0, origin="app", changed=names) for names in (("mail",), ("shop",)))
    moment = replace(episode[1], events=events, history=events)
    assert of_app(moment, "mail").events == events[:1]


def test_in_python_any_function_may_be_confined():
    seen: list[str] = []

    def look(moment: Moment) -> None:
        seen.append(moment.snapshot.url)

    confined = detectors.in_app("mail", look)
    for moment in moments(([], page("/secret")), ([], page("/secret"))):
        confined.detect(moment)
    assert seen == ["about:blank", "about:blank"]


def test_what_did_not_happen_on_an_application_is_no_achievement():
    nothing = {"detector": "not", "of": {"detector": "clicked", "name": "Delete"}}
    with pytest.raises(ValidationError, match="expected what happens as part of `in_app`"):
        DETECTOR_ADAPTER.validate_python({"kind": "in_app", "app": "mail", "of": nothing})


def test_it_is_written_as_it_was_read():
    written = {"detector": "in_app", "app": "mail", "of": {"detector": "clicked", "name": "Send"}}
    spec = DETECTOR_ADAPTER.validate_python({"kind": "in_app", **{k: v for k, v in written.items() if k != "detector"}})
    assert spec.as_written()["of"]["name"] == "Send"
    assert spec.as_written()["app"] == "mail"
