"""All that there is about one job, as `show --json` and the page tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffio_watch.outbox import sidecar
from diffio_watch.report import shapes

if TYPE_CHECKING:
    from diffio_watch.job import Job
    from diffio_watch.journal import Journal
    from diffio_watch.report.shapes import Shape


def whole(journal: Journal, job: Job) -> Shape:
    """A job with its history and its sidecar."""
    return shapes.whole_job(job, journal.jobs.history(job.id), document(journal, job))


def document(journal: Journal, job: Job) -> Shape:
    """The sidecar of a job, made of its row."""
    earlier = journal.jobs.get(job.duplicate_of) if job.duplicate_of else None
    return sidecar.build(job, earlier)
