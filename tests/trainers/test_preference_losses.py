from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.rewards.preferences import ordered_pairs
from milepost.trainers.preference_losses import bradley_terry, ranking_loss

LOG = math.log
score = st.floats(-10, 10, width=32)
rankings = st.integers(2, 6).flatmap(
    lambda k: st.tuples(
        st.lists(score, min_size=k, max_size=k),
        st.lists(st.integers(0, 3), min_size=k, max_size=k).filter(lambda ranks: len(set(ranks)) > 1),
    )
)


def column(scores: list[float]) -> torch.Tensor:
    return torch.tensor(scores, dtype=torch.float64)[:, None]


def test_hand_worked_pairs():
    winner, loser = torch.tensor([LOG(3), 0.0, 0.0]), torch.tensor([0.0, 0.0, LOG(3)])
    # sigma(log 3) = 3/4, sigma(0) = 1/2, sigma(-log 3) = 1/4
    assert bradley_terry(winner, loser).tolist() == pytest.approx([-LOG(0.75), LOG(2), LOG(4)], abs=1e-6)


def test_hand_worked_margin():
    loss = bradley_terry(torch.tensor([LOG(3)]), torch.tensor([0.0]), LOG(3))
    assert float(loss) == pytest.approx(LOG(2), abs=1e-6)
    assert float(ranking_loss(column([LOG(3), 0.0]), [0, 1], LOG(3))) == pytest.approx(LOG(2), abs=1e-9)


def test_hand_worked_ranking_of_three():
    # leads log 3, log 9, log 3: probabilities 3/4, 9/10, 3/4; one element, divided by C(3, 2)
    loss = ranking_loss(column([0.0, LOG(9), LOG(3)]), [2, 0, 1])
    assert float(loss) == pytest.approx(-(2 * LOG(0.75) + LOG(0.9)) / 3, abs=1e-9)


def test_hand_worked_tie():
    # the tied two are compared with the first only: leads log 3 and -log 3
    loss = ranking_loss(column([0.0, -LOG(3), LOG(3)]), [0, 1, 1])
    assert float(loss) == pytest.approx(-(LOG(0.75) + LOG(0.25)) / 2, abs=1e-9)


def test_each_head_has_its_own_loss():
    heads = torch.tensor([[LOG(3), 0.0], [0.0, LOG(3)]])
    assert ranking_loss(heads, [0, 1]).tolist() == pytest.approx([-LOG(0.75), -LOG(0.25)], abs=1e-6)


@settings(deadline=None)
@given(rankings, score)
def test_only_differences_count(ranking, shift):
    scores, ranks = ranking
    moved = ranking_loss(column(scores) + shift, ranks)
    assert float(moved) == pytest.approx(float(ranking_loss(column(scores), ranks)), abs=1e-5)


@settings(deadline=None)
@given(rankings, st.randoms(use_true_random=False))
def test_the_order_of_the_items_does_not_count(ranking, random):
    scores, ranks = ranking
    order = random.sample(range(len(ranks)), len(ranks))
    shuffled = ranking_loss(column([scores[i] for i in order]), [ranks[i] for i in order])
    assert float(shuffled) == pytest.approx(float(ranking_loss(column(scores), ranks)), abs=1e-9)


@settings(deadline=None)
@given(rankings)
def test_turning_ranks_and_scores_around_changes_nothing(ranking):
    scores, ranks = ranking
    around = ranking_loss(-column(scores), [3 - r for r in ranks])
    assert float(around) == pytest.approx(float(ranking_loss(column(scores), ranks)), abs=1e-9)


@settings(deadline=None)
@given(score, score)
def test_a_pair_and_its_reverse_differ_by_the_lead(a, b):
    there, back = (bradley_terry(*torch.tensor(pair, dtype=torch.float64)) for pair in ((a, b), (b, a)))
    assert float(back - there) == pytest.approx(a - b, abs=1e-6)


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(ValueError, match="2 trajectories, got 3"):
        ranking_loss(column([0.0, 1.0]), [0, 1, 2])
    with pytest.raises(ValueError, match="all ranks are equal"):
        ranking_loss(column([0.0, 1.0]), [1, 1])


@pytest.mark.filterwarnings("ignore")  # of the data set's hashing, with some versions of pyarrow
@pytest.mark.parametrize("margin", [None, 0.7])
def test_trl_agrees(tmp_path, margin):
    pytest.importorskip("trl")
    from datasets import Dataset
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast
    from trl import RewardConfig, RewardTrainer

    words = {f"w{i}": i for i in range(20)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="w0")), pad_token="w1", eos_token="w2"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=20,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=1,
    )
    config.num_labels = 1
    model = LlamaForSequenceClassification(config)
    trainer = RewardTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([{"chosen_ids": [3, 4], "rejected_ids": [5, 6]}] * 2),
        args=RewardConfig(output_dir=str(tmp_path), report_to=[], use_cpu=True, bf16=False, max_length=None),
    )
    episodes = torch.randint(3, 20, (4, 6))  # four items of one ranking, the best first
    pairs = ordered_pairs(range(4))
    better, worse = zip(*pairs, strict=True)
    inputs: dict[str, Any] = {"input_ids": episodes[[*better, *worse]]}  # TRL's batch: the preferred, then the others
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    if margin is not None:
        inputs["margin"] = torch.full((len(pairs),), margin)
    theirs = trainer.compute_loss(model, inputs)
    scores_K1 = model(input_ids=episodes, attention_mask=torch.ones_like(episodes)).logits
    assert float(ranking_loss(scores_K1, range(4), margin)) == pytest.approx(float(theirs), abs=1e-5)
