"""all, any, not, then, count, within, at_end: one by one, their laws, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from milepost.rewards import Milestone, Tracker, detections, detectors, read_ledger, rescore
from milepost.rewards.detectors import DETECTOR_ADAPTER
from milepost.rewards.ledger import LedgerWriter
from milepost.rewards.needs import Needs
from milepost.rewards.spec import Spec
from milepost.rewards.types import Evidence, Moment
from milepost.sandbox.errors import RewardError, TaskError

from .scenes import Step, answered, click, downloaded, el, file, fires, js_dialog, moments, page, submit, typed, went


def clicked(name: str) -> dict[str, Any]:
    return {"detector": "clicked", "name": name}


def shown(name: str) -> dict[str, Any]:
    return {"detector": "element_present", "name": name}


def never(part: dict[str, Any]) -> dict[str, Any]:
    return {"detector": "not", "of": part}


def spec(kind: str, **fields) -> dict[str, Any]:
    return {"kind": kind, **fields}


def story(text: str) -> list[Step]:
    """Write an episode in letters: one word a step, the reset first; capitals are there, small letters are clicked.

    "-" is an empty step: "A aA -" begins with A on the page, then a is clicked while A is there, then A is gone.
    """
    steps: list[Step] = []
    for word in text.split():
        clicks = [click("button", letter) for letter in word if letter.islower()]
        clicks += [answered("ready") for letter in word if letter == "."]
        there = [el(10 + ord(letter), "heading", letter) for letter in word if letter.isupper()]
        steps.append((clicks, page("/", *there)))
    return steps


@pytest.mark.parametrize(
    ("parts", "text", "expected"),
    [
        ([clicked("a"), clicked("b")], "- a - b -", [3]),  # events have happened by then
        ([clicked("a"), clicked("b")], "- ab", [1]),
        ([clicked("a"), clicked("b")], "- a a", []),
        ([shown("A"), shown("B")], "- A B AB AB", [3]),  # states hold together, and once
        ([shown("A"), shown("B")], "- A AB A AB", [2, 4]),
        ([shown("A"), clicked("a")], "- A aA", [2]),
        ([shown("A"), clicked("a")], "- a A", [2]),
        ([shown("A"), clicked("a")], "- A - a", []),  # A is gone by the click
        ([shown("A"), clicked("a")], "A A aA", [2]),  # what the reset had can be a condition
        ([shown("A"), never(clicked("a"))], "- - A", [2]),
        ([shown("A"), never(clicked("a"))], "- a A", []),
        ([shown("A"), never(shown("B"))], "- B A", []),  # not up to now, though B is gone
        ([shown("A"), never(shown("B"))], "B A", []),
        ([shown("A"), never(shown("B")) | {"now": True}], "- B A", [2]),
        ([shown("A"), never(shown("B")) | {"now": True}], "- AB AB A", [3]),
    ],
)
def test_all(parts, text, expected):
    assert fires(spec("all", of=parts), *story(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("- a b", [1, 2]), ("- - A", [2]), ("- A A aA", [1, 3]), ("- - -", []), ("A A -", [])]
)
def test_any(text, expected):
    assert fires(spec("any", of=[clicked("a"), clicked("b"), shown("A")]), *story(text)) == expected


def test_not_now_fires_when_it_is_over():
    gone = spec("not", of=shown("A"), now=True)
    assert fires(gone, *story("A A - A -")) == [2, 4]
    assert fires(gone, *story("- - -")) == []


A, B, C = clicked("a"), clicked("b"), clicked("c")


@pytest.mark.parametrize(
    ("parts", "text", "expected"),
    [
        ([A, B], "- a - b", [3]),
        ([A, B], "- ba", [1]),  # one step has no order
        ([A, B], "- b a", []),
        ([A, B], "- b a b b", [3]),  # then it starts over
        ([A, B], "- a b a b", [2, 4]),
        ([A, B, C], "- a c b c", [4]),
        ([shown("A"), B], "A b", [1]),  # the beginning may have been there
        ([A, shown("B")], "B aB - B", [3]),  # the end may not
        ([never(A), B], "- b", [1]),
        ([never(A), B], "- a b b", []),
        ([A, never(B), C], "- b a c", [3]),
        ([A, never(B), C], "- a b c", []),
        ([A, never(B), C], "- a b a c", [4]),
        ([A, never(B), C], "- a bc", []),  # what comes with the end is in between
        ([A, never(B), C], "- ab c", []),
        ([A, never(shown("B")), C], "- aB c", []),
        ([shown("A"), {**never(shown("B")), "now": True}, C], "- A AB c", []),
        ([A, {**never(shown("B")), "now": True}], "- aB B -", [3]),
    ],
)
def test_then(parts, text, expected):
    assert fires(spec("then", steps=parts), *story(text)) == expected


def test_then_strict_wants_a_later_step():
    assert fires(spec("then", steps=[A, B], strict=True), *story("- ab b")) == [2]
    assert fires(spec("then", steps=[A, A], strict=True), *story("- a a a")) == [2]
    assert fires(spec("then", steps=[A, A]), *story("- a a a")) == [1, 2, 3]


@pytest.mark.parametrize(
    ("more", "text", "expected"),
    [
        ({"of": A, "times": 2}, "- a b a a", [3, 4]),
        ({"of": A, "times": 2}, "- aa", []),  # twice in one step is one step
        ({"of": shown("A"), "times": 2}, "A A - A - A", [5]),
        ({"of": {"detector": "clicked", "role": "button"}, "times": 2, "distinct": "name"}, "- a a b b", [3, 4]),
        ({"of": {"detector": "then", "steps": [A, B]}, "times": 2}, "- a b b a b", [5]),
    ],
)
def test_count(more, text, expected):
    assert fires(spec("count", **more), *story(text)) == expected


@pytest.mark.parametrize(
    ("more", "text", "expected"),
    [
        ({"of": A, "steps": 2}, "- - a", [2]),
        ({"of": A, "steps": 1}, "- - a", []),
        ({"of": B, "steps": 1, "since": A}, "- b a - b", []),
        ({"of": B, "steps": 1, "since": A}, "- a - a b", [4]),
        ({"of": B, "steps": 0, "since": A}, "- a ab", [2]),
        ({"of": B, "steps": 1, "since": shown("A")}, "A bA b", [1]),
        ({"of": B, "steps": 9, "since_milestone": "m"}, "- b", []),
    ],
)
def test_within(more, text, expected):
    assert fires(spec("within", **more), *story(text)) == expected


def test_at_end_judges_what_did_not_happen():
    clean = spec("at_end", of={"detector": "all", "of": [clicked("a"), never(clicked("b"))]})
    assert fires(clean, *story("- a - .")) == [3]
    assert fires(clean, *story("- a b .")) == []
    assert fires(clean, *story("- - .")) == []
    assert fires(clean, *story("- a -")) == []


def test_a_forged_part_does_not_hold():
    both = spec("all", of=[{"detector": "field_filled", "name": "Name", "value": "Ada"}, clicked("a")])
    filled = page("/", el(1, "textbox", "Name", value="Ada"))
    empty = page("/", el(1, "textbox", "Name", value=""))
    press = click("button", "a")
    assert fires(both, ([], empty), ([typed("textbox", "Name", "Ada")], filled), ([press], filled)) == [2]
    assert fires(both, ([], empty), ([], filled), ([press], filled)) == []  # a script wrote it


def test_a_dialog_that_is_gone_at_once_holds_at_its_own_step():
    sent = spec("all", of=[{"detector": "submit_dialog", "text_contains": "Sent"}, shown("A")])
    there = page("/", el(9, "heading", "A"))
    assert fires(sent, ([], page()), ([submit(), js_dialog("Sent.")], there)) == [1]
    assert fires(sent, ([], page()), ([submit(), js_dialog("Sent.")], page()), ([], there)) == []


LETTERS = st.lists(st.lists(st.sampled_from("abABC"), max_size=3).map("".join), min_size=1, max_size=12)
STORIES = LETTERS.map(lambda words: story(" ".join(word or "-" for word in words)))
LAW = settings(max_examples=40, deadline=None)
LEAVES = st.sampled_from([clicked("a"), clicked("b"), shown("A"), shown("B"), shown("C")])


def alone(part: dict[str, Any], steps: list[Step]) -> list[int]:
    """Return the steps at which a part fires by itself; a click of the reset is none of the agent's."""
    return [step for step in fires({"kind": part["detector"], "name": part["name"]}, *steps) if step > 0]


