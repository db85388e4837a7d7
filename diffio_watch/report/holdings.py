"""Where the files of a job are: its original and its results, as they may be looked at and heard. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from diffio_watch.disk import names as shown
from diffio_watch.disk.marker import Role
from diffio_watch.job import Job, Output, State
from diffio_watch.media import types
from diffio_watch.outbox import names

if TYPE_CHECKING:
    from diffio_watch.config import Config, Inbox

_NUMBERS: Final = 50  # names that the archive may have given to one original


@dataclass(frozen=True, slots=True)
class Holding:
    """A file of a job.

    Attributes:
        role: what the folder that holds it is used as.
        inbox: whose folder it is.
        root: its path.
        paths: where it may be, relative to it.
        size: that it has to have, in bytes.
        mtime_ns: the time of its last change, likewise; None where the journal does not tell.
        follow_symlinks: whether links that stay inside are followed.
        name: for whom it is given to.
        media_type: of our own table.
    """

    role: Role
    inbox: str
    root: Path
    paths: Sequence[str]
    size: int
    mtime_ns: int | None
    follow_symlinks: bool
    name: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why there is no such file. `gone` where there was one."""

    words: str
    gone: bool = False


_NO_INBOX: Final = Nothing("Its folder is not looked after any more.", gone=True)


def original(config: Config, job: Job) -> Holding | Nothing:
    """The original of a job."""
    inbox = _inbox(config, job)
    if inbox is None:
        return _NO_INBOX
    if job.original == "deleted":
        return Nothing("The original was removed after the result was delivered.", gone=True)
    folder, name = names.split(job.path)
    media_type = types.content_type(job.media, shown.show(name))
    if job.original != "archived":
        return Holding("inbox", inbox.name, inbox.path, [job.path], job.size, job.mtime_ns, inbox.follow_symlinks,
                       shown.show(name), media_type)
    if inbox.archive is None:
        return Nothing("The original is in an archive that is not configured any more.", gone=True)
    paths = [f"{folder}/{one}" if folder else one
             for one in (names.numbered(name, number) for number in range(1, _NUMBERS + 1))]
    return Holding("archive", inbox.name, inbox.archive, paths, job.size, job.mtime_ns, follow_symlinks=False,
                   name=shown.show(name), media_type=media_type)


def output(config: Config, job: Job, kind: str) -> Holding | Nothing:
    """A result of a job, by its type."""
    inbox = _inbox(config, job)
    if inbox is None:
        return _NO_INBOX
    found: Output | None = next((one for one in job.outputs if one.type == kind), None)
    if found is None or found.state != "published" or found.path is None or found.size is None:
        return Nothing("There is no such result." if job.state is State.DELIVERED else "There is no such result yet.")
    name = shown.show(names.split(found.path)[1])
    media_type = "application/json" if found.type == "transcript" else types.content_type(found.media, name)
    return Holding("outbox", inbox.name, inbox.outbox, [found.path], found.size, None, follow_symlinks=False,
                   name=name, media_type=media_type)


def _inbox(config: Config, job: Job) -> Inbox | None:
    return next((inbox for inbox in config.inboxes if inbox.name == job.inbox), None)
