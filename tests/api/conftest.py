"""A server of raw sockets that answers whatever a test tells it to, also what is no HTTP at all."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from diffio_watch.api import Api, Observation, Storage, Tries

FAST = Tries(attempts=3, first=0.001, longest=0.002)


@dataclass
class Seen:
    """A request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


Reply = bytes | Callable[[socket.socket, Seen], None]


@dataclass
class Wild:
    """Replies in turn, the last one for ever. A callable reply gets the socket before the body was read."""

    replies: list[Reply] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    greedy: bool = True  # reads the body before a callable reply too
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(conn,), daemon=True).start()

    def _talk(self, conn: socket.socket) -> None:
        with conn, contextlib.suppress(OSError, ValueError):
            conn.settimeout(20)
            while (request := self._read(conn)) is not None:
                index = len(self.seen)
                self.seen.append(request)
                reply = self.replies[min(index, len(self.replies) - 1)]
                if callable(reply):
                    reply(conn, request)
                    return
                conn.sendall(reply)
                if b"connection: close" in reply.lower() or b"content-length" not in reply.lower():
                    return

    def _read(self, conn: socket.socket) -> Seen | None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = conn.recv(65_536)
            if not more:
                return None
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        length = int(headers.get("content-length", "0"))
        while self.greedy and len(body) < length:
            more = conn.recv(1 << 20)
            if not more:
                return None
            body += more
        return Seen(method, target, headers, body)


def http(status: int, body: bytes | dict[str, object] | str = b"", *headers: str) -> bytes:
    """A whole well-formed answer."""
    if isinstance(body, dict):
        body, headers = json.dumps(body).encode(), ("Content-Type: application/json", *headers)
    if isinstance(body, str):
        body = body.encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def reset(conn: socket.socket, _: Seen) -> None:
    """Break the connection without a word."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


@pytest.fixture
def wild() -> Iterator[Wild]:
    server = Wild()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        server.port = listener.getsockname()[1]
        thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def observed() -> list[Observation]:
    return []


@pytest.fixture
def api(wild: Wild, stop: threading.Event, observed: list[Observation]) -> Iterator[Api]:
    client = Api(f"{wild.url}/v1", lambda: "dk_live_canary", connect_timeout=2, read_timeout=2, stop=stop,
                 observe=observed.append, tries=FAST)
    yield client
    client.close()


@pytest.fixture
def storage(wild: Wild, stop: threading.Event, observed: list[Observation]) -> Iterator[Storage]:
    client = Storage(f"{wild.url}/v1", connect_timeout=2, read_timeout=2, stop=stop, observe=observed.append,
                     tries=FAST)
    yield client
    client.close()
