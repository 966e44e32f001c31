"""Example episodes for the report: one task instance played before and after training, with screenshots."""

from __future__ import annotations

from typing import Any

from ..agents.policies import Policy
from ..agents.rollout import EnvPool, EpisodeSpec, StepTaken, run_episodes
from ..envs.registration import task_for
from .metrics import task_label
from .report import Example, ExampleLabel, ExampleMilestone, ExampleStep, save_example
from .run_folder import RunFolder


def record_example(folder: RunFolder, label: ExampleLabel, spec: EpisodeSpec, policy: Policy, *, when: str) -> bool:
    """Play one episode with screenshots and save it for the report.

    Args:
        folder: the run.
        label: which of the report's examples it is.
        spec: the episode.
        policy: what acts.
        when: which policy this is, for people.

    Returns:
        Whether the episode succeeded.
    """
    taken: list[StepTaken] = []
    with EnvPool(screenshots=True) as pool:
        [trajectory] = run_episodes([spec], policy, pool=pool, on_step=taken.append)
    if trajectory.failure is not None:
        return False
    taken = taken[-len(trajectory.steps) :]
    instance = task_for(spec.task).instantiate(spec.seed)
    screenshots: list[Any] = [t.info["screenshot"] for t in taken]
    steps = tuple(
        ExampleStep(
            action=step.action,
            observation=step.observation,
            reward=step.reward,
            milestones=tuple(
                ExampleMilestone(id=m.id, reward=m.reward, evidence=m.evidence.summary)
                for m in t.info["reward"].milestones
            ),
            error=step.error,
        )
        for t, step in zip(taken, trajectory.steps, strict=True)
    )
    example = Example(
        task=task_label(spec.task),
        seed=spec.seed,
        goal=instance.goal,
        total=trajectory.total_reward,
        max_total=instance.max_reward,
        success=trajectory.success,
        when=when,
        steps=steps,
    )
    save_example(folder, label, example, screenshots=screenshots)
    return trajectory.success


__all__ = ["record_example"]
