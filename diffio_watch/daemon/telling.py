"""The notices beside the daemon: none of the work waits for them, and their end is nobody else's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config
from diffio_watch.journal import Journal
from diffio_watch.service.notices import Notifier

_STALLED: Final = 60.0  # seconds without all loops being seen to move, after which no heartbeat is sent


class Telling:
    """The thread that tells people, and what it knows of the others.

    Args:
        journal: the daemon's.
        config: gives the configuration that is in force.
        log: where what goes wrong is told.
        stop: set when the program ends.
        sick: set while the journal can't be written.
        remember: told each secret that is read.

    Raises:
        JournalTrouble: it can't be written now.
    """

    def __init__(self, journal: Journal, config: Callable[[], Config], log: FilteringBoundLogger, stop: threading.Event,
                 sick: threading.Event, remember: Callable[[str], None]) -> None:
        self._log = log
        self._stop = stop
        self._sick = sick
        self._moved_at = time.monotonic()
        self._notifier = Notifier(journal, config, log, self._moving, remember=remember)
        self._thread: threading.Thread | None = None
        self._journal = journal
        self._notifier.begin(journal.clock.now())

    def start(self) -> None:
        """Begin to tell."""
        self._thread = threading.Thread(target=self._notifier.run, args=(self._stop, self._sick), name="notices",
                                        daemon=True)
        self._thread.start()

    def moved(self) -> None:
        """All loops move, as far as the service manager's watchdog is told so; and the thread is seen after."""
        self._moved_at = time.monotonic()
        if self._thread is not None and not self._thread.is_alive() and not self._stop.is_set():
            self._log.error("notices.ended", action="It is started anew.")
            self.start()

    def reconfigured(self) -> None:
        """Another configuration is in force."""
        self._notifier.reconfigured()

    def finish(self) -> None:
        """Tell what there is to tell, for the program is at its end and may not run again for long."""
        try:
            self._notifier.look(self._journal.clock.now(), self._journal.clock.monotonic(), last=True)
        except Exception as error:  # noqa: BLE001 - the work is done, and its end is not for this to change
            self._log.error("notices.broke", error=f"{type(error).__name__}: {error}", exc_info=error)

    def join(self, seconds: float) -> None:
        """Wait until it has ended."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _moving(self) -> bool:
        return time.monotonic() - self._moved_at < _STALLED
