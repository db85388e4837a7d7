"""What becomes of an original after its delivery is committed: kept, moved to the archive, or deleted.

It goes only while it is still the delivered one: size, modification time and a hash read anew. Whatever else stands
at its path stays. A try that was interrupted at any point is finished by the next.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from diffio_watch.disk import durable
from diffio_watch.disk.facts import mtime_of
from diffio_watch.disk.names import show
from diffio_watch.job import Job, Original
from diffio_watch.outbox import names
from diffio_watch.outbox.errors import DiskTrouble
from diffio_watch.outbox.files import READ, digest, holds, unlink
from diffio_watch.outbox.root import Root

_CHUNK: Final = 1 << 20
_SYNC_EVERY: Final = 16 * _CHUNK  # so that no one call takes long
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY})


@dataclass(frozen=True, slots=True)
class Disposal:
    """What became of an original. `pending` and `stuck` are to be tried again; `detail` says why, for people."""

    original: Original
    detail: str = ""


_REPLACED: Final = Disposal("kept", "it is no longer the file that was delivered")


def dispose(job: Job, inbox: Root, archive: Root | None = None, tick: Callable[[], None] = lambda: None) -> Disposal:
    """Do with the original of a delivered job what its settings say. Safe to repeat.

    The answer is `deleted` for every original that is no longer there and not in the archive; `pending` where its
    times changed but not its content, so that intake takes note first; `stuck` where a person has to help; `kept`
    where the settings say so and where it is no longer the delivered file.

    Args:
        job: delivered, with its SHA-256.
        inbox: the root of its inbox.
        archive: the root of the archive, for `originals: archive`.
        tick: called at each MiB, for hours of sound are read up to three times; may raise to end it.

    Raises:
        OutboxGone: inbox or archive are not there.
        DiskTrouble: the disk fails or is full.
    """
    if job.settings.originals == "keep":
        return Disposal("kept")
    if job.settings.originals == "delete":
        archive = None
    elif archive is None:
        raise ValueError("`originals: archive` needs one")
    folder, _, name = job.path.rpartition("/")
    with inbox.existing(folder) as here:
        if here is None:
            return _gone(job, archive, tick)
        try:
            fd = os.open(name, READ, dir_fd=here)
        except FileNotFoundError:
            return _gone(job, archive, tick)
        except OSError as error:
            if error.errno == errno.ELOOP:
                return Disposal("stuck", "it is a symbolic link")
            if error.errno in _FORBIDDEN | {errno.ENXIO}:
                return Disposal("stuck", error.strerror or str(error))
            raise
        try:
            return _differs(job, fd, tick) or _take(job, name, fd, here, archive, tick)
        except OSError as error:
            if error.errno in _FORBIDDEN:
                return Disposal("stuck", error.strerror or str(error))
            raise
        finally:
            os.close(fd)


def _differs(job: Job, fd: int, tick: Callable[[], None]) -> Disposal | None:
    """Why it must not go; None if it is the delivered file, to its last byte."""
    before = os.fstat(fd)
    if not stat.S_ISREG(before.st_mode) or before.st_size != job.size:
        return _REPLACED
    if digest(fd, tick) != job.sha256:
        return _REPLACED
    if mtime_of(before) != job.mtime_ns:
        return Disposal("pending", "its modification time changed")
    return None


def _take(job: Job, name: str, fd: int, here: int, archive: Root | None, tick: Callable[[], None]) -> Disposal:
    if archive is None:
        return _remove(job, name, fd, here, "deleted")
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=here, effective_ids=True):
        return _kept_by_inbox(job)
    temp = names.temp_name(job.id, "original")
    with archive.made(names.split(job.path)[0], job.settings.dir_mode) as there:
        unlink(temp, there)
        copied = False
        number = 1
        while True:
            target = names.numbered(name, number)
            if holds(target, there, job.size, job.sha256 or "", tick):  # put there by a try that was interrupted
                unlink(temp, there)
                return _remove(job, name, fd, here, "archived")
            try:
                if copied:
                    durable.rename_noreplace(temp, target, source_fd=there, target_fd=there)
                else:
                    durable.rename_noreplace(name, target, source_fd=here, target_fd=there)
            except FileExistsError:
                number += 1
            except OSError as error:
                if error.errno != errno.EXDEV or copied:
                    raise
                _copy(job, temp, fd, there, tick)
                copied = True
            else:
                break
        durable.sync_folder(there)
        if copied:
            return _remove(job, name, fd, here, "archived")
        durable.sync_folder(here)
        if _same(job, target, there, fd):
            return Disposal("archived")
        # replaced between hash and move: the other file goes back, or else stays whole in the archive
        with contextlib.suppress(FileExistsError):
            durable.rename_noreplace(target, name, source_fd=there, target_fd=here)
        return _REPLACED


def _copy(job: Job, temp: str, fd: int, there: int, tick: Callable[[], None]) -> None:
    """Copy to another filesystem under the hidden name, and read it back."""
    source = os.fstat(fd)
    copy = durable.create(temp, stat.S_IMODE(source.st_mode), dir_fd=there)
    try:
        offset = 0
        while data := os.pread(fd, _CHUNK, offset):
            tick()
            durable.write_all(copy, data)
            offset += len(data)
            if offset % _SYNC_EVERY == 0:
                durable.sync(copy)
        os.utime(copy, ns=(source.st_atime_ns, source.st_mtime_ns))
        durable.sync(copy)
    finally:
        os.close(copy)
    if not holds(temp, there, job.size, job.sha256 or "", tick):
        unlink(temp, there)
        raise DiskTrouble("the copy in the archive is not what was written", errno.EIO)


def _remove(job: Job, name: str, fd: int, here: int, done: Original) -> Disposal:
    # the last look, with nothing between it and the removal
    if not _same(job, name, here, fd):
        return _REPLACED
    try:
        os.unlink(name, dir_fd=here)
    except OSError as error:
        if error.errno in _FORBIDDEN:
            return _kept_by_inbox(job, error)
        raise
    durable.sync_folder(here)
    return Disposal(done)


def _kept_by_inbox(job: Job, error: OSError | None = None) -> Disposal:
    """The folder in the inbox does not let its file go; the archive's is not to blame."""
    folder = names.split(job.path)[0]
    words = error.strerror if error is not None else "it can't be written by this user"
    return Disposal("stuck", f"the inbox{f', folder {show(folder)}' if folder else ''}: {words}")


def _same(job: Job, name: str, dir_fd: int, fd: int) -> bool:
    """Whether the name is still that of the open, verified file, and nobody wrote to it since."""
    found = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    return (os.path.samestat(found, os.fstat(fd)) and found.st_size == job.size
            and mtime_of(found) == job.mtime_ns)


def _gone(job: Job, archive: Root | None, tick: Callable[[], None]) -> Disposal:
    """The original is not there: moved by a try that was interrupted, or removed by somebody."""
    if archive is None:
        return Disposal("deleted")
    folder, name = names.split(job.path)
    with archive.existing(folder) as there:
        number = 1
        while there is not None and _exists(target := names.numbered(name, number), there):
            if holds(target, there, job.size, job.sha256 or "", tick):
                return Disposal("archived")
            number += 1
    return Disposal("deleted")


def _exists(name: str, dir_fd: int) -> bool:
    try:
        os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
