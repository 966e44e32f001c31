"""Sampling by vLLM within this process, its weights kept equal to the trainer's.

vLLM holds a copy of the weights of its own. `weights_changed` computes what the policy's checkpoint would hold, the
adapter added into the matrices, and loads that into the running engine, weight by weight and without a file; what the
engine had cached of prompts is dropped.

1. Everything runs in this process (vLLM's own engine process is switched off), so weights are handed over as they lie
   in memory, and requests are scheduled in the same way every time.
2. Log-probabilities are asked for as processed: of the distribution that was drawn from, the temperature applied.
3. vLLM tells no whole distribution, so an entropy is an estimate (see `Sample`).
4. On a CPU, vLLM packs matrices when it loads them, so weights take the way of a whole reload there; on a GPU they are
   written into the ones that are there.
5. Logits are computed in float32 on both sides (`VLLMOptions.float32_head`): rounding them to bf16 would add to the gap
   between sampler and trainer.
6. An adapter that is switched off is off at the next `weights_changed`, not before.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...sandbox.errors import EngineError
from ..lora import merged_weights
from .base import Sample
from .llama import use_float32_head
from .requests import check_request, row_seeds

_CPU_CACHE_GB = 1.0
_GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class VLLMOptions:
    """What vLLM may use.

    Attributes:
        gpu_memory_utilization: share of a GPU's memory for weights and cache together, in (0, 1].
        kv_cache_gb: GiB for the cache of keys and values; None: what is left of that share, and on a CPU 1.
        context_tokens: longest prompt and response together; None: what the model was made for.
        float32_head: compute logits in float32, here and in the trainer; the rest is computed in the model's own dtype.
        eager: compile nothing and record no CUDA graphs: a faster start, slower sampling. None: on a CPU only.
    """

    gpu_memory_utilization: float = 0.5
    kv_cache_gb: float | None = None
    context_tokens: int | None = None
    float32_head: bool = True
    eager: bool | None = None


class VLLMEngine:
    """Batched sampling by vLLM from the weights of a transformers causal LM, with or without a LoRA adapter.

    Args:
        model: a transformers causal LM, or a peft model around one, that the trainer updates in place.
        folder: where its checkpoint lies, in Hugging Face format; the weights themselves are taken from `model`.
        options: see `VLLMOptions`.

    Attributes:
        sync_s: seconds that the last hand-over of weights took.

    Raises:
        EngineError: vLLM is not installed, has too little memory, or cannot run this model; says what to do.
    """

    def __init__(self, model: Any, folder: Path, *, options: VLLMOptions | None = None) -> None:
        self.model = model
        self.sync_s = 0.0
        self._options = options or VLLMOptions()
        self._vllm = _import_vllm()
        self._on_cpu = bool(self._vllm.platforms.current_platform.is_cpu())
        self._llm = self._start(folder)
        config = self._llm.llm_engine.model_config
        self._context_tokens = int(config.max_model_len)
        self.weights_changed()

    def _start(self, folder: Path) -> Any:
        options = self._options
        cache_gb = options.kv_cache_gb or (_CPU_CACHE_GB if self._on_cpu else None)
        arguments: dict[str, Any] = {
            "model": str(folder),
            "dtype": str(next(self.model.parameters()).dtype).removeprefix("torch."),
            "skip_tokenizer_init": True,
            "use_tqdm_on_load": False,
            "generation_config": "vllm",
            "logprobs_mode": "processed_logprobs",
            "enable_prefix_caching": True,
            "gpu_memory_utilization": options.gpu_memory_utilization,
            "max_model_len": options.context_tokens,
            "enforce_eager": self._on_cpu if options.eager is None else options.eager,
        }
        if options.float32_head:
            arguments["hf_overrides"] = {"head_dtype": "float32"}
            use_float32_head(self.model)
        if cache_gb is not None:
            arguments["kv_cache_memory_bytes"] = int(cache_gb * _GIB)
        set_threads = torch.set_num_threads  # vLLM on a CPU puts one in its place that does nothing
        try:
            return self._vllm.LLM(**arguments)
        except (ValueError, RuntimeError, OSError, TypeError) as error:
            raise EngineError(
                f"vLLM {self._vllm.__version__} cannot run the model in {folder}: {_first_line(error)}. If it is short "
                "of memory, lower vllm.context_tokens, raise vllm.kv_cache_gb, or change vllm.gpu_memory_utilization "
                f"(now {options.gpu_memory_utilization:g}); if it does not know the model, set engine: hf"
            ) from error
        finally:
            torch.set_num_threads = set_threads

    def weights_changed(self) -> None:
        """Hand the model's weights over, the adapter added in, and drop what was computed from the old ones.

        Raises:
            EngineError: vLLM does not take them.
        """
        started = time.perf_counter()
        weights = merged_weights(self.model)
        try:
            if self._on_cpu:
                self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})
                self._llm.apply_model(_pack_head)
            else:
                load: Callable[[Any], Any] = lambda network: network.load_weights(weights)  # noqa: E731
                self._llm.apply_model(load)
        except (ValueError, RuntimeError, KeyError, AttributeError, TypeError, AssertionError) as error:
            raise EngineError(
                f"vLLM {self._vllm.__version__} does not take the policy's weights: {_first_line(error)}. It must be "
                "the model of the checkpoint that it was started with, not quantised; set engine: hf for any other"
            ) from error
        self.forget()
        self.sync_s = time.perf_counter() - started

    def forget(self) -> None:
        """Drop cached prompts.

        Raises:
            EngineError: a request is under way.
        """
        if not self._llm.reset_prefix_cache():
            raise EngineError("vLLM kept its cached prompts: no request may be under way when they are dropped")

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int,
        temperature: float,
        stop_ids: Sequence[int],
        generator: torch.Generator | None = None,
        seeds: Sequence[int] | None = None,
    ) -> list[Sample]:
        """Draw one response for each prompt; see `Engine.sample`.

        A row's draws depend on its seed, which comes from the generator where none is given, and on the step.
        """
        check_request(prompts, max_new_tokens=max_new_tokens, temperature=temperature, generator=generator, seeds=seeds)
        if not prompts:
            return []
        self._check_lengths(prompts, max_new_tokens)
        stops = frozenset(stop_ids)
        own: Sequence[int | None] = [None] * len(prompts)
        if temperature > 0:
            own = row_seeds(len(prompts), generator=generator, seeds=seeds)
        asked = [
            self._vllm.SamplingParams(
                temperature=temperature,
                max_tokens=max_new_tokens,
                seed=seed,
                logprobs=0,
                stop_token_ids=sorted(stops),
                ignore_eos=True,
                detokenize=False,
            )
            for seed in own
        ]
        try:
            outputs = self._llm.generate(
                [{"prompt_token_ids": list(prompt)} for prompt in prompts], asked, use_tqdm=False
            )
        except (ValueError, RuntimeError) as error:
            raise EngineError(
                f"vLLM cannot sample {len(prompts)} prompts: {_first_line(error)}. If it is short of memory, lower "
                "concurrency or raise vllm.kv_cache_gb"
            ) from error
        return [_sample(output.outputs[0], stops, greedy=temperature == 0) for output in outputs]

    def _check_lengths(self, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> None:
        longest = max(map(len, prompts))
        if longest + max_new_tokens > self._context_tokens:
            raise EngineError(
                f"expected at most {self._context_tokens} tokens of prompt and response together, got a prompt of "
                f"{longest} and max_new_tokens {max_new_tokens}: raise vllm.context_tokens, as far as the model allows"
            )

    def close(self) -> None:
        """Give the engine's memory back; the engine is of no use afterwards."""
        if self._llm is None:
            return
        self._llm.llm_engine.engine_core.shutdown()
        self._llm = None
        gc.collect()


