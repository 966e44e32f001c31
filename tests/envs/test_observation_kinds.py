from __future__ import annotations

from io import BytesIO
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.passive_env_checker import check_observation_space
from gymnasium.vector.utils import batch_space
from PIL import Image

from milepost.envs.observation import LIMITS_CHARS, build_observation, observation_space, render_dialog, render_tabs
from milepost.envs.observation_kinds import EXTRA_LIMITS_CHARS, KINDS, Eyes, Sights
from milepost.envs.observation_marks import draw_marks
from milepost.errors import TaskError
from milepost.sandbox.snapshot import DialogInfo, Element, Snapshot, TabInfo

TABS = (
    TabInfo(index=1, url="http://mail.local/", title="Inbox (2)", active=False),
    TabInfo(index=2, url="http://mail.local/new", title="New\nmessage", active=True),
)
PAGE = Snapshot(
    url="http://mail.local/new",
    title="New message",
    elements=(Element(ref=3, role="button", name="Send", box=(10, 20, 30, 40), interactive=True),),
    tabs=TABS,
)
PIXELS = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
ALWAYS = {"goal", "last_action", "last_action_result", "last_action_error"}


def png() -> bytes:
    file = BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG", compress_level=0)
    return file.getvalue()


SIGHTS = Sights(screenshot=png(), html="<h1>New</h1>", clipboard="copied")
EVERY_COMBINATION = [kinds for count in range(len(KINDS) + 1) for kinds in combinations(KINDS, count)]


def see(eyes: Eyes, snapshot: Snapshot | None = PAGE, sights: Sights = SIGHTS) -> dict[str, Any]:
    return eyes.see(goal="Write", snapshot=snapshot, sights=sights, last_action="noop()", last_action_error="no")


def test_text_alone_is_what_it_always_was():
    eyes = Eyes()
    assert eyes.kinds == ("text",)
    assert eyes.space == observation_space()
    assert list(see(eyes)) == list(LIMITS_CHARS)
    assert see(eyes) == build_observation(goal="Write", snapshot=PAGE, last_action="noop()", last_action_error="no")


@pytest.mark.parametrize("kinds", EVERY_COMBINATION, ids="+".join)
def test_every_combination_makes_members_of_a_sound_space(kinds: tuple[str, ...]):
    eyes = Eyes(kinds)
    check_observation_space(eyes.space)
    assert eyes.space.sample() in eyes.space
    if not eyes.needs_screenshot:  # drawing pictures for every combination takes minutes; the others are below
        assert see(eyes) in eyes.space
    blank = see(eyes, None, Sights())
    assert blank in eyes.space
    assert set(blank) == set(eyes.space.keys()) >= ALWAYS  # type: ignore[attr-defined]


@pytest.mark.parametrize("kinds", [("screenshot",), ("marks",), KINDS], ids="+".join)
def test_pictures_are_members_too(kinds: tuple[str, ...]):
    eyes = Eyes(kinds)
    observation = see(eyes)
    assert observation in eyes.space
    batched = batch_space(eyes.space, 2)
    assert batched.sample() in batched


def test_each_kind_shows_what_it_says():
    observation = see(Eyes(KINDS))
    assert observation["page"] == '[3] button "Send"'
    assert observation["html"] == "<h1>New</h1>"
    assert observation["clipboard"] == "copied"
    assert observation["tabs"] == '1 "Inbox (2)" http://mail.local/\n2 "New message" http://mail.local/new (shown)'
    assert observation["boxes"][0].tolist() == [3, 10, 20, 30, 40]
    assert (observation["screenshot"] == PIXELS).all()
    assert (observation["marks"] == draw_marks(PIXELS, PAGE.elements)).all()
    assert (observation["marks"] != PIXELS).any()


def test_without_text_the_goal_and_the_last_action_are_still_told():
    observation = see(Eyes(["boxes"]))
    assert set(observation) == ALWAYS | {"boxes"}
    assert (observation["goal"], observation["last_action"]) == ("Write", "noop()")
    assert observation["last_action_error"] == "no"


def test_a_failed_machine_shows_nothing():
    observation = see(Eyes(KINDS), None, Sights())
    assert not observation["screenshot"].any()
    assert not observation["marks"].any()
    assert (observation["boxes"] == -1).all()
    assert observation["page"] == observation["html"] == observation["tabs"] == observation["clipboard"] == ""


def test_texts_are_bounded_and_encodable():
    long = Sights(html="<p>" * 20_000, clipboard="\ud800" * 20_000)
    observation = see(Eyes(["html", "clipboard", "tabs"]), PAGE, long)
    for kind in ("html", "clipboard"):
        assert len(observation[kind]) == EXTRA_LIMITS_CHARS[kind]
        assert observation[kind].endswith("...")
        observation[kind].encode()


def test_observations_share_nothing():
    eyes = Eyes(["boxes", "screenshot"])
    first, second = see(eyes), see(eyes)
    assert not np.shares_memory(first["boxes"], second["boxes"])
    assert not np.shares_memory(first["screenshot"], second["screenshot"])
    assert first["screenshot"].flags.writeable


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        (["txt"], "observations are any of text, html, .*; came 'txt'"),
        ("screenshots", "came 'screenshots'"),
        (["text", "text"], "given once; came text, text"),
    ],
)
def test_what_is_no_kind_is_refused(kinds, reason):
    with pytest.raises(TaskError, match=reason):
        Eyes(kinds)


def test_a_single_kind_may_be_given_by_its_name():
    assert Eyes("boxes").kinds == ("boxes",)


def test_a_dialog_that_waits_is_the_pages_first_line():
    asks = DialogInfo(dialog_type="confirm", message="Delete\nall?", default_value="")
    page = Snapshot(url="", title="", elements=PAGE.elements, dialog=asks)
    lines = build_observation(goal="g", snapshot=page)["page"].splitlines()
    assert lines == [
        'confirm dialog "Delete all?": dialog_accept() or dialog_dismiss() answers it',
        '[3] button "Send"',
    ]
    prompt = DialogInfo(dialog_type="prompt", message="Your name?", default_value="Ada")
    assert render_dialog(prompt).startswith('prompt dialog "Your name?" "Ada": ')


def test_the_page_stays_within_its_bound_under_a_long_dialog():
    asks = DialogInfo(dialog_type="prompt", message="m" * 5000, default_value="d" * 5000)
    many = tuple(Element(ref=i, role="button", name=f"Button {i} " * 30, interactive=True) for i in range(900))
    observation = build_observation(goal="g", snapshot=Snapshot(url="", title="", elements=many, dialog=asks))
    assert observation in observation_space()
    assert observation["page"].endswith("more elements not shown)")


def test_tabs_are_one_line_each():
    assert render_tabs(()) == ""
    odd = TabInfo(index=1, url="http://x/" + "a" * 500, title='say "hi"\n' + "t" * 500, active=True)
    assert len(render_tabs((odd,)).splitlines()) == 1
    assert len(render_tabs((odd,))) < 400
