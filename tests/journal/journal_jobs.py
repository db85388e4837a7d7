"""Jobs, files and a clock for the journal's tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from diffio_watch.clock import Clock
from diffio_watch.job import Job, Settings, State, new_id
from diffio_watch.journal import Journal
from diffio_watch.journal.records import Found


class HandClock(Clock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1_800_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def job(path: str = "a.wav", **facts: Any) -> Job:
    """A job of inbox `in`."""
    made = Job(new_id(), "in", path, 3, 7, Settings(), detected_at=1.0, created_at=1.0)
    return replace(made, **facts)


def found(path: str, content: str, *, mtime_ns: int = 1, read: bool = True, **facts: Any) -> Found:
    """A finished file whose `content` stands for both its hashes."""
    made = Found(path, len(content), mtime_ns, Settings(), 1.0, partial=content, sha256=content if read else None)
    return replace(made, **facts)


def place(journal: Journal, *files: Found, limit: int | None = None, settling: Sequence[float] = ()) -> list[Job]:
    """Journal files and return their jobs."""
    placed = journal.files.place("in", files, batch_limit=limit, settling=settling)
    return [now(journal, one.job_id) for one in placed]


def now(journal: Journal, job_id: str) -> Job:
    """A job as it stands."""
    row = journal.jobs.get(job_id)
    assert row is not None
    return row


def states(journal: Journal) -> dict[str, State]:
    """The newest job's state at each path."""
    return {one.path: one.state for one in reversed(journal.jobs.newest())}
