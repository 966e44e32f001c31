"""Where the tests find vLLM: in this environment, or in that of the Python which MILEPOST_VLLM_PYTHON names."""

import os
import sys
from importlib.util import find_spec

import pytest

from milepost.agents.models import is_model_folder, model_folder

PYTHON = os.environ.get("MILEPOST_VLLM_PYTHON") or (sys.executable if find_spec("vllm") else "")
MARKS = [
    pytest.mark.vllm,
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not PYTHON, reason="needs vLLM: pip install 'milepost[vllm]', or set MILEPOST_VLLM_PYTHON"),
    pytest.mark.skipif(not is_model_folder(model_folder()), reason="needs the SmolLM2 weights: run `make setup`"),
]