def _pack_head(network: Any) -> None:
    """Pack the output layer anew: one that is tied to the embeddings has no weights of its own to be reloaded by."""
    head = getattr(network, "lm_head", None)
    method = getattr(head, "quant_method", None)
    if method is not None:
        method.process_weights_after_loading(head)


def _sample(drawn: Any, stops: frozenset[int], *, greedy: bool) -> Sample:
    ids = tuple(int(token) for token in drawn.token_ids)
    logprobs = tuple(float(known[token].logprob) for token, known in zip(ids, drawn.logprobs, strict=True))
    entropy = None if greedy else -sum(logprobs) / len(logprobs)
    return Sample(ids=ids, logprobs=logprobs, entropy=entropy, stopped=ids[-1] in stops)


def _import_vllm() -> Any:
    """Return the vllm package, set to run within this process and to tell nobody of it."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    try:
        import vllm
        import vllm.platforms
    except ImportError as error:
        raise EngineError(
            f"engine: vllm needs vLLM, which cannot be imported here ({_first_line(error)}). On a machine with a GPU: "
            "pip install 'milepost[vllm]'; on one without: see docs/training.md, \"vLLM on a CPU\"; or set engine: hf"
        ) from error
    return vllm


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


__all__ = ["VLLMEngine", "VLLMOptions"]
