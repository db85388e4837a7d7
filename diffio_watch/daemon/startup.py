"""What must be so before anything may be spent: the folders are this journal's, and it knows what they hold."""

from __future__ import annotations

import os
import pwd
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from diffio_watch.config import Config, Inbox
from diffio_watch.daemon.claims import claim, way_back, works_there
from diffio_watch.daemon.systemd import notify
from diffio_watch.disk import marker
from diffio_watch.disk.mounts import mount_of
from diffio_watch.disk.names import show
from diffio_watch.journal import Journal, JournalCorrupt, JournalLocked, left
from diffio_watch.journal.backup import COPIED_AT
from diffio_watch.journal.folders import OLD_COPY
from diffio_watch.journal.opening import FILE
from diffio_watch.journal.records import Role
from diffio_watch.journal.restore import REBUILDING
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.errors import OutboxError
from diffio_watch.outbox.root import Root

_PATIENCE: Final = 5.0  # seconds for all folders together: a share that hangs is waited for as a missing one is
_EXTENDED: Final = 120_000_000  # microseconds that a start may take from its last sign of life on
_MORE: Final = 1.0  # seconds for the second look; whatever hangs then gets its marker from the inbox's own threads


class CannotRun(Exception):
    """A state that no restart cures. Its text says what to do."""


def make_state_dir(folder: Path) -> None:
    """Make the folder of the journal, on a disk that can keep one.

    Raises:
        CannotRun: it can't be made there, or is another user's.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mount = mount_of(str(folder))
    except OSError as error:
        raise CannotRun(f"`state_dir` {folder} can't be made ({error.strerror}): make it, or name another.") from error
    for path in (folder, folder / "lock", folder / FILE):
        _must_be_ours(path)
    if mount.remote:
        raise CannotRun(f"`state_dir` {folder} is on a network filesystem ({mount.kind}), where a journal can't be "
                        "kept safely: name a folder on a local disk.")


def must_be_whole(journal: Journal, now: float, stop: threading.Event, *, untouched: bool) -> None:
    """Make sure that no damage hides a row, which would be paid for again; the service manager gives time for it.

    Args:
        journal: it.
        now: seconds since the epoch.
        stop: set when the program ends: then it is not read to its end.
        untouched: it is as the run before left it.

    Raises:
        JournalCorrupt: it is damaged.
    """
    if untouched and left.read_lately(journal, now):
        return

    def go_on() -> bool:
        notify(f"EXTEND_TIMEOUT_USEC={_EXTENDED}")
        return not stop.is_set()

    left.is_unread(journal)
    if journal.must_be_whole(go_on):
        left.was_read(journal, now)


def _must_be_ours(path: Path) -> None:
    try:
        owner = path.stat().st_uid
    except OSError:
        return  # whoever uses it says what is wrong with it
    may = os.access(path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids)
    if may or owner == os.geteuid():
        return
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"#{owner}"
    raise CannotRun(f"{path} belongs to {name}: run this as that user (`sudo -u {name} …`), or name another "
                    "`state_dir`.")


def folders(config: Config) -> Iterator[tuple[Inbox, Role, Path]]:
    """Every root folder of the configuration."""
    for inbox in config.inboxes:
        yield inbox, "inbox", inbox.path
        yield inbox, "outbox", inbox.outbox
        if inbox.archive is not None:
            yield inbox, "archive", inbox.archive


def available(journal: Journal, owner: marker.Owner, role: Role, name: str, path: Path,
              trouble: Callable[[BaseException], None]) -> Callable[[], int]:
    """A check that a folder is there and this journal's. It raises `FolderGone`, and tells the count of its marker.

    Args:
        journal: what remembers.
        owner: the journal's id and counter.
        role: what the folder is used as.
        name: of the inbox it belongs to.
        path: the folder.
        trouble: told of an `OldJournal`, which is more than this folder's trouble.
    """
    def check() -> int:
        try:
            return _use(journal, owner, role, name, path)
        except marker.FolderGone:
            raise
        except marker.MarkerError as error:
            if isinstance(error, marker.OldJournal):
                trouble(error)
            raise marker.FolderGone(str(error)) from error  # else somebody mounted another folder there

    return check


def _use(journal: Journal, owner: marker.Owner, role: Role, name: str, path: Path) -> int:
    """Make sure that a folder is there and this journal's, and mark it where it is new and holds nothing unknown."""
    with marker.hold(str(path)) as folder:
        _must_be_new(journal, role, name, folder)
        return marker.check(folder, role, name, owner, journal.folders)


def _see(journal: Journal, owner: marker.Owner, role: Role, name: str, path: Path) -> marker.Marker | None:
    """The same, and nothing is written."""
    with marker.hold(str(path)) as folder:
        _must_be_new(journal, role, name, folder)
        return marker.inspect(folder, role, name, owner.journal, journal.folders)


def _must_be_new(journal: Journal, role: Role, name: str, folder: marker.Held) -> None:
    """A journal that is new to an outbox with sidecars has lost its memory.

    Raises:
        UnknownSidecars: so it is.
        FolderGone: it can't be looked through.
    """
    if role != "outbox" or journal.folders.get(role, name) is not None:
        return
    seen = Outbox(folder.root, inbox=name, available=folder.must_be)
    try:
        first = next(seen.sidecars(), None)
    except OutboxError as error:
        raise marker.FolderGone(f"it can't be looked through ({error})") from error
    if first is not None:
        raise UnknownSidecars(f"it holds sidecars (such as {show(first[0])}) that this journal knows nothing of")


