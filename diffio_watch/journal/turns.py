"""What a due job waits for that nobody has begun: the limit that it waits under, or an inbox that is no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from diffio_watch.job import OPEN, Because, Job, State
from diffio_watch.reasons import because

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.journal import Journal

# what counts for `limits.in_flight`: what is at the service, or on its way there
IN_FLIGHT: Final = frozenset({State.UPLOADING, State.GENERATING, State.WAITING})
PARKS_OUT: Final = 3  # a job that was parked so often in a row keeps no other from its turn


def share_of(size: int, inboxes: int) -> int:
    """How many of a pool's threads one inbox may have: half of them where there are several inboxes."""
    return size if inboxes == 1 else max(1, size // 2)


def waits_for(job: Job, journal: Journal, config: Config, now: float) -> Because | None:
    """Why a job that is due, and has no reason in its row, is not under way; None where it is, or is about to be.

    Args:
        job: the row.
        journal: where the others are.
        config: the configuration in force.
        now: seconds since the epoch.
    """
    if job.state not in OPEN or job.because is not None:
        return None
    names = [inbox.name for inbox in config.inboxes]
    if job.inbox not in names:
        return because("left_out", inbox=job.inbox)
    if job.due_at is None or job.due_at > now:
        return None
    limits = config.limits
    if job.state is State.QUEUED:
        under_way = journal.totals.under_way(IN_FLIGHT, names, config.api.base_url, parks=PARKS_OUT)
        if under_way >= limits.in_flight:
            return because("turn", detail=f"`limits.in_flight` is {limits.in_flight}, and {under_way} files are "
                                          "being uploaded or restored")
    limit, size, states = {
        State.QUEUED: ("uploads", limits.uploads, (State.UPLOADING, State.QUEUED)),
        State.UPLOADING: ("uploads", limits.uploads, (State.UPLOADING,)),
        State.DOWNLOADING: ("downloads", limits.downloads, (State.DOWNLOADING,)),
    }.get(job.state, ("", 0, ()))
    if not limit:
        return None
    room = share = share_of(size, len(names))
    for state in states:
        first = [one.id for one in journal.schedule.due({state}, job.inbox, now, room)] if room else []
        if job.id in first:
            return None
        room -= len(first)
    half = "" if share == size else f", of which one inbox gets {share}"
    return because("turn", detail=f"`limits.{limit}` is {size}{half}, and others are before it")
