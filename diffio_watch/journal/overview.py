"""What a person is told of the whole: what failed and was not made good, what waits and for what, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from diffio_watch.job import OPEN, Job, State
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.jobs import Jobs
from diffio_watch.journal.rows import COLUMNS, to_job
from diffio_watch.reasons import still_empty

_COLUMNS: Final = ", ".join(COLUMNS)
_OPEN: Final = ", ".join(f"'{state}'" for state in sorted(OPEN))
# a path counts by its newest job, and what stands there now may be a better copy on its way
_UNMENDED: Final = (
    "NOT EXISTS (SELECT 1 FROM jobs AS later INDEXED BY jobs_place WHERE later.inbox = jobs.inbox "
    "AND later.path = jobs.path AND later.seq > jobs.seq) "
    "AND NOT EXISTS (SELECT 1 FROM settling WHERE settling.inbox = jobs.inbox AND settling.path = jobs.path) "
    # what failed before anything was bought, and was taken out again or replaced, is nobody's concern
    "AND NOT (wish = 'away' AND intent_at IS NULL) "
    # see `reasons.still_empty`
    "AND NOT (json_extract(because, '$.code') IS 'empty' AND error_file = 0 AND coalesce(due_at, 0) > ?)")
_OF_A_KIND: Final = "because IS NOT NULL AND state = ? AND inbox = ? AND json_extract(because, '$.code') = ?"


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs of one inbox that are where they are for one reason.

    Attributes:
        inbox: its name.
        state: where they are.
        code: of the reason.
        count: how many.
        newest: the youngest of them.
    """

    inbox: str
    state: State
    code: str
    count: int
    newest: Job


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
        code = "json_extract(because, '$.code')"
        what = f"SELECT inbox, state, {code} AS code, count(*) AS n, max(seq) AS newest FROM jobs"  # noqa: S608 - a constant
        by = f"GROUP BY state, inbox, {code}"
        rows = self._db.rows(
            # tens of thousands may be held: their index tells all of them; rows are read faster in their own order
            f"{what} INDEXED BY jobs_reason WHERE state IN ('held', {_OPEN}) AND because IS NOT NULL {by} UNION ALL "
            f"{what} INDEXED BY jobs_state WHERE state = 'failed' AND {_UNMENDED} {by} ORDER BY inbox, newest DESC",
            self._db.clock.now())
        return [Group(row["inbox"], State(row["state"]), row["code"], row["n"], job)
                for row in rows for job in self._jobs.where("seq = ?", row["newest"])]

    def members(self, state: State, reason: str, inbox: str, *, seen: int | None, after: int,
                limit: int) -> tuple[list[Job], int]:
        """Jobs that have a state and a reason in common, oldest first; of failed ones those that were not made good.

        Args:
            state: theirs.
            reason: its code.
            inbox: its name.
            seen: only those of whose history nothing is newer than this line of it; None: all.
            after: only those beyond this place in the journal.
            limit: no more of them.

        Returns:
            The jobs, and the place of the last.
        """
        where, values = [_OF_A_KIND, "seq > ?"], list[Any]([state, inbox, reason, after])
        if seen is not None:
            where.append("(SELECT coalesce(max(rowid), 0) FROM history WHERE history.job = jobs.id) <= ?")
            values.append(seen)
        if state is State.FAILED:
            where.append(_UNMENDED)
            values.append(self._db.clock.now())
        rows = self._db.rows(
            f"SELECT {_COLUMNS}, seq AS place FROM jobs INDEXED BY jobs_reason WHERE {' AND '.join(where)} "  # noqa: S608 - our constants; values are bound
            "ORDER BY seq LIMIT ?", *values, limit)
        return [to_job(row) for row in rows], rows[-1]["place"] if rows else after

    def last_line(self) -> int:
        """How far the history goes: the number of its last line."""
        row = self._db.row("SELECT coalesce(max(rowid), 0) AS last FROM history")
        assert row is not None
        return int(row["last"])

    def delivered(self, since: float, until: float, limit: int) -> tuple[int, list[Job]]:
        """How many jobs were delivered between two moments, and the newest of them.

        Args:
            since: seconds since the epoch.
            until: likewise.
            limit: no more of them.
        """
        those = "delivered_at >= ? AND delivered_at < ?"
        row = self._db.row(f"SELECT count(*) AS n FROM jobs INDEXED BY jobs_delivered WHERE {those}", since, until)  # noqa: S608 - a constant
        assert row is not None
        return int(row["n"]), self._jobs.where(f"{those} ORDER BY delivered_at DESC LIMIT ?", since, until, limit,
                                               index="jobs_delivered")

    def still_empty(self) -> list[Job]:
        """Jobs of empty files that may yet be filled, in each inbox the oldest first.

        They failed, and are not told before that is due.
        """
        return [job for job in self._jobs.where(
                    "because IS NOT NULL AND state = 'failed' AND json_extract(because, '$.code') = 'empty' "
                    "AND error_file = 0 AND due_at > ?", self._db.clock.now(), index="jobs_reason")
                if still_empty(job, self._db.clock.now())]

    def stuck_originals(self) -> dict[str, int]:
        """By inbox, how many originals of delivered jobs can't go where they should."""
        rows = self._db.rows("SELECT inbox, count(*) AS n FROM jobs INDEXED BY jobs_original "
                         "WHERE original IN ('pending', 'stuck') AND original = 'stuck' GROUP BY inbox")
        return {row["inbox"]: row["n"] for row in rows}