def root(journal: Journal, owner: marker.Owner, role: Role, inbox: Inbox,
         trouble: Callable[[BaseException], None]) -> Root:
    """An inbox, outbox or archive that is checked at each use; `trouble` as `available` has it."""
    path = {"inbox": inbox.path, "outbox": inbox.outbox, "archive": inbox.archive}[role]
    assert path is not None
    return Root(str(path), available(journal, owner, role, inbox.name, path, trouble))


def refuse_strangers(config: Config, journal: Journal, owner: marker.Owner) -> None:
    """Refuse a journal with gaps, another journal's folders, and a new journal beside old sidecars.

    Nothing is written into any folder: a start that fails leaves no trace there.

    Args:
        config: the configuration.
        journal: opened for writing.
        owner: the journal.

    Raises:
        CannotRun: naming what is wrong and what to do.
    """
    _refuse_gaps(journal)
    _refuse(config, journal, partial(_see, journal, owner), _PATIENCE)


def take_folders(config: Config, journal: Journal, owner: marker.Owner) -> None:
    """Mark the folders as this journal's, as far as they are there: the daemon starts now.

    Raises:
        CannotRun: as `refuse_strangers` has it; somebody was quicker.
    """
    _refuse(config, journal, partial(_use, journal, owner), _MORE)


def _refuse(config: Config, journal: Journal, look: Callable[[Role, str, Path], object], patience: float) -> None:
    wrongs = _look_everywhere(config, look, patience)
    for *_, wrong in wrongs:
        if isinstance(wrong, marker.OldJournal):
            raise remember_old_copy(journal, wrong)
    for inbox, role, path, wrong in wrongs:
        try:
            if wrong is not None:
                raise wrong
        except marker.ForeignMarker as error:
            raise CannotRun(_foreign(config, inbox, role, path, error.found)) from error
        except UnknownSidecars as error:
            raise CannotRun(
                f"The outbox {path}: {error}. {way_back(journal.state_dir, but=journal.id)}"
                "`diffio-watch journal rebuild` learns from them what was restored; "
                f"`diffio-watch journal adopt {inbox.name}` goes on without.") from error
        except marker.FolderGone:
            continue  # waited for


def _foreign(config: Config, inbox: Inbox, role: Role, path: Path, found: marker.Marker) -> str:
    whose = f"The {role} {path} belongs to {claim(found, time.time())}."
    if works_there(found, time.time()):
        return f"{whose} Use that one, or stop it first: two would pay for everything twice."
    return (f"{whose} {way_back(config.state_dir, to=found.journal)}"
            "`diffio-watch journal rebuild` learns from the sidecars what was restored; "
            f"`diffio-watch journal adopt {inbox.name}` takes the folder over as it is, if that journal is gone.")


def remember_old_copy(journal: Journal, error: marker.OldJournal) -> CannotRun:
    """Refuse a journal that a marker gave away as an old copy, now and at each start from now on.

    Whether that folder is there then or not: what was paid for since the copy was made is not in the journal.

    Returns:
        What there is to say.

    Raises:
        JournalTrouble: it can't be remembered.
    """
    told = CannotRun(f"The {error.role} {error.root} refuses: {error}. Nothing is spent until then.")
    journal.set_meta(OLD_COPY, str(told))
    return told


def _look_everywhere(config: Config, look_at: Callable[[Role, str, Path], object], patience: float,
                     ) -> list[tuple[Inbox, Role, Path, Exception | None]]:
    """Every root folder, and what is wrong with it as far as could be told in time."""
    places = list(folders(config))
    wrong: list[Exception | None] = [None] * len(places)

    def look(number: int) -> None:
        inbox, role, path = places[number]
        try:
            look_at(role, inbox.name, path)
        except Exception as error:  # noqa: BLE001 - raised again by who asked
            wrong[number] = error

    threads = [threading.Thread(target=look, args=(number,), daemon=True) for number in range(len(places))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [(*place, error) for place, error in zip(places, wrong, strict=True)]


def _refuse_gaps(journal: Journal) -> None:
    """A journal that can't know of everything that was paid for."""
    copied_at = journal.meta(COPIED_AT)
    if copied_at is not None:
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(copied_at))
        raise CannotRun(
            f"The journal in {journal.state_dir} is a copy made on {made}: what was paid for since then is not in it. "
            "`diffio-watch journal rebuild` brings it up to date; nothing is spent until then.")
    if journal.meta(REBUILDING) is not None:
        raise CannotRun(f"The rebuild of the journal in {journal.state_dir} was broken off: run `diffio-watch journal "
                        "rebuild` again, it goes on from there. Nothing is spent until then.")
    told = journal.meta(OLD_COPY)
    if told is not None:
        raise CannotRun(told)


class UnknownSidecars(marker.MarkerError):
    """A journal that is new to an outbox with sidecars has lost its memory, and would pay for everything again."""


def without_effect(config: Config) -> list[str]:
    """Keys that are set and that this version does nothing with: a person should not wait for what they promise."""
    nobody = config.web.listen is None and config.webhook.listen is None
    return ["webhook.secret_file"] if nobody and config.webhook.secret_file else []


def exit_code(error: BaseException) -> int:
    """The exit code: 2 for what no restart cures."""
    return 2 if isinstance(error, (CannotRun, JournalLocked, JournalCorrupt, marker.OldJournal)) else 1
