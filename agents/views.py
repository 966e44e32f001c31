"""Recorded episodes as the learned and the judging layer of the reward see them."""

from __future__ import annotations

from ..rewards.step_view import EpisodeView, StepView
from .records import Trajectory

_GOAL = "Goal: "


def episode_view(trajectory: Trajectory) -> EpisodeView:
    """Return the texts of an episode: its goal once, and each step between the observations around it."""
    seen = [*(step.observation for step in trajectory.steps), trajectory.final_observation]
    goals, pages = zip(*map(_split, seen), strict=True)
    return EpisodeView(
        task=trajectory.task,
        seed=trajectory.seed,
        goal=goals[0],
        steps=tuple(
            StepView(before=before, action=step.action, after=after, error=step.error)
            for step, before, after in zip(trajectory.steps, pages, pages[1:], strict=False)
        ),
    )


def _split(observation: str) -> tuple[str, str]:
    """The goal and the rest of a rendered observation (see `prompts.render_observation`)."""
    first, _, rest = observation.partition("\n")
    return (first.removeprefix(_GOAL), rest) if first.startswith(_GOAL) else ("", observation)


__all__ = ["episode_view"]
