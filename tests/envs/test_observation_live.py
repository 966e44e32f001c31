"""Observations of every kind, of real pages."""

from __future__ import annotations

from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence

import milepost
from milepost.envs import MilepostEnv
from milepost.envs.frames import decode_png
from milepost.envs.observation_kinds import KINDS
from milepost.sandbox.page import PageSession

pytestmark = pytest.mark.browser


@pytest.fixture
def everything() -> Iterator[MilepostEnv]:
    made = milepost.make("expense-form", observations=KINDS, screenshots=True)
    yield made
    made.close()


@pytest.mark.parametrize("kinds", [(), *((kind,) for kind in KINDS), KINDS], ids="+".join)
def test_gymnasiums_checker_is_content_with_every_kind(kinds: tuple[str, ...]):
    env = gymnasium.make("milepost:milepost/expense-form-v0", observations=kinds).unwrapped
    check_env(env, skip_render_check=True)
    env.close()


def test_every_kind_is_shown_at_every_step(everything: MilepostEnv):
    observation, info = everything.reset(seed=3)
    seen = [observation]
    for action in everything.instance.oracle:
        before = observation
        observation, _, _, _, info = everything.step(action)
        seen.append(observation)
        assert observation in everything.observation_space
        assert (decode_png(info["screenshot"]) == observation["screenshot"]).all()
        assert (observation["screenshot"] != before["screenshot"]).any()
        assert (observation["screenshot"] != observation["marks"]).any()
    assert all(each["tabs"].startswith('1 "') and each["tabs"].endswith("(shown)") for each in seen)
    assert all("localhost" not in each["tabs"] + each["html"] for each in seen)
    assert "<form" in seen[0]["html"]
    assert '"Name"' in seen[0]["page"]


def test_boxes_and_marks_are_where_the_elements_are(everything: MilepostEnv):
    observation, _ = everything.reset(seed=3)
    snapshot = everything._episode.snapshot  # type: ignore[union-attr]
    boxes = {int(row[0]): row[1:] for row in observation["boxes"] if row[0] != -1}
    assert set(boxes) == {e.ref for e in snapshot.elements if e.interactive and e.in_viewport}
    (submit,) = (e for e in snapshot.elements if e.name == "Submit")
    x, y, width, height = boxes[submit.ref]
    inside = (slice(round(y) + 2, round(y + height) - 2), slice(round(x) + 2, round(x + width) - 2))
    assert (observation["marks"][inside] == observation["screenshot"][inside]).all(), "its text is not covered"
    edge = (slice(round(y), round(y) + 2), slice(round(x), round(x + width)))
    assert (observation["marks"][edge] != observation["screenshot"][edge]).any(axis=2).all()


def test_a_boxs_middle_is_where_the_mouse_finds_its_element():
    task = milepost.make("expense-form").task.model_copy(update={"actions": ("basic", "mouse", "forms")})
    env = milepost.make(task, observations=("text", "boxes"))
    observation, _ = env.reset(seed=3)
    names = {e.ref: e.name for e in env._episode.snapshot.elements}  # type: ignore[union-attr]
    fields = [row for row in observation["boxes"] if names.get(int(row[0])) in ("Name", "Amount", "Purpose")]
    assert len(fields) == 3
    for ref, x, y, width, height in fields:
        observation, *_ = env.step(f"mouse_click({x + width / 2:.2f}, {y + height / 2:.2f})")
        assert observation["focused"] == f'textbox "{names[int(ref)]}"'
        assert env.step('type("7")')[0]["last_action_result"] == f'"{names[int(ref)]}" is now "7"'
    env.close()


def test_what_is_not_asked_for_is_not_computed(monkeypatch: pytest.MonkeyPatch):
    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nobody asked for this")

    monkeypatch.setattr(PageSession, "screenshot", refuse)
    monkeypatch.setattr(PageSession, "html", refuse)
    env = milepost.make("expense-form", observations=("text", "boxes", "tabs", "clipboard"))
    env.reset(seed=3)
    assert env.step('fill("Name", "Ada")')[0]["last_action_result"] == '"Name" is now "Ada"'
    env.close()


def test_same_seed_and_actions_give_the_same_observations_of_every_kind(everything: MilepostEnv):
    runs = []
    for _ in range(2):
        observation, _ = everything.reset(seed=5)
        run = [observation]
        for action in everything.instance.oracle:
            run.append(everything.step(action)[0])
        runs.append(run)
    for first, second in zip(*runs, strict=True):
        assert data_equivalence(first, second, exact=True)


def test_a_failed_machine_gives_a_member_of_the_space():
    env = milepost.make("expense-form", observations=KINDS, step_timeout_s=1e-4)
    env.reset(seed=2)
    observation, _, _, truncated, info = env.step('fill("Name", "Ada")')
    assert truncated
    assert info["failure"] is not None
    assert observation in env.observation_space
    assert not observation["screenshot"].any()
    env.close()


def test_pictures_have_the_size_of_the_viewport(everything: MilepostEnv):
    observation, _ = everything.reset(seed=1)
    for kind in ("screenshot", "marks"):
        assert observation[kind].shape == (720, 1280, 3)
        assert observation[kind].dtype == np.uint8
