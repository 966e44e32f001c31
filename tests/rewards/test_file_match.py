"""file_changed, and file_matches by size, format and content, from what was recorded."""

from typing import Any

import pytest
from pydantic import ValidationError

from milepost.rewards import Milestone, Tracker, rescore
from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.ledger import LedgerWriter
from milepost.rewards.needs import Needs
from milepost.sandbox.events import FileChange, event_from_json, event_to_json

from .documents import content, info, packed_pdf, pdf, png
from .scenes import Step, changed, downloaded, file, fires, moments, page

EMPTY: Step = ([], page())
CSV = b"Name,Amount\nAda,3\nAlan,4\n"


def holding(path: str, data: bytes, *, recorded: bool = True) -> Step:
    return [content(path, data, recorded=recorded)], page("/", files=[info(path, data)])


@pytest.mark.parametrize(
    ("more", "data", "right"),
    [
        ({"format": "csv"}, CSV, True),
        ({"format": "csv"}, b"Name,Amount\n", False),  # nothing in it
        ({"format": "csv", "min_rows": 0}, b"Name,Amount\n", True),
        ({"format": "csv"}, b"Name,Amount\nAda\n", False),
        ({"format": "csv", "columns": ["Amount", "Name"], "min_rows": 2, "max_rows": 2}, CSV, True),
        ({"format": "csv", "columns": ["amount"]}, CSV, False),
        ({"format": "csv", "min_rows": 3}, CSV, False),
        ({"format": "csv", "max_rows": 1}, CSV, False),
        ({"format": "csv", "delimiter": ";", "columns": ["b"]}, b"a;b\n1;2\n", True),
        ({"format": "json"}, b'{"n": 0}', True),
        ({"format": "json"}, b"{n: 0}", False),
        ({"format": "json", "query": "n"}, b'{"n": 0}', False),
        ({"format": "json", "query": "n", "equals": 0}, b'{"n": 0}', True),
        ({"format": "json", "query": "people[*].name", "equals": ["Ada"]}, b'{"people": [{"name": "Ada"}]}', True),
        ({"format": "json", "query": "length(n)", "equals": 1}, b'{"n": 0}', False),
        ({"format": "pdf"}, pdf(2), True),
        ({"format": "pdf", "pages": 2}, packed_pdf(2), True),
        ({"format": "pdf", "pages": 3}, pdf(2, claimed=3), False),
        ({"format": "pdf"}, b"%PDF-1.4 report\n%%EOF", False),
        ({"format": "png", "width": 5, "height": 3}, png(5, 3), True),
        ({"format": "png", "width": 6}, png(5, 3), False),
        ({"format": "png"}, png(5, 3)[:-2], False),
        ({"content_contains": "Ada,3 Alan"}, CSV, True),
        ({"content_contains": "Eva"}, CSV, False),
        ({"content_contains": "a"}, b"a\xff", False),  # no text
        ({"content_pattern": r"Al\w+,\d"}, CSV, True),
        ({"content_pattern": r"Al\w+"}, CSV, False),  # a whole line
        ({"content_pattern": r"Total {name}"}, b"Total A.B\n", True),
        ({"content_pattern": r"Total {name}"}, b"Total AxB\n", False),
        ({"min_bytes": 5, "max_bytes": 30}, CSV, True),
        ({"min_bytes": 500}, CSV, False),
        ({"max_bytes": 5}, CSV, False),
    ],
)
def test_file_matches(more, data, right):
    spec = {"kind": "file_matches", "path": "out/*", **more}
    expected = [1] if right else []
    step = holding("out/file", data)
    assert fires(spec, EMPTY, step, ([], step[1]), parameters={"name": "A.B"}) == expected
    assert fires(spec, EMPTY, holding("other/file", data), parameters={"name": "A.B"}) == []
    assert fires(spec, step, ([], step[1]), parameters={"name": "A.B"}) == []  # it was there at the reset


def test_what_was_not_recorded_meets_no_condition_about_it():
    spec = {"kind": "file_matches", "path": "a.csv", "format": "csv"}
    assert fires(spec, EMPTY, holding("a.csv", CSV, recorded=False)) == []
    assert fires(spec, EMPTY, ([], page("/", files=[info("a.csv", CSV)]))) == []


def test_right_name_with_wrong_content_first():
    spec = {"kind": "file_matches", "path": "a.pdf", "format": "pdf"}
    assert fires(spec, EMPTY, holding("a.pdf", b"forged"), holding("a.pdf", pdf(1))) == [2]


