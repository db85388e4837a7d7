"""One job as the page shows it: its `--json` shape, and beside it an editor's words and what can be done. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from diffio_watch import editors
from diffio_watch.clock import rfc3339 as when
from diffio_watch.editors import STEPS
from diffio_watch.job import OPEN, Because, Event, Job, State
from diffio_watch.journal.totals import Took
from diffio_watch.media.length import minutes
from diffio_watch.report import offers, shapes, usual
from diffio_watch.report.offers import Purse
from diffio_watch.report.pace import Pace, way_behind
from diffio_watch.report.shapes import Shape

_SHORT_OF_DONE: Final = 0.99


def row(job: Job, why: Because | None = None) -> Shape:
    """A job in a list.

    Args:
        job: the row.
        why: what keeps it along with others, where its own row has no reason.
    """
    why = job.because or why
    told = None if why is None else editors.words(why, 1, job.inbox)
    parked = why is not None and job.state in OPEN
    return shapes.job(job) | {
        "step": STEPS[job.state],
        "words": told and told.message, "words_action": told and told.action, "who": told and told.who,
        "waits": told.message if told is not None and parked else None,
        "next_at": when(job.due_at or None) if parked else None,
        "fraction": min(_SHORT_OF_DONE, round(way_behind(job) / 100, 4)) if job.state in OPEN else None,
        "copy_of": job.duplicate_of if job.state is State.SKIPPED else None,
        "length_s": _length(job), "took_s": _took(job), "delivered_at": when(job.delivered_at), "loudness": None,
    }


def moving(made: Shape, job: Job, why: Because | None, pace: Pace, took: Sequence[Took]) -> Shape:
    """The row of a job on its way, with how long it takes; that is told only of one that nothing keeps."""
    left = pace.left(job) if why is None and job.because is None else None
    return made | {"left_seconds": None if left is None else round(left), "usual": usual.words(job, took)}


def whole(job: Job, history: Sequence[Event], sidecar: Shape | None, why: Because | None = None, *,
          seen: int | None = None, copies: tuple[int, float] = (0, 0.0)) -> Shape:
    """All about one job.

    Args:
        job: the row.
        history: its own.
        sidecar: what stands beside its result.
        why: what keeps it along with others, where its own row has no reason.
        seen: how far the journal's history went before it was read; None where nothing can be asked about it any more.
        copies: how many may be copies of it and wait, and their minutes.
    """
    told = shapes.whole_job(job, history, sidecar)
    past = [line | {"step": _step(job, event)} for line, event in zip(told["history"], history, strict=True)]
    return row(job, why) | told | {"history": past, "offers": _offers(job, seen, copies)}


def _step(job: Job, event: Event) -> str:
    """What happened to it; nothing was fetched for a copy, which went that way only to be told of in the outbox."""
    looked_at = job.state is State.SKIPPED and event.state is State.DOWNLOADING
    return STEPS[State.QUEUED if looked_at else event.state]


def _offers(job: Job, seen: int | None, copies: tuple[int, float]) -> list[Shape]:
    """What can be done about it alone, as it is now: should it change, or be followed by another, nothing is done."""
    if seen is None or job.because is None or job.state not in {State.FAILED, State.HELD}:
        return []
    unbought, long = int(job.generation_id is None), minutes(job)
    purse = Purse(1, unbought, long, long * unbought, *copies)
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
