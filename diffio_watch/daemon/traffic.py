"""Requests and bytes, counted as they are observed: what metrics tell and no journal knows."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Final

from diffio_watch.api import Observation

# other numbers go by their hundreds: an answer may have any
_TOLD: Final = frozenset({401, 402, 403, 404, 409, 410, 429})


class Traffic:
    """Counts since the daemon began. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._sent = self._received = 0

    def beside(self, observe: Callable[[Observation], None]) -> Callable[[Observation], None]:
        """An observer that counts, and tells another one."""
        def both(seen: Observation) -> None:
            self.observe(seen)
            observe(seen)

        return both

    def observe(self, seen: Observation) -> None:
        """One request."""
        key = seen.call, _status(seen)
        with self._lock:
            self._requests[key] += 1
            self._sent += seen.sent
            self._received += seen.received

    def requests(self) -> dict[tuple[str, str], int]:
        """How many requests of each kind came to which status."""
        with self._lock:
            return dict(self._requests)

    def transferred(self) -> dict[str, int]:
        """Bytes of bodies by direction: up, down."""
        with self._lock:
            return {"up": self._sent, "down": self._received}


def _status(seen: Observation) -> str:
    """The status as a label: `2xx`, some by their number, `bad` for an answer that is none, `none` for no answer."""
    if seen.error is None:
        return "2xx"
    status = seen.error.status
    if status is None:
        return "none"
    if status in _TOLD:
        return str(status)
    return "bad" if 200 <= status < 300 else f"{min(9, max(0, status // 100))}xx"
