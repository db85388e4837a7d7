"""The page's thread: uvicorn on sockets that were made before, one application an address.

Nothing in here may slow or end the daemon: what breaks is told, and the daemon starts it anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import h11
import uvicorn
from structlog.typing import FilteringBoundLogger
from uvicorn.protocols.http.h11_impl import H11Protocol

# at a time and address; the pipeline needs files open, too, and has to find room
CONNECTIONS: Final = min(400, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
_KEEP_ALIVE: Final = 5  # seconds
_REQUEST: Final = 15.0  # seconds that a connection gets for the head of its first request
_GRACE: Final = 1  # seconds that answers under way get at the end
_BEAT: Final = 1.0  # seconds
_PATIENCE: Final = 5.0  # seconds for the thread to begin, and to end

_AT_ONCE: Final = struct.pack("ii", 1, 0)  # struct linger: no time for what is still to be sent

_Application = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(frozen=True)
class Listener:
    """Sockets, and what answers there."""

    sockets: Sequence[socket.socket]
    app: _Application


@dataclass
class Server:
    """A thread that serves; started once.

    Attributes:
        listeners: what it serves.
        log: where trouble is told.
        beside: work of the same thread, ended with it: each gets the loop's stop event.
        at_end: the last thing that the thread does, however late that is: it closes what it asked.
        error: what ended the thread before it was told to; None while all is well.
        beats: grows about once a second, as long as its loop moves.
    """

    listeners: Sequence[Listener]
    log: FilteringBoundLogger
    beside: Sequence[Callable[[asyncio.Event], Awaitable[None]]]
    at_end: Callable[[], object] = lambda: None
    error: BaseException | None = None
    beats: int = 0
    _loop: asyncio.AbstractEventLoop | None = None
    _ending: asyncio.Event | None = None
    _thread: threading.Thread | None = None
    _ready: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Serve, in a thread of its own; returns once it does, or has failed to."""
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)
        self._thread.start()
        self._ready.wait(_PATIENCE)

    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self, patience: float = _PATIENCE) -> None:
        """End open streams, then the server; waits for it, so many seconds at most."""
        loop, ending = self._loop, self._ending
        if loop is None or ending is None or self._thread is None:
            return
        with contextlib.suppress(RuntimeError):  # it has ended already
            loop.call_soon_threadsafe(ending.set)
        self._thread.join(patience)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - the daemon asks, and tells it
            self.error = error
        finally:
            self._ready.set()
            self.at_end()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._broke)
        self._ending = asyncio.Event()
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)  # what breaks is told by the application
        servers = [uvicorn.Server(uvicorn.Config(
            listener.app, http=_Protocol, ws="none", lifespan="off", log_config=None, access_log=False,
            proxy_headers=False, server_header=False, limit_concurrency=CONNECTIONS, timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_GRACE, h11_max_incomplete_event_size=16_384)) for listener in self.listeners]
        # copies, for uvicorn closes what it gets
        serving = [asyncio.ensure_future(server.serve([one.dup() for one in listener.sockets]))
                   for server, listener in zip(servers, self.listeners, strict=True)]
        serving += [asyncio.ensure_future(work(self._ending)) for work in (*self.beside, self._beat)]
        told = asyncio.create_task(self._ending.wait())
        self._ready.set()
        done, _ = await asyncio.wait({*serving, told}, return_when=asyncio.FIRST_COMPLETED)
        self._ending.set()
        for server in servers:
            server.should_exit = True
        await asyncio.wait(serving, timeout=_GRACE + 1.0)
        for server in servers:
            for connection in list(server.server_state.connections):
                if isinstance(connection, _Protocol):
                    connection.abort()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        for ended in serving:
            if ended in done and not ended.cancelled() and (error := ended.exception()) is not None:
                raise error
        if told not in done:
            raise RuntimeError("the page's server ended by itself")

    async def _beat(self, ending: asyncio.Event) -> None:
        while not ending.is_set():
            self.beats += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), _BEAT)

    def _broke(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.log.warning("page.trouble", message=str(context.get("message", "")), error=repr(error) if error else "")


class _Protocol(H11Protocol):
    """A connection: none beyond those that are allowed, and none that does not say what it wants."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.app_state = {"abort": self.abort}  # each request's `state`
        if len(self.connections) > CONNECTIONS:
            self.abort()
        else:
            self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait_for_head()
        elif self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._patience is not None:
            self._patience.cancel()

    def _wait_for_head(self) -> None:
        if self._patience is None and not self.transport.is_closing():
            self._patience = self.loop.call_later(_REQUEST, self._heard_nothing)

    def _heard_nothing(self) -> None:
        self._patience = None
        if self.conn.their_state is h11.IDLE:
            self.abort()

    def abort(self) -> None:
        """Break the connection: what is still to be sent is thrown away here and in the kernel."""
        one = self.transport.get_extra_info("socket")
        if one is not None and one.fileno() >= 0:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()
