"""R_phi's network: a transformer with an adapter, and an ensemble of scalar heads on what it makes of a sequence.

Shape legend: S sequences, N trie nodes, E model width, H heads.

Each head is r = w . h + b on the standardised hidden state h of a sequence: of its last token in a causal model, the
mean over its tokens in an encoder. Standardised means less a mean, over a scale, both for each dimension and fixed
before training: a language model's states have a few dimensions that drown the others. Sequences of a batch share their
common beginnings: a Llama on the CPU computes each distinct prefix once, as a token trie; other models are given a
padded batch of the distinct sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...sandbox.errors import EngineError
from ..engines.llama import FastLlama
from ..engines.llama_ops import GroupTensors
from ..engines.token_trie import build_trie, plan_attention
from ..models import resolve_model
from ..precision import fastest_dtype

Pooling = Literal["last", "mean"]
Ids = tuple[int, ...]


class RewardNetwork:
    """See the module's docstring.

    Args:
        backbone: a transformers model, wrapped by peft if it has an adapter.
        heads: size of the ensemble; they begin with different small weights.
        pooling: where a sequence is read.
        seed: draws the heads' first weights.

    Attributes:
        weight_HE, bias_H: the heads, fp32.
        mean_E, scale_E: what standardises hidden states; a scale has sqrt(E) in it, so that weights are of order one.
        computed_tokens: tokens run through the backbone so far, shared ones once.
    """

    def __init__(self, backbone: Any, *, heads: int, pooling: Pooling = "last", seed: int = 0) -> None:
        self.backbone = backbone
        self.pooling: Pooling = pooling
        base = _base(backbone)
        width = int(base.config.hidden_size)
        generator = torch.Generator().manual_seed(seed)
        self.weight_HE = torch.nn.Parameter(torch.randn(heads, width, generator=generator) * 0.1)
        self.bias_H = torch.nn.Parameter(torch.zeros(heads))
        self.mean_E = torch.zeros(width)
        self.scale_E = torch.full((width,), width**0.5)
        self.computed_tokens = 0
        self._decoder = getattr(base, "base_model", base)  # transformers' name for a model without its output layer

    @property
    def heads(self) -> int:
        """Size of the ensemble."""
        return self.weight_HE.shape[0]

    def scores(self, sequences: Sequence[Ids], *, max_tokens: int = 2048, fast: bool = True) -> Tensor:
        """Return each head's score of each sequence, (S, H) in fp32, differentiable if gradients are enabled.

        Args:
            sequences: token ids, none empty; equal ones are computed once.
            max_tokens: most tokens in one forward pass (a single sequence may exceed it); bounds memory.
            fast: False: always use the transformers model's own forward pass.
        """
        hidden_SE = self.hidden(sequences, max_tokens=max_tokens, fast=fast)
        return functional.linear((hidden_SE - self.mean_E) / self.scale_E, self.weight_HE, self.bias_H)

    def hidden(self, sequences: Sequence[Ids], *, max_tokens: int = 2048, fast: bool = True) -> Tensor:
        """Return the hidden state of each sequence as it is, (S, E) in fp32; see `scores`."""
        if not sequences:
            return self.mean_E.new_zeros(0, len(self.mean_E))
        distinct = sorted(set(sequences))
        form = FastLlama.of(self.backbone) if fast and self.pooling == "last" else None
        parts = [
            self._plain(chunk) if form is None else self._trie(form, chunk)
            for chunk in (_padded_chunks if form is None else _trie_chunks)(distinct, max_tokens)
        ]
        place = {ids: i for i, ids in enumerate(distinct)}
        return torch.cat(parts)[torch.tensor([place[ids] for ids in sequences])].float()

    def standardise(self, hidden_SE: Tensor) -> None:
        """Take mean and scale of these hidden states."""
        width = hidden_SE.shape[-1]
        self.mean_E = hidden_SE.mean(0)
        spread_E = hidden_SE.std(0, correction=0)
        self.scale_E = spread_E.clamp(min=1e-3 * float(spread_E.mean()) + 1e-9) * width**0.5

    def _trie(self, fast: FastLlama, chunk: Sequence[Ids]) -> Tensor:
        trie = build_trie(chunk)
        self.computed_tokens += len(trie)
        groups = [GroupTensors.of(g, fast.dtype) for g in plan_attention(trie)]
        tokens, positions = torch.from_numpy(trie.tokens_N), torch.from_numpy(trie.positions_N)
        ends = torch.from_numpy(np.array([path[-1] for path in trie.paths]))
        if torch.is_grad_enabled():
            return fast.hidden(tokens, positions, groups, ends)
        fast.refresh()
        return fast.prefill(tokens, positions, groups, ends)

    def _plain(self, chunk: Sequence[Ids]) -> Tensor:
        device = next(self._decoder.parameters()).device
        longest = max(map(len, chunk))
        self.computed_tokens += longest * len(chunk)
        ids = torch.zeros(len(chunk), longest, dtype=torch.long)
        mask = torch.zeros(len(chunk), longest, dtype=torch.long)
        for i, row in enumerate(chunk):  # padded on the right: positions are right without being told
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        ids, mask = ids.to(device), mask.to(device)
        hidden: Tensor = self._decoder(input_ids=ids, attention_mask=mask).last_hidden_state
        if self.pooling == "mean":
            return ((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).cpu()
        return hidden[torch.arange(len(chunk), device=device), mask.sum(1) - 1].cpu()

    def save_heads(self, path: Path) -> None:
        """Write the heads in the safetensors format."""
        from safetensors.torch import save_file

        tensors = {"weight": self.weight_HE, "bias": self.bias_H, "mean": self.mean_E, "scale": self.scale_E}
        save_file({name: tensor.detach().clone() for name, tensor in tensors.items()}, path)

    def load_heads(self, path: Path) -> None:
        """Read the heads that `save_heads` wrote.

        Raises:
            EngineError: the file is missing, damaged, or of another shape.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            found = load_file(path)
            with torch.no_grad():
                self.weight_HE.copy_(found["weight"])
                self.bias_H.copy_(found["bias"])
                self.mean_E.copy_(found["mean"])
                self.scale_E.copy_(found["scale"])
        except (OSError, KeyError, RuntimeError, SafetensorError) as error:
            raise EngineError(
                f"cannot load the reward model's heads from {path}: {error}. Expected `weight` of shape "
                f"{tuple(self.weight_HE.shape)}, `bias`, `mean` and `scale`. Restore the file, or use another version."
            ) from error


