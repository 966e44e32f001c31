"""The judge: a language model that is asked where neither rules nor the reward model can tell (docs/judge.md)."""

from __future__ import annotations

from .abstention import Abstention, AbstentionKind
from .budget import Budget, BudgetLimits, Spending
from .calibration import Calibration, calibrate, examples_of
from .chat import ChatCall, ChatEngine, ChatResult, ChatSession
from .client import ChatClient
from .config import JudgeConfig
from .judge import Judge
from .judgement import Judgement, JudgeSample
from .request import JudgeRequest, Rubric, Rubrics, Screenshot
from .verdict import Quote, Verdict

__all__ = [
    "Abstention",
    "AbstentionKind",
    "Budget",
    "BudgetLimits",
    "Calibration",
    "ChatCall",
    "ChatClient",
    "ChatEngine",
    "ChatResult",
    "ChatSession",
    "Judge",
    "JudgeConfig",
    "JudgeRequest",
    "JudgeSample",
    "Judgement",
    "Quote",
    "Rubric",
    "Rubrics",
    "Screenshot",
    "Spending",
    "Verdict",
    "calibrate",
    "examples_of",
]
