"""The labelling page in a real browser."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from milepost.rewards.label_files import read_labels
from milepost.rewards.labels import Choice
from milepost.rewards.preferences import read_all

from .choices import episode, record, record_seeds
from .served import Served, serving

pytestmark = pytest.mark.browser


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose episodes nobody can play again."""
    monkeypatch.setenv("MILEPOST_CHROMIUM", str(tmp_path / "absent"))
    return record_seeds(tmp_path / "run", range(3))


def opened(tab: Page, served: Served) -> Page:
    tab.goto(served.server.url)
    expect(tab.locator("#count")).not_to_be_empty()
    return tab


def pressed(tab: Page, key: str, done: int, total: int) -> None:
    tab.keyboard.press(key)
    expect(tab.locator("#count")).to_have_text(f"{done} of {total} done")


def test_choices_by_key_are_written_down(tab: Page, run: Path):
    with serving(run, pairs=6, calibration=0.0, repeats=0.0) as served:
        opened(tab, served)
        shown = [slot.shown for slot in served.session.ahead(4)]
        for done, key in enumerate(("ArrowLeft", "ArrowRight", "t", "S"), start=1):
            pressed(tab, key, done, 6)
        labels = read_labels([served.out])
    assert [r.label.choice for r in labels if r.label] == [Choice.LEFT, Choice.RIGHT, Choice.TIE, Choice.SKIP]
    for ranking, best in zip(labels[:2], (shown[0][0], shown[1][1]), strict=True):
        assert [item.trajectory for item in ranking.items if item.rank == 0] == [best]
    assert all(0 < r.label.seconds < 60 for r in labels if r.label)


def test_what_is_shown_on_the_left_is_what_the_left_key_chooses(tab: Page, run: Path):
    with serving(run, pairs=6, calibration=0.0) as served:
        opened(tab, served)
        action = tab.locator("#left .actions li").nth(1).locator("bdi").inner_text()
        pressed(tab, "ArrowLeft", 1, served.session.total)
        (ranking,) = read_all(served.out)
    (best,) = [item.trajectory for item in ranking.items if item.rank == 0]
    assert best.ledger_hash is not None
    assert best.ledger_hash.endswith(action)


def test_buttons_do_what_keys_do(tab: Page, run: Path):
    with serving(run, pairs=6, calibration=0.0, repeats=0.0) as served:
        opened(tab, served)
        tab.get_by_role("button", name="Right is better").click()
        expect(tab.locator("#count")).to_have_text("1 of 6 done")
        tab.get_by_role("button", name="As good as each other").click()
        expect(tab.locator("#count")).to_have_text("2 of 6 done")
        tab.get_by_role("button", name="Undo").click()
        expect(tab.locator("#count")).to_have_text("1 of 6 done")
        assert [r.label.choice for r in read_labels([served.out]) if r.label] == [Choice.RIGHT]


def test_undo_shows_the_pair_again(tab: Page, run: Path):
    with serving(run, pairs=6, calibration=0.0, repeats=0.0) as served:
        opened(tab, served)
        expect(tab.get_by_role("button", name="Undo")).to_be_disabled()
        before = tab.locator("#left .actions").inner_text(), tab.locator("#right .actions").inner_text()
        pressed(tab, "ArrowLeft", 1, 6)
        pressed(tab, "u", 0, 6)
        assert (tab.locator("#left .actions").inner_text(), tab.locator("#right .actions").inner_text()) == before
        pressed(tab, "ArrowRight", 1, 6)
        assert [r.label.choice for r in read_labels([served.out]) if r.label] == [Choice.RIGHT]


def test_a_reason_is_typed_without_choosing_anything(tab: Page, run: Path):
    with serving(run, pairs=6, calibration=0.0, repeats=0.0) as served:
        opened(tab, served)
        tab.keyboard.press("r")
        tab.keyboard.type("stus <b>saved</b>")
        tab.keyboard.press("ArrowLeft")
        tab.keyboard.press("Enter")
        expect(tab.locator("#count")).to_have_text("0 of 6 done")
        pressed(tab, "ArrowRight", 1, 6)
        expect(tab.locator("#reason")).to_have_value("")
        assert read_all(served.out)[0].reason == "stus <b>saved</b>"


