"""The last look at a file whose quiet time is over: opened, asked, read, and looked at again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from diffio_watch.disk import lease
from diffio_watch.disk.beneath import NotRegular
from diffio_watch.disk.place import Place
from diffio_watch.disk.trouble import Trouble, trouble
from diffio_watch.intake import fingerprint, settle
from diffio_watch.intake.scan import Seen
from diffio_watch.intake.settle import Entry
from diffio_watch.job import Because, Media
from diffio_watch.journal.records import Known
from diffio_watch.media.completeness import Bare, Cut, fault
from diffio_watch.media.mediainfo import ProbeFailed, is_surely, probe
from diffio_watch.reasons import because

_LONGEST_PAUSE: Final = 300.0  # between two tries at an unreadable file
_PROBE_TRIES: Final = 5
_UNFINISHED: Final = Cut("its date is 1970-01-01, which rsync leaves on a copy that it has not finished")
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
class Alone:
    """Its name says nothing, and no sound that is wanted here was found in it: it is left alone as it is now."""

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


Verdict = Wait | Changed | Gone | Same | Alone | Finished


@dataclass(frozen=True, slots=True)
class Look:
    """The circumstances of a last look.

    Attributes:
        known: what the journal knows of the path, present or past.
        now: monotonic seconds.
        at: the same moment in seconds since the epoch.
        quiet: the quiet time in force, in seconds.
        wanted: whether what a file of a name on no list holds is wanted here; None: the name is on a list.
        going: asked before each read; False, or what it raises, ends the look.
    """

    known: Known | None
    now: float
    at: float
    quiet: float
    wanted: Callable[[Media], bool] | None
    going: Callable[[], bool]


def judge(place: Place, entry: Entry, look: Look) -> Verdict:
    """Look at a file, unchanged since its quiet time began, and say what it is.

    Raises:
        Interrupted: `look.going` said False.
    """
    try:
        descriptor = place.open(entry.path)
    except (FileNotFoundError, NotRegular):
        return Gone()
    except OSError as error:
        return _unreadable(entry, error, look)
    try:
        verdict = _judge(place, descriptor, entry, look)
        again = Seen.of(os.fstat(descriptor), inodes=place.inodes)
    except OSError as error:
        return _unreadable(entry, error, look)
    finally:
        os.close(descriptor)
    return verdict if again == entry.seen else Changed(again)


def _judge(place: Place, descriptor: int, entry: Entry, look: Look) -> Verdict:
    seen = Seen.of(os.fstat(descriptor), inodes=place.inodes)
    if seen != entry.seen:
        return Changed(seen)
    waiting = _open_for_writing(place, descriptor, entry, look)
    if waiting is not None:
        return waiting
    if seen.size == 0:
        return _empty(seen, descriptor, look, "empty")
    known, partial = look.known, fingerprint.partial(descriptor, seen.size, look.going)
    if known is not None and not known.changed and not known.renamed and known.partial in {partial, ""} \
            and (known.size, known.mtime_ns) == (seen.size, seen.mtime_ns):
        return Same(seen)  # only its inode number differs: restored from a backup, or replaced by a copy of itself
    wrong = _UNFINISHED if seen.mtime_ns == 0 else fault(descriptor, look.going)
    if isinstance(wrong, Bare):
        return _empty(seen, descriptor, look, "bare")
    fail, media = None, None
    if wrong is not None:
        left = _patience(wrong, entry, look)
        if left > 0:
            return Wait("cut_short", wrong.detail, left)
        fail = None if wrong.slight else because("truncated", detail=wrong.detail)
    try:
        media = probe(descriptor, look.going)
    except ProbeFailed as error:
        if entry.why != "internal" or entry.tries < _PROBE_TRIES - 1:
            return Wait("internal", str(error), look.quiet)
        fail = because("internal", detail=str(error))
    else:
        if fail is None and (media is None or not media.has_sound):
            fail = because("not_media" if media is None else "no_sound")
    if look.wanted is not None and known is None \
            and not (media is not None and look.wanted(media) and is_surely(media, descriptor)):
        return Alone(seen)
    read_before = known is not None and known.sha256 is not None
    # a failed file is read too, so that a mere touch of it is not a new file
    sha256 = fingerprint.whole(descriptor, look.going) if read_before or fail is not None else None
    return Finished(seen, partial, sha256, media, fail)


def _empty(seen: Seen, descriptor: int, look: Look, code: str) -> Verdict:
    """Nothing is in it, or nothing but a header: many programs make such a file and fill it later."""
    if look.wanted is not None and look.known is None:
        return Alone(seen)
    return Finished(seen, fingerprint.partial(descriptor, seen.size, look.going),
                    fingerprint.whole(descriptor, look.going), None, because(code), settle.EMPTY_NOTICE_AFTER)


def _patience(cut: Cut, entry: Entry, look: Look) -> float:
    """How many seconds longer a file that is cut short is waited for."""
    left = entry.unchanged_since - entry.still_before + settle.CUT_SHORT_FOR - look.now
    if cut.slight:
        left = min(left, entry.seen.mtime_ns / 1e9 + settle.MISCOUNT_FOR - look.at)
    return left


def _open_for_writing(place: Place, descriptor: int, entry: Entry, look: Look) -> Wait | None:
    answer = lease.ask(descriptor) if place.leases else lease.Answer.NOT_ALLOWED
    if answer is lease.Answer.BUSY:
        return Wait("open_for_writing", "", min(look.quiet, settle.REFUSED_QUIET))
    left = entry.unchanged_since + settle.REFUSED_QUIET - look.now
    if answer is lease.Answer.NOT_ALLOWED and left > 0:
        return Wait("settling", "", left)
    return None


def _unreadable(entry: Entry, error: OSError, look: Look) -> Wait:
    why = _UNREAD.get(trouble(error.errno), "share_away")
    tries = entry.tries if entry.why in UNREAD else 0
    return Wait(why, error.strerror or str(error), min(look.quiet * 2 ** min(tries, 16), _LONGEST_PAUSE))
