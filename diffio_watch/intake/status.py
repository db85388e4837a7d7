"""How an inbox is, told to the journal for those who ask from outside, and to the supervisor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

import structlog

from diffio_watch.disk.trouble import Trouble
from diffio_watch.intake.find import Finder
from diffio_watch.intake.presence import Desk, Presence
from diffio_watch.intake.settle import Entry, Quiet, Settling
from diffio_watch.job import Because
from diffio_watch.journal.records import InboxReport, SettlingEntry, Still
from diffio_watch.reasons import because

_LONGEST_LIST: Final = 1000  # of settling files, as told to the journal
_REPORT_EVERY: Final = 10.0  # seconds, where only the time of the last scan is new
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Now:
    """How an intake is, for its supervisor. Replaced as a whole, so that any thread may read it.

    Attributes:
        available: the inbox is there.
        stopped: why it is not.
        scans: whole scans done since the start.
        waiting: how many files are not finished, or could not be looked at, by the code of what they wait for.
        quiet: the quiet time in force, in seconds.
    """

    available: bool = False
    stopped: Because | None = None
    scans: int = 0
    waiting: dict[str, int] = field(default_factory=dict)
    quiet: float = 0.0


class Teller:
    """Tells what is new, and nothing twice."""

    def __init__(self, desk: Desk, presence: Presence, finder: Finder, files: Settling, quiet: Quiet) -> None:
        self._desk = desk
        self._presence = presence
        self._finder = finder
        self._files = files
        self._quiet = quiet
        self._told: InboxReport | None = None
        self._told_changes = -1, -1
        self._told_at = self._tell_at = 0.0
        self._told_alone = 0

    def next_at(self) -> float | None:
        """When there is something to tell, monotonic."""
        return self._tell_at if self._changes() != self._told_changes and self._finder.scans else None

    def tell(self) -> Now:
        """Tell the journal what is new; how things are now."""
        clock, presence, finder = self._desk.clock, self._presence, self._finder
        now = clock.monotonic()
        quiet = self._quiet.seconds(now)
        next_scan_at = clock.now() + max(0.0, finder.scan_at - now) if presence.available else None
        report = InboxReport(
            self._desk.name, available=bool(presence.available), watch="events" if presence.watching else "polling",
            filesystem=presence.mount.kind, settle_seconds=quiet, last_scan_at=finder.last_scan_at,
            stopped=presence.stopped, since=presence.since, note=presence.note, next_scan_at=next_scan_at,
            next_check_at=None if presence.available else clock.now() + max(0.0, presence.check_at - now),
            left_alone=len(finder.alone))
        if self._is_news(report, now):
            self._desk.journal.inboxes.report(report)
            self._told, self._told_at = report, now
        # until the first scan is through, the list of the program's last run says more
        if self._changes() != self._told_changes and now >= self._tell_at and finder.scans:
            self._desk.journal.inboxes.settling(self._desk.name, self._settling(now, quiet))
            self._told_changes = self._changes()
            self._tell_at = clock.monotonic() + 1.0
        self._tell_of_names()
        waiting = Counter(entry.why for entry in self._files)
        waiting.update(one.because.code for one in self._blind())
        return Now(report.available, report.stopped, finder.scans, dict(waiting), quiet)

    def _changes(self) -> tuple[int, int]:
        return self._files.changes, self._finder.changes

    def _is_news(self, report: InboxReport, now: float) -> bool:
        if self._told is None:
            return True
        dated = replace(report, last_scan_at=self._told.last_scan_at, next_check_at=self._told.next_check_at,
                        next_scan_at=self._told.next_scan_at)
        return dated != self._told or (report != self._told and now >= self._told_at + _REPORT_EVERY)

    def _tell_of_names(self) -> None:
        """Once all whose names say nothing were looked into: the number of those that are left alone."""
        alone = len(self._finder.alone)
        if alone != self._told_alone and not any(self._finder.wanted(entry.path) for entry in self._files):
            if alone:
                _log.info("files.left_alone", inbox=self._desk.name, files=alone,
                          why="their extensions are on no list, and there is no sound in them")
            self._told_alone = alone

    def _settling(self, now: float, quiet: float) -> list[SettlingEntry]:
        """What could not be looked at and the files that wait longest, in words."""
        wall = self._desk.clock.now() - now
        blind = list(self._blind())
        entries = list(islice(self._files, max(0, _LONGEST_LIST - len(blind))))  # in the order of their first sight
        words = {(entry.why, entry.detail) for entry in entries}
        reasons = {one: because(one[0], detail=one[1], seconds=f"{quiet:g}") for one in words}
        return blind[:_LONGEST_LIST] + [
            SettlingEntry(entry.path, reasons[entry.why, entry.detail], _date(wall + entry.since),
                          _date(wall + entry.look_at), _still(entry, wall)) for entry in entries]

    def _blind(self) -> Iterator[SettlingEntry]:
        next_at = self._desk.clock.now() + max(0.0, self._finder.scan_at - self._desk.clock.monotonic())
        for path, spot in self._finder.blind.items():
            if path not in self._files:
                code = "no_look" if spot.why is Trouble.NO_RIGHT else "no_way"
                yield SettlingEntry(path, because(code, detail=spot.detail), spot.since, next_at)


def _still(entry: Entry, wall: float) -> Still:
    """How a file looks, for a later start."""
    return Still(entry.seen.size, entry.seen.mtime_ns, _date(wall + entry.unchanged_since - entry.still_before))


def _date(moment: float) -> float:
    """A moment, so that it stays one and the same: two clocks make it, and never drift apart by nothing at all."""
    return round(moment, 1)
