"""Several processes make the update that one would make, and run the same script to the same end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.sandbox.errors import RunError
from milepost.trainers.config import GRPOConfig
from milepost.trainers.ranks import Ranks, joined
from milepost.trainers.shared_folder import shared_folder

costs = st.lists(st.floats(0, 1e6), max_size=40)


@given(costs=costs, world=st.integers(1, 9))
def test_every_thing_is_in_one_ranks_stretch(costs: list[float], world: int):
    stretches = [Ranks(rank, world).stretch(costs) for rank in range(world)]
    assert [i for stretch in stretches for i in stretch] == list(range(len(costs)))


@given(count=st.integers(0, 40), world=st.integers(1, 9))
def test_what_is_dealt_out_goes_to_one_rank_each(count: int, world: int):
    shares = [Ranks(rank, world).share(range(count)) for rank in range(world)]
    assert sorted(i for share in shares for i in share) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_equal_costs_make_equal_stretches():
    assert [len(Ranks(rank, 4).stretch([1.0] * 12)) for rank in range(4)] == [3, 3, 3, 3]
    assert [len(Ranks(rank, 2).stretch([9.0, 1.0, 1.0, 1.0, 3.0, 3.0])) for rank in range(2)] == [1, 5]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_a_launcher_there_is_one_rank_and_nothing_is_asked_of_others(launched: pytest.MonkeyPatch):
    with joined() as ranks:
        assert ranks == Ranks(0, 1)
        assert ranks.main
        assert ranks.gathered("x") == ["x"]
        assert ranks.agreed(3) == 3
        assert ranks.mapped([1, 2, 3], lambda part: [2 * x for x in part]) == [2, 4, 6]
        assert ranks.summed({"a": 1.5}) == {"a": 1.5}
    launched.setenv("RANK", "0")
    launched.setenv("WORLD_SIZE", "1")
    assert not Ranks.of_environment().several


def test_a_rank_outside_the_world_is_refused(launched: pytest.MonkeyPatch):
    launched.setenv("RANK", "2")
    launched.setenv("WORLD_SIZE", "2")
    with pytest.raises(RunError, match="expected RANK below WORLD_SIZE"):
        Ranks.of_environment()


def test_more_processes_than_groups_are_refused_before_anything_is_written(tmp_path: Path):
    config = GRPOConfig(tasks=("search-open",), run=tmp_path / "run", groups=1)
    with pytest.raises(RunError, match="2 processes cannot share 1 groups: set groups to 2 or more"):
        shared_folder(config, Ranks(0, 2), may_change=())
    assert not (tmp_path / "run").exists()


def test_vllm_is_refused_in_several_processes(tmp_path: Path):
    config = GRPOConfig(tasks=("search-open",), run=tmp_path / "run", engine="vllm")
    with pytest.raises(RunError, match="engine: vllm runs in one process, got 2"):
        shared_folder(config, Ranks(0, 2), may_change=())


UPDATE = """
    import sys
    import torch
    from torch import distributed, multiprocessing
    from milepost.agents.engines.hf import HFEngine
    from milepost.agents.lora import trainable_parameters
    from milepost.trainers.objectives import Objective
    from milepost.trainers.policy_update import TokenSample, UpdateConfig, update_policy
    from milepost.trainers.ranks import Ranks
    from tests.agents.tiny_llama import tiny_llama

    PROMPTS = [(3, 4, 5, 6), (3, 4, 7), (8, 9), (8, 9, 10, 11, 12), (3, 4, 5)]


    class Value:
        '''A critic of one number.'''

        def __init__(self):
            self.weight = torch.nn.Parameter(torch.tensor([0.5]))
            self.optimizer = torch.optim.SGD([self.weight], lr=1.0)
            self.parameters = [self.weight]

        def loss(self, forward, samples, share):
            loss = sum(share * (self.weight[0] * len(s.response_ids) - s.advantage) ** 2 for s in samples)
            return loss, {"value_loss": loss.detach()}

        def step(self):
            self.optimizer.step()
            self.clear()

        def clear(self):
            self.optimizer.zero_grad()


    class Decay:
        '''A further term: half the squared norm.'''

        def backward(self, model):
            loss = sum(0.5 * (p * p).sum() for p in trainable_parameters(model))
            loss.backward()
            return float(loss.detach())


    def update(ranks):
        model = tiny_llama()
        prompts = [p for p in PROMPTS for _ in range(4)]
        drawn = HFEngine(model).sample(
            prompts, max_new_tokens=6, temperature=1.0, stop_ids=[2], generator=torch.Generator().manual_seed(1)
        )
        batch = [
            TokenSample(prompt_ids=p, response_ids=s.ids, behaviour_logprobs=s.logprobs, advantage=(i % 5) - 1.7)
            for i, (p, s) in enumerate(zip(prompts, drawn, strict=True))
        ]
        critic = Value()
        objective = Objective(kl_coef=0.1, entropy_coef=0.01, normalisation=NORMALISATION)
        # plain gradient descent: Adam's first steps are signs, and would hide or blow up what differs
        metrics = update_policy(
            model, torch.optim.SGD(list(trainable_parameters(model)), lr=0.5), batch,
            UpdateConfig(objective=objective, epochs=2, minibatches=2, max_pack_tokens=24, kl_fraction=0.6),
            generator=torch.Generator().manual_seed(2), critic=critic, extra=Decay(), ranks=ranks,
        )
        weights = [p.detach().clone() for p in trainable_parameters(model)]
        return [*weights, critic.weight.detach()], metrics


    def of_rank(rank, world, folder):
        torch.set_num_threads(1)
        store = distributed.FileStore(f"{folder}/store", world)
        distributed.init_process_group("gloo", rank=rank, world_size=world, store=store)
        torch.save(update(Ranks(rank, world)), f"{folder}/{rank}.pt")
        distributed.destroy_process_group()


    torch.set_num_threads(1)
    NORMALISATION, folder, world = sys.argv[1], sys.argv[2], 2
    before = [p.detach().clone() for p in trainable_parameters(tiny_llama())]
    multiprocessing.start_processes(of_rank, args=(world, folder), nprocs=world, start_method="fork")
    alone, measured = update(Ranks())
    parts = [torch.load(f"{folder}/{rank}.pt", weights_only=True) for rank in range(world)]
    assert all(torch.equal(a, b) for a, b in zip(*(part[0] for part in parts), strict=True)), "the ranks differ"
    moved = torch.cat([(a - b).flatten() for a, b in zip(alone, before, strict=False)])
    apart = torch.cat([(a - b).flatten() for a, b in zip(alone, parts[0][0], strict=True)])
    print("moved", float(moved.norm()), "relative difference", float(apart.norm() / moved.norm()))
    assert moved.norm() > 0.1
    assert apart.norm() <= 1e-6 * moved.norm()
    assert all(part[1].keys() == measured.keys() for part in parts)
    for name, value in measured.items():
        if name not in ("update_s", "trie_tokens"):
            assert abs(parts[0][1][name] - value) <= 1e-5 * max(1.0, abs(value)), name
            assert parts[0][1][name] == parts[1][1][name], name
    assert parts[0][1]["trie_tokens"] < 0.8 * measured["plain_tokens"], "what samples share was computed for each"
