"""url_loaded, element_present, banner, title_matches."""

import pytest
from pydantic import ValidationError

from milepost.rewards.detectors import DETECTOR_ADAPTER

from .scenes import Step, answered_with, el, fires, js_dialog, loaded, page, submit, typed, went

START = ([went("/"), loaded("/")], page("/"))


def test_url_loaded_fires_when_the_page_has_loaded():
    assert fires(
        {"kind": "url_loaded", "path": "/reports"}, START, ([went("/reports"), loaded("/reports")], page("/reports"))
    ) == [1]


def test_url_loaded_waits_for_the_load():
    steps = [START, ([went("/reports")], page("/reports")), ([loaded("/reports")], page("/reports"))]
    assert fires({"kind": "url_loaded", "path": "/reports"}, *steps) == [2]


def test_url_loaded_at_the_load_state_asked_for():
    parsed = {**loaded("/reports"), "state": "domcontentloaded"}
    steps = [START, ([went("/reports"), parsed], page("/reports")), ([loaded("/reports")], page("/reports"))]
    assert fires({"kind": "url_loaded", "path": "/reports"}, *steps) == [2]
    early = {"kind": "url_loaded", "path": "/reports", "load_state": "domcontentloaded"}
    assert fires(early, *steps) == [1]
    assert fires(early, START, ([went("/reports"), loaded("/reports")], page("/reports"))) == [1]
    assert fires(early, START, ([went("/reports")], page("/reports"))) == []
    assert fires(early, START, ([parsed, went("/reports")], page("/reports"))) == []  # of the document before


@pytest.mark.parametrize("path", ["/report", "/reports/2", "/Reports", "/x/reports"])
def test_url_loaded_refuses_other_paths(path):
    assert fires({"kind": "url_loaded", "path": "/reports"}, START, ([went(path), loaded(path)], page(path))) == []


def test_url_loaded_ignores_the_host_and_compares_the_query():
    spec = {"kind": "url_loaded", "path": "/list", "query": {"q": "{word}"}}
    right, wrong = "/list?q=red%20bike&x=1", "/list?q=red"
    assert fires(spec, START, ([went(right), loaded(right)], page(right)), parameters={"word": "red bike"}) == [1]
    assert fires(spec, START, ([went(wrong), loaded(wrong)], page(wrong)), parameters={"word": "red bike"}) == []


def test_url_loaded_glob_stays_within_a_segment():
    spec = {"kind": "url_loaded", "path": "/items/*/edit"}
    assert fires(spec, START, ([went("/items/7/edit"), loaded("/items/7/edit")], page("/items/7/edit"))) == [1]
    assert fires(spec, START, ([went("/items/7/8/edit"), loaded("/items/7/8/edit")], page("/items/7/8/edit"))) == []


def test_url_loaded_does_not_fire_at_the_reset_nor_on_a_reload():
    here = ([went("/reports"), loaded("/reports")], page("/reports"))
    assert fires({"kind": "url_loaded", "path": "/reports"}, here, here, here) == []


def test_url_loaded_counts_page_script_navigation_only_when_asked():
    pushed = ([went("/reports", same_document=True)], page("/reports"))
    assert fires({"kind": "url_loaded", "path": "/reports"}, START, pushed) == []
    assert fires({"kind": "url_loaded", "path": "/reports", "same_document": True}, START, pushed) == [1]


def test_url_loaded_is_not_an_error_page_until_it_is_answered_otherwise():
    came = [went("/orders/7"), answered_with(404, "/orders/7"), loaded("/orders/7")]
    again = [went("/orders/7#top"), answered_with(200, "/orders/7"), loaded("/orders/7#top")]
    steps = [START, (came, page("/orders/7")), (again, page("/orders/7#top"))]
    assert fires({"kind": "url_loaded", "path": "/orders/*"}, *steps) == [2]
    beside = [went("/orders/7"), answered_with(404, "/icon.png"), loaded("/orders/7")]
    assert fires({"kind": "url_loaded", "path": "/orders/*"}, START, (beside, page("/orders/7"))) == [1]


def test_element_present_fires_when_the_element_appears():
    spec = {"kind": "element_present", "role": "table", "name": "{which} Table"}
    there: Step = ([], page("/", el(1, "table", "Reports  Table")))
    assert fires(spec, START, there, there, parameters={"which": "Reports"}) == [1]


@pytest.mark.parametrize(
    "other", [el(1, "heading", "Reports Table"), el(1, "table", "Reports Table 2"), el(1, "table")]
)
def test_element_present_refuses_another_role_or_name(other):
    assert (
        fires({"kind": "element_present", "role": "table", "name": "Reports Table"}, START, ([], page("/", other)))
        == []
    )


def test_element_present_reads_the_text_below_and_the_states():
    row = (
        el(1, "row", depth=1),
        el(2, "cell", "Ada", depth=2),
        el(3, "cell", "paid", depth=2),
        el(4, "cell", "no", depth=1),
    )
    assert fires({"kind": "element_present", "role": "row", "text": "Ada paid"}, START, ([], page("/", *row))) == [1]
    assert fires({"kind": "element_present", "role": "row", "text_contains": "no"}, START, ([], page("/", *row))) == []
    box = page("/", el(1, "checkbox", "Agree", states=["checked"]))
    assert fires({"kind": "element_present", "name": "Agree", "states": ["checked"]}, START, ([], box)) == [1]
    assert fires({"kind": "element_present", "name": "Agree", "states": ["disabled"]}, START, ([], box)) == []


