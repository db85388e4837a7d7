"""The root of an outbox, an inbox or an archive, entered anew and checked for every operation."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diffio_watch.disk import durable
from diffio_watch.disk.marker import NAME, FolderGone
from diffio_watch.outbox.errors import OutboxGone, translated
from diffio_watch.outbox.files import is_absent
from diffio_watch.outbox.recent import BREATH

_ROOT: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_TURN: Final = 1.0  # seconds that a thread waits for another one's look, which may hang with its share


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a folder and its marker looked like when they were right, and until when that is good."""

    sight: tuple[int, ...]
    until: float


class Root:
    """A folder that may be a mount point, and a way to be sure of it.

    Each operation opens the root, has `available` look for its marker, makes sure that both saw the same folder,
    and then works relative to the open root only: an unmount in between can't make it write to the disk beneath.
    What was looked at is good for a second as long as the opened folder and the marker in it are the same file, of
    the same size and times.

    Args:
        path: of the folder; it may be a symbolic link itself.
        available: raises `FolderGone` or `OutboxGone` where the folder is not the right one; other errors pass. It may
            return the count that the folder's marker says now.
        monotonic: seconds of a clock that nobody sets.
    """

    def __init__(self, path: str, available: Callable[[], int | None],
                 monotonic: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._available = available
        self._monotonic = monotonic
        self._looking = threading.Lock()
        self._seen: _Seen | None = None
        self._count = -1  # that the marker says, as far as it is known

    @contextlib.contextmanager
    def open(self) -> Iterator[int]:
        """A descriptor of the root, checked.

        Raises:
            OutboxGone: it is not there.
        """
        fd = self._enter()
        try:
            if not self._is_known(fd):
                with self._turn():
                    if not self._is_known(fd):
                        self._look(fd)
            yield fd
        finally:
            os.close(fd)

    def counted(self, count: int) -> None:
        """Have the marker say this count or a higher one, as far as it can be written; one writing may do for many.

        Raises:
            OutboxGone: the folder is not there.
        """
        with self._turn():
            if self._count < count:
                fd = self._enter()
                try:
                    self._look(fd)
                finally:
                    os.close(fd)

    def _enter(self) -> int:
        try:
            return os.open(self.path, _ROOT)
        except OSError as error:
            raise OutboxGone(self.path, error.strerror or str(error)) from error

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One looks, and the others have it from him; but for one that hangs nobody waits long."""
        mine = self._looking.acquire(timeout=_TURN)
        try:
            yield
        finally:
            if mine:
                self._looking.release()

    def _is_known(self, fd: int) -> bool:
        seen = self._seen
        return seen is not None and self._monotonic() < seen.until and _sight(fd) == seen.sight

    def _look(self, fd: int) -> None:
        until, seen = self._monotonic() + BREATH, None
        try:
            count = self._available()
            if not os.path.samestat(Path(self.path).stat(), os.fstat(fd)):
                raise FolderGone("it was mounted or replaced just now")
            if count is not None:
                self._count = count
            sight = _sight(fd)
            seen = None if sight is None else _Seen(sight, until)
        except FolderGone as error:
            raise OutboxGone(self.path, str(error)) from error
        except OSError as error:
            raise OutboxGone(self.path, error.strerror or str(error)) from error
        finally:
            self._seen = seen

    @contextlib.contextmanager
    def existing(self, path: str) -> Iterator[int | None]:
        """A descriptor of the folder at `path` below the root ("" is the root); None where there is none.

        Raises:
            OutboxGone: the root is not there.
            DiskTrouble: any other error of the system, in the body too.
        """
        with self.open() as root, translated(self.path, path):
            if not path:
                yield root
                return
            try:
                fd = durable.open_folder(path.split("/"), dir_fd=root)
            except OSError as error:
                if not is_absent(error):
                    raise
                fd = None
            if fd is None:
                yield None
                return
            try:
                yield fd
            finally:
                os.close(fd)

    @contextlib.contextmanager
    def made(self, path: str, mode: int) -> Iterator[int]:
        """A descriptor of the folder at `path` below the root, made durable with this mode where it is missing.

        Raises:
            OutboxGone: the root is not there.
            DiskTrouble: any other error of the system, in the body too.
        """
        with self.open() as root, translated(self.path, path):
            if not path:
                yield root
                return
            fd = durable.make_folders(path.split("/"), mode, dir_fd=root)
            try:
                yield fd
            finally:
                os.close(fd)


def _sight(fd: int) -> tuple[int, ...] | None:
    """Which folder is open, and what its marker looks like; None without one."""
    try:
        found = os.stat(NAME, dir_fd=fd, follow_symlinks=False)
    except OSError:
        return None  # the look says what is wrong
    folder = os.fstat(fd)
    return (folder.st_dev, folder.st_ino, found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns,
            found.st_ctime_ns)