def test_a_key_held_down_answers_one_pair(tab: Page, run: Path):
    with serving(run, pairs=6, calibration=0.0, repeats=0.0) as served:
        opened(tab, served)
        for _ in range(3):  # without a release in between the browser reports repeats
            tab.keyboard.down("ArrowLeft")
        expect(tab.locator("#count")).to_have_text("1 of 6 done")
        tab.keyboard.up("ArrowLeft")
        tab.keyboard.press("Control+ArrowLeft")
        pressed(tab, "ArrowLeft", 2, 6)
        assert len(read_all(served.out)) == 2


def test_it_goes_on_in_another_server_and_ends(tab: Page, run: Path):
    with serving(run, pairs=3, calibration=0.0, repeats=0.0) as served:
        opened(tab, served)
        pressed(tab, "ArrowLeft", 1, 3)
    with serving(run, pairs=3, calibration=0.0, repeats=0.0) as served:
        opened(tab, served)
        expect(tab.locator("#count")).to_have_text("1 of 3 done")
        pressed(tab, "t", 2, 3)
        pressed(tab, "t", 3, 3)
        expect(tab.get_by_text("That was the last pair.")).to_be_visible()
        tab.keyboard.press("ArrowLeft")
        pressed(tab, "u", 2, 3)
        expect(tab.locator("#pair")).to_be_visible()


def test_a_second_tab_is_told_that_its_pair_is_answered(tab: Page, run: Path):
    with serving(run, pairs=6, calibration=0.0, repeats=0.0) as served:
        opened(tab, served)
        other = opened(tab.context.new_page(), served)
        pressed(tab, "ArrowLeft", 1, 6)
        other.keyboard.press("ArrowLeft")
        expect(other.locator("#status")).to_contain_text("not the one being asked about")
        expect(other.locator("#count")).to_have_text("1 of 6 done")
        assert len(read_all(served.out)) == 1


def test_a_server_that_is_gone_is_told(tab: Page, run: Path):
    with serving(run) as served:
        opened(tab, served)
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator("#status")).to_contain_text("The server does not answer")


def test_without_a_browser_for_pictures_the_texts_are_shown(tab: Page, run: Path):
    with serving(run) as served:
        opened(tab, served)
        expect(tab.locator("#left .note")).to_contain_text("no browser was found")
        expect(tab.locator("#left pre")).to_contain_text('heading "before')
        tab.keyboard.press("ArrowDown")
        expect(tab.locator("#left pre")).to_contain_text('heading "after')
        expect(tab.locator("#right li[aria-current]")).to_contain_text("1")
        tab.keyboard.press("ArrowUp")
        expect(tab.locator("#right li[aria-current]")).to_contain_text("start")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080), (2560, 1440)])
def test_keys_and_instruction_are_in_sight(tab: Page, run: Path, width: int, height: int):
    tab.set_viewport_size({"width": width, "height": height})
    with serving(run) as served:
        opened(tab, served)
        for text in ("Left is better", "Right is better", "As good as each other", "Skip", "Undo", "Save it."):
            box = tab.get_by_text(text).first.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["y"] + box["height"] <= height


HOSTILE = (
    "</pre></bdi><script>window.owned = 1</script><img src=x onerror='window.owned = 1'>"
    "<svg onload='window.owned = 1'><iframe srcdoc='<script>parent.owned = 1</script>'></iframe>"
    "<a href='javascript:window.owned = 1'>x</a><style>* { display: none }</style>"
    "<meta http-equiv=refresh content='0;url=http://evil.example/'><base href='http://evil.example/'>"
    "<form action='http://evil.example/'><button accesskey=t>x</button></form>{{ 7 * 7 }} "
    "\u202egnidaelsim\u2066 \x00\x1b[2J"
)


