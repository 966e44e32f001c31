"""How a task pays, as its file writes it under `reward:`; docs/rewards.md says what each choice means.

    reward: {shaping: potential, gamma: 0.99}          # milestones, shaped by progress

    reward:
      mode: components
      weights: {nav: 0.1, ui: 0.1, form: 0.2, file: 0.2, goal: 0.4}
      pages: ["/reports/*"]
      clicks: [{role: button, name: Export}]
      fields: {Name: "{person}"}
      files: [{path: "*.csv", download_only: true}]

Without `reward:` each milestone pays its own reward.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from ..rewards.components import Components, ComponentWeights
from ..rewards.file_detectors import FileCreated
from ..rewards.form_detectors import Clicked
from ..rewards.scorer import RewardScheme
from ..rewards.shaping import Shaping, Truncation
from .milestone_spec import Identifier

Weight = Annotated[float, Field(allow_inf_nan=False)]


class _Shaped(BaseModel):
    """What both modes share.

    Attributes:
        shaping: what guides the agent.
        gamma: discount of the shaping; the learner's own.
        potential: Phi as weights of milestones; by default the share of the largest reward reached, in [0, 1].
        truncation: what the potential is where an episode is cut.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shaping: Shaping
    gamma: float = Field(default=1.0, ge=0, le=1, allow_inf_nan=False)
    potential: dict[Identifier, Weight] | None = Field(default=None, min_length=1)
    truncation: Truncation = Truncation.BOOTSTRAP

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        if self.shaping is not Shaping.POTENTIAL:
            ignored = [
                name
                for name, is_default in (
                    ("gamma", self.gamma == 1.0),
                    ("potential", self.potential is None),
                    ("truncation", self.truncation is Truncation.BOOTSTRAP),
                )
                if not is_default
            ]
            if ignored:
                raise ValueError(
                    f"expected {', '.join(ignored)} only beside `shaping: potential`, got `shaping: {self.shaping}`; "
                    "change one of them"
                )
        return self

    def _scheme(self, success: frozenset[str], components: Components | None) -> RewardScheme:
        return RewardScheme(
            success=success,
            components=components,
            shaping=self.shaping,
            gamma=self.gamma,
            potential=self.potential,
            truncation=self.truncation,
        )


class MilestoneReward(_Shaped):
    """Milestones pay: each its own reward (`raw`), or success the whole (`none`, `potential`)."""

    mode: Literal["milestones"] = "milestones"
    shaping: Shaping = Shaping.RAW

    @model_validator(mode="before")
    @classmethod
    def _names_the_mode(cls, given: Any) -> Any:
        for key in given if isinstance(given, Mapping) else ():
            if key in Components.model_fields:
                raise PydanticCustomError(
                    "task_fit", "{message}", {"message": f"reward.{key} needs `mode: components` beside it; add it"}
                )
        return given

    def build(self, parameters: Mapping[str, Any], success: frozenset[str]) -> RewardScheme:
        """Return the scheme of one episode; its parameters play no part."""
        return self._scheme(success, None)

    def templates(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """Return nothing: no text here holds parameters."""
        return ()


class ComponentReward(_Shaped, Components):
    """Components pay; see `milepost.rewards.components`."""

    mode: Literal["components"]
    shaping: Literal[Shaping.NONE, Shaping.POTENTIAL] = Shaping.NONE

    def build(self, parameters: Mapping[str, Any], success: frozenset[str]) -> RewardScheme:
        """Return the scheme of one episode.

        Raises:
            TaskError: a template names an unknown parameter.
        """
        return self._scheme(success, self.filled(parameters))


def _mode(given: Any) -> Any:
    return given.get("mode", "milestones") if isinstance(given, Mapping) else getattr(given, "mode", "milestones")


RewardSpec = Annotated[
    Annotated[MilestoneReward, Tag("milestones")] | Annotated[ComponentReward, Tag("components")],
    Discriminator(
        _mode,
        custom_error_type="task_fit",
        custom_error_message="reward.mode: expected milestones or components; change it",
    ),
]
"""Either mode, by `mode`; `milestones` if it is not given."""


def known_reward_keys(location: tuple[str | int, ...]) -> list[str]:
    """Return the keys that are allowed where an unknown one was found below `reward`."""
    match location:
        case ("clicks", _, _):
            fields = Clicked.model_fields
        case ("files", _, _):
            fields = FileCreated.model_fields
        case ("weights", _):
            fields = ComponentWeights.model_fields
        case (_,):
            fields = ComponentReward.model_fields
        case _:
            return []
    return [name for name in fields if name != "kind"]


__all__ = ["ComponentReward", "MilestoneReward", "RewardSpec", "known_reward_keys"]