@LAW
@given(LEAVES, STORIES)
def test_one_part_is_the_part(part, steps):
    plain = alone(part, steps)
    assert fires(spec("all", of=[part]), *steps) == plain
    assert fires(spec("any", of=[part]), *steps) == plain
    assert fires(spec("then", steps=[part]), *steps) == plain
    assert fires(spec("count", of=part, times=1), *steps) == plain
    assert fires(spec("within", of=part, steps=99), *steps) == plain


@LAW
@given(st.lists(LEAVES, min_size=2, max_size=4), STORIES, st.randoms(use_true_random=False))
def test_order_does_not_matter_to_all_and_any(parts, steps, rng):
    mixed = list(parts)
    rng.shuffle(mixed)
    for kind in ("all", "any"):
        assert fires(spec(kind, of=parts), *steps) == fires(spec(kind, of=mixed), *steps)


@LAW
@given(LEAVES, LEAVES, STORIES, st.integers(1, 4))
def test_more_is_harder(part, other, steps, n):
    assert set(fires(spec("count", of=part, times=n + 1), *steps)) <= set(
        fires(spec("count", of=part, times=n), *steps)
    )
    soon = [fires(spec("within", of=part, steps=k, since=other), *steps) for k in (n, n + 1)]
    assert set(soon[0]) <= set(soon[1])
    ordered = fires(spec("then", steps=[part, other], strict=True), *steps)
    assert not ordered or fires(spec("then", steps=[part, other]), *steps)[0] <= ordered[0]
    assert set(fires(spec("all", of=[part, never(other)]), *steps)) <= set(fires(spec("all", of=[part]), *steps))


