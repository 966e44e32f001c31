"""What a run measures, by name, and the log that holds it: metrics.jsonl, which `metric_mirrors` show elsewhere.

One record per iteration. Iteration 0 is what comes before the first policy update (warm start, first evaluations);
A trainer's iterations count from 1. A name that was not measured is absent, never 0.

    name                          meaning                                                                   unit
    ----------------------------  ------------------------------------------------------------------------  -------
    train/reward_fraction         mean episode reward / the task's maximum, over the sampled episodes       0 to 1
    train/success                 share of those episodes that reached every success milestone              0 to 1
    train/success/<task>          the same for one task                                                     0 to 1
    train/reward_fraction/<task>  the same for one task                                                     0 to 1
    milestone/<task>/<id>         share of the task's sampled episodes that reached this milestone          0 to 1
    train/episodes                episodes sampled in this iteration                                        count
    train/steps                   environment steps of those episodes                                       count
    train/failed_episodes         episodes lost to the machine (masked, never scored as zero)               count
    train/groups                  groups (same task and seed) the update saw, the dead ones among them      count
    train/dead_groups             groups without any advantage to learn from, replaced ones not counted     count
    train/replaced_groups         dead groups that were replaced by freshly sampled ones                    count
    train/entropy                 mean entropy of the sampling distribution per response token              nats
    train/kl                      mean k3 divergence from the frozen base per response token                nats
    train/clip_fraction           share of response tokens whose ratio was clipped                          0 to 1
    train/logprob_gap             mean absolute gap of sampled tokens' log-probabilities, trainer to sampler,
                                  before the update (see `parity`)                                          nats
    train/logprob_gap_max         the largest                                                               nats
    train/logprob_gap_tokens      of how many tokens                                                        count
    train/sampler_mismatch        the same mean over the whole update, the policy's own movement included   nats
    train/importance_weight       mean min(pi_old / pi_sampler, importance_cap) per response token
    train/loss                    the objective as minimised
    train/grad_norm               gradient norm before clipping
    train/learning_rate           of the last optimiser step
    train/kl_old                  mean KL(old || new) per response token (PPO-penalty)                      nats
    train/ptx_loss                negative log-likelihood of demonstrated tokens (PPO-ptx)                  nats
    train/value_loss              half the critic's mean squared error, value clipping included
    train/value_clip_fraction     share of values that the clip held back                                   0 to 1
    train/explained_variance      1 - Var(return - V) / Var(return), before the update                      up to 1
    train/mean_value              mean V of the sampled steps, before the update                            reward
    train/step_share              share of the full natural step that was taken (TRPO)                      0 to 1
    train/cg_residual             what conjugate gradient left of the gradient (TRPO)                       share
    train/surrogate_gain          what the step gained by the surrogate (TRPO)
    eval/success                  held-out success in a validation while training, all tasks                0 to 1
    eval/success/<task>           the same for one task                                                     0 to 1
    eval/reward_fraction          mean over tasks of held-out reward / the task's maximum                   0 to 1
    time/warm_start_s             supervised warm start                                                     seconds
    time/sampling_s               generating tokens, the browser's share excluded                           seconds
    time/browser_s                resetting and stepping environments while no token is generated           seconds
    time/engine_busy              share of the sampling phase in which tokens were generated                0 to 1
    time/browser_busy             share of it in which a browser was resetting or stepping                  0 to 1
    time/weight_sync_s            handing new weights to the engine                                         seconds
    time/update_s                 computing losses, gradients, optimiser steps                              seconds
    time/evaluate_s               held-out evaluation, its sampling and browser time included               seconds
    time/iteration_s              the whole iteration; the rest of it is shown as "other"                   seconds

Names are plain text with `/` between the parts; <task> is the task's name without "milepost/" and version
("expense-form"), see `task_label`.

Usage:

    with MetricsWriter(folder) as metrics:
        metrics.truncate_after(checkpoint.iteration)            # when resuming: no iteration twice
        metrics.log(1, {"train/success": 0.25, "time/update_s": 9.8})
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

import orjson

from ..agents.task_scores import EvaluationResult, as_percent
from ..sandbox.errors import RunError
from .metric_mirrors import Mirror, TensorBoardMirror, WandbMirror
from .run_folder import RunFolder, append_line, read_lines, write_atomically

Stage = Literal["untrained", "warm_start", "trained"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsRecord:
    """What one iteration measured.

    Attributes:
        iteration: 0 before the first update, then 1, 2, ...
        time: when it was logged, seconds since the epoch.
        values: finite measurements by name; see the table above.
    """

    iteration: int
    time: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvaluation:
    """Held-out result of one task at one stage.

    Attributes:
        episodes: scored episodes (those lost to the machine are not among them, nor those of which nobody could say
            whether they succeeded).
        successes: how many reached every success milestone.
        mean_reward_fraction: mean reward / the task's maximum, 0 to 1; None where no episode's reward is known.
        mean_steps: mean number of steps.
        milestones: share of the episodes that reached each milestone, by its id, in the task's order.
    """

    episodes: int
    successes: int
    mean_reward_fraction: float | None
    mean_steps: float
    milestones: Mapping[str, float] = field(default_factory=dict)


class MetricsWriter:
    """Appends one record per iteration, each synced to disk before `log` returns.

    Args:
        folder: the run; lines that are already there are kept, a torn last one is dropped.
        tensorboard: mirror the records in the run's tensorboard/ folder, which is rewritten from the log on opening.
            Needs the `tensorboard` package.
        wandb: mirror them in this project on Weights & Biases, too; needs the `wandb` package. None: not.

    Raises:
        RunError: the log cannot be read or written, or Weights & Biases cannot be reached.
    """

    def __init__(self, folder: RunFolder, *, tensorboard: bool = True, wandb: str | None = None) -> None:
        self._path = folder.metrics_path
        self._records = read_metrics(self._path)
        self._mirrors: list[Mirror] = [TensorBoardMirror(folder)] if tensorboard else []
        if wandb is not None:
            self._mirrors.append(WandbMirror(folder, wandb))
        if self._path.exists():
            self._rewrite()

    @property
    def last_iteration(self) -> int | None:
        """The last logged iteration; None if none is."""
        return self._records[-1].iteration if self._records else None

    def log(self, iteration: int, values: Mapping[str, float]) -> None:
        """Append the record of one iteration; values that are not finite are left out.

        Raises:
            RunError: the iteration does not come after the last one, or the log cannot be written.
        """
        last = self.last_iteration
        if iteration < 0 or (last is not None and iteration <= last):
            at = "its start" if last is None else str(last)
            raise RunError(
                f"cannot log iteration {iteration}: the log is at {at} and iterations only grow. "
                f"Resuming? Call truncate_after({iteration - 1}) first."
            )
        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        record = MetricsRecord(iteration=iteration, time=time.time(), values=finite)
        append_line(self._path, _to_json(record))
        self._records.append(record)
        for mirror in self._mirrors:
            mirror.add(record)

    def truncate_after(self, iteration: int) -> None:
        """Forget every later record (a killed run logged an iteration that its checkpoint does not hold); -1: all."""
        kept = [r for r in self._records if r.iteration <= iteration]
        if len(kept) < len(self._records):
            self._records = kept
            self._rewrite()

    def close(self) -> None:
        """Write out what the mirrors hold back."""
        for mirror in self._mirrors:
            mirror.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rewrite(self) -> None:
        lines = [orjson.dumps(_to_json(r), option=orjson.OPT_APPEND_NEWLINE) for r in self._records]
        write_atomically(self._path, b"".join(lines))
        for mirror in self._mirrors:
            mirror.begin(self._records)


def read_metrics(path: Path) -> list[MetricsRecord]:
    """Read a metrics log in its order; a missing file is empty and a torn last line is left out.

    Raises:
        RunError: a line is damaged or iterations do not grow.
    """
    records: list[MetricsRecord] = []
    for number, data in enumerate(read_lines(path), start=1):
        iteration, when = data.pop("iteration", None), data.pop("time", 0.0)
        if not isinstance(iteration, int) or (records and iteration <= records[-1].iteration):
            last = records[-1].iteration if records else None
            raise RunError(f"{path}:{number}: expected an iteration after {last}, got {iteration!r}. Remove that line.")
        values = {k: float(v) for k, v in data.items() if isinstance(v, int | float)}
        records.append(MetricsRecord(iteration=iteration, time=float(when), values=values))
    return records


def by_label(result: EvaluationResult) -> dict[str, TaskEvaluation]:
    """Return an evaluation's results by task label, as they are written down."""
    return {
        task_label(task): TaskEvaluation(
            episodes=scores.decided,
            successes=scores.successes,
            mean_reward_fraction=scores.mean_reward_fraction,
            mean_steps=scores.mean_steps,
            milestones=scores.milestones,
        )
        for task, scores in result.tasks.items()
    }