"""


@pytest.mark.slow
def test_two_ranks_make_the_update_of_one(tmp_path: Path):
    script = tmp_path / "update.py"
    script.write_text(textwrap.dedent(UPDATE), encoding="utf-8")
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    environ = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    command = [sys.executable, str(script), "token", str(tmp_path)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr


@pytest.mark.browser
@pytest.mark.model
@pytest.mark.slow
def test_a_run_of_two_ranks(tiny_model: Path, tmp_path: Path):
    run, config = tmp_path / "run", tmp_path / "config.yaml"
    config.write_text(
        # the model earns nothing, so what it is paid is the KL to its base
        f"tasks: [search-open]\nrun: {run}\nmodel: {tiny_model}\nprecision: float32\niterations: 2\ngroups: 2\n"
        "group_size: 2\nevaluation_seeds: 1\nmax_new_tokens: 4\nmax_replacements: 0\nkl_coef: 0.5\nkl_in: reward\n"
        "learning_rate: 1.0e-2\nwarmup_updates: 0\nwarm_start: {demonstrations: 2, epochs: 1, learning_rate: 1.0e-2}\n",
        encoding="utf-8",
    )
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command = [*launch, "-m", "milepost.trainers.grpo", str(config)]
    environ = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("held-out success") == 1
    assert done.stderr.count("GRPO on search-open") == 1
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [r["iteration"] for r in records] == [0, 1, 2, 3]
    for number in (1, 2):
        played = [json.loads(t) for t in (run / f"trajectories/iteration_00{number}.jsonl").read_text().splitlines()]
        assert len(played) == records[number]["train/episodes"] == 4
        assert len({t["seed"] for t in played}) == 2  # a group for each rank
        assert all(Path(t["ledger_path"]).is_file() for t in played)
        assert records[number]["train/grad_norm"] > 0
    assert json.loads((run / "status.json").read_text())["state"] == "finished"
    assert (run / "report.html").is_file()
