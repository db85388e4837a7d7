"""What a person is told of the whole: what failed and was not made good, what waits and for what, in numbers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final

from diffio_watch.job import Job, State
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.jobs import Jobs
from diffio_watch.journal.rows import COLUMNS, to_job
from diffio_watch.journal.schema import KINDS
from diffio_watch.reasons import still_empty

_COLUMNS: Final = ", ".join(COLUMNS)
# a path counts by its newest job, and what stands there now may be a better copy on its way
_UNMENDED: Final = (
    "followed = 0 "
    "AND NOT EXISTS (SELECT 1 FROM settling WHERE settling.inbox = jobs.inbox AND settling.path = jobs.path) "
    # what failed before anything was bought, and was taken out again or replaced, is nobody's concern
    "AND NOT (wish = 'away' AND intent_at IS NULL) "
    # see `reasons.still_empty`
    "AND NOT (json_extract(because, '$.code') IS 'empty' AND error_file = 0 AND coalesce(due_at, 0) > ?)")
# empty files that no error file tells of yet, as `jobs_notice` has them
_UNTOLD: Final = (
    "error_file = 0 AND state IN ('failed', 'held') AND json_extract(because, '$.code') IS NOT 'drop_size' "
    "AND state = 'failed' AND code = 'empty'")
_HERE: Final = KINDS.replace("because", "jobs.because")  # the settling list has reasons, too
_IN: Final = "(? IS NULL OR inbox = ?)"
_OF_A_KIND: Final = "because IS NOT NULL AND state = ? AND inbox = ? AND json_extract(because, '$.code') = ?"

Glimpse = tuple[str, int, float | None]  # a job's id, the version of its row, and its progress, which changes without


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs of one inbox that are where they are for one reason.

    Attributes:
        inbox: its name.
        state: where they are.
        code: of the reason.
        count: how many.
        unbought: of them, those that no generation is known of; about so many.
        newest: the youngest of them.
        minutes: of media that all of them have, for a purchase.
        unbought_minutes: that the unbought have.
    """

    inbox: str
    state: State
    code: str
    count: int
    newest: Job
    unbought: int = 0
    minutes: float = 0.0
    unbought_minutes: float = 0.0


