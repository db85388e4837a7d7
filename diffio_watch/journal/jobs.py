"""The journal's jobs: made once, moved along by commits, looked up for people and for the dispatcher."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from diffio_watch.disk import names
from diffio_watch.job import OPEN, TRANSITIONS, Event, Job, Part, State
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.errors import NameReserved, Stale
from diffio_watch.journal.records import Passed
from diffio_watch.journal.rows import COLUMNS, dump, job_row, to_job, to_row

_ALL: Final = ", ".join(COLUMNS)
_INSERT: Final = f"INSERT INTO jobs ({_ALL}) VALUES ({', '.join(':' + name for name in COLUMNS)})"  # noqa: S608 - our own column names
_OPEN: Final = ", ".join(f"'{state}'" for state in sorted(OPEN))
# states in which no name in the outbox is needed any more: what exists there speaks for itself
_NAMELESS: Final = frozenset({State.DELIVERED, State.SKIPPED, State.CANCELLED, State.FAILED})
_TOLD: Final = frozenset({State.FAILED, State.HELD})  # with an error file


class Jobs:
    """Jobs, their history, confirmed parts and reserved names."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def add(self, jobs: Sequence[Job], detail: str = "") -> None:
        """Journal new jobs in one transaction.

        Raises:
            Stale: this content at this place in this run is already journalled.
        """
        with self._db.transaction() as db:
            try:
                db.executemany(_INSERT, [job_row(job) for job in jobs])
            except sqlite3.IntegrityError as error:
                raise Stale("The same content is already journalled at this place.") from error
            for job in jobs:
                self.note(db, job, detail)

    def commit(self, job: Job, *, detail: str = "", reserve: Sequence[str] = (), passed: Sequence[Passed] = (),
               synced: bool = True, **changes: Any) -> Job:
        """Change a job's row: one transaction, with a line of history where state or reason change.

        Args:
            job: the row as it was read.
            detail: a word for the history.
            reserve: compare keys of names in the outbox that this job takes, in place of those it had.
            passed: changes that came before this one and are on no disk yet, oldest first.
            synced: False: a power cut may take it back, for nothing depends on it.
            **changes: fields and their new values.

        Returns:
            The job as it now stands.

        Raises:
            Stale: the row was changed since it was read; nothing is written.
            NameReserved: another job has one of the names; nothing is written.
            ValueError: the states' table does not allow this transition, another job is of the same place, content
                and run, or two names to reserve are one: there is no number under which they would not be.
        """
        if len(set(reserve)) != len(reserve):
            raise ValueError(f"two of the names {sorted(reserve)!r} are one")
        lines: list[tuple[Job, str]] = []
        row: dict[str, Any] = {}
        after = job
        for step in (*passed, Passed(changes, detail)):
            before, after = after, after.changed(**step.changes)
            if after.state is not before.state and after.state not in TRANSITIONS[before.state]:
                raise ValueError(f"{before.state} -> {after.state} is no transition")
            if after.state is not before.state or after.because != before.because or step.detail:
                lines.append((after, step.detail))
            row |= step.changes
        if job.state in _TOLD and after.state not in _TOLD:
            row["error_file"] = False
        after = after.changed(error_file=row.get("error_file", job.error_file), updated_at=self._db.clock.now(),
                              version=job.version + 1)
        anew = bool(row.keys() & {"project_id", "upload_id"})
        # what stays as it is touches no index; how far a transfer is stands there by its own hand
        row = to_row({name: value for name, value in row.items() if name == "progress" or value != getattr(job, name)}
                     | {"updated_at": after.updated_at, "version": after.version})

        def write(db: sqlite3.Connection) -> None:
            self._update(db, job, after, row, reserve)
            if anew:  # parts belong to one session of one project
                db.execute("DELETE FROM parts WHERE job = ?", (job.id,))
            for line in lines:
                self.note(db, *line)

        self._db.together(write, synced=synced)
        return after

    def _update(self, db: sqlite3.Connection, job: Job, after: Job, row: dict[str, Any],
                reserve: Sequence[str]) -> None:
        settings = ", ".join(f"{name} = :{name}" for name in row)
        try:
            changed = db.execute(
                f"UPDATE jobs SET {settings} WHERE id = :id AND version = :was",  # noqa: S608 - our own column names
                {**row, "id": job.id, "was": job.version},
            ).rowcount
        except sqlite3.IntegrityError as error:
            raise ValueError(f"another job has this content at {job.path!r} in run {after.run}") from error
        if changed != 1:
            raise Stale(f"Job {job.id} was changed meanwhile.")
        if reserve:
            db.execute("DELETE FROM names WHERE job = ?", (job.id,))
            try:
                db.executemany("INSERT INTO names VALUES (?, ?, ?)",
                               [(job.inbox, os.fsencode(name), job.id) for name in reserve])
            except sqlite3.IntegrityError as error:
                raise NameReserved(f"A name of job {job.id} is reserved.") from error
        elif after.state in _NAMELESS and after.state is not job.state:
            db.execute("DELETE FROM names WHERE job = ?", (job.id,))
        if job.error_file and not after.error_file and (after.state in _TOLD or job.state in _TOLD):
            # told anew, or over; until then the old words stand there, and nothing else would know of them
            db.execute("INSERT OR IGNORE INTO old_notices VALUES (?, ?)", (job.inbox, os.fsencode(job.path)))

    def remark(self, job_ids: Iterable[str], words: str) -> None:
        """Put the same words into the history of jobs, as they are."""
        with self._db.transaction() as db:
            db.executemany("INSERT INTO history SELECT id, ?, state, ? FROM jobs WHERE id = ?",
                           ((self._db.clock.now(), words, job_id) for job_id in job_ids))

    def note(self, db: sqlite3.Connection, job: Job, detail: str = "") -> None:
        """Put a line into a job's history: the given words, or its reason."""
        text = detail or (f"{job.because.code}: {job.because.message}" if job.because else "")
        db.execute("INSERT INTO history VALUES (?, ?, ?, ?)",
                   (job.id, self._db.clock.now(), job.state, names.whole(text)))

    def get(self, job_id: str) -> Job | None:
        """The job with this id, or with the only id that starts so."""
        found = self._db.rows(f"SELECT {_ALL} FROM jobs WHERE id >= ? AND id < ? LIMIT 2",  # noqa: S608 - our own column names
                          job_id.upper(), job_id.upper() + "~") if job_id else []
        return to_job(found[0]) if len(found) == 1 else None

    def at(self, inbox: str, path: str) -> list[Job]:
        """All jobs of one path, newest first."""
        return self.where("inbox = ? AND path = ? ORDER BY seq DESC", inbox, os.fsencode(path))

    def knows_generation(self, generation_id: str) -> bool:
        """Whether any job has this generation."""
        return self._db.row("SELECT 1 FROM jobs WHERE generation_id = ?", generation_id) is not None

    def twins(self, job: Job) -> list[Job]:
        """Jobs of this inbox with this job's size and cheap fingerprint, oldest first: older ones, and any uploaded.

        A younger one may have been quicker: the older was held, or took its content only lately.

        A job that a rebuild learned from its sidecar alone has no fingerprint: it may be one.
        """
        return self.where(
            "inbox = ? AND partial IN (?, '') AND size = ? AND id != ? "
            "AND (uploaded = 1 OR seq < (SELECT seq FROM jobs WHERE id = ?)) ORDER BY seq",
            job.inbox, job.partial, job.size, job.id, job.id, index="jobs_content")

    def where(self, where: str, *values: Any, index: str = "") -> list[Job]:
        """Jobs; by the named index where the planner, who knows no numbers, would take a longer way."""
        by = f"INDEXED BY {index}" if index else ""
        return [to_job(row) for row in self._db.rows(f"SELECT {_ALL} FROM jobs {by} WHERE {where}", *values)]  # noqa: S608 - callers pass constants

    def history(self, job_id: str) -> list[Event]:
        """What happened to a job, oldest first."""
        return [Event(row["at"], State(row["state"]), row["detail"])
                for row in self._db.rows("SELECT at, state, detail FROM history WHERE job = ? ORDER BY rowid", job_id)]

    def parts(self, job_id: str) -> list[Part]:
        """The parts that the service confirmed, in order."""
        return [Part(row["number"], row["etag"], row["size"], row["sha256"])
                for row in self._db.rows("SELECT * FROM parts WHERE job = ? ORDER BY number", job_id)]

    def confirm_part(self, job: Job, part: Part) -> None:
        """Remember a confirmed part.

        Raises:
            Stale: the job was moved meanwhile; its upload is nobody's any more.
        """
        def write(db: sqlite3.Connection) -> None:
            row = db.execute("SELECT version FROM jobs WHERE id = ?", (job.id,)).fetchone()
            if row is None or row["version"] != job.version:
                raise Stale(f"Job {job.id} was changed meanwhile.")
            db.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?)",
                       (job.id, part.number, part.etag, part.size, part.sha256))

        self._db.together(write)

    def note_progress(self, job_id: str, percent: float) -> None:
        """How far a transfer is; only for those who look on, so the row keeps its version."""
        self._db.together(lambda db: db.execute("UPDATE jobs SET progress = ? WHERE id = ?", (percent, job_id)),
                          synced=False)

    def reserved(self, inbox: str, name: str, job_id: str) -> bool:
        """Whether another job has reserved this compare key in the inbox's outbox."""
        return self._db.row("SELECT 1 FROM names WHERE inbox = ? AND name = ? AND job != ?",
                         inbox, os.fsencode(name), job_id) is not None

    def wish(self, job_id: str) -> None:
        """The content of a job was dropped anew. Nothing about its way, so the row keeps its version.

        One that is on its way is delivered anyway.
        """
        with self._db.transaction() as db:
            db.execute(f"UPDATE jobs SET wish = 'anew' WHERE id = ? AND state NOT IN ({_OPEN})", (job_id,))  # noqa: S608 - our states

    def wishes(self, inbox: str, limit: int = 50, *, without: Collection[str] = ()) -> list[Job]:
        """Jobs whose known content was dropped anew, and of which nobody has looked yet where the outputs are.

        `without` are ids of jobs that are to be left out.
        """
        return self.where("wish = 'anew' AND inbox = ? AND id NOT IN (SELECT value FROM json_each(?)) LIMIT ?",
                          inbox, dump(list(without)), limit, index="jobs_wish")

    def maker(self, size: int, sha256: Callable[[], str]) -> Job | None:
        """The oldest job that brought this very content from the service.

        None also where that is the content it was given: who gets back what he sent, such as from the sandbox, has
        no restored file, and a copy of the recording is just that.

        Args:
            size: of the content, in bytes.
            sha256: tells its hash; only asked where the size allows it.
        """
        if self._db.row("SELECT 1 FROM made WHERE size = ? LIMIT 1", size) is None:
            return None
        found = self.where("id IN (SELECT job FROM made WHERE size = ? AND sha256 = ?) AND sha256 IS NOT ? "
                           "ORDER BY seq LIMIT 1", size, mine := sha256(), mine)
        return found[0] if found else None

    def newest(self, states: Collection[State] | None = None, inbox: str | None = None, limit: int | None = None, *,
             reasons: Collection[str] = (), since: float = 0.0, original: str | None = None) -> list[Job]:
        """Jobs, newest first.

        Args:
            states: only in one of these.
            inbox: only in this one.
            limit: no more of them.
            reasons: only for one of these reasons, by code.
            since: seconds since the epoch; only those whose row changed then or later.
            original: only where this became of the original.
        """
        where, values, index = ["1"], list[Any](), ""
        if states is not None:
            where.append(f"state IN ({', '.join('?' * len(states))})")
            values += sorted(states)
        if inbox is not None:
            where.append("inbox = ?")
            values.append(inbox)
            # of another state there are few, which may be far apart among all of the inbox
            index = "jobs_inbox" if states is None or State.DELIVERED in states else "jobs_state"
        if reasons:
            marks = ", ".join("?" * len(reasons))
            where.append(f"because IS NOT NULL AND json_extract(because, '$.code') IN ({marks})")
            values += sorted(reasons)
            index = "jobs_reason"
        if since:
            where.append("updated_at >= ?")
            values.append(since)
        if original is not None:
            where.append("original = ?")
            values.append(original)
            if original in {"pending", "stuck"}:
                where.append("original IN ('pending', 'stuck')")  # as the index has it
                index = "jobs_original"
        return self.where(f"{' AND '.join(where)} ORDER BY seq DESC LIMIT ?", *values, -1 if limit is None else limit,
                          index=index)

    def any_in(self, inbox: str) -> bool:
        """Whether an inbox ever had a job."""
        return self._db.row("SELECT 1 FROM jobs WHERE inbox = ? LIMIT 1", inbox) is not None

    def in_turn(self, batch: int = 500) -> Iterator[Job]:
        """All jobs, oldest first. No more than a batch of them is in memory at a time."""
        last = ""
        while jobs := self.where("seq > coalesce((SELECT seq FROM jobs WHERE id = ?), 0) ORDER BY seq LIMIT ?", last,
                                 batch):
            yield from jobs
            last = jobs[-1].id

    def projects(self, *, paid: bool | None = None) -> set[str]:
        """Every project that a job has; of those alone that may have been paid for, or of the others."""
        which = {None: "", True: "AND (intent_at IS NOT NULL OR generation_id IS NOT NULL)",
                 False: "AND intent_at IS NULL AND generation_id IS NULL"}[paid]
        return {row["project_id"]
                for row in self._db.rows(f"SELECT project_id FROM jobs WHERE project_id IS NOT NULL {which}")}  # noqa: S608 - our own words

    def newest_project(self) -> str | None:
        """The project of the newest job that has one."""
        row = self._db.row("SELECT project_id FROM jobs WHERE project_id IS NOT NULL ORDER BY seq DESC LIMIT 1")
        return None if row is None else str(row["project_id"])

    def project_of(self, generation_id: str) -> str | None:
        """The project of a generation; None where no job has both."""
        row = self._db.row("SELECT project_id FROM jobs WHERE generation_id = ? AND project_id IS NOT NULL",
                           generation_id)
        return None if row is None else str(row["project_id"])
