"""One GRPO step, ours against TRL's, on the same model and batch, in one run.

    python bench/bench_grpo_step.py [--steps 3] [--ours-only] [--threads 2]

A step samples 8 prompts x 8 responses (about 160 prompt tokens, 100 of them common to all; up to 16 new tokens) and
makes one LoRA update from them (rank 16, every linear layer, bf16). TRL's GRPOTrainer does the same with per-device
batches of 16 and 4 accumulation steps. Neither scores its reference model (TRL's default beta is 0). Times are wall
seconds per step, the first (warming up) included; on a busy machine compare the least of each.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
import warnings

import torch
from transformers import TrainerCallback

from milepost.agents.engines.hf import HFEngine
from milepost.agents.loading import load_model
from milepost.agents.lora import LINEARS, add_lora, trainable_parameters
from milepost.trainers.policy_update import TokenSample, UpdateConfig, update_policy

GROUPS, MEMBERS, NEW_TOKENS = 8, 8, 16
MODEL = "smollm2-135m-instruct"
WORDS = ("open", "close", "report", "invoice", "export", "save", "send", "search", "filter", "name", "country", "month")


def texts() -> list[str]:
    rng = random.Random(0)
    common = " ".join(rng.choices(WORDS, k=80))
    return [f"{common} {' '.join(rng.choices(WORDS, k=50))}" for _ in range(GROUPS)]


def prompt_ids(tokenizer, text):
    encoded = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=True
    )
    return tuple(encoded["input_ids"])


def measure_ours(steps):
    base, tokenizer = load_model(MODEL)
    model = add_lora(base)
    optimizer = torch.optim.AdamW(list(trainable_parameters(model)), lr=1e-5)
    engine = HFEngine(model, tokenizer)
    generator = torch.Generator().manual_seed(0)
    prompts = [ids for text in texts() for ids in [prompt_ids(tokenizer, text)] * MEMBERS]
    print(f"prompt tokens: {sum(map(len, prompts)) / len(prompts):.0f}")
    times = []
    for step in range(steps):
        started = time.perf_counter()
        samples = engine.sample(
            prompts,
            max_new_tokens=NEW_TOKENS,
            temperature=1.0,
            stop_ids=[tokenizer.eos_token_id],
            generator=generator,
        )
        sampled = time.perf_counter()
        batch = [
            TokenSample(
                prompt_ids=p, response_ids=s.ids, behaviour_logprobs=s.logprobs, advantage=1.0 if i % 2 else -1.0
            )
            for i, (p, s) in enumerate(zip(prompts, samples, strict=True))
        ]
        metrics = update_policy(model, optimizer, batch, UpdateConfig())
        ended = time.perf_counter()
        times.append(ended - started)
        split = f"sampling {sampled - started:.2f}, update {ended - sampled:.2f}"
        print(f"ours  step {step}: {times[-1]:6.2f} s: {split}", flush=True)
    print(
        f"      {metrics['response_tokens']:.0f} response tokens; the update computed {metrics['trie_tokens']:.0f} of "
        f"{metrics['plain_tokens']:.0f} tokens; sampler mismatch {metrics['mismatch']:.3f} nats"
    )
    return times


class StepTimes(TrainerCallback):
    """Collects the wall time of TRL's optimiser steps, generation included."""

    def __init__(self):
        self.times = []
        self.started = 0.0

    def on_step_begin(self, args, state, control, **kwargs):  # noqa: D102
        self.started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):  # noqa: D102
        self.times.append(time.perf_counter() - self.started)
        print(f"TRL   step {len(self.times) - 1}: {self.times[-1]:6.2f} s", flush=True)


def measure_trl(steps):
    from datasets import Dataset
    from peft import LoraConfig
    from trl import GRPOConfig, GRPOTrainer

    base, tokenizer = load_model(MODEL)
    rows = [{"prompt": [{"role": "user", "content": text}]} for text in texts()]
    watch = StepTimes()
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=base,
            reward_funcs=lambda completions, **_: [float(i % 2) for i in range(len(completions))],
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(rows * steps),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules=list(LINEARS), task_type="CAUSAL_LM"),
            callbacks=[watch],
            args=GRPOConfig(
                output_dir=folder,
                report_to=[],
                use_cpu=True,
                bf16=True,
                per_device_train_batch_size=16,
                gradient_accumulation_steps=GROUPS * MEMBERS // 16,
                num_generations=MEMBERS,
                max_completion_length=NEW_TOKENS,
                max_steps=steps,
                learning_rate=1e-5,
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                gradient_checkpointing=False,
            ),
        )
        trainer.train()
    return watch.times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ours-only", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(arguments.threads)
    ours = measure_ours(arguments.steps)
    print(f"ours: least {min(ours):.2f} s, mean {sum(ours) / len(ours):.2f} s a step")
    if arguments.ours_only:
        return
    theirs = measure_trl(arguments.steps)
    print(f"TRL:  least {min(theirs):.2f} s, mean {sum(theirs) / len(theirs):.2f} s a step")
    print(f"ratio: {min(theirs) / min(ours):.1f} (least), {sum(theirs) / sum(ours):.1f} (mean)")


if __name__ == "__main__":
    main()
