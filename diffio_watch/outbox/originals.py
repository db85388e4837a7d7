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

from diffio_watch.disk import attributes, durable
from diffio_watch.disk.bounds import mtime_of
from diffio_watch.disk.content_cache import Contents
from diffio_watch.disk.names import show
from diffio_watch.disk.trouble import Trouble, trouble
from diffio_watch.job import Job, Original
from diffio_watch.outbox import names
from diffio_watch.outbox.errors import DiskTrouble
from diffio_watch.outbox.files import READ, content, digest, unlink
from diffio_watch.outbox.root import Root

_CHUNK: Final = 1 << 20
_SYNC_EVERY: Final = 16 * _CHUNK  # so that no one call takes long
_CONTENTS: Final = Contents()  # of archives, so that a take is not compared with all earlier ones by reading them


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
            if _refused(error) or error.errno == errno.ENXIO:
                return Disposal("stuck", error.strerror or str(error))
            raise
        try:
            return _differs(job, fd, tick) or _take(job, name, fd, here, archive, tick)
        except OSError as error:
            if _refused(error):
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
        placed = _place(job, name, fd, here, there, tick)
        durable.sync_folder(there)
        if placed is None:
            return _remove(job, name, fd, here, "archived")
        target, copy = placed
        if copy is not None:
            try:
                _CONTENTS.note(os.fstat(copy), job.sha256 or "")
                less = attributes.lost(fd, copy)
                return _remove(job, name, fd, here, "archived", f"without its {', '.join(less)}" if less else "")
            finally:
                os.close(copy)
        durable.sync_folder(here)
        if _same(job, target, there, fd):
            _CONTENTS.note(os.fstat(fd), job.sha256 or "")
            return Disposal("archived")
        # replaced between hash and move: the other file goes back, or else stays whole in the archive
        with contextlib.suppress(FileExistsError):
            durable.rename_noreplace(target, name, source_fd=there, target_fd=here)
        durable.sync_folder(here)
        durable.sync_folder(there)
        return _REPLACED


def _place(job: Job, name: str, fd: int, here: int, there: int, tick: Callable[[], None],
           ) -> tuple[str, int | None] | None:
    """Give it the first free name in the archive: the name, and the open copy where it had to be copied.

    None where a try that was interrupted had put it there.
    """
    temp = names.temp_name(job.id, "original")
    copy: int | None = None
    number = 1
    try:
        while True:
            target = names.numbered(name, number)
            if _is_its_copy(job, target, there, tick):
                unlink(temp, there)
                _sync_file(target, there)
                break
            try:
                if copy is not None:
                    durable.rename_noreplace(temp, target, source_fd=there, target_fd=there)
                else:
                    durable.rename_noreplace(name, target, source_fd=here, target_fd=there)
            except FileExistsError:
                number += 1
            except OSError as error:
                if error.errno != errno.EXDEV or copy is not None:
                    raise
                copy = _copy(job, temp, fd, there, tick)
            else:
                return target, copy
    except BaseException:
        if copy is not None:
            os.close(copy)
        raise
    if copy is not None:
        os.close(copy)
    return None


def _is_its_copy(job: Job, name: str, there: int, tick: Callable[[], None]) -> bool:
    """Whether this job's original was copied there before. Of the many takes of one length hardly any is read anew."""
    try:
        status = os.stat(name, dir_fd=there, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_size != job.size \
            or not attributes.same_time(mtime_of(status), job.mtime_ns):
        return False
    known = _CONTENTS.of(status)
    if known is None:
        known = content(name, there, tick)
        if known is None:
            return False
        _CONTENTS.note(status, known)
    return known == job.sha256


def _sync_file(name: str, there: int) -> None:
    """Bring what an interrupted try left to the disk: nobody knows how far it came."""
    fd = os.open(name, READ, dir_fd=there)
    try:
        durable.sync(fd)
    finally:
        os.close(fd)


def _copy(job: Job, temp: str, fd: int, there: int, tick: Callable[[], None]) -> int:
    """Copy to another filesystem under the hidden name, with all that `mv` keeps, and read it back; the open copy."""
    copy = durable.create(temp, 0o600, dir_fd=there)
    try:
        offset = 0
        while data := os.pread(fd, _CHUNK, offset):
            tick()
            durable.write_all(copy, data)
            offset += len(data)
            if offset % _SYNC_EVERY == 0:
                durable.sync(copy)
        attributes.keep(fd, copy)
        durable.sync(copy)
        if os.fstat(copy).st_size != job.size or digest(copy, tick) != job.sha256:
            unlink(temp, there)
            raise DiskTrouble("the copy in the archive is not what was written", errno.EIO)
    except BaseException:
        os.close(copy)
        raise
    return copy


def _remove(job: Job, name: str, fd: int, here: int, done: Original, detail: str = "") -> Disposal:
    # the last look, with nothing between it and the removal
    if not _same(job, name, here, fd):
        return _REPLACED
    try:
        os.unlink(name, dir_fd=here)
    except OSError as error:
        if _refused(error):
            return _kept_by_inbox(job, error)
        raise
    durable.sync_folder(here)
    return Disposal(done, detail)


def _refused(error: OSError) -> bool:
    """Whether a person has to help: what another program holds, or a full disk, is over some time."""
    return trouble(error.errno) is Trouble.NO_RIGHT or error.errno == errno.EROFS


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
            if _is_its_copy(job, target, there, tick):
                durable.sync_folder(there)
                return Disposal("archived")
            number += 1
    return Disposal("deleted")


def _exists(name: str, dir_fd: int) -> bool:
    try:
        os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
