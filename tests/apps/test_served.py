"""The bundled applications behind the real server: one database per episode, nothing shared between episodes."""

import hashlib

import httpx
import numpy as np
import pytest

from milepost.envs.apps import get_app
from milepost.sandbox.app_server import AppInstance, AppServer
from milepost.sandbox.errors import AppServerError


@pytest.fixture
def episode():
    opened: list[httpx.Client | AppInstance] = []

    def start(name, parameters):
        server = AppServer.shared()
        instance = server.open(get_app(name), rng=np.random.default_rng(0), parameters=parameters)
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{server.port}", headers={"host": instance.host}, follow_redirects=True
        )
        opened.extend([client, instance])
        return client, instance

    yield start
    for thing in opened:
        thing.close()


def test_episodes_do_not_see_each_others_expenses(episode):
    ada, adas = episode("expenses", {})
    ben, bens = episode("expenses", {})
    response = ada.post("/new", data={"name": "Ada Miles", "amount": "42", "purpose": "Taxi"}, follow_redirects=False)
    assert response.status_code == 303
    assert "Expense submitted" in ada.get(response.headers["location"]).text
    assert "Expense submitted" not in ada.get(response.headers["location"]).text
    assert [expense["name"] for expense in adas.state()["expenses"]] == ["Ada Miles"]
    assert bens.state()["expenses"] == []
    assert ben.get(response.headers["location"]).status_code == 404


def test_a_refused_request_is_no_failure_of_the_application(episode):
    client, instance = episode("expenses", {})
    assert client.post("/new", data={"name": "Ada"}).status_code == 422
    assert client.post("/new", files={"name": ("a.txt", b"x")}).status_code == 400
    assert client.get("/nowhere").status_code == 404
    assert instance.failure is None


def test_state_follows_the_visits(episode):
    client, instance = episode("library", {"task": "Fixing", "color": "red", "thing": "lamp", "decoy_color": "blue"})
    client.get("/search", params={"q": "lamp"})
    client.get("/articles/Fixing-a-red-lamp")
    assert instance.state() == {"searches": ["lamp"], "opened": ["Fixing a red lamp"]}


def test_a_file_goes_from_the_form_to_the_state(episode):
    client, instance = episode("mail", {})
    draft = client.get("/compose").url.path
    assert client.post(f"{draft}/attachments", files={"file": ("a.txt", b"hello")}).status_code == 200
    client.post(draft, data={"to": "ada@harbor.example", "subject": "Hello", "body": ""})
    (sent,) = instance.state()["sent"]
    (file,) = sent["attachments"]
    assert (file["name"], file["sha256"]) == ("a.txt", hashlib.sha256(b"hello").hexdigest())
    assert instance.failure is None


def test_missing_parameters_are_named(episode):
    with pytest.raises(AppServerError, match=r"TaskError.*'library'.*'task'"):
        episode("library", {})
