"""A Llama-family transformers model, run by our own forward pass over token tries.

Shape legend: N tokens of the call (packed, no padding), M rows of the key/value store, E model width, R chosen rows.

It reads the transformers (and peft) module's own parameters, so training updates what the module holds and saving is
the module's business; only the order of computation is ours. `FastLlama.of` answers None for a model it does not
cover, and the callers then use the module's own forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import Tensor
from torch.nn import functional

from .llama_ops import (
    FrozenLinear,
    FrozenMatrix,
    GatedSilu,
    GroupTensors,
    HeadLogprobs,
    LoraLinear,
    RmsNorm,
    TrieAttention,
    attend,
    rotate,
)
from .token_trie import Ints

_CACHE: WeakKeyDictionary[Any, FastLlama] = WeakKeyDictionary()
_FLOAT32_HEADS: WeakSet[Any] = WeakSet()
_LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(slots=True)
class _Part:
    """One linear module of the checkpoint, with its adapter's weights if it has any."""

    weight: Tensor
    a: Tensor | None
    b: Tensor | None
    scale: float


class FusedLinear:
    """Linear modules that read the same input, as one product; their adapters fused likewise (B block-diagonal)."""

    def __init__(self, parts: list[_Part]) -> None:
        self.parts = parts
        self.matrix = FrozenMatrix(parts[0].weight if len(parts) == 1 else torch.cat([p.weight for p in parts]))
        self._cast: tuple[FrozenMatrix, FrozenMatrix] | None = None

    def adapter(self) -> tuple[Tensor, Tensor] | None:
        """(A, B) in the base's dtype, differentiable; None without an adapter."""
        a = [p.a for p in self.parts if p.a is not None]
        b = [p.b * p.scale for p in self.parts if p.b is not None]
        if len(a) < len(self.parts):
            return None
        dtype = self.matrix.weight.dtype
        if len(a) == 1:
            return a[0].to(dtype), b[0].to(dtype)
        return torch.cat(a).to(dtype), torch.block_diag(*b).to(dtype)  # type: ignore[no-untyped-call]

    def refresh(self) -> None:
        """Read the adapter's current weights for calls without gradient."""
        with torch.no_grad():
            adapter = self.adapter()
        self._cast = None if adapter is None else (FrozenMatrix(adapter[0]), FrozenMatrix(adapter[1]))

    def forward(self, x: Tensor) -> Tensor:
        """Without gradient, with the adapter as last refreshed."""
        if self._cast is None:
            return self.matrix.forward(x)
        a, b = self._cast
        return self.matrix.forward(x, b.forward(a.forward(x)))

    def frozen(self, x: Tensor) -> Tensor:
        """Without gradient and without the adapter."""
        return self.matrix.forward(x)

    def differentiable(self, x: Tensor) -> Tensor:
        """With gradient to x and to the adapter."""
        adapter = self.adapter()
        if adapter is None:
            frozen: Tensor = FrozenLinear.apply(x, self.matrix)  # type: ignore[no-untyped-call]
            return frozen
        adapted: Tensor = LoraLinear.apply(x, self.matrix, *adapter)  # type: ignore[no-untyped-call]
        return adapted


@dataclass(slots=True)
class _Layer:
    norm: Tensor
    qkv: FusedLinear
    out: FusedLinear
    mlp_norm: Tensor
    gate_up: FusedLinear
    down: FusedLinear


