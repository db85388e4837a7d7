"""Ports for what tests start later."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
from typing import Final

# Below those that the system gives to connections and to whoever names none (from 32768 on Linux, 49152 elsewhere): one
# of these may be given away before it is used.
_FIRST, _EACH = 12_000, 1_200
_WORKER: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16
_numbers: Final = itertools.count(random.randrange(_EACH))


def free_port() -> int:
    """A port of this host that nobody listens at, and that no other test gets."""
    for number in itertools.islice(_numbers, _EACH):
        port = _FIRST + _WORKER * _EACH + number % _EACH
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")
