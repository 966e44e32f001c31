"""Sessions on real pages: kept apart, bounded, typed when the machine fails, and gone when their client is."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

import milepost
from milepost.envs import reset_many, step_many
from milepost.envs.registration import isolated_registry, register_task, task_for
from milepost.envs.serving.messages import ServedObservation
from milepost.envs.serving.server import EnvServer
from milepost.envs.suites import Suite, register_suite
from milepost.sandbox.fleet import Fleet
from tests.envs.stubborn import stubborn_task

from .served import ask, dialled, serving
from .test_gate import gone

pytestmark = pytest.mark.browser

SESSIONS = 16
TASKS = ("expense-form", "search-open", "report-download")


@pytest.fixture(scope="module")
def server() -> Iterator[EnvServer]:
    from milepost.envs.suites import _suites

    register_suite(Suite(name="three", tasks=TASKS))
    with serving("three", most=SESSIONS) as found:
        yield found
    del _suites["three"]


@dataclass(frozen=True)
class Plan:
    """What one client does."""

    task: str
    seed: int
    actions: tuple[str, ...]


def draw(rng: random.Random) -> Plan:
    task = rng.choice(TASKS)
    seed = rng.randrange(1000)
    oracle = task_for(task).instantiate(seed).oracle
    known = [*oracle, *oracle, "noop()", 'click("Nowhere")', "back()", 'fill("Name", "someone else")', "nonsense("]
    return Plan(task, seed, tuple(rng.choice(known) for _ in range(4)))


def alone(plan: Plan) -> list[tuple[Any, ...]]:
    """What a plan gives in an environment of this process."""
    env = milepost.make(plan.task)
    try:
        observation, _ = env.reset(seed=plan.seed)
        seen: list[tuple[Any, ...]] = [(dict(observation), None, False)]
        for action in plan.actions:
            observation, reward, terminated, truncated, _ = env.step(action)
            seen.append((dict(observation), reward, terminated or truncated))
            if terminated or truncated:
                break
        return seen
    finally:
        env.close()


def texts(data: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in data["observation"].items() if k not in ("metadata", "screenshot")}


def over_the_wire(server: EnvServer, plan: Plan, start: threading.Barrier, rng: random.Random) -> list[tuple[Any, ...]]:
    with dialled(server) as socket:
        start.wait(60)
        kind, data = ask(socket, "reset", task=plan.task, seed=plan.seed, episode_id=f"{plan.task}:{plan.seed}")
        assert kind == "observation", data
        seen: list[tuple[Any, ...]] = [(texts(data), data["reward"], data["done"])]
        for step, action in enumerate(plan.actions, 1):
            time.sleep(rng.random() * 0.1)
            kind, data = ask(socket, "step", action=action)
            assert kind == "observation", data
            ServedObservation.model_validate(data["observation"] | {"reward": data["reward"], "done": data["done"]})
            seen.append((texts(data), data["reward"], data["done"]))
            kind, state = ask(socket, "state")
            assert (state["episode_id"], state["step_count"]) == (f"{plan.task}:{plan.seed}", step)
            if data["done"]:
                kind, error = ask(socket, "step", action="noop()")
                assert (kind, error["code"]) == ("error", "EXECUTION_ERROR")
                break
        return seen


@pytest.mark.slow
@pytest.mark.parametrize("draws", [1, 2])
def test_sixteen_sessions_keep_their_states_apart(server: EnvServer, draws: int):
    rng = random.Random(draws)
    plans = [draw(rng) for _ in range(SESSIONS)]
    start = threading.Barrier(SESSIONS)
    with ThreadPoolExecutor(SESSIONS) as clients:
        played = list(
            clients.map(lambda at: over_the_wire(server, plans[at], start, random.Random(at)), range(SESSIONS))
        )
    for plan, seen in zip(plans, played, strict=True):
        assert seen == alone(plan), plan
    gone(server)


def test_one_more_than_there_may_be_is_told(server: EnvServer):
    with serving("expense-form", most=1) as small, dialled(small):
        with dialled(small) as second:
            answer = json.loads(second.recv(timeout=10))
            assert (answer["type"], answer["data"]["code"]) == ("error", "CAPACITY_REACHED")
            with pytest.raises(ConnectionClosed):
                second.recv(timeout=10)
        with httpx.Client(base_url=small.url, trust_env=False) as client:
            assert client.post("/reset", json={}).status_code == 503


def test_a_client_that_vanishes_frees_its_page(server: EnvServer):
    with dialled(server) as socket:
        assert ask(socket, "reset", task="expense-form", seed=1)[0] == "observation"
        assert server.sessions.count == 1
        [session] = server.sessions._open
        env = session._env
        assert env is not None
        socket.socket.close()  # no goodbye
        gone(server)
    assert env._episode is None, "its page went back to the fleet"


def test_a_client_that_vanishes_in_the_middle_of_a_step_frees_its_page():
    with isolated_registry():
        register_task(stubborn_task())
        with serving("stubborn") as server, dialled(server) as socket:
            assert ask(socket, "reset", seed=1)[0] == "observation"
            [session] = server.sessions._open
            env = session._env
            assert env is not None
            env._step_timeout_s = 2.0
            socket.send('{"type": "step", "data": {"action": "click(\\"Loop\\")"}}')
            time.sleep(0.3)
            socket.socket.close()
            gone(server)
            assert env._episode is None


def test_what_the_machine_does_wrong_is_typed_and_pays_nothing():
    with isolated_registry():
        register_task(stubborn_task())
        with serving("stubborn") as server, dialled(server) as socket:
            assert ask(socket, "reset", seed=1)[0] == "observation"
            [session] = server.sessions._open
            assert session._env is not None
            session._env._step_timeout_s = 2.0
            kind, data = ask(socket, "step", action='click("Loop")')
            assert (kind, data["done"], data["reward"]) == ("observation", True, None)
            facts = data["metadata"]
            assert (facts["failure"], facts["stop_reason"], facts["truncated"]) == ("page_hung", "failure", True)
            assert not facts["success"]
            assert ask(socket, "reset", seed=1)[0] == "observation", "the session goes on"
            kind, data = ask(socket, "step", action='click("Fine")')
            assert data["reward"] == 0.25


def test_a_reset_that_fails_is_an_error_with_its_kind(monkeypatch: pytest.MonkeyPatch):
    from milepost.sandbox.errors import BrowserCrashedError

    with serving("expense-form") as server, dialled(server) as socket:

        async def dead(_: Fleet) -> Any:
            raise BrowserCrashedError("the browser died")

        with monkeypatch.context() as broken:
            broken.setattr(Fleet, "acquire", dead)
            kind, data = ask(socket, "reset", seed=1)
            assert (kind, data["code"], data["failure"]) == ("error", "EXECUTION_ERROR", "browser_crashed")
            kind, data = ask(socket, "step", action="noop()")
            assert (kind, data["code"]) == ("error", "EXECUTION_ERROR"), "there is no episode to step"
        assert ask(socket, "reset", seed=1)[0] == "observation"


def test_a_session_that_nobody_uses_ends():
    with serving("expense-form", idle_s=0.5) as server:
        with dialled(server) as socket:
            answer = json.loads(socket.recv(timeout=10))
            assert (answer["type"], answer["data"]["code"]) == ("error", "SESSION_ERROR")
        gone(server)
        with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
            assert client.post("/reset", json={"seed": 1, "episode_id": "a"}).status_code == 200
            assert server.sessions.count == 1
            gone(server)
            answer = client.post("/step", json={"action": {"action": "noop()"}, "episode_id": "a"})
            assert answer.status_code == 409


def test_plain_http_plays_episodes(server: EnvServer):
    instance = task_for("expense-form").instantiate(5)
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        ids = [None, "a", "b"]
        for episode_id in ids:
            asked = {"seed": 5, "task": "expense-form"} | ({} if episode_id is None else {"episode_id": episode_id})
            assert client.post("/reset", json=asked).json()["reward"] is None
        earned = dict.fromkeys(ids, 0.0)
        for action in instance.oracle:
            for episode_id in ids:
                asked = {"action": {"action": action}} | ({} if episode_id is None else {"episode_id": episode_id})
                earned[episode_id] += client.post("/step", json=asked).json()["reward"]
        assert list(earned.values()) == [pytest.approx(instance.max_reward)] * 3
        assert client.get("/state", params={"episode_id": "b"}).json()["done"]
        assert client.request("DELETE", "/episode", params={"episode_id": "b"}).status_code == 200
        assert client.get("/state", params={"episode_id": "b"}).json()["episode_id"] is None
        client.request("DELETE", "/episode", params={"episode_id": "a"})
        client.request("DELETE", "/episode")
        assert client.post("/reset", json={"seed": -1, "episode_id": "c"}).status_code == 422
    gone(server)


def test_a_reset_chooses_an_item_of_a_split(server: EnvServer):
    item = server.sessions.catalogue.item("test", 4)
    with dialled(server) as socket:
        kind, data = ask(socket, "reset", split="test", index=4, prompt="a column of a data set")
        assert kind == "observation", data
        assert (data["metadata"]["task"], data["metadata"]["seed"]) == (item["task"], item["seed"])
        assert data["observation"]["goal"] == item["goal"]
        for wrong in (
            {"split": "test"},
            {"split": "test", "index": 10_000},
            {"split": "no", "index": 0},
            {"split": "test", "index": 1, "task": "search-open"},
            {"task": "no-such"},
            {"seed": -1},
            {"seed": "one"},
            {"seed": 2**60},
            {"episode_id": "x" * 300},
        ):
            kind, data = ask(socket, "reset", **wrong)
            assert (kind, data["code"]) == ("error", "VALIDATION_ERROR"), wrong


def test_the_same_seed_draws_the_same_task(server: EnvServer):
    with dialled(server) as socket:
        drawn = [ask(socket, "reset", seed=seed)[1]["metadata"]["task"] for seed in (1, 2, 3, 4, 5, 1, 2)]
    assert drawn[:2] == drawn[5:]
    assert len(set(drawn)) > 1


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("{", "INVALID_JSON"),
        ("[]", "VALIDATION_ERROR"),
        ('{"type": "fly"}', "UNKNOWN_TYPE"),
        ('{"data": {}}', "UNKNOWN_TYPE"),
        ('{"type": "step", "data": []}', "VALIDATION_ERROR"),
        ('{"type": "step", "data": {}}', "VALIDATION_ERROR"),
        ('{"type": "step", "data": {"action": 3}}', "VALIDATION_ERROR"),
        ('{"type": "step", "data": {"action": "noop()", "more": 1}}', "VALIDATION_ERROR"),
        ('{"type": "step", "data": {"action": "' + "x" * 4097 + '"}}', "VALIDATION_ERROR"),
        ('{"type": "step", "data": {"action": "\\ud800"}}', "INVALID_JSON"),
        ('{"type": "step", "data": {"action": "noop()"}}', "EXECUTION_ERROR"),
    ],
)
def test_what_does_not_fit_is_said_and_the_session_goes_on(server: EnvServer, sent: str, code: str):
    with dialled(server) as socket:
        socket.send(sent)
        answer = json.loads(socket.recv(timeout=10))
        assert (answer["type"], answer["data"]["code"]) == ("error", code)
        assert ask(socket, "state")[0] == "state"
    gone(server)


def test_screenshots_are_sent_where_asked_for():
    import base64

    from milepost.envs.serving.catalogue import Catalogue
    from milepost.envs.serving.sessions import Sessions

    sessions = Sessions(Catalogue.of("expense-form", held_out_seed=10), most=1, idle_s=60, screenshots=True)
    with EnvServer(sessions) as server:
        server.start()
        with dialled(server) as socket:
            data = ask(socket, "reset", seed=1)[1]
    assert base64.b64decode(data["observation"]["screenshot"]).startswith(b"\x89PNG")


def test_stopping_the_server_gives_every_page_back():
    with serving("expense-form") as server:
        with dialled(server) as socket:
            ask(socket, "reset", seed=1)
            server.close()
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=10)
        assert server.sessions.count == 0
    env = milepost.make("expense-form")
    reset_many([env], [1])
    step_many([env], ["noop()"])
    env.close()
