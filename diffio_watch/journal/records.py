"""What intake and the journal tell each other, as plain records.

Paths are `str` as `os.fsdecode` makes them, relative to their inbox and "/"-separated. Times are seconds since
the epoch, UTC; sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from diffio_watch.disk.marker import FolderMemory, Role

if TYPE_CHECKING:
    from diffio_watch.job import Because, Media, Settings, State

WatchMode = Literal["events", "polling"]

__all__ = [
    "FolderMemory", "Found", "InboxReport", "Known", "Passed", "Placed", "Role", "SettlingEntry", "Stand",
    "Still", "WatchMode",
]


@dataclass(frozen=True, slots=True)
class Passed:
    """A change of a job's row that is not on the disk yet, for nothing that was done since depends on it.

    `changes` are fields and their new values, `detail` is a word for the history.
    """

    changes: Mapping[str, Any]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """The newest job at a path, as far as intake needs it to tell an old file from a new one."""

    job_id: str
    path: str
    size: int
    mtime_ns: int
    state: State
    inode: int | None = None  # None where the filesystem does not keep inode numbers
    partial: str = ""  # cheap fingerprint of the content
    sha256: str | None = None  # None: the content was never read as a whole
    changed: bool = False  # the pipeline saw the file change while it read it: it has to settle again
    renamed: bool = False  # it came here by a rename, and was not read as a whole since


class Stand(NamedTuple):
    """What stands at a path, as far as a look at it can tell; the rest is in `Known`."""

    path: str
    size: int
    mtime_ns: int
    inode: int | None
    renamed: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A file that counts as finished and is to be journalled."""

    path: str
    size: int
    mtime_ns: int
    settings: Settings
    detected_at: float
    inode: int | None = None  # only where it can be trusted: local and no FUSE
    partial: str = ""
    sha256: str | None = None  # only where the content had to be read to tell whether it is a known one
    media: Media | None = None
    priority: int = 0
    fail: Because | None = None  # the file's own fault: the job is journalled as failed
    notice_at: float | None = None  # error file and alert not before this; None: at once


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of a `Found`.

    `new`: a job was made. `refreshed`: the job at this path had sent nothing yet and now describes this content.
    `same`: the content is one that this path had before. `held`: a job was made and waits for a person.
    """

    path: str
    job_id: str
    outcome: Literal["new", "refreshed", "same", "held"]


@dataclass(frozen=True, slots=True)
class Still:
    """How a waiting file looked, and since when it did."""

    size: int
    mtime_ns: int
    since: float


@dataclass(frozen=True, slots=True)
class SettlingEntry:
    """A file that was seen and is not journalled yet, and what it waits for."""

    path: str
    because: Because
    since: float
    next_look_at: float | None  # None: it is looked at when something about it changes
    still: Still | None = None  # what a later start needs to go on counting


@dataclass(frozen=True, slots=True)
class InboxReport:
    """How an inbox is, as `status` shows it."""

    name: str
    available: bool
    watch: WatchMode
    filesystem: str  # kind as the kernel names it, "" while unknown
    settle_seconds: float
    last_scan_at: float | None = None
    stopped: Because | None = None  # why the inbox is not there
    since: float | None = None  # of `stopped`
    next_check_at: float | None = None  # when the inbox is looked for again
    note: str = ""  # why it is polled although events were wanted, with the remedy
    left_alone: int = 0  # files whose names say nothing and in which no sound was found
    next_scan_at: float | None = None
