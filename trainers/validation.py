"""Held-out success while a run goes on, and the checkpoint that had the most of it.

Validation plays other instances than the evaluations before and after training: the seeds that follow theirs. What the
best checkpoint was chosen by is therefore not what it is measured on.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..agents.evaluate import HELD_OUT_SEED
from ..agents.lora import save_lora
from ..agents.task_scores import EvaluationResult, as_percent
from .held_out import play_held_out
from .metrics import by_label, overall_success
from .online_config import OnlineConfig
from .run_folder import writing

if TYPE_CHECKING:
    from .online_run import OnlineRun

BEST = "best"
"""Name of the folder, beside the checkpoints, that holds the best one's adapter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The policy with the most held-out success so far: its iteration, and that success, 0 to 1."""

    iteration: int
    success: float


def is_due(config: OnlineConfig, iteration: int) -> bool:
    """Tell whether the policy is validated after this iteration; 0 is the policy before training."""
    return config.validate_every is not None and iteration % config.validate_every == 0


def validate(run: OnlineRun) -> dict[str, float]:
    """Play the validation episodes greedily, keep the adapter if it is the best so far, and return the measurements.

    The first of equals is kept. Where no episode was decided (the machine broke them all, say) nothing was
    measured, and nothing is returned.
    """
    config = run.config
    result = play_held_out(
        run,
        run.policy(0.0),
        "validation",
        seeds=config.validation_seeds,
        concurrency=config.concurrency,
        first_seed=HELD_OUT_SEED + config.evaluation_seeds,
        settler=run.evaluation_settler,
    )
    where = "before training" if not run.iteration else f"after iteration {run.iteration}"
    values = _values(result)
    if not values:
        run.progress.message(
            f"validation {where}: not measured: the machine broke every episode, or nobody could tell how it went"
        )
        return {}
    success = values["eval/success"]
    if run.best is None or success > run.best.success:
        run.best = Best(iteration=run.iteration, success=success)
        _keep(run, run.folder.checkpoints_dir / BEST)
    run.progress.message(
        f"validation {where}: {as_percent(success, digits=1)}; best so far: {as_percent(run.best.success, digits=1)} "
        f"(iteration {run.best.iteration})"
    )
    return values


def _values(result: EvaluationResult) -> dict[str, float]:
    tasks = {name: scores for name, scores in by_label(result).items() if scores.episodes}
    if not tasks:
        return {}
    values = {"eval/success": overall_success(tasks)}
    rewards = [t.mean_reward_fraction for t in tasks.values() if t.mean_reward_fraction is not None]
    if rewards:
        values["eval/reward_fraction"] = sum(rewards) / len(rewards)
    return values | {f"eval/success/{name}": t.successes / t.episodes for name, t in tasks.items()}


def _keep(run: OnlineRun, target: Path) -> None:
    # A kill between the two renames loses nothing: the iteration has no checkpoint yet and is done again.
    fresh = target.with_name(f".{target.name}.tmp")
    with writing(target):
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        save_lora(run.model, fresh / "adapter")
        assert run.best is not None
        (fresh / "state.json").write_text(json.dumps(asdict(run.best)), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)


__all__ = ["BEST", "Best", "is_due", "validate"]
