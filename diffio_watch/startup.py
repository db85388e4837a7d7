"""What must be so before anything may be spent: the folders are this journal's, and it knows what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from diffio_watch.config import Config, Inbox
from diffio_watch.disk import marker
from diffio_watch.disk.mounts import mount_of
from diffio_watch.journal import Journal
from diffio_watch.journal.records import Role
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.errors import OutboxError
from diffio_watch.outbox.root import Root


class CannotRun(Exception):
    """A state that no restart cures. Its text says what to do."""


def make_state_dir(folder: Path) -> None:
    """Make the folder of the journal, on a disk that can keep one.

    Raises:
        CannotRun: it can't be made there.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mount = mount_of(str(folder))
    except OSError as error:
        raise CannotRun(f"`state_dir` {folder} can't be made ({error.strerror}): make it, or name another.") from error
    if mount.remote:
        raise CannotRun(f"`state_dir` {folder} is on a network filesystem ({mount.kind}), where a journal can't be "
                        "kept safely: name a folder on a local disk.")


def folders(config: Config) -> Iterator[tuple[Inbox, Role, Path]]:
    """Every root folder of the configuration."""
    for inbox in config.inboxes:
        yield inbox, "inbox", inbox.path
        yield inbox, "outbox", inbox.outbox
        if inbox.archive is not None:
            yield inbox, "archive", inbox.archive


def available(journal: Journal, owner: marker.Owner, role: Role, name: str, path: Path) -> Callable[[], None]:
    """A check that a folder is there and this journal's. It raises `FolderGone`, and remembers what it learns."""
    def check() -> None:
        try:
            _look(journal, owner, role, name, path)
        except marker.FolderGone:
            raise
        except marker.MarkerError as error:  # somebody mounted another folder there
            raise marker.FolderGone(str(error)) from error

    return check


def _look(journal: Journal, owner: marker.Owner, role: Role, name: str, path: Path) -> None:
    known = journal.folder(role, name)
    found = marker.check(str(path), role, name, owner, known)
    if found != known:
        journal.set_folder(found)


def root(journal: Journal, owner: marker.Owner, role: Role, inbox: Inbox) -> Root:
    """An inbox, outbox or archive that is checked at each use."""
    path = {"inbox": inbox.path, "outbox": inbox.outbox, "archive": inbox.archive}[role]
    assert path is not None
    return Root(str(path), available(journal, owner, role, inbox.name, path))


def refuse_strangers(config: Config, journal: Journal, owner: marker.Owner) -> None:
    """Refuse another journal's folders, an old copy of this journal, and a new journal beside old sidecars.

    Raises:
        CannotRun: naming the folder and what to do.
    """
    for inbox, role, path in folders(config):
        if role == "outbox" and journal.folder(role, inbox.name) is None:
            _refuse_sidecars(inbox)
        try:
            _look(journal, owner, role, inbox.name, path)
        except marker.ForeignMarker as error:
            raise CannotRun(
                f"The {role} {path} belongs to another journal ({error.owner}). If that one is gone, "
                "`diffio-watch journal rebuild` learns from the sidecars what was restored; "
                f"`diffio-watch journal adopt {inbox.name}` takes the folder over as it is.") from error
        except marker.OldJournal as error:
            raise CannotRun(f"The {role} {path} refuses: {error}. Nothing is spent until then.") from error
        except marker.FolderGone:
            continue  # waited for


def _refuse_sidecars(inbox: Inbox) -> None:
    """A journal that is new to an outbox with sidecars has lost its memory, and would pay for everything again."""
    seen = Outbox(str(inbox.outbox), inbox=inbox.name, available=lambda: None)
    try:
        first = next(seen.sidecars(), None)
    except OutboxError:
        return  # not there: waited for, and looked at by its marker then
    if first is not None:
        raise CannotRun(
            f"The outbox {inbox.outbox} holds sidecars (such as {first[0]}), and this journal knows none of them. "
            "`diffio-watch journal rebuild` learns from them what was restored; "
            f"`diffio-watch journal adopt {inbox.name}` goes on without.")