def test_contents_are_needed_only_where_they_are_looked_into():
    def needs(**more):
        return DETECTOR_ADAPTER.validate_python({"kind": "file_matches", **more}).build({"n": "*"}).needs()

    assert needs(path="*.csv", extension="csv") == Needs()
    assert needs(path="*.csv", min_bytes=3) == Needs()
    assert needs(path="{n}.csv", format="csv") == Needs(files=frozenset({"\\*.csv"}))
    assert needs(path="*.txt", content_contains="x") == Needs(files=frozenset({"*.txt"}))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "say what the file must be"),
        ({"columns": ["a"]}, "format: csv"),
        ({"format": "csv", "pages": 2}, "format: pdf"),
        ({"format": "png", "query": "a"}, "format: json"),
        ({"format": "json", "equals": 1}, "query beside equals"),
        ({"format": "gif"}, "'csv', 'json', 'pdf' or 'png'"),
    ],
)
def test_conditions_that_do_not_fit_are_refused(more, words):
    with pytest.raises(ValidationError, match=words):
        DETECTOR_ADAPTER.validate_python({"kind": "file_matches", "path": "*", **more})


def there(*paths: str, say: str = "x"):
    return page("/", files=[file(path, say) for path in paths])


def moved(source: str, path: str) -> dict[str, Any]:
    return {**changed("moved", path), "previous_path": source}


@pytest.mark.parametrize(
    ("more", "steps", "expected"),
    [
        ({"change": "created"}, [EMPTY, ([changed("created", "out/a")], there("out/a"))], [1]),
        ({"change": "created"}, [EMPTY, ([changed("created", "out/a")], page())], []),  # gone by the end
        (
            {"change": "created"},
            [([], there("out/a")), ([changed("modified", "out/a")], there("out/a", say="y"))],
            [],
        ),
        (
            {"change": "modified"},
            [([], there("out/a")), ([changed("modified", "out/a")], there("out/a", say="y"))],
            [1],
        ),
        ({"change": "modified"}, [([], there("out/a")), ([changed("modified", "out/a")], there("out/a"))], []),
        ({"change": "deleted"}, [([], there("out/a")), ([changed("deleted", "out/a", None)], page())], [1]),
        ({"change": "deleted"}, [([], there("out/b")), ([changed("deleted", "b", None)], page())], []),
        ({"change": "moved"}, [([], there("in/a")), ([moved("in/a", "out/a")], there("out/a"))], [1]),
        ({"moved_from": "in/*"}, [([], there("in/a")), ([moved("in/a", "out/a")], there("out/a"))], [1]),
        ({"moved_from": "else/*"}, [([], there("in/a")), ([moved("in/a", "out/a")], there("out/a"))], []),
        ({"moved_from": "in/*"}, [EMPTY, ([changed("created", "out/a")], there("out/a"))], []),
        ({}, [([], there("out/a")), ([changed("deleted", "out/a", None)], page())], [1]),
        ({"min_bytes": 2}, [EMPTY, ([changed("created", "out/a")], there("out/a"))], []),
        ({"max_bytes": 0}, [EMPTY, ([changed("created", "out/a")], there("out/a"))], []),
    ],
)
def test_file_changed(more, steps, expected):
    assert fires({"kind": "file_changed", "path": "out/*", **more}, *steps) == expected


def test_what_the_agent_made_itself_is_not_deleted():
    spec = {"kind": "file_changed", "path": "**", "change": "deleted"}
    made = ([changed("created", "a")], there("a"))
    renamed = ([moved("a", "b")], there("b"))
    assert fires(spec, EMPTY, made, ([changed("deleted", "a", None)], page())) == []
    assert fires(spec, EMPTY, made, renamed, ([changed("deleted", "b", None)], page())) == []
    loaded = ([downloaded("a"), changed("created", "a")], there("a"))
    assert fires(spec, EMPTY, loaded, ([changed("deleted", "a", None)], page())) == [2]


def test_writing_a_given_file_anew_creates_nothing():
    steps = [([], there("a")), ([changed("deleted", "a", None)], page()), ([changed("created", "a")], there("a"))]
    assert fires({"kind": "file_changed", "path": "a", "change": "created"}, *steps) == []


def test_contents_and_moves_survive_the_ledger(tmp_path):
    spec = {"kind": "file_matches", "path": "*.pdf", "format": "pdf", "pages": 2}
    detector = DETECTOR_ADAPTER.validate_python(spec).build({})
    tracker = Tracker([Milestone(id="m", description="", detector=detector, reward=1.0)])
    ledger = LedgerWriter(tmp_path / "a", task="t", version=0, seed=0, parameters={}, milestones=tracker.milestones)
    paid = []
    for moment in moments(EMPTY, holding("a.pdf", pdf(1)), holding("a.pdf", pdf(2))):
        reward = tracker.update(moment)
        ledger.write_step(moment, reward)
        paid.append(reward.total)
    ledger.close()
    assert paid == [0, 0, 1]
    assert [reward.total for reward in rescore(tmp_path / "a")] == paid
    change = FileChange(
        step=1, t=0.0, origin="files", change="moved", path="a", is_directory=False, size_bytes=1, sha256="x"
    )
    old = event_to_json(change)
    del old["previous_path"]  # as ledgers had it before
    assert event_from_json(old).previous_path is None  # type: ignore[attr-defined]
