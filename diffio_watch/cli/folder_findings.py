"""What `check` finds out about each folder: that it is there, whose it is, and what can be done in it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from diffio_watch.cli.canary import Canary, events, leases, times
from diffio_watch.cli.draw import size
from diffio_watch.cli.findings import Finding, error, ok, warning
from diffio_watch.cli.overlap import marked_below, shows
from diffio_watch.daemon import claims
from diffio_watch.disk import marker, mounts
from diffio_watch.disk.marker_file import MarkerHidden
from diffio_watch.journal import Journal, JournalError

if TYPE_CHECKING:
    from diffio_watch.cli.service import Service
    from diffio_watch.config import Config, Inbox

_PATIENCE: Final = 30.0  # seconds until a folder counts as hung, as in the daemon


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
        with marker.hold(str(path)) as folder:
            return _marked(config, subject, role, inbox, folder)
    except marker.FolderSwapped as swapped:
        return error(subject, f"{path}: {swapped}.", "Run `check` again.")
    except marker.FolderGone as gone:
        return error(subject, f"{path}: {gone}.", "Look at its disk or server; the service waits for it.")


def _marked(config: Config, subject: str, role: marker.Role, inbox: Inbox, folder: marker.Held) -> Finding | None:
    """What is wrong with a folder's marker, or with there being none.

    Raises:
        FolderSwapped: another folder came into its place meanwhile.
    """
    path = folder.root
    try:
        found = marker.read(folder.fd)
    except marker.FolderGone as gone:
        if claims.hidden(config.state_dir) is not None:
            return None  # it is closed to this user, as the journal is, which is told elsewhere
        return error(subject, f"{path}: {gone}.", "Whose it is, its owner knows and root: run this as one of them."
                     if isinstance(gone, MarkerHidden) else
                     f"`diffio-watch journal adopt {inbox.name}` takes it over.")
    adopt = f"`diffio-watch journal adopt {inbox.name}` takes it over"
    try:
        with _opened(config) as journal:
            marker.inspect(folder, role, inbox.name, "" if journal is None else journal.id,
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
    except marker.FolderSwapped:
        raise
    except marker.FolderUnsure as unsure:
        return warning(subject, f"{path} may as well be the folder beneath a share that is not mounted: {unsure}.",
                       "Mount the share, or let the service's user write there. If it is the right folder as it is, "
                       f"`diffio-watch journal adopt {inbox.name}` says so.")
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
    with Canary(inbox.path, inbox.file_mode) as canary:
        found += times(subject, canary)
        found.append(ok(subject, "It is polled.") if polls else events(subject, inbox.path, canary))
        if mount.remote and not polls:
            found.append(warning(subject, f"On {mount.kind} the changes of other machines make no events here.",
                                 "Set `watch: auto`, so that it is polled."))
        if mount.leases and not polls:
            found.append(leases(subject, canary, granted=lease_granted))
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
    with Canary(path, inbox.file_mode) as canary:
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
