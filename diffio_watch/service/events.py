"""What changes, told to all who look on: one look a second for all of them, and none where nothing changed.

Server-sent events (HTML 9.2). A client that reads too slowly is dropped, not buffered: it comes back by itself.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.types import Receive, Scope, Send

from diffio_watch.clock import rfc3339
from diffio_watch.journal import JournalError
from diffio_watch.service import snapshot
from diffio_watch.service.answers import HEADERS, encoded
from diffio_watch.service.site import JOURNAL
from diffio_watch.service.threads import TooSlow

if TYPE_CHECKING:
    from diffio_watch.service.site import Site
    from diffio_watch.service.snapshot import Snapshot

_EVERY: Final = 1.0  # seconds between two looks
_BEAT: Final = 2.0  # … between two beats
_QUEUE: Final = 8  # events that wait for one client
_RETRY: Final = 1000  # milliseconds after which a browser comes back


@dataclass(eq=False)
class Client:
    """One open stream."""

    may_change: bool
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(_QUEUE))
    dropped: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """Looks, and tells. Used by the page's thread alone.

    Args:
        site: the page's own things.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._clients: set[Client] = set()
        self._snapshot: Snapshot | None = None
        self._version: int | None = None  # of the journal's data, as the last look found it
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self.ended = False
        self._looking = asyncio.Lock()

    async def run(self, ending: asyncio.Event) -> None:
        """Look and tell until the page ends; then end every stream."""
        beat_at = 0.0
        loop = asyncio.get_running_loop()
        while not ending.is_set():
            if self._clients:
                try:
                    await self._look()
                except (JournalError, TooSlow) as error:
                    self._site.log.warning("page.trouble", message=str(error))
                if loop.time() - beat_at >= _BEAT:
                    beat_at = loop.time()
                    self._tell(_event("beat", encoded({"at": rfc3339(self._site.journal.clock.now())})))
            try:
                await asyncio.wait_for(ending.wait(), _EVERY)
            except TimeoutError:
                continue
        self.ended = True
        for client in list(self._clients):
            self._drop(client)

    async def now(self) -> Snapshot:
        """How everything is, no older than the journal.

        Raises:
            JournalError: the journal can't be read.
            TooSlow: not in time.
        """
        async with self._looking:
            return await self._fresh()

    async def _look(self) -> None:
        async with self._looking:
            before = self._snapshot
            found = await self._fresh()
        if found is not before:
            self._number += 1
            for client in list(self._clients):
                self._send(client, self._screen(found, client))

    async def _fresh(self) -> Snapshot:
        site = self._site

        def look() -> tuple[int, Snapshot | None]:
            version = site.ticker.data_version()
            if version == self._version and self._snapshot is not None:
                return version, None
            return version, snapshot.take(site)

        version, found = await site.threads.run(JOURNAL, look)
        if found is not None:
            self._version, self._snapshot = version, found
        assert self._snapshot is not None
        return self._snapshot

    def _screen(self, found: Snapshot, client: Client) -> bytes:
        return _event("screen", found.body(may_change=client.may_change), f"{self._epoch}-{self._number}")

    def _tell(self, event: bytes) -> None:
        for client in list(self._clients):
            self._send(client, event)

    def _send(self, client: Client, event: bytes | None) -> None:
        try:
            client.queue.put_nowait(event)
        except asyncio.QueueFull:
            self._drop(client)

    def _drop(self, client: Client) -> None:
        self._clients.discard(client)
        client.dropped.set()

    def stream(self, *, may_change: bool) -> Stream:
        """A new stream, as an answer."""
        return Stream(self, Client(may_change))

    async def enter(self, client: Client) -> None:
        """Begin to tell a client, with all there is."""
        found = await self.now()
        self._send(client, b"retry: %d\n\n" % _RETRY + self._screen(found, client))
        if self.ended:
            client.dropped.set()
        else:
            self._clients.add(client)

    def leave(self, client: Client) -> None:
        """Tell a client nothing more."""
        self._clients.discard(client)


class Stream:
    """The answer that does not end before the client, or the page."""

    def __init__(self, hub: Hub, client: Client) -> None:
        self._hub = hub
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI."""
        head = {**HEADERS, "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store",
                "x-accel-buffering": "no"}
        await self._hub.enter(self._client)
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(key.encode(), value.encode()) for key, value in head.items()]})
        ends = [asyncio.ensure_future(one) for one in (
            self._pump(send), _gone(receive), self._client.dropped.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(self._client)
            stuck = not self._client.queue.empty() and not self._hub.ended
            for one in ends:
                one.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        if stuck:
            _abort(scope)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, send: Send) -> None:
        while True:
            event = await self._client.queue.get()
            await send({"type": "http.response.body", "body": event, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _abort(scope: Scope) -> None:
    """Break the connection of a client that does not read: to close it would wait until it does."""
    abort = scope.get("state", {}).get("abort")
    if abort is not None:
        abort()


def _event(name: str, body: bytes, number: str = "") -> bytes:
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {name}\ndata: ".encode() + body + b"\n\n"
