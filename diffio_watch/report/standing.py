"""Jobs as whoever looks on sees them: with what keeps them along with others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffio_watch.job import OPEN, Job, State
from diffio_watch.journal.turns import waits_for
from diffio_watch.report import offers, rows
from diffio_watch.report.documents import document
from diffio_watch.report.keeps import Kept, stopped

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.journal import Journal
    from diffio_watch.report.shapes import Shape


class Standing:
    """How things stand at one moment, for as many jobs as are asked about.

    Raises:
        JournalError: the journal can't be read; so do its methods.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._now = journal.clock.now()
        self._halts = [halt for _, halt in sorted(journal.halts.all().items())]
        self._pauses = journal.halts.pauses()

    def row(self, job: Job) -> Shape:
        """A job in a list."""
        return rows.row(job, self._stopped(job), now=self._now)

    def whole(self, config: Config, job: Job, seen: int | None) -> Shape:
        """All about one job; `seen` is how far the history went, None where nothing can be asked about it any more."""
        why = self._stopped(job)
        if why is None and (turn := waits_for(job, self._journal, config, self._now)) is not None:
            why = Kept(turn)
        code = job.because.code if job.because is not None and job.state is State.HELD else ""
        more = bool(code) and offers.comes(code, self._journal.inboxes.settling_in(job.inbox))
        return rows.whole(job, self._journal.jobs.history(job.id), document(self._journal, job), why, seen=seen,
                          copies=self._journal.overview.copies(job.inbox), more=more, now=self._now)

    def _stopped(self, job: Job) -> Kept | None:
        return stopped(job, self._halts, self._pauses) if job.state in OPEN else None
