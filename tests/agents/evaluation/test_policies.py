"""Policies by name: Python, endpoints that misbehave, and names that there are none of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.responses import JSONResponse, Response

from milepost.agents.endpoint_policy import PATIENCE, EndpointPolicy
from milepost.agents.evaluation.policies import Sampling, policy_named
from milepost.agents.policies import Decision, View
from milepost.agents.rollout import EnvPool, EpisodeSpec, run_episodes
from milepost.envs.registration import task_for
from milepost.sandbox.errors import EngineError, FailureKind, RunError
from tests.envs.test_text_env import even_words
from tests.judge.scripted import Server, completion, serving

SEEN = {
    "goal": "Say hello.", "page": '[1] button "Hello"', "title": "Hello", "url": "/", "files": "", "last_action": "",
    "last_action_result": "", "last_action_error": "",
}  # fmt: skip


def view(seed: int = 1) -> View:
    instance = task_for("expense-form").instantiate(seed)
    return View(observation=SEEN, instance=instance, step=0, rng=np.random.default_rng(seed))


def endpoint(server: Server, **settings: Any) -> EndpointPolicy:
    given: dict[str, Any] = {"model": "scripted", "base_url": server.url, "timeout_s": 2.0, "max_retries": 0}
    return EndpointPolicy(**(given | settings))


def test_an_endpoint_is_asked_like_any_other_policy():
    with serving(lambda server, n: completion("<think>a button, then</think>\nclick(1)")) as server:
        policy = endpoint(server, temperature=0.5, max_new_tokens=77, concurrency=2)
        decisions = policy.decide([view(1), view(2), view(3)])
        policy.close()
    assert [d.action for d in decisions] == ["click(1)"] * 3
    assert {(d.prompt_tokens, d.completion_tokens, d.failure) for d in decisions} == {(100, 20, None)}
    body = server.asked[0]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("scripted", 0.5, 77)
    assert "Goal: Say hello." in body["messages"][-1]["content"]
    assert "click" in body["messages"][0]["content"]
    assert server.most_under_way <= 2


def test_what_the_model_says_is_its_action_whatever_it_says():
    said = [
        JSONResponse({"choices": [{"message": {"content": None, "refusal": "No."}}], "usage": {"prompt_tokens": 9}}),
        completion("fill(1, ", finish="length"),
        completion("I would rather not."),
    ]
    with serving(lambda server, n: said[n]) as server:
        policy = endpoint(server, concurrency=1)
        decisions = policy.decide([view(), view(), view()])
        policy.close()
    assert [(d.action, d.failure) for d in decisions] == [("", None), ("", None), ("I would rather not.", None)]


async def late(server: Server, n: int) -> Response:
    await asyncio.sleep(5)
    return completion("click(1)")


@pytest.mark.parametrize(
    ("misbehaving", "kind"),
    [
        (lambda server, n: Response("<html>", media_type="text/html"), "malformed"),
        (lambda server, n: JSONResponse({"choices": []}), "malformed"),
        (late, "late"),
        (lambda server, n: Response("busy", status_code=503), "server"),
        (lambda server, n: Response("too long", status_code=400), "refused"),
    ],
)
def test_what_the_server_does_wrong_is_nobodys_action(misbehaving: Any, kind: str):
    with serving(lambda server, n: completion("click(1)") if n == 0 else misbehaving(server, n)) as server:
        policy = endpoint(server, timeout_s=0.3, concurrency=1)
        assert policy.decide([view()])[0].failure is None
        [decision] = policy.decide([view()])
        policy.close()
    assert decision.failure is not None
    assert decision.failure.startswith(kind)


def test_a_server_that_never_answers_ends_the_evaluation_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SECRET_KEY", "sk-very-secret")
    with serving(lambda server, n: Response("wrong key sk-very-secret", status_code=401)) as server:
        policy = endpoint(server, api_key_env="SECRET_KEY")
        with pytest.raises(EngineError, match="--api-key-env") as caught:
            policy.decide([view()])
        policy.close()
    assert server.headers[0]["authorization"] == "Bearer sk-very-secret"
    assert "401" in str(caught.value)
    assert "sk-very-secret" not in str(caught.value)


def test_a_server_that_stops_answering_ends_it_after_a_while():
    with serving(lambda server, n: completion("click(1)") if n == 0 else Response("", status_code=500)) as server:
        policy = endpoint(server)
        policy.decide([view()])
        failed = [policy.decide([view()])[0].failure for _ in range(PATIENCE - 1)]
        assert all(failed)
        with pytest.raises(EngineError, match=f"{PATIENCE} calls in a row"):
            policy.decide([view()])
        policy.close()


def test_a_failed_decision_is_tried_again_and_then_left_out():
    class Fails:
        def __init__(self, times: int) -> None:
            self.left = times

        def decide(self, views: Sequence[View]) -> list[Decision]:
            self.left -= 1
            return [Decision(action="w2", failure="gone" if self.left >= 0 else None) for _ in views]

    def played(times: int):
        with EnvPool(makers={"even": even_words}) as pool:
            return run_episodes([EpisodeSpec(task="even", seed=1)], Fails(times), pool=pool)[0]

    assert played(1).failure is None
    broken = played(2)
    assert (broken.failure, broken.success, broken.steps[-1].reward) == (FailureKind.POLICY, False, None)


def test_an_endpoint_is_named_by_model_and_address_without_its_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_KEY", "sk-1")
    named = policy_named("openai:org/model@x@http://127.0.0.1:9/v1/", Sampling(api_key_env="SOME_KEY"))
    assert named.identity == {
        "kind": "openai", "model": "org/model@x", "base_url": "http://127.0.0.1:9/v1", "temperature": 0.0,
        "max_new_tokens": 512,
    }  # fmt: skip
    assert named.is_model
    monkeypatch.delenv("SOME_KEY")
    with pytest.raises(EngineError, match="SOME_KEY"):
        policy_named("openai:m@http://127.0.0.1:9/v1", Sampling(api_key_env="SOME_KEY"))
    for wrong in ("openai:model", "openai:m@ftp://x", "openai:m@http://user:pw@host/v1"):
        with pytest.raises(EngineError, match="openai:"):
            policy_named(wrong)


PYTHON = """
from milepost.agents.policies import Decision

