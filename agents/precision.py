"""Which arithmetic this machine is fast in.

A processor with bfloat16 instructions multiplies in it about twice as fast as in float32; one without them emulates
it, about nine times slower (measured on an AVX-512-BF16 and on an AVX2 machine). So it is measured, not guessed.
"""

from __future__ import annotations

import time
from functools import cache

import torch
from torch.nn import functional

_REPEATS = 40
_CANDIDATES = (torch.bfloat16, torch.float32)


def resolve_precision(precision: str) -> torch.dtype:
    """Return the arithmetic to load a model in.

    Args:
        precision: "bfloat16", "float32", or "auto" for the faster one on this machine.
    """
    if precision == "auto":
        return fastest_dtype()
    return {"bfloat16": torch.bfloat16, "float32": torch.float32}[precision]


@cache
def fastest_dtype() -> torch.dtype:
    """Time small matrix products in each arithmetic (some milliseconds) and return the faster one.

    They take turns, and each one's best time counts, so that what else the machine does is not taken for slowness.
    """
    best_s = dict.fromkeys(_CANDIDATES, float("inf"))
    for _ in range(_REPEATS):
        for dtype in _CANDIDATES:
            best_s[dtype] = min(best_s[dtype], _product_s(dtype))
    return min(_CANDIDATES, key=best_s.__getitem__)


def _product_s(dtype: torch.dtype) -> float:
    x, weight = torch.ones(64, 576, dtype=dtype), torch.ones(576, 576, dtype=dtype)
    began = time.perf_counter()
    functional.linear(x, weight)
    return time.perf_counter() - began


__all__ = ["fastest_dtype", "resolve_precision"]
