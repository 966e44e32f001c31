"""The component form: its weights, what each component pays for, and that nothing can be farmed."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from milepost.errors import WeightOrderWarning
from milepost.rewards.components import (
    PRESETS,
    RECORDED,
    Components,
    ComponentWeights,
    advance,
    begin,
)
from milepost.rewards.types import Component

from .scenes import Step, changed, click, downloaded, el, file, loaded, moments, page, typed, went

ORDERED = {"nav": 0.1, "ui": 0.1, "form": 0.2, "file": 0.2, "goal": 0.4}


def paid(spec: dict[str, Any], *steps: Step, goals: tuple[int, ...] = ()) -> list[dict[str, float]]:
    """Return what each step scored, by component; `goals`: the steps at whose end the goal is verified."""
    components = Components.model_validate({"weights": ORDERED, "pages": [], "files": [], **spec})
    reset, *rest = moments(*steps)
    state = begin(components, reset)
    scores = []
    for moment in rest:
        before = state
        state, found = advance(components, state, moment, goal=moment.step in goals)
        assert advance(components, before, moment, goal=moment.step in goals) == (state, found), "it is pure"
        assert all(part.evidence.summary for part in found)
        scores.append({part.component.value: part.score for part in found})
    return scores


def test_the_weights_sum_to_one():
    ComponentWeights(**ORDERED)
    ComponentWeights(form=0.3, goal=0.7)
    ComponentWeights(nav=1 / 7, ui=1 / 7, form=1 / 7, file=2 / 7, goal=2 / 7)
    with pytest.raises(
        ValidationError, match=r"sum to 1, got nav 0.1 \+ ui 0.1 \+ form 0.2 \+ file 0.2 \+ goal 0.5 = 1.1"
    ):
        ComponentWeights(**(ORDERED | {"goal": 0.5}))
    with pytest.raises(ValidationError, match="sum to 1"):
        ComponentWeights(goal=0.999)


@pytest.mark.parametrize("weights", [{"goal": 1.5, "nav": -0.5}, {"goal": float("nan")}, {"goal": 1, "look": 0}])
def test_wrong_weights_are_refused(weights):
    with pytest.raises(ValidationError):
        ComponentWeights.model_validate(weights)


@pytest.mark.parametrize(
    ("weights", "warned"),
    [
        ({"goal": 0.4, "file": 0.4, "ui": 0.2}, False),
        ({"goal": 1.0}, False),
        ({"goal": 0.3, "file": 0.4, "form": 0.3}, True),
        ({"goal": 0.5, "file": 0.2, "ui": 0.3}, True),
    ],
)
def test_the_end_normally_outweighs_the_means(weights, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ComponentWeights(**weights)
    assert [w.category for w in caught] == ([WeightOrderWarning] if warned else [])


def test_the_reference_weights_warn_when_they_are_chosen_and_are_usable():
    with pytest.warns(WeightOrderWarning, match="goal 0.2, file 0.3, ui 0.2") as caught:
        components = Components.model_validate({"weights": "reference", "fields": {"Name": "{who}"}})
    assert len(caught) == 1
    assert components.weights.model_dump() == PRESETS["reference"]
    filled = components.filled({"who": "Ada"})  # warnings are errors here: neither this
    state = begin(filled, moments(([], page()))[0])  # nor what every step does warns again
    advance(filled, state, moments(([], page()), ([], page("/b")))[1], goal=True)
    again = Components.model_validate(filled.model_dump(mode="json"), context=RECORDED)
    assert again == filled


def test_an_unknown_preset_is_named():
    with pytest.raises(ValidationError, match=r"name of a preset \(reference\), got 'referense'"):
        Components.model_validate({"weights": "referense"})


def test_a_hand_worked_episode():
    """r = 0.1 nav + 0.1 ui + 0.2 form + 0.2 file + 0.4 goal, worked on paper: 0.1, 0.1, 0.1, 0.3, 0.4; 1 in all."""
    components = Components.model_validate(
        {
            "weights": ORDERED,
            "pages": ["/new"],
            "clicks": [{"role": "button", "name": "Export"}],
            "fields": {"Name": "Ada", "Amount": "12"},
            "files": [{"path": "*.csv"}],
        }
    )

    def form(name: str, amount: str, *files: Any) -> Any:
        fields = (el(1, "textbox", "Name", value=name), el(2, "textbox", "Amount", value=amount))
        return page("/new", *fields, files=files)

    reset, *rest = moments(
        ([went("/"), loaded("/")], page("/")),
        ([went("/new"), loaded("/new")], form("", "")),
        ([typed("textbox", "Name", "Ada", ref=1)], form("Ada", "")),
        ([typed("textbox", "Amount", "12", ref=2)], form("Ada", "12")),
        ([click("button", "Export"), downloaded("a.csv")], form("Ada", "12", file("a.csv"))),
        ([], form("Ada", "12", file("a.csv"))),
    )
    state, earned = begin(components, reset), []
    for moment in rest:
        state, scores = advance(components, state, moment, goal=moment.step == 5)
        earned.append(sum(part.score * part.weight for part in scores))
    assert earned == pytest.approx([0.1, 0.1, 0.1, 0.3, 0.4])
    assert sum(earned) == pytest.approx(components.max_reward)
    assert components.max_reward == pytest.approx(1.0)


def test_nav_pays_for_addresses_never_visited():
    spec = {"pages": ["/a", "/b*", "**"]}
    there = ([went("/a")], page("/a"))
    assert paid(spec, ([went("/")], page("/")), there, ([], page("/a")), ([went("/")], page("/")), there) == [
        {"nav": 1.0}, {}, {}, {},
    ]  # fmt: skip
    assert paid({"pages": ["/a"]}, there, ([went("/a")], page("/a")), ([went("/a#top")], page("/a#top"))) == [{}, {}]


def test_nav_passed_through_counts_as_visited():
    steps: list[Step] = [([], page("/")), ([went("/a"), went("/b")], page("/b")), ([went("/a")], page("/a"))]
    assert paid({"pages": ["/a"]}, *steps) == [{}, {}]


def test_made_up_addresses_farm_nothing():
    tour = [([went(f"/list?q={i}")], page(f"/list?q={i}")) for i in range(20)]
    assert sum(len(step) for step in paid({"pages": ["**"]}, ([], page("/")), *tour)) == 1


def test_ui_pays_for_each_expected_click_once():
    spec = {"clicks": [{"role": "button", "name": "Save"}, {"name_contains": "Exp"}]}
    save, export = click("button", "Save"), click("link", "Export")
    steps: list[list[dict[str, Any]]] = [[], [save], [save], [click("link", "Save")], [export, export], [export]]
    assert paid(spec, *[(events, page()) for events in steps]) == [{"ui": 1.0}, {}, {}, {"ui": 1.0}, {}]


def form(**values: str) -> Any:
    return page("/", *(el(i, "textbox", name, value=value) for i, (name, value) in enumerate(values.items(), 1)))


def test_form_pays_the_increase_over_the_best():
    spec = {"fields": {"A": "x", "B": "y", "C": "z"}}
    steps: list[Step] = [
        ([], form(A="", B="", C="")),
        ([typed("textbox", "A", "x", ref=1)], form(A="x", B="", C="")),
        ([typed("textbox", "A", "", ref=1)], form(A="", B="", C="")),
        ([typed("textbox", "B", "y", ref=2)], form(A="", B="y", C="")),
        ([typed("textbox", "A", "x", ref=1), typed("textbox", "C", "z", ref=3)], form(A="x", B="y", C="z")),
    ]
    assert paid(spec, *steps) == [{"form": 1 / 3}, {}, {}, {"form": 2 / 3}]


def test_form_counts_only_what_was_typed_and_what_was_not_there_already():
    spec = {"fields": {"A": "x", "B": "y"}}
    by_the_page: Step = ([], form(A="x", B="y"))
    assert paid(spec, ([], form(A="", B="")), by_the_page) == [{}]
    retyped = ([typed("textbox", "A", "x", ref=1)], form(A="x", B=""))
    assert paid(spec, ([], form(A="x", B="")), ([], form(A="", B="")), retyped) == [{}, {}]


def test_file_pays_for_a_new_path_with_a_new_content():
    spec = {"files": [{"path": "*.csv"}, {"path": "**"}]}
    one, copy, other = file("a.csv", "one"), file("b.csv", "one"), file("c.txt", "two")
    steps = [
        ([], page()),
        ([changed("created", "a.csv", "one")], page(files=[one])),
        ([changed("created", "b.csv", "one")], page(files=[one, copy])),
        ([changed("deleted", "a.csv", None)], page(files=[copy])),
        ([changed("created", "a.csv", "new")], page(files=[file("a.csv", "new"), copy])),
        ([changed("created", "c.txt", "two")], page(files=[copy, other])),
    ]
    assert paid(spec, *steps) == [{"file": 1.0}, {}, {}, {}, {}], "both entries are paid for by the first file"
    assert paid({"files": [{"path": "*.txt"}]}, *steps) == [{}, {}, {}, {}, {"file": 1.0}]


def test_file_is_not_paid_for_what_is_empty_or_was_there_or_was_not_downloaded():
    empty = ([changed("created", "a.csv", "")], page(files=[file("a.csv", "")]))
    assert paid({"files": [{"path": "**"}]}, ([], page()), empty) == [{}]
    old = page(files=[file("a.csv", "one")])
    again = ([changed("modified", "a.csv", "two")], page(files=[file("a.csv", "two")]))
    assert paid({"files": [{"path": "**"}]}, ([], old), again) == [{}]
    written = ([changed("created", "a.csv")], page(files=[file("a.csv")]))
    assert paid({"files": [{"path": "**", "download_only": True}]}, ([], page()), written) == [{}]


def test_a_copy_under_a_new_name_is_no_new_file():
    one, copy = file("a.csv", "one"), file("b.csv", "one")
    copied = ([changed("created", "b.csv", "one")], page(files=[one, copy]))
    assert paid({"files": [{"path": "b.csv"}]}, ([], page(files=[one])), copied) == [{}]
    moved = ([changed("moved", "b.csv", "one")], page(files=[copy]))
    assert paid({"files": [{"path": "b.csv"}]}, ([], page(files=[one])), moved) == [{}]


def test_a_path_that_was_there_before_is_no_new_file():
    emptied = ([changed("created", "a.csv", "")], page(files=[file("a.csv", "")]))
    filled = ([changed("created", "a.csv", "one")], page(files=[file("a.csv", "one")]))
    steps: list[Step] = [([], page()), emptied, ([changed("deleted", "a.csv", None)], page()), filled]
    assert paid({"files": [{"path": "**"}]}, *steps) == [{}, {}, {}]


def test_an_old_copy_beside_a_new_file_does_not_hide_it():
    both = ([changed("created", "a.csv", "one"), changed("created", "b.csv", "two")],
            page(files=[file("a.csv", "one"), file("b.csv", "two"), file("old.csv", "one")]))  # fmt: skip
    assert paid({"files": [{"path": "*.csv"}]}, ([], page(files=[file("old.csv", "one")])), both) == [{"file": 1.0}]


def test_goal_pays_once():
    assert paid({}, *[([], page())] * 5, goals=(2, 3, 4)) == [{}, {"goal": 1.0}, {}, {}]


def test_a_component_without_weight_is_not_mentioned():
    spec = {"weights": {"goal": 1.0}, "pages": ["**"], "files": [{"path": "**"}]}
    step = ([went("/a"), downloaded("a")], page("/a", files=[file("a")]))
    assert paid(spec, ([], page()), step, goals=(1,)) == [{"goal": 1.0}]


def test_the_bound_says_what_can_be_earned():
    spec: dict[str, Any] = {"weights": ORDERED, "pages": ["/a", "/b"], "clicks": [{"name": "x"}] * 3}
    assert Components.model_validate(spec).max_reward == pytest.approx(0.1 * 2 + 0.1 * 3 + 0.2 + 0.4)
    spec |= {"fields": {"A": "x"}, "files": [{"path": "a"}, {"path": "b"}]}
    assert Components.model_validate(spec).max_reward == pytest.approx(0.1 * 2 + 0.1 * 3 + 0.2 + 0.2 * 2 + 0.4)
    assert Components.model_validate({"weights": ORDERED}).max_reward == pytest.approx(0.1 + 0.2 + 0.4)


def test_every_text_is_a_template():
    components = Components.model_validate(
        {
            "weights": ORDERED,
            "pages": ["/{who}/*"],
            "clicks": [{"name": "Open {who}"}],
            "fields": {"Name": "{who}"},
            "files": [{"path": "{who}.csv"}],
        }
    )
    assert {where for where, text in components.templates() if "{who}" in text} == {
        ("pages", 0), ("clicks", 0, "name"), ("fields", "Name"), ("files", 0, "path"),
    }  # fmt: skip
    filled = components.filled({"who": "a*b"})
    assert filled.pages == (r"/a\*b/*",)
    assert (filled.clicks[0].name, filled.fields, filled.files[0].path) == ("Open a*b", {"Name": "a*b"}, r"a\*b.csv")
    assert filled.weights == components.weights


@given(st.lists(st.sampled_from(["/a", "/b", "/a#x", "/c?1", "/c?2"]), max_size=15))
def test_no_tour_earns_more_than_its_pages(paths):
    tour = [([went(path)], page(path)) for path in paths]
    scores = paid({"pages": ["/a", "/c"]}, ([], page("/")), *tour)
    assert sum(len(step) for step in scores) == ("/a" in {p.partition("#")[0] for p in paths}) + any(
        path.startswith("/c") for path in paths
    )


def test_every_component_has_a_weight():
    assert [component.value for component in Component] == list(ComponentWeights.model_fields)
