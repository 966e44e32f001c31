"""Servers of a task's author: ASGI applications in this process, and programs on a port of their own."""

import os
import sys
import textwrap
import time

import numpy as np
import pytest

from milepost.envs.places import places_of
from milepost.envs.served.asgi_app import app_from
from milepost.envs.served.command_app import CommandApp
from milepost.errors import AppServerError, TaskError
from milepost.sandbox.app_server import AppServer

SERVER = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from milepost.sandbox.app_server import App


async def add(request):
    db = request.state.db
    db.execute("CREATE TABLE IF NOT EXISTS item (name TEXT)")
    db.execute("INSERT INTO item VALUES (?)", (request.query_params["name"],))
    return PlainTextResponse("added")


async def state(request):
    try:
        rows = request.state.db.execute("SELECT name FROM item").fetchall()
    except Exception:
        rows = []
    return JSONResponse({"items": [row["name"] for row in rows]})


routes = [Route("/add", add), Route("/_state", state), Route("/_state/more", state)]
app = Starlette(routes=routes)


def make(parameters, rng):
    drawn = int(rng.integers(1000))

    async def home(request):
        return PlainTextResponse(f"{parameters['word']} {drawn}")

    return Starlette(routes=[Route("/", home), *routes])


def needs_more(secret):
    return app


class Whole(App):
    name = "whole"

    def create_schema(self, db):
        db.execute("CREATE TABLE word (word TEXT)")

    def seed(self, db, rng, parameters):
        db.execute("INSERT INTO word VALUES (?)", (parameters["word"],))

    def state(self, db):
        return {"word": db.execute("SELECT word FROM word").fetchone()[0]}

    def asgi(self):
        return app


number = 7
"""


@pytest.fixture
def server(tmp_path):
    (tmp_path / "shared_rows.py").write_text("ROWS = 3\n")
    path = tmp_path / "server.py"
    path.write_text("import shared_rows\n" + SERVER)
    return path


def test_a_shared_application_keeps_each_episode_in_its_own_database(serve, server):
    app = app_from(f"{server}:app", "/_state")
    one, other = serve(app), serve(app)
    assert one.ask("/add?name=pen").text == "added"
    assert (one.state(), other.state()) == ({"items": ["pen"]}, {"items": []})


CLOSED = ["/_state", "/_state/", "//_state", "/_STATE", "/%5fstate", "/%255fstate", "/x/../_state", "/_state/more"]
CLOSED += ["/_state?x=1", "/./_state", "/_state;a=1", "/x%2f..%2f_state"]


@pytest.mark.parametrize("path", CLOSED)
def test_pages_cannot_read_the_state(serve, server, path):
    answer = serve(app_from(f"{server}:app", "/_state")).ask(path)
    assert answer.status_code == 404
    assert "items" not in answer.text


def test_a_factory_makes_one_for_each_episode(serve, server):
    app = app_from(f"{server}:make()", "/_state")
    assert serve(app, word="hello").ask("/").text == f"hello {np.random.default_rng(0).integers(1000)}"
    assert serve(app, word="again", seed=1).ask("/").text == f"again {np.random.default_rng(1).integers(1000)}"


def test_an_app_class_is_taken_as_it_is(serve, server):
    app = app_from(f"{server}:Whole")
    assert app.name == "whole"
    assert serve(app, word="hello").state() == {"word": "hello"}


def test_a_module_is_imported_by_its_name(serve, server, monkeypatch):
    monkeypatch.syspath_prepend(str(server.parent))
    assert serve(app_from("server:app")).ask("/add?name=x").text == "added"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("no_such_module_here:app", ["cannot be imported", "./server.py:app"]),
        ("{server}:ap", ["has no 'ap'", "did you mean 'app'"]),
        ("{server}:number", ["an ASGI application", "int"]),
        ("{server}:number()", ["is not a function", "()"]),
        ("{broken}:app", ["ValueError", "when imported", "mend it"]),
        ("{absent}:app", ["found none", "relative to the task's file"]),
    ],
)
def test_a_wrong_reference_says_what_to_do(server, tmp_path, reference, words):
    (tmp_path / "broken.py").write_text("raise ValueError('half done')")
    given = reference.format(server=server, broken=tmp_path / "broken.py", absent=tmp_path / "absent.py")
    with pytest.raises(TaskError) as caught:
        app_from(given)
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_factory_that_wants_what_is_not_offered_is_told_so(serve, server):
    with pytest.raises(AppServerError, match=r"needs the argument 'secret'; offered are parameters, rng, db"):
        serve(app_from(f"{server}:needs_more()"))


def test_a_state_that_is_none_is_a_typed_failure(serve, tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(
        "from starlette.applications import Starlette\n"
        "from starlette.responses import JSONResponse\n"
        "from starlette.routing import Route\n"
        "async def odd(request): return JSONResponse([1])\n"
        "app = Starlette(routes=[Route('/_state', odd)])\n"
    )
    with pytest.raises(AppServerError, match="a JSON object"):
        serve(app_from(f"{path}:app", "/_state")).state()
    with pytest.raises(AppServerError, match="status 404"):
        serve(app_from(f"{path}:app", "/elsewhere")).state()


PROGRAM = """
import http.server, json, os, sys

