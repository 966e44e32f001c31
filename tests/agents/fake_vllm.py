"""A package with vLLM's interface, as far as it is used, that says what it was asked for."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

EOS = 11


class SamplingParams(SimpleNamespace):
    """Whatever was asked for of one prompt."""


class LLM:
    """Answers each prompt with its seed's digits; keeps its arguments, weights and resets of the prefix cache.

    `refuses` is raised where its kind says: at the "start", on new "weights", or at the next "sample".
    """

    made: list[LLM]
    refuses: dict[str, Exception]

    def __init__(self, **arguments: Any) -> None:
        self._refuse("start")
        self.arguments = arguments
        self.ways: list[str] = []
        self.weights: dict[str, Any] = {}
        self.resets = 0
        self.asked: list[SamplingParams] = []
        self.stopped = False
        self.llm_engine = SimpleNamespace(
            model_config=SimpleNamespace(max_model_len=arguments["max_model_len"] or 128),
            engine_core=SimpleNamespace(shutdown=self._shutdown),
        )
        type(self).made.append(self)

    def _refuse(self, what: str) -> None:
        if what in type(self).refuses:
            raise type(self).refuses[what]

    def _shutdown(self) -> None:
        self.stopped = True

    def load_weights(self, weights: Any) -> None:
        self._refuse("weights")
        self.weights = {name: weight.clone() for name, weight in weights}

    def collective_rpc(self, method: str, kwargs: Any) -> None:
        assert method == "reload_weights"
        self.ways.append("reload")
        self.load_weights(kwargs["weights_iterator"])

    def apply_model(self, function: Any) -> None:
        self.ways.append("in place")
        function(self)

    def reset_prefix_cache(self) -> bool:
        self.resets += 1
        return True

    def generate(self, prompts: Any, asked: Any, *, use_tqdm: bool) -> list[Any]:
        assert not use_tqdm
        self._refuse("sample")
        self.asked = list(asked)
        return [self._answer(prompt["prompt_token_ids"], one) for prompt, one in zip(prompts, asked, strict=True)]

    def _answer(self, prompt: list[int], asked: SamplingParams) -> Any:
        drawn = [int(d) for d in str(asked.seed if asked.seed is not None else sum(prompt))]
        ids = [*drawn[:2], asked.stop_token_ids[0]] if drawn[0] % 2 else drawn
        ids = ids[: asked.max_tokens]
        logprobs = [{token: SimpleNamespace(logprob=-0.25 * (i + 1))} for i, token in enumerate(ids)]
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids, logprobs=logprobs)])


def install(
    monkeypatch: pytest.MonkeyPatch, *, cpu: bool = True, refuses: dict[str, Exception] | None = None
) -> type[LLM]:
    """Put it in vLLM's place; return its `LLM`, fresh."""

    class Fresh(LLM):
        made: list[LLM] = []  # noqa: RUF012

    Fresh.refuses = refuses or {}
    package, platforms = ModuleType("vllm"), ModuleType("vllm.platforms")
    platforms.current_platform = SimpleNamespace(is_cpu=lambda: cpu)  # type: ignore[attr-defined]
    package.LLM, package.SamplingParams = Fresh, SamplingParams  # type: ignore[attr-defined]
    package.platforms, package.__version__ = platforms, "9.9"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", package)
    monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    return Fresh


__all__ = ["EOS", "LLM", "SamplingParams", "install"]
