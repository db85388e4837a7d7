"""Small files that stand under their own names: sidecars, put whole, and error files, put and taken away."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from diffio_watch import editors
from diffio_watch.disk import durable
from diffio_watch.disk.names import show
from diffio_watch.disk.trouble import Trouble
from diffio_watch.job import Because, Job, Settings, State
from diffio_watch.outbox import names, sidecar
from diffio_watch.outbox.errors import DiskTrouble
from diffio_watch.outbox.files import parsed, peek, unlink
from diffio_watch.outbox.ledger import Ledger
from diffio_watch.outbox.recent import Recent
from diffio_watch.outbox.root import Root
from diffio_watch.outbox.sidecar_model import Sidecar
from diffio_watch.outbox.sidecar_reader import Evidence

NO_JOB: Final = "0" * 26  # in place of the id of a job, where there is none
STATUS_MARK: Final = b"<!DOCTYPE html>\n<!-- diffio-watch: how everything is; written anew as it changes -->\n"


class ErrorFiles:
    """The part of an outbox that tells of what failed or is held; `Outbox` says what the arguments are."""

    def __init__(self, root: str, *, inbox: str, available: Callable[[], int | None],
                 tell: Callable[[str], None] = lambda _: None) -> None:
        self.root = Root(root, available)
        self.evidence = Evidence(self.root)
        self.ledger = Ledger(self.root, self._once)
        self.inbox = inbox
        self.filesystem: int | None = None  # its number, once somebody asked what is free there
        self._there: Recent[frozenset[str]] = Recent()  # the names in a folder, without case
        self._writable: Recent[bool] = Recent()
        self._tell = tell
        self._told: set[str] = set()
        # how outputs looked when they were last read and had their bytes, by path
        self._read: dict[str, tuple[tuple[int, int, int], str]] = {}

    def write_error(self, job: Job) -> bool:
        """Write or refresh the error file of a failed or held job; False if something else has its name."""
        if job.state not in {State.FAILED, State.HELD}:
            raise ValueError(f"no error file for a job that is {job.state}")
        told = sidecar.render(job, words=_told(job.because))
        return self._put_error(job, told, lambda found: self._error_of(found, job.path))

    def clear_error(self, path: str) -> bool:
        """Remove the error file of the original at `path` in the inbox; False if there was none of ours."""
        return self._clear_error(path, lambda found: self._error_of(found, path))

    def write_unread(self, path: str, because: Because, settings: Settings, facts: tuple[int, int, float]) -> bool:
        """Write or refresh the error file of a file that can't be read, and so has no job.

        Args:
            path: of the file in the inbox.
            because: why it can't be read.
            settings: of the inbox.
            facts: its size, its modification time in nanoseconds, and since when it has been known, as far as anybody
                could tell.

        Returns:
            False if something else has its name.
        """
        size, mtime_ns, since = facts
        nobody = Job(NO_JOB, self.inbox, path, size, mtime_ns, settings, because=because, detected_at=since)
        return self._put_error(nobody, sidecar.render(nobody, words=_told(because)),
                               lambda found: self._unread_of(found, path))

    def clear_unread(self, path: str) -> bool:
        """Remove the error file of a file that could not be read; False if there was none, or a job's by now."""
        return self._clear_error(path, lambda found: self._unread_of(found, path))

    def write_drop(self, oldest: Job, files: int) -> bool:
        """Write or refresh the one file of a drop that is held; False if something else has its name.

        Args:
            oldest: of its jobs; what the file tells beside the sentence is about this one.
            files: how many there are.
        """
        return self._put(names.DROP_FILE, sidecar.render(oldest, words=_told(oldest.because, files)), oldest, "error",
                         self._error_of_drop)

    def clear_drop(self) -> bool:
        """Remove the file of a drop; False if there was none of ours."""
        return self._clear(names.DROP_FILE, self._error_of_drop)

    def _put_error(self, job: Job, told: bytes, ours: Callable[[Sidecar], bool]) -> bool:
        """Write the error file of a job's file under the first of its names that this filesystem takes."""
        *odd, last = names.error_paths(job.path)
        for path in odd:
            try:
                return self._put(path, told, job, "error", ours)
            except DiskTrouble as trouble:
                if trouble.kind is not Trouble.BAD_NAME:
                    raise
        return self._put(last, told, job, "error", ours)

    def _clear_error(self, path: str, ours: Callable[[Sidecar], bool]) -> bool:
        cleared = [self._clear(one, ours) for one in names.error_paths(path)]
        return any(cleared)

    def _clear(self, path: str, ours: Callable[[Sidecar], bool]) -> bool:
        folder, name = os.path.split(path)
        with self.root.existing(folder) as fd:
            found = None if fd is None else parsed(peek(name, fd))
            if fd is None or found is None or not ours(found):
                return False
            unlink(name, fd)
            self._sync_folder(fd)
            return True

    def _error_of(self, found: Sidecar, path: str) -> bool:
        return (found.inbox == self.inbox and found.source.name == path
                and (found.state in {State.FAILED, State.HELD} or found.job == NO_JOB))

    def _unread_of(self, found: Sidecar, path: str) -> bool:
        return found.inbox == self.inbox and found.source.name == path and found.job == NO_JOB

    def _error_of_drop(self, found: Sidecar) -> bool:
        return (found.inbox == self.inbox and found.state is State.HELD
                and found.because is not None and found.because.code == "drop_size")

    def write_status(self, page: bytes, settings: Settings) -> bool:
        """Write or renew the page that tells in the folder how everything is; False if something else has its name.

        Args:
            page: HTML that begins with `STATUS_MARK`.
            settings: of the inbox.
        """
        return self._replace(names.STATUS_FILE, page, names.temp_name(NO_JOB, "status"), settings, _is_status)

    def status_stands(self) -> bool:
        """Whether anything has that page's name."""
        with self.root.existing("") as fd:
            return fd is not None and peek(names.STATUS_FILE, fd) is not None

    def clear_status(self) -> bool:
        """Remove that page; False if there was none of ours."""
        with self.root.existing("") as fd:
            if fd is None or (before := peek(names.STATUS_FILE, fd)) is None or not _is_status(before):
                return False
            unlink(names.STATUS_FILE, fd)
            self._sync_folder(fd)
            return True

    def _put(self, path: str, data: bytes, job: Job, kind: names.TempKind, ours: Callable[[Sidecar], bool]) -> bool:
        """Write a whole small file; only an older one of ours is replaced. False if the name is another's."""
        return self._replace(path, data, names.temp_name(job.id, kind), job.settings,
                             lambda before: (found := parsed(before)) is not None and ours(found))

    def _replace(self, path: str, data: bytes, temp: str, settings: Settings, ours: Callable[[bytes], bool]) -> bool:
        folder, name = os.path.split(path)
        with self.root.made(folder, settings.dir_mode) as fd:
            before = peek(name, fd)
            if before is not None and not ours(before):
                return False
            unlink(temp, fd)
            if before != data:
                file = durable.create(temp, settings.file_mode, dir_fd=fd)
                try:
                    durable.write_all(file, data)
                    durable.sync(file)
                finally:
                    os.close(file)
                if before is not None:
                    os.rename(temp, name, src_dir_fd=fd, dst_dir_fd=fd)
                else:
                    try:
                        self._rename(temp, name, fd, fd)
                    except FileExistsError:
                        os.unlink(temp, dir_fd=fd)
                        return False
            self._sync_folder(fd)
            return True

    def _rename(self, source: str, target: str, source_fd: int, target_fd: int) -> None:
        way = durable.rename_noreplace(source, target, source_fd=source_fd, target_fd=target_fd)
        if way == "lock":
            self._once("its filesystem can neither rename without replacing nor make hard links; "
                       "names are looked at first")

    def _sync_folder(self, fd: int) -> None:
        if not durable.sync_folder(fd):
            self._once("its filesystem can't sync folders; a power cut may lose the newest names")

    def _once(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._tell(f"outbox {show(self.root.path)}: {sentence}")


def _is_status(found: bytes) -> bool:
    return found.startswith(STATUS_MARK)


def _told(because: Because | None, count: int = 1) -> tuple[str, str]:
    """What happened, and what an editor can do."""
    words = editors.words(because, count)
    return words.message, words.action