@LAW
@given(LEAVES, LEAVES, LEAVES, STORIES)
def test_then_agrees_with_looking_for_every_chain(first, guard, last, steps):
    def at_reset(part):
        return part["detector"] == "element_present" and any(e.name == part["name"] for e in steps[0][1].elements)

    begins = alone(first, steps) + [0] * at_reset(first)
    bad = alone(guard, steps) + [0] * at_reset(guard)
    chains = [t for t in alone(last, steps) if any(s <= t and not any(s <= g <= t for g in bad) for s in begins)]
    found = fires(spec("then", steps=[first, never(guard), last]), *steps)
    assert found[:1] == chains[:1]
    assert set(found) <= set(chains)


@LAW
@given(STORIES)
def test_a_nested_detector_pays_once_and_rescores_to_the_same(tmp_path_factory, steps):
    nested = spec(
        "then",
        steps=[
            {"detector": "any", "of": [clicked("a"), shown("A")]},
            never({"detector": "count", "of": clicked("b"), "times": 2}),
            {"detector": "all", "of": [shown("B"), {"detector": "within", "of": shown("C"), "steps": 3, "since": A}]},
        ],
    )
    milestones = [
        Milestone(id="first", description="", detector=detectors.clicked(name="a"), reward=1.0),
        Milestone(id="m", description="", detector=DETECTOR_ADAPTER.validate_python(nested).build({}), reward=0.5),
        Milestone(
            id="soon",
            description="",
            detector=detectors.within(detectors.clicked(name="b"), 2, since_milestone="first"),
            reward=0.25,
            after=("first",),
        ),
    ]
    path = tmp_path_factory.mktemp("ledger") / "a.jsonl"
    tracker = Tracker(milestones)
    ledger = LedgerWriter(path, task="t", version=0, seed=0, parameters={}, milestones=tracker.milestones)
    paid = []
    for moment in moments(*steps):
        reward = tracker.update(moment)
        ledger.write_step(moment, reward)
        paid.append(reward.total)
    ledger.close()
    assert [reward.total for reward in rescore(path)] == paid
    assert read_ledger(path).header.milestones == tracker.milestones
    assert sum(total or 0.0 for total in paid) <= 1.75


def test_a_milestone_to_count_from():
    soon = detectors.within(detectors.clicked(name="b"), 1, since_milestone="first")
    first = Milestone(id="first", description="", detector=detectors.clicked(name="a"), reward=1.0)
    second = Milestone(id="soon", description="", detector=soon, reward=0.5, after=("first",))

    def totals(text):
        tracker = Tracker([second, first])  # declared before what it depends on
        return [tracker.update(moment).total for moment in moments(*story(text))]

    assert totals("- a b") == [0, 1, 0.5]
    assert totals("- ab") == [0, 1.5]
    assert totals("- a - b") == [0, 1, 0, 0]


