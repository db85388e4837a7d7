"""What the service announces by webhook: ends of generations, each a reason to ask at once; and whether to count on it.

An announcement is a hint and never believed: the poll that it brings forward says what is so. Where the ends that
polls have seen were announced, the last few without exception, polls on the way there are rare. The first end that
nobody announces takes them back to their own pace, and so does a restart.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.clock import Clock

_PROOFS: Final = 3  # announced ends in a row, after which the next ones are expected to be
_GRACE: Final = 15.0  # seconds that an announcement may come after the poll that saw the end
_MOST: Final = 10_000  # generations that are remembered; others may use the same account
_LONGEST: Final = 255  # characters of an id


class Announced:
    """Ends of generations: announced, seen by polls, or both. Safe to use from many threads.

    Args:
        clock: its monotonic seconds count.
        log: told when announcements begin to be relied on, and when one was missed.
    """

    def __init__(self, clock: Clock, log: FilteringBoundLogger) -> None:
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._new: deque[str] = deque(maxlen=_MOST)  # nobody has asked for them yet
        self._heard: dict[str, bool] = {}  # generation → whether a poll has seen its end too; the oldest first
        self._unheard: dict[str, float] = {}  # ends that nobody has announced yet, and when they were seen
        self._proofs = 0

    def hear(self, generation_id: str) -> None:
        """The service says that this generation, of whomever, is at its end."""
        if not 0 < len(generation_id) <= _LONGEST:
            return
        with self._lock:
            self._new.append(generation_id)
            seen = self._unheard.pop(generation_id, None) is not None
            if seen:
                self._prove()
            self._remember(generation_id, seen=seen or self._heard.get(generation_id, False))

    def recall(self, generation_id: str) -> None:
        """The journal knows this generation by now; what was announced of it before reached nobody."""
        with self._lock:
            if self._heard.get(generation_id) is False:
                self._new.append(generation_id)

    def take(self) -> list[str]:
        """What was announced since the last time."""
        with self._lock:
            taken = list(dict.fromkeys(self._new))
            self._new.clear()
            return taken

    def ended(self, generation_id: str) -> None:
        """A poll has seen this generation at its end."""
        with self._lock:
            seen = self._heard.get(generation_id)
            if seen is None:
                if len(self._unheard) < _MOST:
                    self._unheard.setdefault(generation_id, self._clock.monotonic())
            elif not seen:
                self._prove()
                self._remember(generation_id, seen=True)

    def reliable(self) -> bool:
        """Whether the next end will most likely be announced."""
        with self._lock:
            late = self._clock.monotonic() - _GRACE
            missed = [generation_id for generation_id, at in self._unheard.items() if at < late]
            for generation_id in missed:
                del self._unheard[generation_id]
            if missed:
                if self._proofs >= _PROOFS:
                    self._log.warning("webhook.missed", generation=missed[0], message=(
                        "A generation ended without a webhook that says so: polls go back to their own pace."))
                self._proofs = 0
            return self._proofs >= _PROOFS

    def _prove(self) -> None:
        self._proofs += 1
        if self._proofs == _PROOFS:
            self._log.info("webhook.reliable", message="Webhooks tell when generations end: polls are rare meanwhile.")

    def _remember(self, generation_id: str, *, seen: bool) -> None:
        self._heard[generation_id] = seen
        if len(self._heard) > _MOST:
            del self._heard[next(iter(self._heard))]
