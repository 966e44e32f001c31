"""A model of real tokens and no skill, small enough that a run with it is mostly browser."""

from pathlib import Path


def make_tiny_model(folder: Path, *, hidden: int = 32, layers: int = 2) -> Path:
    """Write a random Llama with the default model's tokenizer into a folder; return the folder.

    Args:
        folder: is made if it is not there.
        hidden: width, a multiple of 8.
        layers: number of blocks.
    """
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from milepost.agents.models import resolve_model

    tokenizer = AutoTokenizer.from_pretrained(resolve_model(), local_files_only=True)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=3 * hidden // 2, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
