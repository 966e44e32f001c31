"""What a judge may spend: requests per minute, requests, tokens, money.

A call's most is reserved before it is made and settled at what it really took, so calls that run side by side cannot
pass a limit together. Where it is unknown what a call took (it was cut off after the server had it), it stays charged
at its most.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .abstention import Abstention, AbstentionKind, abstain

_POLL_S = 0.02
_PER_MILLION = 1e-6
_ROUNDING = 1e-9


class BudgetLimits(BaseModel):
    """Limits of one judge's spending; None: no limit. Money is in the currency of the prices.

    Attributes:
        requests_per_minute: most requests begun within any minute.
        requests: most requests, retries included.
        tokens: most tokens, of prompts and answers together.
        cost: most money; needs the prices.
        prompt_price: of a million prompt tokens.
        completion_price: of a million answer tokens.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: int | None = Field(default=None, ge=1)
    requests: int | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    prompt_price: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    completion_price: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _prices_for_a_cost(self) -> Self:
        if self.cost is not None and not (self.prompt_price or self.completion_price):
            raise ValueError("a limit on cost needs prompt_price or completion_price: without prices nothing costs")
        return self

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return what so many tokens cost."""
        return (prompt_tokens * self.prompt_price + completion_tokens * self.completion_price) * _PER_MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What was spent, or is reserved."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    def plus(self, other: Spending) -> Spending:
        """Return both together."""
        return Spending(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cost=self.cost + other.cost,
        )


class Budget:
    """Keeps the limits, for any number of threads and event loops.

    Args:
        limits: what may be spent.
        spent: what was spent before, e.g. by the run that this one resumes.
        clock: seconds that only grow.
        window_s: the length of the rate limit's minute.
    """

    def __init__(
        self,
        limits: BudgetLimits,
        *,
        spent: Spending | None = None,
        clock: Callable[[], float] = time.monotonic,
        window_s: float = 60.0,
    ) -> None:
        self.limits = limits
        self._spent = spent or Spending()
        self._reserved: dict[int, Spending] = {}
        self._begun: deque[float] = deque()
        self._next = 0
        self._clock = clock
        self._window_s = window_s
        self._lock = threading.Lock()

    @property
    def spent(self) -> Spending:
        """What settled calls have taken."""
        return self._spent

    async def reserve(self, *, prompt_tokens: int, completion_tokens: int, deadline: float) -> int | Abstention:
        """Wait until a call of at most so many tokens may begin.

        Args:
            prompt_tokens: no fewer than the prompt can have.
            completion_tokens: no fewer than the answer can have.
            deadline: time of the clock after which it is of no use.

        Returns:
            The reservation, to be settled whatever happens; or why the call must not be made.
        """
        need = Spending(
            requests=1,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cost=self.limits.price(prompt_tokens, completion_tokens),
        )
        while True:
            with self._lock:
                wait_s = self._wait(need, deadline)
                if not isinstance(wait_s, float):
                    return wait_s
                if wait_s == 0.0:
                    self._next += 1
                    self._reserved[self._next] = need
                    self._begun.append(self._clock())
                    return self._next
            # Polled: who settles may be on another event loop.
            await asyncio.sleep(wait_s)

    def settle(
        self, reservation: int, *, prompt_tokens: int | None = None, completion_tokens: int | None = None
    ) -> Spending:
        """Turn a reservation into what the call took, and return that; None: unknown, charged at its most.

        A server may report more than was reserved. That is charged, and ends the budget the sooner.
        """
        with self._lock:
            reserved = self._reserved.pop(reservation)
            prompt = reserved.prompt_tokens if prompt_tokens is None else prompt_tokens
            completion = reserved.completion_tokens if completion_tokens is None else completion_tokens
            taken = Spending(
                requests=1,
                prompt_tokens=prompt,
                completion_tokens=completion,
                cost=self.limits.price(prompt, completion),
            )
            self._spent = self._spent.plus(taken)
            return taken

    def _wait(self, need: Spending, deadline: float) -> float | Abstention:
        """Seconds to wait before asking again; 0.0: begin now."""
        if missing := self._missing(self._spent.plus(need)):
            return abstain(AbstentionKind.BUDGET, missing)
        now = self._clock()
        if now >= deadline:
            return abstain(AbstentionKind.LATE, "no time was left to begin the request")
        committed = self._spent
        for reserved in self._reserved.values():
            committed = committed.plus(reserved)
        if self._missing(committed.plus(need)):
            return _POLL_S  # calls under way may turn out to take less
        while self._begun and self._begun[0] <= now - self._window_s:
            self._begun.popleft()
        rate = self.limits.requests_per_minute
        if rate is None or len(self._begun) < rate:
            return 0.0
        wait_s = self._begun[len(self._begun) - rate] + self._window_s - now
        if now + wait_s > deadline:
            return abstain(
                AbstentionKind.RATE,
                f"{rate} requests per minute were begun; the next may begin in {wait_s:.1f} s, after the deadline",
            )
        return max(wait_s, 1e-3)

    def _missing(self, total: Spending) -> str:
        limits = self.limits
        if limits.requests is not None and total.requests > limits.requests:
            return f"{self._spent.requests} of {limits.requests} requests are spent; raise budget.requests"
        tokens = total.prompt_tokens + total.completion_tokens
        if limits.tokens is not None and tokens > limits.tokens:
            spent = self._spent.prompt_tokens + self._spent.completion_tokens
            return f"{spent} of {limits.tokens} tokens are spent, and the next call may need more; raise budget.tokens"
        if limits.cost is not None and total.cost > limits.cost + _ROUNDING:
            return (
                f"{self._spent.cost:.6g} of {limits.cost:.6g} are spent, and the next call may cost more; raise "
                "budget.cost"
            )
        return ""


__all__ = ["Budget", "BudgetLimits", "Spending"]
