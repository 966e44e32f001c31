"""PPO on real pages: `python -m milepost.trainers.ppo CONFIG.yaml [key=value ...]`.

The loop, top to bottom: evaluate the untrained model, warm it up on a few oracle demonstrations, then per iteration
sample episodes, ask the critic what each step was worth, estimate advantages (GAE over environment steps), whiten them,
make several epochs of minibatches on policy and critic together, checkpoint; evaluate again and write the report. What
every online trainer does is in `online_run`, `group_sampling` and `learning_phase`; the mathematics are in
`advantages.gae`, `objectives` and `value_loss`. `preset: NAME` makes it PPO-penalty or PPO-ptx (docs/training.md).

Deviations from Schulman et al. 2017 (PPO):

1. A step of GAE is an environment step, not a token: a response is one action (docs/decisions.md); `gae_level: token`
   is the other way.
2. Old log-probabilities are those of the sampler, stored with each token; `old_logprobs: trainer` computes them again.
3. An iteration's remaining minibatches are left once the policy is `target_kl` away from the sampler.
4. PPO-penalty adapts its coefficient by the KL of the last minibatch, before its step, not of the whole batch after it.
"""

from __future__ import annotations

from collections.abc import Sequence

from .critic import build_critic
from .critic_credit import credit_by_critic, to_critic_samples
from .group_sampling import alike_in_success, sample_groups
from .learning_phase import learn, with_reward_terms
from .online_run import TrainingResult, open_run
from .ppo_config import PPOConfig, load_ppo_config
from .progress import TrainingProgress
from .training_script import exit_with, run_script

_CRITIC = "critic"


def train(config: PPOConfig, *, progress: TrainingProgress) -> TrainingResult:
    """Run PPO as configured, resuming the run's folder if it holds a part of this very run.

    Raises:
        MilepostError: the model, the browser, a task or the run folder is not usable; says what to do.
    """
    with open_run(config, progress=progress) as run:
        saved = None if run.saved is None else run.saved / _CRITIC
        critic = build_critic(config, run.model, run.tokenizer, dtype=run.dtype, saved=saved)
        run.parts[_CRITIC] = critic.save
        run.prepare()
        while run.goes_on():
            run.begin_iteration()
            sampled = sample_groups(run, alike_in_success)
            episodes, measured = with_reward_terms(run, sampled.trajectories)
            progress.phase("critic")
            credited = credit_by_critic(config, critic, run.tokenizer, episodes)
            batch = to_critic_samples(config, episodes, credited, stop_ids=(int(run.tokenizer.eos_token_id),))
            update = learn(run, batch, critic)
            run.end_iteration(sampled, credited.stats, measured | credited.measured | update)
        return run.close()


def main(argv: Sequence[str] | None = None) -> TrainingResult:
    """Run the script: a configuration file, then `key=value` overrides."""
    return run_script(argv, name="PPO", usage=__doc__, load=load_ppo_config, train=train)


__all__ = ["TrainingResult", "main", "train"]


if __name__ == "__main__":
    exit_with(main)