def load_backbone(
    name_or_path: str, *, layers: int | None = None, dtype: torch.dtype | None = None
) -> tuple[Any, Any, Pooling]:
    """Load a causal language model or an encoder, frozen, its tokenizer, and where its sequences are to be read.

    Args:
        name_or_path: a model's name in the cache, or a folder in Hugging Face format.
        layers: keep the first so many layers; None, or as many as there are: all.
        dtype: arithmetic of the weights; None is the one this machine is fast in.

    Raises:
        EngineError: it is missing or damaged, or its layers cannot be cut.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    folder = resolve_model(name_or_path)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        pooling = pooling_of(config)
        kind = AutoModelForCausalLM if pooling == "last" else AutoModel
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = kind.from_pretrained(folder, dtype=dtype or fastest_dtype(), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise EngineError(
            f"cannot load the backbone in {folder}: {error}. Expected a causal language model or an encoder in Hugging "
            "Face format. Name another one, or run `make setup` to fetch the default one anew."
        ) from error
    model.requires_grad_(False)
    if layers is not None:
        _cut(model, layers)
    return model.eval(), tokenizer, pooling


def _cut(model: Any, layers: int) -> None:
    """Keep the first layers: what a reward is read from is made halfway, the last ones prepare the next token."""
    decoder = getattr(model, "base_model", model)
    if not hasattr(decoder, "layers"):
        raise EngineError(
            f"the layers of a {model.config.model_type} model cannot be cut: expected `layers` on its decoder. Set "
            "`layers` to null in the configuration."
        )
    if layers < len(decoder.layers):
        decoder.layers = decoder.layers[:layers]
        model.config.num_hidden_layers = decoder.config.num_hidden_layers = layers


def pooling_of(config: Any) -> Pooling:
    """Return where a model of this configuration is read: causal models at the end, others over all tokens.

    Raises:
        EngineError: it is an encoder-decoder, which has no single sequence of hidden states.
    """
    if getattr(config, "is_encoder_decoder", False):
        raise EngineError(
            f"the backbone is an encoder-decoder ({config.model_type}); a reward model needs a causal language model "
            "or an encoder. Name another one."
        )
    names = getattr(config, "architectures", None) or []
    return "last" if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names) else "mean"


def add_adapter(backbone: Any, *, rank: int, alpha: int, seed: int) -> Any:
    """Wrap a backbone with a fresh LoRA adapter on all linear layers of its blocks."""
    from peft import LoraConfig, get_peft_model

    from ..lora import add_lora

    if getattr(backbone.config, "model_type", None) == "llama":
        return add_lora(backbone, rank=rank, alpha=alpha, seed=seed)
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", lora_dropout=0.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return get_peft_model(backbone, config, autocast_adapter_dtype=True)


def _base(backbone: Any) -> Any:
    return backbone.get_base_model() if hasattr(backbone, "get_base_model") else backbone


def _trie_chunks(distinct: Sequence[Ids], max_tokens: int) -> list[list[Ids]]:
    """Split sorted sequences into runs whose tries have at most so many nodes."""
    chunks: list[list[Ids]] = []
    size = 0
    for ids in distinct:
        grow = len(ids) - (_shared(chunks[-1][-1], ids) if chunks else 0)
        if not chunks or size + grow > max_tokens:
            chunks.append([])
            size, grow = 0, len(ids)
        chunks[-1].append(ids)
        size += grow
    return chunks


def _padded_chunks(distinct: Sequence[Ids], max_tokens: int) -> list[list[Ids]]:
    """Split sequences into batches of at most so many tokens, padding included."""
    chunks: list[list[Ids]] = []
    longest = 0
    for ids in distinct:
        longest = max(longest, len(ids))
        if not chunks or longest * (len(chunks[-1]) + 1) > max_tokens:
            chunks.append([])
            longest = len(ids)
        chunks[-1].append(ids)
    return chunks


def _shared(a: Ids, b: Ids) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


__all__ = ["Ids", "Pooling", "RewardNetwork", "add_adapter", "load_backbone", "pooling_of"]
