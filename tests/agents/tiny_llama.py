"""A Llama of a few thousand weights in fp32, with an adapter that does something: for exactness tests."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from milepost.agents.engines.llama import FastLlama
from milepost.agents.lora import add_lora, trainable_parameters

VOCABULARY = 50


def tiny_llama(*, adapter: bool = True, seed: int = 0, **overrides: Any) -> Any:
    settings: dict[str, Any] = dict(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=128,
        attn_implementation="eager",
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**(settings | overrides))).eval()
    model.requires_grad_(False)
    with torch.no_grad():
        model.lm_head.weight.mul_(10.0)  # distributions far from uniform
    if not adapter:
        return model
    model = add_lora(model, rank=4, alpha=8, seed=seed)
    stir(model, seed)
    return model.eval()


def fast_form(model: Any) -> FastLlama:
    """Return the fast form of a model that has one."""
    fast = FastLlama.of(model)
    assert fast is not None
    return fast


def stir(model: Any, seed: int) -> None:
    """Give the adapter weights that change the output."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trainable_parameters(model):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