def overall_success(tasks: Mapping[str, TaskEvaluation]) -> float:
    """Return the share of all scored episodes that succeeded; 0 where there are none."""
    return sum(t.successes for t in tasks.values()) / max(sum(t.episodes for t in tasks.values()), 1)


def told_of(stage: Stage, result: EvaluationResult) -> str:
    """Return the line that says how an evaluation went."""
    rates = ", ".join(f"{task_label(t)} {as_percent(s.success_rate)}" for t, s in result.tasks.items())
    total = as_percent(result.success_rate, digits=1)
    return f"held-out success, {stage.replace('_', ' ')}: {total} ({rates})"


def write_evaluation(folder: RunFolder, stage: Stage, tasks: Mapping[str, TaskEvaluation]) -> None:
    """Write down a stage's held-out results by task label; those of other stages stay."""
    stages = {**(folder.read_json(folder.evaluations_path.name) or {})}
    stages[stage] = {task: {**asdict(result), "milestones": dict(result.milestones)} for task, result in tasks.items()}
    folder.write_json(folder.evaluations_path.name, {s: stages[s] for s in STAGES if s in stages})


def read_evaluations(folder: RunFolder) -> dict[Stage, dict[str, TaskEvaluation]]:
    """Return the held-out results by stage and task; stages not yet measured are absent.

    Raises:
        RunError: evaluations.json is damaged.
    """
    data: Any = folder.read_json(folder.evaluations_path.name) or {}
    try:
        return {s: {t: TaskEvaluation(**result) for t, result in data[s].items()} for s in STAGES if s in data}
    except (AttributeError, TypeError) as error:
        raise RunError(f"{folder.evaluations_path} does not hold evaluations ({error}). Remove it; resuming the run "
                       "measures again.") from error  # fmt: skip


def task_label(task: str) -> str:
    """Return a task's label in metric names: "milepost/expense-form-v0" and "expense-form" give "expense-form"."""
    return re.sub(r"-v\d+$", "", task.rsplit("/", 1)[-1])


def task_series(records: Sequence[MetricsRecord], prefix: str) -> dict[str, list[tuple[int, float]]]:
    """Return {rest of the name: [(iteration, value), ...]} of every metric whose name starts with `prefix`."""
    series: dict[str, list[tuple[int, float]]] = {}
    for record, name, value in _flat(records):
        if name.startswith(prefix):
            series.setdefault(name.removeprefix(prefix), []).append((record.iteration, value))
    return series


def _flat(records: Sequence[MetricsRecord]) -> Iterator[tuple[MetricsRecord, str, float]]:
    for record in records:
        for name, value in record.values.items():
            yield record, name, value


def _to_json(record: MetricsRecord) -> dict[str, Any]:
    return {"iteration": record.iteration, "time": round(record.time, 3), **record.values}
