"""A download's way into its hidden file, and a look at what came."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from typing import Final

from diffio_watch.api import errors as api
from diffio_watch.api.streams import Piece
from diffio_watch.disk.names import show
from diffio_watch.disk.reading import always
from diffio_watch.job import DownloadType, Job, Media
from diffio_watch.media.mediainfo import probe
from diffio_watch.outbox.errors import DiskTrouble
from diffio_watch.outbox.temp import Temp
from diffio_watch.pipeline.decide import size as words
from diffio_watch.pipeline.tools import Tools

SPARE: Final = 1 << 20  # bytes that are always left: for sidecars, and for others who write there
_LOOK_EVERY: Final = 16 << 20


class Sink:
    """The temporary file as a download sees it: it reports progress, and remembers what its bytes are of."""

    def __init__(self, temp: Temp, tools: Tools, job: Job, kind: DownloadType) -> None:
        self._temp = temp
        self._tools = tools
        self._job = job
        self._key = (job.id, kind)

    @property
    def validator(self) -> str | None:
        """Which version of the object the bytes are of; kept in memory, as long as this process lives."""
        return self._tools.partly.get(self._key)

    @validator.setter
    def validator(self, value: str | None) -> None:
        if value is None:
            self._tools.partly.pop(self._key, None)
        else:
            self._tools.partly[self._key] = value

    @property
    def size(self) -> int:
        """Bytes in it so far."""
        return self._temp.size

    def expect(self, size: int, /) -> None:
        """Make sure of the room for all of it.

        Raises:
            DiskTrouble: there is too little.
        """
        self._make_sure_of(size - self._temp.size)

    def _make_sure_of(self, size: int) -> None:
        outbox = self._tools.outbox(self._job)
        with self._tools.files.call(self._job.inbox):
            free = outbox.free()
        if free < size + SPARE:
            raise DiskTrouble(f"{show(outbox.root.path)}: {words(size)} are to come, and {words(free)} are free",
                              errno.ENOSPC)

    def write(self, data: Piece, /) -> None:
        """Append."""
        # others take of the same room, and not every storage tells a length
        if self._temp.size // _LOOK_EVERY != (self._temp.size + len(data)) // _LOOK_EVERY:
            self._make_sure_of(len(data))
        with self._tools.files.call(self._job.inbox):
            self._temp.write(data)
        self._tools.note_progress(self._job, 100.0 * min(1.0, self._temp.size / max(1, self._job.size)))

    def restart(self) -> None:
        """Forget everything written."""
        self._temp.restart()
        self.validator = None


_TRANSCRIPT_MOST: Final = 256 << 20  # bytes that are read to see that it is whole; ten hours of words take some 20 MB


def look(kind: DownloadType, descriptor: int, name: str, going: Callable[[], bool] = always) -> Media | None:
    """What the fetched file is; for a transcript only that it can be read.

    Args:
        kind: what it is to be.
        descriptor: the file.
        name: what MediaInfo is to know it by, should it crash over it: fetched again it is another file.
        going: asked before each read.

    Raises:
        BadDownload: it is no transcript.
        ProbeFailed: MediaInfo broke down.
    """
    if kind != "transcript":
        return probe(descriptor, going, name)
    try:
        json.loads(os.pread(descriptor, min(os.fstat(descriptor).st_size, _TRANSCRIPT_MOST), 0))
    except (ValueError, RecursionError) as error:
        raise api.BadDownload(f"the transcript can't be read: {error}", call="download") from error
    return None
