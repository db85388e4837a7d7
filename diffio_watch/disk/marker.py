"""The marker `.diffio-watch` at the root of each inbox, outbox and archive: whose folder this is, and that it is there.

It is written once, when a journal first uses the folder. From then on a folder without it is an empty mount point or
somebody else's, never "everything was deleted". Each start of the daemon, each day it runs and whatever it buys raise
the counter in it. The journal remembers that counter folder by folder, before the marker is written: a marker that
says more than its journal remembers gives that journal away as an old copy, whatever has happened elsewhere since.
"""

from __future__ import annotations

import contextlib
import errno
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from diffio_watch.disk import marker_file
from diffio_watch.disk.book import Book, FolderMemory, Owner
from diffio_watch.disk.keeper import FRESH, Keeper
from diffio_watch.disk.marker_file import NAME, PROGRAM, FolderGone, Marker, MarkerError, Role, read
from diffio_watch.disk.mounts import expected_but_unmounted, mount_of

__all__ = ["NAME", "Book", "FolderGone", "FolderMemory", "ForeignMarker", "Keeper", "Marker", "MarkerError",
           "OldJournal", "Owner", "Role", "adopt", "check", "inspect", "is_meant", "read", "whose"]

_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_swept: Final[set[str]] = set()  # folders that this process has rid of what a crash left of an earlier one
_touched: Final[dict[str, float]] = {}  # when this process last showed life at a marker, by folder; monotonic


class ForeignMarker(MarkerError):
    """Another journal's marker: refused until a person adopts the folder.

    `owner` is that journal's id, `found` what the marker says.
    """

    def __init__(self, found: Marker) -> None:
        super().__init__(f"its marker is that of another journal ({whose(found)})")
        self.owner = found.journal
        self.found = found


class OldJournal(MarkerError):
    """The journal never wrote what its marker in `root` says: it is a restored old copy and must not spend."""

    def __init__(self, root: str, found: Marker, written: int) -> None:
        super().__init__(f"its marker stands at count {found.counter} of this journal, which has come to {written} "
                         "there: it is an old copy, and `diffio-watch journal rebuild` brings it up to date")
        self.root = root
        self.role = found.role


def check(root: str, role: Role, name: str, owner: Owner, book: Book, system: Path = Path("/")) -> int:
    """Whether `root` is there and this journal's; its marker is written where this is the first use.

    Any number of threads may do so at once, and none waits for another: one may hang with its share.

    Args:
        root: the folder.
        role: what it is used as.
        name: of the inbox it belongs to.
        owner: the journal.
        book: what that journal remembers, and is to remember from now on.
        system: where the `etc` and `run` are that know of mount points.

    Returns:
        The count that its marker says now; 0 where it has none.

    Raises:
        FolderGone: it is not there, or not the one that is remembered.
        ForeignMarker: it is another journal's.
        OldJournal: the journal never wrote that marker.
    """
    with marker_file.opened(root) as folder:
        return _check(root, folder, Marker(PROGRAM, owner.journal, role, name, owner.counter, keeper=owner.keeper),
                      owner, book, system)


def _check(root: str, folder: int, wanted: Marker, owner: Owner, book: Book, system: Path) -> int:
    role, name = wanted.role, wanted.name
    found, memory, source = _look(root, folder, wanted, book, system)
    before = memory or FolderMemory(role, name, "")
    now = replace(before, marked=True, path=root, sealed=True,
                  former=() if found is not None and found.name == name else before.former)
    count = wanted.counter
    if found is None:  # the first use, or an inbox that was read-only
        book.count(role, name, count)
        try:
            marker_file.create(folder, wanted.sealed(book.secret))
        except FileExistsError as error:  # another thread was quicker, or another journal
            found, memory, source = _look(root, folder, wanted, book, system)
            if found is None:
                raise _unwritten(error) from error
        except OSError as error:
            now, count = _unmarked(replace(now, marked=False, sealed=False), error), 0
    if found is not None:
        count = found.counter
        if _is_old(found, wanted):
            wanted = replace(wanted, counter=max(found.counter, wanted.counter)).sealed(book.secret)
            book.count(role, name, wanted.counter)
            written = _write_over(folder, wanted, found)
            now = replace(now, sealed=written or before.sealed)
            count = wanted.counter if written else count
    if root not in _swept:
        _swept.add(root)
        with contextlib.suppress(OSError):
            marker_file.sweep(folder, owner.journal)
    if now.marked:
        _show_life(root, folder, owner)
    # a marked folder is known by its marker: another source (a new disk, another address of the NAS) is no news
    if now != memory:
        book.set(replace(now, source=source or mount_of(root).source))
    return count


def _is_old(found: Marker, wanted: Marker) -> bool:
    """Whether a marker of this journal says less than it is to say."""
    kept = not wanted.keeper.pid or found.keeper == wanted.keeper
    return found.counter < wanted.counter or found.name != wanted.name or not found.seal or not kept


def _show_life(root: str, folder: int, owner: Owner) -> None:
    """Let those who might take the folder over see that a daemon works here."""
    now = time.monotonic()
    if owner.keeper.pid and now - _touched.get(root, float("-inf")) >= FRESH / 3:
        _touched[root] = now
        with contextlib.suppress(OSError):  # it only tells; the folder may be read-only by now
            marker_file.touch(folder)