def test_a_detector_that_remembers_sees_what_comes_before_its_prerequisites():
    both = detectors.then(detectors.clicked(name="a"), detectors.clicked(name="b"))
    milestones = [
        Milestone(id="late", description="", detector=both, reward=1.0, after=("c",)),
        Milestone(id="c", description="", detector=detectors.clicked(name="c"), reward=0.5),
    ]
    tracker = Tracker(milestones)
    assert [tracker.update(moment).total for moment in moments(*story("- a c b"))] == [0, 0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("all", {"of": [shown("A"), never(clicked("b"))]}),
        ("any", {"of": [shown("A"), clicked("b")]}),
        ("then", {"steps": [shown("A"), shown("A")]}),
        ("count", {"of": shown("A"), "times": 1}),
        ("within", {"of": shown("A"), "steps": 5}),
    ],
)
def test_what_the_reset_had_is_barred(kind, more):
    detector = DETECTOR_ADAPTER.validate_python(spec(kind, **more)).build({})
    tracker = Tracker([Milestone(id="m", description="", detector=detector, reward=1.0)])
    totals = [tracker.update(moment).total for moment in moments(*story("A - A A"))]
    assert totals == [0, 0, 0, 0]
    assert tracker.barred == {"m"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (spec("all", of=[never(A)]), "doing nothing"),
        (spec("all", of=[]), "at least 1"),
        (spec("any", of=[A, never(B)]), "part of `any`"),
        (spec("then", steps=[A, never(B)]), "last part of `then`"),
        (spec("count", of=never(A), times=1), "part of `count`"),
        (spec("count", of=A, times=0), "greater than or equal to 1"),
        (spec("within", of=never(A), steps=1), "part of `within`"),
        (spec("within", of=A, steps=1, since=B, since_milestone="m"), "got both"),
        (spec("not", of=never(A)), "part of `not`"),
        (spec("not", of=A, now=True), "which is an event"),
        (spec("at_end", of=never(A)), "part of `at_end`"),
        (spec("all", of=[{"detector": "clickd", "name": "a"}]), "did you mean 'clicked'"),
        (spec("all", of=[{"detector": "clicked", "nam": "a"}]), "did you mean 'name'"),
        (spec("all", of=[{"name": "a"}]), "detector: KIND"),
        (spec("all", of=["clicked"]), "valid dictionary"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, words):
    with pytest.raises(ValidationError, match=words):
        DETECTOR_ADAPTER.validate_python(wrong)


def test_a_not_alone_is_no_milestone():
    with pytest.raises(TaskError, match="doing nothing"):
        Milestone(id="m", description="", detector=detectors.not_(detectors.clicked(name="a")), reward=1.0)


def test_templates_are_filled_and_named_within_parts():
    nested = DETECTOR_ADAPTER.validate_python(
        spec("then", steps=[clicked("{who}"), {"detector": "server_state", "query": "a", "equals": "{n}"}])
    )
    assert (("steps", 0, "name"), "{who}") in nested.templates()
    bound = nested.build({"who": "Ada", "n": 3})
    first, second = bound.spec.parts()
    assert (first.name, second.equals) == ("Ada", 3)  # type: ignore[attr-defined]
    with pytest.raises(TaskError, match="'who'"):
        nested.build({})


def test_needs_are_united():
    parts = [Needing(files="*.csv"), Needing(files="*.pdf")]
    nested = detectors.then(*parts[:1], detectors.all_of(parts[1], detectors.clicked(name="a")))
    assert nested.build({}).needs() == Needs(files=frozenset({"*.csv", "*.pdf"}))


class Needing(Spec):
    """A detector that needs files and never fires."""

    kind: str = "needing"
    files: str

    def detect(self, moment: Moment) -> Evidence | None:
        return None

    def needs(self) -> Needs:
        return Needs(files=frozenset({self.files}))


def test_evidence_tells_what_was_seen_of_each_part_and_when():
    mailed = detectors.then(
        detectors.file_created(path="*.csv"),
        detectors.any_of(detectors.clicked(name="b"), detectors.url_loaded(path="/x")),
    )
    there = page("/", files=[file("a.csv")])
    *_, evidence = detections(
        mailed, moments(([], page()), ([downloaded("a.csv")], there), ([click("link", "b")], there))
    )
    assert evidence is not None
    assert evidence.summary == 'a.csv downloaded (1 bytes), then clicked link "b"'
    assert [part["step"] for part in evidence.facts["parts"]] == [1, 2]
    assert json.loads(json.dumps(evidence.facts))["parts"][0]["facts"]["path"] == "a.csv"


def test_it_says_so_if_it_was_not_shown_the_steps_before():
    third = moments(*story("- a b"))[2]
    with pytest.raises(RewardError, match="give every moment in order to a Tracker"):
        detectors.then(detectors.clicked(name="a"), detectors.clicked(name="b"))(third)


def test_the_work_of_a_step_does_not_grow_with_the_episode():
    """Every part is asked once a step, however long the episode is."""
    asked: list[int] = []

    def look(moment: Moment) -> Evidence | None:
        asked.append(moment.step)
        return Evidence(summary="seen")

    detector = detectors.count(detectors.then(look, detectors.all_of(look, look)), 300)
    assert detections(detector, moments(*[([], page())] * 201))[-1] is None
    assert asked == [step for step in range(1, 201) for _ in range(3)]


def test_leaving_and_coming_back_is_a_sequence_like_any_other():
    here: Step = ([], page("/a"))
    away: Step = ([went("/b")], page("/b", el(1, "heading", "B")))
    back = detectors.then(
        detectors.element_present(name="B"), detectors.not_(detectors.element_present(name="B"), now=True)
    )
    assert [e is not None for e in detections(back, moments(here, away, here))] == [False, False, True]
