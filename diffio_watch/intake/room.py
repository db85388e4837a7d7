"""The intake room: one thread an inbox that takes files from seen to settled and journals them.

One turn of its loop: is the inbox there → hints of the watch → a scan when due → the files whose quiet time is over →
what is finished goes into the journal. Events are hints; the scan is the truth; absence counts only in whole scans of
an inbox that was there before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Final

import structlog

from diffio_watch.clock import Clock
from diffio_watch.config import Inbox
from diffio_watch.disk import marker, names
from diffio_watch.disk.reading import Interrupted
from diffio_watch.intake.batches import all_or_each
from diffio_watch.intake.find import Finder
from diffio_watch.intake.judge import UNREAD, Alone, Changed, Finished, Gone, Look, Same, Verdict, Wait, judge
from diffio_watch.intake.presence import Desk, Presence
from diffio_watch.intake.scan import Seen
from diffio_watch.intake.settle import Entry, Quiet, Settling
from diffio_watch.intake.status import Now, Teller
from diffio_watch.journal import Journal, JournalTrouble
from diffio_watch.journal.drop import DROP_WINDOW
from diffio_watch.journal.records import Found, Placed

_SLICE: Final = 1.0  # seconds of last looks before there is a look at what else is due
_TOGETHER: Final = 0.1  # … before what is finished is journalled, all of it in one transaction
_BATCH: Final = 200  # files in it
_LOST_BATCH: Final = 60.0  # seconds until a file is looked at again whose journalling failed
_LONGEST_STUMBLE: Final = 60.0
_LONGEST_PAUSE: Final = 3600.0  # between two tries to journal one file
_COSTLY: Final = 5.0  # seconds of a look, after which it is put off until all others had theirs
_log = structlog.get_logger(__name__)


class _TakesLong(Exception):
    """A look takes longer than the others should wait for."""


class Intake:
    """One inbox. `run` is its thread's body; the other public methods may be called from any thread.

    A call into a hung filesystem hangs the thread. Its supervisor then calls `abandon` and makes another `Intake`: the
    old one tells the journal nothing if it ever comes back.

    Args:
        inbox: its configuration.
        journal: where files are placed.
        owner: the journal's id and start counter, for the marker.
        clock: the program's clocks.
        approve_over: more new files at once than this are held; None: never.
        heartbeat: called with the inbox's name before each call that may hang.
        journalled: called whenever something may be due that was not before.
    """

    def __init__(self, inbox: Inbox, journal: Journal, owner: marker.Owner, clock: Clock, *,
                 approve_over: int | None, heartbeat: Callable[[str], None],
                 journalled: Callable[[], None] = lambda: None) -> None:
        self.name = inbox.name
        self.now = Now()
        self._desk = Desk(inbox, journal, owner, clock, heartbeat)
        self._settings = inbox.settings()
        self._approve_over = approve_over
        self._tell_journalled = journalled
        self._quiet = Quiet(0.0)
        self._files = Settling(self._quiet)
        self._presence = Presence(self._desk, self._quiet)
        self._finder = Finder(self._desk, self._presence, self._files)
        self._remembers = False
        self._teller = Teller(self._desk, self._presence, self._finder, self._files, self._quiet)
        self._looking: str | None = None

    def run(self) -> None:
        """Work until `stop` or `abandon`. An error in one turn is logged, and the next turn tries again.

        Raises:
            JournalTrouble: the journal can't be relied on any more.
            OldJournal: it is an old copy.
        """
        stumble = 1.0
        try:
            while self._desk.going():
                try:
                    wait = self.turn()
                    stumble = 1.0
                except Interrupted:
                    return
                except marker.OldJournal:
                    raise
                except JournalTrouble as error:
                    if error.fatal:
                        raise  # what was written may not be on the disk: the process has to end
                    _log.warning("intake.waits", inbox=self.name, why=str(error))
                    wait, stumble = stumble, min(stumble * 2, _LONGEST_STUMBLE)
                    self._finder.astray, self._finder.scan_at = True, 0.0
                except Exception as error:  # noqa: BLE001  # nothing that one turn meets may end the inbox
                    _log.exception("intake.stumbled", inbox=self.name, error=type(error).__name__)
                    wait, stumble = stumble, min(stumble * 2, _LONGEST_STUMBLE)
                    # hints may have been lost on the way
                    self._finder.astray, self._finder.scan_at = True, 0.0
                self._desk.hints.wait(max(0.0, wait))
        finally:
            self._presence.close()

    def stop(self) -> None:
        """End `run` soon."""
        self._desk.stopping.set()
        self._desk.hints.wake()

    def abandon(self) -> None:
        """End `run`, and keep it from telling the journal anything from now on."""
        self._desk.abandoned.set()
        self.stop()

    def look(self, path: str | None = None) -> None:
        """Look at a file whose job was changed in the journal by others, or at everything."""
        if path is None:
            self._desk.hints.lose()
        else:
            self._finder.doubtful.add(path)
            self._desk.hints.add(path)

    def beware(self, other: Intake) -> None:
        """Take over from one that was abandoned which files are not to be looked into before all others."""
        self._finder.costly |= other._finder.costly | ({other._looking} if other._looking is not None else set())

    def turn(self) -> float:
        """Do what is due, and say how many seconds later something else is. `run` does nothing but this."""
        clock, presence, finder = self._desk.clock, self._presence, self._finder
        if not self._remembers:
            self._files.remember(self._desk.journal.inboxes.settling_in(self.name))
            self._remembers = True
        if clock.monotonic() >= presence.check_at:
            presence.check()
        due = [presence.check_at]
        if presence.available:
            finder.find()
            if finder.scans:  # what is there no more has nothing to do with what may come under its name
                self._files.remember(())
        else:
            self._desk.hints.take()  # once it is back, everything is looked at
        if presence.available:  # the scan may have lost it
            until = clock.monotonic() + _SLICE
            while clock.monotonic() < until and self._finish_some():
                pass
            due.append(finder.scan_at)
            if (look_at := self._files.next_look()) is not None:
                due.append(look_at)
        self.now = self._teller.tell()
        if (tell_at := self._teller.next_at()) is not None:
            due.append(tell_at)
        return min(due) - clock.monotonic()

    def _finish_some(self) -> bool:
        """Have a last look at files whose quiet time is over, and journal the finished ones; whether there were any."""
        clock = self._desk.clock
        until = clock.monotonic() + _TOGETHER
        finished: list[Found] = []
        moves: dict[str, str] = {}
        looked = interrupted = False
        while self._presence.available and len(finished) < _BATCH and (now := clock.monotonic()) < until:
            entry = self._files.due(now)
            if entry is None or (entry.slow and (finished or moves)):
                break  # what is known is journalled before a look that takes long
            looked = True
            try:
                verdict = self._judge(entry, now)
                self._take(entry, verdict, now, finished, moves)
            except Interrupted:
                interrupted = True
                break
        # another folder may have been mounted there since the last check
        if (finished or moves) and self._presence.confirm():
            self._finder.move(moves)
            self._place(finished)
        if interrupted:
            raise Interrupted
        return looked

    def _take(self, entry: Entry, verdict: Verdict, now: float, finished: list[Found], moves: dict[str, str]) -> None:
        """Carry a verdict out, as far as no journal is needed for it."""
        match verdict:
            case Gone():
                self._files.drop(entry.path)
            case Changed(seen):
                clock = self._desk.clock
                self._files.see(entry.path, seen, clock.monotonic(), clock.now(), slow=entry.slow)
            case Wait(why, detail, seconds):
                self._wait(entry, why, detail, seconds)
            case Same(seen):
                self._same(entry.path, seen)
            case Alone(seen):
                self._finder.leave_alone(entry.path, seen)
            case Finished():
                old = self._finder.former_name(entry.path, verdict.seen, moves)
                if old is not None:
                    moves[old] = entry.path
                else:
                    finished.append(self._found(entry, verdict))
                self._files.hold(entry.path, entry.why, entry.detail, now + _LOST_BATCH)

    def _judge(self, entry: Entry, now: float) -> Verdict:
        clock, desk = self._desk.clock, self._desk
        # asked anew: since the last scan the pipeline may have read the content
        known = desk.journal.files.known_at(self.name, entry.path)

        def going() -> bool:
            if not entry.slow and clock.monotonic() > now + _COSTLY:
                raise _TakesLong
            return desk.going()

        look = Look(known, now, clock.now(), self._quiet.seconds(now), self._finder.wanted(entry.path), going)
        self._looking = entry.path
        try:
            verdict = judge(self._presence.place, entry, look)
        except _TakesLong:
            self._finder.costly.add(entry.path)
            self._files.put_last(entry.path)
            return Wait(entry.why, entry.detail, 0.0)
        except (Interrupted, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001  # the next file must have its turn
            _log.exception("file.stumbled", inbox=self.name, path=names.show(entry.path))
            return Wait("internal", type(error).__name__, min(2.0 ** min(entry.tries, 16), 300.0))
        finally:
            if not desk.abandoned.is_set():  # else whoever goes on has to know where this one hung
                self._looking = None
        self._finder.costly.discard(entry.path)
        return verdict

    def _wait(self, entry: Entry, why: str, detail: str, seconds: float) -> None:
        if why in UNREAD and entry.why != why:
            _log.warning("file.unreadable", inbox=self.name, path=names.show(entry.path), why=detail)
            self._presence.check()  # perhaps it is the inbox that is gone
        if why == "settling":  # the kernel could not say that nobody has it open
            self._quiet.nobody_can_say()
        self._files.hold(entry.path, why, detail, self._desk.clock.monotonic() + seconds)

    def _same(self, path: str, seen: Seen) -> None:
        """The content is the one that the journal knows; at most its inode number is new."""
        self._desk.journal.files.touch(self.name, path, size=seen.size, mtime_ns=seen.mtime_ns,
                                       inode=seen.inode or None)
        self._finder.standing.put(path, seen)
        self._files.drop(path)

    def _found(self, entry: Entry, verdict: Finished) -> Found:
        notice_at = self._desk.clock.now() + verdict.notice_after if verdict.notice_after else None
        return Found(entry.path, verdict.seen.size, verdict.seen.mtime_ns, self._settings, entry.detected_at,
                     inode=verdict.seen.inode or None, partial=verdict.partial, sha256=verdict.sha256,
                     media=verdict.media, priority=self._desk.inbox.priority, fail=verdict.fail, notice_at=notice_at)

    def _place(self, finished: list[Found]) -> None:
        """Journal files all at once; where one of them can't be, each by itself."""
        if not finished:
            return
        now = {one.path: one for one in finished}
        coming = self._coming(now)
        placed: list[Placed] = []

        def place(some: Sequence[Found]) -> None:
            placed.extend(self._desk.journal.files.place(self.name, some, batch_limit=self._approve_over,
                                                         settling=coming))

        all_or_each(finished, place, self._not_journalled)
        for one in placed:
            file = now[one.path]
            self._finder.standing.put(file.path, Seen(file.size, file.mtime_ns, file.inode or 0))
            self._files.drop(one.path)
            if one.outcome in {"new", "refreshed"} and file.fail is None:
                _log.info("job.queued", job=one.job_id, inbox=self.name, path=file.path)
        if held := sum(1 for one in placed if one.outcome == "held"):
            _log.warning("jobs.held", inbox=self.name, reason="drop_size", files=held)
        self._tell_journalled()

    def _coming(self, now: Mapping[str, Found]) -> list[float]:
        """When files were first seen that come with these and are not finished: as many as make a drop, no more."""
        if self._approve_over is None:
            return []
        seen = [file.detected_at for file in now.values()]
        first, last = min(seen) - DROP_WINDOW, max(seen) + DROP_WINDOW
        coming = (entry.detected_at for entry in self._files.newest()
                  if entry.new and first <= entry.detected_at <= last and entry.path not in now)
        return list(islice(coming, self._approve_over + 1))

    def _not_journalled(self, file: Found, error: Exception) -> None:
        """It waits with its words, for longer each time."""
        entry = self._files.get(file.path)
        _log.exception("file.not_journalled", inbox=self.name, path=names.show(file.path), exc_info=error)
        pause = min(2.0 ** min(entry.tries if entry.why == "internal" else 0, 16), _LONGEST_PAUSE)
        self._files.hold(file.path, "internal", f"{type(error).__name__}: {error}",
                         self._desk.clock.monotonic() + pause)
