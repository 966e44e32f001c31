"""The sides of train_step.py, each measured in a process of its own: `python _train_step_sides.py SETTINGS RESULT`.

Two pieces of work. `step`: sample eight responses to each of eight prompts and learn from them, ours and TRL's.
`episodes`: learn from episodes of five steps each, whose prompts are those of a form that is filled in, field by field;
siblings part where one fills in something else. Packed as the trainer does it, and one padded row for each step.
"""

import random
import resource
import sys
import tempfile
import time
import warnings

import torch
from _measuring import contestant

from milepost.agents.engines.hf import HFEngine
from milepost.agents.loading import load_model
from milepost.agents.lora import LINEARS, add_lora, trainable_parameters
from milepost.agents.prompts import build_prompt_ids
from milepost.trainers.objectives import Objective, policy_loss, token_weights
from milepost.trainers.pack_forward import logprobs_of
from milepost.trainers.policy_update import TokenSample, UpdateConfig, update_policy

NEW_TOKENS, MICRO_BATCH, STEPS = 16, 16, 5
WORDS = ("open", "close", "report", "invoice", "export", "save", "send", "search", "filter", "name", "country", "month")
FIELDS = ("Name", "Country", "Month", "Amount", "Reason")
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def texts(groups):
    """The prompts of `step`: most of each is common to all."""
    rng = random.Random(0)
    common = " ".join(rng.choices(WORDS, k=80))
    return [f"{common} {' '.join(rng.choices(WORDS, k=50))}" for _ in range(groups)]


def policy(settings, seed=0):
    """The model with its adapter, its tokenizer, and an optimiser."""
    base, tokenizer = load_model(settings["model"], dtype=DTYPES[settings["dtype"]])
    model = add_lora(base, seed=seed)
    return model, tokenizer, torch.optim.AdamW(list(trainable_parameters(model)), lr=1e-5)


def our_step(settings):
    """Sample and learn by our engine and our update."""
    model, tokenizer, optimizer = policy(settings)
    engine, generator = HFEngine(model, tokenizer), torch.Generator().manual_seed(0)
    encoded = [
        tokenizer.apply_chat_template([{"role": "user", "content": t}], add_generation_prompt=True, return_dict=True)
        for t in texts(settings["groups"])
    ]
    prompts = [tuple(e["input_ids"]) for e in encoded for _ in range(settings["members"])]
    warm_up(model)
    began = time.perf_counter()
    samples = engine.sample(
        prompts, max_new_tokens=NEW_TOKENS, temperature=1.0, stop_ids=[tokenizer.eos_token_id], generator=generator
    )
    sampling_s = time.perf_counter() - began
    batch = [
        TokenSample(prompt_ids=p, response_ids=s.ids, behaviour_logprobs=s.logprobs, advantage=1.0 if i % 2 else -1.0)
        for i, (p, s) in enumerate(zip(prompts, samples, strict=True))
    ]
    metrics = update_policy(model, optimizer, batch, UpdateConfig())
    step_s = time.perf_counter() - began
    return {
        "step_s": step_s,
        "update_s": step_s - sampling_s,
        "prompt_tokens": sum(map(len, prompts)) / len(prompts),
        "response_tokens": metrics["response_tokens"],
        "computed_tokens": metrics["trie_tokens"],
        "plain_tokens": metrics["plain_tokens"],
    }


def trl_step(settings):
    """The same by TRL's GRPOTrainer, by its defaults where they make it do neither less nor more."""
    sys.path.append(settings["trl"])  # last: what both need is ours
    import trl
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    groups, members = settings["groups"], settings["members"]
    base, tokenizer = load_model(settings["model"], dtype=DTYPES[settings["dtype"]])
    warm_up(base)
    seconds = {"sampling": 0.0}

    class Watch(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            seconds["began"] = time.perf_counter()

        def on_step_end(self, args, state, control, **kwargs):
            seconds["step"] = time.perf_counter() - seconds["began"]

    class Trainer(GRPOTrainer):
        def _generate_and_score_completions(self, inputs):
            began = time.perf_counter()
            try:
                return super()._generate_and_score_completions(inputs)
            finally:
                seconds["sampling"] += time.perf_counter() - began

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=base,
            reward_funcs=lambda completions, **_: [float(i % 2) for i in range(len(completions))],
            processing_class=tokenizer,
            train_dataset=Dataset.from_list([{"prompt": [{"role": "user", "content": t}]} for t in texts(groups)]),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules=list(LINEARS), task_type="CAUSAL_LM"),
            callbacks=[Watch()],
            args=GRPOConfig(
                output_dir=folder,
                report_to=[],
                use_cpu=True,
                bf16=settings["dtype"] == "bfloat16",
                per_device_train_batch_size=min(MICRO_BATCH, groups * members),
                gradient_accumulation_steps=max(1, groups * members // MICRO_BATCH),
                num_generations=members,
                max_completion_length=NEW_TOKENS,
                max_steps=1,
                learning_rate=1e-5,
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                gradient_checkpointing=False,
            ),
        )
        trainer.train()
    return {
        "step_s": seconds["step"],
        "update_s": seconds["step"] - seconds["sampling"],
        "version": trl.__version__,
    }


