"""The file `.diffio-watch` itself: read with care, since anybody may write there, and never written but whole."""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from diffio_watch.disk import durable

Role = Literal["inbox", "outbox", "archive"]

NAME: Final = ".diffio-watch"
PROGRAM: Final = "diffio-watch"
_LIMIT: Final = 4096  # bytes; a real one has some 150
_HIGHEST: Final = 2**62  # that a counter may be; the journal keeps 63 bits
_RUN: Final = secrets.token_hex(4)  # in the temporary names of this process, beside its number


class MarkerError(Exception):
    """Root of the family. Its text is a clause for the reason's `detail`."""


class FolderGone(MarkerError):
    """The folder is not there, or is not the one this journal knows: it is waited for."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What a marker says. `counter` is that of the journal when it was last here, and never falls."""

    program: str
    journal: str
    role: Role
    name: str
    counter: int


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
        raise FolderGone(f"its marker {NAME} can't be read ({words(error)})") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FolderGone(f"its marker {NAME} is no regular file")
        text = os.read(descriptor, _LIMIT + 1)
    except OSError as error:
        raise FolderGone(f"its marker {NAME} can't be read ({words(error)})") from error
    finally:
        os.close(descriptor)
    return _parse(text) if text else None  # an empty one: the power went while it was first written


def _parse(text: bytes) -> Marker:
    try:
        if len(text) > _LIMIT:
            raise ValueError("too long")
        found = json.loads(text)
        marker = Marker(**{key: found[key] for key in ("program", "journal", "role", "name", "counter")})
        texts = (marker.journal, marker.role, marker.name)
        if marker.program != PROGRAM or any(type(text) is not str for text in texts):
            raise ValueError("not of this program")
        if type(marker.counter) is not int or not 0 <= marker.counter < _HIGHEST:
            raise ValueError("not counted by this program")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FolderGone(f"its marker {NAME} is damaged") from error
    return marker


def create(root: str, marker: Marker) -> None:
    """Write the first marker. Exclusive: of two journals that come at once, one finds the other's.

    Raises:
        FileExistsError: it is the other one.
        OSError: it can't be written.
    """
    fresh = _fresh(root, marker)
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        durable.rename_noreplace(fresh.name, NAME, source_fd=folder, target_fd=folder)
    except FileExistsError:
        if Path(root, NAME).lstat().st_size > 0:
            fresh.unlink(missing_ok=True)
            raise
        fresh.rename(Path(root, NAME))  # torn at its first writing: nobody's
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    finally:
        os.close(folder)
    _sync_folder(root)


def replace(root: str, marker: Marker) -> None:
    """Write the marker anew.

    Raises:
        OSError: the one before stands as it was.
    """
    fresh = _fresh(root, marker)
    try:
        fresh.rename(Path(root, NAME))
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    _sync_folder(root)


def sweep(root: str, journal: str) -> None:
    """Remove what earlier processes of a journal left behind when they ended in the middle of writing a marker.

    Raises:
        OSError: the folder can't be listed or written.
    """
    temporary = f"{NAME}.{journal}."
    with os.scandir(root) as entries:
        for entry in entries:
            left = entry.name.startswith(temporary) and entry.name.endswith(".tmp")
            if left and not entry.name.startswith(temporary + _ours()):
                Path(entry.path).unlink(missing_ok=True)


def _ours() -> str:
    return f"{os.getpid()}-{_RUN}-"


def _fresh(root: str, marker: Marker) -> Path:
    """The marker under a temporary name, whole and on disk: one that is torn would stop its folder for good.

    Each writing has a name of its own, so that nobody has to wait for a thread that hangs here with its share, and
    a command may write beside the daemon.
    """
    path = Path(root, f"{NAME}.{marker.journal}.{_ours()}{secrets.token_hex(4)}.tmp")
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


def words(error: OSError) -> str:
    """What is wrong, for people."""
    return error.strerror or str(error)
