"""Where a run's policy begins: a fresh adapter, or what another run has trained."""

from __future__ import annotations

from pathlib import Path

import yaml

from ..sandbox.errors import RunError
from .checkpoint import checkpoints


def start_adapter(run: Path, model: str) -> Path:
    """Return the adapter of a run's newest checkpoint, or of the checkpoint that is named.

    Args:
        run: a training run's folder, or one of its checkpoints, such as runs/mine/checkpoints/best.
        model: what the run that starts from it trains.

    Raises:
        RunError: there is none, or it is of another model.
    """
    if (run / "adapter").is_dir():
        checkpoint, config = run, run.parent.parent / "config.yaml"
    else:
        saved = checkpoints(run / "checkpoints")
        checkpoint, config = saved[-1] if saved else run, run / "config.yaml"
    if not (checkpoint / "adapter").is_dir() or not config.is_file():
        raise RunError(
            f"start: expected the folder of a training run with a checkpoint, got {run}. Train one first, for example "
            "with `milepost train sft CONFIG`, or leave `start` out to begin with the model itself."
        )
    trained = yaml.safe_load(config.read_text(encoding="utf-8")).get("model")
    if trained != model:
        raise RunError(f"start: {run} trained the model {trained!r}, this run asks for {model!r}. Set model={trained}.")
    return checkpoint / "adapter"


__all__ = ["start_adapter"]
