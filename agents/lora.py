"""LoRA adapters on a transformers causal LM: peft's modules and file format, fp32 adapter weights.

The adapter's weights are kept in fp32 whatever the model's dtype: at a learning rate of 1e-4 an update of a bf16 weight
rounds away. Forward passes use a copy of them cast to the model's dtype.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def add_lora(model: Any, *, rank: int = 16, alpha: int = 32, seed: int = 0) -> Any:
    """Wrap `model` with a fresh LoRA adapter on every linear layer of its blocks; the base is frozen.

    Args:
        model: a transformers causal LM.
        rank: inner dimension r, at least 1.
        alpha: the adapter's output is scaled by alpha / rank.
        seed: seeds the A matrices (B starts at zero, so a fresh adapter changes nothing).

    Returns:
        The peft model; its trainable parameters are fp32.
    """
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(LINEARS), lora_dropout=0.0, task_type="CAUSAL_LM")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return get_peft_model(model, config, autocast_adapter_dtype=True)


def load_lora(model: Any, folder: Path, *, trainable: bool = True) -> Any:
    """Wrap `model` with the adapter saved in `folder` (peft's format)."""
    return PeftModel.from_pretrained(model, str(folder), is_trainable=trainable, autocast_adapter_dtype=True)


def save_lora(model: Any, folder: Path) -> None:
    """Save the adapter in peft's format: adapter_config.json and adapter_model.safetensors."""
    model.save_pretrained(str(folder), save_embedding_layers=False)


def adapter_off(model: Any) -> AbstractContextManager[None]:
    """Within this context the model is the frozen base: the reference policy."""
    context: AbstractContextManager[None] = model.disable_adapter()
    return context


@torch.no_grad()
def merged_weights(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the weights that the model's checkpoint would hold, by their names there, the adapter added in.

    The sum is taken in fp32 and rounded once to the model's dtype; one matrix at a time, nothing of the model changes.
    Weights that are the same tensor (an output layer tied to the embeddings) come once, by their first name.

    Args:
        model: a transformers causal LM, or a peft model around one; an adapter that is switched off is left out.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    for name, weight in base.named_parameters():
        if ".lora_" in name:
            continue
        place, adapted, leaf = name.rpartition(".base_layer.")
        if not adapted:
            yield name, weight.detach()
            continue
        layer = base.get_submodule(place)
        total = weight.detach()
        if leaf == "weight" and not layer.disable_adapters:
            for adapter in layer.active_adapters:
                total = (total.float() + layer.get_delta_weight(adapter).float()).to(weight.dtype)
        yield f"{place}.{leaf}", total


def trainable_parameters(model: Any) -> Iterator[torch.nn.Parameter]:
    """The parameters an optimiser should update."""
    return (p for p in model.parameters() if p.requires_grad)


__all__ = ["LINEARS", "adapter_off", "add_lora", "load_lora", "merged_weights", "save_lora", "trainable_parameters"]
