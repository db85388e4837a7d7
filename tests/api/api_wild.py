"""A server of raw sockets that answers whatever a test tells it to, also what is no HTTP at all."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from diffio_watch.api import DownloadLink, SignedPut, Tries

FAST = Tries(attempts=3, first=0.001, longest=0.002)
KEY = "dk_live_canary_key"
TOKEN = "canary-upload-token"


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
                if not _ends_by_itself(reply):
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


def _ends_by_itself(reply: bytes) -> bool:
    """Whether another request may follow on the connection: a client may send it as soon as it has the last byte."""
    head = reply.partition(b"\r\n\r\n")[0].lower()
    return b"connection: close" not in head and (b"content-length" in head or reply.endswith(b"\r\n0\r\n\r\n"))


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


class Bytes:
    """A body from memory; `gives` says what it really hands out."""

    def __init__(self, data: bytes, gives: bytes | None = None) -> None:
        self.size = len(data)
        self._gives = data if gives is None else gives
        self.read = 0

    def chunks(self) -> Iterator[bytes]:
        self.read += 1
        for start in range(0, len(self._gives), 1 << 20):
            yield self._gives[start : start + (1 << 20)]


class Memory:
    """A sink in memory."""

    def __init__(self, data: bytes = b"", validator: str | None = None) -> None:
        self.data = bytearray(data)
        self.validator = validator
        self.writes: list[int] = []
        self.restarts = 0

    @property
    def size(self) -> int:
        return len(self.data)

    def write(self, data: bytes | memoryview, /) -> None:
        self.data += data
        self.writes.append(len(data))

    def expect(self, size: int, /) -> None:
        self.expected = size

    def restart(self) -> None:
        self.data.clear()
        self.restarts += 1


def audio(url: str) -> DownloadLink:
    return DownloadLink(url, "audio", "audio/mpeg", "x.mp3")


def put_to(url: str) -> SignedPut:
    return SignedPut(url, "PUT", "audio/wav", None)
