"""What keeps a job that has no reason of its own: a stop of all, a pause, or the limit it waits under."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from diffio_watch.job import OPEN, Because, Job
from diffio_watch.journal.blocks import what_keeps
from diffio_watch.journal.turns import waits_for

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.journal import Journal

_ITS_OWN: Final = frozenset({"turn", "unavailable"})


def kept(config: Config, journal: Journal, job: Job) -> Because | None:
    """What keeps a job along with others: a halt, a person's pause, or the limit it waits under."""
    stopped = what_keeps(job, [halt for _, halt in sorted(journal.halts.all().items())], journal.halts.pauses())
    return stopped or waits_for(job, journal, config, time.time())


def reasoned(config: Config, journal: Journal, job: Job) -> Job:
    """A job with the limit that it waits under as its reason. What stops others along with it is told by `status`."""
    if job.because is not None or job.state not in OPEN:
        return job
    why = kept(config, journal, job)
    return replace(job, because=why) if why is not None and why.code in _ITS_OWN else job