def episode_batch(settings, model, tokenizer):
    """The samples of `episodes`."""
    rng, pairs = random.Random(1), []
    for group in range(settings["groups"]):
        wanted = {field: rng.choice(WORDS) + str(rng.randrange(100)) for field in FIELDS}
        goal = f"File a claim on page {group}: " + ", ".join(f'{k} "{v}"' for k, v in wanted.items())
        for _ in range(settings["members"]):
            filled, last = {}, ""
            for field in FIELDS[:STEPS]:
                rows = ['heading "New claim"', *(f'textbox "{f}" "{filled.get(f, "")}"' for f in FIELDS)]
                page = "\n".join([*rows, 'button "Save"', 'link "Back to the list"', last]).strip()
                value = wanted[field] if rng.random() < 0.7 else rng.choice(WORDS)
                filled[field], last = value, f'Last: fill("{field}", "{value}")'
                said = tokenizer(f'fill("{field}", "{value}")', add_special_tokens=False)["input_ids"]
                prompt = build_prompt_ids(tokenizer, f"Goal: {goal}\n{page}")
                pairs.append((prompt, (*map(int, said), int(tokenizer.eos_token_id))))
    old = logprobs_of(model, pairs, temperature=1.0, max_pack_tokens=2048)
    return [
        TokenSample(prompt_ids=p, response_ids=r, behaviour_logprobs=x, advantage=rng.choice((-1.0, 0.5, 1.0)))
        for (p, r), x in zip(pairs, old, strict=True)
    ]


def packed(settings):
    """Learn from episodes as the trainer does."""
    model, tokenizer, optimizer = policy(settings)
    batch = episode_batch(settings, model, tokenizer)
    warm_up(model)
    metrics = update_policy(model, optimizer, batch, UpdateConfig())
    return {
        "update_s": metrics["update_s"],
        "computed_tokens": metrics["trie_tokens"],
        "plain_tokens": metrics["plain_tokens"],
    }


def unpacked(settings):
    """Learn from the same episodes, a padded row for each step, by the model's own forward pass."""
    model, tokenizer, optimizer = policy(settings)
    batch = episode_batch(settings, model, tokenizer)
    warm_up(model)
    began = time.perf_counter()
    backward_padded(model, batch)
    torch.nn.utils.clip_grad_norm_(list(trainable_parameters(model)), 1.0)
    optimizer.step()
    return {"update_s": time.perf_counter() - began, "samples": len(batch)}


def backward_padded(model, batch):
    """Add the gradient of the same loss: prompts padded on the left, responses on the right, logits where needed."""
    counts = torch.tensor([len(s.response_ids) for s in batch])
    samples = torch.arange(len(batch)).repeat_interleave(counts)
    weights = torch.split(token_weights(samples, len(batch), "token", None), counts.tolist())
    for start in range(0, len(batch), MICRO_BATCH):
        rows = batch[start : start + MICRO_BATCH]
        before, after = max(len(s.prompt_ids) for s in rows), max(len(s.response_ids) for s in rows)
        ids = torch.zeros(len(rows), before + after, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for i, s in enumerate(rows):
            span = slice(before - len(s.prompt_ids), before + len(s.response_ids))
            ids[i, span] = torch.tensor([*s.prompt_ids, *s.response_ids])
            mask[i, span] = 1
        positions = (mask.cumsum(1) - 1).clamp_min(0)
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=after + 1, use_cache=False
        ).logits[:, :-1]
        spoken = mask[:, before:].bool()
        chosen = torch.log_softmax(logits[spoken].float(), -1).gather(1, ids[:, before:][spoken][:, None])[:, 0]
        loss, _ = policy_loss(
            Objective(),
            logprobs_R=chosen,
            behaviour_R=torch.tensor([x for s in rows for x in s.behaviour_logprobs]),
            advantages_R=torch.tensor([a for s in rows for a in s.advantages]),
            weight_R=torch.cat(weights[start : start + MICRO_BATCH]),
            sample_R=torch.arange(len(rows)).repeat_interleave(counts[start : start + MICRO_BATCH]),
            entropy_R=torch.zeros_like(chosen),
        )
        loss.backward()


def gradients(settings):
    """How far the packed update's gradient is from the padded one's, relative to it (float32)."""
    model, tokenizer, _ = policy(settings | {"dtype": "float32"})
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():  # a fresh adapter's second matrix is zero, and half of the gradient with it
        for parameter in trainable_parameters(model):
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=generator))
    batch = episode_batch(settings, model, tokenizer)
    learnt = list(trainable_parameters(model))
    backward_padded(model, batch)
    plain = torch.cat([p.grad.flatten() for p in learnt])
    caught = []

    class Catching(torch.optim.SGD):
        def step(self, closure=None):
            caught.append(torch.cat([p.grad.flatten() for p in learnt]))

    update_policy(model, Catching(learnt, lr=0.0), batch, UpdateConfig(max_grad_norm=1e9))
    return {"relative_difference": float((caught[0] - plain).norm() / plain.norm()), "norm": float(plain.norm())}


def warm_up(model):
    """A small forward and backward pass, so that neither side pays for what is set up once."""
    ids = torch.randint(0, 1000, (2, 32), generator=torch.Generator().manual_seed(0))
    logits = model(input_ids=ids, use_cache=False).logits
    if logits.requires_grad:
        logits.float().square().mean().backward()
        model.zero_grad(set_to_none=True)


SIDES = {
    "our step": our_step,
    "TRL's step": trl_step,
    "packed episodes": packed,
    "unpacked episodes": unpacked,
    "gradients": gradients,
}


def measure(settings):
    warnings.simplefilter("ignore")
    torch.set_num_threads(settings["threads"])
    result = SIDES[settings["side"]](settings)
    return result | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    contestant(measure)
