"""What one look into the journal keeps for the next, a second later: rows that did not change, sums over very many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.report.rows import ahead, row

if TYPE_CHECKING:
    from diffio_watch.job import Job
    from diffio_watch.journal import Journal
    from diffio_watch.report.keeps import Kept
    from diffio_watch.report.shapes import Shape

_FEW: Final = 2000  # so many are counted anew each time
_KEEP: Final = 10.0  # seconds that a sum over more of them is shown


class Memory:
    """For one who looks again and again, from one thread at a time."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._shapes: dict[str, tuple[Job, Kept | None, bool, Any]] = {}
        self._sums: dict[str, tuple[float, object, Any]] = {}

    def jobs(self, journal: Journal, lists: Sequence[Sequence[tuple[str, int, float | None]]]) -> list[list[Job]]:
        """The jobs of some lists, of which only those are read that are new or changed; all others are forgotten.

        Args:
            journal: where they are.
            lists: of each job its id, the version of its row and its progress.
        """
        kept: dict[str, Job] = {}
        found = []
        for rows in lists:
            jobs = []
            for job_id, version, progress in rows:
                known = self._jobs.get(job_id)
                if known is None or (known.version, known.progress) != (version, progress):
                    known = journal.jobs.get(job_id)
                if known is not None:
                    kept[job_id] = known
                    jobs.append(known)
            found.append(jobs)
        self._jobs = kept
        self._shapes = {job_id: one for job_id, one in self._shapes.items() if job_id in kept}
        return found

    def row(self, job: Job, why: Kept | None, now: float) -> Shape:
        """`rows.row`, made once as long as nothing of it changes."""
        known, waits = self._shapes.get(job.id), ahead(job, now)
        if known is None or known[0] is not job or known[1:3] != (why, waits):
            known = self._shapes[job.id] = job, why, waits, row(job, why, now=now)
        return known[3]

    def sum(self, name: str, of: object, now: float, ask: Callable[[], tuple[int, Any]], keep: float = _KEEP) -> Any:
        """A number over jobs that may be very many.

        Args:
            name: its name.
            of: what it is asked of, such as a day.
            now: seconds since the epoch.
            ask: asks the journal: how many jobs it is over, and the sum.
            keep: seconds that it is shown, where they are very many.
        """
        until, what, known = self._sums.get(name, (0.0, None, None))
        if what != of or not 0.0 < until - now <= keep:
            count, known = ask()
            self._sums[name] = now + (keep if count > _FEW else 0.0), of, known
        return known
