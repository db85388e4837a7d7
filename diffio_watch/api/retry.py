"""The short clock of retry: tries inside one idempotent call, for seconds.

The long clock, minutes to days, is the journal's and knows nothing of this one.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from diffio_watch.api.errors import ApiError, RateLimited, Stopped

T = TypeVar("T")

PATIENCE: Final = 5.0  # seconds of Retry-After that are waited inside a call; longer ones are raised at once


@dataclass(frozen=True, slots=True)
class Tries:
    """How a call is repeated.

    Attributes:
        attempts: requests at most.
        first: upper bound of the wait after the first, in seconds; it doubles with each (full jitter).
        longest: upper bound of every wait, in seconds.
        budget: seconds from the call's start after which no further request is begun.
    """

    attempts: int = 4
    first: float = 0.5
    longest: float = 4.0
    budget: float = math.inf


class Retrier:
    """Repeats a call that may be repeated, while its errors are transient and nobody stops the program."""

    def __init__(self, tries: Tries, stop: threading.Event) -> None:
        self._tries = tries
        self._stop = stop
        self._jitter = wait_random_exponential(multiplier=tries.first, max=tries.longest)
        self._usual = self._retrying(())

    def run(self, once: Callable[[], T], *, also: tuple[type[ApiError], ...] = ()) -> T:
        """The result of `once`, tried until it is had.

        Args:
            once: one try, one request.
            also: errors that are worth another try besides the transient ones.

        Raises:
            ApiError: the last try's. A `retry_after` beyond `PATIENCE` ends the tries at once.
            Stopped: the program is stopping.
        """
        return (self._retrying(also) if also else self._usual)(once)

    def _retrying(self, also: tuple[type[ApiError], ...]) -> Retrying:
        def again(error: BaseException) -> bool:
            return (
                isinstance(error, ApiError)
                and (error.transient or isinstance(error, also))
                and (error.retry_after or 0.0) <= PATIENCE
            )

        return Retrying(
            before=lambda _: self.check(),
            retry=retry_if_exception(again),
            stop=self._enough,
            wait=self._wait,
            sleep=self.sleep,
            reraise=True,
        )

    def check(self) -> None:
        """Go on, unless the program is stopping.

        Raises:
            Stopped: it is.
        """
        if self._stop.is_set():
            raise Stopped("the program is stopping")

    def sleep(self, seconds: float) -> None:
        """Wait, and be woken by a stop.

        Raises:
            Stopped: the program is stopping.
        """
        if self._stop.wait(seconds):
            self.check()

    def _enough(self, state: RetryCallState) -> bool:
        spent = state.seconds_since_start or 0.0
        return state.attempt_number >= self._tries.attempts or spent >= self._tries.budget

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, ApiError) else None
        return max(self._jitter(state), asked or 0.0)


class Pace:
    """Keeps an origin's calls apart: no more a second than configured, and none while a 429 lasts."""

    def __init__(
        self, per_second: float | None, sleep: Callable[[float], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gap = 1.0 / per_second if per_second else 0.0
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._next = -math.inf  # when the next call may start
        self._closed_until = -math.inf

    def enter(self) -> None:
        """Wait for this call's turn.

        Raises:
            RateLimited: the service asked for a pause that goes on for longer than a call waits.
            Stopped: the program is stopping.
        """
        while True:
            with self._lock:
                now = self._clock()
                closed = self._closed_until - now
                if closed > PATIENCE:
                    raise RateLimited("the service asked every call to pause", retry_after=closed)
                turn = max(now, self._next)
                wait = max(closed, turn - now)
                if closed <= 0:
                    self._next = turn + self._gap
            if wait > 0:
                self._sleep(wait)
            if closed <= 0:
                return

    def close(self, seconds: float) -> None:
        """Let no call start for so long."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock() + seconds)
