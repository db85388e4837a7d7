"""How fast things move, for those who look on: from what was seen before of each job. Time is passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from diffio_watch.job import Job, State

_MOVING: Final = frozenset({State.UPLOADING, State.WAITING, State.DOWNLOADING})
_WINDOW: Final = 15.0  # seconds that a speed is taken from
_LEAST: Final = 2.0  # … and at least, or it is only noise
# how much of the whole way lies behind a job in each state, in percent, and how much its own progress adds
_WAY: Final = {
    State.QUEUED: (5, 0), State.UPLOADING: (8, 27), State.GENERATING: (36, 0), State.WAITING: (38, 42),
    State.DOWNLOADING: (82, 16),
}


def way_behind(job: Job) -> float:
    """How much of its way from the inbox to the outbox lies behind a job, in percent."""
    base, share = _WAY.get(job.state, (100, 0))
    return base + share * min(100.0, max(0.0, job.progress or 0.0)) / 100


@dataclass(slots=True)
class _Track:
    state: State
    seen: deque[tuple[float, float]] = field(default_factory=deque)  # moment, percent


class Pace:
    """What was seen of the jobs that move."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}

    def note(self, jobs: Iterable[Job], now: float) -> None:
        """A look at what moves now; what is not among it is forgotten."""
        tracks = {}
        for job in jobs:
            if job.state not in _MOVING or job.progress is None:
                continue
            track = self._tracks.get(job.id)
            if track is None or track.state is not job.state or (track.seen and track.seen[-1][1] > job.progress):
                track = _Track(job.state)
            track.seen.append((now, job.progress))
            while now - track.seen[0][0] > _WINDOW:
                track.seen.popleft()
            tracks[job.id] = track
        self._tracks = tracks

    def speed(self, job: Job) -> float | None:
        """Bytes a second of an upload; None where that can't be told."""
        rate = self._rate(job)
        return rate * job.size / 100 if rate is not None and job.state is State.UPLOADING else None

    def left(self, job: Job) -> float | None:
        """Seconds until the step that a job is at is through, if it goes on so; None where that can't be told."""
        rate = self._rate(job)
        return (100 - (job.progress or 0.0)) / rate if rate else None

    def _rate(self, job: Job) -> float | None:
        """Percent a second."""
        track = self._tracks.get(job.id)
        if track is None or track.state is not job.state:
            return None
        (first, was), (last, is_now) = track.seen[0], track.seen[-1]
        return (is_now - was) / (last - first) if last - first >= _LEAST and is_now > was else None
