"""A drop is a wish: known content that is dropped anew, and whose outputs are not in the outbox, is fetched again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from diffio_watch.job import Job, State
from diffio_watch.journal import Journal, Stale
from diffio_watch.pipeline import rulings
from diffio_watch.pipeline.rulings import Ruling

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from diffio_watch.outbox import Outbox

_NO_MORE: Final = {"wish": ""}


def grant(job: Job, now: float, missing: Collection[str]) -> Ruling:
    """What becomes of a job whose known content was dropped anew. Nothing of it is ever paid for.

    Args:
        job: the row.
        now: seconds since the epoch.
        missing: types of its outputs whose bytes are not in the outbox.
    """
    gone = job.original in {"archived", "deleted"}  # it stands in the inbox again
    ruling = Ruling("")
    if job.state is State.DELIVERED and missing:
        ruling = rulings.retry(replace(job, original="kept") if gone else job, now, missing=missing)
    elif job.state is State.SKIPPED or (job.state in {State.FAILED, State.CANCELLED} and job.generation_id is not None):
        ruling = rulings.retry(job, now)
    elif job.state is State.DELIVERED and gone:
        return Ruling("", changes={**_NO_MORE, "original": "pending", "due_at": now},
                      detail="dropped anew; what it asks for is in the outbox")
    if not ruling.changes:
        return Ruling("", changes=dict(_NO_MORE), detail="dropped anew; nothing is to be fetched for it")
    again = {"original": "kept"} if gone else {}
    return replace(ruling, changes={**ruling.changes, **again, **_NO_MORE}, detail="dropped anew: it is fetched again")


class Wishes:
    """The wishes of one inbox.

    Args:
        inbox: its name.
        journal: which noticed them.
        outbox: where the outputs should be.
        log: told of each that is granted.
        tick: called while much is read, and may raise to end it.
    """

    def __init__(self, inbox: str, journal: Journal, outbox: Outbox, log: FilteringBoundLogger,
                 tick: Callable[[], None]) -> None:
        self._inbox = inbox
        self._journal = journal
        self._outbox = outbox
        self._log = log
        self._tick = tick

    def once(self, now: float) -> None:
        """Look where the outputs of what was dropped anew are, and fetch again what is not there.

        Raises:
            OutboxGone, DiskTrouble: the outbox can't be looked at.
        """
        for job in self._journal.wishes(self._inbox):
            self._tick()
            published = [output for output in job.outputs if output.state == "published"]
            missing = [output.type for output in published if not self._outbox.there(output, self._tick)]
            ruling = grant(job, now, missing)
            free = not any(self._journal.reserved(job.inbox, key, job.id) for key in ruling.reserve)
            try:
                self._journal.commit(job, detail=ruling.detail, reserve=ruling.reserve if free else (),
                                     **ruling.changes)
            except Stale:
                continue  # it is looked at anew
            if "state" in ruling.changes:
                self._log.info("job.wished_again", job=job.id, inbox=job.inbox, path=job.path)
