"""A receiver of webhooks on a real socket, and a sender who signs as the service does, or otherwise."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import structlog
from standardwebhooks.webhooks import Webhook
from structlog.testing import LogCapture

from diffio_watch.clock import Clock
from diffio_watch.service import sockets
from diffio_watch.service.server import Listener, Server
from diffio_watch.service.webhooks import PATH, Webhooks

SECRET: Final = "whsec_dGhlLXNlY3JldC1vZi10aGVzZS10ZXN0cw=="
OTHER: Final = "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhlc2UtdGVzdHM="


def event(generation: str = "gen_1", kind: str = "generation.completed", **more: Any) -> dict[str, Any]:
    """As the service has it."""
    return {"eventType": kind, "eventId": f"evt_{secrets.token_hex(8)}", "createdAt": "2026-01-31T12:00:00Z",
            "apiKeyId": "key_1", "apiProjectId": "proj_1", "generationId": generation, "status": "complete",
            "hasVideo": False, "modelKey": "diffio-4.6-flash", "error": None, "errorDetails": None, **more}


def signed(body: str, *by: str, late: float = 0.0, message: str = "") -> dict[str, str]:
    """Headers of a delivery that was signed so many seconds ago, with each of these secrets."""
    at = datetime.now(UTC) - timedelta(seconds=late)
    message = message or f"msg_{secrets.token_hex(8)}"
    return {"svix-id": message, "svix-timestamp": str(int(at.timestamp())),
            "svix-signature": " ".join(Webhook(secret).sign(message, at, body) for secret in by or (SECRET,))}


def request(body: bytes, headers: Mapping[str, str], *, method: str = "POST", path: str = PATH,
            length: int | None = None) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: hooks.example",
             f"Content-Length: {len(body) if length is None else length}",
             *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Handclock(Clock):
    """Time that a test moves on, besides passing."""

    moved = 0.0
    wall = 0.0  # the date alone, which somebody sets

    def now(self) -> float:
        return super().now() + self.moved + self.wall

    def monotonic(self) -> float:
        return super().monotonic() + self.moved


class Hooks:
    """A receiver, alone on its port."""

    def __init__(self) -> None:
        self.secrets: tuple[str, ...] = (SECRET,)
        self.announced: list[str] = []
        self.events = LogCapture()
        log = structlog.wrap_logger(structlog.PrintLogger(io.StringIO()), processors=[self.events],
                                    wrapper_class=structlog.make_filtering_bound_logger(0))
        self.clock = Handclock()
        self.webhooks = Webhooks("127.0.0.1:0", self._read, self.announced.append, log, self.clock)
        self._sockets = sockets.listen("127.0.0.1:0", "webhook.listen")
        self.port = self._sockets[0].getsockname()[1]
        self._server = Server([Listener(self._sockets, self.webhooks.app())], log, [_nothing])

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        for one in self._sockets:
            one.close()
        assert not self._server.alive()
        assert self._server.error is None

    def _read(self) -> tuple[str, ...]:
        return self.secrets

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def send(self, raw: bytes, *, through: socket.socket | None = None) -> int:
        """The status that this is answered with."""
        if through is not None:
            through.sendall(raw)
            return status(through)
        with self.connect() as connection:
            connection.sendall(raw)
            return status(connection)

    def deliver(self, what: Mapping[str, Any], *by: str, **how: Any) -> int:
        """The status of a delivery of this event."""
        body = json.dumps(what)
        return self.send(request(body.encode(), signed(body, *by, **how)))


async def _nothing(ending: asyncio.Event) -> None:
    await ending.wait()


def status(connection: socket.socket) -> int:
    """The status of one answer, which is read to its end."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        assert piece, "it was closed without an answer"
        head += piece
    head, _, body = head.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                   if line.startswith(b"content-length")), 0)
    while len(body) < length:
        piece = connection.recv(65536)
        assert piece, "it was closed in the middle of an answer"
        body += piece
    return int(head.split()[1])
