"""Uploads on a thin line: measured, sent alone if they outlive their sessions, and told if that does not help either.

Several uploads at once share the line, so that each may take longer than the service keeps it open; each would start
over for ever. What outlived its session once goes alone, and others wait for it; what is too slow even so waits with
its words and is tried again later.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from diffio_watch.clock import Clock
from diffio_watch.disk.names import show
from diffio_watch.job import Job
from diffio_watch.pipeline.outcome import NO_PROJECT, Outcome, new_project, park
from diffio_watch.reasons import because

_KEPT: Final = 120.0  # seconds that a turn is kept for a job that does not come for it
_LOOK: Final = 30.0  # seconds until a job that has to wait looks again
_MEASURED: Final = 30.0  # seconds of sending below which a rate says nothing
_UNTOLD: Final = 600.0  # … where the service does not tell when a session ends
_SKEW: Final = 60.0  # seconds that the service's clock and ours may differ in this
_MARGIN: Final = 1.2
_PAUSE: Final = 3600.0
_LONGEST_PAUSE: Final = 86_400.0


@dataclass
class Meter:
    """What one upload has sent of its session so far.

    Attributes:
        made: when the session was made, in monotonic seconds.
        sent: bytes.
        seconds: that sending them took.
    """

    made: float
    sent: int = 0
    seconds: float = 0.0

    def needed(self, size: int) -> float | None:
        """Seconds that so many bytes take at this rate; None where too little was measured."""
        return size * self.seconds / self.sent if self.sent and self.seconds >= _MEASURED else None


class Lane:
    """Who sends, and who has to go alone. Safe to use from many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sending: dict[str, str] = {}  # job id → its path
        self._alone: dict[str, tuple[str, float]] = {}  # job id → its path, and when it was last here; in turn
        self._meters: dict[str, Meter] = {}

    def made(self, job: Job) -> None:
        """A session was made for this job."""
        self._meters[job.id] = Meter(self._clock.monotonic())

    def blocked(self, job: Job) -> Outcome | None:
        """The job's wait for its turn; None where it may go on."""
        now = self._clock.monotonic()
        with self._lock:
            for one, (_, seen) in list(self._alone.items()):
                if one not in self._sending and now - seen > _KEPT:
                    del self._alone[one]
            if job.outlived:
                self._alone[job.id] = job.path, now
            first = next(iter(self._alone), job.id)
            others = [path for one, path in self._sending.items() if one != job.id]
            if first == job.id:
                other = others[0] if job.outlived and others else None
            else:
                begun = job.project_id is not None and first not in self._sending and not job.outlived
                other = None if begun else self._alone[first][0]
        if other is None:
            return None
        waiting = park(job, self._clock.now(), because("turn", detail=f"{show(other)} is sent alone, or before it"),
                       delay=_LOOK)
        return Outcome({**waiting.changes, "parks": job.parks}, rest=True)

    @contextmanager
    def sending(self, job: Job, before: int) -> Iterator[Running]:
        """Stands around the sending of a job's bytes, of which `before` were confirmed earlier.

        Whoever sends tells the meter how far it is.
        """
        meter = self._meters.setdefault(job.id, Meter(self._clock.monotonic()))
        with self._lock:
            self._sending[job.id] = job.path
        running = Running(self._clock, meter, before)
        try:
            yield running
        finally:
            running.stop()
            with self._lock:
                self._sending.pop(job.id, None)

    def meter(self, job: Job) -> Meter | None:
        """What was measured of the job's session in this process."""
        return self._meters.get(job.id)

    def done(self, job_id: str) -> None:
        """The job sends no more, or anew: others may have its turn."""
        with self._lock:
            self._alone.pop(job_id, None)
        self._meters.pop(job_id, None)


class Running(Meter):
    """The meter of a session while it is sent: its time goes on."""

    def __init__(self, clock: Clock, meter: Meter, before: int) -> None:
        super().__init__(meter.made, meter.sent, meter.seconds)
        self._clock = clock
        self._meter = meter
        self._before = before
        self._sent = meter.sent
        self._seconds = meter.seconds
        self._began = clock.monotonic()

    def at(self, offset: int) -> None:
        """So many bytes of the file are sent or read by now."""
        self.sent = self._meter.sent = max(self.sent, self._sent + max(0, offset - self._before))
        self.seconds = self._meter.seconds = self._seconds + self._clock.monotonic() - self._began

    def stop(self) -> None:
        """Nothing more is sent for now."""
        self.at(0)


def outlived(job: Job, meter: Meter | None, now: float, passed: float, expires_at: float | None) -> Outcome | None:
    """What becomes of an upload whose session is lost, if it took longer than that lives; None where it did not.

    Args:
        job: the row.
        meter: what was measured.
        now: seconds since the epoch.
        passed: monotonic seconds.
        expires_at: when the session was to end, in seconds since the epoch, if the service told.
    """
    needed = meter.needed(job.size) if meter is not None else None
    if meter is None or needed is None:
        return None
    lived = passed - meter.made
    by_age = lived >= _UNTOLD if expires_at is None else now >= expires_at - _SKEW
    return _slow(job, now, needed, lived) if by_age and needed * _MARGIN > lived else None


def hopeless(job: Job, meter: Meter, now: float, passed: float, expires_at: float | None, left: int) -> Outcome | None:
    """What becomes of an upload that goes alone and will not be through in time; None where it may be.

    Args:
        job: the row.
        meter: what was measured.
        now: seconds since the epoch.
        passed: monotonic seconds.
        expires_at: when the session ends, in seconds since the epoch, if the service told.
        left: bytes that are still to be sent.
    """
    rest, needed = meter.needed(left), meter.needed(job.size)
    if not job.outlived or expires_at is None or rest is None or needed is None:
        return None
    life = expires_at - now + passed - meter.made
    return _slow(job, now, needed, life) if rest > _MARGIN * (expires_at - now) else None


def _slow(job: Job, now: float, needed: float, life: float) -> Outcome:
    if not job.outlived:  # the next time it has the line for itself
        again = new_project(job, now, "the upload took longer than the service keeps it open; it goes alone now")
        return Outcome({**again.changes, "outlived": 1}, again.detail, rest=again.rest)
    pause = min(_PAUSE * 2 ** min(job.outlived - 1, 8), _LONGEST_PAUSE)
    changes: dict[str, Any] = {**NO_PROJECT, "outlived": job.outlived + 1, "progress": None}
    reason = because("too_slow", needed=_span(needed), life=_span(life))
    return Outcome({**park(job, now, reason, delay=pause).changes, **changes}, rest=True)


def _span(seconds: float) -> str:
    """A time as people tell it."""
    if seconds < 5400:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.1f} hours"
