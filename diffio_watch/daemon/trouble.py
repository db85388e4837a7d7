"""What went wrong in any of the daemon's threads, and what follows from it: a wait, or the end."""

from __future__ import annotations

import threading

from structlog.typing import FilteringBoundLogger

from diffio_watch.daemon.startup import CannotRun, remember_old_copy
from diffio_watch.disk import marker
from diffio_watch.journal import Journal, JournalError, JournalTrouble


class Trouble:
    """Told of from any thread; whoever works asks its two events.

    Attributes:
        stop: set when the program is to end.
        sick: set while the journal can't be written: nothing may be sent.
        why: a sentence on why it ends.
        dead: what ends it; None where it was told to.

    Args:
        log: where it is told.
    """

    def __init__(self, log: FilteringBoundLogger) -> None:
        self.stop = threading.Event()
        self.sick = threading.Event()
        self.why = "It was told to stop."
        self.dead: BaseException | None = None
        self._log = log

    def met(self, error: BaseException) -> None:
        """What a thread could not deal with: a journal that can't be written is waited for, anything else ends it all.

        From here on no job takes another step.
        """
        if isinstance(error, JournalTrouble) and not error.fatal:
            if not self.sick.is_set():
                self.sick.set()
                self._log.error("journal.refused", message=str(error))
            return
        if isinstance(error, marker.OldJournal):
            self.dead = self.dead or error
            self.stop.set()
        elif not self.stop.is_set():
            self.why = str(error)
            if isinstance(error, JournalError):  # no bug, so no traceback: its sentence says what to do
                self._log.error("journal.refused", message=str(error), fatal=True)
            else:
                self._log.error("daemon.broke", error=str(error), exc_info=error)
                self.why = f"An error of this program, which is in its log: {type(error).__name__}: {error}"
            self.dead = error
            self.stop.set()

    def heal(self, journal: Journal, now: float) -> None:
        """Go on as soon as the journal takes what it is told; `now` in seconds since the epoch."""
        try:
            journal.set_meta("healed_at", now)
        except JournalError as error:
            if not isinstance(error, JournalTrouble) or error.fatal:
                self.met(error)
            return
        self.sick.clear()
        self._log.warning("journal.resumed")

    def old_copy(self, journal: Journal) -> CannotRun | None:
        """What is to be told where the journal was found to be an old copy, remembered in it; None where it was not."""
        if not isinstance(self.dead, marker.OldJournal):
            return None
        journal.ending = lambda: False  # this is worth waiting for
        return remember_old_copy(journal, self.dead)
