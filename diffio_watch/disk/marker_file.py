"""The file `.diffio-watch` itself: read with care, since anybody may write there, and never written but whole."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator
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
    return _read(f"{root}/{NAME}", None)


def _read(path: str, folder: int | None) -> Marker | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
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
    with _opened(root) as folder, _fresh(folder, marker) as fresh:
        try:
            durable.rename_noreplace(fresh, NAME, source_fd=folder, target_fd=folder)
        except FileExistsError:
            if os.stat(NAME, dir_fd=folder, follow_symlinks=False).st_size > 0:
                raise
            os.rename(fresh, NAME, src_dir_fd=folder, dst_dir_fd=folder)
        _sync(folder)


def replace(root: str, marker: Marker, *, over: Marker | None = None) -> None:
    """Write the marker anew.

    Args:
        root: the folder.
        marker: what is to stand there.
        over: whose marker must stand there still: the folder may be another one since it was read, such as the one
            that a share was mounted over, and that must never look like the share.

    Raises:
        FolderGone: it is another folder.
        OSError: the one before stands as it was.
    """
    with _opened(root) as folder:
        if over is not None:
            found = _read(NAME, folder)
            if found is None or (found.journal, found.role, found.name) != (over.journal, over.role, over.name):
                raise FolderGone("it was unmounted or replaced just now")
        with _fresh(folder, marker) as fresh:
            os.rename(fresh, NAME, src_dir_fd=folder, dst_dir_fd=folder)
            _sync(folder)


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


@contextlib.contextmanager
def _opened(root: str) -> Iterator[int]:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


@contextlib.contextmanager
def _fresh(folder: int, marker: Marker) -> Iterator[str]:
    """The marker under a temporary name, whole and on disk: one that is torn would stop its folder for good.

    Each writing has a name of its own, so that nobody has to wait for a thread that hangs here with its share, and
    a command may write beside the daemon.
    """
    name = f"{NAME}.{marker.journal}.{_ours()}{secrets.token_hex(4)}.tmp"
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder)
    try:
        try:
            durable.write_all(descriptor, json.dumps(asdict(marker)).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        yield name
    except OSError:
        with contextlib.suppress(FileNotFoundError):  # it has its place already
            os.unlink(name, dir_fd=folder)
        raise


def _sync(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # folders of some shares can't be synced
            raise


def words(error: OSError) -> str:
    """What is wrong, for people."""
    return error.strerror or str(error)
