"""What is to be done for one inbox beside its jobs' way: one thread each, so that a hung share hangs no other.

Is the outbox there, and has it room? Error files, originals, what was dropped anew, and held jobs whose day is over.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Final, Literal

from diffio_watch.config import Inbox
from diffio_watch.disk.names import show
from diffio_watch.disk.trouble import Trouble
from diffio_watch.job import OPEN, Job, State
from diffio_watch.journal import JournalCorrupt, JournalTrouble, Stale
from diffio_watch.outbox.errors import DiskTrouble, OutboxGone
from diffio_watch.outbox.originals import Disposal, dispose
from diffio_watch.outbox.root import Root
from diffio_watch.outbox.walk import sweep
from diffio_watch.pipeline.backoff import Aside
from diffio_watch.pipeline.commands import way
from diffio_watch.pipeline.decide import size
from diffio_watch.pipeline.error_files import Notices
from diffio_watch.pipeline.halts import Halts
from diffio_watch.pipeline.job_log import about
from diffio_watch.pipeline.outcome import Stop, pause
from diffio_watch.pipeline.redelivery import Wishes
from diffio_watch.pipeline.status_file import StatusFile, Tell
from diffio_watch.pipeline.tools import Tools
from diffio_watch.reasons import because

_SWEEP_EVERY: Final = 86_400.0  # what cancelled downloads leave behind
_PAUSE: Final = 1.0
_ROOM_EVERY: Final = 5.0
_FREE_EVERY: Final = 60.0
_ASK_EVERY: Final = 10.0  # … of a journal in which nothing changed, for what becomes due by time
_CANT_GO: Final = "The original could not be moved away or deleted yet: "


class Chores:
    """The chores of one inbox.

    Args:
        inbox: its configuration.
        tools: the daemon's parts.
        halts: where a missing or full outbox is told.
        root: of the inbox, checked.
        archive: of the archive, checked; None without one.
        beat: called whenever the thread made progress.
        tell: looks how everything is, for `_status.html`; None: that is left alone.
    """

    def __init__(self, inbox: Inbox, tools: Tools, halts: Halts, root: Root, archive: Root | None,
                 beat: Callable[[], None], tell: Tell | None = None) -> None:
        self._inbox = inbox
        self._tools = tools
        self._halts = halts
        self._root = root
        self._archive = archive
        self._beat = beat
        self._outbox = tools.outboxes[inbox.name]
        self._notices = Notices(inbox, tools.journal, self._outbox, tools.log, self._tick)
        self._wishes = Wishes(inbox.name, tools.journal, self._outbox, tools.log, self._tick)
        self._status = [] if tell is None else [StatusFile(inbox, self._outbox, tools.log, tell).once]
        self._aside = Aside()
        self._looked_at = float("-inf")
        self._quiet_until = 0.0
        self._sweep_at = 0.0
        self._free: tuple[int | None, float] = (tools.journal.inboxes.free(inbox.name), 0.0)
        self._asked: tuple[int, float] | None = None  # at which count of commits nothing was left to do, and when
        self.abandoned = threading.Event()

    def run(self) -> None:
        """Work until the program stops."""
        while not self._tools.stop.is_set() and not self.abandoned.is_set():
            if not self._tools.sick.is_set():
                self.once()
            self._beat()
            self._tools.stop.wait(_PAUSE)

    def once(self) -> None:
        """Do what is to be done now.

        Raises:
            JournalTrouble: the journal can't be relied on any more.
        """
        try:
            self._round(self._tools.clock.now())
        except JournalTrouble as error:
            if error.fatal:
                raise
            if not self._tools.sick.is_set():
                self._tools.sick.set()
                self._tools.log.error("journal.refused", message=str(error))  # noqa: TRY400  # no bug, so no traceback

    def _round(self, now: float) -> None:
        if now - self._looked_at >= _ROOM_EVERY:
            self._looked_at = now
            self._try(lambda _: self._look(), now)
        commits = self._tools.journal.commits
        if self._asked is not None and commits == self._asked[0] and 0 <= now - self._asked[1] < _ASK_EVERY:
            return
        met = self._troubles()
        done = [self._try(self._release, now), self._try(lambda _: self._strand(), now)]
        done += [now >= self._quiet_until and self._try(chore, now)
                 for chore in (self._notices.once, self._wishes.once, self._originals, *self._status)]
        self._asked = (commits, now) if all(done) and met == self._troubles() else None

    def _troubles(self) -> int:
        """How many files of a chore could not be dealt with so far: behind those of one round others wait."""
        return self._notices.aside.met + self._wishes.aside.met

    def _try(self, chore: Callable[[float], None], now: float) -> bool:
        """A chore of its own: whatever it meets in a shared folder, the others have their turn, and it tries again.

        Returns:
            Whether it met nothing.
        """
        try:
            chore(now)
        except OutboxGone as gone:
            if gone.path == str(self._inbox.outbox):
                self._stop("outbox", "outbox_refused" if _refused(gone.path) else "outbox_unavailable",
                           path=show(gone.path), detail=gone.detail)
            self._quiet_until = now + _ROOM_EVERY
        except DiskTrouble as trouble:
            if self._aside.put(trouble.detail, trouble.detail, now):
                self._tools.log.warning("outbox.troubled", inbox=self._inbox.name, detail=trouble.detail)
        except (JournalTrouble, JournalCorrupt):
            raise
        except Exception as error:
            self._quiet_until = now + _ROOM_EVERY
            if self._aside.put(repr(error), repr(error), now):
                self._tools.log.exception("chore.stumbled", inbox=self._inbox.name)
        else:
            return True
        return False

    def _tick(self) -> None:
        """Show life in the middle of something long.

        Raises:
            OutboxGone: others have this thread's work now, for it hung.
        """
        if self.abandoned.is_set():
            raise OutboxGone(str(self._inbox.path), "a file call hung")
        self._beat()

    def _look(self) -> None:
        """Is the outbox there, with room to spare? And the archive?"""
        free, refused = self._outbox.free(), _refused(str(self._inbox.outbox))
        if self.abandoned.is_set():
            return
        self._tell_free(free)
        if refused:
            self._stop("outbox", "outbox_refused", path=show(str(self._inbox.outbox)))
        elif free < self._tools.config.limits.min_free:
            self._stop("outbox", "outbox_full", free=size(free), limit=size(self._tools.config.limits.min_free))
        else:
            self._halts.end(self._scope("outbox"))
        self._look_at_archive()
        if self._tools.clock.now() >= self._sweep_at:
            self._sweep_at = self._tools.clock.now() + _SWEEP_EVERY
            for path in self._outbox.sweep(self._working, self._tick, self._not_swept):
                self._tools.log.info("outbox.swept", inbox=self._inbox.name, path=path)
            if self._archive is not None:
                sweep(self._archive, self._working, self._tick, self._not_swept)

    def _tell_free(self, free: int) -> None:
        """Let those who look on know what is free, where that has changed by much."""
        now = self._tools.clock.now()
        told, at = self._free
        if told is None or (abs(free - told) > told / 50 and not 0 <= now - at < _FREE_EVERY):
            self._tools.journal.inboxes.note_free(self._inbox.name, free)
            self._free = free, now

    def _not_swept(self, path: str, why: str) -> None:
        self._tools.log.warning("outbox.not_swept", inbox=self._inbox.name, path=path, detail=why)

    def _look_at_archive(self) -> None:
        """It stops the inbox, but not the rest of its chores."""
        code, detail = "", ""
        if self._archive is not None and self._inbox.originals == "archive":
            try:
                with self._archive.open():
                    pass
            except OutboxGone as gone:
                code, detail = "archive_gone", gone.detail
            if _refused(self._archive.path):
                code = "archive_refused"
        if self.abandoned.is_set():
            return
        if code and self._archive is not None:
            self._stop("archive", code, path=show(self._archive.path), detail=detail)
        else:
            self._halts.end(self._scope("archive"))

    def _working(self, job_id: str) -> bool:
        """Whether a job may still need what lies under its hidden names."""
        job = self._tools.journal.jobs.get(job_id)
        return job is not None and (job.state in OPEN | {State.HELD} or job.original in {"pending", "stuck"})

    def _scope(self, folder: str) -> str:
        return f"inbox:{self._inbox.name}:{folder}"

    def _stop(self, folder: str, code: str, **facts: object) -> None:
        scope, reason = self._scope(folder), because(code, inbox=self._inbox.name, **facts)
        known = self._halts.all().get(scope)
        if known is not None and known.because.code != reason.code:
            self._halts.end(scope)
        self._halts.begin(Stop(scope, reason), self._tools.clock.now())

    def _originals(self, now: float) -> None:
        """What is delivered goes where the settings say, once the delivery is committed."""
        stopped = self._halts.all().get(self._scope("archive"))
        pending = self._tools.journal.chores.pending_originals
        # an archive that is not there keeps no original from being deleted
        ways: tuple[Literal["delete", "archive"], ...] = ("delete", "archive")
        for job in [job for one in ways for job in pending(self._inbox.name, now, way=one)]:
            self._tick()
            if stopped is not None and job.settings.originals == "archive":
                self._explain(job, f"original pending: {stopped.because.message}")
                continue
            disposal = self._dispose(job)
            if disposal.original in {"pending", "stuck"}:
                changes: dict[str, Any] = {"due_at": now + pause(job.parks), "parks": job.parks + 1}
            else:
                changes = {"due_at": None, "parks": 0}
            detail = f"original {disposal.original}{': ' if disposal.detail else ''}{disposal.detail}"
            news = (disposal.original, notes := _noted(job, disposal)) != (job.original, job.notes)
            self._commit(job, original=disposal.original, notes=notes, detail=detail if news else "", **changes)
            if news:
                tell = self._tools.log.warning if disposal.original == "stuck" else self._tools.log.info
                tell("original.handled", job=job.id, inbox=job.inbox, path=job.path, original=disposal.original,
                     detail=disposal.detail)

    def _explain(self, job: Job, detail: str) -> None:
        """Put a reason into a job's history, unless it is the last word there."""
        told = self._tools.journal.jobs.history(job.id)
        if not told or told[-1].detail != detail:
            self._commit(job, detail=detail)

    def _dispose(self, job: Job) -> Disposal:
        if job.settings.originals == "archive" and self._archive is None:
            return Disposal("stuck", "`archive` is configured no more")
        try:
            return dispose(job, self._root, self._archive, self._tick)
        except DiskTrouble as trouble:
            stuck = trouble.kind in {Trouble.NO_RIGHT, Trouble.IN_THE_WAY, Trouble.BAD_NAME}
            return Disposal("stuck" if stuck else "pending", trouble.detail)
        except (OutboxGone, JournalTrouble, JournalCorrupt):
            raise
        except Exception as error:
            self._tools.log.exception("chore.stumbled", inbox=job.inbox, path=job.path)
            return Disposal("stuck", repr(error))

    def _strand(self) -> None:
        """What waits for a file that stands nowhere any more ends as if it had gone just now."""
        for job in self._tools.journal.schedule.stranded(self._inbox.name):
            self._commit(job, state=State.CANCELLED, because=because("vanished"))

    def _release(self, now: float) -> None:
        """A new day has begun for what was held by the day's limit."""
        for job in self._tools.journal.schedule.held_until(self._inbox.name, now):
            self._commit(job, state=way(job), because=None, due_at=now, detail="the day is over")

    def _commit(self, job: Job, *, detail: str = "", **changes: Any) -> bool:
        """Whether the job was still as it had been read."""
        try:
            self._tools.journal.jobs.commit(job, detail=detail, **changes)
        except Stale:
            self._tools.log.debug("chore.overtaken", **about(job))
            return False
        return True


def _noted(job: Job, disposal: Disposal) -> tuple[str, ...]:
    """The job's notes, with one on an original that can't go, as long as it can't."""
    others = tuple(note for note in job.notes if not note.startswith(_CANT_GO))
    return (*others, f"{_CANT_GO}{disposal.detail}.") if disposal.original == "stuck" else others


def _refused(path: str) -> bool:
    """Whether a folder is there, on a disk that can be written, and this user may not write to it."""
    try:
        read_only = os.statvfs(path).f_flag & os.ST_RDONLY
    except OSError:
        return False
    return not read_only and not os.access(path, os.W_OK | os.X_OK, effective_ids=True)