@dataclass(slots=True)
class DecodingCache:
    """Keys and values of n rows that are being decoded: the stem that all prompts share, then each row's own part.

    Attributes:
        stem: for each layer, keys and values (G, C, D).
        rows: for each layer, keys and values (G, n, L, D), finite everywhere: prompts on the left, then padding, then
            responses, which begin at the same column in all rows.
        bias_nL: additive mask of the rows' own part: 0 where there is a token, else minus infinity.
        first_column: where responses begin.
    """

    stem: list[tuple[Tensor, Tensor]]
    rows: list[tuple[Tensor, Tensor]]
    bias_nL: Tensor
    first_column: int

    @property
    def stem_tokens(self) -> int:
        """Tokens of the stem."""
        return self.stem[0][0].shape[1]

    @classmethod
    def of(cls, store: list[tuple[Tensor, Tensor]], slots: list[Ints], new_tokens: int) -> DecodingCache:
        """Gather what `PromptCache.prefill` stored for these rows, with room for `new_tokens` more columns."""
        stem_tokens = _shared_length(slots)
        stem_index = torch.from_numpy(slots[0][:stem_tokens].copy())
        own = [row[stem_tokens:] for row in slots]
        longest = max(map(len, own))
        index = torch.zeros(len(slots), longest, dtype=torch.long)
        bias = torch.full((len(slots), longest + new_tokens), float("-inf"), dtype=store[0][0].dtype)
        for i, row in enumerate(own):
            index[i, : len(row)] = torch.from_numpy(row)
            bias[i, : len(row)] = 0.0

        def gather(source: Tensor) -> Tensor:
            rows = source.new_empty(source.shape[1], len(slots), longest + new_tokens, source.shape[2])
            rows[:, :, :longest] = source[index].permute(2, 0, 1, 3)
            rows[:, :, longest:] = 0.0
            return rows

        return cls(
            stem=[
                (k[stem_index].transpose(0, 1).contiguous(), v[stem_index].transpose(0, 1).contiguous())
                for k, v in store
            ],
            rows=[(gather(k), gather(v)) for k, v in store],
            bias_nL=bias,
            first_column=longest,
        )

    def keep(self, rows: Tensor) -> None:
        """Drop all other rows."""
        self.rows = [(k[:, rows], v[:, rows]) for k, v in self.rows]
        self.bias_nL = self.bias_nL[rows]


