"""The marker `.diffio-watch` at the root of each inbox, outbox and archive: whose folder this is, and that it is there.

It is written once, when a journal first uses the folder. From then on a folder without it is an empty mount point or
somebody else's, never "everything was deleted". Each start of the daemon, and each day it runs, raises the counter in
it, so that a journal restored from an old copy finds out.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import threading
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from diffio_watch.disk import durable
from diffio_watch.disk.mounts import Mount, expected_but_unmounted, mount_of

Role = Literal["inbox", "outbox", "archive"]

NAME: Final = ".diffio-watch"
PROGRAM: Final = "diffio-watch"
_LIMIT: Final = 4096  # bytes; a real one has some 150
_locks: Final[defaultdict[str, threading.Lock]] = defaultdict(threading.Lock)  # by folder: a hung one stops no other
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class MarkerError(Exception):
    """Root of the family. Its text is a clause for the reason's `detail`."""


class FolderGone(MarkerError):
    """The folder is not there, or is not the one this journal knows: it is waited for."""


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
class Marker:
    """What a marker says. `counter` counts the starts of the journal's daemon."""

    program: str
    journal: str
    role: Role
    name: str
    counter: int


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
        _replace(root, marker)
    except OSError as error:
        return _unmarked(marker, mount, error)
    return FolderMemory(role, name, mount.source)


def read(root: str) -> Marker | None:
    """The marker in a folder; None where there is none or it is empty.

    Raises:
        FolderGone: it can't be read, or what it holds is no marker.
    """
    path = f"{root}/{NAME}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FolderGone(f"its marker {NAME} can't be read ({_words(error)})") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FolderGone(f"its marker {NAME} is no regular file")
        text = os.read(descriptor, _LIMIT + 1)
    except OSError as error:
        raise FolderGone(f"its marker {NAME} can't be read ({_words(error)})") from error
    finally:
        os.close(descriptor)
    return _parse(text) if text else None  # an empty one: the power went while it was first written


def _must_be_folder(root: str) -> None:
    try:
        # opened and listed, not only looked at: of a server that is gone, a look is answered from a cache
        with os.scandir(root) as entries:
            next(entries, None)
    except OSError as error:
        raise FolderGone(f"the folder can't be opened ({_words(error)})") from error


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
        _create(root, marker)
    except OSError as error:
        return _unmarked(marker, mount, error)
    return FolderMemory(marker.role, marker.name, mount.source)


def _unmarked(marker: Marker, mount: Mount, error: OSError) -> FolderMemory:
    """Only an inbox may be read-only."""
    if marker.role == "inbox" and error.errno in _READ_ONLY:
        return FolderMemory(marker.role, marker.name, mount.source, marked=False)
    raise FolderGone(f"its marker {NAME} can't be written ({_words(error)})") from error


def _raise_counter(root: str, marker: Marker) -> None:
    try:
        _replace(root, marker)
    except OSError as error:
        # full or read-only meanwhile: the marker stands and is ours, and the next start raises it further
        if error.errno not in _READ_ONLY | {errno.ENOSPC, errno.EDQUOT}:
            raise FolderGone(f"its marker {NAME} can't be written ({_words(error)})") from error


def _parse(text: bytes) -> Marker:
    try:
        if len(text) > _LIMIT:
            raise ValueError("too long")
        found = json.loads(text)
        marker = Marker(**{key: found[key] for key in ("program", "journal", "role", "name", "counter")})
        if marker.program != PROGRAM or type(marker.counter) is not int or type(marker.journal) is not str:
            raise ValueError("not of this program")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FolderGone(f"its marker {NAME} is damaged") from error
    return marker


def _create(root: str, marker: Marker) -> None:
    """Write the first marker. Exclusive: of two journals that come at once, one finds the other's."""
    fresh = _fresh(root, marker)
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        durable.rename_noreplace(fresh.name, NAME, source_fd=folder, target_fd=folder)
    except FileExistsError:
        if Path(root, NAME).lstat().st_size > 0:
            fresh.unlink()
            raise
        fresh.rename(Path(root, NAME))  # torn at its first writing: nobody's
    except OSError:
        fresh.unlink()
        raise
    finally:
        os.close(folder)
    _sync_folder(root)


def _replace(root: str, marker: Marker) -> None:
    fresh = _fresh(root, marker)
    try:
        fresh.rename(Path(root, NAME))
    except OSError:
        fresh.unlink()
        raise
    _sync_folder(root)


def _fresh(root: str, marker: Marker) -> Path:
    """The marker under a temporary name, whole and on disk: one that is torn would stop its folder for good."""
    path = Path(root, f"{NAME}.{marker.journal}.tmp")
    path.unlink(missing_ok=True)  # and made anew: in a shared folder it may be a link to something dear
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        durable.write_all(descriptor, json.dumps(asdict(marker)).encode() + b"\n")
        os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return path


def _sync_folder(root: str) -> None:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # folders of some shares can't be synced
            raise
    finally:
        os.close(descriptor)


def _words(error: OSError) -> str:
    return error.strerror or str(error)
