"""The few operations of a Llama block, forward and backward by hand, for a frozen base with LoRA.

Shape legend: N tokens, D width of a head, H query heads, G key/value heads, F query heads per key/value head (H = G F),
B blocks, Q queries and K keys of a block, R response rows, V vocabulary.

Why by hand: on a CPU much of the time goes to passes over memory and to small calls. Frozen weights need no gradient,
so they may lie fused and packed; the backward of attention and of the vocabulary head reuses what the forward had at
hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .token_trie import AttentionGroup, Ints

_MASKED = -1e9  # finite, so that a row of padding stays finite; its exponential is exactly 0 beside any real score


class FrozenMatrix:
    """A frozen weight (out, in), laid out for fast products with it and with its transpose.

    The packed layouts of oneDNN are used where they work (float32, and bf16 on a CPU that has it); otherwise products
    are plain. They pay most on few rows: plain bf16 products re-pack the weight at every call.
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight.detach()
        self._packed = _pack(self.weight)
        self._transpose: FrozenMatrix | None = None

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """X W^T (+ add), without gradient."""
        if self._packed is not None and x.shape[0] > 0:
            if add is not None:
                product: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, add, self._packed, None, "add")
                return product
            product = torch.ops.mkldnn._linear_pointwise(x, self._packed, None, "none", [], "")
            return product
        return functional.linear(x, self.weight) if add is None else torch.addmm(add, x, self.weight.t())

    def transposed(self, y: Tensor, add: Tensor | None = None) -> Tensor:
        """Y W (+ add), without gradient. The first call packs the transpose."""
        if self._transpose is None:
            self._transpose = FrozenMatrix(self.weight.t().contiguous())
        return self._transpose.forward(y, add)


_PACKED_TOLERANCE = {torch.bfloat16: 2e-2, torch.float32: 1e-5}
"""Arithmetics in which oneDNN's packed product is the faster one, and how far it may be off."""


def _pack(weight: Tensor) -> Tensor | None:
    if weight.dtype not in _PACKED_TOLERANCE or weight.device.type != "cpu" or not _packing_works(weight.dtype):
        return None
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, 64)
    return packed


@cache
def _packing_works(dtype: torch.dtype) -> bool:
    """Whether this torch has oneDNN's packed products, and they are right."""
    weight = torch.linspace(-1, 1, 96 * 64).view(96, 64).to(dtype)
    x = torch.linspace(-1, 1, 3 * 64).view(3, 64).to(dtype)
    try:
        if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, 64)
        once = torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
        twice = torch.ops.mkldnn._linear_pointwise.binary(x, once, packed, None, "add")
    except (AttributeError, RuntimeError):
        return False  # a torch without these internal operators: plain products do the same, slower
    want = x.float() @ weight.float().t()
    within = _PACKED_TOLERANCE[dtype]
    right = torch.allclose(once.float(), want, rtol=within, atol=within)
    return right and torch.allclose(twice.float(), 2 * want, rtol=2 * within, atol=2 * within)


class LoraLinear(torch.autograd.Function):
    """y = x W^T + (x A^T) B^T with W frozen; A (r, in), B (out, r), the adapter's scale already in B."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: FrozenMatrix, a: Tensor, b: Tensor) -> Tensor:
        """Compute the outputs and save what the gradients need."""
        inner = functional.linear(x, a)
        ctx.save_for_backward(x, inner, a, b)
        ctx.matrix = matrix
        return matrix.forward(x, functional.linear(inner, b))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of each input of `forward`; None where it has none."""
        x, inner, a, b = ctx.saved_tensors
        dy = grads[0]
        d_inner = dy @ b
        dx = ctx.matrix.transposed(dy, d_inner @ a) if ctx.needs_input_grad[0] else None
        return dx, None, d_inner.t() @ x, dy.t() @ inner


