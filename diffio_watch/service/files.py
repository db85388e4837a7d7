"""Originals and results, by the id of their job: opened beneath their root, held against the row, read in pieces.

Everything that touches a file runs elsewhere, with a time limit: a hung share must not take the page along.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from diffio_watch.disk import attributes, marker
from diffio_watch.disk.beneath import NotRegular
from diffio_watch.disk.bounds import mtime_of
from diffio_watch.disk.place import Place
from diffio_watch.report import holdings, roots
from diffio_watch.report.holdings import Holding, Nothing
from diffio_watch.service import ranges, reading
from diffio_watch.service.answers import Refused, abort, disconnected
from diffio_watch.service.disposition import disposition
from diffio_watch.service.site import JOURNAL, disk
from diffio_watch.service.threads import TooSlow

if TYPE_CHECKING:
    from diffio_watch.job import Job
    from diffio_watch.journal import Journal
    from diffio_watch.service.site import Site

STREAMS: Final = 8  # at a time
_MADE: Final = "preview"  # the kind of calls that read what was made here
_PIECE: Final = 1 << 18  # bytes
_IDLE: Final = 5.0  # seconds without reading, after which a stream makes room for another
_LONGEST_IDLE: Final = 60.0  # … after which it ends: an open file keeps its share from being unmounted
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


@dataclass(eq=False)
class Stream:
    """A file that is being sent."""

    moved_at: float
    abort: Callable[[], None]


@dataclass
class Files:
    """What serves them. Used by the page's thread alone."""

    site: Site
    _streams: set[Stream] = field(default_factory=set)

    async def original(self, request: Request) -> ASGIApp:
        """The original of a job."""
        return await self._answer(request, lambda job: holdings.original(self.site.config, job))

    async def output(self, request: Request) -> ASGIApp:
        """A result of a job, by its type."""
        kind = request.path_params["kind"]
        return await self._answer(request, lambda job: holdings.output(self.site.config, job, kind))

    async def _answer(self, request: Request, find: Callable[[Job], Holding | Nothing]) -> ASGIApp:
        site, job_id = self.site, request.path_params["id"]
        job = await site.threads.run(JOURNAL, lambda: reading.must_be(site, job_id))
        held = find(job)
        if isinstance(held, Nothing):
            raise Refused(410 if held.gone else 404, held.words)
        kind = disk(held.root)
        fd, facts = await site.threads.run(kind, lambda: opened(held, site.reader),
                                           late=lambda found: os.close(found[0]))
        return _File(self, kind, fd, facts, held.name, held.media_type, request)

    async def made(self, request: Request, path: Path) -> ASGIApp:
        """A preview, which is sent as recordings are, and counts as one."""
        def look() -> tuple[int, os.stat_result]:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            return fd, os.fstat(fd)

        try:
            fd, facts = await self.site.threads.run(_MADE, look, late=lambda found: os.close(found[0]))
        except OSError as error:  # it made room for others just now
            raise Refused(503, f"The preview can't be read: {error.strerror}.", {"retry-after": "5"}) from None
        return _File(self, _MADE, fd, facts, "preview.flac", "audio/flac", request)

    def enter(self, scope: Scope) -> Stream:
        """Begin to send a file.

        Raises:
            Refused: too many are being sent.
        """
        now = asyncio.get_running_loop().time()
        if len(self._streams) >= STREAMS:
            idle = min(self._streams, key=lambda one: one.moved_at)
            if now - idle.moved_at < _IDLE:
                raise Refused(503, f"{STREAMS} recordings are being played or saved already: try again soon.",
                              {"retry-after": "5"})
            self.leave(idle)
            idle.abort()
        stream = Stream(now, lambda: abort(scope))
        self._streams.add(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        """It is over."""
        self._streams.discard(stream)


def opened(held: Holding, journal: Journal) -> tuple[int, os.stat_result]:
    """Open a file, if it is the one that the journal knows.

    Args:
        held: the file.
        journal: what remembers its folder.

    Returns:
        A descriptor, which the caller closes, and its facts.

    Raises:
        Refused: it is not there, is none, or another one.
    """
    try:
        with roots.used(journal, held.role, held.inbox, held.root) as folder:
            return _found(held, folder)
    except marker.MarkerError:
        raise Refused(503, "The folder that it is in is not there at this moment.", {"retry-after": "30"}) from None


def _found(held: Holding, folder: marker.Held) -> tuple[int, os.stat_result]:
    place = Place(folder.root, inodes=False, leases=False, follow_symlinks=held.follow_symlinks)
    other = False
    for path in held.paths:
        try:
            fd = place.open(path, folder)
        except NotRegular:
            if len(held.paths) == 1:
                raise Refused(404, "What stands there is no ordinary file, and is not given out.") from None
            continue
        except OSError as error:
            if error.errno in _ABSENT:
                continue  # of an archive's names an earlier one may have been taken away
            if error.errno in {errno.EACCES, errno.EPERM}:
                raise Refused(409, "It is there, and the service may not read it.") from None
            raise Refused(503, f"It can't be read at this moment: {error.strerror}.", {"retry-after": "30"}) from None
        facts = os.fstat(fd)
        if facts.st_size == held.size and (held.mtime_ns is None
                                           or attributes.same_time(mtime_of(facts), held.mtime_ns)):
            return fd, facts
        os.close(fd)
        other = True
    if other:
        raise Refused(409, "Another file stands there now: it was changed, or replaced, since.")
    raise Refused(410, "It is not where it was: somebody has moved or removed it.")


class _File:
    """A file as an answer; its descriptor is closed in any case."""

    def __init__(self, files: Files, kind: str, fd: int, facts: os.stat_result, name: str, media_type: str,
                 request: Request) -> None:
        self._files = files
        self._kind = kind
        self._fd = fd
        self._size = facts.st_size
        self._tag = f'"{facts.st_size:x}-{facts.st_mtime_ns:x}"'  # of this address; no share changes its numbers
        self._modified = formatdate(int(facts.st_mtime), usegmt=True)
        self._name = name
        self._media_type = media_type
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI."""
        threads = self._files.site.threads
        try:
            status, head, part = self._head()
            sends = scope["method"] != "HEAD" and part is not None
            stream = self._files.enter(scope) if sends else None
            try:
                await send({"type": "http.response.start", "status": status,
                            "headers": [(name.encode(), value.encode("latin-1")) for name, value in head.items()]})
                if stream is not None and part is not None:
                    gone = asyncio.ensure_future(disconnected(receive))
                    try:
                        await self._send(stream, part, send, gone)
                    finally:
                        gone.cancel()
                else:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                if stream is not None:
                    self._files.leave(stream)
        finally:
            fd = self._fd
            await threads.aside(self._kind, lambda: os.close(fd))  # it may hang as well

    def _head(self) -> tuple[int, dict[str, str], tuple[int, int] | None]:
        """Status, headers, and the first and last byte that are sent; None for none."""
        asked, size = self._request.headers, self._size
        download = self._request.query_params.get("download") == "1"
        head = {"content-type": self._media_type, "accept-ranges": "bytes", "etag": self._tag,
                "last-modified": self._modified, "cache-control": "no-store",
                "content-disposition": disposition(self._name, download=download),
                "content-security-policy": "default-src 'none'; sandbox"}
        if ranges.matches(asked.get("if-none-match"), self._tag):
            return 304, head, None
        honoured = ranges.still(asked.get("if-range"), self._tag, self._modified)
        try:
            part = ranges.wanted(asked.get("range"), size) if honoured and self._request.method == "GET" else None
        except ranges.NotThere:
            return 416, {"content-range": f"bytes */{size}", "content-length": "0", "cache-control": "no-store"}, None
        if part is None:
            return 200, head | {"content-length": str(size)}, (0, size - 1) if size else None
        first, last = part
        return 206, head | {"content-length": str(last - first + 1),
                            "content-range": f"bytes {first}-{last}/{size}"}, part

    async def _send(self, stream: Stream, part: tuple[int, int], send: Send, gone: asyncio.Future[None]) -> None:
        """Send it piece by piece; who does not read is not waited for without end."""
        threads, loop, fd = self._files.site.threads, asyncio.get_running_loop(), self._fd
        at, end = part[0], part[1] + 1
        while at < end and not gone.done():
            length = min(_PIECE, end - at)
            try:
                piece = await threads.run(self._kind, lambda at=at, length=length: os.pread(fd, length, at))  # type: ignore[misc]  # bound now
                if not piece:
                    raise TooSlow(self._kind)  # it became shorter: the rest is not sent, and that is seen
                async with asyncio.timeout(_LONGEST_IDLE):
                    await send({"type": "http.response.body", "body": piece, "more_body": at + len(piece) < end})
            except (TooSlow, OSError, TimeoutError):
                stream.abort()
                return
            at += len(piece)
            stream.moved_at = loop.time()
