from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.rewards.reward_model import StepEncoder, TextBudgets, step_text
from milepost.rewards.step_view import StepView

BEFORE = 'heading "Library"\n[2] textbox "Topic" ""\n[3] button "Search"'
AFTER = (
    'heading "Library"\n[2] textbox "Topic" "red lamp"\n[3] button "Search"\n'
    'Last: fill("Topic", "red lamp")\nResult: "Topic" is now "red lamp"'
)
STEP = StepView(before=BEFORE, action='fill("Topic", "red lamp")', after=AFTER)


def letters(text: str) -> list[int]:
    return [ord(c) for c in text]


def test_the_whole_text():
    assert str(step_text("Find it.", STEP)) == (
        'Goal: Find it.\nPage:\nheading "Library"\ntextbox "Topic" ""\nbutton "Search"\n'
        'Action: fill("Topic", "red lamp")\nResult: "Topic" is now "red lamp"\nNew:\ntextbox "Topic" "red lamp"\n'
        "Asked: none\nProgress:"
    )


def test_how_a_page_was_reached_does_not_tell_it_apart():
    assert (
        step_text("g", dataclasses.replace(STEP, before=AFTER)).before
        == step_text("g", dataclasses.replace(STEP, before=AFTER.replace("Result: ", "Result: really, "))).before
    )


def test_a_number_is_replaced_by_its_element():
    assert (
        step_text("g", dataclasses.replace(STEP, action="click(3)")).action == 'Action: click(3) on button "Search"\n'
    )
    assert step_text("g", dataclasses.replace(STEP, action="click(9)")).action == "Action: click(9) on nothing\n"
    renumbered = StepView(before=BEFORE.replace("[3]", "[7]"), action="click(7)", after=AFTER.replace("[3]", "[7]"))
    assert step_text("g", renumbered).after == step_text("g", STEP).after


def test_lines_that_stay_are_no_news_but_a_further_equal_one_is():
    step = StepView(before="row\nrow", action="noop()", after="row\nrow\nrow")
    assert step_text("g", step).after == "New:\nrow\n"
    assert step_text("g", dataclasses.replace(step, after="row\nrow")).after == ""


def test_an_error_comes_first_and_an_unrecorded_outcome_is_said():
    after = step_text("g", dataclasses.replace(STEP, error="no such field")).after
    assert after.startswith("Error: no such field\nResult: ")
    assert step_text("g", dataclasses.replace(STEP, after="")).after == "Result: not recorded\n"


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=80), st.text(max_size=200), st.text(max_size=80))
def test_no_part_exceeds_its_budget_and_all_end_in_the_question(goal, before, action, after, error):
    budgets = TextBudgets(goal_tokens=20, before_tokens=30, action_tokens=10, after_tokens=25)
    ids = StepEncoder(letters, budgets).ids(goal, StepView(before=before, action=action, after=after, error=error))
    assert len(ids) <= 20 + 30 + 10 + 25 + len("Asked: some\nProgress:")
    assert "".join(map(chr, ids[-9:])) == "Progress:"


def test_what_is_too_long_loses_its_middle():
    budgets = TextBudgets(goal_tokens=21)
    ids = StepEncoder(letters, budgets).ids("abcdefghijklmnopqrstuvwxyz", StepView(before="", action="", after=""))
    assert "".join(map(chr, ids)).startswith("Goal: abcdef\n...\nxyz\nPage:")


def test_a_part_is_tokenised_once():
    asked: list[str] = []

    def encode(text: str) -> list[int]:
        asked.append(text)
        return letters(text)

    encoder = StepEncoder(encode)
    first = encoder.ids("g", STEP)
    count = len(asked)
    assert encoder.ids("g", STEP) == first
    encoder.ids("g", dataclasses.replace(STEP, action="noop()"))
    assert asked[count:] == ["Action: noop()\n"]


def test_it_says_how_much_of_the_action_was_asked_for():
    goal = 'Find the article "Fixing a red lamp" by its topic.'
    shares = {
        'fill("Topic", "Red lamp")': "all",
        'fill("Topic", "red bike")': "some",
        'click("Search")': "none",
        "click(2)": "all",  # the element behind the number is "Topic"
        "noop()": "none",
    }
    for action, share in shares.items():
        assert step_text(goal, dataclasses.replace(STEP, action=action)).asked == f"Asked: {share}\nProgress:"


def test_a_budget_too_small_to_say_anything_is_refused():
    with pytest.raises(ValueError, match="action_tokens"):
        TextBudgets(action_tokens=3)
