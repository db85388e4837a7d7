"""Error files: written for what failed or is held, removed when that is over; one for a drop that is held as one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Inbox
from diffio_watch.job import Job, State
from diffio_watch.journal import Journal, JournalCorrupt, JournalTrouble, Stale
from diffio_watch.journal.records import SettlingEntry
from diffio_watch.outbox import Outbox, names
from diffio_watch.outbox.errors import DiskTrouble, OutboxGone
from diffio_watch.pipeline.backoff import Aside
from diffio_watch.pipeline.job_log import about

_BY_INTAKE: Final = frozenset({"empty", "not_media", "no_sound", "truncated", "internal"})
_DROP: Final = "drop_size"
_UNREAD: Final = frozenset({"unreadable", "in_use"})
_UNREAD_FOR: Final = 900.0  # seconds before a file that can't be read gets an error file
_UNREAD_EVERY: Final = 15.0


class Notices:
    """The error files of one inbox. Whatever one of them meets, the others have their turn.

    Args:
        inbox: its configuration.
        journal: what says which are due.
        outbox: where they stand.
        log: where trouble is told, once.
        tick: called at each file, and may raise to end it.
    """

    def __init__(self, inbox: Inbox, journal: Journal, outbox: Outbox, log: FilteringBoundLogger,
                 tick: Callable[[], None]) -> None:
        self._inbox = inbox.name
        self._settings = inbox.settings()
        self._journal = journal
        self._outbox = outbox
        self._log = log
        self._tick = tick
        self.aside = Aside()
        self._told_drop: tuple[int, str] | None = None  # at the start nobody knows: who went before may have died at it
        self._look_at_unread = 0.0
        self._missed: set[str] = set()

    def once(self, now: float) -> None:
        """Write and remove what is due.

        Args:
            now: seconds since the epoch.

        Raises:
            OutboxGone: the outbox is not there.
            JournalTrouble: the journal can't be relied on any more.
        """
        waiting = set(self.aside.waiting(now))
        old = self._journal.chores.old_notices(self._inbox)
        due = self._journal.chores.notices_due(self._inbox, now, without=waiting)
        drop = self._journal.chores.held_drop(self._inbox)
        if drop != self._told_drop and _DROP not in waiting:
            self._one(_DROP, "", lambda: self._tell_drop(*drop), now)
        for path in old:
            if (key := f"old {path}") not in waiting:
                self._one(key, path, lambda path=path: self._forget(path), now)  # type: ignore[misc]  # bound now, for the loop goes on
        for job in due:
            self._one(job.id, job.path, lambda job=job: self._notice(job), now)  # type: ignore[misc]  # bound now, for the loop goes on
        for job in self._journal.chores.notices_stale(self._inbox, without=waiting):
            self._one(job.id, job.path, lambda job=job: self._clear(job), now)  # type: ignore[misc]  # bound now, for the loop goes on
        if now >= self._look_at_unread:
            self._look_at_unread = now + _UNREAD_EVERY
            self._tell_unread(now, waiting)

    def _tell_unread(self, now: float, waiting: Collection[str]) -> None:
        """Files without a job that can't be read for long; one that can be by now is missed twice before it counts."""
        unread = {entry.path: entry for entry in self._journal.inboxes.settling_in(self._inbox)
                  if entry.because.code in _UNREAD and now - entry.since >= _UNREAD_FOR}
        told = self._journal.chores.unread_notices(self._inbox)
        for path, entry in unread.items():
            if path not in told and (key := f"unread {path}") not in waiting:
                self._one(key, path, lambda entry=entry: self._write_unread(entry), now)  # type: ignore[misc]  # bound now, for the loop goes on
        for path in told & self._missed - unread.keys():
            if (key := f"unread {path}") not in waiting:
                self._one(key, path, lambda path=path: self._clear_unread(path), now)  # type: ignore[misc]  # bound now, for the loop goes on
        self._missed = told - unread.keys()

    def _write_unread(self, entry: SettlingEntry) -> None:
        facts = (0, 0) if entry.still is None else (entry.still.size, entry.still.mtime_ns)
        self._journal.chores.note_unread(self._inbox, entry.path)
        if not self._outbox.write_unread(entry.path, entry.because, self._settings, (*facts, entry.since)):
            self._log.warning("outbox.error_file_name_taken", inbox=self._inbox, path=entry.path)

    def _clear_unread(self, path: str) -> None:
        self._outbox.clear_unread(path)
        self._journal.chores.forget_unread(self._inbox, path)

    def _one(self, key: str, path: str, chore: Callable[[], None], now: float) -> None:
        """One file of many: trouble with it keeps no other from its turn."""
        self._tick()
        try:
            chore()
        except (OutboxGone, JournalTrouble, JournalCorrupt):
            raise
        except DiskTrouble as trouble:
            if self.aside.put(key, trouble.detail, now):
                self._log.warning("outbox.troubled", inbox=self._inbox, path=path, detail=trouble.detail)
        except Exception as error:  # noqa: BLE001 - whatever a name or a file of others leads to, the next has its turn
            if self.aside.put(key, repr(error), now):
                self._log.error("outbox.stumbled", inbox=self._inbox, path=path, exc_info=error)
        else:
            self.aside.drop(key)

    def _forget(self, path: str) -> None:
        self._outbox.clear_error(path)
        self._journal.chores.forget_old_notice(self._inbox, path)

    def _clear(self, job: Job) -> None:
        self._outbox.clear_error(job.path)
        self._commit(job, error_file=False)

    def _notice(self, job: Job) -> None:
        if job.because is not None and _refused_by_intake(job):  # what fails in a step is told there
            self._log.error("job.failed", **about(job), reason=job.because.code,
                            message=job.because.message, action=job.because.action)
        if not self._outbox.write_error(job):
            self._log.warning("outbox.error_file_name_taken", **about(job))
        if not self._commit(job, error_file=True, due_at=job.due_at if job.state is State.HELD else None):
            self._outbox.clear_error(job.path)  # the job went on meanwhile; if it has not, it is told anew

    def _tell_drop(self, held: int, oldest_id: str) -> None:
        """Bring the one file of all that is held as a drop up to date."""
        oldest = self._journal.jobs.get(oldest_id)
        if oldest is None:
            self._outbox.clear_drop()
        elif not self._outbox.write_drop(oldest, held):
            self._log.warning("outbox.error_file_name_taken", inbox=self._inbox, path=names.DROP_FILE)
        self._told_drop = held, oldest_id

    def _commit(self, job: Job, **changes: Any) -> bool:
        """Whether the job was still as it had been read."""
        try:
            self._journal.jobs.commit(job, **changes)
        except Stale:
            self._log.debug("chore.overtaken", **about(job))
            return False
        return True


def _refused_by_intake(job: Job) -> bool:
    """Whether a job failed before any step of its way."""
    return (job.state is State.FAILED and job.because is not None and job.because.code in _BY_INTAKE
            and job.attempts == job.parks == 0 and job.project_id is None)
