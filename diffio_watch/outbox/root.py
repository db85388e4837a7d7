"""The root of an outbox, an inbox or an archive, entered anew and checked for every operation."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from diffio_watch.disk import durable
from diffio_watch.disk.marker import FolderGone
from diffio_watch.outbox.errors import OutboxGone, translated
from diffio_watch.outbox.files import is_absent

_ROOT: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Root:
    """A folder that may be a mount point, and a way to be sure of it.

    Each operation opens the root, has `available` look for its marker, makes sure that both saw the same folder,
    and then works relative to the open root only: an unmount in between can't make it write to the disk beneath.

    Args:
        path: of the folder; it may be a symbolic link itself.
        available: raises `FolderGone` or `OutboxGone` where the folder is not the right one; other errors pass.
    """

    def __init__(self, path: str, available: Callable[[], None]) -> None:
        self.path = path
        self._available = available

    @contextlib.contextmanager
    def open(self) -> Iterator[int]:
        """A descriptor of the root, checked.

        Raises:
            OutboxGone: it is not there.
        """
        try:
            fd = os.open(self.path, _ROOT)
        except OSError as error:
            raise OutboxGone(self.path, error.strerror or str(error)) from error
        try:
            try:
                self._available()
                same = os.path.samestat(Path(self.path).stat(), os.fstat(fd))
            except FolderGone as error:
                raise OutboxGone(self.path, str(error)) from error
            except OSError as error:
                raise OutboxGone(self.path, error.strerror or str(error)) from error
            if not same:
                raise OutboxGone(self.path, "it was mounted or replaced just now")
            yield fd
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def existing(self, path: str) -> Iterator[int | None]:
        """A descriptor of the folder at `path` below the root ("" is the root); None where there is none.

        Raises:
            OutboxGone: the root is not there.
            DiskTrouble: any other error of the system, in the body too.
        """
        with self.open() as root, translated(self.path, path):
            try:
                fd = durable.open_folder(_parts(path), dir_fd=root)
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
            fd = durable.make_folders(_parts(path), mode, dir_fd=root)
            try:
                yield fd
            finally:
                os.close(fd)


def _parts(path: str) -> list[str]:
    return path.split("/") if path else []
