"""What a look at the disk tells about one path of an inbox, for whoever asks about it; nothing is changed there."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from typing import Final

from diffio_watch.config import Inbox
from diffio_watch.disk import marker
from diffio_watch.disk.beneath import NotRegular
from diffio_watch.disk.bounds import mtime_of
from diffio_watch.disk.marker_file import FolderRefused
from diffio_watch.disk.names import show
from diffio_watch.disk.place import Place, inside, somebodys
from diffio_watch.intake.junk import Rules
from diffio_watch.job import Because
from diffio_watch.media.mediainfo import ProbeFailed, is_surely, probe
from diffio_watch.reasons import because

_KINDS: Final = ((stat.S_ISREG, "regular file"), (stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "FIFO"),
                 (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"))


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look at the disk tells about a path of an inbox.

    Attributes:
        kind: "regular file", another kind, or "" where there is nothing.
        size: in bytes.
        mtime_ns: time of the last change.
        link: the symbolic link on the way that is not followed, and why; None if there is none.
        root: the folder on the way that holds a marker of its own; None if there is none.
        unavailable: why the inbox is not there.
        error: why it can't be told.
        readable: whether whoever asks may open it.
        silent: its name says nothing, and no sound that is meant was found in it.
    """

    kind: str = ""
    size: int = 0
    mtime_ns: int = 0
    link: str | None = None
    root: str | None = None
    unavailable: Because | None = None
    error: str | None = None
    readable: bool = True
    silent: bool = False


def away(error: marker.MarkerError, root: str, name: str) -> Because:
    """Why an inbox counts as not there, from what was in the way of its marker."""
    if isinstance(error, FolderRefused):
        return because("inbox_refused", path=show(root))
    if isinstance(error, marker.FolderUnsure):
        return because("inbox_unsure", detail=str(error), inbox=name)
    return because("unavailable", detail=str(error), inbox=name)


def sight(inbox: Inbox, path: str, journal: str, book: marker.Book | None) -> Sight:
    """Look at the disk, without changing anything there.

    Args:
        inbox: the inbox.
        path: relative to it.
        journal: the journal's id; "" where there is none yet.
        book: what that journal remembers of folders; None likewise.
    """
    root = os.fspath(inbox.path)
    try:
        with marker.hold(root) as folder:
            marker.inspect(folder, "inbox", inbox.name, journal, book)
            found = _seen(inbox, path, folder)
            folder.must_be()
            return found
    except marker.OldJournal as error:
        stopped = because("unavailable", detail=str(error), inbox=inbox.name)
        return Sight(unavailable=replace(stopped, action="Run `diffio-watch journal rebuild`; nothing is spent until "
                                                         "then."))
    except marker.MarkerError as error:
        return Sight(unavailable=away(error, root, inbox.name))


def _seen(inbox: Inbox, path: str, folder: marker.Held) -> Sight:
    root = folder.root
    try:
        other = somebodys(root, path)
        link = _link(inbox, root, path)
        status = os.stat(f"{root}/{path}", follow_symlinks=link is None)  # noqa: PTH116 - joined as text: in a Path an absolute one would replace the root
    except (FileNotFoundError, NotADirectoryError):
        return Sight()
    except OSError as error:
        return Sight(error=error.strerror or str(error))
    kind = next((word for test, word in _KINDS if test(status.st_mode)), "symbolic link")
    readable = os.access(f"{root}/{path}", os.R_OK, effective_ids=os.access in os.supports_effective_ids)
    silent = kind == _KINDS[0][1] and link is None and other is None and readable and _is_silent(inbox, path, folder)
    return Sight(kind, status.st_size, mtime_of(status), link, other, readable=readable, silent=silent)


def _is_silent(inbox: Inbox, path: str, folder: marker.Held) -> bool:
    """Whether a file of a name that says nothing would be left alone as it is now."""
    rules = Rules.of(inbox)
    if not rules.looks_into(path):
        return False
    try:
        descriptor = Place(folder.root, inodes=False, leases=False,
                           follow_symlinks=inbox.follow_symlinks).open(path, folder)
    except (OSError, NotRegular):
        return False
    try:
        media = probe(descriptor)
        return media is None or not rules.wants(media) or not is_surely(media, descriptor)
    except (OSError, ProbeFailed):
        return False
    finally:
        os.close(descriptor)


def _link(inbox: Inbox, root: str, path: str) -> str | None:
    """The first symbolic link on the way to a file, and why it is not followed."""
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        way = "/".join(parts[:depth])
        if stat.S_ISLNK(os.lstat(f"{root}/{way}").st_mode):
            if not inbox.follow_symlinks:
                return ", and `follow_symlinks` is off" if depth == len(parts) else f" at {way}"
            if inside(root, way) is None:
                return " that leads out of the inbox" if depth == len(parts) else f" at {way}, which leads out"
    return None
