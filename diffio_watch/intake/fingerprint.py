"""Fingerprints of a content: a cheap one that rules most files out, and the whole SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from diffio_watch.disk.reading import Reading, always

_BLOCK: Final = 64 << 10
CHUNK: Final = 1 << 20

EMPTY: Final = hashlib.sha256().hexdigest()


def partial(descriptor: int, size: int, going: Callable[[], bool] = always) -> str:
    """A cheap fingerprint: equal contents have equal ones, different contents mostly not.

    It is made of the size and of 64 KiB each at the beginning, in the middle and at the end.

    Args:
        descriptor: the file, opened for reading.
        size: its size in bytes.
        going: asked before each read; False ends it.

    Raises:
        Interrupted: `going` said False.
        OSError: the file can't be read.
    """
    found = hashlib.sha256(str(size).encode())
    file = Reading(descriptor, going)
    for offset in sorted({0, max(0, size // 2 - _BLOCK // 2), max(0, size - _BLOCK)}):
        found.update(file.at(offset, _BLOCK))
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
    file = Reading(descriptor, going)
    offset = 0
    while chunk := file.at(offset, CHUNK):
        found.update(chunk)
        offset += len(chunk)
    return found.hexdigest()
