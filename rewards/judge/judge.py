"""The judge: asks a language model about episodes, several times each, and believes it no more than it should."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from ...sandbox.errors import RewardError
from .abstention import AbstentionKind, abstain
from .budget import Budget, Spending
from .cache import AnswerCache, cache_key
from .calibration import CHANCE, Calibration, signal_of
from .chat import ChatCall, ChatEngine, ChatResult, ChatSession
from .client import ChatClient
from .config import JudgeConfig
from .exchange_log import ExchangeLog
from .judgement import Judgement, JudgeSample, combine
from .prompt import Prompt, prompt_version, render_prompt
from .request import JudgeRequest
from .verdict import VERDICT_SCHEMA, EvidencedVerdict, Verdict, check_quotes, parse_verdict


class Judge:
    """Judges requests.

        judge = Judge.connect(JudgeConfig(model="judge-8b", base_url="http://127.0.0.1:8000/v1"))
        judgement, = await judge.judge([JudgeRequest(rubric=Rubric(text="The receipt was sent."), view=view)])

    Whatever goes wrong with a server, a model, a network, a budget or a disk becomes an abstention; only wrong
    configuration raises, and that when the judge is made.

    Args:
        config: how to ask.
        engine: what answers.
        generator: source of the delimiters; None: seeded by the operating system, as it should be outside of tests.

    Raises:
        RewardError: the prompt, the cache or the calibration that the configuration names is not usable.
    """

    def __init__(
        self, config: JudgeConfig, engine: ChatEngine, *, generator: np.random.Generator | None = None
    ) -> None:
        self.config = config
        self._engine = engine
        self._generator = generator or np.random.default_rng()
        self._cache = AnswerCache(config.cache) if config.cache else None
        self._log = ExchangeLog(config.log) if config.log else None
        self._calibration = Calibration.read(config.calibration) if config.calibration else None
        self.prompt_version = prompt_version(config.prompt_version)
        if self._calibration:
            _fits(self._calibration, config, self.prompt_version)

    @classmethod
    def connect(
        cls, config: JudgeConfig, *, spent: Spending | None = None, generator: np.random.Generator | None = None
    ) -> Self:
        """Return a judge behind the server that the configuration names.

        Args:
            config: with a `base_url`.
            spent: what counts as spent already, e.g. by the run that this one resumes.
            generator: source of the delimiters and of the jitter between retries.
        """
        return cls(
            config, ChatClient(config, Budget(config.budget, spent=spent), generator=generator), generator=generator
        )

    async def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        """Return a judgement for each request, in order. Requests of equal content are asked once."""
        prompts = [
            render_prompt(
                request,
                version=self.config.prompt_version,
                limits=self.config.prompt_limits,
                generator=self._generator,
            )
            for request in requests
        ]
        first: dict[str, int] = {}
        for index, prompt in enumerate(prompts):
            first.setdefault(prompt.content, index)
        # Few at a time, so that a question's deadline is its own and not the queue's.
        places = asyncio.Semaphore(self.config.max_concurrency)
        async with self._engine.session() as session:
            judged = await asyncio.gather(
                *(self._judge_one(session, requests[index], prompts[index], places) for index in first.values())
            )
        by_content = dict(zip(first, judged, strict=True))
        return [
            by_content[prompt.content] if first[prompt.content] == index else _repeated(by_content[prompt.content])
            for index, prompt in enumerate(prompts)
        ]

    def judge_blocking(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        """Return what `judge` returns, for callers without an event loop and for those within one alike."""
        answers: list[list[Judgement] | BaseException] = []

        def work() -> None:
            try:
                answers.append(asyncio.run(self.judge(requests)))
            except BaseException as error:
                answers.append(error)

        thread = threading.Thread(target=work, name="milepost-judge")
        thread.start()
        thread.join()
        if isinstance(answers[0], BaseException):
            raise answers[0]
        return answers[0]

    async def _judge_one(
        self, session: ChatSession, request: JudgeRequest, prompt: Prompt, places: asyncio.Semaphore
    ) -> Judgement:
        async with places:
            began = time.monotonic()
            deadline = began + self.config.deadline_s
            samples = await asyncio.gather(
                *(self._sample(session, request, prompt, deadline, number) for number in range(self.config.samples))
            )
        judgement = combine(
            samples,
            model=self.config.model,
            prompt_version=prompt.version,
            latency_ms=(time.monotonic() - began) * 1e3,
        )
        return judgement if self._calibration is None else _calibrated(judgement, self._calibration)

    async def _sample(
        self, session: ChatSession, request: JudgeRequest, prompt: Prompt, deadline: float, number: int
    ) -> JudgeSample:
        began = time.monotonic()
        config = self.config
        key = cache_key(
            model=config.model,
            content=prompt.content,
            temperature=config.temperature,
            max_tokens=config.max_answer_tokens,
            constrained=config.constrained,
            sample=number,
        )
        kept = await self._cache.get(key) if self._cache else None
        if kept is None:
            result = await session.complete(
                ChatCall(
                    messages=prompt.messages,
                    schema=VERDICT_SCHEMA if config.constrained else None,
                    temperature=config.temperature,
                    max_tokens=config.max_answer_tokens,
                    deadline=deadline,
                    sample=number,
                )
            )
        else:
            result = ChatResult(outcome=kept)
        answer = result.outcome if isinstance(result.outcome, str) else None
        read = parse_verdict(result.outcome) if isinstance(result.outcome, str) else result.outcome
        if self._cache and kept is None and answer is not None and isinstance(read, Verdict):
            await self._cache.put(key, answer)  # what is no verdict at all may be a server's passing trouble
        sample = JudgeSample(
            outcome=check_quotes(read, prompt.shown) if isinstance(read, Verdict) else read,
            answer=answer,
            cached=kept is not None,
            attempts=result.attempts,
            prompt_tokens=result.prompt_tokens,
            completion_tokens=result.completion_tokens,
            cost=result.cost,
            latency_ms=(time.monotonic() - began) * 1e3,
        )
        return await self._logged(sample, request, prompt, number, constrained=result.constrained)

    async def _logged(
        self, sample: JudgeSample, request: JudgeRequest, prompt: Prompt, number: int, *, constrained: bool
    ) -> JudgeSample:
        """Log the sample; one that cannot be logged counts as none: what pays must be on record."""
        if self._log is None:
            return sample
        verdict, abstention = None, None
        if isinstance(sample.outcome, EvidencedVerdict):
            verdict = sample.outcome.verdict.model_dump()
        else:
            abstention = {"kind": sample.outcome.kind.value, "detail": sample.outcome.detail}
        record = {
            "time": time.time(),
            "id": request.id.encode(errors="replace").decode(),
            "task": request.view.task.encode(errors="replace").decode(),
            "seed": int(request.view.seed),
            "sample": number,
            "model": self.config.model,
            "prompt_version": prompt.version,
            "content": prompt.content,
            "delimiter": prompt.delimiter,
            "temperature": self.config.temperature,
            "max_tokens": self.config.max_answer_tokens,
            "constrained": constrained,
            "cached": sample.cached,
            "attempts": sample.attempts,
            "prompt_tokens": sample.prompt_tokens,
            "completion_tokens": sample.completion_tokens,
            "cost": sample.cost,
            "latency_ms": sample.latency_ms,
            "answer": sample.answer,
            "verdict": verdict,
            "abstention": abstention,
        }
        try:
            await asyncio.to_thread(self._log.append, record, prompt.messages)
        except OSError as error:
            return replace(sample, outcome=abstain(AbstentionKind.STORAGE, f"{self._log.path}: {error}"))
        return sample


def _repeated(judgement: Judgement) -> Judgement:
    """The same judgement for another request of the same content, which cost nothing."""
    free = (
        replace(sample, cached=True, attempts=0, prompt_tokens=0, completion_tokens=0, cost=0.0)
        for sample in judgement.samples
    )
    return replace(judgement, samples=tuple(free))


def _calibrated(judgement: Judgement, calibration: Calibration) -> Judgement:
    """Replace the agreement by the probability of being right; a verdict no better than a coin is none."""
    if judgement.passed is None:
        return judgement
    confidence = calibration.confidence(signal_of(judgement), passed=judgement.passed)
    if confidence is not None and confidence > CHANCE:
        return replace(judgement, confidence=confidence)
    said = "a pass" if judgement.passed else "a failure"
    why = (
        f"calibration has seen too few verdicts that say {said}"
        if confidence is None
        else f"calibration gives {said} of this agreement a probability of {confidence:.2f} of being right"
    )
    return replace(
        judgement,
        abstention=abstain(AbstentionKind.UNRELIABLE, why),
        passed=None,
        score=None,
        confidence=None,
        reasons=(),
        quotes=(),
    )


def _fits(calibration: Calibration, config: JudgeConfig, version: str) -> None:
    made = (calibration.model, calibration.prompt_version, calibration.samples, calibration.temperature)
    asked = (config.model, version, config.samples, config.temperature)
    if made != asked:
        raise RewardError(
            f"the calibration {config.calibration} is of (model, prompt, samples, temperature) {made}, and the judge "
            f"is {asked}. Calibrate this judge, or leave `calibration` out."
        )


__all__ = ["Judge"]
