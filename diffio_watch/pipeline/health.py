"""Is an origin down, or did a few calls just fail? Counted here, with the time passed in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

# an outage: so many failures in a row, from so many jobs or all there are, over so many seconds
_FAILURES: Final = 5
JOBS: Final = 3
_SPAN: Final = 2.0
_PROBES: Final = (5.0, 15.0, 60.0, 120.0, 300.0)  # seconds between probes of an origin that is down
_ACCOUNT_PROBES: Final = tuple(60.0 * minutes for minutes in (1, 2, 5, 10, 20, 40, 60))


def origin_pause(probes: int) -> float:
    """Seconds until an origin that is down is probed again, after so many probes."""
    return _PROBES[min(probes, len(_PROBES) - 1)]


def account_pause(probes: int) -> float:
    """Seconds until a halted account or a stopped inbox is probed again, after so many probes."""
    return _ACCOUNT_PROBES[min(probes, len(_ACCOUNT_PROBES) - 1)]


@dataclass(slots=True)
class _Run:
    """Failures in a row at one origin."""

    since: float
    count: int = 0
    jobs: set[str] = field(default_factory=set)


class Health:
    """Failures in a row, by origin. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}

    def seen(self, origin: str, job: str, now: float, *, ok: bool, open_jobs: Callable[[], int]) -> bool:
        """Note one request; whether the origin counts as down by now.

        Args:
            origin: scheme and host.
            job: whose request it was; "" of nobody's.
            now: seconds, monotonic or not, but of one clock.
            ok: it was answered as one answers who works.
            open_jobs: how many jobs there are that could fail; asked only when it matters.
        """
        with self._lock:
            if ok:
                self._runs.pop(origin, None)
                return False
            run = self._runs.setdefault(origin, _Run(now))
            run.count += 1
            if job:
                run.jobs.add(job)
            if run.count < _FAILURES or now - run.since < _SPAN:
                return False
            jobs = len(run.jobs)
        return jobs >= JOBS or jobs >= open_jobs()