def test_patterns_match_the_whole_text_and_parameters_in_them_are_literal():
    spec = {"kind": "element_present", "name_pattern": r"Order \d{3} of {who}"}
    shown: Step = ([], page("/", el(1, "heading", "Order 123 of A.B+")))
    assert fires(spec, START, shown, parameters={"who": "A.B+"}) == [1]
    assert fires(spec, START, ([], page("/", el(1, "heading", "Order 123 of AxBB"))), parameters={"who": "A.B+"}) == []
    assert (
        fires(spec, START, ([], page("/", el(1, "heading", "My Order 123 of A.B+"))), parameters={"who": "A.B+"}) == []
    )


def test_banner_fires_once_it_says_so():
    spec = {"kind": "banner", "text_contains": "saved"}
    shown: Step = ([], page("/", el(1, "status"), el(2, "text", "Expense 12 saved", depth=1)))
    assert fires(spec, START, shown, shown) == [1]


@pytest.mark.parametrize(
    "other",
    [el(1, "heading", "Expense saved"), el(1, "status", "Expense refused"), el(1, "textbox", "saved", value="saved")],
)
def test_banner_refuses_other_roles_and_texts(other):
    assert fires({"kind": "banner", "text_contains": "saved"}, START, ([], page("/", other))) == []


def test_a_notification_is_a_banner_and_a_log_one_whose_role_is_named():
    lines = [el(1, "log", "Upload begun"), el(1, "log", "Upload begun Upload done")]
    steps: list[Step] = [START, *(([], page("/", line)) for line in lines)]
    assert fires({"kind": "banner", "text_contains": "Upload done"}, *steps) == []
    assert fires({"kind": "banner", "text_contains": "Upload done", "roles": ["log"]}, *steps) == [2]


def test_banner_of_a_second_submit_counts_again_but_a_reload_does_not():
    shown = page("/done", el(1, "status", "Saved"))
    steps = [
        START,
        ([submit(), went("/done")], shown),
        ([went("/done"), loaded("/done")], shown),
        ([submit(), went("/done")], shown),
    ]
    assert fires({"kind": "banner", "text": "Saved"}, *steps) == [1, 3]


def test_banner_is_not_a_dialog_nor_what_the_agent_typed():
    steps = [
        START,
        ([typed("textbox", "Note", "Saved"), js_dialog("Saved")], page("/", el(1, "textbox", "Note", value="Saved"))),
    ]
    assert fires({"kind": "banner", "text": "Saved"}, *steps) == []


SAID = page("/", el(1, "status", "Saved as EX-1"))


@pytest.mark.parametrize(
    "words", [{"text": "Saved as EX-1"}, {"text_contains": "Saved as EX-"}, {"text_pattern": r"Saved as EX-\d+"}]
)
@pytest.mark.parametrize(
    "written",
    [
        typed("textbox", "Preview", "Saved  as EX-1"),
        typed("textbox", "Preview", "<b>Saved as EX-1</b>"),
        went("/find?q=Saved+as+EX-1", asked=True),
        went("/#Saved%20as%20EX-1", same_document=True, asked=True),
    ],
)
def test_banner_that_repeats_what_the_agent_wrote_is_none(words, written):
    spec = {"kind": "banner", **words}
    assert fires(spec, START, ([written], SAID)) == []
    assert fires(spec, START, ([written], page("/")), ([], SAID)) == []


def test_banner_that_holds_more_than_the_agent_wrote_counts():
    written = [typed("textbox", "Name", "Ada"), typed("textbox", "Note", "Saved"), went("/new?name=Ada", asked=True)]
    spec = {"kind": "banner", "text_contains": "Saved as EX-"}
    assert fires(spec, START, (written, page("/")), ([submit()], SAID)) == [2]
    redirected = [submit(), went("/done?message=Saved+as+EX-1")]  # the application's own words, in its own redirect
    assert fires(spec, START, (redirected, page("/done", *SAID.elements))) == [1]


def test_title_that_the_agent_typed_is_none():
    spec = {"kind": "title_matches", "title": "Settings"}
    shown = page("/", title="Settings")
    assert fires(spec, START, ([typed("textbox", "Title", "Settings")], shown)) == []
    assert fires(spec, START, ([went("/?page=Settings", asked=True)], shown)) == [1]  # an address may name its page


def test_title_matches_when_the_title_becomes_it():
    spec = {"kind": "title_matches", "title": "Settings"}
    assert fires(spec, START, ([], page("/s", title=" Settings ")), ([], page("/s", title="Settings"))) == [1]
    assert fires(spec, START, ([], page("/s", title="Settings (old)"))) == []
    assert fires(spec, ([], page("/s", title="Settings")), ([], page("/s", title="Settings"))) == []


@pytest.mark.parametrize(
    "kind",
    ["element_present", "banner", "title_matches", "clicked", "field_filled", "file_matches", "entry_opened", "answer"],
)
def test_a_detector_that_says_nothing_is_refused(kind):
    with pytest.raises(ValidationError, match=r"expected .* got|exactly one"):
        DETECTOR_ADAPTER.validate_python({"kind": kind})
