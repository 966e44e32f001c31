"""The configuration of `milepost preferences from-judge`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..rewards.judge.config import JudgeConfig
from .config import load_settings


class JudgePreferencesConfig(BaseModel):
    """How a judge ranks recorded episodes.

    Attributes:
        judge: the judge's settings, see docs/judge.md. Without a `cache`, answers are kept beside the preferences.
        rubrics: YAML file of rubrics for whole tasks; a task that is not in it is judged by its goal and the rubrics of
            its milestones of meaning.
        most: most episodes of one task and seed that are asked about; of more, those whose rule totals differ most.
        tie: scores this close, or closer, are a tie; in [0, 1].
        min_confidence: a verdict less sure leaves its episode out; in [0, 1]. At 0 none is left out, even those that do
            not say how sure they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    judge: JudgeConfig
    rubrics: Path | None = None
    most: int = Field(default=8, ge=2)
    tie: float = Field(default=0.1, ge=0, le=1)
    min_confidence: float = Field(default=0.6, ge=0, le=1)

    @model_validator(mode="after")
    def _says_how_sure_it_is(self) -> Self:
        if self.judge.samples == 1 and self.judge.calibration is None and self.min_confidence > 0:
            raise ValueError(
                "one sample without a calibration does not say how sure it is, so every episode would be left out: "
                "raise judge.samples, give judge.calibration, or set min_confidence: 0"
            )
        return self


def load_judge_preferences(path: Path, overrides: Sequence[str] = ()) -> JudgePreferencesConfig:
    """Read the configuration; see `load_settings`."""
    return load_settings(
        path, overrides, JudgePreferencesConfig, kind="judge's", example="examples/reward_model/from_judge.yaml"
    )


__all__ = ["JudgePreferencesConfig", "load_judge_preferences"]
