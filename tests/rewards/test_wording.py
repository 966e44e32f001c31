"""Detectors in words: nothing that a task asks for is left unsaid, whatever the kind."""

from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
from pydantic import Field

from milepost.rewards.detectors import DETECTOR_ADAPTER, DETECTORS
from milepost.rewards.form_detectors import Clicked
from milepost.rewards.page_detectors import ElementPresent, UrlLoaded
from milepost.rewards.spec import Spec, Text
from milepost.rewards.transfer_detectors import TransferSource, TransferTarget
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
        (
            {"kind": "then", "steps": [{"detector": "not", "of": OPEN}, ALERT, {"detector": "not", "of": OPEN}, ALERT]},
            "first an alert appears (unless beforehand the page /a loads), then an alert appears (unless in between "
            "the page /a loads)",
        ),
        (
            {"kind": "then", "steps": [OPEN, ALERT], "strict": True},
            "first the page /a loads, then an alert appears, each at a later step than the one before",
        ),
        (
            {"kind": "not", "of": ALERT, "now": True},
            "it is not, or no longer, so that an alert appears",
        ),
        (
            {"kind": "at_end", "of": {"detector": "all", "of": [ALERT, OPEN]}},
            "the agent says that it is done while all of this is so: an alert appears; the page /a loads",
        ),
        ({"kind": "at_end", "of": ALERT}, "the agent says that it is done while this is so: an alert appears"),
    ],
)
def test_wordings_read_as_sentences(spec, expected):
    assert words(**spec) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"kind": "url_loaded", "path": "/a", "load_state": "domcontentloaded"},
            "the page /a loads, its pictures and frames or not",
        ),
        ({"kind": "dialog_closed"}, "a dialog is closed or answered"),
        (
            {"kind": "dialog_closed", "text_contains": "Del", "button": "Yes"},
            'a dialog of the page that says something with "Del" in it closes when the agent clicks the button "Yes"',
        ),
        (
            {"kind": "dialog_closed", "text": "Sure?", "accepted": False},
            'a dialog of the browser that says "Sure?" is dismissed',
        ),
        (
            {"kind": "element_changed", "role": "row", "name_contains": "B", "to_text": "paid", "lost": ["disabled"]},
            'a row whose name contains "B" changes so that its text is "paid" and it is no longer disabled',
        ),
        (
            {"kind": "element_gone", "role": "row", "name": "B", "same_document": False, "after_input": True},
            'the row "B" disappears, be it by loading the page again, in a step with input by the agent',
        ),
        (
            {"kind": "focused", "role": "textbox", "name": "To"},
            'the agent\'s input moves the focus to the textbox "To"',
        ),
        (
            {"kind": "process_ran", "command_contains": "make", "exit_code": "any"},
            'the agent runs a command with "make" in it and it ends, whatever its exit code',
        ),
        (
            {"kind": "process_ran", "command": "make all"},
            'the agent runs the command "make all" and it ends, with exit code 0',
        ),
        (
            {"kind": "region_changed", "region": [100, 50, 200, 80], "percent": 40, "since": "reset"},
            "at least 40 % of the 200 x 80 pixels that begin 100 from the left and 50 from the top of the viewport "
            "look different from how they looked at the reset",
        ),
        (
            {"kind": "request_sent", "path": "/api/*", "method": "POST", "status": "2xx", "form": {"n": "3"}},
            "the page sends a POST request to /api/*, whose form has n=3 and which is answered 2xx",
        ),
        (
            {"kind": "request_sent", "path": "/a", "body_query": "items[0].count", "equals": 3},
            "the page sends a request to /a, in whose JSON items[0].count is 3",
        ),
        (
            {"kind": "tab_opened", "path": "/report", "title_contains": "Rep", "after_input": True},
            'a tab at /report and whose title contains "Rep" opens, in a step with input by the agent',
        ),
        ({"kind": "file_changed", "path": "*.csv"}, "a file *.csv is created, changed or deleted, or moved there"),
        (
            {"kind": "file_changed", "path": "a/*", "moved_from": "b/*", "max_bytes": 9},
            "a file a/* of at most 9 bytes is moved there from b/*",
        ),
        (
            {"kind": "file_created", "path": "a.csv", "max_bytes": 100},
            "a file a.csv, not empty, of at most 100 bytes, is created",
        ),
        (
            {"kind": "file_matches", "format": "csv", "columns": ["a", "b"], "min_rows": 1, "delimiter": ";"},
            'a file that is a real CSV table with the columns "a" and "b", at least 1 row and ";" between its fields '
            "comes to be there",
        ),
        (
            {"kind": "file_matches", "path": "*.json", "format": "json", "query": "a.b", "equals": [1, 2]},
            "a file *.json that is real JSON in which a.b is [1, 2] comes to be there",
        ),
        (
            {
                "kind": "data_transferred",
                "source": {"page": "/invoices/*", "role": "heading", "pattern": "INV-.*"},
                "target": {"role": "textbox", "name": "Reference"},
            },
            "a value that fits the pattern INV-.*, seen in a heading of the page /invoices/* at an earlier step, comes "
            'into the textbox "Reference" by the agent\'s input',
        ),
        (
            {
                "kind": "data_transferred",
                "source": {"file": "a.csv", "query": "x.y"},
                "target": {"query": "mails[0].body", "contains": True},
            },
            "what the server's state gives for x.y, read in a file a.csv at an earlier step, comes into what the "
            "server's state gives for mails[0].body, among other words or not",
        ),
        ({"kind": "answer", "any_of": ["a", 3]}, 'the agent answers, by done(...), "a" or 3'),
        (
            {"kind": "answer", "items": ["a", "b"], "ordered": True},
            'the agent answers, by done(...), the list of "a" and "b", in this order',
        ),
        (
            {"kind": "answer", "number": 3, "relative_tolerance": 0.01},
            "the agent answers, by done(...), the number 3, give or take 1 %",
        ),
    ],
)
def test_wordings_of_changes_traffic_files_and_transfers_read_as_sentences(spec, expected):
    assert words(**spec) == expected


@pytest.mark.parametrize("kind", DETECTORS)
def test_no_kind_is_told_by_its_docstring(kind):
    cls = DETECTORS[kind]
    required: dict[str, Any] = dict.fromkeys(n for n, info in cls.model_fields.items() if info.is_required())
    if "of" in required:
        required["of"] = (UrlLoaded(path="/"),) if kind in ("all", "any") else UrlLoaded(path="/")
    if "steps" in required:
        required["steps"] = (UrlLoaded(path="/"),) if kind == "then" else 1
    if kind == "data_transferred":
        required |= {"source": TransferSource(role="row"), "target": TransferTarget(role="textbox")}
    if kind == "region_changed":
        required["region"] = (0, 0, 9, 9)
    if kind == "fields_filled":
        required["fields"] = {}
    if kind == "rubric":
        required["rubric"] = "So it is."
    summary = " ".join((cls.__doc__ or "").split()).partition(". ")[0].rstrip(".")
    assert summary[1:] not in describe(cls.model_construct(**required))


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
