"""The marker `.diffio-watch` at the root of each inbox, outbox and archive: whose folder this is, and that it is there.

It is written once, when a journal first uses the folder. From then on a folder without it is an empty mount point or
somebody else's, never "everything was deleted". Each start of the daemon, each day it runs and whatever it buys raise
the counter in it. The journal remembers that counter folder by folder, before the marker is written: a marker that
says more than its journal remembers gives that journal away as an old copy, whatever has happened elsewhere since.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from diffio_watch.disk import marker_file
from diffio_watch.disk.book import Book, FolderMemory, Owner
from diffio_watch.disk.held import FolderSwapped, FolderUnsure, Held, hold
from diffio_watch.disk.keeper import FRESH, Keeper
from diffio_watch.disk.marker_file import NAME, PROGRAM, FolderGone, Marker, MarkerError, Role, read
from diffio_watch.disk.mounts import Mount, expected_but_unmounted

__all__ = ["NAME", "Book", "FolderGone", "FolderMemory", "FolderSwapped", "FolderUnsure", "ForeignMarker", "Held",
           "Keeper", "Marker", "MarkerError", "OldJournal", "Owner", "Role", "adopt", "check", "hold", "inspect",
           "is_meant", "read", "whose"]

_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_This = tuple[str, int, int]  # a folder by its path and its identity: what is mounted there anew is another one
_swept: Final[set[_This]] = set()  # folders that this process has rid of what a crash left of an earlier one
_touched: Final[dict[_This, float]] = {}  # when this process last showed life at a marker, by folder; monotonic


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


def check(root: str | Held, role: Role, name: str, owner: Owner, book: Book, system: Path = Path("/")) -> int:
    """Whether `root` is there and this journal's; its marker is written where this is the first use.

    Any number of threads may do so at once, and none waits for another: one may hang with its share.

    Args:
        root: the folder: its path, or held open already.
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
    with hold(root) as folder:
        return _check(folder, Marker(PROGRAM, owner.journal, role, name, owner.counter, keeper=owner.keeper), owner,
                      book, system)


def _check(folder: Held, wanted: Marker, owner: Owner, book: Book, system: Path) -> int:
    role, name = wanted.role, wanted.name
    found, memory, mount = _look(folder, wanted, book, system)
    before = memory or FolderMemory(role, name, "")
    now = replace(before, marked=True, path=folder.root, sealed=True,
                  former=() if found is not None and found.name == name else before.former)
    count = wanted.counter
    if found is None:  # the first use, or an inbox that was read-only
        book.count(role, name, count)
        try:
            marker_file.create(folder.fd, wanted.sealed(book.secret))
        except FileExistsError as error:  # another thread was quicker, or another journal
            found, memory, mount = _look(folder, wanted, book, system)
            if found is None:
                raise _unwritten(error) from error
        except OSError as error:
            now, count = _unmarked(replace(now, marked=False, sealed=False), error), 0
            if memory is None and mount is not None:
                _must_be_told_apart(folder, mount)
    if found is not None:
        count = found.counter
        if _is_old(found, wanted):
            wanted = replace(wanted, counter=max(found.counter, wanted.counter)).sealed(book.secret)
            book.count(role, name, wanted.counter)
            written = _write_over(folder, wanted, found)
            now = replace(now, sealed=written or before.sealed)
            count = wanted.counter if written else count
    this = _this(folder)
    if this not in _swept:
        _swept.add(this)
        with contextlib.suppress(OSError):
            marker_file.sweep(folder.fd, owner.journal)
    if now.marked:
        _show_life(this, folder, owner)
    if now.marked and now == memory:
        return count  # it is known by its marker: another source (a new disk, another address of the NAS) is no news
    source = folder.identity(mount)
    if now != memory or (memory.source != source and not folder.is_empty()):  # once less was told of it
        book.set(replace(now, source=source))
    return count


def _this(folder: Held) -> _This:
    status = os.fstat(folder.fd)
    return folder.root, status.st_dev, status.st_ino


def _must_be_told_apart(folder: Held, mount: Mount) -> None:
    """What can hold no marker is known again by its mount, so it must be told from the folder beneath one.

    Raises:
        FolderUnsure: nobody can say which of them it is.
    """
    if not mount.source:
        raise FolderUnsure("no marker can be written there, and the system does not tell what is mounted there")
    if mount.point != os.path.realpath(folder.root) and folder.is_empty():
        raise FolderUnsure("it is empty and can't be written, and is taken for the inbox once something lies in it")


def _is_old(found: Marker, wanted: Marker) -> bool:
    """Whether a marker of this journal says less than it is to say."""
    kept = not wanted.keeper.pid or found.keeper == wanted.keeper
    return found.counter < wanted.counter or found.name != wanted.name or not found.seal or not kept


