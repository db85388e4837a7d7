"""Which threads are inside a file call, and since when: a share that hangs must be seen to hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

PATIENCE: Final = 30.0  # seconds that a file call may take
SYNC_PATIENCE: Final = 600.0  # … when it has to bring a whole file to the disk


@dataclass(frozen=True, slots=True)
class _Call:
    inbox: str
    until: float


class FileCalls:
    """The file calls under way. Safe to use from many threads; entering one costs a dictionary entry."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._calls: dict[threading.Thread, _Call] = {}

    @contextmanager
    def call(self, inbox: str, patience: float = PATIENCE) -> Iterator[None]:
        """This thread is in a file call of this inbox, or of its outbox, for `patience` seconds at most."""
        thread = threading.current_thread()
        self._calls[thread] = _Call(inbox, self._monotonic() + patience)
        try:
            yield
        finally:
            del self._calls[thread]

    def going(self) -> bool:
        """This thread's call was many and another one begins: its patience begins anew. Always true."""
        thread = threading.current_thread()
        call = self._calls[thread]
        self._calls[thread] = _Call(call.inbox, max(call.until, self._monotonic() + PATIENCE))
        return True

    def hung(self) -> dict[str, list[threading.Thread]]:
        """Threads whose call is not back in time, by inbox."""
        now = self._monotonic()
        found: dict[str, list[threading.Thread]] = {}
        for thread, call in list(self._calls.items()):
            if call.until < now:
                found.setdefault(call.inbox, []).append(thread)
        return found