def inspect(root: str, role: Role, name: str, journal: str, book: Book | None) -> Marker | None:
    """As `check`, but nothing is written: the marker, or None where there is none and need not be one.

    Args:
        root: the folder.
        role: what it is used as.
        name: of the inbox it belongs to.
        journal: id of the journal that asks.
        book: what that journal remembers; None: there is no journal yet.

    Raises:
        FolderGone, ForeignMarker, OldJournal: as `check` has them.
    """
    with marker_file.opened(root) as folder:
        return _look(root, folder, Marker(PROGRAM, journal, role, name, 0), book, Path("/"))[0]


def _look(root: str, folder: int, wanted: Marker, book: Book | None, system: Path,
          ) -> tuple[Marker | None, FolderMemory | None, str]:
    """The marker, what is remembered, and where there is no marker the mount's source."""
    found, role, name = read(folder), wanted.role, wanted.name
    # the marker first: what another thread, or the daemon, has written meanwhile was remembered before
    memory = None if book is None else book.get(role, name)
    if found is None and memory is not None and memory.marked:
        found = read(folder)  # or another thread has just used it for the first time
    if found is not None:
        if found.journal != wanted.journal:
            raise ForeignMarker(found)
        if found.role != role or found.name not in {name, *(memory.former if memory is not None else ())}:
            raise FolderGone(f"its marker is that of the {found.role} of {found.name}")
        if book is not None:
            _must_be_known(root, found, book)
        return found, memory, ""
    if memory is not None and memory.marked:
        raise FolderGone(f"its marker {NAME} is missing")
    source = mount_of(root).source
    if memory is not None and memory.source != source:
        raise FolderGone(f"{memory.source or 'its disk'} is not mounted there")
    if memory is None:
        point = expected_but_unmounted(root, root=system)
        if point is not None:
            raise FolderGone(f"{point} is known to the system as a mount point and is not mounted")
    marker_file.must_be(root, folder)
    return None, memory, source


def whose(found: Marker) -> str:
    """Who keeps the journal that a marker names."""
    return f"{found.journal}: {found.keeper}" if str(found.keeper) else found.journal


def adopt(root: str, role: Role, name: str, owner: Owner, book: Book, *, caught_up: bool = False) -> FolderMemory:
    """Take a folder over for this journal, whatever its marker says or if it is gone.

    Args:
        root: the folder.
        role: what it is used as.
        name: of the inbox it belongs to.
        owner: the journal and what the marker is to say. It must not be more than the journal remembers of this folder.
        book: what the journal remembers: an old copy is refused.
        caught_up: it has just learned what it did not know, so that it is none.

    Returns:
        What the journal is to remember.

    Raises:
        FolderGone: it is not there, or can't be marked.
        OldJournal: the journal never wrote its marker: that is no question of whose folder it is.
    """
    with marker_file.opened(root) as folder:
        with marker_file.written_anew():
            found = read(folder)
            if found is not None and found.journal == owner.journal and not caught_up:
                _must_be_known(root, found, book)
        marker = Marker(PROGRAM, owner.journal, role, name, owner.counter, keeper=owner.keeper).sealed(book.secret)
        before = book.get(role, name) or FolderMemory(role, name, "")
        now = replace(before, source=mount_of(root).source, marked=True, path=root, sealed=True, former=())
        marker_file.must_be(root, folder)
        try:
            marker_file.replace(folder, marker)
        except OSError as error:
            return _unmarked(replace(now, marked=False, sealed=False), error)
        return now


def _must_be_known(root: str, found: Marker, book: Book) -> None:
    """A counter that the journal never wrote gives it away as an old copy, unless somebody else wrote it."""
    written = book.count_of(found.role, found.name)
    if not is_meant(found, book):
        raise marker_file.damaged()
    if found.counter > written:
        raise OldJournal(root, found, written)


def is_meant(found: Marker, book: Book) -> bool:
    """Whether a marker of a journal says what this journal, or a newer state of it, wrote; else somebody edited it."""
    if found.counter <= book.count_of(found.role, found.name) or found.genuine(book.secret):
        return True
    memory = book.get(found.role, found.name)
    # before there were seals only its height could speak against a counter
    return not found.seal and not (memory is not None and memory.sealed) and book.could_count(found.counter)


def _unmarked(memory: FolderMemory, error: OSError) -> FolderMemory:
    """Only an inbox may be read-only."""
    if memory.role == "inbox" and error.errno in _READ_ONLY:
        return memory
    raise _unwritten(error) from error


def _unwritten(error: OSError) -> FolderGone:
    return FolderGone(f"its marker {NAME} can't be written ({marker_file.words(error)})")


def _write_over(folder: int, marker: Marker, found: Marker) -> bool:
    """Write a marker over the one that was found; whether that could be done."""
    try:
        marker_file.replace(folder, marker, over=found)
    except OSError as error:
        # full or read-only meanwhile: the marker stands and is ours, and the next look tries again
        if error.errno not in _READ_ONLY | {errno.ENOSPC, errno.EDQUOT}:
            raise _unwritten(error) from error
        return False
    return True
