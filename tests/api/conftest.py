"""The clients under test, against a wild server or the sandbox."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from api_wild import FAST, KEY, Wild

from diffio_watch.api import Api, Observation, Storage
from diffio_watch.sandbox import Sandbox


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
    client = Api(f"{wild.url}/v1", lambda: KEY, connect_timeout=2, read_timeout=2, stop=stop,
                 observe=observed.append, tries=FAST)
    yield client
    client.close()


@pytest.fixture
def storage(wild: Wild, stop: threading.Event, observed: list[Observation]) -> Iterator[Storage]:
    client = Storage(f"{wild.url}/v1", connect_timeout=2, read_timeout=2, stop=stop, observe=observed.append,
                     tries=FAST)
    yield client
    client.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seconds=0, part_bytes=1 << 20) as service:
        yield service


@pytest.fixture
def box_api(sandbox: Sandbox, stop: threading.Event, observed: list[Observation]) -> Iterator[Api]:
    client = Api(sandbox.base_url, lambda: KEY, connect_timeout=2, read_timeout=2, stop=stop, observe=observed.append,
                 tries=FAST)
    yield client
    client.close()


@pytest.fixture
def box_storage(sandbox: Sandbox, stop: threading.Event, observed: list[Observation]) -> Iterator[Storage]:
    client = Storage(sandbox.base_url, connect_timeout=2, read_timeout=2, stop=stop, observe=observed.append,
                     tries=FAST)
    yield client
    client.close()
