"""Connections are used again, and never beyond what they hold."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest
from api_wild import KEY, Seen, Wild, http

from diffio_watch.api import Ambiguous, Api, Tries
from diffio_watch.api.connection import Connection

USAGE = http(200, {"usage": {"seconds": 5}, "billing": {}})


class Counted:
    """Answers on connections that stay, and counts them; a reply may do what it likes to its connection."""

    def __init__(self, wild: Wild) -> None:
        self.connections = 0
        self.reads: list[bytes] = []
        self.reply: Callable[[socket.socket], object] = lambda conn: conn.sendall(USAGE)
        wild.replies = [self._first]

    def _first(self, conn: socket.socket, _: Seen) -> None:
        self.connections += 1
        self.reply(conn)
        while data := conn.recv(1 << 20):
            self.reads.append(data)
            self.reply(conn)


@pytest.fixture
def counted(wild: Wild) -> Counted:
    return Counted(wild)


def test_calls_in_a_row_take_one_connection_and_each_goes_out_in_one_piece(counted: Counted, api: Api) -> None:
    for _ in range(10):
        api.usage()
    assert counted.connections == 1
    assert len(counted.reads) == 9
    assert all(b"\r\n\r\n{}" in data for data in counted.reads)


def test_a_connection_that_the_host_closed_meanwhile_is_not_used(counted: Counted, wild: Wild,
                                                                stop: threading.Event) -> None:
    def once(conn: socket.socket) -> None:
        conn.sendall(USAGE)
        conn.shutdown(socket.SHUT_RDWR)

    counted.reply = once
    api = Api(f"{wild.url}/v1", lambda: KEY, connect_timeout=2, read_timeout=2, stop=stop, tries=Tries(attempts=1))
    for _ in range(3):
        api.usage()
        time.sleep(0.05)  # until the end of it has come here
    assert counted.connections == 3
    api.close()


@pytest.mark.parametrize("reply", [
    USAGE + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    USAGE.replace(b"Content-Length", b"Connection: close\r\nContent-Length"),
    USAGE.replace(b"HTTP/1.1", b"HTTP/1.0"),
], ids=["more than was asked for", "it is to be closed", "an older HTTP"])
def test_a_connection_is_not_used_again_after(reply: bytes, counted: Counted, api: Api) -> None:
    counted.reply = lambda conn: conn.sendall(reply)
    for _ in range(3):
        assert api.usage().usage == {"seconds": 5}
    assert counted.connections == 3


def test_a_chunked_answer_leaves_its_connection_to_the_next(counted: Counted, api: Api) -> None:
    body = USAGE.partition(b"\r\n\r\n")[2]
    told = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    counted.reply = lambda conn: conn.sendall(told)
    for _ in range(3):
        assert api.usage().usage == {"seconds": 5}
    assert counted.connections == 1


def test_what_is_long_comes_in_large_pieces_and_what_came_before_a_silence_comes_too() -> None:
    data = bytes(range(256)) * 40_000
    host, ours = socket.socketpair()
    with host:
        thread = threading.Thread(target=host.sendall, args=(http(200, data)[:-1],), daemon=True)
        thread.start()
        connection = Connection(ours, 0.5)
        assert connection.ask("GET", "/", [("Host", "x")], b"").status_code == 200
        pieces: list[bytes] = []
        with pytest.raises(TimeoutError):
            pieces.extend(map(bytes, connection.chunks()))
        assert b"".join(pieces) == data[:-1]
        assert len(pieces) < 40
        assert not connection.ready
        thread.join(5)
        connection.close()


def test_a_client_that_is_closed_ends_the_calls_that_wait(wild: Wild, stop: threading.Event) -> None:
    inside = threading.Event()

    def hang(conn: socket.socket, _: Seen) -> None:
        inside.set()
        conn.recv(1)

    wild.replies = [hang]
    api = Api(f"{wild.url}/v1", lambda: KEY, connect_timeout=2, read_timeout=60, stop=stop, tries=Tries(attempts=1))
    ended: list[Exception] = []

    def call() -> None:
        try:
            api.usage()
        except Ambiguous as error:
            ended.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    assert inside.wait(10)
    api.close()
    thread.join(10)
    assert len(ended) == 1
