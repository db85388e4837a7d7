"""Looking at single files of an open folder, never through a link and never waiting at a FIFO."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from typing import Final

from diffio_watch.disk.trouble import Trouble, trouble
from diffio_watch.outbox import sidecar
from diffio_watch.outbox.sidecar import NotASidecar
from diffio_watch.outbox.sidecar_model import Sidecar

_CHUNK: Final = 1 << 20
READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def unlink(name: str, fd: int) -> None:
    """Remove a file, if it is there."""
    try:
        os.unlink(name, dir_fd=fd)
    except OSError as error:
        if not is_absent(error):
            raise


def size_of(name: str, fd: int) -> int | None:
    """Bytes of a regular file; None for everything else."""
    status = status_of(name, fd)
    return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else None


def status_of(name: str, fd: int) -> os.stat_result | None:
    """What stands under a name; None where nothing does, or nothing could, for no file can be called so here."""
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError as error:
        if is_absent(error):
            return None
        raise


def is_absent(error: OSError) -> bool:
    """Whether the error says that nothing has this name, or that nothing can have it on this filesystem."""
    return error.errno == errno.ENOENT or trouble(error.errno) is Trouble.BAD_NAME


def holds(name: str, fd: int, size: int, sha256: str, tick: Callable[[], None] = lambda: None) -> bool:
    """Whether the file has just this content, read to its end. One that we may not read is not ours.

    `tick` is called as the reading goes on, and may raise to end it.
    """
    return size_of(name, fd) == size and content(name, fd, tick) == sha256


def content(name: str, fd: int, tick: Callable[[], None] = lambda: None) -> str | None:
    """The SHA-256 of a file; None of one that we may not read. `tick` as `holds` has it."""
    try:
        file = os.open(name, READ, dir_fd=fd)
    except PermissionError:
        return None
    try:
        return digest(file, tick)
    finally:
        os.close(file)


def digest(file: int, tick: Callable[[], None]) -> str:
    """The SHA-256 of an open file from its beginning; `tick` is called at each MiB."""
    found = hashlib.sha256()
    offset = 0
    while data := os.pread(file, _CHUNK, offset):
        tick()
        found.update(data)
        offset += len(data)
    return found.hexdigest()


def peek(name: str, fd: int) -> bytes | None:
    """The content of a small file; None where the name is free, nothing where it is no small file of ours."""
    try:
        return read_small(name, fd)
    except PermissionError:
        return b""


def read_small(name: str, fd: int) -> bytes | None:
    """Like `peek`, but a file that may not be read is an error."""
    try:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode) or status.st_size > sidecar.LARGEST:
            return b""
        with os.fdopen(os.open(name, READ, dir_fd=fd), "rb") as file:
            return file.read(sidecar.LARGEST)
    except OSError as error:
        if not is_absent(error):
            raise
        return None


def parsed(data: bytes | None) -> Sidecar | None:
    """What `peek` found as a sidecar or error file; None where it is nothing of the kind."""
    try:
        return None if data is None else sidecar.parse(data)
    except NotASidecar:
        return None
