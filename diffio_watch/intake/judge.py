"""The last look at a file whose quiet time is over: opened, asked, read, and looked at again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from diffio_watch.disk import lease
from diffio_watch.disk.beneath import NotRegular, open_beneath
from diffio_watch.disk.trouble import Trouble, trouble
from diffio_watch.intake import fingerprint, settle
from diffio_watch.intake.media import ProbeFailed, probe
from diffio_watch.intake.scan import Seen, inside
from diffio_watch.intake.settle import Entry
from diffio_watch.intake.whole import cut_short
from diffio_watch.job import Because, Media
from diffio_watch.journal.records import Known
from diffio_watch.reasons import because

_LONGEST_PAUSE: Final = 300.0  # between two tries at an unreadable file
_PROBE_TRIES: Final = 5
_UNREAD: Final = {Trouble.NO_RIGHT: "unreadable", Trouble.IN_USE: "in_use", Trouble.SHORT: "host_short"}
UNREAD: Final = frozenset({*_UNREAD.values(), "share_away"})  # what a file waits for that could not be opened or read


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: the code of what it waits for, the fact about it, and after how many seconds to look again."""

    why: str
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Changed:
    """It does not look as it did: its quiet time starts anew."""

    seen: Seen


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no such regular file any more."""


@dataclass(frozen=True, slots=True)
class Same:
    """It is the content that the journal knows at this path; at most its inode number is new."""

    seen: Seen


@dataclass(frozen=True, slots=True)
class Finished:
    """It is finished, and here is what is to be journalled. `fail` is its own fault, if it has one."""

    seen: Seen
    partial: str
    sha256: str | None
    media: Media | None
    fail: Because | None = None
    notice_after: float = 0.0  # seconds until the fault is told


Verdict = Wait | Changed | Gone | Same | Finished


@dataclass(frozen=True, slots=True)
class Place:
    """The inbox as the last look needs it.

    Attributes:
        root: the inbox.
        inodes: whether inode numbers can be trusted there.
        leases: whether the kernel can be asked there who has a file open.
        follow_symlinks: whether links that stay inside are followed.
    """

    root: str
    inodes: bool
    leases: bool
    follow_symlinks: bool

    def open(self, path: str) -> int:
        """Open a regular file of the inbox.

        Raises:
            NotRegular: it is none, or a link that is not followed.
            OSError: as `open` has it.
        """
        if self.follow_symlinks:
            base = os.path.realpath(self.root)
            real = inside(self.root, path, base)
            if real is not None:
                return open_beneath(base, real[len(base.rstrip("/")) + 1:])
        return open_beneath(self.root, path)


def judge(place: Place, entry: Entry, known: Known | None, now: float, quiet: float,
          going: Callable[[], bool]) -> Verdict:
    """Look at a file and say what it is.

    Args:
        place: the inbox.
        entry: the file, unchanged since its quiet time began.
        known: what the journal knows of its path, present or past.
        now: monotonic seconds.
        quiet: the quiet time in force, in seconds.
        going: asked while much is read; False ends it.

    Raises:
        Interrupted: `going` said False.
    """
    try:
        descriptor = place.open(entry.path)
    except (FileNotFoundError, NotRegular):
        return Gone()
    except OSError as error:
        return _unreadable(entry, error, quiet)
    try:
        verdict = _judge(place, descriptor, entry, known, now, quiet, going)
        again = Seen.of(os.fstat(descriptor), inodes=place.inodes)
    except OSError as error:
        return _unreadable(entry, error, quiet)
    finally:
        os.close(descriptor)
    return verdict if again == entry.seen else Changed(again)


def _judge(place: Place, descriptor: int, entry: Entry, known: Known | None, now: float, quiet: float,
           going: Callable[[], bool]) -> Verdict:  # the same arguments as `judge`, and the opened file
    seen = Seen.of(os.fstat(descriptor), inodes=place.inodes)
    if seen != entry.seen:
        return Changed(seen)
    waiting = _open_for_writing(place, descriptor, entry, now, quiet)
    if waiting is not None:
        return waiting
    if seen.size == 0:
        return Finished(seen, fingerprint.partial(descriptor, 0), fingerprint.EMPTY, None, because("empty"),
                        settle.EMPTY_NOTICE_AFTER)
    partial = fingerprint.partial(descriptor, seen.size)
    if known is not None and not known.changed and not known.renamed and known.partial in {partial, ""} \
            and (known.size, known.mtime_ns) == (seen.size, seen.mtime_ns):
        return Same(seen)  # only its inode number differs: restored from a backup, or replaced by a copy of itself
    fail, media = None, None
    cut = cut_short(descriptor, seen.size)
    if cut is not None:
        left = entry.unchanged_since - entry.still_before + settle.CUT_SHORT_FOR - now
        if left > 0:
            return Wait("cut_short", cut, left)
        fail = because("truncated", detail=cut)
    try:
        media = probe(descriptor)
    except ProbeFailed as error:
        if entry.why == "internal" and entry.tries >= _PROBE_TRIES - 1:
            fail = because("internal", detail=str(error))
        else:
            return Wait("internal", str(error), quiet)
    else:
        if media is None and fail is None:
            fail = because("not_media")
    read_before = known is not None and known.sha256 is not None
    # a failed file is read too, so that a mere touch of it is not a new file
    sha256 = fingerprint.whole(descriptor, going) if read_before or fail is not None else None
    return Finished(seen, partial, sha256, media, fail)


def _open_for_writing(place: Place, descriptor: int, entry: Entry, now: float, quiet: float) -> Wait | None:
    if not place.leases:
        return None
    answer = lease.ask(descriptor)
    if answer is lease.Answer.BUSY:
        return Wait("open_for_writing", "", min(quiet, settle.REFUSED_QUIET))
    left = entry.unchanged_since + settle.REFUSED_QUIET - now
    if answer is lease.Answer.NOT_ALLOWED and left > 0:
        return Wait("settling", "", left)
    return None


def _unreadable(entry: Entry, error: OSError, quiet: float) -> Wait:
    why = _UNREAD.get(trouble(error.errno), "share_away")
    tries = entry.tries if entry.why in UNREAD else 0
    return Wait(why, error.strerror or str(error), min(quiet * 2 ** min(tries, 16), _LONGEST_PAUSE))
