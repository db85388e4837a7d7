"""A drop is a wish: known content that is dropped anew, and whose outputs are not in the outbox, is fetched again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from diffio_watch.job import Job, State
from diffio_watch.journal import Journal, JournalCorrupt, JournalTrouble, NameReserved, Stale
from diffio_watch.outbox.errors import DiskTrouble, OutboxGone
from diffio_watch.pipeline import commands
from diffio_watch.pipeline.backoff import Aside
from diffio_watch.pipeline.commands import Ruling
from diffio_watch.pipeline.job_log import about

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
        ruling = commands.retry(replace(job, original="kept") if gone else job, now, missing=missing)
    elif job.state is State.SKIPPED or (job.state in {State.FAILED, State.CANCELLED} and job.generation_id is not None):
        ruling = commands.retry(job, now)
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
        self.aside = Aside()

    def once(self, now: float) -> None:
        """Look where the outputs of what was dropped anew are, and fetch again what is not there.

        Whatever one of them meets, the others have their turn.

        Raises:
            OutboxGone: the outbox is not there.
            JournalTrouble: the journal can't be relied on any more.
        """
        for job in self._journal.jobs.wishes(self._inbox, without=self.aside.waiting(now)):
            self._tick()
            try:
                self._look(job, now)
            except (OutboxGone, JournalTrouble, JournalCorrupt):
                raise
            except Exception as error:  # noqa: BLE001 - whatever a name or a file of others leads to, the next has its turn
                words = error.detail if isinstance(error, DiskTrouble) else repr(error)
                if self.aside.put(job.id, words, now):
                    self._log.warning("wish.troubled", **about(job), detail=words)
            else:
                self.aside.drop(job.id)

    def _look(self, job: Job, now: float) -> None:
        published = [output for output in job.outputs if output.state == "published"]
        missing = [output.type for output in published if not self._outbox.there(output, self._tick)]
        ruling = grant(job, now, missing)
        free = not any(self._journal.jobs.reserved(job.inbox, key, job.id) for key in ruling.reserve)
        try:
            self._journal.jobs.commit(job, detail=ruling.detail, reserve=ruling.reserve if free else (),
                                      **ruling.changes)
        except (Stale, NameReserved):
            return  # it is looked at anew
        if "state" in ruling.changes:
            self._log.info("job.wished_again", **about(job))
