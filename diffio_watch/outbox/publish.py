"""The outbox of one inbox: where outputs become visible, whole and durable, and nothing is ever overwritten.

The way of a job through it, each step followed by one commit of the caller:

    number_for   → the names, reserved in the job's row
    temp         → the output is fetched into a hidden file; `finish` tells size and SHA-256
    publish      → it gets its final name
    write_sidecar, last: its presence says that everything it names is complete

Every step finds out what an earlier, interrupted try left and goes on from there; all of them may run twice.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final

from diffio_watch.disk import durable
from diffio_watch.disk.names import fold, show
from diffio_watch.job import DownloadType, Form, Job, Output, State
from diffio_watch.outbox import names, sidecar
from diffio_watch.outbox.error_files import ErrorFiles
from diffio_watch.outbox.errors import ContentLost, DiskTrouble, NameTaken, translated
from diffio_watch.outbox.files import content, holds, size_of, status_of, unlink
from diffio_watch.outbox.heard import NOTHING, Heard
from diffio_watch.outbox.name_trial import takes
from diffio_watch.outbox.names import Plan
from diffio_watch.outbox.sidecar_model import Sidecar
from diffio_watch.outbox.sidecar_reader import told
from diffio_watch.outbox.temp import Temp, reopen
from diffio_watch.outbox.walk import Aside, join, nobody, sweep, walk
from diffio_watch.outbox.withdraw import withdraw_sidecar

_KINDS: Final[tuple[names.TempKind, ...]] = ("audio", "video", "transcript", "sidecar", "error")
_MOST_READ: Final = 10_000  # outputs whose looks are remembered
_HIGH: Final = 999  # a number that is as long as any that comes to be


class Outbox(ErrorFiles):
    """One outbox.

    Each method opens the root anew and checks it, so any of them raises `OutboxGone`, and `DiskTrouble` for what
    else the system says.

    Args:
        root: path of the folder.
        inbox: name of the inbox that it belongs to.
        available: raises `OutboxGone` unless the root is the right folder (its marker is there).
        tell: gets a sentence, once, for each promise that this filesystem can't hold.
    """

    def form_for(self, job: Job, wanted: Mapping[DownloadType, str | None], *, folder: bool) -> Form:
        """The first form of the job's names that this filesystem takes.

        Args:
            job: whose names.
            wanted: the outputs to come, with their media types as far as they are known.
            folder: also make sure that the folder they go to can be made and written.

        Raises:
            DiskTrouble: it takes none of them, or the folder can't be written.
        """
        tried = set()
        for form in names.FORMS:
            # with a number, which may become necessary
            plan = names.plan(replace(job, form=form), wanted, _HIGH)
            paths = (*plan.paths.values(), plan.sidecar, names.error_path(job.path, form))
            if paths in tried:
                continue
            tried.add(paths)
            home = plan.sidecar.rpartition("/")[0]
            odd = [name for path in paths if not names.is_ordinary(name := path.rpartition("/")[2])]
            known = not odd and all(map(names.is_ordinary, home.split("/") if home else ()))
            if self._takes_all(job, home, folder=folder) if known else takes(self.root, job, home, odd):
                return form
        raise DiskTrouble(f"{show(self.root.path)}: {show(job.path)}", errno.EINVAL)

    def _takes_all(self, job: Job, home: str, *, folder: bool) -> bool:
        """Whether a folder takes names that every filesystem does."""
        return not folder or self._writable.of(home, lambda: takes(self.root, job, home, ()))

    def number_for(self, job: Job, wanted: Mapping[DownloadType, str | None],
                   reserved: Callable[[str], bool]) -> Plan:
        """The names under the smallest number for which none exists or is reserved, compared without case.

        What another program made within the last second is seen as the filesystem itself compares names.

        Args:
            job: whose names.
            wanted: the outputs to come, with the media types that the service told; none for a skipped file.
            reserved: whether another job has this folded path (one of `Plan.keys`).
        """
        folder, _ = names.split(job.path, job.form)
        with self.root.existing(folder) as fd:
            # listed once for many: of the thousands in a folder each would be listed for each
            there = self._there.of(folder, lambda: _listed(fd))
            number = 1
            while True:
                plan = names.plan(job, wanted, number)
                taken = any(key.rpartition("/")[2] in there or reserved(key) for key in plan.keys)
                if not taken and not any(_stands(path, fd) for path in (*plan.paths.values(), plan.sidecar)):
                    return plan
                number += 1

    def temp(self, job: Job, output: Output, *, resume: bool = False) -> Temp:
        """The hidden file for an output, in the folder of its final name.

        Args:
            job: whose output.
            output: with its `path`, if its number is reserved already.
            resume: keep what an earlier try of this process wrote; after a crash nothing vouches for such bytes.
        """
        folder, name = _home(job, output), names.temp_name(job.id, output.type)
        with self.root.made(folder, job.settings.dir_mode) as fd:
            file = reopen(name, dir_fd=fd) if resume else None
            if file is None:
                unlink(name, fd)
                file = durable.create(name, job.settings.file_mode, dir_fd=fd)
            return Temp(self.root.path, join(folder, name), file)

    def publish(self, job: Job, output: Output) -> None:
        """Give a fetched output its final name, durably; done already is done.

        Args:
            job: whose output.
            output: with `path`, `size` and `sha256` as they were committed.

        Raises:
            NameTaken: something else has the final name: `withdraw_sidecar`, `unpublish` all of the job's, number anew.
            ContentLost: the content is under neither name; it is to be fetched again.
        """
        path, size, sha256 = _facts(output)
        folder, name = os.path.split(path)
        temp = names.temp_name(job.id, output.type)
        with self.root.made(folder, job.settings.dir_mode) as fd:
            if size_of(temp, fd) == size:
                try:
                    self._rename(temp, name, fd, fd)
                except FileExistsError:
                    # a try that ended between link and unlink left one file with both names
                    if not (durable.same_file(temp, name, source_fd=fd, target_fd=fd)
                            or holds(name, fd, size, sha256)):
                        raise NameTaken(path) from None
                    os.unlink(temp, dir_fd=fd)
            elif not holds(name, fd, size, sha256):
                raise ContentLost(path)
            self._sync_folder(fd)

    def unpublish(self, job: Job, output: Output) -> None:
        """Take an output back under its hidden name, in the folder where the job is now, to give it another.

        Raises:
            ContentLost: it is nowhere; it is to be fetched again.
        """
        path, size, sha256 = _facts(output)
        folder, name = os.path.split(path)
        temp = names.temp_name(job.id, output.type)
        with (self.root.made(names.split(job.path, job.form)[0], job.settings.dir_mode) as to,
              self.root.existing(folder) as at):
            if size_of(temp, to) == size:
                if at is not None and durable.same_file(temp, name, source_fd=to, target_fd=at):
                    os.unlink(name, dir_fd=at)
                    self._sync_folder(at)
                return
            if at is None:
                raise ContentLost(path)
            if size_of(temp, at) == size:  # fetched, and then the original's folder was renamed
                if durable.same_file(temp, name, source_fd=at, target_fd=at):
                    os.unlink(name, dir_fd=at)
                source = temp
            elif holds(name, at, size, sha256):
                source = name
            else:
                raise ContentLost(path)
            os.rename(source, temp, src_dir_fd=at, dst_dir_fd=to)
            self._sync_folder(to)
            self._sync_folder(at)

    def present(self, output: Output) -> bool:
        """Whether a published output is still where it was put, with the size it had."""
        path, size, _ = _facts(output)
        folder, name = os.path.split(path)
        with self.root.existing(folder) as fd:
            return fd is not None and size_of(name, fd) == size

    def there(self, output: Output, tick: Callable[[], None] = lambda: None) -> bool:
        """Whether a published output's bytes are still where they were put: another take may have its name and size.

        It is read once, and again only when the file looks otherwise. `tick` is called meanwhile, and may raise.
        """
        path, size, sha256 = _facts(output)
        folder, name = os.path.split(path)
        with self.root.existing(folder) as fd:
            status = None if fd is None else status_of(name, fd)
            if fd is None or status is None or not stat.S_ISREG(status.st_mode) or status.st_size != size:
                return False
            looks = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
            if self._read.get(path) != (looks, sha256):
                if content(name, fd, tick) != sha256:
                    return False
                if len(self._read) >= _MOST_READ:
                    self._read.clear()
                self._read[path] = looks, sha256
            return True

    def has_sidecar(self, job: Job) -> bool:
        """Whether anything stands where a job's sidecar was put."""
        folder, name = os.path.split(names.sidecar_of(job))
        with self.root.existing(folder) as fd:
            return _stands(name, fd)

    def write_sidecar(self, job: Job, earlier: Job | None = None, *, taken: Collection[DownloadType] = (),
                      heard: Heard = NOTHING) -> str:
        """Write the sidecar of a delivered or skipped job, and tell its path.

        Args:
            job: as it is about to be committed: its state, its times, its outputs all published.
            earlier: the job that has the outputs, for a skipped file.
            taken: outputs that stood there whole and were taken away since.
            heard: what is known of how it sounds.

        Raises:
            NameTaken: something else has the name: `unpublish`, then number anew.
            ContentLost: an output that it would name is not there.
        """
        if job.state not in {State.DELIVERED, State.SKIPPED}:
            raise ValueError(f"no sidecar for a job that is {job.state}")
        for output in job.outputs:
            if output.state == "published" and output.type not in taken and not self.present(output):
                raise ContentLost(_facts(output)[0])
        path = names.sidecar_of(job)
        if not self._put(path, sidecar.render(job, earlier, heard=heard), job, "sidecar",
                         lambda found: (found.job, found.run) == (job.id, job.run)):
            raise NameTaken(path)
        return path

    def withdraw_sidecar(self, job: Job) -> None:
        """Remove the sidecar of an earlier delivery of this job: before `unpublish`, or it would name what is gone."""
        withdraw_sidecar(self.root, job, self._sync_folder)

    def clean(self, job: Job, kinds: Collection[names.TempKind] = _KINDS) -> None:
        """Remove the temporary files of this job, all or those of some kinds, and no others."""
        if not kinds:
            return
        for folder in {names.split(job.path, job.form)[0], *(_home(job, output) for output in job.outputs)}:
            with self.root.existing(folder) as fd:
                if fd is not None:
                    for kind in kinds:
                        unlink(names.temp_name(job.id, kind), fd)

    def sweep(self, working: Callable[[str], bool], tick: Callable[[], None] = lambda: None,
              aside: Aside = nobody) -> list[str]:
        """Remove the temporary files of jobs that nobody works on: what crashes left. Tells their paths."""
        return sweep(self.root, working, tick, aside)

    def sidecars(self, aside: Aside = nobody) -> Iterator[tuple[str, Sidecar]]:
        """Every sidecar and error file of this program in the outbox, with its path: what a lost journal is made of.

        Args:
            aside: told of each folder and file that could not be read, or that somebody bent.
        """
        for folder, entries, fd in walk(self.root, aside):
            for name in sorted(entries):
                if name.endswith(".json") and (found := told(self.root, join(folder, name), fd, aside)) is not None:
                    yield join(folder, name), found

    def free(self) -> int:
        """Bytes that may still be written here."""
        with self.root.open() as fd, translated(self.root.path):
            room = os.fstatvfs(fd)
            self.filesystem = room.f_fsid
            return room.f_bavail * room.f_frsize


def _listed(fd: int | None) -> frozenset[str]:
    """The names in a folder, without case."""
    return frozenset(() if fd is None else map(fold, os.listdir(fd)))  # noqa: PTH208 - a descriptor


def _stands(path: str, fd: int | None) -> bool:
    return fd is not None and status_of(path.rpartition("/")[2], fd) is not None


def _facts(output: Output) -> tuple[str, int, str]:
    if output.path is None or output.size is None or output.sha256 is None:
        raise ValueError(f"the {output.type} was not fetched under a reserved name")
    return output.path, output.size, output.sha256


def _home(job: Job, output: Output) -> str:
    return names.split(job.path, job.form)[0] if output.path is None else output.path.rpartition("/")[0]
