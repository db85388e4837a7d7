"""Before money is spent: can what it buys be delivered? Asked of the outbox itself, for no rule tells what it takes."""

from __future__ import annotations

from typing import Final

from diffio_watch.disk.names import show
from diffio_watch.job import DownloadType, Job
from diffio_watch.pipeline.decide import size
from diffio_watch.pipeline.outcome import Outcome, park, pause
from diffio_watch.pipeline.tools import Tools
from diffio_watch.reasons import because

_LONGEST_PAUSE: Final = 600.0  # others may be delivered meanwhile, or taken away


def ready(job: Job, tools: Tools) -> Outcome:
    """Park a job whose result could not be delivered now; an outcome without changes where it could.

    Raises:
        OutboxGone, DiskTrouble: the outbox does not take the job's names, or its folder.
    """
    outbox = tools.outbox(job)
    with tools.files.call(job.inbox):
        free = outbox.free()
    # the results of others that are bought come first
    beside = {name for name, other in tools.outboxes.items() if outbox.filesystem and
              other.filesystem == outbox.filesystem} | {job.inbox}
    coming, spare = tools.journal.totals.undelivered(beside, job.id), tools.config.limits.min_free
    if free < job.size + coming + spare:
        parts = [f"the file has {size(job.size)}", *([f"{size(coming)} are bought and to come"] if coming else []),
                 f"`limits.min_free` is {size(spare)}"]
        detail = f"{show(outbox.root.path)}: {size(free)} are free, {', '.join(parts)}"
        return park(job, tools.clock.now(), because("disk", detail=detail), delay=min(pause(job.parks), _LONGEST_PAUSE))
    with tools.files.call(job.inbox):
        outbox.form_for(job, dict.fromkeys(_kinds(job)), folder=True)
    return Outcome()


def _kinds(job: Job) -> set[DownloadType]:
    """What may come of a job: what was asked for, and the sound in its place."""
    kinds: set[DownloadType] = {"audio"}
    kinds.update(wish for wish in job.settings.outputs if wish != "auto")
    if job.media is not None and job.media.has_video:
        kinds.add("video")
    return kinds
