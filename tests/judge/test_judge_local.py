"""A judge in this process: the same questions to a local model."""

import asyncio
import time
from typing import Any

import numpy as np
import pytest
import torch

from milepost.agents.engines.base import Sample
from milepost.agents.judge_engine import LocalChatEngine, first_object
from milepost.agents.models import is_model_folder, model_folder
from milepost.rewards.judge import Abstention, ChatCall, Judge, JudgeConfig, calibrate, examples_of
from milepost.sandbox.errors import EngineError

from .scripted import FACT, request, verdict


class Letters:
    """A tokenizer of letters, with a chat template of the plainest kind."""

    eos_token_id = 0

    def apply_chat_template(self, conversation, **_):
        return {"input_ids": [ord(c) for message in conversation for c in message["role"] + message["content"]]}

    def decode(self, ids, **_):
        return "".join(map(chr, ids)).strip("\0")


class Writes:
    """An engine that speaks the real interface and writes what it is given; an exception it raises."""

    def __init__(self, *answers, stopped=True):
        self.answers, self.stopped = answers, stopped
        self.drawn = []

    def sample(self, prompts, *, max_new_tokens, temperature, stop_ids, generator=None, seeds=None):
        answer = self.answers[len(self.drawn) % len(self.answers)]
        self.drawn.append(torch.rand(1, generator=generator).item())
        if isinstance(answer, Exception):
            raise answer
        ids = tuple(map(ord, answer)) + tuple(stop_ids)
        return [Sample(ids=ids, logprobs=(0.0,) * len(ids), entropy=0.0, stopped=self.stopped) for _ in prompts]

    def weights_changed(self):
        raise AssertionError("a judge's weights stand still")

    def forget(self):
        raise AssertionError("a judge need not be resumed")


def judged(writes, *, context_tokens=100_000, **changes):
    settings: dict[str, Any] = {"model": "local", "samples": 1, "max_answer_tokens": 64} | changes
    engine = LocalChatEngine(writes, Letters(), context_tokens=context_tokens)
    judge = Judge(JudgeConfig(**settings), engine, generator=np.random.default_rng(0))
    return asyncio.run(judge.judge([request()]))[0]


def test_the_first_object_in_what_it_wrote_is_its_verdict():
    judgement = judged(Writes(f"Well, {{that}} is it: {verdict()} so: {verdict(False)}"))
    assert (judgement.passed, judgement.cost) == (True, 0.0)
    assert judgement.quotes[0].text == FACT
    assert judgement.tokens > 1000


def test_what_it_writes_is_read_as_strictly_as_a_servers():
    assert judged(Writes("I think that passed is true.")).abstention.kind == "malformed"
    assert judged(Writes(verdict(quotes=["made up"]))).abstention.kind == "quotes"
    assert judged(Writes(verdict()[:-1] + ', "passed": false}')).abstention.kind == "malformed"
    assert judged(Writes('{"reasons": "so long', stopped=False)).abstention.kind == "truncated"


def test_a_model_that_fails_or_is_too_small_or_too_late_abstains():
    assert judged(Writes(EngineError("no weights"))).abstention.kind == "server"
    assert judged(Writes(RuntimeError("out of memory"))).abstention.kind == "server"
    writes = Writes(verdict())
    assert judged(writes, context_tokens=500).abstention.kind == "too_large"
    engine = LocalChatEngine(writes, Letters(), context_tokens=9000)
    call = ChatCall(
        messages=({"role": "user", "content": "x"},), schema=None, temperature=1.0, max_tokens=9, sample=0,
        deadline=time.monotonic() - 1,
    )  # fmt: skip
    outcome = asyncio.run(engine.complete(call)).outcome
    assert isinstance(outcome, Abstention)
    assert outcome.kind == "late"
    assert writes.drawn == []


def test_samples_are_drawn_apart_and_again_the_same():
    first, again = Writes(verdict()), Writes(verdict())
    judged(first, samples=3)
    judged(again, samples=3)
    assert len(set(first.drawn)) == 3
    assert sorted(first.drawn) == sorted(again.drawn)


@pytest.mark.parametrize(
    ("text", "found"),
    [("", ""), ("{", ""), ("{{}", "{}"), ('a {"b": {"c": 1}} d', '{"b": {"c": 1}}'), ("{" * 5000, ""), ("[1]", "")],
)
def test_finding_an_object(text, found):
    assert first_object(text) == found


@pytest.mark.model
@pytest.mark.slow
def test_a_small_model_judges_poorly_and_is_not_believed():
    if not is_model_folder(model_folder()):
        pytest.skip("needs the SmolLM2 weights: run `make setup`")
    engine = LocalChatEngine.load("smollm2-135m-instruct")
    judge = Judge(JudgeConfig(model="smollm2", samples=1, max_answer_tokens=96, deadline_s=250), engine)
    pages = [FACT, "Nothing was sent"]
    judgements = asyncio.run(judge.judge([request(f'heading "{page}"') for page in pages]))
    for judgement in judgements:
        assert judgement.samples[0].answer is not None or judgement.abstention is not None
        assert (judgement.score is None) == (judgement.abstention is not None)
    calibration = calibrate(
        examples_of(judgements, [True, False]),
        model="smollm2",
        prompt_version=judge.prompt_version,
        samples=1,
        temperature=0.7,
    )
    assert not calibration.skilled, "two examples show no skill"
