"""The viewer in a real browser: opened, filtered, stepped through, compared, exported, attacked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from milepost.trainers.run_folder import RunFolder
from tests.labelling.served import ServedPage
from tests.labelling.test_page import HOSTILE

from .conftest import viewing
from .runs import TASK, episode, record_many

pytestmark = pytest.mark.browser

SCREENS = ("#/", "#/e/0/1", "#/c/0/1/1", "#/curves")


@dataclasses.dataclass(slots=True)
class Heard:
    """What a tab asked for, and what went wrong in it."""

    asked: list[str] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)


@pytest.fixture
def heard(tab: Page) -> Iterator[Heard]:
    """Every test ends without an error of the page's."""
    found = Heard()
    tab.on("request", lambda request: found.asked.append(request.url))
    tab.on("pageerror", lambda error: found.problems.append(str(error)))
    tab.on("console", lambda message: found.problems.append(message.text) if message.type == "error" else None)
    tab.on("dialog", lambda dialog: found.problems.append(dialog.message))
    yield found
    assert found.problems == []


def opened(tab: Page, served: ServedPage, screen: str = "") -> Page:
    tab.goto("about:blank")  # else an address that differs after the # alone would load nothing
    tab.goto(served.server.url + screen)
    expect(tab.locator("main section").first).to_be_visible()
    return tab


def press(tab: Page, *keys: str) -> None:
    for key in keys:
        tab.keyboard.press(key)


def test_the_list_is_filtered_and_walked_by_keys(tab: Page, served: ServedPage, heard: Heard):
    opened(tab, served)
    expect(tab.locator("#sum")).to_have_text(re.compile(r"16 episodes.*50\.0.% success"))
    expect(tab.locator("#result")).to_have_text(re.compile(r"16 episodes, 8 of 16 succeeded"))
    tab.get_by_label("Outcome", exact=True).select_option(label="failed")
    expect(tab.locator("#result")).to_have_text(re.compile(r"8 of 16 episodes, 0 of 8"))
    tab.get_by_label("Milestone", exact=True).select_option(label="amount_filled missed")
    tab.get_by_label("Iteration", exact=True).select_option(label="iteration 1")
    expect(tab.locator(".space .row")).to_have_count(4)
    assert "milestone=" in tab.url
    tab.reload()
    expect(tab.locator(".space .row")).to_have_count(4)
    press(tab, "x", "/")
    tab.keyboard.type("seed 1 success")
    expect(tab.locator(".space .row")).to_have_count(4)
    press(tab, "Enter", "j", "j", "k")
    expect(tab.locator(".row[aria-selected=true] .number")).to_have_text("#7")
    press(tab, "Enter")
    expect(tab.locator("h1")).to_have_text("#7")
    press(tab, "]")
    expect(tab.locator("h1")).to_have_text("#12")
    press(tab, "Escape")
    expect(tab.locator(".space .row")).to_have_count(4)
    press(tab, "Escape")
    expect(tab.locator("#result")).to_have_text(re.compile("^16 episodes"))
    tab.get_by_label("Failure", exact=True).select_option(label="an impossible action")
    expect(tab.locator("#result")).to_have_text(re.compile("^8 of 16"))
    tab.get_by_role("button", name="Reward").click()
    expect(tab.locator(".space .row .total").first).to_have_text("0.20")


def test_an_episode_is_stepped_through(tab: Page, served: ServedPage, heard: Heard):
    opened(tab, served, "#/e/0")
    expect(tab.locator(".action")).to_contain_text('fill("Name"')
    expect(tab.locator("#figure .target")).to_be_visible()
    box = tab.locator("#figure .shot").bounding_box()
    mark = tab.locator("#figure .target").bounding_box()
    assert box is not None
    assert mark is not None
    assert (mark["x"] - box["x"]) / box["width"] == pytest.approx(0.25, abs=0.01)
    assert (mark["y"] - box["y"]) / box["height"] == pytest.approx(0.2, abs=0.02)
    expect(tab.locator(".tokens li").first).to_have_text(re.compile("fill25.%"))
    expect(tab.locator(".tokens li").nth(1)).to_contain_text("<b>Name</b>")
    expect(tab.locator("#earned .reward")).to_contain_text("+0.20")
    expect(tab.locator("#earned .paid")).to_contain_text("name_filled")
    expect(tab.locator("#earned .tiers")).to_contain_text("rules")
    expect(tab.locator("#seen")).to_contain_text('textbox "Name" ""')
    expect(tab.locator("#ledger")).to_have_text("Ledger whole; scored again it pays the same 1.90.")
    press(tab, "j")
    expect(tab.locator(".error")).to_contain_text("cannot do this twice")
    press(tab, "End")
    expect(tab.locator(".action")).to_contain_text("The end")
    press(tab, "k", "k", "m")
    expect(tab.locator(".action")).to_contain_text('click("Submit")')
    expect(tab.locator("#timeline li").filter(has_text="saved").locator(".when")).to_have_text("step 4")
    assert tab.url.endswith("#/e/0/3")
    tab.locator("#strip button").first.click()
    expect(tab.locator(".action")).to_contain_text('fill("Name"')
    tab.locator("#prompt summary").click()
    expect(tab.locator("#prompt")).to_contain_text("You operate a web page")
    expect(tab.locator("#figure .blank")).to_contain_text("no browser was found")