state = {"seed": int(os.environ.get("MILEPOST_SEED", -1)), "hits": 0, "resets": 0}
state["parameters"] = json.loads(os.environ.get("MILEPOST_PARAMETERS", "null"))

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, text, status=200, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        if self.path == "/_state":
            return self.answer(json.dumps({**state, "pid": os.getpid()}))
        if self.path == "/die":
            os._exit(3)
        if self.path == "/away":
            return self.answer("", 302, [("Location", f"http://127.0.0.1:{os.environ['PORT']}/there")])
        if self.path == "/cookie":
            return self.answer("", 200, [("Set-Cookie", "a=b; Domain=127.0.0.1; Path=/")])
        state["hits"] += 1
        self.answer(f"<a href='http://127.0.0.1:{os.environ['PORT']}/x'>{self.path} {os.getpid()}</a>", 200,
                    [("Content-Type", "text/html")])

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if self.path == "/_reset":
            state.update(body, hits=0, resets=state["resets"] + 1)
        self.answer(json.dumps(body))

    def log_message(self, *a):
        pass

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def program(tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))

    def app(*arguments, state="/_state", reset=None):
        command = (sys.executable, *(arguments or ("program.py", "{port}")))
        return CommandApp(command, tmp_path, state=state, reset=reset)

    return app


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_command_serves_each_episode_anew_and_is_gone_afterwards(serve, program):
    app = program()
    one, other = serve(app, who="Ada"), serve(app, who="Ben")
    first, second = one.state(), other.state()
    assert first["pid"] != second["pid"]
    assert first["parameters"] == {"who": "Ada"}
    assert first["seed"] == int(np.random.default_rng(0).integers(2**31))
    assert "/hello" in one.ask("/hello").text
    assert (one.state()["hits"], other.state()["hits"]) == (1, 0)
    one.instance.close()
    assert gone(first["pid"])


def test_its_own_addresses_are_the_episode_s(serve, program):
    episode = serve(program())
    assert f"href='{episode.instance.origin}/x'" in episode.ask("/page").text
    assert episode.ask("/away").headers["location"] == f"{episode.instance.origin}/there"
    assert episode.ask("/cookie").headers["set-cookie"] == "a=b; Path=/"


def test_a_command_with_a_reset_is_kept(serve, program):
    app = program(reset="/_reset")
    one = serve(app, who="Ada")
    first = one.state()
    one.ask("/hello")
    one.instance.close()
    again = serve(app, seed=5, who="Ben")
    second = again.state()
    assert second["pid"] == first["pid"]
    assert (second["hits"], second["resets"], second["parameters"]) == (0, 2, {"who": "Ben"})
    assert second["seed"] == int(np.random.default_rng(5).integers(2**31))
    assert again.ask("/_reset", "POST", content=b"{}").status_code == 404
    assert again.ask("/_state").status_code == 404


def test_a_command_that_dies_is_a_typed_failure_and_not_used_again(serve, program):
    app = program(reset="/_reset")
    episode = serve(app)
    pid = episode.state()["pid"]
    assert episode.ask("/die").status_code == 500
    with pytest.raises(AppServerError, match="GET /die"):
        episode.state()
    episode.instance.close()
    assert serve(app).state()["pid"] != pid


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-c", "import sys; sys.exit('no configuration')"), ["ended with 1", "no configuration", "$PORT"]),
        (("absent.py",), ["absent.py", "ended with 2"]),
    ],
)
def test_a_command_that_does_not_come_to_serve_says_what_it_wrote(serve, program, arguments, words):
    with pytest.raises(AppServerError) as caught:
        serve(program(*arguments))
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_program_that_is_not_there(tmp_path):
    app = CommandApp(("no-such-program",), tmp_path, state=None, reset=None)
    with pytest.raises(AppServerError, match=r"'no-such-program' cannot be started"):
        AppServer.shared().open(app, rng=np.random.default_rng(0), parameters={})


def test_one_application_stands_for_one_place(server):
    assert places_of(f"{server}:app", None, ())[0].app is places_of(f"{server}:app", None, ())[0].app
    assert places_of("expenses", None, ())[0].origin == "http://expenses.local"
