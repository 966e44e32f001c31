"""Pictures of recorded episodes, taken by playing them again in a real browser."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from milepost.agents.policies import NoopPolicy, OraclePolicy
from milepost.agents.records import Trajectory
from milepost.agents.rollout import EnvPool, EpisodeSpec, run_episodes
from milepost.envs.registration import resolve_id
from milepost.rewards.preferences import TrajectoryRef
from milepost.trainers.pictures import PictureMaker, picture_folder, pictures_of

from .choices import episode, record
from .served import serving

pytestmark = pytest.mark.browser

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def recorded() -> list[Trajectory]:
    spec = EpisodeSpec(task=resolve_id("search-open"), seed=3)
    with EnvPool() as pool:
        return [run_episodes([spec], policy, pool=pool)[0] for policy in (OraclePolicy(), NoopPolicy())]


def test_every_step_has_its_picture_and_is_played_once(recorded: list[Trajectory], tmp_path: Path):
    oracle = recorded[0]
    made = pictures_of(oracle, tmp_path)
    assert made.note == ""
    assert len(made.files) == len(oracle.steps) + 1
    for file in made.files:
        assert file is not None
        assert file.read_bytes().startswith(PNG)
    assert len(set(made.files)) > 2
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert pictures_of(oracle, tmp_path) == made
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")} == kept


def test_pages_that_look_alike_share_a_picture(recorded: list[Trajectory], tmp_path: Path):
    made = pictures_of(recorded[1], tmp_path)
    assert made.note == ""
    assert len(made.files) > 2
    assert len(set(made.files)) == 1


def test_another_episode_than_was_recorded_is_not_pictured(recorded: list[Trajectory], tmp_path: Path):
    oracle = recorded[0]
    steps = list(oracle.steps)
    steps[2] = dataclasses.replace(steps[2], observation=steps[2].observation + "\nmore")
    made = pictures_of(dataclasses.replace(oracle, steps=tuple(steps)), tmp_path)
    assert "from step 2 on" in made.note
    assert made.differs_at == 2
    assert [file is not None for file in made.files] == [True, True, *[False] * (len(steps) - 1)]
    assert list(tmp_path.rglob("*.json")) == []


def test_another_seed_has_no_pictures(recorded: list[Trajectory], tmp_path: Path):
    made = pictures_of(dataclasses.replace(recorded[0], seed=4), tmp_path)
    assert made.note
    assert set(made.files) == {None}


def test_a_task_that_is_not_registered_is_named(tmp_path: Path):
    made = pictures_of(episode("noop()"), tmp_path)
    assert "unregistered" in made.note
    assert made.files == (None, None)


def test_a_picture_that_was_deleted_is_taken_again(recorded: list[Trajectory], tmp_path: Path):
    oracle = recorded[0]
    made = pictures_of(oracle, tmp_path)
    assert made.files[1] is not None
    made.files[1].unlink()
    assert pictures_of(oracle, tmp_path) == made
    assert made.files[1].is_file()


def test_an_index_that_leads_elsewhere_is_not_followed(recorded: list[Trajectory], tmp_path: Path):
    oracle = recorded[0]
    made = pictures_of(oracle, tmp_path)
    (tmp_path / "secret.png").write_bytes(PNG)
    (index,) = tmp_path.rglob("pictures.json")
    index.write_text(json.dumps(["../secret.png"] * len(made.files)))
    assert pictures_of(oracle, tmp_path) == made


def test_what_is_wanted_most_is_taken_first(recorded: list[Trajectory], tmp_path: Path):
    refs = [TrajectoryRef(run=tmp_path, file="f", index=n) for n in range(3)]
    begun: list[int] = []
    hold = threading.Event()

    def read(ref: TrajectoryRef) -> Trajectory:
        begun.append(ref.index)
        hold.wait(20)
        return episode("noop()")

    maker = PictureMaker(read, lambda ref: tmp_path)
    try:
        maker.want([refs[0], refs[1], refs[2]])
        while not begun:
            threading.Event().wait(0.01)
        maker.want([refs[2], refs[1]])
        hold.set()
        for ref in refs:
            assert maker.pictures(ref).result(30).note
        assert begun == [0, 2, 1]
    finally:
        hold.set()
        maker.close()


def test_a_run_that_cannot_be_written_has_its_pictures_elsewhere(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "pictures").write_text("in the way")
    assert picture_folder(tmp_path / "run", tmp_path / "else") == tmp_path / "else"
    (tmp_path / "run" / "pictures").unlink()
    assert picture_folder(tmp_path / "run", tmp_path / "else") == tmp_path / "run" / "pictures"


def test_the_page_shows_them_step_by_step(recorded: list[Trajectory], tab: Page, tmp_path: Path):
    run = record(tmp_path / "run", recorded)
    with serving(run, repeats=0.0, calibration=0.0) as served:
        tab.goto(served.server.url)
        image = tab.locator("#left .picture img")
        expect(image).to_be_visible(timeout=60_000)
        expect(tab.locator("#right .picture img")).to_be_visible(timeout=60_000)
        expect(image).to_have_js_property("naturalWidth", 1280)
        oracle = "left" if served.session.ahead(1)[0].shown[0].index == 0 else "right"
        start = tab.locator(f"#{oracle} .picture img").get_attribute("src")
        tab.keyboard.press("End")
        end = tab.locator(f"#{oracle} .picture img").get_attribute("src")
        assert start != end
        tab.keyboard.press("Home")
        expect(tab.locator(f"#{oracle} .picture img")).to_have_attribute("src", start or "")
        tab.keyboard.press(" ")
        expect(tab.locator(f"#{oracle} .picture img")).to_have_attribute("src", end or "", timeout=30_000)
        tab.locator("#left .picture").click()
        expect(tab.locator("#large")).to_be_visible()
        tab.keyboard.press("Escape")
        expect(tab.locator("#large")).to_be_hidden()
        assert served.session.done == 0
        wrong = served.ask("GET", f"/picture/{served.session.ahead(1)[0].id}/left/99")
        assert wrong.status == 404