def test_two_episodes_are_compared(tab: Page, served: ServedPage, heard: Heard):
    opened(tab, served)
    press(tab, "c")
    expect(tab.locator("#toast")).to_contain_text("#0 is marked")
    press(tab, "j", "c")
    expect(tab.locator("h1")).to_have_text("#0 and #1")
    expect(tab.locator("#parting")).to_have_text("They part at step 2.")
    press(tab, "d")
    expect(tab.locator("#steps tr[aria-current]")).to_contain_text("2")
    values = tab.locator("#steps tr[aria-current] td bdi").all_inner_texts()
    assert values[0] != values[1]
    press(tab, "End")
    expect(tab.locator("#did-1 .action")).to_contain_text("The end")
    press(tab, "Escape")
    expect(tab.locator("#grid")).to_be_focused()
    press(tab, "Enter")
    tab.get_by_label("Compare with an episode").select_option(index=1)
    expect(tab.locator("h1")).to_have_text("#1 and #0")


def test_curves_have_a_cursor_that_leads_to_episodes(tab: Page, served: ServedPage, heard: Heard):
    opened(tab, served)
    press(tab, "g")
    expect(tab.locator("#cursor")).to_have_text("Iteration 1, 8 episodes recorded")
    entropy = tab.locator("figure").filter(has_text="Entropy")
    expect(entropy.locator(".legend b")).to_have_text("1.25")
    press(tab, "k")
    expect(entropy.locator(".legend b")).to_have_text("1.5")
    expect(tab.locator(".held")).to_contain_text("6 of 8")
    press(tab, "Enter")
    expect(tab.locator("#result")).to_have_text(re.compile("^8 of 16 episodes"))
    expect(tab.get_by_label("Iteration", exact=True)).to_have_value("0")
    press(tab, "?")
    expect(tab.locator("#help")).to_be_visible()
    press(tab, "?")
    expect(tab.locator("#help")).to_be_hidden()


def test_an_exported_file_shows_the_same_without_a_server(tab: Page, served: ServedPage, heard: Heard, tmp_path: Path):
    opened(tab, served, "#/e/3/1")
    with tab.expect_download() as waiting:
        press(tab, "e")
    assert waiting.value.suggested_filename == "run-3.html"
    waiting.value.save_as(tmp_path / "one.html")
    (tmp_path / "two.html").write_bytes(served.ask("GET", "/export/0/1").body)
    heard.asked.clear()
    tab.goto((tmp_path / "one.html").as_uri())
    expect(tab.locator("h1")).to_have_text("#3")
    expect(tab.locator("#ledger")).to_contain_text("pays the same")
    press(tab, "j", "j")
    expect(tab.locator(".action")).to_contain_text('fill("Purpose"')
    press(tab, "Escape")
    expect(tab.locator(".space .row")).to_have_count(1)
    expect(tab.locator("#sum")).to_contain_text("16 episodes")
    tab.goto((tmp_path / "two.html").as_uri())
    expect(tab.locator("h1")).to_have_text("#0 and #1")
    press(tab, "g")
    expect(tab.locator(".plots figure")).not_to_have_count(0)
    assert [url for url in heard.asked if not url.startswith(("file:", "data:"))] == []


