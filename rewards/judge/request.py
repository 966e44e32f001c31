"""What a judge is asked: a rubric, an episode, and what may help to judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from ...sandbox.errors import RewardError
from ..step_view import EpisodeView

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True)]


class Rubric(BaseModel):
    """What is to be judged.

    Attributes:
        text: when it is met, in words of the task's author.
        truth: the ground truth, if there is one; the judge sees it, the agent never does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: _Text
    truth: _Text | None = None


class Rubrics(BaseModel):
    """The rubrics of a suite, for tasks as a whole and for single milestones.

    Attributes:
        tasks: by the environment's id.
        milestones: by the environment's id, then the milestone's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: Mapping[str, Rubric] = {}
    milestones: Mapping[str, Mapping[str, Rubric]] = {}

    def of(self, task: str, milestone: str | None = None) -> Rubric | None:
        """Return the milestone's rubric, or without a milestone the task's; None if there is none."""
        return self.tasks.get(task) if milestone is None else self.milestones.get(task, {}).get(milestone)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read rubrics from a YAML file.

        Raises:
            RewardError: it cannot be read, or is not as expected.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
            raise RewardError(
                f"{path} holds no rubrics: {error}. Expected `tasks:` and `milestones:` with a `text` each."
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Screenshot:
    """What the screen looked like after a step (0: at the start), as PNG."""

    step: int
    png: bytes

    def __post_init__(self) -> None:
        if not self.png.startswith(PNG_SIGNATURE):
            raise ValueError(f"expected a PNG, got bytes that begin with {self.png[:8]!r}; encode the picture as PNG")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRequest:
    """One question to a judge.

    Attributes:
        rubric: what is to be judged.
        view: the episode, up to the moment that is judged.
        answer: the agent's final answer, if it gave one.
        screenshots: in the order of their steps; sent only if the configuration allows pictures.
        id: the caller's name for the question; logged, not sent, and of no influence.
    """

    rubric: Rubric
    view: EpisodeView
    answer: str = ""
    screenshots: tuple[Screenshot, ...] = ()
    id: str = ""


__all__ = ["JudgeRequest", "Rubric", "Rubrics", "Screenshot"]