class FrozenLinear(torch.autograd.Function):
    """y = x W^T with W frozen."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: FrozenMatrix) -> Tensor:
        """Compute the outputs and save what the gradients need."""
        ctx.matrix = matrix
        return matrix.forward(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of each input of `forward`; None where it has none."""
        return ctx.matrix.transposed(grads[0]), None


class RmsNorm(torch.autograd.Function):
    """x / rms(x) * weight over the last dimension, weight frozen."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """Compute the outputs and save what the gradients need."""
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        return functional.rms_norm(x, (x.shape[-1],), weight, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of each input of `forward`; None where it has none."""
        x, weight = ctx.saved_tensors
        width = x.shape[-1]
        square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square_()
        inverse = square.div_(width).add_(ctx.eps).rsqrt_()
        dy = grads[0] * weight
        along = torch.linalg.vecdot(dy, x)[..., None] * inverse.pow(3) / -width
        return torch.addcmul(dy.mul_(inverse.to(x.dtype)), x, along.to(x.dtype)), None, None


class GatedSilu(torch.autograd.Function):
    """silu(gate) * up of a fused (N, 2 I) product."""

    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        """Compute the outputs and save what the gradients need."""
        ctx.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, -1)
        return functional.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return the gradient of each input of `forward`; None where it has none."""
        (gate_up,) = ctx.saved_tensors
        gate, up = gate_up.chunk(2, -1)
        out = torch.empty_like(gate_up)
        d_gate, d_up = out.chunk(2, -1)
        torch.mul(grads[0], functional.silu(gate), out=d_up)
        d_gate.copy_(torch.ops.aten.silu_backward(grads[0] * up, gate))
        return out


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of (..., D) by cos and sin of (..., D / 2)."""
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


@dataclass(slots=True)
class GroupTensors:
    """An `AttentionGroup` as tensors: indices, additive mask, and where the real queries lie in the padded batch."""

    queries: Tensor
    keys: Tensor
    bias: Tensor
    real: Tensor | None
    targets: Tensor
    n_queries: int

    @classmethod
    def of(
        cls, group: AttentionGroup, dtype: torch.dtype, query_rows: Ints | None = None, key_rows: Ints | None = None
    ) -> GroupTensors:
        """Args: query_rows and key_rows map a node to its row among the queries and the keys; None: the node itself."""
        queries = group.queries_BQ if query_rows is None else query_rows[group.queries_BQ]
        keys = group.keys_BK if key_rows is None else key_rows[group.keys_BK]
        flat = torch.from_numpy(queries.reshape(-1))
        real = torch.from_numpy(group.real_BQ.reshape(-1))
        whole = bool(real.all())
        bias = torch.zeros(group.allowed_BQK.shape, dtype=dtype).masked_fill_(
            torch.from_numpy(~group.allowed_BQK), _MASKED
        )
        return cls(
            queries=flat,
            keys=torch.from_numpy(keys),
            bias=bias[:, None],
            real=None if whole else real.nonzero()[:, 0],
            targets=flat if whole else flat[real],
            n_queries=queries.shape[1],
        )


def _probabilities(q: Tensor, k: Tensor, bias: Tensor, heads: int) -> Tensor:
    """Softmax of scaled scores; q (B, G, F Q, D), k (B, G, K, D), bias (B, 1, Q, K) -> (B, G, F Q, K)."""
    scores = torch.matmul(q, k.transpose(-1, -2))
    scores.view(scores.shape[0], heads, -1, scores.shape[-1]).add_(bias)
    return torch.softmax(scores, -1)


def _gather_queries(x: Tensor, group: GroupTensors, kv_heads: int) -> Tensor:
    """(N, H, D) -> (B, G, F Q, D), contiguous."""
    blocks = group.keys.shape[0]
    picked = x[group.queries].view(blocks, group.n_queries, kv_heads, -1, x.shape[-1])
    return picked.permute(0, 2, 3, 1, 4).reshape(blocks, kv_heads, -1, x.shape[-1])


