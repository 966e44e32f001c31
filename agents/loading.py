"""Loading a language model and its tokenizer for acting and training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..sandbox.errors import EngineError
from .models import resolve_model
from .precision import fastest_dtype


def load_model(name_or_path: str, *, dtype: torch.dtype | None = None) -> tuple[Any, Any]:
    """Load a causal language model and its tokenizer from the cache or a folder; nothing is downloaded.

    Args:
        name_or_path: a model's name in the cache, or a folder in Hugging Face format.
        dtype: arithmetic of the weights; None is the one this machine is fast in.

    Returns:
        The model in evaluation mode and its tokenizer.

    Raises:
        EngineError: the model is missing, damaged, or its tokenizer has no chat template or end token.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    folder: Path = resolve_model(name_or_path)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or fastest_dtype(), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise EngineError(
            f"cannot load the model in {folder}: {error}. Expected a causal language model in Hugging Face format "
            "(config.json, safetensors, tokenizer). Remove the folder and run `make setup` to fetch the default one."
        ) from error
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        raise EngineError(
            f"the tokenizer in {folder} has no chat template or no end token; policies speak in chat turns. "
            "Use an instruction-tuned model, or add a chat_template to tokenizer_config.json."
        )
    model.requires_grad_(False)
    return model.eval(), tokenizer  # type: ignore[no-untyped-call]


__all__ = ["load_model"]