def test_hostile_episodes_do_nothing(tab: Page, tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MILEPOST_CHROMIUM", str(tmp_path / "absent"))
    with RunFolder.create(tmp_path / "run", {"model": HOSTILE}, seed=0) as folder:
        one = episode(folder.ledger_dir(0) / "e.jsonl", 0, "all")
        steps = tuple(
            dataclasses.replace(step, action=HOSTILE, observation=f"Goal: {HOSTILE}\n{HOSTILE}", error=HOSTILE)
            for step in one.steps
        )
        hostile = dataclasses.replace(one, steps=steps, stop_reason=HOSTILE, final_observation="W" * 100_000 + HOSTILE)
        unknown = dataclasses.replace(hostile, task=HOSTILE, unjudged=(HOSTILE,), ledger_path=HOSTILE)
        folder.write_trajectories(0, [hostile, unknown])
    with viewing(tmp_path / "run") as served:
        for screen in ("#/", "#/e/0/1", "#/e/1/9", "#/c/0/1/0", "#/curves"):
            opened(tab, served, screen)
        opened(tab, served, "#/e/0/0")
        expect(tab.locator(".action").first).to_contain_text("<script>window.owned = 1</script>")
        expect(tab.locator(".goal")).to_contain_text("⟨U+202E⟩gnidaelsim⟨U+2066⟩")
        assert {url.startswith(served.server.url) for url in heard.asked if url != "about:blank"} == {True}
        (tmp_path / "out.html").write_bytes(served.ask("GET", "/export/0/1").body)
        tab.goto((tmp_path / "out.html").as_uri())
        expect(tab.locator("h1")).to_have_text("#0 and #1")
        assert tab.evaluate("window.owned") is None
        forbidden = "main script, main iframe, main style, main form:not(.filters), base, meta[http-equiv=refresh]"
        assert tab.locator(forbidden).count() == 0
        assert tab.locator("main img").count() == 0


def test_a_page_of_ten_thousand_holds_few_rows(tab: Page, tmp_path: Path, heard: Heard):
    with viewing(record_many(tmp_path / "run", 10_000)) as served:
        opened(tab, served)
        expect(tab.locator("#result")).to_have_text(re.compile("^10.000 episodes"))
        assert tab.locator(".space .row").count() < 60
        press(tab, "End")
        expect(tab.locator(".row[aria-selected=true]")).to_contain_text("#9999")
        press(tab, "/")
        tab.keyboard.type("4321")
        expect(tab.locator(".space .row")).to_have_count(1)
        press(tab, "Enter", "Enter")
        expect(tab.locator("h1")).to_have_text("#4321")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_nothing_is_wrong_for_axe(tab: Page, served: ServedPage, heard: Heard, colours: str):
    found = find_spec("axe_playwright_python")
    if found is None or not found.submodule_search_locations:
        pytest.skip("axe-core is not installed: pip install axe-playwright-python")
    axe = (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text("utf-8")
    tab.emulate_media(color_scheme="dark" if colours == "dark" else "light")
    for screen in SCREENS:
        opened(tab, served, screen)
        expect(tab.locator(".wait")).to_have_count(0)
        if screen.startswith("#/e"):
            expect(tab.locator("#ledger")).not_to_be_empty()
        tab.evaluate(axe)
        result = tab.evaluate("axe.run()")
        assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in result["violations"]] == [], screen


@pytest.mark.parametrize("width", [390, 1280])
def test_no_screen_is_wider_than_the_window(tab: Page, served: ServedPage, heard: Heard, width: int):
    tab.set_viewport_size({"width": width, "height": 800})
    for screen in SCREENS:
        opened(tab, served, screen)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, screen
        assert tab.evaluate("document.querySelector('main').scrollWidth") <= width, screen


def test_an_unknown_address_and_a_server_that_is_gone_are_told(tab: Page, run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MILEPOST_CHROMIUM", str(run / "absent"))
    with viewing(run) as served:
        tab.goto(served.server.url + "#/e/99")
        expect(tab.locator(".wait.bad")).to_contain_text("There is no such episode")
        tab.get_by_role("link", name="Back to the list").click()
        expect(tab.locator("#result")).to_be_visible()
    press(tab, "Enter")
    expect(tab.locator(".wait.bad")).to_contain_text("The server does not answer")


def test_pictures_of_a_real_episode_are_shown_and_exported(tab: Page, tmp_path: Path, heard: Heard):
    from milepost.agents.policies import OraclePolicy
    from milepost.agents.rollout import EnvPool, EpisodeSpec, run_episodes

    with RunFolder.create(tmp_path / "run", {}, seed=0) as folder, EnvPool(ledger_dir=folder.ledger_dir(0)) as pool:
        folder.write_trajectories(0, run_episodes([EpisodeSpec(task=TASK, seed=3)], OraclePolicy(), pool=pool))
    with viewing(tmp_path / "run") as served:
        opened(tab, served, "#/e/0/0")
        image = tab.locator("#figure img")
        expect(image).to_have_js_property("naturalWidth", 1280, timeout=60_000)
        expect(tab.locator("figcaption")).to_have_text("Replayed; the page is identical to the recorded one")
        expect(tab.locator("#ledger")).to_contain_text("pays the same")
        start = image.get_attribute("src")
        press(tab, "End")
        expect(tab.locator("#figure img")).not_to_have_attribute("src", start or "")
        (tmp_path / "out.html").write_bytes(served.ask("GET", "/export/0").body)
    tab.goto((tmp_path / "out.html").as_uri())
    expect(tab.locator("#figure img")).to_have_js_property("naturalWidth", 640)
