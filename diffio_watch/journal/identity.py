"""Whether the file that stands somewhere is what a job is about, or may take its place in the row. Pure."""

from __future__ import annotations

from typing import Final

from diffio_watch.job import Job, State
from diffio_watch.journal.records import Found

CONTENT_OPEN: Final = frozenset({State.QUEUED, State.UPLOADING, State.HELD})  # of what may be sent another content yet


def replaced(inode: int | None, now: int | None) -> bool:
    """Whether another file stands there; only where inode numbers can be trusted."""
    return inode is not None and now is not None and inode != now


def by_its_date(job: Job) -> bool:
    """Whether a job failed before anything was sent for what another date of the same content may heal."""
    return (job.state is State.FAILED and job.because is not None and job.because.code == "truncated"
            and job.project_id is None)


def discarded(job: Job, file: Found) -> bool:
    """Whether a person cancelled this before it was read: a mere touch is no wish to pay for it."""
    return (job.state is State.CANCELLED and job.because is not None and job.because.code == "discarded"
            and job.sha256 is None and job.partial != "" and (job.size, job.partial) == (file.size, file.partial))


def nothing_sent(job: Job, file: Found) -> bool:
    """Whether nothing was paid for this job's content, so that its row may describe another one.

    What a person asked for anew is about the content that it had.
    """
    meant = job.run == 1 or (job.size, job.partial) == (file.size, file.partial)
    return job.state in CONTENT_OPEN and not job.paid and not job.uploaded and meant
