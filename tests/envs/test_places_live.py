"""Tasks on a folder of pages, on servers of one's own, on an allowed site, with files of one's own: played for real."""

from __future__ import annotations

import http.server
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import milepost
from milepost.envs import MilepostEnv
from milepost.errors import FailureKind

from .served.test_own_apps import PROGRAM

pytestmark = pytest.mark.browser

TASK = """\
name: own-place
family: web
description: Go where the goal says.
{place}
goal: Go to {{where}}.
max_steps: 20
parameters: {{where: {{choice: [there]}}}}
milestones:
  - {{id: there, detector: url_loaded, path: "/{{where}}*", reward: 1.0}}
oracle: ['click("there")']
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[object]:
    made: list[MilepostEnv] = []

    def build(place: str, **files: str) -> MilepostEnv:
        (tmp_path / "tasks").mkdir(exist_ok=True)
        path = tmp_path / "tasks" / "own-place.yaml"
        path.write_text(TASK.format(place=place))
        made.append(milepost.make(str(path)))
        return made[-1]

    yield build
    for env in made:
        env.close()


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks" / "pages"
    folder.mkdir(parents=True)
    (tmp_path / "secret.html").write_text("<title>SECRET</title>")
    (folder / "index.html").write_text(
        "<!doctype html><title>Home</title><link rel=stylesheet href=look.css><h1>Home</h1>"
        "<a href=there.html>there</a> <a href=https://example.org/>away</a> <a href=../secret.html>secret</a>"
        "<script type=module src=app.mjs></script><p id=p>before</p>"
    )
    (folder / "app.mjs").write_text("document.getElementById('p').textContent = 'script ran'")
    (folder / "look.css").write_text("h1 { display: none }")
    (folder / "there.html").write_text("<!doctype html><title>There</title><h1>There</h1>")
    return folder


def test_a_folder_of_pages(make, pages):
    env = make("site: ./pages")
    observation, _ = env.reset(seed=1)
    assert observation["url"] == "http://site.local/"
    assert "script ran" in observation["page"]
    assert 'heading "Home"' not in observation["page"], "its style sheet is loaded"
    observation, *_ = env.step('click("away")')
    assert "refused" in observation["last_action_error"]
    observation, *_ = env.step('click("secret")')
    assert "SECRET" not in observation["title"]
    observation, *_ = env.step('goto("http://site.local/../secret.html")')
    assert "SECRET" not in observation["title"]
    observation, *_ = env.step('goto("http://site.local/")')
    observation, reward, terminated, _, info = env.step('click("there")')
    assert (observation["url"], reward, terminated) == ("http://site.local/there.html", 1.0, True)
    assert info["success"]


def test_a_server_of_one_s_own_in_this_process(make, tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "server.py").write_text(
        "from starlette.applications import Starlette\n"
        "from starlette.responses import HTMLResponse, JSONResponse\n"
        "from starlette.routing import Route\n"
        "def make(parameters):\n"
        "    visits = []\n"
        "    async def page(request):\n"
        "        visits.append(request.url.path)\n"
        "        return HTMLResponse(f'<title>x</title><a href=/{parameters[\"where\"]}>there</a>')\n"
        "    async def state(request):\n"
        "        return JSONResponse({'visits': visits})\n"
        "    return Starlette(routes=[Route('/_state', state), Route('/{path:path}', page)])\n"
    )
    env = make("app: {asgi: './server.py:make()', state: /_state}")
    for _ in range(2):
        observation, _ = env.reset(seed=1)
        assert observation["url"] == "http://app.local/"
        assert env._episode is not None
        assert env._episode.snapshot.app_state == {"visits": ["/"]}
        observation, *_ = env.step('goto("/_state")')
        assert "visits" not in observation["page"]
        env.step('goto("/")')
        _, reward, *_ = env.step('click("there")')
        assert reward == 1.0


def test_a_command(make, tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "program.py").write_text(PROGRAM)
    env = make(
        f"app: {{command: ['{sys.executable}', program.py, '{{{{port}}}}'], state: /_state, reset: /_reset}}".replace(
            "{{", "{"
        ).replace("}}", "}")
    )
    observation, _ = env.reset(seed=1)
    assert env._episode is not None
    first = env._episode.snapshot.app_state
    assert first["parameters"] == {"where": "there"}
    assert "link" in observation["page"]
    _, reward, *_ = env.step('goto("http://app.local/there")')
    assert reward == 1.0
    env.reset(seed=1)
    second = env._episode.snapshot.app_state
    assert (second["pid"], second["seed"], second["hits"]) == (first["pid"], first["seed"], first["hits"])
    _, _, _, truncated, info = env.step('goto("/die")')
    assert truncated
    assert info["failure"] is FailureKind.APP_SERVER
    assert info["reward"].total is None
    observation, info = env.reset(seed=1)
    assert info["failure"] is None
    assert env._episode.snapshot.app_state["pid"] != first["pid"]


class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.hits.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Set-Cookie", "visits=1")
        self.end_headers()
        cookie = self.headers.get("Cookie", "no cookie")
        home = f"http://{self.headers['Host']}"
        self.wfile.write(f"<title>Shop</title><p>{cookie}</p><a href='{home}/there'>there</a> {home}".encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def shops():
    made = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop) for _ in range(2)]
    for server in made:
        server.hits = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    for server in made:
        server.shutdown()
        server.server_close()


def test_an_allowed_site_and_no_other(make, shops):
    allowed, other = (f"http://127.0.0.1:{server.server_address[1]}" for server in shops)
    env = make(f"hosts: ['{allowed}']")
    observation, _ = env.reset(seed=1)
    assert observation["url"] == f"{allowed}/"
    assert allowed in observation["page"]
    assert "apps.localhost" not in "".join(map(str, observation.values()))
    observation, *_ = env.step(f'goto("{other}/")')
    assert "refused" in observation["last_action_error"]
    observation, reward, terminated, *_ = env.step('click("there")')
    assert (observation["url"], reward, terminated) == (f"{allowed}/there", 1.0, True)
    assert "visits=1" in observation["page"]
    assert shops[1].hits == []
    observation, _ = env.reset(seed=1)
    assert "no cookie" in observation["page"], "an episode begins without the last one's cookies"


def test_two_allowed_sites(make, shops):
    one, two = (f"http://127.0.0.1:{server.server_address[1]}" for server in shops)
    env = make(f"hosts: ['{one}', '{two}']")
    env.reset(seed=1)
    observation, *_ = env.step(f'goto("{two}/elsewhere")')
    assert (observation["url"], observation["last_action_error"]) == (f"{two}/elsewhere", "")


def test_a_site_that_is_down_is_the_machine_s_fault(make):
    with (
        closing(make("hosts: ['http://127.0.0.1:9']")) as env,
        pytest.raises(milepost.errors.AppServerError, match=r"the site http://127.0.0.1:9 could not be asked"),
    ):
        env.reset(seed=1)


def test_files_of_one_s_own_with_pages_and_without(make, pages):
    with zipfile.ZipFile(pages.parent / "inbox.zip", "w") as archive:
        archive.writestr("inbox/letter.txt", "Dear reader")
    env = make("site: ./pages\nworkspace: ./inbox.zip\nfiles: {'more.txt': 'to {where}'}")
    observation, _ = env.reset(seed=1)
    assert "inbox/letter.txt" in observation["files"]
    assert env.step('read_file("more.txt")')[0]["last_action_result"] == "to there"
    alone = make("workspace: ./inbox.zip")
    observation, _ = alone.reset(seed=1)
    assert observation["url"] == "http://workspace.local/"
    assert "no pages" in observation["page"]
    assert alone.step('read_file("inbox/letter.txt")')[0]["last_action_result"] == "Dear reader"
