"""Sampled tokens as text with their probabilities, where the run's tokenizer is at hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from ...agents.records import StepRecord
from ...sandbox.errors import EngineError
from ..local_page.text import harmless

_MAX_TOKENS = 512
_MAX_TOKEN_CHARS = 60
_MAX_PROMPT_CHARS = 24_000

Decode = Callable[[Sequence[int]], str]


class TokenTexts:
    """Says what a run's token ids stand for.

    Args:
        run: the run's folder; its configuration names the model.
    """

    def __init__(self, run: Path) -> None:
        self._run = run

    def of(self, step: StepRecord) -> list[dict[str, Any]]:
        """Return the sampled tokens: `text` ("" where there is no tokenizer), `id`, and `p`, the probability of each.

        The probability is that of the distribution it was sampled from; None where it was not recorded.
        """
        logprobs = step.behaviour_logprobs
        paired = len(logprobs) == len(step.response_ids)
        return [
            {
                "id": token,
                "text": harmless(self._decode([token]), _MAX_TOKEN_CHARS) if self._decode else "",
                "p": math.exp(min(logprobs[place], 0.0)) if paired else None,
            }
            for place, token in enumerate(step.response_ids[:_MAX_TOKENS])
        ]

    def prompt(self, step: StepRecord) -> str | None:
        """Return the whole prompt as the model saw it, template included; None without its tokens or a tokenizer."""
        if not step.prompt_ids or self._decode is None:
            return None
        return harmless(self._decode(step.prompt_ids), _MAX_PROMPT_CHARS)

    @cached_property
    def _decode(self) -> Decode | None:
        try:
            from tokenizers import Tokenizer

            from ...agents.models import resolve_model

            config = yaml.safe_load((self._run / "config.yaml").read_text("utf-8"))
            tokenizer = Tokenizer.from_file(str(resolve_model(str(config["model"])) / "tokenizer.json"))
        except (ImportError, OSError, ValueError, KeyError, TypeError, EngineError, yaml.YAMLError):
            return None
        except Exception as error:  # tokenizers raises nothing narrower for a file that it cannot read
            if type(error) is not Exception:
                raise
            return None
        return lambda ids: str(tokenizer.decode(list(ids), skip_special_tokens=False))


__all__ = ["TokenTexts"]
