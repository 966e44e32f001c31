"""Foreign environments that show text: through rollouts, and into a GRPO batch. Nothing here needs a browser."""

from __future__ import annotations

import time
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from milepost.agents.policies import Decision, OraclePolicy, View
from milepost.agents.records import Trajectory
from milepost.agents.rollout import EnvPool, EpisodeSpec, run_episodes
from milepost.envs.spaces import UnicodeText
from milepost.envs.text_env import TextEnv
from milepost.sandbox.errors import FailureKind, TaskError

INSTRUCTIONS = "w1 w2"


class EvenWords(gymnasium.Env[str, str]):
    """Pays for each of two answers that begins with an even word; what it shows is drawn by the seed."""

    def __init__(self, misbehave: str = "") -> None:
        self.observation_space = UnicodeText(100)
        self.action_space = UnicodeText(100)
        self.misbehave = misbehave
        self.closed = False

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        if self.misbehave == "reset":
            raise RuntimeError("no")
        self.turn = 0
        self.shown = f"w{self.np_random.integers(3, 10)}"
        return self.shown, {"goal": "w4 w5"}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if self.misbehave == "step":
            raise RuntimeError("no")
        if self.misbehave == "hang":
            time.sleep(2)
        self.turn += 1
        first = action.split()[0] if action.split() else ""
        even = first.startswith("w") and first[1:].isdecimal() and int(first[1:]) % 2 == 0
        reward = float("nan") if self.misbehave == "nan" else float(even)
        return f"{self.shown} w{self.turn}", reward, self.turn == 2, False, {}

    def close(self) -> None:
        self.closed = True


def even_words(misbehave: str = "", **settings: Any) -> TextEnv:
    return TextEnv(
        "even",
        lambda: EvenWords(misbehave),
        goal=lambda seen, info: info["goal"],
        instructions=INSTRUCTIONS,
        **settings,
    )


class Says:
    """Answers the same to everything."""

    def __init__(self, *answers: str) -> None:
        self.answers = answers
        self.views: list[View] = []

    def decide(self, views: Any) -> list[Decision]:
        self.views += views
        return [Decision(action=self.answers[view.step % len(self.answers)]) for view in views]


def play(policy: Any, maker: Any = even_words, *, seeds: Any = (1,), **settings: Any) -> list[Trajectory]:
    with EnvPool(makers={"even": maker}) as pool:
        return run_episodes([EpisodeSpec(task="even", seed=s) for s in seeds], policy, pool=pool, **settings)


def test_an_episode_is_recorded_like_any_other():
    policy = Says("w2 w3", "w3")
    first, again, other = play(policy, seeds=(1, 1, 5))
    assert [s.reward for s in first.steps] == [1.0, 0.0]
    assert (first.task, first.success, first.terminated, first.truncated) == ("even", True, True, False)
    assert (first.stop_reason, first.failure, first.total_reward) == ("success", None, 1.0)
    assert [s.milestones_after for s in first.steps] == [0, 0]
    assert first.steps[0].observation.startswith("Goal: w4 w5\n")
    assert [s.observation for s in first.steps] == [s.observation for s in again.steps]
    assert [s.observation for s in first.steps] != [s.observation for s in other.steps], "the seed draws what is shown"
    assert {view.instructions for view in policy.views} == {INSTRUCTIONS}
    [unpaid] = play(Says("w3"))
    assert (unpaid.success, unpaid.stop_reason) == (False, "done")


def test_more_episodes_than_slots_share_environments():
    made: list[TextEnv] = []

    def maker() -> TextEnv:
        made.append(even_words())
        return made[-1]

    played = play(Says("w2"), maker, seeds=range(12), concurrency=3)
    assert [t.seed for t in played] == list(range(12))
    assert len(made) == 3


@pytest.mark.parametrize("misbehave", ["reset", "step", "nan", "hang"])
def test_what_a_foreign_environment_does_wrong_is_a_failure_and_no_zero(misbehave: str):
    [trajectory] = play(Says("w2"), lambda: even_words(misbehave, step_timeout_s=0.2))
    assert trajectory.failure is FailureKind.SANDBOX
    assert trajectory.truncated
    assert trajectory.steps[-1].reward is None
    assert "machine failed" in trajectory.steps[-1].error


