"""What an iteration measured, by the names of `metrics`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..agents.records import Trajectory
from ..agents.rollout import RolloutTimes
from ..envs.registration import task_for
from ..rewards.router import Mode
from .advantages import AdvantageStats
from .metrics import task_label

_RENAMED = {
    "loss": "train/loss", "grad_norm": "train/grad_norm", "clip_fraction": "train/clip_fraction",
    "kl_reference": "train/kl", "mismatch": "train/sampler_mismatch", "approx_kl": "train/approx_kl",
    "kl_old": "train/kl_old", "extra_loss": "train/ptx_loss", "value_loss": "train/value_loss",
    "value_clip_fraction": "train/value_clip_fraction", "explained_variance": "train/explained_variance",
    "mean_value": "train/mean_value", "step_share": "train/step_share", "cg_residual": "train/cg_residual",
    "surrogate_gain": "train/surrogate_gain", "logprob_gap": "train/logprob_gap",
    "logprob_gap_max": "train/logprob_gap_max", "logprob_gap_tokens": "train/logprob_gap_tokens",
    "importance_weight": "train/importance_weight", "weight_sync_s": "time/weight_sync_s",
}  # fmt: skip


def iteration_metrics(
    trajectories: Sequence[Trajectory],
    stats: AdvantageStats,
    replaced: int,
    update: Mapping[str, float],
    times: RolloutTimes,
    mode: Mode = Mode.RULES,
) -> dict[str, float]:
    """Return an iteration's measurements by the names of `metrics`.

    Success, milestones and the share of the reward are the rules' in every mode: what a policy is for, beside what it
    learns from.
    """
    scored = [t for t in trajectories if t.failure is None]
    values = {
        "train/episodes": float(len(trajectories)),
        "train/steps": float(times.steps),
        "train/failed_episodes": float(len(trajectories) - len(scored)),
        "train/groups": float(stats.groups),
        "train/dead_groups": float(stats.dead_groups),
        "train/replaced_groups": float(replaced),
        "train/backed_off": stats.backed_off,
        "train/samples": update.get("samples", 0.0),
        "train/optimizer_steps": update.get("optimizer_steps", 0.0),
        "train/trie_tokens": update.get("trie_tokens", 0.0),
        "train/plain_tokens": update.get("plain_tokens", 0.0),
        "time/sampling_s": times.sampling_s,
        "time/browser_s": times.browser_s,
        "time/engine_busy": times.sampling_s / times.wall_s if times.wall_s else 0.0,
        "time/browser_busy": times.browser_busy_s / times.wall_s if times.wall_s else 0.0,
        "time/update_s": update.get("update_s", 0.0),
    }
    values |= {name: update[key] for key, name in _RENAMED.items() if key in update}
    entropies = [s.entropy for t in trajectories for s in t.steps if s.entropy is not None]
    values["train/entropy"] = sum(entropies) / max(len(entropies), 1)
    fractions: dict[str, list[float]] = {}
    for t in scored:
        instance = task_for(t.task).instantiate(t.seed)
        label = task_label(t.task)
        earned = t.rule_reward if mode in (Mode.MODEL, Mode.JUDGE, Mode.BLEND) else t.total_reward
        fractions.setdefault(label, []).append(earned / instance.max_reward)
    for label, shares in fractions.items():
        mine = [t for t in scored if task_label(t.task) == label]
        values[f"train/success/{label}"] = sum(t.success for t in mine) / len(mine)
        values[f"train/reward_fraction/{label}"] = sum(shares) / len(shares)
        for i, milestone in enumerate(task_for(mine[0].task).instantiate(mine[0].seed).milestones):
            reached = sum(bool(t.steps) and t.steps[-1].milestones_after >> i & 1 for t in mine)
            values[f"milestone/{label}/{milestone.id}"] = reached / len(mine)
    values["train/success"] = sum(t.success for t in scored) / max(len(scored), 1)
    values["train/reward_fraction"] = sum(sum(x) for x in fractions.values()) / max(len(scored), 1)
    return values


__all__ = ["iteration_metrics"]
