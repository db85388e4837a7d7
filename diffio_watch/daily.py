"""What the daemon does once a day: a copy of its journal, and a further count in the folders' markers."""

from __future__ import annotations

import threading
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.disk import marker
from diffio_watch.disk.names import show
from diffio_watch.journal import Journal, JournalCorrupt, JournalError, JournalTrouble
from diffio_watch.journal.backup import write_daily

_LOOK_EVERY: Final = 60.0
_TRY_AGAIN: Final = 3600.0


class Daily:
    """The daily copy.

    After it, the start counter is raised: whoever puts back an older state of this journal, made by this program or
    by any other (a snapshot, the host's own backup), is found out by the markers.

    Args:
        journal: the daemon's.
        owner: what the markers are checked with.
        log: where it is told.
        stop: ends `run`.
    """

    def __init__(self, journal: Journal, owner: marker.Owner, log: FilteringBoundLogger, stop: threading.Event) -> None:
        self._journal = journal
        self._owner = owner
        self._log = log
        self._stop = stop
        self._quiet_until = 0.0

    def run(self) -> None:
        """Look every minute until the program stops."""
        while True:
            self.once(self._journal.clock.now())
            if self._stop.wait(_LOOK_EVERY):
                return

    def once(self, now: float) -> None:
        """Make today's copy if it is missing. A disk that does not take it is no reason to stop restoring.

        Args:
            now: seconds since the epoch.

        Raises:
            JournalCorrupt, JournalTrouble: nothing may be spent on the journal's word any more.
        """
        if now < self._quiet_until:
            return
        try:
            copy = write_daily(self._journal.state_dir, now)
            if copy is None:
                return
            counter = self._owner.counter + 1
            self._journal.set_meta("starts", counter)  # before any marker says so
            self._owner.counter = counter
        except JournalError as error:
            if isinstance(error, JournalCorrupt) or (isinstance(error, JournalTrouble) and error.fatal):
                raise
            self._quiet_until = now + _TRY_AGAIN
            self._log.warning("journal.not_copied", message=str(error))
        else:
            self._log.info("journal.copied", file=show(str(copy)))
