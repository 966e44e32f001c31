"""Detectors in words: nothing that a task asks for is left unsaid, whatever the kind."""

from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
from pydantic import Field

from milepost.rewards.detectors import DETECTOR_ADAPTER, DETECTORS
from milepost.rewards.form_detectors import Clicked
from milepost.rewards.page_detectors import ElementPresent, UrlLoaded
from milepost.rewards.spec import Spec, Text
from milepost.rewards.types import Evidence, Moment
from milepost.rewards.wording import describe, every_spec, listed


def words(**spec: Any) -> str:
    return describe(DETECTOR_ADAPTER.validate_python(spec))


ALERT = {"detector": "element_present", "role": "alert"}
OPEN = {"detector": "url_loaded", "path": "/a"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"kind": "url_loaded", "path": "/new"}, "the page /new loads"),
        (
            {"kind": "url_loaded", "path": "/s", "query": {"q": "tea", "p": "2"}, "same_document": True},
            "the page /s with q=tea and p=2 loads or is shown without loading",
        ),
        ({"kind": "element_present", "role": "alert"}, "an alert appears"),
        (
            {"kind": "element_present", "role": "row", "text_contains": "Paid", "states": ["selected"]},
            'a row that says something with "Paid" in it, selected, appears',
        ),
        (
            {"kind": "field_filled", "name": "Name", "value": "Ada"},
            'the agent types into the field "Name" so that its text is "Ada"',
        ),
        (
            {"kind": "field_filled", "role": "combobox", "name_contains": "City", "value_pattern": "P.*"},
            'the agent types into a combobox whose name contains "City" so that its text fits the pattern P.*',
        ),
        (
            {"kind": "fields_filled", "fields": {"To": "a@b.c", "Subject": "Hi"}},
            'the agent has filled all of these fields: "To" with "a@b.c" and "Subject" with "Hi"',
        ),
        ({"kind": "clicked", "role": "link", "name": "More"}, 'the agent clicks the link "More"'),
        (
            {"kind": "submit_dialog", "text": "Done"},
            'a dialog that says "Done" appears after the agent has sent a form',
        ),
        ({"kind": "banner", "text": "Saved"}, 'a status or alert element that says "Saved" appears'),
        (
            {"kind": "title_matches", "title_contains": "Settings"},
            'the page\'s title changes so that it contains "Settings"',
        ),
        ({"kind": "file_created", "path": "a.csv", "min_bytes": 9}, "a file a.csv of at least 9 bytes is created"),
        ({"kind": "file_matches", "extension": ".csv"}, "a file whose name ends in .csv comes to be there"),
        (
            {"kind": "directory_updated"},
            "a file in the workspace is created, changed or moved, and none in it is lost",
        ),
        (
            {"kind": "results_rendered", "query": "tea", "role": "table", "name": "Found"},
            'a search for "tea" by the agent shows at least 1 result in the table "Found"',
        ),
        (
            {"kind": "entry_opened", "name": "Tea", "heading_pattern": "Te."},
            'the agent\'s click on the entry "Tea" opens a page whose heading fits the pattern Te.',
        ),
        (
            {"kind": "answer", "number": 4, "tolerance": 0.5},
            "the agent answers, by done(...), the number 4, give or take 0.5",
        ),
        (
            {"kind": "server_state", "query": "length(rows)", "equals": 3},
            "in the server's state, length(rows) comes to be 3",
        ),
        (
            {"kind": "toggle_changed", "name": "Wi-Fi", "checked": False},
            'the agent switches the checkbox or switch "Wi-Fi" off',
        ),
        (
            {"kind": "all", "of": [ALERT, {"detector": "not", "of": OPEN}]},
            "all of this is so: an alert appears; it has not happened that the page /a loads",
        ),
        ({"kind": "any", "of": [ALERT, OPEN]}, "an alert appears, or the page /a loads"),
        ({"kind": "then", "steps": [OPEN, ALERT]}, "first the page /a loads, then an alert appears"),
        ({"kind": "count", "of": ALERT, "times": 3}, "an alert appears, at 3 different steps at least"),
        (
            {"kind": "count", "of": OPEN, "times": 2, "distinct": "url"},
            "the page /a loads, with 2 different values of url at least",
        ),
        (
            {"kind": "within", "of": ALERT, "steps": 1, "since_milestone": "sent"},
            "an alert appears, at most 1 step after sent is reached",
        ),
        (
            {"kind": "within", "of": ALERT, "steps": 2, "since": OPEN},
            "an alert appears, at most 2 steps after the page /a loads",
        ),
        ({"kind": "at_end", "of": ALERT}, "the agent says that it is done while this is so: an alert appears"),
    ],
)
def test_wordings_read_as_sentences(spec, expected):
    assert words(**spec) == expected


def takes_text(annotation: Any) -> bool:
    """Tell whether a field may hold one text (alone, or instead of something else)."""
    if get_origin(annotation) in (tuple, list, dict, Literal):
        return False
    return annotation is str or any(takes_text(inner) for inner in get_args(annotation))


@pytest.mark.parametrize("kind", DETECTORS)
def test_every_text_of_every_kind_is_said(kind):
    cls = DETECTORS[kind]
    texts = [name for name, info in cls.model_fields.items() if name != "kind" and takes_text(info.annotation)]
    required: dict[str, Any] = {name: f"<{name}>" for name in texts if cls.model_fields[name].is_required()}
    if "of" in cls.model_fields:
        required |= {"of": ElementPresent(role="alert"), "times": 2, "steps": 2}
    for name in texts:
        spec = cls.model_construct(**{**required, name: f"<{name}>"})
        assert f"<{name}>" in describe(spec), name


class Shaken(Spec):
    """The device is shaken. More than this nobody knows.

    Attributes:
        times: how often.
    """

    kind: Literal["shaken"] = "shaken"
    times: int = 1
    where: Text | None = None
    inner: Annotated[tuple[Spec, ...], Field()] = ()
    other: Spec | None = None

    def detect(self, moment: Moment) -> Evidence | None:
        return None


def test_an_unknown_kind_is_told_by_its_docstring_and_fields():
    assert describe(Shaken()) == "the device is shaken"
    assert describe(Shaken(times=3, where="{room}")) == 'the device is shaken (times: 3; where: "{room}")'


def test_detectors_inside_a_detector_are_worded_too():
    page = UrlLoaded(path="/x")
    click = Clicked(name="Go")
    outer = Shaken(inner=(page, Shaken(other=click)))
    assert describe(outer) == (
        "the device is shaken (inner: (1) the page /x loads, "
        '(2) the device is shaken (other: the agent clicks the element "Go"))'
    )
    assert every_spec(outer) == (outer, page, outer.inner[1], click)


def test_a_field_that_a_wording_does_not_know_is_added():
    class Newer(Clicked):
        twice: bool = False

    assert describe(Newer(name="Go", twice=True)) == 'the agent clicks the element "Go" (twice: true)'


def test_lists_read_as_people_write_them():
    assert [listed(["a", "b", "c"][:n], "or") for n in range(4)] == ["", "a", "a or b", "a, b or c"]
