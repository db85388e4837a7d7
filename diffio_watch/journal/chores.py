"""What is left to do beside a job's way: error files and originals."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Final, Literal

from diffio_watch.job import Job
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.jobs import Jobs
from diffio_watch.journal.rows import dump

# nobody is helped by an error file: its original is gone, or a later job at its path was delivered
_MOOT: Final = (
    "NOT EXISTS (SELECT 1 FROM files WHERE files.inbox = jobs.inbox AND files.path = jobs.path) "
    # the index is named, for SQLite would rather walk through all that were delivered since
    "OR EXISTS (SELECT 1 FROM jobs AS later INDEXED BY jobs_place WHERE later.inbox = jobs.inbox "
    "AND later.path = jobs.path AND later.seq > jobs.seq AND later.state = 'delivered')")

# held with many others: one file tells of them all; both as the indexes have it
_NO_DROP: Final = "json_extract(because, '$.code') IS NOT 'drop_size'"
_DROP: Final = ("FROM jobs INDEXED BY jobs_reason WHERE state = 'held' AND inbox = ? "
                "AND because IS NOT NULL AND json_extract(because, '$.code') = 'drop_size'")


class Chores:
    """Which error files are to be written or to go, and which originals."""

    def __init__(self, db: Connection, jobs: Jobs) -> None:
        self._db = db
        self._jobs = jobs

    def pending_originals(self, inbox: str, now: float, limit: int = 50, *,
                          way: Literal["archive", "delete"] | None = None) -> list[Job]:
        """Delivered jobs whose original is still to be archived or deleted, and due; of one way, or all."""
        return self._jobs.where("original IN ('pending', 'stuck') AND state = 'delivered' AND inbox = ? "
                          "AND (due_at IS NULL OR due_at <= ?) "
                          "AND (? IS NULL OR json_extract(settings, '$.originals') = ?) LIMIT ?",
                          inbox, now, way, way, limit, index="jobs_original")

    def notices_due(self, inbox: str, now: float, limit: int = 200, *, without: Collection[str] = ()) -> list[Job]:
        """Failed and held jobs whose error file is to be written: those whose file is still the one in the inbox.

        What is held as a drop has none of its own. `without` are ids of jobs that are to be left out.
        """
        return self._jobs.where(f"error_file = 0 AND state IN ('failed', 'held') AND {_NO_DROP} AND inbox = ? "  # noqa: S608 - a constant
                          "AND (state = 'held' OR due_at <= ?) "
                          "AND (state = 'held' OR EXISTS (SELECT 1 FROM files WHERE files.job = jobs.id)) "
                          f"AND NOT ({_MOOT}) AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?",
                          inbox, now, dump(list(without)), limit, index="jobs_notice")

    def notices_stale(self, inbox: str, limit: int = 200, *, without: Collection[str] = ()) -> list[Job]:
        """Jobs whose error file is to go: they ended well, a later one at their path did, or the original is gone.

        `without` are ids of jobs that are to be left out.
        """
        return self._jobs.where(
            f"error_file = 1 AND inbox = ? AND (state IN ('delivered', 'skipped', 'cancelled') OR {_MOOT}) "  # noqa: S608 - a constant
            "AND id NOT IN (SELECT value FROM json_each(?)) LIMIT ?", inbox, dump(list(without)), limit,
            index="jobs_error_file")

    def held_drop(self, inbox: str) -> tuple[int, str]:
        """How many jobs are held as one drop, and the id of the oldest of them; "" where there is none."""
        row = self._db.row(
            f"SELECT count(*) AS n, (SELECT id {_DROP} ORDER BY seq LIMIT 1) AS oldest {_DROP}", inbox, inbox)
        return (0, "") if row is None or not row["n"] else (row["n"], row["oldest"])

    def old_notices(self, inbox: str) -> list[str]:
        """Paths where jobs of this inbox had an error file that is out of date: renamed, or told anew."""
        return [os.fsdecode(row["path"])
                for row in self._db.rows("SELECT path FROM old_notices WHERE inbox = ?", inbox)]

    def forget_old_notice(self, inbox: str, path: str) -> None:
        """The error file of a path that jobs have left is gone."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM old_notices WHERE inbox = ? AND path = ?", (inbox, os.fsencode(path)))

    def unread_notices(self, inbox: str) -> set[str]:
        """Paths of files that can't be read and have, or may have, an error file."""
        return {os.fsdecode(row["path"])
                for row in self._db.rows("SELECT path FROM unread_notices WHERE inbox = ?", inbox)}

    def note_unread(self, inbox: str, path: str) -> None:
        """An error file is about to be written for a file that can't be read."""
        with self._db.transaction() as db:
            db.execute("INSERT OR IGNORE INTO unread_notices VALUES (?, ?)", (inbox, os.fsencode(path)))

    def forget_unread(self, inbox: str, path: str) -> None:
        """It is gone."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM unread_notices WHERE inbox = ? AND path = ?", (inbox, os.fsencode(path)))
