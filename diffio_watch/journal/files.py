"""Intake's side of the journal: what stands at each path, and which job it belongs to."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from diffio_watch.job import ENDED, Because, Job, State, Wish, new_id
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.drop import Drops
from diffio_watch.journal.identity import CONTENT_OPEN, by_its_date, discarded, nothing_sent, replaced
from diffio_watch.journal.jobs import Jobs
from diffio_watch.journal.records import Found, Known, Placed, Stand
from diffio_watch.journal.rows import note_hold, noted_hold, to_known
from diffio_watch.reasons import NO_JOB, because

_KNOWN = ("SELECT files.path, files.size, files.mtime_ns, files.inode, files.renamed, jobs.id, jobs.state, "
          "jobs.partial, jobs.sha256, json_extract(jobs.because, '$.code') = 'changed' AS changed "
          "FROM files JOIN jobs ON jobs.id = files.job WHERE files.inbox = ?")
# what stands at a path: inbox, path, size, mtime_ns, inode, job, renamed
STAND: Final = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)"


class Files:
    """Files and inboxes as intake reports them."""

    def __init__(self, db: Connection, jobs: Jobs, drops: Drops) -> None:
        self._db = db
        self._jobs = jobs
        self._drops = drops

    def known(self, inbox: str) -> dict[str, Known]:
        """What stands at each path of an inbox, by path."""
        rows = self._db.rows(_KNOWN, inbox)
        return {found.path: found for found in map(to_known, rows)}

    def standing(self, inbox: str) -> list[Stand]:
        """What stands at each path of an inbox, without its job."""
        return [Stand(os.fsdecode(path), size, mtime_ns, inode, bool(renamed)) for path, size, mtime_ns, inode, renamed
                in self._db.rows("SELECT path, size, mtime_ns, inode, renamed FROM files WHERE inbox = ?", inbox)]

    def changed(self, inbox: str) -> list[str]:
        """Paths whose files changed while they were read, so that they have to settle anew."""
        return [os.fsdecode(row["path"]) for row in self._db.rows(
            "SELECT files.path FROM jobs INDEXED BY jobs_due JOIN files ON files.job = jobs.id "
            "WHERE state = 'queued' AND jobs.inbox = ? AND due_at IS NULL "
            "AND json_extract(because, '$.code') = 'changed'", inbox)]

    def known_at(self, inbox: str, path: str) -> Known | None:
        """What stands at one path of an inbox.

        For a path where nothing stands any more, the newest job it had, with an `mtime_ns` of -1: its content has to
        be read before it counts as new.
        """
        row = self._db.row(
            f"{_KNOWN} AND files.path = ?", inbox, os.fsencode(path))
        if row is not None:
            return to_known(row)
        past = self._jobs.at(inbox, path)
        if not past:
            return None
        job = past[0]
        return Known(job.id, path, job.size, -1, job.state, None, job.partial, job.sha256)

    def place(self, inbox: str, found: Sequence[Found], *, batch_limit: int | None,
              settling: Sequence[float] = ()) -> list[Placed]:
        """Journal finished files: all of them or none.

        A new content at a path makes a job; a content that the path had before is the job it was, and is looked for in
        the outbox where it was dropped anew (`Job.wish`); a file whose job has sent nothing yet describes that job
        anew.

        Args:
            inbox: name of the inbox.
            found: the files.
            batch_limit: more new files than this, finished or first seen together, are held (see `drop`); None: never.
            settling: when each file was first seen that is not finished yet, in seconds since the epoch: what came
                together with these counts for the drop.
        """
        now = self._db.clock.now()
        with self._db.transaction() as db:
            placed = [self._place(db, inbox, file, now) for file in found]
            fresh = {one.job_id: file.detected_at for one, file in zip(placed, found, strict=True)
                     if one.outcome != "same" and file.fail is None}
            if batch_limit is not None and fresh:
                held = self._drops.hold(inbox, fresh, settling, limit=batch_limit, at=now)
                placed = [replace(one, outcome="held") if one.job_id in held else one for one in placed]
        return placed

    def _place(self, db: sqlite3.Connection, inbox: str, file: Found, now: float) -> Placed:
        jobs = self._jobs.at(inbox, file.path)
        current = self._job_here(db, inbox, file.path)
        same = next((job for job in jobs if file.sha256 is not None and job.sha256 == file.sha256), None) \
            or next((job for job in jobs if discarded(job, file)), None)
        if same is not None:
            if current is not None and current.id != same.id:
                self._leave(db, current)  # what stood here in between is gone
            wish: Wish = "anew" if same.wish == "anew" or self._dropped_anew(db, same, file) else ""
            facts: dict[str, Any] = {"size": file.size, "mtime_ns": file.mtime_ns, "inode": file.inode, "wish": wish}
            if file.fail is None and by_its_date(same):
                facts |= {"state": State.QUEUED, "because": None, "due_at": 0.0, "media": file.media}
            job, outcome = self._same(same, **facts), "same"
        elif current is not None and nothing_sent(current, file):
            job, outcome = self._refresh(current, file, now), "refreshed"
        else:
            self._leave(db, current)
            job, outcome = self._new(inbox, file, now), "new"
        db.execute(STAND, (inbox, os.fsencode(file.path), file.size, file.mtime_ns, file.inode, job.id, False))
        # the list of those that are not finished is told a little later: nobody should take this for one meanwhile
        db.execute("DELETE FROM settling WHERE inbox = ? AND path = ?", (inbox, os.fsencode(file.path)))
        return Placed(file.path, job.id, outcome)  # type: ignore[arg-type]  # the three words above

    def _job_here(self, db: sqlite3.Connection, inbox: str, path: str) -> Job | None:
        row = db.execute("SELECT job FROM files WHERE inbox = ? AND path = ?", (inbox, os.fsencode(path))).fetchone()
        return None if row is None else self._jobs.get(row["job"])

    def _dropped_anew(self, db: sqlite3.Connection, job: Job, file: Found) -> bool:
        """Whether a job's content was brought once more: it was away, or another file has it now.

        Where nothing is known to have stood, as after a rebuild, it is only seen for the first time.
        """
        row = db.execute("SELECT * FROM files WHERE inbox = ? AND path = ?",
                         (job.inbox, os.fsencode(file.path))).fetchone()
        if row is None or job.state not in ENDED:
            return job.wish == "away" and job.state in ENDED
        return row["job"] != job.id or row["mtime_ns"] != file.mtime_ns or replaced(row["inode"], file.inode)

    def _same(self, job: Job, **changes: Any) -> Job:
        """The content of a job is there: with these facts, and perhaps again."""
        gone = job.state is State.CANCELLED and job.because is not None and job.because.code == "vanished"
        if gone and (hold := noted_hold(job)) is not None:  # leaving and coming back is no approval
            changes |= hold
        elif gone:
            changes |= {"state": State.QUEUED, "because": None, "due_at": 0.0}
        elif job.state is State.QUEUED and job.due_at is None:
            changes |= {"because": None, "due_at": 0.0}
        if changes.get("state", job.state) not in ENDED and "wish" in changes:
            changes["wish"] = ""  # it goes on, and is delivered anyway
        return self._jobs.commit(job, detail="the file is back" if gone else "", **changes)

    def _refresh(self, job: Job, file: Found, now: float) -> Job:
        """Let the row of a job that has sent nothing describe the content that stands there now.

        What a person allowed was about the content that stood there.
        """
        facts: dict[str, Any] = {
            "size": file.size, "mtime_ns": file.mtime_ns, "inode": file.inode, "partial": file.partial,
            "sha256": file.sha256, "media": file.media, "settled_at": now}
        if (job.size, job.partial) != (file.size, file.partial):
            facts |= {"approved": False, "released": False, "rebuy": False, "as_is": False,
                      "detected_at": file.detected_at}
        if job.state is not State.HELD:  # what a person is to decide stays theirs
            facts |= {"state": State.QUEUED, "because": None, "due_at": 0.0, "project_id": None, "upload": None,
                      "upload_id": None, "part_size": None}
        job = self._jobs.commit(job, detail="the file was replaced before anything was paid", **facts)
        if file.fail is not None and job.state is not State.HELD:
            job = self._jobs.commit(job, state=State.FAILED, because=_named(file.fail, job.id),
                                    due_at=file.notice_at or now)
        return job

    def _new(self, inbox: str, file: Found, now: float) -> Job:
        name = new_id()
        fail = _named(file.fail, name) if file.fail else None
        job = Job(
            id=name, inbox=inbox, path=file.path, size=file.size, mtime_ns=file.mtime_ns,
            settings=file.settings, state=State.FAILED if fail else State.QUEUED, because=fail,
            inode=file.inode, partial=file.partial, sha256=file.sha256, media=file.media, priority=file.priority,
            due_at=(file.notice_at or now) if fail else 0.0,
            detected_at=file.detected_at, settled_at=now, created_at=now, updated_at=now)
        self._jobs.add([job])
        return job

    def stands(self, job: Job) -> Known | None:
        """What stands at a job's path; None if nothing does."""
        row = self._db.row(f"{_KNOWN} AND files.path = ?", job.inbox, os.fsencode(job.path))
        return None if row is None else to_known(row)

    def take_over(self, job: Job) -> None:
        """The file at a job's path is this job's from now on."""
        with self._db.transaction() as db:
            db.execute("UPDATE files SET job = ? WHERE inbox = ? AND path = ?",
                       (job.id, job.inbox, os.fsencode(job.path)))

    def touch(self, inbox: str, path: str, *, size: int, mtime_ns: int, inode: int | None) -> None:
        """The file at a path has new facts and the content it had. With another inode it was dropped anew."""
        with self._db.transaction() as db:
            db.execute("UPDATE files SET size = ?, mtime_ns = ?, inode = ? WHERE inbox = ? AND path = ?",
                       (size, mtime_ns, inode, inbox, os.fsencode(path)))
            job = self._job_here(db, inbox, path)
            if job is not None:
                wish: Wish = "anew" if job.state in ENDED and replaced(job.inode, inode) else job.wish
                self._jobs.commit(job, size=size, mtime_ns=mtime_ns, inode=inode, wish=wish)

    def move(self, inbox: str, moves: Sequence[tuple[str, str]]) -> None:
        """Files were renamed inside their inbox: their jobs go along, all of them or none.

        Where the same content was renamed over, the job that stood there stays the one, and what was sent of neither
        ends. What was read as a whole once counts as `Known.renamed` until it was read again: a rename is inferred from
        less.

        Args:
            inbox: name of the inbox.
            moves: pairs of old and new path, all at once. A new path that has a file of its own in the journal, and
                that is no old path, loses it.
        """
        with self._db.transaction() as db:
            going = [(job, new) for old, new in moves for job in self._jobs.at(inbox, old)]
            # all leave before one arrives: one's new path may be another's old one
            rows = [(new, row) for old, new in moves for row in db.execute(
                "DELETE FROM files WHERE inbox = ? AND path = ? RETURNING *", (inbox, os.fsencode(old))).fetchall()]
            for _, new in moves:
                self._leave(db, self._job_here(db, inbox, new))  # what was renamed over is gone
            met = self._met(inbox, going)
            for job, _ in going:
                if job.id in met:
                    self._leave(db, job)
            standing = {row["job"] for _, row in rows}
            arriving = [(job, new) for job, new in going if job.id not in met]
            db.executemany("UPDATE jobs SET path = ? WHERE id = ?",
                           [(b"\0" + job.id.encode(), job.id) for job, _ in arriving])  # no file is called so
            for job, new in arriving:
                changes: dict[str, Any] = {}
                if job.error_file:
                    db.execute("INSERT OR IGNORE INTO old_notices VALUES (?, ?)", (inbox, os.fsencode(job.path)))
                    changes = {"error_file": False}
                    if job.state is State.FAILED:
                        changes |= {"due_at": self._db.clock.now()}
                if job.original == "deleted" and job.id in standing:
                    changes |= {"original": "pending", "due_at": self._db.clock.now()}  # it was only looked for in vain
                self._jobs.commit(job, detail="renamed", path=new, **changes)
            read = {job.id for job, _ in going if job.sha256 is not None}
            for new, row in rows:
                facts = {name: row[name] for name in ("size", "mtime_ns", "inode")}
                there = self._jobs.get(met.get(row["job"], row["job"]))
                assert there is not None
                if row["job"] in met:
                    self._same(there, **facts)
                db.execute(STAND, (inbox, os.fsencode(new), *facts.values(), there.id,
                                   bool(row["renamed"]) or row["job"] in read))

    def _met(self, inbox: str, going: Sequence[tuple[Job, str]]) -> dict[str, str]:
        """Of jobs on their way to other paths: those that find their content and run there, and in which job."""
        there = {(new, one.sha256, one.run): one.id for new in {new for _, new in going}
                 for one in self._jobs.at(inbox, new)}
        leaving = {job.id for job, _ in going}
        met: dict[str, str] = {}
        while True:  # who can't go is in the way of others
            more = {job.id: one for job, new in going if job.id in leaving and job.sha256
                    and (one := there.get((new, job.sha256, job.run))) is not None and one not in leaving}
            if not more:
                return met
            met |= more
            leaving -= set(more)

    def vanish(self, inbox: str, paths: Sequence[str]) -> None:
        """Files are no longer there: what was not paid for ends without noise; the rest goes on."""
        with self._db.transaction() as db:
            for path in paths:
                self._leave(db, self._job_here(db, inbox, path))
                db.execute("DELETE FROM files WHERE inbox = ? AND path = ?", (inbox, os.fsencode(path)))

    def _leave(self, db: sqlite3.Connection, job: Job | None) -> None:
        """The file of a job is there no more: nothing was paid, so the job ends; its hold comes back with the file."""
        if job is None:
            return
        if not (job.paid or job.uploaded) and job.state in CONTENT_OPEN:
            self._jobs.commit(job, state=State.CANCELLED, because=because("vanished"), due_at=None,
                              stage=note_hold(job))
        # nothing about its way, so the row keeps its version
        db.execute("UPDATE jobs SET wish = 'away' WHERE id = ?", (job.id,))


def _named(reason: Because, job_id: str) -> Because:
    """A reason that was given before its job had an id, with commands that can be pasted."""
    return replace(reason, action=reason.action.replace(f" {NO_JOB}`", f" {job_id}`"))