class Overview:
    """Questions of those who look on."""

    def __init__(self, db: Connection, jobs: Jobs) -> None:
        self._db = db
        self._jobs = jobs

    def failures(self, since: float = 0.0, limit: int | None = None) -> list[Job]:
        """Failed jobs that nothing newer at their path has made good, newest first.

        Args:
            since: seconds since the epoch; only those that failed then or later.
            limit: no more of them.
        """
        return self._jobs.where(f"state = 'failed' AND updated_at >= ? AND {_UNMENDED} ORDER BY seq DESC LIMIT ?",
                          since, self._db.clock.now(), -1 if limit is None else limit, index="jobs_state")

    def groups(self) -> list[Group]:
        """What is held, has failed and was not made good, or waits with a reason, by inbox, state and reason."""
        rows = self._db.rows(
            "SELECT inbox, state, code, count(*) AS n, sum(unbought) AS unbought, max(seq) AS newest, "  # noqa: S608 - a constant
            "total(length) AS minutes, total(iif(unbought, length, 0)) AS unbought_minutes "
            f"FROM jobs INDEXED BY jobs_kinds WHERE {KINDS} GROUP BY state, inbox, code")
        yet = self._not_yet()
        found = []
        for row in sorted(rows, key=lambda row: (row["inbox"], -row["newest"])):
            code, state = row["code"] or "", State(row["state"])
            less = yet.get((row["inbox"], code), 0) if state is State.FAILED else 0
            if row["n"] == less:
                continue
            newest = self._jobs.where(f"{_OF_A_KIND} AND {_UNMENDED} ORDER BY seq DESC LIMIT 1", state, row["inbox"],
                                      code, self._db.clock.now(), index="jobs_reason") if less else []
            newest = newest or self._jobs.where("seq = ?", row["newest"])
            found.append(Group(row["inbox"], state, code, row["n"] - less, newest[0], row["unbought"],
                               row["minutes"], row["unbought_minutes"]))
        return found

    def copies(self, inbox: str) -> tuple[int, float]:
        """Jobs of an inbox that may be copies of others and wait for what becomes of those: how many, their minutes."""
        row = self._db.row("SELECT count(*) AS n, total(length) AS minutes FROM jobs INDEXED BY jobs_kinds "  # noqa: S608 - a constant
                           f"WHERE {KINDS} AND state = 'queued' AND inbox = ? AND code = 'twin'", inbox)
        assert row is not None
        return row["n"], row["minutes"]

    def _not_yet(self) -> dict[tuple[str, str], int]:
        """How many failed of those that may be another's turn by now: something settles there, or it may be filled."""
        rows = self._db.rows(
            "SELECT inbox, code, count(*) AS n FROM jobs WHERE seq IN ("  # noqa: S608 - constants; the value is bound
            "SELECT jobs.seq FROM settling CROSS JOIN jobs INDEXED BY jobs_place ON jobs.inbox = settling.inbox "
            f"AND jobs.path = settling.path WHERE {_HERE} AND state = 'failed' "
            f"UNION SELECT seq FROM jobs INDEXED BY jobs_notice WHERE {_UNTOLD} AND {KINDS} AND due_at > ?) "
            "GROUP BY inbox, code", self._db.clock.now())
        return {(row["inbox"], row["code"] or ""): row["n"] for row in rows}

    def members(self, state: State, reason: str, inbox: str, *, seen: int | None, after: int,
                limit: int, job: str | None = None) -> tuple[list[Job], int]:
        """Jobs that have a state and a reason in common, oldest first; of failed ones those that were not made good.

        Args:
            state: theirs.
            reason: its code.
            inbox: its name.
            seen: only those of whose history nothing is newer than this line of it; None: all.
            after: only those beyond this place in the journal.
            limit: no more of them.
            job: only the one with this id.

        Returns:
            The jobs, and the place of the last.
        """
        where, values = [_OF_A_KIND, "seq > ?"], list[Any]([state, inbox, reason, after])
        if job is not None:
            where.append("id = ?")
            values.append(job)
        if seen is not None:
            where.append("(SELECT coalesce(max(rowid), 0) FROM history WHERE history.job = jobs.id) <= ?")
            values.append(seen)
        if state is State.FAILED:
            where.append(_UNMENDED)
            values.append(self._db.clock.now())
        rows = self._db.rows(
            f"SELECT {_COLUMNS}, seq AS place FROM jobs {'INDEXED BY jobs_reason' if job is None else ''} "  # noqa: S608 - our constants; values are bound
            f"WHERE {' AND '.join(where)} "
            "ORDER BY seq LIMIT ?", *values, limit)
        return [to_job(row) for row in rows], rows[-1]["place"] if rows else after

    def named(self, name: str, limit: int) -> list[Job]:
        """The newest jobs of files of this name, in whatever inbox and folder.

        Args:
            name: without folders.
            limit: no more of them.
        """
        return self._jobs.where("name = CAST(? AS TEXT) ORDER BY seq DESC LIMIT ?", os.fsencode(name), limit,
                                index="jobs_name")

    def last_line(self) -> int:
        """How far the history goes: the number of its last line."""
        row = self._db.row("SELECT coalesce(max(rowid), 0) AS last FROM history")
        assert row is not None
        return int(row["last"])

    def changed_since(self, job_id: str, seen: int | None) -> bool:
        """Whether a job's history has a newer line than this one; with None nobody looked, and nothing has."""
        return seen is not None and self._db.row(
            "SELECT 1 FROM history WHERE job = ? AND rowid > ? LIMIT 1", job_id, seen) is not None

    def moving(self, limit: int, inbox: str | None = None) -> list[Glimpse]:
        """The jobs on their way that are nearest to their end, of each step the newest first; then the oldest queued.

        Args:
            limit: no more of them.
            inbox: only in this one.
        """
        found: list[Glimpse] = []
        for state in (State.DOWNLOADING, State.UPLOADING, State.GENERATING, State.WAITING):
            if len(found) < limit:
                found += self._glimpses("jobs_state", f"state = ? AND {_IN} ORDER BY seq DESC LIMIT ?", state, inbox,
                                        inbox, limit - len(found))
        if len(found) < limit:  # and those that are next
            found += self._glimpses("jobs_state", f"state = ? AND {_IN} ORDER BY seq LIMIT ?", State.QUEUED, inbox,
                                    inbox, limit - len(found))
        return found

    def delivered(self, since: float, until: float, limit: int, inbox: str | None = None) -> list[Glimpse]:
        """What was delivered between two moments, newest first.

        Args:
            since: seconds since the epoch.
            until: likewise.
            limit: no more of them.
            inbox: only in this one.
        """
        return self._glimpses("jobs_delivered", "delivered_at >= ? AND delivered_at < ? AND state = 'delivered' "
                              f"AND {_IN} ORDER BY delivered_at DESC LIMIT ?", since, until, inbox, inbox, limit)

    def delivered_between(self, since: float, until: float, inbox: str | None = None) -> int:
        """How many jobs were, in one inbox or in all."""
        those = "FROM jobs INDEXED BY jobs_delivered WHERE delivered_at >= ? AND delivered_at < ?"
        row = (self._db.row(f"SELECT count(*) AS n {those}", since, until) if inbox is None else
               self._db.row(f"SELECT count(*) AS n {those} AND inbox = ?", since, until, inbox))
        assert row is not None
        return int(row["n"])

    def _glimpses(self, index: str, where: str, *values: Any) -> list[Glimpse]:
        return [(row["id"], row["version"], row["progress"]) for row in self._db.rows(
            f"SELECT id, version, progress FROM jobs INDEXED BY {index} WHERE {where}", *values)]  # noqa: S608 - our constants; values are bound

    def still_empty(self) -> list[Job]:
        """Jobs of empty files that may yet be filled, in each inbox the oldest first.

        They failed, and are not told before that is due.
        """
        return [job for job in self._jobs.where(f"{_UNTOLD} AND due_at > ? ORDER BY inbox, seq", self._db.clock.now(),
                                                index="jobs_notice")
                if still_empty(job, self._db.clock.now())]

    def stuck_originals(self) -> dict[str, int]:
        """By inbox, how many originals of delivered jobs can't go where they should."""
        rows = self._db.rows("SELECT inbox, count(*) AS n FROM jobs INDEXED BY jobs_original "
                         "WHERE original IN ('pending', 'stuck') AND original = 'stuck' GROUP BY inbox")
        return {row["inbox"]: row["n"] for row in rows}