def test_hostile_episodes_do_nothing(tab: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MILEPOST_CHROMIUM", str(tmp_path / "absent"))
    import dataclasses

    huge = "W" * 3_000_000 + HOSTILE
    first, second = episode(HOSTILE, "noop()", total=1.0), episode(huge, total=0.0)
    first = dataclasses.replace(
        first,
        task=HOSTILE,
        steps=tuple(
            dataclasses.replace(s, observation=f"Goal: {HOSTILE}\n{HOSTILE}\n{HOSTILE}", error=HOSTILE)
            for s in first.steps
        ),
        final_observation=huge,
    )
    second = dataclasses.replace(second, task=HOSTILE, ledger_hash="second", final_observation="\u0301" * 50_000)
    run = record(tmp_path / "run", [first, second])
    asked: list[str] = []
    problems: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    tab.on("dialog", lambda dialog: problems.append(dialog.message))
    with serving(run, repeats=0.0) as served:
        opened(tab, served)
        for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Home"):
            tab.keyboard.press(key)
        expect(tab.locator("#goal")).to_contain_text("<script>window.owned = 1</script>")
        expect(tab.locator("#goal")).to_contain_text("⟨U+202E⟩gnidaelsim⟨U+2066⟩ ⟨U+0000⟩⟨U+001B⟩[2J")
        assert tab.evaluate("window.owned") is None
        assert tab.locator("main script, main iframe, main svg, main a, main style, main form, base").count() == 0
        assert tab.locator("img").count() == 3
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.evaluate("document.body.innerText.length") < 200_000
        for text in ("Left is better", "Right is better"):
            assert tab.get_by_role("button", name=text).is_visible()
        pressed(tab, "ArrowLeft", 1, 1)
        assert tab.url == served.server.url
    assert problems == []
    assert {url.startswith(served.server.url) for url in asked} == {True}
    assert len(read_labels([served.out])) == 1


ATTACK = """
async (address) => {
  const tried = [];
  const body = JSON.stringify({ slot: "SLOT", choice: "left" });
  for (const settings of [
    { method: "POST", mode: "no-cors", body },
    { method: "POST", mode: "no-cors", body, headers: { "Content-Type": "text/plain" } },
    { method: "POST", body, headers: { "Content-Type": "application/json" } },
    { method: "POST", mode: "no-cors", body, credentials: "include", referrerPolicy: "no-referrer" },
  ]) {
    try { tried.push((await fetch(address + "choice", settings)).type); } catch (error) { tried.push("failed"); }
  }
  try { tried.push(await (await fetch(address + "pair")).text()); } catch (error) { tried.push("unread"); }
  navigator.sendBeacon(address + "choice", body);
  await new Promise((done) => {
    const image = new Image();
    image.onload = () => { tried.push("image"); done(); };
    image.onerror = () => { tried.push("no image"); done(); };
    image.src = address + "icon.svg";
  });
  await new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.onload = () => { tried.push("frame"); done(); };
    frame.src = address;
    document.body.append(frame);
  });
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: address + "choice", enctype: "text/plain", target: "_blank" });
  const field = document.createElement("input");
  Object.assign(field, { name: body, value: "" });
  form.append(field);
  document.body.append(form);
  form.submit();
  return tried;
}
"""


class _Attacker(http.server.BaseHTTPRequestHandler):
    """A website of somebody else's, on this machine like the labelling page, so that no rule of networks is between."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<body>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def attacker() -> Iterator[int]:
    """The port of another website."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Attacker) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "evil.example"])
def test_another_site_in_the_same_browser_gets_nowhere(tab: Page, run: Path, attacker: int, name: str):
    """Even one that knows the address and the pair."""
    with serving(run) as served:
        tab.goto(f"http://{name}:{attacker}/")
        tried = tab.evaluate(ATTACK.replace("SLOT", served.session.ahead(1)[0].id), served.server.url)
        assert "frames" not in str(tried)
        assert "unread" in tried
        assert "no image" in tried
        assert not served.out.exists()


def test_a_name_that_was_pointed_at_this_machine_is_refused(tab: Page, run: Path):
    with serving(run) as served:
        answer = tab.goto(f"http://evil.example:{served.server.port}{served.root}/")
        assert answer is not None
        assert answer.status == 421
