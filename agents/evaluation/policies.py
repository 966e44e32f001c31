"""Policies by name, as `milepost eval --policy` takes them.

oracle, noop, random, submit-only, click-everything     scripted, see agents.policies and agents.null_policies
runs/mine                      the newest checkpoint of a training run
runs/mine/checkpoints/best     one of its checkpoints
models/mine                    a causal language model in Hugging Face format, or the name of one in the cache
openai:MODEL@URL               a model behind an OpenAI-compatible server, such as openai:qwen3@http://127.0.0.1:8000/v1
my_policy:act, agent.py:Agent  Python: a function from an observation to an action's text, or a `Policy`
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...sandbox.errors import EngineError, MilepostError, RunError
from ..endpoint_policy import EndpointPolicy
from ..models import is_model_folder, resolve_model
from ..null_policies import ClickEverythingPolicy, SubmitOnlyPolicy
from ..policies import NoopPolicy, OraclePolicy, Policy, RandomPolicy
from .python_policy import python_policy

SCRIPTED_POLICIES: dict[str, Callable[[], Policy]] = {
    "oracle": OraclePolicy,
    "noop": NoopPolicy,
    "random": RandomPolicy,
    "submit-only": SubmitOnlyPolicy,
    "click-everything": ClickEverythingPolicy,
}

_ENDPOINT = re.compile(r"openai:(?P<model>.+?)@(?P<url>https?://.+)")
_PYTHON = re.compile(r"(?P<where>[^:]+):(?P<what>[A-Za-z_][\w.]*)")
_MODEL_TOKENS, _ENDPOINT_TOKENS = 32, 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a language model is sampled; ignored by policies that are none.

    Attributes:
        temperature: 0 decodes greedily.
        max_new_tokens: longest answer; None: what a run was trained with, else 32, and 512 for a server.
        concurrency: requests to a server under way at once.
        api_key_env: name of the environment variable with the server's key.
    """

    temperature: float = 0.0
    max_new_tokens: int | None = None
    concurrency: int = 16
    api_key_env: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPolicy:
    """A policy and what identifies it.

    Attributes:
        identity: plain data that changes when the policy does: an evaluation with another one is another evaluation.
        is_model: whether it samples, so that temperature and token limit matter.
        load: makes it; what is costly happens here.
    """

    identity: Mapping[str, Any]
    is_model: bool
    load: Callable[[], Policy]


def policy_named(name: str, sampling: Sampling | None = None) -> NamedPolicy:
    """Return the policy of that name; nothing heavy is loaded yet.

    Raises:
        RunError: there is none.
        EngineError: an endpoint's address or key, or a Python policy's module, is wrong.
    """
    sampling = Sampling() if sampling is None else sampling
    if name in SCRIPTED_POLICIES:
        return NamedPolicy(identity={"kind": "scripted", "name": name}, is_model=False, load=SCRIPTED_POLICIES[name])
    if name.startswith("openai:"):
        return _endpoint(name, sampling)
    folder = Path(name)
    if (folder / "config.yaml").is_file():
        return _run(folder, _newest_checkpoint(folder), sampling)
    if (folder / "adapter").is_dir() and (folder.parent.parent / "config.yaml").is_file():
        return _run(folder.parent.parent, folder, sampling)
    if is_model_folder(folder):
        return _model(name, sampling)
    if not folder.exists() and (match := _PYTHON.fullmatch(name)):
        identity, load = python_policy(name, match["where"], match["what"])
        return NamedPolicy(identity=identity, is_model=False, load=load)
    if not folder.exists() and _is_cached(name):
        return _model(name, sampling)
    raise RunError(
        f"policy {name!r}: expected one of {', '.join(SCRIPTED_POLICIES)}; the folder of a training run with a "
        "checkpoint, or of a model (config.json); openai:MODEL@URL; or Python as module:callable. There is no such "
        "one. Train one with `milepost train grpo CONFIG.yaml`, or name an existing run."
    )


