import pytest
import torch
from torch.nn import functional

from milepost.agents.engines.llama_ops import FrozenMatrix
from milepost.agents.precision import fastest_dtype, resolve_precision


def test_precision_is_taken_at_its_word():
    assert resolve_precision("bfloat16") is torch.bfloat16
    assert resolve_precision("float32") is torch.float32


def test_auto_is_the_faster_one_whatever_disturbs_some_of_its_products(monkeypatch: pytest.MonkeyPatch):
    asked: list[torch.dtype] = []

    def product_s(dtype: torch.dtype) -> float:
        asked.append(dtype)
        disturbed = dtype is torch.float32 and len(asked) < 20
        return 9.0 if disturbed else {torch.bfloat16: 2.0, torch.float32: 1.0}[dtype]

    fastest_dtype.cache_clear()
    monkeypatch.setattr("milepost.agents.precision._product_s", product_s)
    assert resolve_precision("auto") is torch.float32
    timed = len(asked)
    assert resolve_precision("auto") is torch.float32
    assert len(asked) == timed  # once a process
    fastest_dtype.cache_clear()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_frozen_matrix_multiplies_like_a_linear_layer(dtype: torch.dtype):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(96, 64, generator=generator).to(dtype)
    x, add = torch.randn(5, 64, generator=generator).to(dtype), torch.randn(5, 96, generator=generator).to(dtype)
    matrix = FrozenMatrix(weight)
    within = 1e-5 if dtype == torch.float32 else 0.1
    torch.testing.assert_close(matrix.forward(x), functional.linear(x, weight), rtol=within, atol=within)
    torch.testing.assert_close(matrix.forward(x, add), functional.linear(x, weight) + add, rtol=within, atol=within)
    torch.testing.assert_close(matrix.transposed(add), add @ weight, rtol=within, atol=within)
