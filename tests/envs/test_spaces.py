from __future__ import annotations

import gymnasium
import pytest
from gymnasium.utils.passive_env_checker import check_action_space, check_observation_space
from gymnasium.vector.utils import batch_space
from hypothesis import given
from hypothesis import strategies as st

from milepost.envs.observation import observation_space
from milepost.envs.spaces import UnicodeText


@given(st.text(max_size=20))
def test_any_encodable_text_within_the_bound_is_a_member(text: str):
    encodable = not any("\ud800" <= c <= "\udfff" for c in text)
    assert (text in UnicodeText(20)) is encodable
    assert text + "x" * 21 not in UnicodeText(20)


def test_strangers_are_no_members():
    space = UnicodeText(5)
    assert "" in space
    for stranger in (None, 5, b"abc", ["a"], "\ud800", "abcdef"):
        assert stranger not in space


def test_samples_repeat_with_the_seed_and_are_members():
    first, second, other = UnicodeText(30, seed=1), UnicodeText(30, seed=1), UnicodeText(30, seed=2)
    drawn = [first.sample() for _ in range(50)]
    assert drawn == [second.sample() for _ in range(50)]
    assert drawn != [other.sample() for _ in range(50)]
    assert all(text in first for text in drawn)


def test_gymnasium_accepts_the_spaces():
    check_action_space(UnicodeText(100))
    check_observation_space(observation_space())
    batched = batch_space(observation_space(), 3)
    assert batched.sample() in batched
    assert isinstance(UnicodeText(3), gymnasium.spaces.Text)
    assert UnicodeText(3) == UnicodeText(3)
    assert UnicodeText(3) != UnicodeText(4)


def test_masks_are_refused():
    with pytest.raises(ValueError, match="neither mask"):
        UnicodeText(3).sample(mask=(None, None))  # type: ignore[arg-type]
