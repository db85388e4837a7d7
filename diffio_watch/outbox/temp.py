"""The hidden file into which an output is fetched."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from diffio_watch.disk import durable
from diffio_watch.outbox.errors import translated

_CHUNK: Final = 1 << 20
_BEGIN: Final = 8 << 20  # bytes that are brought on their way to the disk at once


@dataclass(frozen=True, slots=True)
class Fetched:
    """What lies whole on the disk: commit it before it is published.

    Its temporary name may be lost to a power cut, and the content with it: then it is fetched again, for nothing.
    """

    size: int
    sha256: str


class Temp:
    """A sink for a download: `size`, `write`, `restart`; then `finish`, or `close` to leave it for another try.

    Made by `Outbox.temp`. Every method raises `DiskTrouble` or `OutboxGone` where the disk fails.
    """

    def __init__(self, root: str, path: str, fd: int) -> None:
        """Takes over the descriptor; what the file holds already is read for the hash."""
        self._root = root
        self._path = path
        self._fd = fd
        self._hash = hashlib.sha256()
        self.size = 0  # bytes in the file
        self._begun = 0  # … of which are on their way to the disk
        try:
            with translated(root, path):
                while data := os.pread(fd, _CHUNK, self.size):
                    self._hash.update(data)
                    self.size += len(data)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """The open file, readable too: for MediaInfo before `finish`."""
        return self._fd

    def write(self, data: bytes | memoryview) -> None:
        """Append."""
        with translated(self._root, self._path):
            view = memoryview(data)
            while view:
                done = os.pwrite(self._fd, view, self.size)
                self._hash.update(view[:done])
                self.size += done
                view = view[done:]
            if self.size - self._begun >= _BEGIN:  # else all of it would wait for `finish`
                durable.begin_sync(self._fd, self._begun, self.size - self._begun)
                self._begun = self.size

    def restart(self) -> None:
        """Forget everything written."""
        with translated(self._root, self._path):
            os.ftruncate(self._fd, 0)
        self._hash = hashlib.sha256()
        self.size = self._begun = 0

    def finish(self) -> Fetched:
        """Bring the content to the disk and close.

        After an error of the sync the content can't be relied on any more, so it is emptied first.
        """
        with translated(self._root, self._path):
            try:
                durable.sync(self._fd)
            except OSError:
                with contextlib.suppress(OSError):  # the sync's own error is the one to tell
                    os.ftruncate(self._fd, 0)
                raise
        self.close()  # an NFS client or a quota may speak up only now
        return Fetched(self.size, self._hash.hexdigest())

    def close(self) -> None:
        """Leave the file as it is; does nothing after `finish`."""
        if self._fd >= 0:
            with translated(self._root, self._path):
                fd, self._fd = self._fd, -1
                os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def reopen(name: str, *, dir_fd: int) -> int | None:
    """One's own temporary file of an earlier try; None where there is none, or only something like it."""
    try:
        fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError:
        return None
    status = os.fstat(fd)
    # a second link would let others have a say in what is published
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
        return fd
    os.close(fd)
    return None
