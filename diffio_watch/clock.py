"""The program's clocks in one object, and how a time is written."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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


def rfc3339(seconds: float | None) -> str | None:
    """Seconds since the epoch as `2026-01-31T12:00:00.250Z`; None for none and for what no calendar has."""
    return None if seconds is None or not math.isfinite(seconds) else rfc3339_ns(round(seconds * 1000) * 1_000_000)


def rfc3339_ns(nanoseconds: int) -> str | None:
    """Like `rfc3339`, exact to the nanosecond, with as many digits as are needed (none, three or nine)."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:  # filesystems can be full of such times
        return None
    digits = "" if not rest else f".{rest // 1_000_000:03}" if not rest % 1_000_000 else f".{rest:09}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + digits + "Z"


def from_rfc3339(text: str) -> int:
    """Nanoseconds since the epoch of a time in a sidecar.

    Raises:
        ValueError: it is none.
    """
    whole, _, digits = text.removesuffix("Z").partition(".")
    since = datetime.fromisoformat(whole).replace(tzinfo=UTC) - _EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000_000 + int(digits[:9].ljust(9, "0"))


def midnight(now: float, days: int = 0) -> float:
    """The start of the host's local calendar day of `now`, or of one `days` later; seconds since the epoch."""
    local = time.localtime(now)
    return time.mktime((local.tm_year, local.tm_mon, local.tm_mday + days, 0, 0, 0, 0, 0, -1))
