"""What the daemon does beside its work, so that a journal of yesterday is never taken for today's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.disk import marker
from diffio_watch.disk.names import show
from diffio_watch.journal import Journal, JournalCorrupt, JournalError, JournalTrouble, left
from diffio_watch.journal.backup import write_daily

_LOOK_EVERY: Final = 15.0
_TRY_AGAIN: Final = 3600.0


class Upkeep:
    """The daily copy, and a further count in the folders' markers.

    The counter is raised after each copy, and before each purchase is sent: whoever puts back an older state of
    this journal, kept by this program or by any other (a snapshot, the host's own backup), is found out by the markers.

    Args:
        journal: the daemon's.
        owner: what the markers are checked with.
        log: where it is told.
    """

    def __init__(self, journal: Journal, owner: marker.Owner, log: FilteringBoundLogger) -> None:
        self._journal = journal
        self._owner = owner
        self._log = log
        self._quiet_until = 0.0
        self._counting = threading.Lock()

    def run(self, stop: threading.Event, sick: threading.Event, trouble: Callable[[BaseException], None]) -> None:
        """A thread's body: do it again and again.

        Args:
            stop: set when the program ends.
            sick: set while the journal can't be written.
            trouble: told of what could not be dealt with.
        """
        while not stop.is_set():
            if not sick.is_set():
                try:
                    self.once(self._journal.clock.now())
                except BaseException as error:  # noqa: BLE001 - a thread's end; what becomes of it is the daemon's to say
                    trouble(error)
            stop.wait(_LOOK_EVERY)

    def once(self, now: float) -> None:
        """Make today's copy if it is missing, and count. A disk that takes no copy is no reason to stop restoring.

        Args:
            now: seconds since the epoch.

        Raises:
            JournalCorrupt: nothing may be spent on the journal's word any more.
            JournalTrouble: it can't be written.
        """
        copy = None
        if now >= self._quiet_until:
            try:
                copy = write_daily(self._journal.state_dir, now)
            except JournalError as error:
                if isinstance(error, JournalCorrupt) or (isinstance(error, JournalTrouble) and error.fatal):
                    raise
                self._quiet_until = now + _TRY_AGAIN
                self._log.warning("journal.not_copied", message=str(error))
        if copy is not None:
            self._log.info("journal.copied", file=show(str(copy)))
            left.was_read(self._journal, now)
            with self._counting:  # nobody's higher count comes to the journal before this one
                self._owner.counter += 1
                self._journal.set_meta("starts", self._owner.counter)

    def count(self) -> int:
        """Raise the counter. The journal gets it with the first folder that does, before that folder's marker.

        May be called from any thread.
        """
        with self._counting:
            self._owner.counter += 1
            return self._owner.counter
