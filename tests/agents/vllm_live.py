"""What test_engine_vllm_live.py asks of the real vLLM, in a process of its own: prints one line of JSON.

Usage: python -m tests.agents.vllm_live bfloat16
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch

from milepost.agents.engines.base import Sample
from milepost.agents.engines.hf import HFEngine
from milepost.agents.engines.llama import use_float32_head
from milepost.agents.engines.vllm import VLLMEngine, VLLMOptions
from milepost.agents.loading import load_model
from milepost.agents.lora import add_lora, merged_weights, trainable_parameters
from milepost.agents.models import resolve_model
from milepost.trainers.pack_forward import logprobs_of

ASKED = (
    "Say hello to Ada.",
    "List three colours, please.",
    "What is two and two?",
    "Fill the form with 48.20 and submit it.",
)
TOKENS = 12


def main(dtype: str) -> dict[str, Any]:
    """Sample before and after the weights change; return what came of it."""
    model, tokenizer = load_model("smollm2-135m-instruct", dtype=getattr(torch, dtype))
    model = add_lora(model, rank=8, alpha=16)
    prompts = [
        tuple(
            tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], tokenize=True, add_generation_prompt=True, return_dict=False
            )
        )
        for text in ASKED
    ]
    stop = int(tokenizer.eos_token_id)
    engine = VLLMEngine(model, resolve_model(), options=VLLMOptions(kv_cache_gb=0.25, context_tokens=512))

    def sample(other: Any = engine, *, temperature: float = 1.0, seeds: list[int] | None = None) -> list[Sample]:
        drawn: list[Sample] = other.sample(
            prompts, max_new_tokens=TOKENS, temperature=temperature, stop_ids=(stop,),
            generator=torch.Generator().manual_seed(0), seeds=seeds,
        )  # fmt: skip
        return drawn

    def gap(samples: list[Sample], of: Any = model, temperature: float = 1.0) -> float:
        pairs = [(p, s.ids) for p, s in zip(prompts, samples, strict=True)]
        known = logprobs_of(of, pairs, temperature=temperature, max_pack_tokens=2048)
        gaps = [abs(a - b) for s, row in zip(samples, known, strict=True) for a, b in zip(s.logprobs, row, strict=True)]
        return sum(gaps) / len(gaps)

    found: dict[str, Any] = {"fresh": gap(sample()), "cool": gap(sample(temperature=0.7), temperature=0.7)}
    found["repeats"] = sample() == sample()
    found["seeds_differ"] = sample(seeds=[1, 2, 3, 4]) != sample(seeds=[5, 6, 7, 8])
    alone = engine.sample(prompts[2:3], max_new_tokens=TOKENS, temperature=1.0, stop_ids=(stop,), seeds=[3])
    found["alone"] = [alone[0].ids[:4], sample(seeds=[1, 2, 3, 4])[2].ids[:4]]
    greedy = sample(temperature=0.0)
    found["greedy"] = [[s.ids[0] for s in sample(HFEngine(model), temperature=0.0)], [s.ids[0] for s in greedy]]
    found["stopped"] = all((s.ids[-1] == stop) == s.stopped and stop not in s.ids[:-1] for s in greedy)
    found["hf"] = gap(sample(HFEngine(model)))
    noise = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in trainable_parameters(model):
            parameter.add_(torch.randn(parameter.shape, generator=noise) * 0.01)
    found["stale"] = gap(sample())
    engine.weights_changed()
    after = sample()
    found["synced"] = gap(after)
    whole, _ = load_model("smollm2-135m-instruct", dtype=getattr(torch, dtype))
    whole.load_state_dict(dict(merged_weights(model)), strict=False)
    whole.tie_weights()
    use_float32_head(whole)
    found["merged"] = gap(after, whole)
    with torch.no_grad():  # a model that is trained whole: embeddings and all
        for parameter in whole.parameters():
            parameter.mul_(1.0 + 0.02 * torch.randn(parameter.shape, generator=noise).to(parameter.dtype))
    use_float32_head(whole)  # its fast form is made anew
    engine.model = whole
    found["stale_whole"] = gap(sample(), whole)
    engine.weights_changed()
    found["whole"] = gap(sample(), whole)
    engine.close()
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
