"""R_phi and the judge as layers: what their answers mean to the router."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from milepost.agents.reward_layers import JudgingLayer, LearnedLayer, final_answer
from milepost.rewards.judge import Judge, JudgeConfig
from milepost.rewards.judge.chat import ChatCall, ChatResult
from milepost.rewards.layers import Question
from milepost.rewards.reward_model.scores import StepScore
from milepost.rewards.step_view import EpisodeView, StepView
from milepost.rewards.types import Source


def episode(*actions: str) -> EpisodeView:
    steps = tuple(StepView(before=f"page {i}", action=a, after=f"page {i + 1}") for i, a in enumerate(actions))
    return EpisodeView(task="milepost/note-v0", seed=1, goal="Write a note.", steps=steps)


class Scores:
    """A reward model with the same value for every step."""

    version = "v001"

    def __init__(self, value: float, confidence: float = 0.9) -> None:
        self._score = StepScore(value=value, raw=value, spread=0.1, confidence=confidence, version=self.version)

    def score(self, episodes: Sequence[EpisodeView]) -> list[list[StepScore]]:
        return [[self._score] * len(e.steps) for e in episodes]


def about(view: EpisodeView) -> Question:
    return Question(episode=view, rubric="The note is right.", truth="42", milestone="faithful")


def test_a_steps_answer_is_its_score():
    ((first, second),) = LearnedLayer(Scores(0.3, 0.75)).score_steps([episode("a", "b")])
    assert (first.tier, first.raw, first.confidence) == (Source.MODEL, 0.3, 0.75)
    assert (second.raw, second.confidence) == (first.raw, first.confidence)


@pytest.mark.parametrize(
    ("value", "temperature", "expected"),
    [
        (0.0, 1.0, 1.0),
        (1.0, 1.0, 1.0),
        (-0.5, 1.0, 2 / (1 + math.e)),
        (-0.5, 2.0, 2 / (1 + math.exp(0.5))),
        (-400, 1, 0),
    ],
)
def test_a_milestones_answer_says_how_an_episode_compares_with_demonstrations(value, temperature, expected):
    (answer,) = LearnedLayer(Scores(value), temperature=temperature).score([about(episode("a", "b"))])
    assert answer.raw == pytest.approx(expected, abs=1e-9)
    assert answer.confidence == pytest.approx(0.9)


def test_of_nothing_the_model_says_nothing():
    (answer,) = LearnedLayer(Scores(1.0)).score([about(episode())])
    assert (answer.raw, answer.confidence) == (None, None)


@pytest.mark.parametrize(
    ("actions", "answer"),
    [(("a", 'done("42")'), "42"), (("a", "done()"), ""), (('done("1")', "noop()"), ""), (("rubbish",), ""), ((), "")],
)
def test_the_final_answer(actions, answer):
    assert final_answer(episode(*actions)) == answer


class Scripted:
    """A chat engine that gives the same answer to everything, and keeps what it was sent."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.sent: list[str] = []

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Scripted]:
        yield self

    async def complete(self, call: ChatCall) -> ChatResult:
        self.sent.append(json.dumps(call.messages))
        return ChatResult(outcome=self.answer, cost=0.5)


def verdict(score: float, quote: str) -> str:
    return json.dumps({"reasons": "So it is.", "quotes": [quote], "score": score, "passed": score >= 0.5})


def test_the_judge_is_asked_with_rubric_truth_and_answer():
    engine = Scripted(verdict(0.75, "page 2"))
    layer = JudgingLayer(Judge(JudgeConfig(model="m", samples=3), engine))
    (answer,) = layer.score([about(episode("a", 'done("The answer is 42.")'))])
    assert (answer.tier, answer.raw, answer.confidence, answer.cost) == (Source.JUDGE, 0.75, 1.0, 1.5)
    assert all(word in engine.sent[0] for word in ("The note is right.", "42", "The answer is 42.", "Write a note."))


@pytest.mark.parametrize("said", [verdict(1.0, "what is nowhere"), "I think so.", "", '{"score": 1}'])
def test_where_the_judge_abstains_there_is_no_number(said):
    layer = JudgingLayer(Judge(JudgeConfig(model="m", samples=3), Scripted(said)))
    (answer,) = layer.score([about(episode("a"))])
    assert answer.raw is None
    assert layer.score([]) == []
