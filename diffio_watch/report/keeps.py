"""What keeps a job that has no reason of its own: a stop of all, a pause, or the limit it waits under."""

from __future__ import annotations

import time
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from diffio_watch.job import OPEN, Because, Job
from diffio_watch.journal.blocks import what_keeps
from diffio_watch.journal.turns import waits_for

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.journal import Halt, Journal

_ITS_OWN: Final = frozenset({"turn", "unavailable"})


@dataclass(frozen=True, slots=True)
class Kept:
    """What keeps a job along with others, and when that is looked at next, in seconds since the epoch; None: untold."""

    because: Because
    next_at: float | None = None


def stopped(job: Job, halts: Sequence[Halt], pauses: Container[str]) -> Kept | None:
    """The halt, or the pause, that keeps a job from its next step."""
    why = what_keeps(job, halts, pauses)
    return None if why is None else Kept(why, next((one.next_check_at for one in halts if one.because is why), None))


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
