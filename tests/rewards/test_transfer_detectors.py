"""data_transferred: read in one place, put in another, and not known before."""

from typing import Any

import pytest
from pydantic import ValidationError

from milepost.rewards import detections, detectors
from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.needs import Needs
from milepost.sandbox import events as ev

from .documents import content, info
from .scenes import Step, changed, downloaded, el, fires, moments, page, typed, went

INVOICE = page("/invoices/7", el(1, "heading", "Invoice INV-1234"), el(2, "cell", "Total 86.50"))
SOURCE = {"page": "/invoices/*", "pattern": r"INV-\d+"}
FIELD = {"role": "textbox", "name": "Reference"}
TO_FIELD = {"kind": "data_transferred", "source": SOURCE, "target": FIELD}


def form(value: str = "", *more):
    return page("/payments", el(5, "textbox", "Reference", value=value), *more)


def entered(value: str) -> Step:
    return [typed("textbox", "Reference", value, ref=5)], form(value)


READ: Step = ([went("/invoices/7")], INVOICE)
FORM: Step = ([went("/payments")], form())


def test_read_on_one_page_and_typed_on_another():
    assert fires(TO_FIELD, FORM, READ, FORM, entered("INV-1234"), FORM) == [3]


@pytest.mark.parametrize(
    "steps",
    [
        [FORM, FORM, entered("INV-1234")],  # never read
        [FORM, READ, FORM, entered("INV-1235")],  # another value
        [FORM, READ, FORM, entered("the number INV-1234")],  # among other words
        [FORM, READ, FORM, ([], form("INV-1234"))],  # a script wrote it
        [FORM, entered("INV-1234"), READ, FORM, entered("INV-1234")],  # guessed, then looked up
        [READ, ([], INVOICE), ([], INVOICE)],
        [([], form("INV-1234")), READ, ([], form("INV-1234"))],  # it was there
    ],
)
def test_near_misses_and_forgeries(steps):
    assert fires(TO_FIELD, *steps) == []


def test_a_source_that_echoes_the_agent_is_none():
    spec = TO_FIELD | {"source": {"role": "status", "pattern": r"INV-\d+"}}
    search = page("/search", el(3, "searchbox", "Find", value="INV-9"), el(4, "status", "Nothing for INV-9"))
    steps = [FORM, ([typed("searchbox", "Find", "INV-9", ref=3)], search), FORM, entered("INV-9")]
    assert fires(spec, *steps) == []


def test_shown_and_typed_in_one_step_was_typed_before_it_was_shown():
    both = form("INV-1234", el(1, "heading", "Invoice INV-1234"))
    spec = TO_FIELD | {"source": {"role": "heading", "pattern": r"INV-\d+"}}
    assert fires(spec, FORM, ([typed("textbox", "Reference", "INV-1234", ref=5)], both), ([], both)) == []


def test_the_state_says_what_counts_and_the_page_must_have_shown_it():
    spec = {
        "kind": "data_transferred",
        "source": {"query": "bills[?id == {id}].total"},
        "target": {"query": "payments[*].amount"},
    }
    bills = [{"id": 7, "total": 86.5}, {"id": 8, "total": 12}]

    def shop(*amounts, shown="Nothing"):
        state = {"bills": bills, "payments": [{"amount": a} for a in amounts]}
        return [], page("/", el(1, "cell", shown), state=state)

    seen = shop(shown="Total 86.5")
    assert fires(spec, shop(), seen, shop(), shop(86.5), parameters={"id": 7}) == [3]
    assert fires(spec, shop(), seen, shop(), shop("86.50"), parameters={"id": 7}) == [3]
    assert fires(spec, shop(), shop(), shop(86.5), parameters={"id": 7}) == []  # not shown
    assert fires(spec, shop(), shop(shown="Total 186.5"), shop(86.5), parameters={"id": 7}) == []
    assert fires(spec, shop(), seen, shop(12), parameters={"id": 7}) == []
    assert fires(spec, shop(), seen, shop(), shop(86.5), parameters={"id": 8}) == []
    assert fires(spec, shop(86.5), seen, shop(), shop(86.5), parameters={"id": 7}) == []  # it stood there already
    assert fires(spec, shop(), shop(86.5, shown="Total 86.5"), shop(), shop(86.5), parameters={"id": 7}) == []


def read_file(path: str, text: str) -> dict[str, Any]:
    return {"cls": ev.FileRead, "origin": "files", "path": path, "text": text}


NOTES = b"the code is ZX-77\n"


def test_from_a_file_that_was_read_into_a_field():
    spec = TO_FIELD | {"source": {"file": "downloads/*", "pattern": r"code is (\S+)"}}
    there = page("/payments", el(5, "textbox", "Reference", value=""), files=[info("downloads/n.txt", NOTES)])
    arrived = ([downloaded("downloads/n.txt"), changed("created", "downloads/n.txt")], there)
    read = ([read_file("downloads/n.txt", NOTES.decode())], there)
    assert fires(spec, FORM, arrived, read, entered("ZX-77")) == [3]
    assert fires(spec, FORM, arrived, entered("ZX-77")) == []  # not read
    own = ([changed("created", "downloads/n.txt")], there)
    assert fires(spec, FORM, own, read, entered("ZX-77")) == []  # the agent's own file


def test_from_a_page_into_a_file():
    spec = {"kind": "data_transferred", "source": SOURCE, "target": {"file": "notes/*"}}

    def wrote(text: bytes) -> Step:
        return [changed("created", "notes/a"), content("notes/a", text)], page("/", files=[info("notes/a", text)])

    assert fires(spec, FORM, READ, wrote(b"paid INV-1234 today")) == [2]
    assert fires(spec, FORM, READ, wrote(b"paid INV-12345")) == []
    assert fires(spec, FORM, wrote(b"INV-1233 INV-1234"), READ, wrote(b"INV-1234")) == []  # a list of guesses
    assert DETECTOR_ADAPTER.validate_python(spec).build({}).needs() == Needs(files=frozenset({"notes/*"}))


def test_among_other_words_if_the_task_says_so():
    spec = TO_FIELD | {"target": {**FIELD, "contains": True}}
    assert fires(spec, FORM, READ, FORM, entered("the number INV-1234.")) == [3]
    assert fires(spec, FORM, READ, FORM, entered("INV-12345")) == []


def test_as_part_of_another_detector_and_in_python():
    carried = detectors.data_transferred(
        source=detectors.transfer_source(page="/invoices/*", pattern=r"INV-\d+"),
        target=detectors.transfer_target(role="textbox", name="Reference"),
    )
    whole = detectors.then(detectors.element_present(role="heading", name_contains="Invoice"), carried)
    *_, evidence = detections(whole, moments(FORM, READ, FORM, entered("INV-1234")))
    assert evidence is not None
    facts = evidence.facts["parts"][1]["facts"]
    assert (facts["value"], facts["seen_at_step"]) == ("INV-1234", 1)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ({}, FIELD, "say what is read"),
        ({"pattern": "a", "query": "b"}, FIELD, "got both"),
        ({"pattern": "a", "file": "b", "page": "c"}, FIELD, "say where it is read"),
        (SOURCE, {}, "say where it must appear"),
        (SOURCE, {**FIELD, "file": "x"}, "exactly one"),
        ({"patern": "a"}, FIELD, "did you mean 'pattern'"),
    ],
)
def test_what_makes_no_sense_is_refused(source, target, words):
    with pytest.raises(ValidationError, match=words):
        DETECTOR_ADAPTER.validate_python({"kind": "data_transferred", "source": source, "target": target})
