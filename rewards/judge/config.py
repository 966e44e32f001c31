"""The configuration of a judge."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from .budget import BudgetLimits
from .prompt import PromptLimits


class JudgeConfig(BaseModel):
    """How to reach a judge, how to ask it, and what it may spend.

    Attributes:
        model: the model's name, as its server knows it.
        base_url: of an OpenAI-compatible server, e.g. "http://127.0.0.1:8000/v1"; None: the engine is given in Python.
        api_key_env: name of the environment variable that holds the key; None: no key is sent.
        prompt_version: a folder of `rewards/judge/prompts`.
        samples: verdicts asked for each question; their agreement is the confidence.
        temperature: of the samples; above 0 if there are several, or they would agree by being copies.
        max_answer_tokens: most tokens of one answer.
        token_limit_field: the name that the server has for it.
        constrained: send the verdict's schema for constrained decoding, until the server refuses it.
        timeout_s: most time for one request.
        deadline_s: most time for one question from its turn on: its samples, their retries and every wait.
        max_retries: requests that are repeated after a failure that may pass.
        max_concurrency: requests under way at once, for each event loop; so many questions have their turn at once.
        max_answer_bytes: a longer answer is not read to its end.
        page_chars: see `PromptLimits`, as the next three.
        total_chars: see there.
        max_steps: see there.
        pictures: see there; 0 for a judge that sees no pictures.
        picture_tokens: no fewer than one picture can cost, for the budget.
        budget: what may be spent.
        cache: SQLite file of answers; None: nothing is kept.
        log: JSONL file to which every exchange is appended; None: not logged.
        calibration: JSON file that `Calibration.write` made; None: agreement is the confidence.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1)
    base_url: str | None = None
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    prompt_version: str = "v1"
    samples: int = Field(default=3, ge=1, le=64)
    temperature: float = Field(default=0.7, ge=0, le=2)
    max_answer_tokens: int = Field(default=512, ge=16)
    token_limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    constrained: bool = True
    timeout_s: float = Field(default=60.0, gt=0)
    deadline_s: float = Field(default=180.0, gt=0)
    max_retries: int = Field(default=4, ge=0)
    max_concurrency: int = Field(default=8, ge=1)
    max_answer_bytes: int = Field(default=1 << 20, ge=1024)
    page_chars: int = Field(default=PromptLimits().page_chars, ge=200)
    total_chars: int = Field(default=PromptLimits().total_chars, ge=200)
    max_steps: int = Field(default=PromptLimits().steps, ge=2)
    pictures: int = Field(default=PromptLimits().pictures, ge=0)
    picture_tokens: int = Field(default=4096, ge=1)
    budget: BudgetLimits = BudgetLimits()
    cache: Path | None = None
    log: Path | None = None
    calibration: Path | None = None

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("expected http(s)://host[:port]/path of an OpenAI-compatible server, such as .../v1")
        if "@" in parts.netloc:
            raise ValueError("an address with a password would be logged; name the key's variable in api_key_env")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _samples_that_differ(self) -> Self:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                "samples at temperature 0 are copies, and their agreement says nothing: raise it, or ask 1"
            )
        return self

    @property
    def prompt_limits(self) -> PromptLimits:
        """How much of an episode is shown."""
        return PromptLimits(
            page_chars=self.page_chars, total_chars=self.total_chars, steps=self.max_steps, pictures=self.pictures
        )


__all__ = ["JudgeConfig"]
