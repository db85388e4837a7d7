"""The marker `.diffio-watch` at the root of each inbox, outbox and archive: whose folder this is, and that it is there.

It is written once, when a journal first uses the folder. From then on a folder without it is an empty mount point or
somebody else's, never "everything was deleted". Each start of the daemon, each day it runs and whatever it buys raise
the counter in it, so that a journal restored from an old copy finds out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diffio_watch.disk import marker_file
from diffio_watch.disk.marker_file import NAME, PROGRAM, FolderGone, Marker, MarkerError, Role, read
from diffio_watch.disk.mounts import Mount, expected_but_unmounted, mount_of

__all__ = ["NAME", "FolderGone", "FolderMemory", "ForeignMarker", "Marker", "MarkerError", "OldJournal", "Owner",
           "Role", "adopt", "check", "inspect", "read"]

_locks: Final[defaultdict[str, threading.Lock]] = defaultdict(threading.Lock)  # by folder: a hung one stops no other
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class ForeignMarker(MarkerError):
    """Another journal's marker: refused until a person adopts the folder.

    `owner` is that journal's id.
    """

    def __init__(self, message: str, owner: str) -> None:
        super().__init__(message)
        self.owner = owner


class OldJournal(MarkerError):
    """The marker's counter is newer than the journal's: the journal is a restored old copy and must not spend."""


@dataclass(frozen=True, slots=True)
class FolderMemory:
    """What a journal remembers of a folder whose marker it wrote or took over.

    `source` is the mount source (device or share) at that time. It is how a read-only inbox, which can hold
    no marker, is known again; `marked` is False for such a one.
    """

    role: Role
    name: str  # of the inbox that the folder belongs to
    source: str
    marked: bool = True


@dataclass(slots=True)
class Owner:
    """The journal that asks: its id and its start counter, which grows while the daemon runs."""

    journal: str
    counter: int


def check(root: str, role: Role, name: str, owner: Owner, memory: FolderMemory | None,
          system: Path = Path("/")) -> FolderMemory:
    """Whether `root` is there and this journal's; its marker is written where this is the first use.

    Args:
        root: the folder.
        role: what it is used as.
        name: of the inbox it belongs to.
        owner: the journal.
        memory: what the journal remembers of this folder; None: it has never used it.
        system: where the `etc` and `run` are that know of mount points.

    Returns:
        What the journal is to remember from now on; equal to `memory` where nothing is new.

    Raises:
        FolderGone: it is not there, or not the one that is remembered.
        ForeignMarker: it is another journal's.
        OldJournal: it has seen a later start of this journal.
    """
    found = inspect(root, role, name, owner, memory, system)
    mount = mount_of(root)
    if memory is None if found is None else found.counter < owner.counter:
        with _locks[root]:  # the threads of this program share the marker's temporary name
            found = inspect(root, role, name, owner, memory, system)  # another one may have been quicker
            marker = Marker(PROGRAM, owner.journal, role, name, owner.counter)
            if found is None:
                return _first_use(root, marker, mount)
            if found.counter < owner.counter:
                _raise_counter(root, marker)
    if found is None:
        assert memory is not None
        return memory
    return _remember(memory, FolderMemory(role, name, mount.source))


def inspect(root: str, role: Role, name: str, owner: Owner, memory: FolderMemory | None,
            system: Path = Path("/")) -> Marker | None:
    """As `check`, but nothing is written: the marker, or None where there is none and need not be one.

    Raises:
        FolderGone, ForeignMarker, OldJournal: as `check` has them.
    """
    _must_be_folder(root)
    found = read(root)
    if found is not None:
        _must_be_ours(found, role, name, owner)
    elif memory is not None and memory.marked:
        raise FolderGone(f"its marker {NAME} is missing")
    elif memory is not None and memory.source != mount_of(root).source:
        raise FolderGone(f"{memory.source or 'its disk'} is not mounted there")
    elif memory is None:
        point = expected_but_unmounted(root, root=system)
        if point is not None:
            raise FolderGone(f"{point} is known to the system as a mount point and is not mounted")
    return found


def adopt(root: str, role: Role, name: str, owner: Owner) -> FolderMemory:
    """Take a folder over for this journal, whatever its marker says or if it is gone.

    Raises:
        FolderGone: it is not there, or can't be marked.
        OldJournal: it has seen a later start of this journal: that is no question of whose folder it is.
    """
    _must_be_folder(root)
    with contextlib.suppress(FolderGone):  # a damaged one is written anew
        found = read(root)
        if found is not None and found.journal == owner.journal:
            _must_be_newest(found, owner)
    marker = Marker(PROGRAM, owner.journal, role, name, owner.counter)
    mount = mount_of(root)
    try:
        marker_file.replace(root, marker)
    except OSError as error:
        return _unmarked(marker, mount, error)
    return FolderMemory(role, name, mount.source)


def _must_be_folder(root: str) -> None:
    try:
        # opened and listed, not only looked at: of a server that is gone, a look is answered from a cache
        with os.scandir(root) as entries:
            next(entries, None)
    except OSError as error:
        raise FolderGone(f"the folder can't be opened ({marker_file.words(error)})") from error


def _must_be_ours(found: Marker, role: Role, name: str, owner: Owner) -> None:
    if found.journal != owner.journal:
        raise ForeignMarker(f"its marker is that of another journal ({found.journal})", found.journal)
    if (found.role, found.name) != (role, name):
        raise FolderGone(f"its marker is that of the {found.role} of {found.name}")
    _must_be_newest(found, owner)


def _must_be_newest(found: Marker, owner: Owner) -> None:
    if found.counter > owner.counter:
        raise OldJournal(f"its marker has seen start {found.counter} of this journal, which knows of {owner.counter} "
                         "only: it is an old copy, and `diffio-watch journal rebuild` brings it up to date")


def _remember(memory: FolderMemory | None, now: FolderMemory) -> FolderMemory:
    """A marked folder is known by its marker: another source (a new disk, another address of the NAS) is no news."""
    return memory if memory is not None and memory.marked else now


def _first_use(root: str, marker: Marker, mount: Mount) -> FolderMemory:
    try:
        marker_file.create(root, marker)
    except OSError as error:
        return _unmarked(marker, mount, error)
    return FolderMemory(marker.role, marker.name, mount.source)


def _unmarked(marker: Marker, mount: Mount, error: OSError) -> FolderMemory:
    """Only an inbox may be read-only."""
    if marker.role == "inbox" and error.errno in _READ_ONLY:
        return FolderMemory(marker.role, marker.name, mount.source, marked=False)
    raise FolderGone(f"its marker {NAME} can't be written ({marker_file.words(error)})") from error


def _raise_counter(root: str, marker: Marker) -> None:
    try:
        marker_file.replace(root, marker)
    except OSError as error:
        # full or read-only meanwhile: the marker stands and is ours, and the next start raises it further
        if error.errno not in _READ_ONLY | {errno.ENOSPC, errno.EDQUOT}:
            raise FolderGone(f"its marker {NAME} can't be written ({marker_file.words(error)})") from error
