from __future__ import annotations

from pathlib import Path

import pytest

from bench.kill_and_resume import make_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model's tokenizer with a random two-layer Llama: real tokens, no skill, fast."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny-model"))
