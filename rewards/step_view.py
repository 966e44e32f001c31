"""What the learned and the judging layer see of an episode: texts, as the agent saw and wrote them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step of an episode, as text.

    Attributes:
        before: the observation the action answers, as rendered for the agent, without the goal.
        action: the action's text, as sent to the environment.
        after: the observation it led to, likewise.
        error: the environment's message if the action was impossible, else "".
    """

    before: str
    action: str
    after: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeView:
    """One episode, as text.

    Attributes:
        task: the environment's id, e.g. "milepost/expense-form-v0".
        seed: the episode's seed; same task and seed mean the same goal and the same pages.
        goal: what the agent was asked to do.
        steps: its steps, in order.
    """

    task: str
    seed: int
    goal: str
    steps: tuple[StepView, ...]


__all__ = ["EpisodeView", "StepView"]
