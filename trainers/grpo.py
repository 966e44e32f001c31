"""GRPO on real pages: `python -m milepost.trainers.grpo CONFIG.yaml [key=value ...]`.

The loop, top to bottom: evaluate the untrained model, warm it up on a few oracle demonstrations, then per iteration
sample groups of episodes, credit each step, replace the groups that teach nothing, update, checkpoint; evaluate again
and write the report. What every online trainer does is in `online_run`, `group_sampling` and `learning_phase`; the
mathematics are in `advantages`, `objectives`, `policy_update` and `trpo_update`. `preset: NAME` makes it RLOO, DAPO,
Dr. GRPO, GSPO, CISPO, REINFORCE, TRPO or another (docs/training.md).

Deviations from Shao et al. 2024 (GRPO), unless `preset: grpo` says otherwise:

1. Credit is per step, not per episode: by default the return-to-go against siblings that stood at the same milestones.
2. Clip-higher and token-level normalisation (Yu et al. 2025); dead groups are left out of the loss.
3. Old log-probabilities are those of the sampler, stored with each token, not recomputed.
4. Negative advantages are multiplied by `negative_scale`, by default 0.5: at full weight a 135 M model lost action
   verbs, in one run that had another learning rate too (docs/decisions.md). 1 is the plain objective.
5. An iteration's remaining minibatches are left once the policy is `target_kl` away from the sampler.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..agents.records import Trajectory
from .advantages import AdvantageStats, StepAdvantages, step_advantages
from .coefficients import adapt_entropy_coef
from .config import GRPOConfig, load_config
from .group_sampling import alike_in_success, sample_groups
from .iteration_metrics import iteration_metrics
from .learning_phase import learn, with_reward_terms
from .online_run import TrainingResult, open_run
from .progress import TrainingProgress
from .replacement import Group
from .token_samples import to_token_samples, without_truncated
from .training_script import exit_with, run_script


def train(config: GRPOConfig, *, progress: TrainingProgress) -> TrainingResult:
    """Run GRPO as configured, resuming the run's folder if it holds a part of this very run.

    Raises:
        MilepostError: the model, the browser, a task or the run folder is not usable; says what to do.
    """
    with open_run(config, progress=progress) as run:
        run.prepare()
        while run.goes_on():
            run.begin_iteration()
            sampled = sample_groups(run, lambda episodes: _dead(config, episodes))
            episodes, measured = with_reward_terms(run, sampled.trajectories)
            advantages, stats = _credit(config, episodes)
            advantages = without_truncated(
                episodes, advantages, mask=config.mask_truncated, stop_ids=(int(run.tokenizer.eos_token_id),)
            )
            batch = to_token_samples(
                episodes,
                advantages,
                negative_scale=config.negative_scale,
                keep_zero=config.zero_advantages == "keep" and stats.dead_groups < stats.groups,
            )
            update = learn(run, batch)
            run.end_iteration(sampled, stats, measured | update)
        return run.close()


def _credit(config: GRPOConfig, episodes: Sequence[Trajectory]) -> tuple[StepAdvantages, AdvantageStats]:
    return step_advantages(
        episodes,
        credit=config.advantage,
        gamma=config.gamma,
        scale=config.scale_advantages,
        omega=config.anchor_weight,
    )


def _dead(config: GRPOConfig, episodes: Sequence[Trajectory]) -> tuple[Group, ...]:
    return alike_in_success(episodes) if config.dead_by == "success" else _credit(config, episodes)[1].dead


def main(argv: Sequence[str] | None = None) -> TrainingResult:
    """Run the script: a configuration file, then `key=value` overrides."""
    return run_script(argv, name="GRPO", usage=__doc__, load=load_config, train=train)


__all__ = ["TrainingResult", "adapt_entropy_coef", "iteration_metrics", "main", "to_token_samples", "train"]


if __name__ == "__main__":
    exit_with(main)
