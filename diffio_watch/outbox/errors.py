"""Everything that can go wrong in an outbox. Foreign errors become these at one seam, `translated`.

OutboxError
    OutboxGone    the folder is not there: stop its inbox, it heals by itself
    DiskTrouble   the system refuses, and its `kind` says why: park, it heals by itself
    NameTaken     something else has the name: take the next number
    ContentLost   a fetched output is not where it was left: fetch it again, free of charge
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from diffio_watch.disk import durable
from diffio_watch.disk.names import show
from diffio_watch.disk.trouble import trouble


class OutboxError(Exception):
    """The root of this family."""


class OutboxGone(OutboxError):
    """The root of an outbox, inbox or archive is not there, or is not the folder it was.

    Attributes:
        path: of the root.
        detail: why, for people.
    """

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(f"{show(path)}: {detail}")
        self.path = path
        self.detail = detail


class DiskTrouble(OutboxError):
    """The disk or a folder does not take what was asked: full, read-only, failing, forbidden, in the way.

    Attributes:
        detail: what and where, for people.
        errno: the system's number.
        kind: what it is about.
    """

    def __init__(self, detail: str, number: int | None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errno = number
        self.kind = trouble(number)


class NameTaken(OutboxError):
    """Something that is not this job's has the name. `path` is relative to the outbox."""

    def __init__(self, path: str) -> None:
        super().__init__(show(path))
        self.path = path


class ContentLost(OutboxError):
    """Neither the temporary nor the final name holds the recorded content. `path` is the final name."""

    def __init__(self, path: str) -> None:
        super().__init__(show(path))
        self.path = path


@contextlib.contextmanager
def translated(root: str, path: str = "") -> Iterator[None]:
    """The seam: an `OSError` inside becomes `OutboxGone` of `root` or `DiskTrouble` about `path` in it."""
    try:
        yield
    except OSError as error:
        words = error.strerror or str(error)
        if durable.is_gone(error):
            raise OutboxGone(root, words) from error
        if error.errno in {errno.ENOTDIR, errno.ELOOP}:
            words = "a file or a symbolic link stands where a folder is needed"
        raise DiskTrouble(f"{show(f'{root}/{path}' if path else root)}: {words}", error.errno) from error
