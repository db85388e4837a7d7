"""Which threads are inside a file call, and since when: a share that hangs must be seen to hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

PATIENCE: Final = 30.0  # seconds that a file call may take
SYNC_PATIENCE: Final = 600.0  # … when it has to bring a whole file to the disk


class GivenUp(BaseException):
    """This thread hung in a file call for so long that others do its work: it is to end, without another step."""


@dataclass(frozen=True, slots=True)
class _Call:
    inbox: str
    until: float


class FileCalls:
    """The file calls under way. Safe to use from many threads; entering one costs a dictionary entry."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._calls: dict[threading.Thread, _Call] = {}
        self._given_up: set[threading.Thread] = set()
        self._lock = threading.Lock()

    @contextmanager
    def call(self, inbox: str, patience: float = PATIENCE) -> Iterator[None]:
        """This thread is in a file call of this inbox, or of its outbox, for `patience` seconds at most."""
        thread = threading.current_thread()
        self._begin(thread, _Call(inbox, self._monotonic() + patience))
        try:
            yield
        finally:
            with self._lock:
                del self._calls[thread]
                given_up = thread in self._given_up
            if given_up:
                raise GivenUp

    def _begin(self, thread: threading.Thread, call: _Call) -> None:
        with self._lock:
            if thread in self._given_up:
                raise GivenUp
            self._calls[thread] = call

    def give_up(self, threads: Collection[threading.Thread]) -> list[threading.Thread]:
        """Of threads whose call is not back in time, have nothing more to do with; which of them still hung.

        Their work is others' from now on: should one come back after all, it ends with `GivenUp`.
        """
        now = self._monotonic()
        with self._lock:
            found = [thread for thread in threads if (call := self._calls.get(thread)) is not None and call.until < now]
            self._given_up.update(found)
            for thread in found:
                self._calls[thread] = replace(self._calls[thread], until=float("inf"))
        return found

    def going(self) -> bool:
        """This thread's call was many and another one begins: its patience begins anew. Always true."""
        thread = threading.current_thread()
        call = self._calls[thread]
        self._begin(thread, _Call(call.inbox, max(call.until, self._monotonic() + PATIENCE)))
        return True

    def hung(self) -> dict[str, list[threading.Thread]]:
        """Threads whose call is not back in time, by inbox."""
        now = self._monotonic()
        found: dict[str, list[threading.Thread]] = {}
        for thread, call in list(self._calls.items()):
            if call.until < now:
                found.setdefault(call.inbox, []).append(thread)
        return found
