"""When a call is made again, and after which pause."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from countermark.errors import CountermarkError, InvalidArgument, NotFound, Unavailable
from countermark.service.call import Answer, Call

__all__ = ["Attempts", "RetryPolicy", "retry_policy"]

T = TypeVar("T")

WORTH_REPEATING = frozenset({408, 502, 503, 504})
"""Statuses of a service that is away for the moment, or of a proxy before it."""


async def sleep_in_event_loop(seconds: float) -> None:
    """Waits without holding up the event loop, be it asyncio's or trio's."""
    import anyio

    await anyio.sleep(seconds)


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how soon a call without an answer is made again.

    A call has no answer when the connection breaks, the timeout ends, or the service is away (502, 503, 504).
    What could count or create twice carries an idempotency key, so that a repetition takes no second use and
    makes no second token. With ``times=0`` no keys are made, but for uploads around
    a block. Refusals, and 429, are never repeated.
    """

    times: int = 2
    """Most repetitions of one call."""
    first_pause: float = 0.1
    """Seconds before the first repetition, at most; doubled each time, shortened at random by up to half."""
    longest_pause: float = 5.0
    """Most seconds of a pause; if the service asks for more (``Retry-After``), the call is not repeated."""
    question_keys: bool = True
    """Whether ``authorize`` and ``authorize_many`` make idempotency keys.

    For each key the service keeps a durable entry, also where a token has no limit and it would write none:
    where most have none, False is faster. A question without a key is repeated only if it has not arrived.
    """
    random: Callable[[], float] = random.random
    """A number from 0 to 1, for the jitter."""
    sleep: Callable[[float], None] = time.sleep
    """Waits, in :class:`countermark.Client`."""
    sleep_async: Callable[[float], Awaitable[None]] = sleep_in_event_loop
    """Waits, in :class:`countermark.AsyncClient`."""

    def pause(self, attempt: int) -> float:
        """Seconds before the repetition of this number, from 0."""
        return min(self.first_pause * 2.0 ** min(attempt, 60), self.longest_pause) * (1 - self.random() / 2)


def retry_policy(retries: int | RetryPolicy) -> RetryPolicy:
    """A policy from a number of repetitions.

    Raises:
        InvalidArgument: the number is negative.
    """
    policy = retries if isinstance(retries, RetryPolicy) else RetryPolicy(retries)
    if policy.times < 0:
        raise InvalidArgument("retries: expected a number from 0 on")
    return policy


class Attempts(Generic[T]):
    """The attempts of one call."""

    def __init__(self, call: Call[T], policy: RetryPolicy) -> None:
        self.call = call
        self.policy = policy
        self.made = 0

    def read(self, answer: Answer) -> T:
        """The result of an answer, or its exception."""
        if self.call.is_done_if_gone and self.made > 0:
            try:
                return self.call.read(answer)
            except NotFound:
                return self.call.read(Answer(204, {}, b""))
        return self.call.read(answer)

    def pause_after(self, error: CountermarkError) -> float | None:
        """Seconds to wait before the next attempt; none if there is to be none."""
        if self.made >= self.policy.times or not self.is_worth_repeating(error):
            return None
        pause = self.policy.pause(self.made)
        wanted = error.problem.retry_after if error.problem else None
        if wanted is not None and wanted > self.policy.longest_pause:
            return None
        self.made += 1
        return max(pause, wanted or 0)

    def is_worth_repeating(self, error: CountermarkError) -> bool:
        """Whether another attempt may help, and cannot harm."""
        if not isinstance(error, Unavailable):
            return False
        if not error.may_have_arrived:
            return True
        is_passing = error.problem is None or error.problem.status in WORTH_REPEATING
        return is_passing and self.call.is_repeatable
