"""The application server: one database per episode, one transaction per request, failures typed."""

import asyncio
import concurrent.futures

import httpx
import numpy as np
import pytest

from milepost.sandbox.app_server import App, AppServer
from milepost.sandbox.errors import AppServerError


@pytest.fixture
def instance(app):
    opened = AppServer.shared().open(app, rng=np.random.default_rng(0), parameters={"pages": {"/": "hello"}})
    yield opened
    opened.close()


def get(instance, path):
    port = AppServer.shared().port
    return httpx.get(f"http://127.0.0.1:{port}{path}", headers={"host": instance.host}, timeout=10)


def test_each_episode_has_its_own_origin_and_database(app, instance):
    other = AppServer.shared().open(app, rng=np.random.default_rng(0), parameters={"pages": {"/": "other"}})
    assert get(instance, "/").text.endswith("hello")
    assert get(other, "/").text.endswith("other")
    get(other, "/add?what=x")
    assert (instance.state(), other.state()) == ({"added": []}, {"added": ["x"]})
    other.close()
    assert get(other, "/").status_code == 404
    assert get(instance, "/").status_code == 200


def test_an_unknown_host_gets_nothing(instance):
    port = AppServer.shared().port
    for host in ("localhost", f"{'0' * 16}.pages.apps.localhost:{port}", ""):
        assert httpx.get(f"http://127.0.0.1:{port}/", headers={"host": host}).status_code == 404


def test_state_is_a_copy(instance):
    instance.state()["added"].append("forged")
    assert instance.state() == {"added": []}


def test_a_failing_handler_is_rolled_back_answered_and_surfaced(instance):
    get(instance, "/add?what=kept")
    assert instance.state() == {"added": ["kept"]}
    assert get(instance, "/fail").status_code == 500
    assert get(instance, "/").status_code == 200
    with pytest.raises(AppServerError, match=r"GET /fail: ValueError: the handler broke"):
        instance.state()
    assert instance._db.execute("SELECT count(*) FROM added").fetchone()[0] == 1


class Lingering(App):
    """Answers at once, and goes on for a while."""

    name = "lingering"

    def create_schema(self, db):
        """Create the table."""
        db.execute("CREATE TABLE added (what TEXT)")

    def seed(self, db, rng, parameters):
        """Nothing."""

    def state(self, db):
        """Return what was added."""
        return {"added": [row["what"] for row in db.execute("SELECT what FROM added")]}

    def asgi(self):
        """Return it."""

        async def answer(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
            await asyncio.sleep(0.3)
            scope["state"]["db"].execute("INSERT INTO added VALUES (?)", (scope["path"],))
            if scope["path"] == "/fail":
                raise ValueError("too late")

        return answer


def test_who_has_an_answer_gets_the_state_behind_it():
    opened = AppServer.shared().open(Lingering(), rng=np.random.default_rng(0), parameters={})
    assert opened.state() == {"added": []}
    assert get(opened, "/one").text == "ok"
    assert opened.state() == {"added": ["/one"]}
    assert get(opened, "/fail").text == "ok"
    with pytest.raises(AppServerError, match="too late"):
        opened.state()
    opened.close()


def test_an_app_that_cannot_be_seeded_is_an_app_server_error(app):
    with pytest.raises(AppServerError, match="pages"):
        AppServer.shared().open(app, rng=np.random.default_rng(0), parameters={})


def test_many_episodes_at_once_keep_apart(app):
    server = AppServer.shared()
    opened = [
        server.open(app, rng=np.random.default_rng(i), parameters={"pages": {"/": f"page {i}"}}) for i in range(24)
    ]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda i: get(opened[i], "/").text, range(24)))
        list(pool.map(lambda i: get(opened[i], f"/add?what={i}"), range(24)))
    assert [t.removeprefix("<!doctype html>") for t in texts] == [f"page {i}" for i in range(24)]
    assert [i.state()["added"] for i in opened] == [[str(i)] for i in range(24)]
    for each in opened:
        each.close()


def test_a_server_can_be_closed_and_started_again(app):
    server = AppServer()
    instance = server.open(app, rng=np.random.default_rng(0), parameters={"pages": {}})
    server.close()
    server.close()
    with pytest.raises(AppServerError, match="closed"):
        instance.state()
    with pytest.raises(AppServerError, match="closed"):
        server.open(app, rng=np.random.default_rng(0), parameters={"pages": {}})
