from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from milepost.rewards.step_view import StepView
from milepost.trainers.labelling.shown import MAX_FRAMES, episode_shown, target_of
from milepost.trainers.local_page.text import MAX_TEXT_CHARS, harmless

from .choices import episode


def test_each_action_stands_with_what_was_seen_after_it():
    shown = episode_shown(episode("a()", "b()"))
    assert [(f["action"], f["page"]) for f in shown["frames"]] == [
        (None, 'heading "before a()"'),
        ("a()", 'heading "before b()"'),
        ("b()", 'heading "after b()"'),
    ]
    assert shown["cut"] == 0


def test_a_long_episode_is_cut_and_says_so():
    shown = episode_shown(episode(*(f"a({n})" for n in range(MAX_FRAMES + 10))))
    assert (len(shown["frames"]), shown["cut"]) == (MAX_FRAMES, 11)


def test_a_number_is_told_what_it_stood_for():
    before = 'heading "Form"\n[4] textbox "Na\\"me" "value" invalid\n  [12] button "Send"'
    for action, target in [
        ("click(12)", 'button "Send"'),
        ('fill(4, "12")', 'textbox "Na\\"me"'),
        ("click(1)", ""),
        ('click("4")', ""),
        ("nonsense", ""),
    ]:
        assert target_of(StepView(before=before, action=action, after="")) == target


@given(st.text())
def test_nothing_unseen_is_left(text: str):
    shown = harmless(text)
    kept = "\n\t\u00ad\u200c\u200d"
    assert all(c in kept or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for c in shown)


def test_hand_worked_texts():
    assert harmless("a\u202eb\x00") == "a⟨U+202E⟩b⟨U+0000⟩"
    assert harmless("ab", 1) == "a\n… (1 more characters)"
    assert len(harmless("x" * 10**6)) < MAX_TEXT_CHARS + 50