def _endpoint(name: str, sampling: Sampling) -> NamedPolicy:
    match = _ENDPOINT.fullmatch(name)
    if match is None:
        raise EngineError(
            f"policy {name!r}: expected openai:MODEL@URL, such as openai:qwen3-8b@http://127.0.0.1:8000/v1; the URL is "
            "the one before /chat/completions"
        )
    url = match["url"].rstrip("/")
    policy = EndpointPolicy(
        model=match["model"],
        base_url=url,
        api_key_env=sampling.api_key_env,
        temperature=sampling.temperature,
        max_new_tokens=sampling.max_new_tokens or _ENDPOINT_TOKENS,
        concurrency=sampling.concurrency,
    )
    identity = {"kind": "openai", "model": match["model"], "base_url": url, **_sampled(sampling, _ENDPOINT_TOKENS)}
    return NamedPolicy(identity=identity, is_model=True, load=lambda: policy)


def _newest_checkpoint(folder: Path) -> Path:
    saved = sorted(folder.glob("checkpoints/iteration_*/adapter"))
    if not saved:
        raise RunError(
            f"policy {str(folder)!r}: the run has no checkpoint yet (expected checkpoints/iteration_*/adapter). Train "
            "on with the same command, or name another run."
        )
    return saved[-1].parent


def _run(folder: Path, checkpoint: Path, sampling: Sampling) -> NamedPolicy:
    import yaml

    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    tokens = sampling.max_new_tokens or int(config["max_new_tokens"])
    identity = {
        "kind": "run",
        "path": str(folder),
        "checkpoint": checkpoint.name,
        "weights": _digest(sorted((checkpoint / "adapter").glob("*.safetensors"))),
        "model": config["model"],
        **_sampled(sampling, tokens),
    }

    def load() -> Policy:
        from ..loading import load_model
        from ..lora import load_lora
        from ..precision import resolve_precision

        base, tokenizer = load_model(config["model"], dtype=resolve_precision(config["precision"]))
        model = load_lora(base, checkpoint / "adapter", trainable=False)
        return _language_model(model, tokenizer, sampling.temperature, tokens, int(config["seed"]))

    return NamedPolicy(identity=identity, is_model=True, load=load)


def _model(name: str, sampling: Sampling) -> NamedPolicy:
    tokens = sampling.max_new_tokens or _MODEL_TOKENS
    identity: dict[str, Any] = {"kind": "model", "name": name, **_sampled(sampling, tokens)}
    if Path(name).is_dir():
        files = sorted(Path(name).glob("*.safetensors"))
        identity["weights"] = [f"{file.name} {file.stat().st_size} bytes" for file in files]

    def load() -> Policy:
        from ..loading import load_model

        model, tokenizer = load_model(name)
        return _language_model(model, tokenizer, sampling.temperature, tokens, 0)

    return NamedPolicy(identity=identity, is_model=True, load=load)


def _language_model(model: Any, tokenizer: Any, temperature: float, max_new_tokens: int, seed: int) -> Policy:
    import torch

    from ..engines.hf import HFEngine
    from ..policies import LanguageModelPolicy

    return LanguageModelPolicy(
        engine=HFEngine(model),
        tokenizer=tokenizer,
        generator=torch.Generator().manual_seed(seed),
        temperature=temperature,
        max_new_tokens=max_new_tokens,
    )


def _is_cached(name: str) -> bool:
    try:
        return bool(name.strip("./")) and resolve_model(name).is_dir()
    except (MilepostError, OSError):
        return False


def _sampled(sampling: Sampling, default_tokens: int) -> dict[str, Any]:
    return {"temperature": sampling.temperature, "max_new_tokens": sampling.max_new_tokens or default_tokens}


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]


__all__ = ["SCRIPTED_POLICIES", "NamedPolicy", "Sampling", "policy_named"]
