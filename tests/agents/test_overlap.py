"""Rollouts in which browsers step while the policy decides. Nothing here needs a browser: the episodes are text."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

import gymnasium
import pytest
import torch

from milepost.agents.engines.hf import HFEngine
from milepost.agents.overlap import covered_s, run_overlapped
from milepost.agents.policies import Decision, LanguageModelPolicy
from milepost.agents.rollout import EnvPool, EpisodeSpec, RolloutTimes, run_episodes
from milepost.envs.spaces import UnicodeText
from milepost.envs.text_env import TextEnv
from milepost.sandbox.errors import FailureKind

from .tiny_llama import VOCABULARY, tiny_llama

STEPS = 3


class Slow(gymnasium.Env[str, str]):
    """Shows a word for each step, after a while; breaks in the step that `breaks` names."""

    def __init__(self, wait_s: Any, breaks: int = -1) -> None:
        self.observation_space = self.action_space = UnicodeText(100)
        self._wait_s, self._breaks = wait_s, breaks

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self._turn, self._word = 0, f"w{self.np_random.integers(3, 30)}"
        return self._word, {}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if self._turn == self._breaks:
            raise RuntimeError("no")
        time.sleep(self._wait_s())
        self._turn += 1
        return f"{self._word} w{self._turn}", 1.0, self._turn == STEPS, False, {}


def slow(wait_s: Any = lambda: 0.0, **settings: Any) -> Any:
    return lambda: TextEnv("slow", lambda: Slow(wait_s, **settings), goal="w4", instructions="w1 w2")


class Waits:
    """Says the same of everything, after a while; keeps how many it was asked about."""

    def __init__(self, wait_s: float = 0.0) -> None:
        self.wait_s, self.sizes = wait_s, list[int]()

    def decide(self, views: Any) -> list[Decision]:
        time.sleep(self.wait_s)
        self.sizes.append(len(views))
        return [Decision(action="w5") for _ in views]


def play(run: Any, policy: Any, maker: Any, seeds: Any = range(4), **settings: Any) -> list[Any]:
    with EnvPool(makers={"slow": maker}) as pool:
        played: list[Any] = run([EpisodeSpec(task="slow", seed=s) for s in seeds], policy, pool=pool, **settings)
    return played


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [([], 0.0), ([(1.0, 2.0)], 1.0), ([(4.0, 5.0), (1.0, 3.0), (2.0, 3.5), (2.5, 2.6)], 3.5), ([(0.0, 1.0)] * 3, 1.0)],
)
def test_covered_seconds(spans, seconds):
    assert covered_s(spans) == pytest.approx(seconds)


def language_model() -> LanguageModelPolicy:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0"))
    core.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="w0", pad_token="w0", eos_token="w1")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    return LanguageModelPolicy(
        engine=HFEngine(tiny_llama()),
        tokenizer=tokenizer,
        generator=torch.Generator().manual_seed(0),
        max_new_tokens=4,
        by_episode=True,
    )


def test_what_is_drawn_does_not_depend_on_which_browser_is_faster():
    luck = random.Random(1)

    def at_random() -> float:
        return 0.02 * luck.random()

    seeds = [0, 0, 0, 1, 1, 1, 2]
    runs = [
        play(run_episodes, language_model(), slow(), seeds),
        play(run_overlapped, language_model(), slow(at_random), seeds, concurrency=3),
        play(run_overlapped, language_model(), slow(at_random), seeds),
    ]
    said = [[[s.response_ids for s in t.steps] for t in played] for played in runs]
    assert said[0] == said[1] == said[2]
    assert said[0][0] != said[0][1], "episodes of one group differ"
    for step, other in zip(runs[0][0].steps, runs[1][0].steps, strict=True):
        assert step.behaviour_logprobs == pytest.approx(other.behaviour_logprobs, abs=1e-4)
    assert [t.seed for t in runs[1]] == seeds


def test_a_policy_made_anew_draws_anew():
    policy = language_model()
    other = LanguageModelPolicy(
        engine=policy.engine, tokenizer=policy.tokenizer, generator=policy.generator, max_new_tokens=4, by_episode=True
    )
    first, second = (play(run_overlapped, p, slow()) for p in (policy, other))
    assert [s.response_ids for s in first[0].steps] != [s.response_ids for s in second[0].steps]


def test_browsers_step_while_the_policy_decides():
    def maker_of_fast_and_slow() -> Any:
        waits = itertools.cycle([0.0, 0.3])

        def maker() -> TextEnv:
            wait_s = next(waits)
            made: TextEnv = slow(lambda: wait_s)()
            return made

        return maker

    times, together = RolloutTimes(), RolloutTimes()
    play(run_episodes, Waits(0.1), maker_of_fast_and_slow(), times=times)
    policy = Waits(0.1)
    play(run_overlapped, policy, maker_of_fast_and_slow(), times=together)
    assert together.steps == times.steps == sum(policy.sizes) == 4 * STEPS
    assert times.sampling_s + times.browser_busy_s <= times.wall_s
    assert times.browser_busy_s == times.browser_s
    assert together.browser_s < together.browser_busy_s
    assert together.sampling_s + together.browser_busy_s > together.wall_s, "both at once"


def test_the_policy_waits_for_a_share_of_the_episodes_only():
    waits = iter([0.0, 0.0, 0.3, 0.3] * 8)
    policy = Waits()
    play(run_overlapped, policy, slow(lambda: next(waits)), range(4))
    assert min(policy.sizes) < 4


def test_fresh_episodes_are_asked_for_in_the_order_of_places():
    told: list[int] = []
    waits = {0: 0.2, 1: 0.0, 2: 0.0}

    def refill(index: int, ended: Any) -> list[EpisodeSpec]:
        told.append(index)
        return [EpisodeSpec(task="slow", seed=9)] * 2 if index == 1 else []

    class BySeed(Slow):
        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            self._wait_s = lambda: waits.get(seed or 0, 0.0)
            return super().reset(seed=seed, options=options)

    def maker() -> TextEnv:
        return TextEnv("slow", lambda: BySeed(None), goal="w4", instructions="w1 w2")

    done: list[int] = []
    played = play(run_overlapped, Waits(), maker, range(3), refill=refill, on_episode=lambda _, t: done.append(t.seed))
    assert done.index(0) > done.index(1), "the first place is the slowest"
    assert told == [0, 1, 2, 3, 4]
    assert [t.seed for t in played] == [0, 1, 2, 9, 9]


def test_what_breaks_is_played_again_and_then_given_up_alone():
    played = play(run_overlapped, Waits(), slow(breaks=1), range(2))
    assert [t.failure for t in played] == [FailureKind.SANDBOX] * 2
    assert [len(t.steps) for t in played] == [2, 2]

    class Fails(Waits):
        def decide(self, views: Any) -> list[Decision]:
            return [Decision(action="", failure="server gone") for _ in views]

    assert [t.failure for t in play(run_overlapped, Fails(), slow(), range(2))] == [FailureKind.POLICY] * 2


def test_an_error_of_the_policy_ends_every_episode_under_way():
    class Breaks(Waits):
        def decide(self, views: Any) -> list[Decision]:
            if len(self.sizes) == 2:
                raise RuntimeError("out of words")
            return super().decide(views)

    with pytest.raises(RuntimeError, match="out of words"):
        play(run_overlapped, Breaks(), slow(lambda: 0.02), range(6))
