"""The heartbeat: an address that is asked while all loops move: who misses it knows that the machine is dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from diffio_watch.service.notices import addresses, send

_EVERY: Final = 300.0  # seconds
_FIRST: Final = 60.0  # … after a start: a daemon that ends again and again is not well


class Beat(Protocol):
    """Asks the address; see `send.heartbeat`."""

    def __call__(self, url: str, stop: Callable[[], bool], /) -> send.Outcome:
        """What came of it."""


class Heartbeat:
    """Asks, and knows what came of it.

    Args:
        ask: asks the address.
        moving: whether all loops of the daemon move.
        log: where a change is told.

    Attributes:
        address: in a form that shows no secret; "" where none is configured.
        problem: what came of it last; "" where that was well, or nothing yet.
        at: when that changed last, in seconds since the epoch.
    """

    def __init__(self, ask: Beat, moving: Callable[[], bool], log: FilteringBoundLogger) -> None:
        self._ask = ask
        self._moving = moving
        self._log = log
        self._url: str | None = None
        self._asked_at: float | None = None
        self.address = self.problem = ""
        self.at: float | None = None

    def look(self, url: str | None, now: float, steady: float, stop: Callable[[], bool], *, last: bool) -> None:
        """Ask the address, if it is time and all loops move.

        Args:
            url: what is configured.
            now: seconds since the epoch.
            steady: seconds of a clock that nobody sets.
            stop: whether the program is to end.
            last: nobody will look for long: it is time.
        """
        if url != self._url:
            self._url, self.problem, self.at = url, "", None
            self.address = addresses.redacted(url) if url else ""
        if self._asked_at is None:
            self._asked_at = steady - _EVERY + _FIRST
        if url is None or not (last or steady - self._asked_at >= _EVERY) or not self._moving():
            return
        self._asked_at = steady
        outcome = self._ask(url, stop)
        if stop():  # too little time was left
            return
        problem = "" if outcome.ok else outcome.error
        if problem and problem != self.problem:
            self._log.warning("heartbeat.not_taken", address=self.address, message=problem)
        elif self.problem and not problem:
            self._log.info("heartbeat.taken", address=self.address)
        if problem != self.problem or self.at is None:
            self.problem, self.at = problem, now
