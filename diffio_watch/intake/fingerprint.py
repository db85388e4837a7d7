"""Fingerprints of a content: a cheap one that rules most files out, and the whole SHA-256."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Final

from diffio_watch.intake.scan import Interrupted

_BLOCK: Final = 64 << 10
CHUNK: Final = 1 << 20

EMPTY: Final = hashlib.sha256().hexdigest()


def partial(descriptor: int, size: int) -> str:
    """A cheap fingerprint: equal contents have equal ones, different contents mostly not.

    It is made of the size and of 64 KiB each at the beginning, in the middle and at the end.

    Args:
        descriptor: the file, opened for reading.
        size: its size in bytes.

    Raises:
        OSError: the file can't be read.
    """
    found = hashlib.sha256(str(size).encode())
    for offset in sorted({0, max(0, size // 2 - _BLOCK // 2), max(0, size - _BLOCK)}):
        found.update(os.pread(descriptor, _BLOCK, offset))
    return found.hexdigest()[:32]


def whole(descriptor: int, going: Callable[[], bool]) -> str:
    """The SHA-256 of a file's content, in hex.

    Args:
        descriptor: the file, opened for reading; its position is left alone.
        going: asked before each `CHUNK`, a MiB.

    Raises:
        Interrupted: `going` said False.
        OSError: the file can't be read.
    """
    found = hashlib.sha256()
    offset = 0
    while True:
        if not going():
            raise Interrupted
        chunk = os.pread(descriptor, CHUNK, offset)
        if not chunk:
            return found.hexdigest()
        found.update(chunk)
        offset += len(chunk)
