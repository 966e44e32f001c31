"""Versions of a reward model on disk.

    models/reward_model/
      v001/
        manifest.json       what it is, what it was trained on, how good it is, how its scores become confidences
        adapter/            the backbone's LoRA adapter, in peft's format
        heads.safetensors   the ensemble's heads
      v002/
      refused/v003/         trained, but worse on held-out preferences than the version it came from; the reason is in
                            its manifest

A version is never changed. Numbers are given once, to refused ones too. Its folder appears by one rename.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ...sandbox.errors import RewardError
from .text import TextBudgets

MANIFEST = "manifest.json"
ADAPTER = "adapter"
HEADS = "heads.safetensors"
REFUSED = "refused"
_LAYOUT = 1  # raise it when older code could misread a folder
_VERSION = re.compile(r"v(\d{3,})")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Calibration(_Part):
    """How raw scores become values and confidences; see `calibration`.

    Attributes:
        temperature: divides log-odds before they become probabilities.
        offset: mean raw sum of demonstrations, taken off an episode's first step.
        demonstration_step: mean raw score of a demonstration's steps.
    """

    temperature: float = Field(gt=0, allow_inf_nan=False)
    offset: float = Field(allow_inf_nan=False)
    demonstration_step: float = Field(allow_inf_nan=False)


class Measured(_Part):
    """How good the model is on preferences that it was not trained on; None where there were none.

    Attributes:
        pairs, rankings: how many it was measured on.
        accuracy: share of pairs ordered rightly.
        ece: expected calibration error of its pair probabilities.
        by_task: accuracy for each task.
    """

    pairs: int = Field(ge=0)
    rankings: int = Field(ge=0)
    accuracy: float | None
    ece: float | None
    by_task: dict[str, float] = {}


class Manifest(_Part):
    """What a version's folder holds; `manifest.json`.

    Attributes:
        layout: of the folder.
        version: its name.
        parent: the version it was trained on from; None: from the bare backbone.
        created: when.
        refused: why it is not to be used; None if it is.
        backbone: name or folder of the language model.
        layers: how many of its layers are used; None: all.
        pooling: where a sequence is read: `last` token (causal models) or `mean` of all tokens (encoders).
        heads: size of the ensemble.
        budgets: most tokens of each part of a step's text.
        calibration: how scores become values and confidences.
        held_out: measured on held-out seeds of the tasks trained on.
        unseen: measured on tasks that were kept out of training.
        trained_on: file name -> SHA-256 of the preferences.
        rankings: how many rankings it was trained on.
        trained_tokens: tokens computed in training.
        wall_s: seconds of training.
    """

    layout: int = _LAYOUT
    version: str
    parent: str | None = None
    created: AwareDatetime
    refused: str | None = None
    backbone: str
    layers: int | None = Field(default=None, ge=1)
    pooling: Literal["last", "mean"]
    heads: int = Field(ge=1)
    budgets: dict[str, int]
    calibration: Calibration
    held_out: Measured
    unseen: Measured | None = None
    trained_on: dict[str, str]
    rankings: int = Field(ge=0)
    trained_tokens: int = Field(ge=0)
    wall_s: float = Field(ge=0)

    def text_budgets(self) -> TextBudgets:
        """Return the budgets of a step's text."""
        return TextBudgets(**self.budgets)


def read_manifest(folder: Path) -> Manifest:
    """Read a version's manifest.

    Raises:
        RewardError: it is missing, damaged, or of a newer layout.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RewardError(
            f"{folder} is no reward model: {path} cannot be read ({error.strerror}). Give a version's folder, such as "
            "models/reward_model/v001, or the folder that holds the versions."
        ) from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise RewardError(
            f"{path} is not a reward model's manifest: {problems}. Restore it, or train a new version."
        ) from error
    if manifest.layout > _LAYOUT:
        raise RewardError(f"{path} has layout {manifest.layout}, and this milepost reads up to {_LAYOUT}: upgrade it.")
    return manifest


def versions(root: Path) -> list[Path]:
    """Return the folders of the usable versions, oldest first."""
    return sorted(_numbered(root), key=lambda folder: int(folder.name[1:]))


def latest_version(root: Path) -> Path | None:
    """Return the newest usable version's folder, or None."""
    return next(reversed(versions(root)), None)


def resolve_version(path: Path) -> Path:
    """Return the folder of a version: the one given, or the newest one in it.

    Raises:
        RewardError: there is none.
    """
    if (path / MANIFEST).is_file():
        return path
    latest = latest_version(path)
    if latest is None:
        raise RewardError(
            f"there is no reward model in {path}: expected {MANIFEST} in it, or folders v001, v002, ... Train one with "
            "`milepost train rm CONFIG.yaml`."
        )
    return latest


def next_version(root: Path) -> str:
    """Return the name of the next version; numbers of refused ones are not given again."""
    taken = [int(folder.name[1:]) for folder in (*_numbered(root), *_numbered(root / REFUSED))]
    return f"v{max(taken, default=0) + 1:03d}"


def _numbered(root: Path) -> Iterator[Path]:
    if root.is_dir():
        yield from (f for f in root.iterdir() if _VERSION.fullmatch(f.name) and (f / MANIFEST).is_file())


@contextmanager
def new_version(root: Path, manifest: Manifest) -> Iterator[Path]:
    """Give a folder to write a version's weights into; afterwards it stands in its place, with its manifest.

    A refused version goes to `refused/`. If the block raises, nothing remains.

    Raises:
        RewardError: the folder cannot be written.
    """
    parent = root if manifest.refused is None else root / REFUSED
    try:
        parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{manifest.version}-", dir=parent))
    except OSError as error:
        raise RewardError(
            f"cannot write a reward model to {parent}: {error.strerror}. Choose a writable folder."
        ) from error
    try:
        yield scratch
        scratch.chmod(0o755)
        (scratch / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        os.rename(scratch, parent / manifest.version)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


__all__ = [
    "ADAPTER",
    "HEADS",
    "MANIFEST",
    "REFUSED",
    "Calibration",
    "Manifest",
    "Measured",
    "latest_version",
    "new_version",
    "next_version",
    "read_manifest",
    "resolve_version",
    "versions",
]
