"""Remembers what is in files that were read once: by their identity, for as long as nothing about them changes."""

from __future__ import annotations

import os
import threading
from typing import Final

_MOST: Final = 50_000

Key = tuple[int, int, int, int, int]


class Contents:
    """SHA-256 by file. Safe to use from many threads; in memory only."""

    def __init__(self) -> None:
        self._known: dict[Key, str] = {}
        self._lock = threading.Lock()

    def of(self, status: os.stat_result) -> str | None:
        """What is known of this file."""
        with self._lock:
            return self._known.get(_key(status))

    def note(self, status: os.stat_result, sha256: str) -> None:
        """This file has been read, or written, to its end."""
        with self._lock:
            self._known[_key(status)] = sha256
            if len(self._known) > _MOST:
                del self._known[next(iter(self._known))]


def _key(status: os.stat_result) -> Key:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
