"""Which line of the log a job's change is worth: ends and troubles for everybody, stages for those who look closely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from structlog.typing import FilteringBoundLogger

from diffio_watch.job import Job, State

Level = Literal["debug", "info", "warning", "error"]
_LEVELS: Final[dict[State, Level]] = {
    State.FAILED: "error", State.HELD: "warning", State.DELIVERED: "info", State.SKIPPED: "info",
    State.CANCELLED: "info", State.QUEUED: "info"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log."""

    level: Level
    event: str
    facts: dict[str, Any]

    def write(self, log: FilteringBoundLogger) -> None:
        """Put it into the log."""
        getattr(log, self.level)(self.event, **self.facts)


def about(job: Job) -> dict[str, Any]:
    """Which job it is: what each line about one carries."""
    return {"job": job.id, "inbox": job.inbox, "path": job.path}


def change(before: Job, job: Job, now: float) -> Line | None:
    """The line that a step's change of a job is worth; None where nothing has changed that people read.

    Args:
        before: the row before the step.
        job: the row after it.
        now: seconds since the epoch.
    """
    facts = about(job)
    if job.because is not None:
        facts |= {"reason": job.because.code, "message": job.because.message, "action": job.because.action}
    if job.state is not before.state:
        if job.state is State.DELIVERED:
            facts["outputs"] = [one.path for one in job.outputs if one.path is not None]
            if job.delivered_at is not None:
                facts["seconds"] = round(job.delivered_at - job.detected_at, 1)
            if job.notes:
                facts["notes"] = list(job.notes)
        return Line(_LEVELS.get(job.state, "debug"), f"job.{job.state}", facts)
    if job.because is None or job.because == before.because:
        return None
    again = before.because is not None and before.because.code == job.because.code
    facts |= {"state": str(job.state), "due_in": max(0, round((job.due_at or 0) - now))}
    return Line("debug" if again else "info", "job.parked", facts)