def test_one_that_failed_is_made_anew_and_the_old_one_closed():
    made: list[EvenWords] = []

    def make() -> EvenWords:
        made.append(EvenWords("step" if not made else ""))
        return made[-1]

    [trajectory] = play(Says("w2"), lambda: TextEnv("even", make, goal="w4", instructions=INSTRUCTIONS))
    assert trajectory.failure is None, "the episode was played again"
    assert len(made) == 2
    deadline = time.monotonic() + 5
    while not made[0].closed:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_cannot_be_parsed_costs_a_step():
    def strict(text: str) -> str:
        if "w" not in text:
            raise ValueError("say a word")
        return text

    [trajectory] = play(Says("?", "w2", "w2"), lambda: even_words(parse=strict, max_steps=8))
    assert [(s.reward, s.error) for s in trajectory.steps] == [(0.0, "say a word"), (1.0, ""), (1.0, "")]
    [cut] = play(Says("?"), lambda: even_words(parse=strict, max_steps=3))
    assert (len(cut.steps), cut.stop_reason, cut.truncated, cut.success) == (3, "step_limit", True, False)


class Corridor(gymnasium.Env[Any, int]):
    """Four places in a row; the last one pays."""

    observation_space = spaces.Dict({"at": spaces.Discrete(4)})
    action_space: spaces.Space[Any] = spaces.Discrete(2, start=1)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.at = 0
        return {"at": self.at}, {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert type(action) is int
        self.at += 1 if action == 2 else 0
        return {"at": self.at}, float(self.at == 3), self.at == 3, False, {}


def corridor(**settings: Any) -> TextEnv:
    return TextEnv("corridor", Corridor, goal="Reach place 3.", instructions="1 stays, 2 goes on.", **settings)


def test_numbers_are_read_for_discrete_actions():
    with EnvPool(makers={"corridor": corridor}) as pool:
        [t] = run_episodes([EpisodeSpec(task="corridor", seed=0)], Says("2", "0", "two", " 2\n", "2"), pool=pool)
    assert t.success
    assert [bool(s.error) for s in t.steps] == [False, True, True, False, False]
    assert "at: 1" in t.steps[1].observation
    assert "from 1 to 2" in t.steps[1].error


def test_other_spaces_need_a_parser():
    class Continuous(Corridor):
        action_space = spaces.Box(0, 1, (2,), np.float32)

    env = TextEnv("box", Continuous, goal="x", instructions="x")
    with EnvPool(makers={"box": lambda: env}) as pool, pytest.raises(TaskError, match="give `parse`"):
        run_episodes([EpisodeSpec(task="box", seed=0)], Says("2"), pool=pool)


def test_policies_that_need_a_task_say_so():
    with pytest.raises(TaskError, match="plays tasks of milepost"):
        play(OraclePolicy())


def test_a_grpo_batch_teaches_a_model_what_pays():
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    from milepost.agents.engines.hf import HFEngine
    from milepost.agents.lora import trainable_parameters
    from milepost.agents.policies import LanguageModelPolicy
    from milepost.trainers.advantages import step_advantages
    from milepost.trainers.grpo import to_token_samples
    from milepost.trainers.policy_update import UpdateConfig, update_policy
    from tests.agents.tiny_llama import VOCABULARY, tiny_llama

    core = Tokenizer(WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0"))
    core.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="w0", pad_token="w0", eos_token="w1")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    model = tiny_llama()
    generator = torch.Generator().manual_seed(0)
    engine = HFEngine(model)
    policy = LanguageModelPolicy(engine=engine, tokenizer=tokenizer, generator=generator, max_new_tokens=2)
    optimizer = torch.optim.AdamW(list(trainable_parameters(model)), lr=2e-2, weight_decay=0.0)
    means = []
    for _ in range(8):
        played = play(policy, seeds=[seed for seed in (1, 2) for _ in range(8)])
        means.append(sum(t.total_reward for t in played) / len(played))
        advantages, stats = step_advantages(played, credit="frontier", gamma=1.0)
        assert stats.groups == 2
        batch = to_token_samples(played, advantages)
        update_policy(model, optimizer, batch, UpdateConfig(), generator=generator)
        engine.weights_changed()
    assert batch[0].prompt_ids[:2] == (1, 2), "the prompt opens with the foreign environment's own instructions"
    assert sum(means[-2:]) > sum(means[:2]) + 0.5, means
