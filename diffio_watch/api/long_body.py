"""The rest of a long body, read from its connection into one buffer.

httpx, httpcore and h11 hand each byte on by a copy of their own, in pieces of 64 KiB. The connection is httpx's own
extension `network_stream`; it serves no other request afterwards.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Final

import httpx

from diffio_watch.api.streams import Piece

LONG: Final = 8 << 20  # bytes from which on it is worth a connection
_PIECE: Final = 1 << 20
_GATHERED_FOR: Final = 0.05  # seconds until a piece that is not full goes on its way


def length(response: httpx.Response) -> int:
    """Bytes that are told of a body; 0 where none are, or where there is more in it than the body."""
    told = response.headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdecimal() and "transfer-encoding" not in response.headers else 0


def connection(response: httpx.Response) -> socket.socket | None:
    """Where the body comes from, once nothing of it waits elsewhere; None where the bytes there are not the body's."""
    stream = response.extensions.get("network_stream")
    sock = None if stream is None else stream.get_extra_info("socket")
    inner = None if stream is None else stream.get_extra_info("ssl_object")
    # a TLS socket tells its own inner object; through a proxy that is spoken to by TLS there is another TLS within,
    # which no socket undoes
    return sock if isinstance(sock, socket.socket) and inner in (None, getattr(sock, "_sslobj", None)) else None


def rest(sock: socket.socket, left: int, silence: float) -> Iterator[Piece]:
    """So many bytes; each piece is good until the next one is asked for.

    Raises:
        TimeoutError: none came for `silence` seconds. What came before was given.
        OSError: the connection broke; likewise.
        ConnectionError: it ended too early; likewise.
    """
    sock.settimeout(silence)
    room = memoryview(bytearray(_PIECE))
    while left > 0:
        size, error = _fill(sock, room[:left])
        left -= size
        if size:
            yield room[:size]
        if error is not None:
            raise error


def _fill(sock: socket.socket, room: memoryview) -> tuple[int, OSError | None]:
    """Read what comes at once, or the first that comes; and what ended it, which is told after what came."""
    size = 0
    until = time.monotonic() + _GATHERED_FOR
    try:
        while size < len(room):
            got = sock.recv_into(room[size:])
            if not got:
                return size, ConnectionError("it ended before the body did")
            size += got
            if time.monotonic() >= until:
                break
    except OSError as error:
        return size, error
    return size, None
