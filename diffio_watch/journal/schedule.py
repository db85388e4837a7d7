"""What is due, and when something will be: the dispatcher's questions, and what moves many jobs' times at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from diffio_watch.job import OPEN, Job, State
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.jobs import Jobs
from diffio_watch.journal.rows import dump

_OPEN: Final = ", ".join(f"'{state}'" for state in sorted(OPEN))
# of each state a look at one row
_NEXT: Final = " UNION ALL ".join(
    f"SELECT min(due_at) AS at FROM jobs INDEXED BY jobs_next WHERE state IN ({_OPEN}) AND state = '{state}' "  # noqa: S608 - our states
    "AND due_at > ?" for state in sorted(OPEN))


class Schedule:
    """When jobs are to take their next steps."""

    def __init__(self, db: Connection, jobs: Jobs) -> None:
        self._db = db
        self._jobs = jobs

    def due(self, states: Collection[State], inbox: str, now: float, limit: int, *, paid: bool = False) -> list[Job]:
        """What is due in one inbox, in the order it is to be done: bumped first, then priority, then age.

        With `paid`, only what has been paid for. What merely waits for the service is asked for as it becomes due.
        """
        only = "AND intent_at IS NOT NULL" if paid else ""
        if set(states) == {State.WAITING}:
            return self._jobs.where(f"state IN ({_OPEN}) AND state = 'waiting' AND inbox = ? AND due_at <= ? {only} "
                              "ORDER BY due_at LIMIT ?", inbox, now, limit, index="jobs_next")
        marks = ", ".join("?" * len(states))
        return self._jobs.where(
            f"state IN ({marks}) AND inbox = ? AND due_at <= ? {only} ORDER BY bumped DESC, priority DESC, seq LIMIT ?",
            *sorted(states), inbox, now, limit, index="jobs_due")

    def oldest(self, state: State, of: Collection[tuple[str, bool]], limit: int, base_url: str) -> list[Job]:
        """Jobs in a state that go on by themselves some time, oldest first.

        Args:
            state: theirs.
            of: names of inboxes, each with whether the jobs are paid for.
            limit: no more of them.
            base_url: of the service; those that belong to another one are left out.
        """
        if not of:
            return []
        groups = ", ".join("(?, ?)" for _ in of)
        return self._jobs.where(
            f"state = ? AND due_at IS NOT NULL AND (inbox, intent_at IS NOT NULL) IN (VALUES {groups}) "
            "AND (base_url IS NULL OR base_url = ?) ORDER BY seq LIMIT ?",
            state, *[value for group in of for value in group], base_url, limit)

    def goes_on(self, state: State, inbox: str, until: float, *, paid: bool) -> bool:
        """Whether any job in a state, paid for or not, is due until then, in seconds since the epoch."""
        return self._db.row("SELECT 1 FROM jobs INDEXED BY jobs_due WHERE state = ? AND inbox = ? AND due_at <= ? "
                         "AND (intent_at IS NOT NULL) = ? LIMIT 1", state, inbox, until, paid) is not None

    def next_due(self, now: float) -> float | None:
        """When the next open job that is not due yet becomes due."""
        row = self._db.row(f"SELECT min(at) AS at FROM ({_NEXT})", *[now] * len(OPEN))  # noqa: S608 - our states
        return None if row is None else row["at"]

    def held_until(self, inbox: str, now: float, limit: int = 200) -> list[Job]:
        """Held jobs whose time to go on by themselves has come."""
        return self._jobs.where("state = 'held' AND inbox = ? AND due_at <= ? ORDER BY seq LIMIT ?", inbox, now, limit,
                          index="jobs_due")

    def stranded(self, inbox: str) -> list[Job]:
        """Jobs that wait for their file to settle anew, and of which none stands in the inbox."""
        return self._jobs.where("state = 'queued' AND inbox = ? AND due_at IS NULL "
                          "AND NOT EXISTS (SELECT 1 FROM files WHERE files.job = jobs.id)", inbox)

    def pull_in(self, open_until: float, held_until: float) -> None:
        """Let nothing be due later than this, in seconds since the epoch: a clock that was wrong dated it.

        Args:
            open_until: for jobs on their way.
            held_until: for those that are held until a time.
        """
        with self._db.transaction() as db:
            db.execute(f"UPDATE jobs SET due_at = ?, version = version + 1 WHERE state IN ({_OPEN}) AND due_at > ?",  # noqa: S608 - our states
                       (open_until, open_until))
            db.execute("UPDATE jobs SET due_at = ?, version = version + 1 WHERE state = 'held' AND due_at > ?",
                       (held_until, held_until))

    def ask_at_once(self, generations: Collection[str], now: float) -> int:
        """Make the jobs that wait for one of these generations due now; how many these were.

        What is parked keeps its time: the service asked for that pause, or did not answer. Nothing depends on it, so
        it waits for no sync; and where nobody waits, nothing is written.

        Args:
            generations: their ids.
            now: seconds since the epoch.
        """
        those = "state = 'waiting' AND because IS NULL AND due_at > ?"
        found = self._db.rows(f"SELECT id FROM jobs INDEXED BY jobs_generation WHERE generation_id IS NOT NULL "  # noqa: S608 - a constant
                              f"AND generation_id IN (SELECT value FROM json_each(?)) AND {those}",
                              dump(list(generations)), now)
        if found:
            # whoever asks for one just now may have asked before its end: by the new version that answer counts no more
            self._db.together(lambda db: db.executemany(
                f"UPDATE jobs SET due_at = ?, version = version + 1 WHERE id = ? AND {those}",  # noqa: S608 - a constant
                [(now, row["id"], now) for row in found]), synced=False)
        return len(found)

    def bring_forward(self, codes: Collection[str], now: float, origin: str | None = None, *,
                      floor: float = 0.0, but: Collection[str] = ()) -> int:
        """Make every open job that is parked for one of these reasons due now.

        Args:
            codes: reasons' codes.
            now: seconds since the epoch.
            origin: only those whose sentence names this origin.
            floor: seconds that a job waits at least after it was parked.
            but: ids of jobs that are left as they are.
        """
        marks = ", ".join("?" * len(codes))
        with self._db.transaction() as db:
            return db.execute(
                f"UPDATE jobs SET due_at = max(?, updated_at + ?), version = version + 1 "  # noqa: S608 - our states and marks; values are bound
                f"WHERE state IN ({_OPEN}) AND due_at > max(?, updated_at + ?) "
                f"AND json_extract(because, '$.code') IN ({marks}) "
                "AND (? IS NULL OR instr(json_extract(because, '$.message'), ?)) "
                "AND id NOT IN (SELECT value FROM json_each(?))",
                (now, floor, now, floor, *sorted(codes), origin, origin, dump(sorted(but)))).rowcount
