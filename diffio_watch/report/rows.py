"""One job as the page shows it: its `--json` shape, and beside it an editor's words and what can be done. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from diffio_watch import editors
from diffio_watch.clock import rfc3339 as when
from diffio_watch.editors import STEPS
from diffio_watch.job import OPEN, Event, Job, State
from diffio_watch.journal.totals import Took
from diffio_watch.media.length import minutes
from diffio_watch.reasons import because, still_empty
from diffio_watch.report import offers, shapes, usual
from diffio_watch.report.keeps import Kept
from diffio_watch.report.offers import Purse
from diffio_watch.report.pace import Pace, way_behind
from diffio_watch.report.shapes import Shape

_SHORT_OF_DONE: Final = 0.99
_NOT_YET: Final = "is not picked up yet"
_WAITS: Final = "waits"


def row(job: Job, why: Kept | None = None, *, now: float = math.inf) -> Shape:
    """A job in a list.

    Args:
        job: the row.
        why: what keeps it along with others; that comes before its own reason, which may be over by then.
        now: seconds since the epoch; where it is not given, no time of it is ahead.
    """
    empty = still_empty(job, now)
    job = replace(job, because=because("empty_yet")) if empty else job
    reason = job.because if why is None else why.because
    told = None if reason is None else editors.words(reason, 1, job.inbox)
    parked = reason is not None and (job.state in OPEN or empty)
    waits = why is not None or ahead(job, now)
    return shapes.job(job) | {
        "step": _NOT_YET if empty else _WAITS if waits else STEPS[job.state],
        "words": told and told.message, "words_action": told and told.action, "who": told and told.who,
        "waits": told.message if told is not None and parked else None,
        "next_at": when((job.due_at or None) if why is None else why.next_at) if parked else None,
        "fraction": min(_SHORT_OF_DONE, round(way_behind(job) / 100, 4)) if job.state in OPEN and not waits else None,
        "copy_of": job.duplicate_of if job.state is State.SKIPPED else None,
        "length_s": _length(job), "took_s": _took(job), "delivered_at": when(job.delivered_at), "loudness": None,
    }


def ahead(job: Job, now: float) -> bool:
    """Whether a job waits for a moment that has still to come, for a reason of its own."""
    return job.state in OPEN and job.because is not None and (job.due_at or 0.0) > now


def moving(made: Shape, job: Job, why: Kept | None, pace: Pace, took: Sequence[Took]) -> Shape:
    """The row of a job on its way, with how long it takes; that is told only of one that nothing keeps."""
    left = pace.left(job) if why is None and job.because is None else None
    return made | {"left_seconds": None if left is None else round(left),
                   "usual": None if made["fraction"] is None else usual.words(job, took)}


def whole(job: Job, history: Sequence[Event], sidecar: Shape | None, why: Kept | None = None, *,
          seen: int | None = None, copies: tuple[int, float] = (0, 0.0), more: bool = False,
          now: float = math.inf) -> Shape:
    """All about one job.

    Args:
        job: the row.
        history: its own.
        sidecar: what stands beside its result.
        why: what keeps it along with others.
        seen: how far the journal's history went before it was read; None where nothing can be asked about it any more.
        copies: how many may be copies of it and wait, and their minutes.
        more: of the drop that it is held of, some is still being copied.
        now: seconds since the epoch.
    """
    told = shapes.whole_job(job, history, sidecar)
    empty = still_empty(job, now)
    past = [line | {"step": _NOT_YET if empty and event.state is State.FAILED else _step(job, event)}
            for line, event in zip(told["history"], history, strict=True)]
    buttons = [] if empty else _offers(job, seen, copies, more=more)
    return told | row(job, why, now=now) | {"history": past, "offers": buttons}


def _step(job: Job, event: Event) -> str:
    """What happened to it; nothing was fetched for a copy, which went that way only to be told of in the outbox."""
    looked_at = job.state is State.SKIPPED and event.state is State.DOWNLOADING
    return STEPS[State.QUEUED if looked_at else event.state]


def _offers(job: Job, seen: int | None, copies: tuple[int, float], *, more: bool) -> list[Shape]:
    """What can be done about it alone, as it is now: should it change, or be followed by another, nothing is done."""
    if seen is None or job.because is None or job.state not in {State.FAILED, State.HELD}:
        return []
    unbought, long = int(job.generation_id is None), minutes(job)
    purse = Purse(1, unbought, long, long * unbought, *copies, more=more)
    query = {"state": job.state.value, "reason": job.because.code, "inbox": job.inbox, "seen": seen, "job": job.id}
    return [offers.offer(way, purse, {"query": query}, job.because.code, alone=True)
            for way in offers.of_jobs(job.state.value, job.because.code)]


def _length(job: Job) -> float | None:
    """Seconds that the recording lasts; as its result says, where it does not tell itself."""
    told = [media.duration_s for media in (job.media, *(one.media for one in job.outputs)) if media is not None]
    return next((length for length in told if length), None)


def _took(job: Job) -> float | None:
    """Seconds from its detection to its delivery."""
    return None if job.delivered_at is None else round(max(0.0, job.delivered_at - job.detected_at), 1)
