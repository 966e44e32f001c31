"""Opening a sampling engine by its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..models import resolve_model
from .base import Engine, EngineKind
from .hf import HFEngine
from .vllm import VLLMEngine, VLLMOptions


@contextmanager
def open_engine(
    kind: EngineKind, model: Any, name_or_path: str, *, vllm: VLLMOptions | None = None
) -> Iterator[Engine]:
    """Give an engine that samples from `model`; what it holds is given back afterwards.

    Args:
        kind: "hf" samples from the very module that is trained; "vllm" from a copy, which it keeps equal.
        model: a transformers causal LM, with or without a LoRA adapter.
        name_or_path: what the model was loaded from; vLLM reads its configuration there.
        vllm: what vLLM may use.

    Raises:
        EngineError: the engine cannot run here; says what to do.
    """
    if kind == "hf":
        yield HFEngine(model)
        return
    engine = VLLMEngine(model, resolve_model(name_or_path), options=vllm)
    try:
        yield engine
    finally:
        engine.close()


__all__ = ["open_engine"]