class FastLlama:
    """See the module's docstring.

    Attributes:
        dtype: of the base's weights and of all activations.
        n_layers, heads, kv_heads, head_width: the model's shape.
        token_bytes: memory of one token's keys and values in all layers.
    """

    def __init__(self, base: Any) -> None:
        config = base.config
        self.dtype: torch.dtype = base.model.embed_tokens.weight.dtype
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.head_width: int = base.model.layers[0].self_attn.head_dim
        self.n_layers: int = config.num_hidden_layers
        self.token_bytes = 2 * self.n_layers * self.kv_heads * self.head_width * self.dtype.itemsize
        self.eps: float = config.rms_norm_eps
        self.embedding: Tensor = base.model.embed_tokens.weight.detach()
        self.norm: Tensor = base.model.norm.weight.detach()
        self.inverse_frequency: Tensor = base.model.rotary_emb.inv_freq.detach().float()
        head = base.lm_head.weight
        self.head = FrozenMatrix(head.detach().float() if base in _FLOAT32_HEADS else head)
        self.layers: list[_Layer] = []
        for layer in base.model.layers:
            attention, mlp = layer.self_attn, layer.mlp
            self.layers.append(
                _Layer(
                    norm=layer.input_layernorm.weight.detach(),
                    qkv=FusedLinear([_part(m) for m in (attention.q_proj, attention.k_proj, attention.v_proj)]),
                    out=FusedLinear([_part(attention.o_proj)]),
                    mlp_norm=layer.post_attention_layernorm.weight.detach(),
                    gate_up=FusedLinear([_part(m) for m in (mlp.gate_proj, mlp.up_proj)]),
                    down=FusedLinear([_part(mlp.down_proj)]),
                )
            )
        self._linears = [m for x in self.layers for m in (x.qkv, x.out, x.gate_up, x.down)]
        self.signature = _signature(base)
        self._adapters = [w for m in self._linears for p in m.parts for w in (p.a, p.b) if w is not None]
        self._adapter_versions: list[int] | None = None
        self._generation = 0
        self._seen: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    @staticmethod
    def of(model: Any) -> FastLlama | None:
        """The fast form of `model`, made once and again when the module's parts change; None if it has none."""
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        if why_not(base):
            return None
        known = _CACHE.get(base)
        if known is None or known.signature != _signature(base):
            known = _CACHE[base] = FastLlama(base)
        return known

    def refresh(self, reader: object = None) -> bool:
        """Read the adapter's current weights for calls without gradient.

        Returns:
            Whether they changed since `reader` last refreshed.
        """
        versions = [w._version for w in self._adapters]
        if versions != self._adapter_versions:
            self._adapter_versions = versions
            self._generation += 1
            for linear in self._linears:
                linear.refresh()
        if reader is None:
            return False
        changed = self._seen.get(reader) != self._generation
        self._seen[reader] = self._generation
        return changed

    def angles(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines (n, 1, D / 2) of the rotary embedding at these positions."""
        turn = positions[:, None].float() * self.inverse_frequency[None]
        return turn.cos().to(self.dtype)[:, None], turn.sin().to(self.dtype)[:, None]

    def _normed(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), weight, self.eps)

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        out: Tensor = RmsNorm.apply(x, weight, self.eps)  # type: ignore[no-untyped-call]
        return out

    def hidden(self, tokens: Tensor, positions: Tensor, groups: list[GroupTensors], rows: Tensor) -> Tensor:
        """Normed hidden states (R, E) of the chosen rows of a trie, with gradient to the adapter."""
        cos, sin = self.angles(positions)
        x = functional.embedding(tokens, self.embedding)
        for layer in self.layers:
            qkv = layer.qkv.differentiable(self._norm(x, layer.norm))
            mixed = TrieAttention.apply(qkv, cos, sin, groups, self.heads, self.kv_heads)  # type: ignore[no-untyped-call]
            x = x + layer.out.differentiable(mixed)
            gated = GatedSilu.apply(layer.gate_up.differentiable(self._norm(x, layer.mlp_norm)))  # type: ignore[no-untyped-call]
            x = x + layer.down.differentiable(gated)
        return self._norm(x[rows], self.norm)

    @torch.no_grad()
    def prefill(
        self,
        tokens: Tensor,
        positions: Tensor,
        groups: list[GroupTensors],
        rows: Tensor,
        *,
        store: list[tuple[Tensor, Tensor]] | None = None,
        slots: Tensor | None = None,
        adapter: bool = True,
    ) -> Tensor:
        """Normed hidden states (R, E) of the chosen rows, without gradient.

        Args:
            tokens: token ids (N,).
            positions: distances from the start (N,).
            groups: attention; its queries index these N rows, its keys the store (or these rows, without one).
            rows: which of the N rows to return.
            store: for each layer, keys and values (M, G, D) to write to and read from.
            slots: the N rows' places in the store.
            adapter: False: the base alone (the reference policy).
        """
        cos, sin = self.angles(positions)
        x = functional.embedding(tokens, self.embedding)
        cut = self.heads + self.kv_heads
        for i, layer in enumerate(self.layers):
            qkv = self._apply(layer.qkv, self._normed(x, layer.norm), adapter).view(len(tokens), -1, self.head_width)
            turned = rotate(qkv[:, :cut], cos, sin)
            k, v = turned[:, self.heads :], qkv[:, cut:]
            if store is not None:
                store[i][0][slots] = k
                store[i][1][slots] = v
                k, v = store[i]
            mixed = attend(turned[:, : self.heads] * self.head_width**-0.5, k, v, groups).view(len(tokens), -1)
            if i == self.n_layers - 1:
                mixed, x = mixed[rows], x[rows]
            x = x + self._apply(layer.out, mixed, adapter)
            x = x + self._mlp(layer, x, adapter)
        return self._normed(x, self.norm)

    def _mlp(self, layer: _Layer, x: Tensor, adapter: bool) -> Tensor:
        gate, up = self._apply(layer.gate_up, self._normed(x, layer.mlp_norm), adapter).chunk(2, -1)
        return self._apply(layer.down, functional.silu(gate).mul_(up), adapter)

    @staticmethod
    def _apply(linear: FusedLinear, x: Tensor, adapter: bool) -> Tensor:
        return linear.forward(x) if adapter else linear.frozen(x)

    @torch.no_grad()
    def decode(
        self, tokens: Tensor, positions: Tensor, cache: DecodingCache, column: int, *, adapter: bool = True
    ) -> Tensor:
        """One token for each of n rows: writes its keys and values at `column`, returns normed hidden states (n, E).

        Args:
            tokens: token ids (n,).
            positions: their distances from the start (n,).
            cache: keys and values so far.
            column: where in the rows' own part this token goes; the same for all rows.
            adapter: False: the base alone.
        """
        n, width, stem = len(tokens), self.head_width, cache.stem_tokens
        cos, sin = self.angles(positions)
        cache.bias_nL[:, column] = 0.0
        bias = cache.bias_nL[:, None]
        x = functional.embedding(tokens, self.embedding)
        for layer, (stem_k, stem_v), (keys, values) in zip(self.layers, cache.stem, cache.rows, strict=True):
            qkv = self._apply(layer.qkv, self._normed(x, layer.norm), adapter).view(n, -1, width)
            turned = rotate(qkv[:, : self.heads + self.kv_heads], cos, sin).transpose(0, 1)
            keys[:, :, column] = turned[self.heads :]
            values[:, :, column] = qkv[:, self.heads + self.kv_heads :].transpose(0, 1)
            q = turned[: self.heads].view(self.kv_heads, -1, n, width).transpose(1, 2) * width**-0.5
            q = q.contiguous()  # (G, n, F, D)
            own = torch.matmul(q, keys.transpose(-1, -2)).add_(bias)  # all columns: a slice would be copied
            shared = torch.matmul(q.view(self.kv_heads, -1, width), stem_k.transpose(-1, -2))
            p = torch.softmax(torch.cat((shared.view(*own.shape[:-1], stem), own), -1), -1)
            mixed = torch.matmul(p[..., stem:], values)
            mixed += torch.matmul(p[..., :stem].reshape(self.kv_heads, q.shape[1] * q.shape[2], stem), stem_v).view(
                mixed.shape
            )
            x = x + self._apply(layer.out, mixed.transpose(0, 1).reshape(n, -1), adapter)
            x = x + self._mlp(layer, x, adapter)
        return self._normed(x, self.norm)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits of each row, fp32, without gradient."""
        return self.head.forward(hidden.to(self.head.weight.dtype)).float()

    def logprobs(
        self, hidden: Tensor, rows: Tensor, targets: Tensor, *, temperature: float = 1.0, entropy_gradient: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Log-probability of each target from its row of `hidden`, and each row's entropy; see `HeadLogprobs`."""
        logprobs, entropy = HeadLogprobs.apply(hidden, self.head, rows, targets, temperature, entropy_gradient)  # type: ignore[no-untyped-call]
        return logprobs, entropy


def use_float32_head(model: Any) -> None:
    """Compute the logits of a model's fast form in float32 from now on, whatever the rest of it is computed in.

    In bf16 a logit of 20 is rounded to the next eighth, which two programs seldom do alike.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    _FLOAT32_HEADS.add(base)
    _CACHE.pop(base, None)


def _shared_length(rows: list[Ints]) -> int:
    """Length of the longest common prefix."""
    shared = min(map(len, rows))
    for row in rows[1:]:
        differ = (row[:shared] != rows[0][:shared]).nonzero()[0]
        shared = int(differ[0]) if len(differ) else shared
    return shared


def _part(module: Any) -> _Part:
    layer = getattr(module, "base_layer", module)
    names = list(getattr(module, "active_adapters", []))
    if not names:
        return _Part(weight=layer.weight, a=None, b=None, scale=1.0)
    name = names[0]
    return _Part(
        weight=layer.weight,
        a=module.lora_A[name].weight,
        b=module.lora_B[name].weight,
        scale=float(module.scaling[name]),
    )


def _linear_modules(base: Any) -> list[Any]:
    return [
        getattr(x, n)
        for layer in base.model.layers
        for x in (layer.self_attn, layer.mlp)
        for n in _LINEARS
        if hasattr(x, n)
    ]


def _signature(base: Any) -> list[tuple[int, ...]]:
    """Changes when a linear module is replaced, wrapped or given another adapter, or its weight is written to."""
    signature: list[tuple[int, ...]] = []
    for module in [*_linear_modules(base), base.lm_head]:
        part = _part(module)
        signature.append((id(module), part.weight.data_ptr(), part.weight._version, id(part.a), id(part.b)))
    return signature


def why_not(base: Any) -> str | None:
    """Why this transformers model has no fast form, as a short phrase; None if it has one."""
    config = base.config
    if getattr(config, "model_type", None) != "llama":
        return f"its architecture is {getattr(config, 'model_type', 'unknown')}, not llama"
    if config.hidden_act != "silu" or config.attention_bias or config.mlp_bias:
        return "its blocks differ from plain Llama (activation or biases)"
    if (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default") != "default":
        return "its rotary embedding is scaled"
    if base.model.embed_tokens.weight.device.type != "cpu":
        return "it is not on the CPU"
    modules = _linear_modules(base)
    adapted = [m for m in modules if hasattr(m, "base_layer")]
    if adapted and len(adapted) < len(modules):
        return "its adapter covers only some of the linear layers"
    for module in adapted:
        names = list(module.active_adapters)
        if len(names) != 1 or module.merged or names[0] not in module.lora_A:
            return "it has several adapters, or a merged one"
        if module.use_dora.get(names[0]) or not isinstance(module.lora_dropout[names[0]], torch.nn.Identity):
            return "its adapter has dropout or DoRA"
    if adapted and any(p.requires_grad for n, p in base.named_parameters() if "lora_" not in n):
        return "weights outside the adapter are trained"
    return None


def adapter_is_off(model: Any) -> bool:
    """Whether peft's `disable_adapter` is in force."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return any(getattr(m, "disable_adapters", False) for m in _linear_modules(base)[:1])


__all__ = ["FastLlama", "FusedLinear", "adapter_is_off", "use_float32_head", "why_not"]
