"""What a step came to: the changes of its job's row, and what else the daemon has to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from diffio_watch.job import Because, Job, State
from diffio_watch.reasons import because

# what an upload leaves in a row, as nothing
NO_PROJECT: Final[Mapping[str, Any]] = {
    "base_url": None, "key_print": None, "project_id": None, "upload": None, "upload_id": None, "part_size": None,
    "uploaded": False,
}
_PAUSES: Final = (15.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Stop:
    """What is to be stopped, more than this job: `scope` as in the journal's halts.

    `next_check_at`: seconds since the epoch, where the service named a time.
    """

    scope: str
    because: Because
    next_check_at: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Changes of a row, and their side notes.

    Attributes:
        changes: fields of the job and their new values; empty: nothing is to be committed.
        detail: a word for the history.
        reserve: compare keys of the names in the outbox that the job takes.
        stop: what more than this job is to be stopped.
        look_again: intake is to look at the file.
        rest: the job is left alone until the dispatcher picks it again.
        soft: nothing that comes next depends on it: it may come onto the disk together with what follows. Should the
            program die before, the step is done again.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    detail: str = ""
    reserve: Sequence[str] = ()
    stop: Stop | None = None
    look_again: bool = False
    rest: bool = False
    soft: bool = False


def pause(parks: int) -> float:
    """Seconds until a job that was parked `parks` times in a row is tried again."""
    return _PAUSES[min(parks, len(_PAUSES) - 1)]


def go(detail: str = "", *, reserve: Sequence[str] = (), soft: bool = False, **changes: Any) -> Outcome:
    """The job goes on: whatever it was parked for is over."""
    return Outcome({"because": None, "parks": 0, **changes}, detail, reserve, soft=soft)


def park(job: Job, now: float, reason: Because, *, delay: float | None = None) -> Outcome:
    """The job keeps its state and is due later; it does not fail.

    Args:
        job: the row.
        now: seconds since the epoch.
        reason: of the table's kind `parked`.
        delay: seconds, where it is not the usual growing pause.
    """
    wait = pause(job.parks) if delay is None else delay
    return Outcome({"because": reason, "due_at": now + wait, "parks": job.parks + 1}, rest=True)


def fail(job: Job, now: float, code: str, **facts: object) -> Outcome:
    """The file's own fault, or the service's final word."""
    reason = because(code, job=job.id, inbox=job.inbox, project=job.project_id or "?", **facts)
    return Outcome({"state": State.FAILED, "because": reason, "due_at": now, "error_file": False}, rest=True)


def hold(job: Job, code: str, *, until: float | None = None, **facts: object) -> Outcome:
    """A person decides, or the time `until` comes."""
    reason = because(code, job=job.id, inbox=job.inbox, project=job.project_id or "?", **facts)
    return Outcome({"state": State.HELD, "because": reason, "due_at": until, "error_file": False}, rest=True)


def changed(job: Job) -> Outcome:
    """The file is no longer what was journalled: nothing is paid; it settles again, or intake sees it gone."""
    return Outcome({**NO_PROJECT, "state": State.QUEUED, "because": because("changed", job=job.id), "due_at": None,
                    "sha256": None, "progress": None}, look_again=True, rest=True)


def new_project(job: Job, now: float, detail: str) -> Outcome:
    """The upload starts over with a project of its own; allowed only while nothing may have been paid."""
    assert not job.paid
    wait = 0.0 if job.parks == 0 else pause(job.parks - 1)
    return Outcome({**NO_PROJECT, "state": State.UPLOADING, "due_at": now + wait, "parks": job.parks + 1,
                    "progress": None, "because": because("service_error", detail=detail)}, detail, rest=wait > 0)
