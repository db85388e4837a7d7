"""The program's clocks in one object."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the epoch that never jump: the wall clock at the start, carried on by one that nobody sets.

    A wall clock set back by an hour would otherwise park every waiting job for that hour. What carries it on counts the
    host's sleep too, where the system tells of it: what was due meanwhile is due, and a date is the right one.
    """

    def __init__(self) -> None:
        self._offset = time.time() - _since_boot()

    def now(self) -> float:
        """Seconds since the epoch, UTC, steady within this process."""
        return _since_boot() + self._offset

    def monotonic(self) -> float:
        """Seconds since some moment in the past, steady, for settling and health: a sleeping host's do not count."""
        return time.monotonic()


def _since_boot() -> float:
    which: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # Linux has it
    return time.monotonic() if which is None else time.clock_gettime(which)