def _show_life(this: _This, folder: Held, owner: Owner) -> None:
    """Let those who might take the folder over see that a daemon works here."""
    now = time.monotonic()
    if owner.keeper.pid and now - _touched.get(this, float("-inf")) >= FRESH / 3:
        _touched[this] = now
        with contextlib.suppress(OSError):  # it only tells; the folder may be read-only by now
            marker_file.touch(folder.fd)


def inspect(root: str | Held, role: Role, name: str, journal: str, book: Book | None) -> Marker | None:
    """As `check`, but nothing is written: the marker, or None where there is none and need not be one.

    Args:
        root: the folder: its path, or held open already.
        role: what it is used as.
        name: of the inbox it belongs to.
        journal: id of the journal that asks.
        book: what that journal remembers; None: there is no journal yet.

    Raises:
        FolderGone, ForeignMarker, OldJournal: as `check` has them.
    """
    with hold(root) as folder:
        found, memory, mount = _look(folder, Marker(PROGRAM, journal, role, name, 0), book, Path("/"))
        if mount is not None and memory is None and role == "inbox" and not folder.is_writable():
            _must_be_told_apart(folder, mount)
        return found


def _look(folder: Held, wanted: Marker, book: Book | None, system: Path,
          ) -> tuple[Marker | None, FolderMemory | None, Mount | None]:
    """The marker, what is remembered, and where there is no marker what the folder lies on: it is new, or read-only."""
    found, role, name = read(folder.fd), wanted.role, wanted.name
    # the marker first: what another thread, or the daemon, has written meanwhile was remembered before
    memory = None if book is None else book.get(role, name)
    if found is None and memory is not None and memory.marked:
        found = read(folder.fd)  # or another thread has just used it for the first time
    if found is not None:
        if found.journal != wanted.journal:
            raise ForeignMarker(found)
        if found.role != role or found.name not in {name, *(memory.former if memory is not None else ())}:
            raise FolderGone(f"its marker is that of the {found.role} of {found.name}")
        if book is not None:
            _must_be_known(folder.root, found, book)
        return found, memory, None
    if memory is not None and memory.marked:
        raise FolderGone(f"its marker {NAME} is missing")
    mount = folder.mount()
    now = folder.identity(mount)
    if memory is None or memory.source != now:
        _must_be_mounted(folder, system)
    # once the source alone was remembered, or nothing where the system did not tell it
    if memory is not None and memory.source not in {now, mount.source, ""}:
        raise FolderGone(f"{memory.source} is not mounted there, but {now or 'another one'}")
    folder.must_be()
    return None, memory, mount


def _must_be_mounted(folder: Held, system: Path) -> None:
    point = expected_but_unmounted(folder.root, root=system)
    if point is not None:
        raise FolderGone(f"{point} is known to the system as a mount point and is not mounted")


def whose(found: Marker) -> str:
    """Who keeps the journal that a marker names."""
    return f"{found.journal}: {found.keeper}" if str(found.keeper) else found.journal


def adopt(folder: Held, seen: Marker | None, role: Role, name: str, owner: Owner, book: Book, *,
          caught_up: bool = False, system: Path = Path("/")) -> FolderMemory:
    """Take a folder over for this journal, whatever its marker says or if it is gone.

    Args:
        folder: the folder, held open since it was looked at.
        seen: its marker as it was then, which somebody decided about; None: there was none, or a damaged one.
        role: what it is used as.
        name: of the inbox it belongs to.
        owner: the journal and what the marker is to say. It must not be more than the journal remembers of this folder.
        book: what the journal remembers: an old copy is refused.
        caught_up: it has just learned what it did not know, so that it is none.
        system: where the `etc` and `run` are that know of mount points.

    Returns:
        What the journal is to remember.

    Raises:
        FolderGone: it is not there, not the one that was looked at, or can't be marked.
        OldJournal: the journal never wrote its marker: that is no question of whose folder it is.
    """
    _must_be_mounted(folder, system)
    found = None
    with marker_file.written_anew():
        found = read(folder.fd)
        if found is not None and found.journal == owner.journal and not caught_up:
            _must_be_known(folder.root, found, book)
    if found is not None and found.journal not in {owner.journal, seen.journal if seen is not None else ""}:
        raise FolderSwapped(f"another journal took it over just now ({whose(found)})")
    marker = Marker(PROGRAM, owner.journal, role, name, owner.counter, keeper=owner.keeper).sealed(book.secret)
    before = book.get(role, name) or FolderMemory(role, name, "")
    now = replace(before, source=folder.identity(), marked=True, path=folder.root, sealed=True, former=())
    folder.must_be()
    try:
        marker_file.replace(folder.fd, marker)
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


def _write_over(folder: Held, marker: Marker, found: Marker) -> bool:
    """Write a marker over the one that was found; whether that could be done."""
    try:
        marker_file.replace(folder.fd, marker, over=found)
    except OSError as error:
        # full or read-only meanwhile: the marker stands and is ours, and the next look tries again
        if error.errno not in _READ_ONLY | {errno.ENOSPC, errno.EDQUOT}:
            raise _unwritten(error) from error
        return False
    return True
