"""One connection to a host: a request out, the head of its answer in, and its body as it comes.

h11 speaks the protocol. A body whose length was told is read from the socket itself: it may be gigabytes, and nothing
in it is HTTP.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import h11

from diffio_watch.api.streams import Piece

_READ: Final = 1 << 16  # bytes that are read at once where HTTP is in them
_PIECE: Final = 1 << 20  # … and of a body
_LARGEST_HEAD: Final = 100 * 1024
_GATHERED_FOR: Final = 0.05  # seconds until a piece that is not full goes on its way
_NO_BODY: Final = frozenset({204, 304})

Header = tuple[str, str]


class Broke(Exception):
    """The connection ended before the answer did."""


class Connection:
    """A connection for one request at a time.

    Reading and writing raise `TimeoutError` after a silence, `OSError` and `Broke` where the connection ends, and
    `h11.ProtocolError` where what comes is no HTTP.

    Args:
        sock: connected. It belongs to this from here on.
        silence: seconds until a single read or write is given up; so long may the head of an answer take as a whole,
            whatever is said meanwhile ("102 Processing", a header each minute).
    """

    def __init__(self, sock: socket.socket, silence: float) -> None:
        sock.settimeout(silence)
        self._socket = sock
        self._silence = silence
        self._protocol = h11.Connection(h11.CLIENT)
        self._length: int | None = None  # bytes of the body, where it was told
        self._ready = True  # for another request

    def ask(self, method: str, target: str, headers: Sequence[Header], body: bytes | Iterable[bytes]) -> h11.Response:
        """Send a request, and wait for the head of its answer.

        Args:
            method: of HTTP.
            target: what stands in the request's first line.
            headers: all of them, the length of the body among them.
            body: whole, so that it goes out with the head; or in pieces.
        """
        self._ready = False
        # a state machine and nothing more: a new one for each request
        protocol = self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
        head = protocol.send(h11.Request(method=method, target=target, headers=list(headers))) or b""
        try:
            if isinstance(body, bytes):
                whole = (protocol.send(h11.Data(data=body)) or b"") + (protocol.send(h11.EndOfMessage()) or b"")
                self._write(head + whole)
            else:
                self._write(head)
                for piece in body:
                    self._write(protocol.send(h11.Data(data=piece)) or b"")
                protocol.send(h11.EndOfMessage())
        except TimeoutError:
            raise
        except OSError:
            pass  # whoever refuses a body may say why, and close
        response = self._head(protocol)
        self._length = _length(response)
        return response

    def chunks(self) -> Iterator[Piece]:
        """The body as it comes; a piece is good until the next one is asked for."""
        return self._framed() if self._length is None else self._direct(self._length)

    @property
    def ready(self) -> bool:
        """Whether it can take another request: the answer was taken to its end, and nobody wants it closed."""
        return self._ready

    @property
    def quiet(self) -> bool:
        """Whether the host has neither closed it nor said anything that was not asked for."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def end(self) -> None:
        """Have whoever is in it see its end: a descriptor that another thread uses must not be closed."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended

    def close(self) -> None:
        """Give it up."""
        self._ready = False
        self._socket.close()

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._socket.send(left):]

    def _head(self, protocol: h11.Connection) -> h11.Response:
        until = time.monotonic() + self._silence
        left = self._silence
        while left > 0:
            event = protocol.next_event()
            if isinstance(event, h11.Response):
                if left < self._silence:
                    self._socket.settimeout(self._silence)
                return event
            if event is h11.NEED_DATA:
                data = self._socket.recv(_READ)
                if not data:
                    raise Broke("the host closed it without an answer")
                protocol.receive_data(data)
                if b"\r\n\r\n" in data:
                    continue  # as a rule that is all of it
            elif not isinstance(event, h11.InformationalResponse):
                raise Broke("the host closed it without an answer")
            left = until - time.monotonic()
            self._socket.settimeout(max(left, 0.001))
        raise TimeoutError

    def _direct(self, length: int) -> Iterator[Piece]:
        came, closed = self._protocol.trailing_data
        start, left = came[:length], length - len(came)
        self._ready = left == 0 and not closed and self._stays()
        if start:
            yield start
        room = memoryview(bytearray(min(_PIECE, max(0, left))))
        while left > 0:
            size, error = self._fill(room[:left])
            left -= size
            self._ready = left == 0 and self._stays()
            if size:
                yield room[:size]
            if error is not None:
                raise error

    def _fill(self, room: memoryview) -> tuple[int, Exception | None]:
        """Read what comes at once, or the first that comes; and what ended it, which is told after what came."""
        size = 0
        until = time.monotonic() + _GATHERED_FOR
        try:
            while size < len(room):
                got = self._socket.recv_into(room[size:])
                if not got:
                    return size, Broke("it ended before the body did")
                size += got
                if time.monotonic() >= until:
                    break
        except OSError as error:
            return size, error
        return size, None

    def _framed(self) -> Iterator[bytes]:
        """A body that ends with its last chunk or with the connection, or that is none."""
        while not isinstance(event := self._protocol.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                self._protocol.receive_data(self._socket.recv(_READ))
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                raise Broke("it ended before the body did")
        self._ready = self._protocol.their_state is h11.DONE and not self._protocol.trailing_data[0] and self._stays()

    def _stays(self) -> bool:
        """Whether what was asked went out whole, and both want to go on."""
        return self._protocol.our_state is h11.DONE


def _length(response: h11.Response) -> int | None:
    told = {name: value for name, value in response.headers if name in {b"content-length", b"transfer-encoding"}}
    if response.status_code in _NO_BODY or b"transfer-encoding" in told or b"content-length" not in told:
        return None
    return int(told[b"content-length"])
