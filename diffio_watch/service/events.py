"""What changes, told to all who look on: one look a second for all of them, and none where nothing changed.

Server-sent events (HTML 9.2). A client that reads too slowly is dropped, not buffered: it comes back by itself.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from starlette.types import Receive, Scope, Send

from diffio_watch.clock import rfc3339
from diffio_watch.journal import JournalError
from diffio_watch.report.standing import Standing
from diffio_watch.service import snapshot
from diffio_watch.service.answers import Refused, abort, disconnected, encoded
from diffio_watch.service.threads import PATIENCE, TooSlow

if TYPE_CHECKING:
    from diffio_watch.service.site import Site
    from diffio_watch.service.snapshot import Snapshot

STREAMS: Final = 300  # at a time: some connections are left for other requests
_EVERY: Final = 1.0  # seconds between two looks
_SLOWEST: Final = 5.0  # … where each of them costs much
_AFTER_A_FAULT: Final = 30.0  # … where one failed for a fault of this program
_SHARE: Final = 0.005  # of a processor that looks may take
_BEAT: Final = 2.0  # … between two beats
_ANYWAY: Final = 60.0  # … after which a look is taken where nothing changed: a day may be over, a time have come
_QUEUE: Final = 8  # events that wait for one client
_KEPT: Final = 60  # events about jobs that who comes back is told
_CHANGED: Final = 200  # jobs in one event
_LOOK: Final = "look"  # the kind of calls that look
_RETRY: Final = 1000  # milliseconds after which a browser comes back


@dataclass(eq=False)
class Client:
    """One open stream; `holds` tells at a time whether its reader may still see it."""

    may_change: bool
    holds: Callable[[float], bool]
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(_QUEUE))
    dropped: asyncio.Event = field(default_factory=asyncio.Event)
    slow: bool = False
    seen: Snapshot | None = None


@dataclass(frozen=True)
class _Look:
    """What a look found; nothing is None where nothing has changed."""

    version: int
    cost: float = 0.0  # seconds of processor time
    snapshot: Snapshot | None = None
    history: int | None = None
    news: dict[str, Any] | None = None


class Hub:
    """Looks, and tells. Used by the page's thread alone.

    Args:
        site: the page's own things.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._clients: set[Client] = set()
        self._ended = False
        self._looking = asyncio.Lock()
        self._snapshot: Snapshot | None = None
        self._version: int | None = None  # of the journal's data, as the last look found it
        self._config = site.config  # that it was taken by
        self._history: int | None = None  # its last line, likewise
        self._looked_at = 0.0
        self._next_at = 0.0
        self._news: list[bytes] = []  # that nobody was told yet
        self._shown: dict[bool, tuple[Snapshot, str, bytes]] = {}  # by whether its reader may change things
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=_KEPT)
        self._lost = 0  # the number of the last event that is kept no more

    async def run(self, ending: asyncio.Event) -> None:
        """Look and tell until the page ends; then end every stream."""
        beat_at = 0.0
        loop = asyncio.get_running_loop()
        while not ending.is_set():
            self._see_out()
            if self._clients:
                try:
                    if loop.time() >= self._next_at:
                        await self._look_and_tell()
                except (JournalError, TooSlow) as error:
                    self._site.log.warning("page.trouble", message=str(error))
                    self._next_at = loop.time() + _SLOWEST
                except Exception as error:  # the streams go on, and say by their beats that the program does
                    self._site.log.exception("page.broke", error=repr(error))
                    self._next_at = loop.time() + _AFTER_A_FAULT
                if loop.time() - beat_at >= _BEAT - _EVERY / 2:
                    beat_at = loop.time()
                    self._tell(_event("beat", encoded({"at": rfc3339(self._now())})))
            try:
                await asyncio.wait_for(ending.wait(), _EVERY)
            except TimeoutError:
                continue
        self._ended = True
        for client in list(self._clients):
            client.dropped.set()

    async def now(self) -> Snapshot:
        """How everything is, no older than what the journal was told last.

        Raises:
            JournalError: the journal can't be read.
            TooSlow: not in time.
        """
        async with self._turn():
            return await self._look()

    async def stream(self, *, may_change: bool, last: str, holds: Callable[[float], bool] = lambda _: True) -> Stream:
        """A new stream, as an answer. It begins with all there is.

        Args:
            may_change: whether who looks on may change things.
            last: the number of the last event that they got; "" at first.
            holds: whether, at a time in seconds since the epoch, what let them in still does.

        Raises:
            Refused: there are too many.
            JournalError: the journal can't be read.
            TooSlow: not in time.
        """
        if len(self._clients) >= STREAMS or self._ended:
            raise Refused(503, "Too many are looking on at this moment: try again soon.", {"retry-after": "5"})
        client = Client(may_change, holds)
        async with self._turn():
            found = await self._look()
            client.queue.put_nowait(b"retry: %d\n\n" % _RETRY + self._screen(found, client))
            for event in self._missed(last):
                self._send(client, event)
            self._clients.add(client)
        return Stream(self, client)

    def leave(self, client: Client) -> None:
        """Tell a client nothing more."""
        self._clients.discard(client)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """No other look meanwhile; who would have to wait for long behind others is told so."""
        try:
            await asyncio.wait_for(self._looking.acquire(), PATIENCE)
        except TimeoutError:
            raise TooSlow(_LOOK) from None
        try:
            yield
        finally:
            self._looking.release()

    def _see_out(self) -> None:
        """End the streams of those whose session or token is over."""
        now = self._now()
        for client in list(self._clients):
            if not client.holds(now):
                client.dropped.set()
                self._clients.discard(client)

    def _missed(self, last: str) -> list[bytes]:
        """What somebody who was here before was not told about jobs; that lists are to be read anew, if it is lost."""
        if not last:
            return []
        epoch, _, number = last.partition("-")
        if epoch == self._epoch and number.isdecimal() and self._lost <= int(number) <= self._number:
            missed = [event for at, event in self._kept if at > int(number)]
            if len(missed) < _QUEUE - 2:
                return missed
        return [_event("jobs", encoded({"changed": [], "more": True}), self._id())]

    async def _look_and_tell(self) -> None:
        async with self._looking:
            found = await self._look()
            news, self._news = self._news, []
        late = [client for client in self._clients if client.seen is not found]
        if late:
            self._number += 1
        for client in late:
            self._send(client, self._screen(found, client))
        for body in news:
            self._number += 1
            event = _event("jobs", body, self._id())
            if len(self._kept) == _KEPT:
                self._lost = self._kept[0][0]
            self._kept.append((self._number, event))
            self._tell(event)

    async def _look(self) -> Snapshot:
        site, version, history = self._site, self._version, self._history
        now, config = asyncio.get_running_loop().time(), site.config
        if self._snapshot is None or config is not self._config or now - self._looked_at >= _ANYWAY:
            version = None

        def look() -> _Look:
            began = time.thread_time()
            newest = site.ticker.data_version()
            if newest == version:
                return _Look(newest)
            changed = site.ticker.lists.changed_since(history, _CHANGED)
            stand = Standing(site.ticker)
            news = {"changed": [stand.row(job) | {"loudness": site.loudness(job)} for job in changed.jobs],
                    "more": changed.more} if changed.jobs else None
            taken = snapshot.take(site)
            return _Look(newest, time.thread_time() - began, taken, changed.last, news)

        # one at a time, for what the last one kept is its own; and lists wait for none of them
        found = await site.threads.run(_LOOK, look, at_once=1)
        if found.snapshot is not None:
            self._version, self._history, self._config = found.version, found.history, config
            if not found.snapshot.shows(self._snapshot):
                self._snapshot = found.snapshot
            self._looked_at = now
            self._next_at = now + min(_SLOWEST, found.cost / _SHARE) - _EVERY / 2
            if found.news is not None and self._clients:
                self._news.append(encoded(found.news))
        assert self._snapshot is not None
        return self._snapshot

    def _now(self) -> float:
        return self._site.journal.clock.now()

    def _id(self) -> str:
        return f"{self._epoch}-{self._number}"

    def _screen(self, found: Snapshot, client: Client) -> bytes:
        client.seen = found
        number, may = self._id(), client.may_change
        shown = self._shown.get(may)
        if shown is None or shown[0] is not found or shown[1] != number:  # one for all: many slow ones hold no more
            body = found.body(self._now(), may_change=may)
            shown = self._shown[may] = (found, number, _event("screen", body, number))
        return shown[2]

    def _tell(self, event: bytes) -> None:
        for client in list(self._clients):
            self._send(client, event)

    def _send(self, client: Client, event: bytes) -> None:
        try:
            client.queue.put_nowait(event)
        except asyncio.QueueFull:
            client.slow = True
            client.dropped.set()
            self._clients.discard(client)


class Stream:
    """The answer that does not end before the client, or the page."""

    def __init__(self, hub: Hub, client: Client) -> None:
        self._hub = hub
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI."""
        client = self._client
        ends: list[asyncio.Future[object]] = []
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [
                (b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no")]})
            ends += [asyncio.ensure_future(one)
                     for one in (_pump(client, send), disconnected(receive), client.dropped.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(client)
            for one in ends:
                one.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        if client.slow:
            abort(scope)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _pump(client: Client, send: Send) -> None:
    while True:
        await send({"type": "http.response.body", "body": await client.queue.get(), "more_body": True})


def _event(name: str, body: bytes, number: str = "") -> bytes:
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {name}\ndata: ".encode() + body + b"\n\n"
