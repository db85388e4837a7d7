"""`check` in each folder: a hidden file is written, renamed, looked at and removed, as a job's would be."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from diffio_watch.cli.draw import size
from diffio_watch.cli.findings import Finding, error, ok, warning
from diffio_watch.cli.overlap import marked_below, shows
from diffio_watch.daemon import claims
from diffio_watch.disk import durable, lease, marker, mounts
from diffio_watch.disk.marker_file import MarkerHidden
from diffio_watch.intake.watch import Hints, Watch, WatchRefused
from diffio_watch.journal import Journal, JournalError

if TYPE_CHECKING:
    from diffio_watch.cli.service import Service
    from diffio_watch.config import Config, Inbox

_PATIENCE: Final = 30.0  # seconds until a folder counts as hung, as in the daemon
_EVENT: Final = 2.0  # seconds for an event to arrive
_SKEW: Final = 5.0  # seconds between a share's clock and ours that are worth a word
_CAP_LEASE: Final = 28  # bit, from capability.h
_FINE: Final = 1_000_000_123  # nanoseconds: a time that a coarse filesystem can't hold


def folders(config: Config, inbox: Inbox, installed: Service | None) -> list[Finding]:
    """An inbox with its outbox and archive, each looked at by a thread of its own: one may hang.

    Args:
        config: the configuration.
        inbox: the one.
        installed: the service of this machine, if there is one to be seen.
    """
    lease_granted = installed is not None and installed.lease
    found = _in_time(f"inbox {inbox.name}", inbox.path, lambda: _inbox(config, inbox, lease_granted=lease_granted))
    found += _in_time(f"outbox of {inbox.name}", inbox.outbox, lambda: _target(
        config, inbox, "outbox", inbox.outbox, f"outbox of {inbox.name}"))
    if inbox.archive is not None:
        archive = inbox.archive
        found += _in_time(f"archive of {inbox.name}", archive, lambda: _target(
            config, inbox, "archive", archive, f"archive of {inbox.name}"))
    return found


def _in_time(subject: str, path: Path, look: Callable[[], list[Finding]]) -> list[Finding]:
    found: list[Finding] = []

    def run() -> None:
        try:
            found.extend(look())
        except OSError as trouble:
            found.append(error(subject, f"{path}: {trouble.strerror or trouble}.",
                               "Give the service's user its rights there, or mend the disk."))

    thread = threading.Thread(target=run, name=f"check {subject}", daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    if thread.is_alive():
        return [error(subject, f"{path} does not answer.", "Look at the server behind it; the service waits for it.")]
    return found


def _standing(config: Config, subject: str, role: marker.Role, inbox: Inbox, path: Path) -> Finding | None:
    """What is wrong with a folder before anything is written into it."""
    point = mounts.expected_but_unmounted(str(path))
    if point is not None:
        return error(subject, f"{point} is known to the system as a mount point and is not mounted.",
                     f"Run `mount {point}`.")
    if not path.exists():
        return error(subject, f"{path} is not there.", "Make it, or mount it; the service waits for it.")
    if not path.is_dir():
        return error(subject, f"{path} is no folder.", "Name a folder in the configuration.")
    if not os.access(path, os.R_OK | os.X_OK):
        return error(subject, f"{path} can't be read by this user.", "Give the service's user the right to read it.")
    try:
        found = marker.read(str(path))
    except marker.FolderGone as gone:
        if claims.hidden(config.state_dir) is not None:
            return None  # it is closed to this user, as the journal is, which is told elsewhere
        return error(subject, f"{path}: {gone}.", "Whose it is, its owner knows and root: run this as one of them."
                     if isinstance(gone, MarkerHidden) else
                     f"`diffio-watch journal adopt {inbox.name}` takes it over.")
    adopt = f"`diffio-watch journal adopt {inbox.name}` takes it over"
    try:
        with _opened(config) as journal:
            marker.inspect(str(path), role, inbox.name, "" if journal is None else journal.id,
                           None if journal is None else journal.folders)
    except (JournalError, PermissionError):
        return None  # told elsewhere; whose folder it is can't be said then
    except marker.ForeignMarker as other:
        if claims.hidden(config.state_dir) is not None:
            return None  # whose it is can't be known; that the journal can't be seen is told elsewhere
        now = time.time()
        back = claims.way_back(config.state_dir, to=other.owner)
        return error(subject, f"{path} belongs to {claims.claim(other.found, now)}.",
                     "Use that one, or stop it first." if claims.works_there(other.found, now) else
                     f"{back}{adopt} if that one is gone, and `journal rebuild` learns from its sidecars too.")
    except marker.OldJournal as old:
        return error(subject, f"{path} refuses: {old}.", "Nothing is spent until then.")
    except marker.FolderGone as gone:
        if found is not None and (found.role, found.name) != (role, inbox.name):
            return error(subject, f"{path} is marked as the {found.role} of {found.name}.",
                         f"Name another folder, or {adopt}.")
        return error(subject, f"{path} is not the folder that was used before: {gone}.",
                     f"Mount it; if a new one is meant, {adopt}.")
    return None


@contextlib.contextmanager
def _opened(config: Config) -> Iterator[Journal | None]:
    """The journal; None where there is none to be read."""
    try:
        journal = Journal.open(config.state_dir, read_only=True)
    except (JournalError, PermissionError):
        yield None
        return
    with journal:
        yield journal


def _inbox(config: Config, inbox: Inbox, *, lease_granted: bool) -> list[Finding]:
    subject = f"inbox {inbox.name}"
    wrong = _standing(config, subject, "inbox", inbox, inbox.path)
    if wrong is not None:
        return [wrong]
    mount = mounts.mount_of(str(inbox.path))
    found = [ok(subject, f"{inbox.path} is on {mount.kind or 'an unknown filesystem'}.")]
    other = marked_below(inbox)
    if other is not None:
        found.append(warning(subject, f"{other} holds a marker of its own, so nothing in it is taken for a recording.",
                             "It is somebody's inbox, outbox or archive; move recordings that are meant out of it."))
    if not os.access(inbox.path, os.W_OK):
        if inbox.originals != "keep":
            found.append(error(subject, f"`originals: {inbox.originals}` can't be: the folder can't be written.",
                               "Give the service's user the right to write it, or set `originals: keep`."))
        return [*found, warning(subject, "It can't be written, so it is known by its mount and not by a marker, and "
                                "events can't be proven.", "Give the service's user the right to write it.")]
    polls = inbox.watch == "polling" or (inbox.watch == "auto" and mount.remote)
    with _Canary(inbox.path, inbox.file_mode) as canary:
        found += _times(subject, canary)
        found.append(ok(subject, "It is polled.") if polls else _events(subject, inbox.path, canary))
        if mount.remote and not polls:
            found.append(warning(subject, f"On {mount.kind} the changes of other machines make no events here.",
                                 "Set `watch: auto`, so that it is polled."))
        if mount.leases and not polls:
            found.append(_lease(subject, canary, granted=lease_granted))
    return found


def _target(config: Config, inbox: Inbox, role: marker.Role, path: Path, subject: str) -> list[Finding]:
    """A folder that results or originals are written to."""
    wrong = _standing(config, subject, role, inbox, path)
    if wrong is not None:
        return [wrong]
    if not os.access(path, os.W_OK):
        return [error(subject, f"{path} can't be written by this user.",
                      "Give the service's user the right to write it.")]
    mount = mounts.mount_of(str(path))
    found = [ok(subject, f"{path} is on {mount.kind or 'an unknown filesystem'}.")]
    with _Canary(path, inbox.file_mode) as canary:
        if canary.mode != inbox.file_mode:
            found.append(warning(
                subject, f"Files get the mode {canary.mode:04o} there, not {inbox.file_mode:04o}.",
                "A share may keep modes of its own: set them where it is mounted or exported."))
        met = shows(config, canary.name)
        if met is not None:
            found.append(error(
                subject, f"What is written into {path} shows in the inbox {met[0].name} too, at {met[1]}.",
                "Take that mount or link away: what comes out must not come in again as a recording."))
        way = canary.rename()
        found.append(ok(subject, "Files are written, synced and named without replacing.") if way != "lock" else
                     warning(subject, "This filesystem can't rename without replacing; the program looks first.",
                             "Let no other program write the same names there."))
        if not canary.synced:
            found.append(warning(subject, "This filesystem can't sync a folder: after a power cut a name may be gone.",
                                 "The file would be fetched again, without paying."))
        if role == "outbox" and not canary.appends():
            found.append(warning(subject, "This filesystem can't append to a file: what is bought is not noted there.",
                                 "All the same it works; a rebuild from an older copy of the journal has to ask you."))
    usage = os.statvfs(path)
    free = usage.f_bavail * usage.f_frsize
    if role == "outbox":
        least = config.limits.min_free
        found.append(ok(subject, f"{size(free)} are free.") if free >= least else
                     error(subject, f"{size(free)} are free, less than `limits.min_free` ({size(least)}).",
                           "Make room, or lower `limits.min_free`: until then no new work starts."))
    return found


class _Canary:
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


def _times(subject: str, canary: _Canary) -> list[Finding]:
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


def _events(subject: str, path: Path, canary: _Canary) -> Finding:
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


def _lease(subject: str, canary: _Canary, *, granted: bool) -> Finding:
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
