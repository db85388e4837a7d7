"""When a file counts as finished: a tracker of files that were seen. Time and stat are passed in.

All moments are of the monotonic clock, in seconds.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from diffio_watch.intake.scan import Seen
from diffio_watch.journal.records import SettlingEntry

LONGEST_QUIET: Final = 300.0  # what doubling stops at
FALLS_BACK_AFTER: Final = 86_400.0  # without another change of a finished file
REFUSED_QUIET: Final = 10.0  # at least, where nobody can say who has a file open
CUT_SHORT_FOR: Final = 900.0  # a container cut short waits this long unchanged, then it fails
MISCOUNT_FOR: Final = 600.0  # … but one off by a header, this long by its own date, and then it is taken
EMPTY_NOTICE_AFTER: Final = 300.0  # the error file of an empty file, for many programs make one and fill it later


class Quiet:
    """How long an inbox's files have to be unchanged. It doubles when a finished file changed after all.

    Args:
        base: seconds, as configured.
    """

    def __init__(self, base: float) -> None:
        self._base = base
        self._least = 0.0
        self._doublings = 0
        self._last_change: float | None = None

    def seconds(self, now: float) -> float:
        """The quiet time in force."""
        self._fall_back(now)
        longest = max(LONGEST_QUIET, self._base)
        return float(max(self._least, min(self._base * 2 ** self._doublings, longest)))

    def rebase(self, base: float) -> None:
        """Another base, in seconds: the way of watching changed."""
        self._base = base

    def nobody_can_say(self) -> None:
        """Who has a file open can't be told here: from now on patience has to do for that."""
        self._least = REFUSED_QUIET

    def finished_changed(self, now: float) -> None:
        """A file that counted as finished has changed. Changes within one quiet time count once."""
        self._fall_back(now)
        if self._last_change is None or now - self._last_change >= self.seconds(now):
            if self.seconds(now) < LONGEST_QUIET:
                self._doublings += 1
            self._last_change = now

    def _fall_back(self, now: float) -> None:
        if self._last_change is not None and now - self._last_change >= FALLS_BACK_AFTER:
            self._doublings = 0
            self._last_change = None


@dataclass(slots=True)
class Entry:
    """A file on its way to settled. `why` is the code of what it waits for, `detail` the fact about it.

    Attributes:
        since: when it was first seen.
        unchanged_since: when it last looked different.
        still_before: seconds that it had looked so before that, from before this start.
        look_at: when it is to be looked at next.
        detected_at: seconds since the epoch of the first sight, to date the job.
        tries: looks in a row that ended in the same trouble.
        new: it may be a content that nobody has seen: it counts for a drop.
        slow: all of it is read at its last look: the others have theirs first.
    """

    path: str
    seen: Seen
    since: float
    unchanged_since: float
    look_at: float
    detected_at: float
    why: str = "settling"
    detail: str = ""
    tries: int = 0
    new: bool = True
    slow: bool = False
    still_before: float = 0.0


class Settling:
    """The files of one inbox that were seen and are not finished yet."""

    def __init__(self, quiet: Quiet) -> None:
        self.quiet = quiet
        self.changes = 0  # counts up with whatever changes in the list, so that it is told on change only
        self._entries: dict[str, Entry] = {}
        self._before: dict[str, SettlingEntry] = {}
        # heaps, of those that are not slow and of those that are; stale items are left in them and skipped
        self._due: tuple[list[tuple[float, str]], ...] = ([], [])

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def newest(self) -> Iterator[Entry]:
        """The files in the order of their first sight, the last first; while it is gone through nothing may change."""
        return reversed(self._entries.values())

    def see(self, path: str, seen: Seen, now: float, at: float, *, new: bool = True, slow: bool = False) -> None:
        """A look at a file. A new or changed one starts its quiet time.

        Args:
            path: relative to the inbox.
            seen: what the look told.
            now: monotonic.
            at: the same moment in seconds since the epoch.
            new: whether it may be a content that nobody has seen.
            slow: whether all of it is read at its last look.
        """
        entry = self._entries.get(path)
        if entry is None:
            before = self._before.get(path)
            first = at if before is None else min(at, before.since)
            self._entries[path] = entry = Entry(path, seen, now - (at - first), now, now, first)
        elif entry.seen == seen:
            return
        entry.seen, entry.unchanged_since, entry.tries = seen, now, 0
        entry.still_before = self._still_for(path, seen, at)
        entry.new, entry.slow = new, slow
        self._wait(entry, now + self.quiet.seconds(now), "settling" if seen.size else "empty_yet", "")

    def _still_for(self, path: str, seen: Seen, at: float) -> float:
        """For how many seconds a file had looked so when a start first saw it; by dates, for want of more."""
        entry = self._before.pop(path, None)
        before = None if entry is None else entry.still
        if before is None or (before.size, before.mtime_ns) != (seen.size, seen.mtime_ns):
            return 0.0
        return min(max(0.0, at - before.since), CUT_SHORT_FOR)

    def remember(self, before: Iterable[SettlingEntry]) -> None:
        """The files that waited when the program ended: how they looked, and since when they were known."""
        self._before = {entry.path: entry for entry in before}

    def hint(self, path: str, seen: Seen, now: float) -> None:
        """Something happened to a file that looks as before: perhaps its writer closed it."""
        entry = self._entries.get(path)
        if entry is not None and entry.seen == seen and entry.why == "open_for_writing":
            self._look_at(entry, max(now, entry.unchanged_since + self.quiet.seconds(now)))

    def hold(self, path: str, why: str, detail: str, look_at: float) -> None:
        """A finished-looking file has to wait for something else."""
        entry = self._entries[path]
        entry.tries = entry.tries + 1 if entry.why == why else 1
        self._wait(entry, look_at, why, detail)

    def get(self, path: str) -> Entry:
        """A file that settles."""
        return self._entries[path]

    def put_last(self, path: str) -> None:
        """A look into it takes long: the others have theirs first."""
        self._entries[path].slow = True

    def drop(self, path: str) -> None:
        """It is journalled, or gone, or was never meant."""
        if self._entries.pop(path, None) is not None:
            self.changes += 1

    def due(self, now: float) -> Entry | None:
        """A file to look at now; None if there is none. It stays until it is held, seen or dropped."""
        return next((entry for entry in self._first() if entry.look_at <= now), None)

    def next_look(self) -> float | None:
        """When the next file is due."""
        return min((entry.look_at for entry in self._first()), default=None)

    def _first(self) -> Iterator[Entry]:
        """Of those that are not slow and of those that are, the one to look at first."""
        for heap in self._due:
            while heap:
                look_at, path = heap[0]
                entry = self._entries.get(path)
                if entry is not None and entry.look_at == look_at:
                    yield entry
                    break
                heapq.heappop(heap)

    def _wait(self, entry: Entry, look_at: float, why: str, detail: str) -> None:
        entry.why, entry.detail = why, detail
        self._look_at(entry, look_at)

    def _look_at(self, entry: Entry, look_at: float) -> None:
        entry.look_at = look_at
        heapq.heappush(self._due[entry.slow], (look_at, entry.path))
        self.changes += 1
