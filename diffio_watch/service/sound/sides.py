"""The two sides of a job, its original and what came of it: opened through no link, and no other file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Literal, get_args

from diffio_watch.config import Config
from diffio_watch.disk import attributes
from diffio_watch.disk.beneath import NotRegular, open_beneath
from diffio_watch.disk.bounds import mtime_of
from diffio_watch.job import Job, Original

Side = Literal["original", "audio", "video"]
SIDES: Final[tuple[Side, ...]] = get_args(Side)
_WENT: Final[frozenset[Original]] = frozenset({"archived", "deleted"})
_MOST_NAMES: Final = 100  # in an archive, of one name


class NotThere(Exception):
    """A side that can't be had; the message is a sentence.

    Attributes:
        status: as HTTP has it: 404 there is none, 409 another file, 410 it went.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Content:
    """What a side is made of, as the journal knows it."""

    side: Side
    sha256: str
    size: int
    mime_type: str | None


def contents(job: Job) -> dict[Side, Content]:
    """The sides that a job has, whether their files are still there or not."""
    found: dict[Side, Content] = {}
    if job.sha256 is not None:
        found["original"] = Content("original", job.sha256, job.size, None)
    for output in job.outputs:
        if output.type != "transcript" and output.state == "published" and output.sha256 and output.size is not None:
            found[output.type] = Content(output.type, output.sha256, output.size, output.mime_type)
    return found


def open_side(config: Config, job: Job, side: Side) -> int:
    """Open the file of a side, if it still is the one in the journal; the caller closes it. May block.

    Raises:
        NotThere: it is not.
        OSError: it can't be read.
    """
    try:
        inbox = config.inbox(job.inbox)
    except KeyError:
        raise NotThere(404, f"The inbox {job.inbox} is not configured any more.") from None
    if side == "original":
        if job.original == "deleted":
            raise NotThere(410, "The original was removed after its delivery.")
        if job.original != "archived":
            return _same(job, str(inbox.path), job.path)
        if inbox.archive is None:
            raise NotThere(410, "The original is in an archive that is not configured any more.")
        return _archived(job, str(inbox.archive))
    path = next((output.path for output in job.outputs if output.type == side and output.state == "published"), None)
    size = next((output.size for output in job.outputs if output.type == side), None)
    if path is None:
        raise NotThere(404, f"There is no {side} of this recording.")
    descriptor = _opened(str(inbox.outbox), path)
    if os.fstat(descriptor).st_size != size:
        os.close(descriptor)
        raise NotThere(409, "Another file has the name of the result now.")
    return descriptor


def _same(job: Job, root: str, path: str) -> int:
    descriptor = _opened(root, path)
    status = os.fstat(descriptor)
    if status.st_size == job.size and mtime_of(status) == job.mtime_ns:
        return descriptor
    os.close(descriptor)
    raise NotThere(409, "The original was changed since it was restored.")


def _archived(job: Job, root: str) -> int:
    stem, dot, ext = job.path.rpartition(".")
    if not dot or "/" in ext:
        stem, ext = job.path, ""
    for number in range(1, _MOST_NAMES):
        path = job.path if number == 1 else f"{stem} ({number}){dot}{ext}"
        descriptor = _opened(root, path)
        status = os.fstat(descriptor)
        if status.st_size == job.size and attributes.same_time(mtime_of(status), job.mtime_ns):
            return descriptor
        os.close(descriptor)
    raise NotThere(410, "The original is not in the archive any more.")


def _opened(root: str, path: str) -> int:
    try:
        return open_beneath(root, path)
    except FileNotFoundError:
        raise NotThere(410, "The file is not there any more.") from None
    except NotRegular:
        raise NotThere(409, "Something else stands there now.") from None