def _scatter_queries(out: Tensor, values: Tensor, group: GroupTensors) -> None:
    """(B, G, F Q, D) into the rows of `out` (N, H, D)."""
    blocks, kv_heads, _, width = values.shape
    rows = values.view(blocks, kv_heads, -1, group.n_queries, width).permute(0, 3, 1, 2, 4)
    rows = rows.reshape(blocks * group.n_queries, -1, width)
    out[group.targets] = rows if group.real is None else rows[group.real]


def attend(q: Tensor, k: Tensor, v: Tensor, groups: list[GroupTensors]) -> Tensor:
    """Trie attention without gradient: q (N, H, D) scaled already, k and v (M, G, D) indexed by the groups' keys."""
    out = torch.empty_like(q)
    for group in groups:
        kb, vb = k[group.keys].transpose(1, 2), v[group.keys].transpose(1, 2)
        p = _probabilities(_gather_queries(q, group, k.shape[1]), kb, group.bias, q.shape[1])
        _scatter_queries(out, torch.matmul(p, vb), group)
    return out


class TrieAttention(torch.autograd.Function):
    """Rotary embedding and trie attention on a fused (N, (H + 2 G) D) product; returns (N, H D).

    The probabilities are computed again on the way back: kept, they are an eighth of what a forward pass of 1 440
    tokens keeps (3.4 GB in place of 3.0, SmolLM2-135M in float32), and the product is a small part of it.
    """

    @staticmethod
    def forward(
        ctx: Any, qkv: Tensor, cos: Tensor, sin: Tensor, groups: list[GroupTensors], heads: int, kv_heads: int
    ) -> Tensor:
        """Compute the outputs and save what the gradients need."""
        width = cos.shape[-1] * 2
        rows = qkv.view(qkv.shape[0], heads + 2 * kv_heads, width)
        turned = rotate(rows[:, : heads + kv_heads], cos, sin)
        q, k, v = turned[:, :heads] * width**-0.5, turned[:, heads:], rows[:, heads + kv_heads :]
        out = torch.empty_like(q)
        saved: list[Tensor] = [cos, sin]
        for group in groups:
            kb, vb = k[group.keys].transpose(1, 2).contiguous(), v[group.keys].transpose(1, 2).contiguous()
            qb = _gather_queries(q, group, kv_heads)
            p = _probabilities(qb, kb, group.bias, heads)
            _scatter_queries(out, torch.matmul(p, vb), group)
            saved += [qb, kb, vb]
        ctx.save_for_backward(*saved)
        ctx.groups, ctx.heads, ctx.kv_heads = groups, heads, kv_heads
        return out.view(qkv.shape[0], heads * width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of each input of `forward`; None where it has none."""
        cos, sin, *saved = ctx.saved_tensors
        heads, kv_heads, width = ctx.heads, ctx.kv_heads, cos.shape[-1] * 2
        n = grads[0].shape[0]
        d_out = grads[0].view(n, heads, width)
        dq = torch.empty_like(d_out)
        d_kv = torch.zeros(n, 2 * kv_heads, width)  # fp32: shared keys sum over many blocks
        for i, group in enumerate(ctx.groups):
            qb, kb, vb = saved[3 * i : 3 * i + 3]
            p = _probabilities(qb, kb, group.bias, heads)
            dob = _gather_queries(d_out, group, kv_heads)
            if group.real is not None:
                _zero_padding(dob, group)
            dp = torch.matmul(dob, vb.transpose(-1, -2))
            ds = torch._softmax_backward_data(dp, p, -1, p.dtype)
            _scatter_queries(dq, torch.matmul(ds, kb), group)
            dkv = torch.cat((torch.matmul(ds.transpose(-1, -2), qb), torch.matmul(p.transpose(-1, -2), dob)), 1)
            d_kv.index_add_(0, group.keys.reshape(-1), dkv.transpose(1, 2).reshape(-1, 2 * kv_heads, width).float())
        d_kv = d_kv.to(d_out.dtype)
        turned = rotate(torch.cat((dq.mul_(width**-0.5), d_kv[:, :kv_heads]), 1), cos, -sin)
        return torch.cat((turned, d_kv[:, kv_heads:]), 1).view(n, -1), None, None, None, None, None


def _zero_padding(values: Tensor, group: GroupTensors) -> None:
    """Zero the padded queries' rows of (B, G, F Q, D) in place: a padded query repeats a real node's."""
    blocks, kv_heads, _, width = values.shape
    keep = torch.zeros(blocks * group.n_queries, dtype=values.dtype)
    keep[group.real] = 1
    values.view(blocks, kv_heads, -1, group.n_queries, width).mul_(keep.view(blocks, 1, 1, -1, 1))


class HeadLogprobs(torch.autograd.Function):
    """Log-probabilities of given tokens and entropies of their distributions, from hidden states, under a frozen head.

    The gradient of a hidden state is linear in the gradients of its log-probabilities and of its entropy, so the
    forward pass keeps two vectors of the hidden width for each row (E_p[W] and d entropy / d hidden) in place of (R,
    V) logits. The head's own arithmetic counts: a float32 head makes float32 logits of bf16 hidden states.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        matrix: FrozenMatrix,
        rows: Tensor,
        targets: Tensor,
        temperature: float,
        entropy_gradient: bool,
    ) -> tuple[Tensor, Tensor]:
        """Compute the outputs and save what the gradients need."""
        needs = ctx.needs_input_grad[0]
        ctx.dtype = hidden.dtype
        hidden = hidden.to(matrix.weight.dtype)
        mean, slope = [], []
        lse = torch.empty(hidden.shape[0])
        entropy = torch.empty(hidden.shape[0])
        order = torch.argsort(rows, stable=True)
        bounds = torch.searchsorted(rows[order], torch.arange(0, hidden.shape[0] + 64, 64)).tolist()
        target_logits = torch.empty(rows.shape[0])
        for i, start in enumerate(range(0, hidden.shape[0], 64)):
            part = slice(start, min(start + 64, hidden.shape[0]))
            logits = matrix.forward(hidden[part]).float()
            if temperature != 1.0:
                logits.div_(temperature)
            mine = order[bounds[i] : bounds[i + 1]]
            target_logits[mine] = logits[rows[mine] - start, targets[mine]]
            top, where = logits.max(-1)
            p = torch.softmax(logits, -1)
            lse[part] = top - p.gather(1, where[:, None])[:, 0].log()
            entropy[part] = lse[part] - torch.linalg.vecdot(p, logits)
            if needs:
                mean.append(matrix.transposed(p.to(hidden.dtype)))
                if entropy_gradient:
                    logits.sub_((lse[part] - entropy[part])[:, None]).mul_(p)  # p (log p + H)
                    slope.append(matrix.transposed(logits.to(hidden.dtype)))
        if needs:
            ctx.save_for_backward(rows, targets, torch.cat(mean), torch.cat(slope) if slope else torch.empty(0))
            ctx.matrix, ctx.temperature = matrix, temperature
        return target_logits - lse[rows], entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of each input of `forward`; None where it has none."""
        rows, targets, mean, slope = ctx.saved_tensors
        d_logprobs, d_entropy = grads
        total = torch.zeros(mean.shape[0]).index_add_(0, rows, d_logprobs)
        out = mean.float().mul_(-total[:, None])
        out.index_add_(0, rows, ctx.matrix.weight[targets].float().mul_(d_logprobs[:, None]))
        if slope.numel():
            out.addcmul_(slope.float(), -d_entropy[:, None])
        return out.div_(ctx.temperature).to(ctx.dtype), None, None, None, None, None


__all__ = [
    "FrozenLinear",
    "FrozenMatrix",
    "GatedSilu",
    "GroupTensors",
    "HeadLogprobs",
    "LoraLinear",
    "RmsNorm",
    "TrieAttention",
    "attend",
    "rotate",
]
