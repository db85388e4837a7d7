"""The original as it is sent: opened once, hashed as it is read, refused as soon as it is another file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Final, Self

from diffio_watch.disk.beneath import NotRegular
from diffio_watch.disk.bounds import inode_of, mtime_of
from diffio_watch.disk.place import Place
from diffio_watch.job import Job

CHUNK: Final = 1 << 20


class Changed(Exception):
    """The file is no longer the one that was journalled."""


class Slice:
    """A stretch of the original as a request's body; each try reads it anew.

    Attributes:
        size: in bytes.
        sha256: of what the last reading gave, in hex; "" until one came to its end.
    """

    def __init__(self, size: int, read: Callable[[], Iterator[bytes]]) -> None:
        self.size = size
        self.sha256 = ""
        self._read = read

    def chunks(self) -> Iterator[bytes]:
        """Its bytes from the start."""
        found = hashlib.sha256()
        for chunk in self._read():
            found.update(chunk)
            yield chunk
        self.sha256 = found.hexdigest()

    def read(self) -> None:
        """Read it for its hash alone."""
        for _ in self.chunks():
            pass


class Original:
    """An opened original. Its bytes feed the hash in order; a part that is sent again feeds it as it was sent last.

    Args:
        place: the inbox, as a place to open files in.
        job: whose size and mtime the file must still have, and whose inode number if it has one.
        guard: stands around each call that a hung share would hang.
        tick: called with the number of bytes read so far, and may raise to stop.

    Raises:
        Changed: it is another file than the journalled one, or none.
        OSError: it can't be opened.
    """

    def __init__(self, place: Place, job: Job, *, tick: Callable[[int], None] = lambda _: None,
                 guard: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self._path = os.path.join(place.root, job.path)
        self._job = job
        self._tick = tick
        self._guard = guard
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._begun = 0, self._hash.copy()  # where the stretch that fed the hash last began, and the hash then
        try:
            with guard():
                self._descriptor = place.open(job.path)
        except NotRegular as error:
            raise Changed("it is no regular file any more") from error
        try:
            self.check()
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        os.close(self._descriptor)

    def check(self) -> None:
        """Look once more whether the open file and the one at the path are the journalled one.

        Raises:
            Changed: one of them is not.
            OSError: the path can't be looked at.
        """
        with self._guard():
            here = os.fstat(self._descriptor)
            there = os.stat(self._path)
        for found in (here, there):
            if (found.st_size, mtime_of(found)) != (self._job.size, self._job.mtime_ns):
                raise Changed("its size or time is another")
        # the row has an inode number only where the filesystem can be trusted with one
        if self._job.inode is not None and {inode_of(here), inode_of(there)} != {self._job.inode}:
            raise Changed("another file has its name")

    def part(self, offset: int, length: int) -> Slice:
        """`length` bytes from `offset` on, to be sent."""
        return Slice(length, lambda: self._read(offset, length))

    def sha256(self) -> str:
        """The hash of the whole content; reads what was not read yet."""
        for _ in self._read(self._hashed, self._job.size - self._hashed):
            pass
        return self._hash.hexdigest()

    def _read(self, offset: int, length: int) -> Iterator[bytes]:
        end = offset + length
        if offset == self._begun[0]:
            self._hashed, self._hash = offset, self._begun[1].copy()
        elif offset == self._hashed:
            self._begun = offset, self._hash.copy()
        while offset < end:
            with self._guard():
                chunk = os.pread(self._descriptor, min(CHUNK, end - offset), offset)
            if not chunk:
                raise Changed("it became shorter")
            if offset <= self._hashed < offset + len(chunk):
                fresh = memoryview(chunk)[self._hashed - offset:]
                self._hash.update(fresh)
                self._hashed += len(fresh)
            offset += len(chunk)
            self._tick(offset)
            yield chunk
