"""The sandbox as a thing to hold: a real HTTP server on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from diffio_watch.sandbox import control, webhooks
from diffio_watch.sandbox.faults import Fault, Kind, Rule
from diffio_watch.sandbox.origins import Observer, Origins
from diffio_watch.sandbox.settings import Settings
from diffio_watch.sandbox.state import Seen, State, Trapped
from diffio_watch.sandbox.tamper import Wire

T = TypeVar("T")
HOST: Final = "127.0.0.1"
ORIGINS: Final = ("api", "edge", "storage", "trap")
BACKLOG: Final = 1024
PATIENCE: Final = 10.0  # seconds for the server's thread to start, to answer a look, to end


class Sandbox:
    """A stand-in for the Diffio service: the real protocol over real sockets; it restores nothing.

    Everything a client sends is kept in `folder` (a temporary one by default) until `close`, and handed back
    as the restored media. `stop` and `start` keep all of it, and the ports. Every look at it is answered by
    the server's own thread, so it is consistent; after `stop` it is the last state.

    Args:
        port: Of the API; 0 takes any. The other origins take any.
        folder: Where uploads are kept.
        controlled: Whether /_sandbox answers at the API's origin; see `control`.
        **settings: See `Settings`.

    Raises:
        ValueError: An unknown setting, or a webhook URL that is not on loopback.
        OSError: The port is taken.
    """

    def __init__(
        self, *, port: int = 0, folder: Path | None = None, controlled: bool = False, **settings: Any
    ) -> None:
        self._own_folder = folder is None
        self._state = State(Settings(), folder or Path(tempfile.mkdtemp(prefix="diffio-sandbox-")))
        self._ports = dict.fromkeys(ORIGINS, 0) | {"api": port}
        self._controlled = controlled
        self._origins = Origins(self._state, {}, controlled=controlled)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event
        self._thread: threading.Thread | None = None
        with self._or_closed():
            self.change(**settings)

    @contextmanager
    def _or_closed(self) -> Iterator[None]:
        """Leave no folder behind where it can't be."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        with self._or_closed():
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Listen on all origins; returns once they accept connections."""
        sockets: list[socket.socket] = []
        for name in ORIGINS:
            # the protocol is named because asyncio turns Nagle's delays off only where it is
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((HOST, self._ports[name]))
            except OSError:
                for each in (sock, *sockets):
                    each.close()
                raise
            sock.listen(BACKLOG)
            sockets.append(sock)
            self._ports[name] = sock.getsockname()[1]
        self._state.origins = {name: f"http://{HOST}:{port}" for name, port in self._ports.items()}
        self._origins.ports = {port: name for name, port in self._ports.items()}
        server = uvicorn.Server(uvicorn.Config(
            self._origins, http=_tracking(self._origins.wires), ws="none", lifespan="off", log_config=None,
            log_level="critical", access_log=False, proxy_headers=False, server_header=False,
            timeout_keep_alive=75,
        ))  # fmt: skip
        ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(server, sockets, ready)), name="sandbox", daemon=True
        )
        self._thread.start()
        self._loop, self._stopping = ready.result(PATIENCE)

    async def _serve(
        self,
        server: uvicorn.Server,
        sockets: list[socket.socket],
        ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]],
    ) -> None:
        """The server's thread. It ends without uvicorn's own, polite shutdown, which takes a fifth of a second."""
        stopping = asyncio.Event()
        tasks = [
            asyncio.create_task(server.serve(sockets)),
            asyncio.create_task(webhooks.keep_telling(self._state)),
        ]
        while not server.started:  # noqa: ASYNC110 - uvicorn tells it in no other way
            await asyncio.sleep(0)
        ready.set_result((asyncio.get_running_loop(), stopping))
        await stopping.wait()
        for listener in server.servers:
            listener.close()
        for wire in self._origins.wires.values():
            wire.transport.abort()
        for task in tasks:
            task.cancel()
        for ended in (await asyncio.wait(tasks))[0]:
            if not ended.cancelled() and (error := ended.exception()) is not None:
                self._state.violation(f"sandbox error: {error!r}")

    def stop(self) -> None:
        """Stop listening and break every connection, within a moment; what was uploaded stays."""
        if self._thread is None or self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(PATIENCE)
        self._loop = self._thread = None

    def close(self) -> None:
        """Stop, and remove the folder if it is the sandbox's own."""
        self.stop()
        if self._own_folder:
            shutil.rmtree(self._state.folder, ignore_errors=True)

    def wait(self) -> None:
        """Serve until Ctrl-C or until another thread stops the sandbox: the whole of `diffio-watch sandbox`."""
        while (thread := self._thread) is not None and thread.is_alive():
            thread.join(0.5)

    def _look(self, question: Callable[[], T]) -> T:
        """Ask in the server's thread, where nothing changes meanwhile."""
        if self._loop is None or threading.current_thread() is self._thread:
            return question()

        async def ask() -> T:
            return question()

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(PATIENCE)

    @property
    def base_url(self) -> str:
        """The API's base URL, as a client is configured with it."""
        return f"{self._state.origins['api']}/v1"

    @property
    def origins(self) -> Mapping[str, str]:
        """The origins by name: api, edge, storage, trap."""
        return self._state.origins

    @property
    def settings(self) -> Settings:
        """The settings of this moment; to set them, `change`."""
        return self._state.settings

    def change(self, **settings: Any) -> None:
        """Change settings while it runs; see `Settings`.

        Raises:
            ValueError: An unknown setting, or a webhook URL that is not on loopback.
        """
        url = settings.get("webhook_url")
        if url is not None and urlsplit(url).hostname not in (HOST, "localhost", "::1"):
            raise ValueError("the sandbox delivers webhooks to loopback only")
        self._look(lambda: self._state.settings.change(**settings))

    def fault(self, call: str, kind: Kind, **rest: Any) -> Rule:
        """Put a fault in place; see `Fault`. The rule counts how often it fired."""
        rule = Rule(Fault(call, kind, **rest))
        self._look(lambda: self._state.rules.append(rule))
        return rule

    def calm(self) -> None:
        """Take all faults away."""
        self._look(self._state.rules.clear)

    def skip(self, seconds: float) -> None:
        """Move the sandbox's clock on: generations advance, URLs and tokens expire."""
        def move() -> None:
            self._state.skipped += seconds

        self._look(move)

    def watch(self, observer: Observer) -> None:
        """Call `observer(moment, seen)` in the server's thread at every request; it has to be quick.

        The moments are `arrived`, `effect` (it has taken place, nothing of the answer is sent) and `answered`. Where
        the observer returns something to be awaited, this one request waits for it.
        """
        self._origins.observers.append(observer)

    def tell(self, generation_id: str, event_type: str) -> str:
        """Deliver a webhook event now, be it due, doubled, late or out of order; the message's id."""
        assert self._loop is not None
        coming = control.tell(self._state, generation_id, event_type)
        return asyncio.run_coroutine_threadsafe(coming, self._loop).result(PATIENCE)

    def report(self) -> dict[str, Any]:
        """Everything that is counted, as the control endpoint tells it."""
        return self._look(lambda: control.report(self._state))

    @property
    def violations(self) -> list[str]:
        """What the client did that the protocol does not allow."""
        return self._look(lambda: list(self._state.violations))

    @property
    def leaks(self) -> list[str]:
        """Secrets that reached an origin they were not meant for."""
        return self._look(lambda: list(self._state.leaks))

    @property
    def trapped(self) -> list[Trapped]:
        """Every request that reached the recording trap."""
        return self._look(lambda: list(self._state.trapped))

    @property
    def charges(self) -> int:
        """Paid generations, all in all."""
        return sum(self.charges_by_project.values())

    @property
    def charges_by_project(self) -> dict[str, int]:
        """Paid generations by project id, of projects that have any."""
        return self._look(lambda: {each.id: each.charges for each in self._state.projects.values() if each.charges})

    @property
    def calls(self) -> dict[str, int]:
        """Requests by call name, whatever became of them."""
        return self._look(lambda: dict(self._state.calls))

    @property
    def polls(self) -> int:
        """Requests for progress."""
        return self.calls.get("progress", 0)

    def seen(self, call: str | None = None) -> list[Seen]:
        """The requests, oldest first, of one call or all."""
        return self._look(lambda: [each for each in self._state.seen if call in (None, each.call)])

    def parts(self, project_id: str) -> dict[int, int]:
        """How often each part of a project's upload came in whole, by number; a signed PUT is part 1."""
        return self._look(lambda: dict(self._state.projects[project_id].parts) if project_id in self._state.projects
                          else {})

    def projects(self) -> list[dict[str, Any]]:
        """The projects, oldest first."""
        return list(self.report()["projects"])

    def generations(self) -> list[dict[str, Any]]:
        """The generations, oldest first."""
        return list(self.report()["generations"])

    def sha256(self, project_id: str) -> str | None:
        """The SHA-256 of what was uploaded into a project, or None before its end."""
        blob = self._look(lambda: self._state.projects[project_id].blob)
        if blob is None:
            return None
        digest = hashlib.sha256()
        for piece in blob.read(0, blob.size):
            digest.update(piece)
        return digest.hexdigest()


def _tracking(wires: dict[tuple[Any, Any], Wire]) -> type[asyncio.Protocol]:
    """The server's protocol, with a register of the connections beneath its requests."""

    class Tracked(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
            super().connection_made(transport)
            self.wire = wires[self.client, self.server] = Wire(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if wires.get((self.client, self.server)) is self.wire:
                del wires[self.client, self.server]
            self.wire.gone.set()

    return Tracked
