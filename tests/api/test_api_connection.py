"""Connections are used again, each by one request at a time."""

from __future__ import annotations

import socket
import threading

import httpcore
import pytest
from api_wild import KEY, Seen, Wild, http

from diffio_watch.api import Api, Tries

USAGE = http(200, {"usage": {"seconds": 5}, "billing": {}})


@pytest.fixture
def connections(wild: Wild) -> list[list[bytes]]:
    """What was read at once on each connection, after its first request; every request gets its answer."""
    made: list[list[bytes]] = []

    def talk(conn: socket.socket, _: Seen) -> None:
        made.append(read := [])
        conn.sendall(USAGE)
        while data := conn.recv(1 << 20):
            read.append(data)
            conn.sendall(USAGE)

    wild.replies = [talk]
    return made


def test_calls_in_a_row_take_one_connection_and_each_goes_out_in_one_piece(
    connections: list[list[bytes]], api: Api,
) -> None:
    for _ in range(10):
        api.usage()
    (read,) = connections
    assert len(read) == 9
    assert all(data.endswith(b"\r\n\r\n{}") for data in read)


def test_a_request_looks_at_no_other_idle_connection(
    connections: list[list[bytes]], api: Api, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """httpcore asks the kernel about each of a pool's twice a request."""
    at_once = threading.Barrier(8)

    def call() -> None:
        at_once.wait(10)
        api.usage()

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    before = len(connections)
    looked: list[object] = []
    really = httpcore.HTTP11Connection.has_expired

    def has_expired(self: httpcore.HTTP11Connection) -> bool:
        looked.append(self)
        return really(self)

    monkeypatch.setattr(httpcore.HTTP11Connection, "has_expired", has_expired)
    for _ in range(5):
        api.usage()
    assert len(connections) == before
    assert len(set(looked)) == 1
    assert len(looked) <= 10


def test_a_closed_client_makes_new_connections_and_keeps_none(
    connections: list[list[bytes]], wild: Wild, stop: threading.Event,
) -> None:
    api = Api(f"{wild.url}/v1", lambda: KEY, connect_timeout=2, read_timeout=2, stop=stop, tries=Tries(attempts=1))
    for _ in range(2):
        api.usage()
        api.close()
    assert len(connections) == 2
