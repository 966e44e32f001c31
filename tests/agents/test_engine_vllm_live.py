"""The vLLM engine with the real vLLM and SmolLM2: parity, hand-over of weights, and two iterations of GRPO.

Uses the vLLM of this environment, or of the Python that MILEPOST_VLLM_PYTHON names. Each part has a process of its
own: vLLM changes what it finds in a process.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import milepost

from .vllm_python import MARKS, PYTHON

ROOT = Path(__file__).parents[2]

pytestmark = MARKS


def _run(*arguments: str) -> str:
    path = os.pathsep.join([str(Path(milepost.__file__).parents[1]), str(ROOT)])
    environ = os.environ | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [PYTHON, *arguments], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=1400, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(("dtype", "bound"), [("bfloat16", 0.08), ("float32", 1e-3)])
def test_the_sampler_agrees_with_the_trainer_before_and_after_new_weights(dtype, bound, record_property):
    found = json.loads(_run("-m", "tests.agents.vllm_live", dtype).splitlines()[-1])
    record_property("found", found)
    print(found)
    # an untrained model at temperature 1: some 3 nats a token, where bf16 keeps even `hf` 0.03 from the trainer
    for name in ("fresh", "cool", "hf"):
        assert found[name] <= bound, found
    for name in ("synced", "merged", "whole"):
        assert found[name] <= bound, found
    assert found["stale"] > 1.5 * found["synced"], "weights that were not handed over would show"
    assert found["stale_whole"] > 1.5 * found["whole"], "those of a model that is trained whole as well"
    assert found["repeats"]
    assert found["seeds_differ"]
    assert found["alone"][0] == found["alone"][1], "a row is drawn alike in any company"
    assert found["greedy"][0] == found["greedy"][1]
    assert found["stopped"]


@pytest.mark.browser
def test_two_iterations_of_grpo_hand_over_weights_and_report_the_gap(tmp_path: Path):
    run = tmp_path / "run"
    _run(
        "-m", "milepost.trainers.grpo", str(ROOT / "examples/vllm/config.yaml"), f"run={run}", "iterations=2",
        "groups=2", "group_size=2", "max_new_tokens=12", "warm_start.demonstrations=0", "concurrency=4",
        "vllm.kv_cache_gb=0.25",
    )  # fmt: skip
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(records) == 3
    for values in records[1:]:
        assert 0 < values["train/logprob_gap"] <= 0.08
        assert values["train/logprob_gap"] <= values["train/logprob_gap_max"]
        assert 0 < values["time/engine_busy"] <= 1
        assert 0 < values["time/browser_busy"] <= 1
    learnt = [values for values in records[1:] if values["train/optimizer_steps"]]
    assert all(values["time/weight_sync_s"] > 0 and values["train/importance_weight"] > 0.9 for values in learnt)
