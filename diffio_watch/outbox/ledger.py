"""What is about to be bought, noted in the outbox before it is: a hidden file with one line a generation.

The service's lists know projects by the names of their files alone, and a name proves nothing: others may have bought
a file of that name with the same key. Where a machine died and an older copy of its journal goes on, this file tells
which content each project holds. It is believed as sidecars are, and bounded: the oldest lines go.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import threading
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diffio_watch.disk import durable
from diffio_watch.disk.names import dumps, show
from diffio_watch.disk.trouble import Trouble
from diffio_watch.job import Job
from diffio_watch.outbox.errors import DiskTrouble, translated
from diffio_watch.outbox.files import READ
from diffio_watch.outbox.names import temp_name
from diffio_watch.outbox.root import Root
from diffio_watch.outbox.sidecar_model import Digest

NAME: Final = ".diffio-watch-bought"
_MOST: Final = 8 << 20  # bytes; then the older half goes: that of some ten thousand generations
_APPEND: Final = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BEGINNINGS: Final = (b"", b"\n", b"{")  # of what this program wrote, whole or shortened
_WAITED_FOR: Final = frozenset({Trouble.FULL, Trouble.SHORT, Trouble.GONE})  # it passes, and then it can be noted
_REMEMBERED: Final = 10_000  # lines that this process wrote and need not write again
_Text = Annotated[str, Field(max_length=8192)]


class Entry(BaseModel):
    """A line: a project of ours at the service, and the content that was uploaded to it.

    Attributes:
        job: id of the job it was made for.
        path: of its file in the inbox, as `disk.names.show` writes it: for people, and to choose between copies.
        sha256: of the content.
        service: base URL of the service.
        project: its id there.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    job: _Text
    path: _Text
    sha256: Digest
    service: _Text
    project: _Text


class Ledger:
    """The ledger of one outbox. Safe to use from many threads.

    Args:
        root: of the outbox.
        tell: gets a sentence, once, where this user may not write it.
    """

    def __init__(self, root: Root, tell: Callable[[str], None]) -> None:
        self._root = root
        self._tell = tell
        self._writing = threading.Lock()
        self._noted: set[tuple[str, str]] = set()

    def note(self, job: Job) -> None:
        """Have it on the disk that this job's generation is about to be bought; once for a job and its project.

        Where such a file can't be had there (no right to it, something else of that name, a share that can't append),
        it is told and left: then a rebuild from an older copy asks a person.

        Raises:
            OutboxGone: the outbox is not there.
            DiskTrouble: the disk is full, or the host short of memory or open files.
        """
        key = (job.id, job.project_id or "")
        if key in self._noted or job.sha256 is None:
            return
        entry = {"job": job.id, "path": show(job.path), "sha256": job.sha256, "service": job.base_url,
                 "project": job.project_id}
        line = f"\n{dumps(entry)}\n".encode()  # the line before may have been cut off by a power cut
        try:
            with self._root.open() as root, translated(self._root.path, NAME):
                self._append(line, job.settings.file_mode, root)
        except DiskTrouble as trouble:
            if trouble.kind in _WAITED_FOR:
                raise
            self._tell(f"what is bought can't be noted in {NAME} ({trouble.detail}); a rebuild from an older copy of "
                       "the journal would have to ask a person")
        if len(self._noted) >= _REMEMBERED:
            self._noted.clear()
        self._noted.add(key)

    def _append(self, line: bytes, mode: int, root: int) -> None:
        with self._writing:  # what is appended must not land in a file that is just being replaced
            file = self._opened(mode, root)
            try:
                durable.write_all(file, line)
            except BaseException:
                os.close(file)
                raise
        try:
            durable.sync(file)  # several threads' at once
        finally:
            os.close(file)

    def _opened(self, mode: int, root: int) -> int:
        """The file to append to. It is one of ours, and has no other name: that may be a recording's."""
        try:
            file = os.open(NAME, _APPEND, dir_fd=root)
        except FileNotFoundError:
            file = durable.create(NAME, mode, dir_fd=root)
            durable.sync_folder(root)
            return file
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode) or os.pread(file, 1, 0) not in _BEGINNINGS:
                raise OSError(errno.EEXIST, "what stands there is not of this program")
        except BaseException:
            os.close(file)
            raise
        if status.st_size < _MOST and status.st_nlink <= 1:
            return file
        os.close(file)
        self._renew(_MOST // 2 if status.st_size >= _MOST else _MOST, mode, root)
        return os.open(NAME, _APPEND, dir_fd=root)

    def _renew(self, most: int, mode: int, root: int) -> None:
        """Put a file of the newest lines, of at most so many bytes, in its place."""
        temp = temp_name(secrets.token_hex(8), "names")
        kept = _tail(root, most)
        file = durable.create(temp, mode, dir_fd=root)
        try:
            try:
                durable.write_all(file, kept)
                durable.sync(file)
            finally:
                os.close(file)
            os.rename(temp, NAME, src_dir_fd=root, dst_dir_fd=root)
            durable.sync_folder(root)
        except BaseException:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                os.unlink(temp, dir_fd=root)
            raise

    def read(self) -> list[Entry]:
        """Every whole line, oldest first.

        Raises:
            OutboxGone: the outbox is not there.
            DiskTrouble: it can't be read.
        """
        with self._root.open() as root, translated(self._root.path, NAME):
            lines = _tail(root, 2 * _MOST).split(b"\n")
        entries = []
        for line in lines:
            with contextlib.suppress(ValidationError):  # cut off, or bent by somebody: it proves nothing
                entries.append(Entry.model_validate_json(line))
        return entries


def _tail(root: int, most: int) -> bytes:
    """The last whole lines of the file, of at most so many bytes; nothing where there is none or no regular one."""
    try:
        file = os.open(NAME, READ, dir_fd=root)
    except FileNotFoundError:
        return b""
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            return b""
        offset = max(0, status.st_size - most)
        found = bytearray()
        while len(found) < most and (data := os.pread(file, 1 << 20, offset + len(found))):
            found += data
        return bytes(found) if offset == 0 else bytes(found).partition(b"\n")[2]
    finally:
        os.close(file)
