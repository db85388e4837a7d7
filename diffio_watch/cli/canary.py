"""`check` in a folder: a hidden file is written, renamed, looked at and removed, as a job's would be."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path
from typing import Final, Self

from diffio_watch.cli.findings import Finding, ok, warning
from diffio_watch.disk import durable, lease
from diffio_watch.intake.watch import Hints, Watch, WatchRefused

_EVENT: Final = 2.0  # seconds for an event to arrive
_SKEW: Final = 5.0  # seconds between a share's clock and ours that are worth a word
_CAP_LEASE: Final = 28  # bit, from capability.h
_FINE: Final = 1_000_000_123  # nanoseconds: a time that a coarse filesystem can't hold


class Canary:
    """A hidden file that no inbox takes and that does not stay."""

    def __init__(self, folder: Path, mode: int) -> None:
        self.folder = folder
        self.name = f".diffio-watch-check-{os.getpid()}.tmp"
        self.synced = True
        self._other = f".diffio-watch-check-{os.getpid()}.renamed.tmp"
        self._wanted = mode
        self.mode = 0

    def __enter__(self) -> Self:
        self.root = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._sweep()  # of a check that was broken off
        try:
            self.descriptor = durable.create(self.name, self._wanted, dir_fd=self.root)
        except OSError:
            os.close(self.root)
            raise
        durable.write_all(self.descriptor, b"diffio-watch check\n")
        durable.sync(self.descriptor)
        self.mode = stat.S_IMODE(os.fstat(self.descriptor).st_mode)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
        self._sweep()
        os.close(self.root)

    def _sweep(self) -> None:
        for name in (self.name, self._other):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self.root)

    def rename(self) -> durable.Way:
        """Give it another name without replacing, and sync the folder."""
        way = durable.rename_noreplace(self.name, self._other, source_fd=self.root, target_fd=self.root)
        self.name, self._other = self._other, self.name
        self.synced = durable.sync_folder(self.root)
        return way

    def appends(self) -> bool:
        """Whether a line can be put to its end, as the outbox's ledger needs it."""
        try:
            file = os.open(self.name, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.root)
        except OSError:
            return False
        try:
            durable.write_all(file, b"and a line more\n")
        except OSError:
            return False
        finally:
            os.close(file)
        return True

    def reopen(self) -> int:
        """A second descriptor, for reading."""
        return os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.root)


def times(subject: str, canary: Canary) -> list[Finding]:
    """What is odd about the times of files there."""
    found = []
    skew = os.fstat(canary.descriptor).st_mtime - time.time()
    if abs(skew) > _SKEW:
        found.append(warning(subject, f"Its clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}.",
                             "Let the server set its clock by NTP; the times of files come from it."))
    os.utime(canary.descriptor, ns=(_FINE, _FINE))
    kept = os.fstat(canary.descriptor).st_mtime_ns
    if kept != _FINE:
        found.append(warning(subject, "It does not keep times to the nanosecond: a change in the same instant, and of "
                             "the same size, can't be seen.",
                             "Let recorders write under another name and rename when finished."))
    return found


def events(subject: str, path: Path, canary: Canary) -> Finding:
    """Whether events arrive from there."""
    polled = "Until then it is polled."
    hints = Hints()
    try:
        watch = Watch(str(path), hints, recursive=False)
    except WatchRefused as refused:
        return warning(subject, f"It can't be watched: {refused}.", polled)
    try:
        canary.rename()
        end = time.monotonic() + _EVENT
        while time.monotonic() < end:
            hints.wait(0.1)
            seen, lost = hints.take()
            if lost or any(name.startswith(".diffio-watch-check") for name in seen):
                return ok(subject, "Its events arrive.")
    finally:
        watch.stop()
    return warning(subject, "No event arrives for a file that is written there; the rescans find it.",
                   "Set `watch: polling` for this inbox, so that files are found sooner.")


def leases(subject: str, canary: Canary, *, granted: bool) -> Finding:
    """Whether the kernel tells us who has a file open, also of files that are not ours."""
    foreign = not granted and os.geteuid() != 0 and not _may_ask_all()
    descriptor = canary.reopen()
    try:
        busy = lease.ask(descriptor)
    finally:
        os.close(descriptor)
    if foreign or busy is lease.Answer.NOT_ALLOWED:
        return warning(subject, "The kernel does not say who has other users' files open, so a file is left quiet for "
                       "at least 10 s.", "Give the service `AmbientCapabilities=CAP_LEASE` in its unit.")
    return ok(subject, "The kernel says which files are still open for writing.")


def _may_ask_all() -> bool:
    """Whether this process has CAP_LEASE."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return False
    line = next((line for line in text.splitlines() if line.startswith("CapEff:")), "CapEff: 0")
    return bool(int(line.split()[1], 16) >> _CAP_LEASE & 1)