def act(observation):
    return f"click({len(observation['goal'])})"

def poor(observation):
    return 7

def broken(observation):
    return observation["no such thing"]

class Agent:
    def decide(self, views):
        return [Decision(action="back()") for _ in views]

class Short:
    def decide(self, views):
        return []
"""


def test_policies_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "my_agent.py").write_text(PYTHON)
    monkeypatch.chdir(tmp_path)
    assert policy_named("my_agent.py:act").load().decide([view()])[0].action == "click(10)"
    assert [d.action for d in policy_named("my_agent.py:Agent").load().decide([view(), view()])] == ["back()"] * 2
    identity = policy_named("my_agent.py:act").identity
    (tmp_path / "my_agent.py").write_text(PYTHON + "\n# changed\n")
    assert policy_named("my_agent.py:act").identity != identity, "another text is another policy"
    for name, said in {
        "poor": "answered 7",
        "broken": r"KeyError: 'no such thing' \(my_agent.py:11\)",
        "Short": "one for each view",
    }.items():
        with pytest.raises(EngineError, match=said):
            policy_named(f"my_agent.py:{name}").load().decide([view()])
    with pytest.raises(EngineError, match="has no 'absent'"):
        policy_named("my_agent.py:absent")
    with pytest.raises(RunError, match="no file"):
        policy_named("absent.py:act")
    with pytest.raises(RunError, match="no module 'absent_module'"):
        policy_named("absent_module:act")
    assert policy_named("tests.agents.evaluation.test_policies:say_back").load().decide([view()])[0].action == "back()"


def say_back(observation: Any) -> str:
    return "back()"


def test_names_of_nothing_say_what_there_is(tmp_path: Path):
    for name in ("orcale", str(tmp_path / "absent")):
        with pytest.raises(RunError, match="expected one of oracle, noop, random"):
            policy_named(name)
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("seed: 1\n")
    with pytest.raises(RunError, match="no checkpoint yet"):
        policy_named(str(run))


def test_the_calls_of_a_round_are_under_way_together():
    async def slowly(server: Server, n: int) -> Response:
        await asyncio.sleep(0.3)
        return completion("click(1)")

    with serving(slowly) as server:
        policy = endpoint(server, concurrency=8)
        began = time.monotonic()
        policy.decide([view(seed) for seed in range(8)])
        took_s = time.monotonic() - began
        policy.close()
    assert server.most_under_way > 1, took_s
