"""The program's two clocks in one object."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the epoch that never jump: the wall clock at the start, carried on by the monotonic one.

    A wall clock set back by an hour would otherwise park every waiting job for that hour.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch, UTC, steady within this process."""
        return time.monotonic() + self._offset

    def monotonic(self) -> float:
        """Seconds since some moment in the past, steady, for settling and health."""
        return time.monotonic()
