"""What a judge says of one request, put together from its samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from ..types import Source, TierScore
from .abstention import Abstention, AbstentionKind, abstain
from .verdict import EvidencedVerdict, Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSample:
    """One sample.

    Attributes:
        outcome: the verdict with its evidence, or why there is none.
        answer: the model's answer as it came; None if none came.
        cached: whether it came from the cache.
        attempts: requests made for it.
        prompt_tokens: tokens charged for prompts.
        completion_tokens: tokens charged for answers.
        cost: money charged.
        latency_ms: from asking to the outcome, every wait included.
    """

    outcome: EvidencedVerdict | Abstention
    answer: str | None
    cached: bool = False
    attempts: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    latency_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The judgement on one request. Either it has a verdict or it abstains; an abstention has no score, not even 0.

    Attributes:
        abstention: why there is no verdict; None if there is one.
        passed: what most samples say.
        score: mean score of the samples that say so.
        agreement: mean over all pairs of samples that were asked for: 1 less the difference of their scores if both
            say the same, else 0; also 0 for a pair with a sample that failed. None for a single sample.
        confidence: how far the verdict may be relied on; from calibration the probability that it is right, else the
            agreement; None for a single sample that nothing calibrates.
        reasons: of the samples that say so.
        quotes: their evidence, each once.
        samples: all samples, for the record.
        model: the model's name.
        prompt_version: version and hash of the prompt.
        latency_ms: until the last sample was there.
    """

    abstention: Abstention | None
    passed: bool | None
    score: float | None
    agreement: float | None
    confidence: float | None
    reasons: tuple[str, ...]
    quotes: tuple[Quote, ...]
    samples: tuple[JudgeSample, ...]
    model: str
    prompt_version: str
    latency_ms: float

    @property
    def cost(self) -> float:
        """Money charged for all samples."""
        return sum(sample.cost for sample in self.samples)

    @property
    def tokens(self) -> int:
        """Tokens charged for all samples, of prompts and answers."""
        return sum(sample.prompt_tokens + sample.completion_tokens for sample in self.samples)

    @property
    def cached(self) -> bool:
        """Whether every sample came from the cache."""
        return all(sample.cached for sample in self.samples)

    @property
    def tier(self) -> TierScore:
        """The judgement as a step's reward records it; `raw` is None where it abstains."""
        return TierScore(
            tier=Source.JUDGE,
            raw=self.score,
            confidence=self.confidence,
            latency_ms=self.latency_ms,
            cost=self.cost,
        )


def combine(samples: Sequence[JudgeSample], *, model: str, prompt_version: str, latency_ms: float) -> Judgement:
    """Return the judgement of some samples, at least one.

    It abstains unless more than half of them are verdicts, and where as many say yes as no.
    """
    verdicts = [sample.outcome for sample in samples if isinstance(sample.outcome, EvidencedVerdict)]
    yes = [each for each in verdicts if each.verdict.passed]
    no = [each for each in verdicts if not each.verdict.passed]
    abstention = None
    if 2 * len(verdicts) <= len(samples):
        abstention = _commonest([s.outcome for s in samples if isinstance(s.outcome, Abstention)], len(samples))
    elif len(yes) == len(no):
        abstention = abstain(
            AbstentionKind.DISAGREEMENT, f"{len(yes)} samples say yes, {len(no)} say no; an odd number would decide"
        )
    agreement = _agreement(samples) if len(samples) > 1 else None
    speaking = () if abstention else max(yes, no, key=len)
    return Judgement(
        abstention=abstention,
        passed=None if abstention else len(yes) > len(no),
        score=sum(each.verdict.score for each in speaking) / len(speaking) if speaking else None,
        agreement=agreement,
        confidence=None if abstention else agreement,
        reasons=tuple(each.verdict.reasons for each in speaking),
        quotes=tuple(dict.fromkeys(quote for each in speaking for quote in each.quotes)),
        samples=tuple(samples),
        model=model,
        prompt_version=prompt_version,
        latency_ms=latency_ms,
    )


def _commonest(abstentions: Sequence[Abstention], asked: int) -> Abstention:
    kind, count = Counter(each.kind for each in abstentions).most_common(1)[0]
    detail = next(each.detail for each in abstentions if each.kind == kind)
    return abstain(kind, detail if asked == 1 else f"{count} of {asked} samples: {detail}")


def _agreement(samples: Sequence[JudgeSample]) -> float:
    pairs = list(combinations([sample.outcome for sample in samples], 2))
    return sum(_alike(one, other) for one, other in pairs) / len(pairs)


def _alike(one: EvidencedVerdict | Abstention, other: EvidencedVerdict | Abstention) -> float:
    if isinstance(one, Abstention) or isinstance(other, Abstention):
        return 0.0
    a, b = one.verdict, other.verdict
    return 1.0 - abs(a.score - b.score) if a.passed == b.passed else 0.0


__all__ = ["JudgeSample", "Judgement", "combine"]
