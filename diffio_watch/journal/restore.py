"""The journal's side of a rebuild: rows as sidecars and folders tell them, whatever the journal had of them before."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from diffio_watch.job import Job
from diffio_watch.journal.backup import COPIED_AT
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.files import STAND
from diffio_watch.journal.jobs import Jobs
from diffio_watch.journal.rows import COLUMNS, job_row

REBUILDING: Final = "rebuilding"  # in the meta of a journal whose rebuild is not through
_KNEW: Final = "knew_until"  # in the meta: the start counter, and until when the journal knew of everything

_AT_ONCE: Final = 500  # values in one statement
_SET: Final = ", ".join(f"{name} = :{name}" for name in COLUMNS)


class Restore:
    """What only a rebuild may do, while no daemon works with the journal."""

    def __init__(self, db: Connection, jobs: Jobs) -> None:
        self._db = db
        self._jobs = jobs

    def learn(self, job: Job, detail: str) -> Job:
        """Put a whole row, past the table of transitions: new, or in place of the row with its id.

        A row of the same content at the same place in the same run, under another id, keeps its place if its
        generation may have been bought; then this job becomes a later run. Else it gives up its claim to the content.

        Returns:
            The job as it now stands.
        """
        with self._db.transaction() as db:
            job = self._give_way(replace(job, version=job.version + 1, updated_at=self._db.clock.now()))
            known = db.execute(f"UPDATE jobs SET {_SET} WHERE id = :id", job_row(job)).rowcount  # noqa: S608 - our own column names
            if known:
                db.execute("DELETE FROM names WHERE job = ?", (job.id,))
                self._jobs.note(db, job, detail)
            else:
                self._jobs.add([job], detail)
        return job

    def _give_way(self, job: Job) -> Job:
        there = [one for one in self._jobs.at(job.inbox, job.path) if one.id != job.id and one.sha256 == job.sha256]
        if job.sha256 is None or all(one.run != job.run for one in there):
            return job
        for one in there:
            if one.run == job.run and not one.paid:
                self._jobs.commit(one, sha256=None)
                return job
        return replace(job, run=max(one.run for one in there) + 1)

    def knew_until(self) -> float | None:
        """The last moment that the journal knew of, in seconds since the epoch, before a rebuild wrote into it.

        It is remembered until the rebuild is through, or a daemon ran. None: it knew of none.
        """
        starts = self._db.meta("starts")
        if not starts:
            return None
        start, _, until = str(self._db.meta(_KNEW) or "").partition(" ")
        if start != str(starts):
            told = self._db.rows("SELECT at FROM (SELECT at FROM history ORDER BY rowid DESC LIMIT 1) "
                                 "UNION ALL SELECT at FROM inboxes")
            until = str(max([self._db.meta(COPIED_AT) or 0.0, *(row["at"] for row in told)]))
            self._db.set_meta(_KNEW, f"{starts} {until}")
        return float(until)

    def doubt(self, inbox: str) -> None:
        """What was not paid for in an inbox, as far as this journal knows, may have been: a person has to say."""
        with self._db.transaction() as db:
            db.execute("UPDATE jobs SET unproven = 1, version = version + 1 "
                       "WHERE inbox = ? AND intent_at IS NULL AND unproven = 0", (inbox,))

    def bought(self, contents: Collection[str]) -> set[str]:
        """Those of these contents (SHA-256) of which a generation may have been bought, by a job of any inbox."""
        found: set[str] = set()
        wanted = sorted(contents)
        for some in (wanted[start:start + _AT_ONCE] for start in range(0, len(wanted), _AT_ONCE)):
            marks = ", ".join("?" * len(some))
            found.update(row["sha256"] for row in self._db.rows(
                f"SELECT sha256 FROM jobs WHERE sha256 IN ({marks}) "  # noqa: S608 - question marks
                "AND (intent_at IS NOT NULL OR generation_id IS NOT NULL)", *some))
        return found

    def stand(self, job: Job, *, size: int, mtime_ns: int, inode: int | None) -> None:
        """This is the job of the file that stands at its path now."""
        with self._db.transaction() as db:
            db.execute(STAND, (job.inbox, os.fsencode(job.path), size, mtime_ns, inode, job.id, False))
