"""The original as it is sent: opened once, hashed as it is first read, refused as soon as it is another file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from diffio_watch.disk.beneath import NotRegular
from diffio_watch.intake.judge import Place
from diffio_watch.job import Job

CHUNK: Final = 1 << 20


class Changed(Exception):
    """The file is no longer the one that was journalled."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of the original as a request's body; each try reads it anew.

    `size` is in bytes.
    """

    size: int
    chunks: Callable[[], Iterator[bytes]]


class Original:
    """An opened original. Its bytes feed the hash in order, each once, however often a part is sent.

    Args:
        place: the inbox, as a place to open files in.
        job: whose size and mtime the file must still have.
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
            if (found.st_size, found.st_mtime_ns) != (self._job.size, self._job.mtime_ns):
                raise Changed("its size or time is another")
        # the row has an inode number only where the filesystem can be trusted with one
        if self._job.inode is not None and here.st_ino != there.st_ino:
            raise Changed("another file has its name")

    def part(self, offset: int, length: int) -> Slice:
        """`length` bytes from `offset` on, to be sent."""
        return Slice(length, lambda: self._read(offset, length))

    def skip_to(self, offset: int) -> None:
        """Read for the hash alone what need not be sent, up to `offset`."""
        for _ in self._read(self._hashed, offset - self._hashed):
            pass

    def sha256(self) -> str:
        """The hash of the whole content; reads what was not read yet."""
        self.skip_to(self._job.size)
        return self._hash.hexdigest()

    def _read(self, offset: int, length: int) -> Iterator[bytes]:
        end = offset + length
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
