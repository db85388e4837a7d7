"""`_status.html` of an outbox: kept up to date where it is wanted, and taken away where it is not any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Inbox
from diffio_watch.journal import JournalError
from diffio_watch.outbox import Outbox, names

_EVERY: Final = 10.0  # seconds between two looks
_STUMBLED: Final = 600.0  # seconds after an error of this program
_ANEW: Final = 3600.0  # seconds after which it is written anew although nothing changed: its time tells that all runs

# what there is to tell, and the page that tells it at a moment
Tell = Callable[[], tuple[str, Callable[[float], bytes]]]


class StatusFile:
    """The page of one outbox.

    Args:
        inbox: its configuration.
        outbox: where it stands.
        log: where trouble is told, once.
        tell: looks how everything is.
    """

    def __init__(self, inbox: Inbox, outbox: Outbox, log: FilteringBoundLogger, tell: Tell) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._log = log
        self._tell = tell
        self._next_at = float("-inf")
        self._written_at = float("-inf")
        self._told: str | None = None
        self._taken = self._cleared = False

    def once(self, now: float) -> None:
        """Bring it up to date.

        Args:
            now: seconds since the epoch.

        Raises:
            OutboxGone: the outbox is not there.
            DiskTrouble: the disk refuses.
        """
        if not self._inbox.status_file:
            if not self._cleared:
                self._outbox.clear_status()
                self._cleared = True
            return
        if now < self._next_at <= now + _STUMBLED:
            return
        self._next_at = now + _EVERY
        try:
            told, page = self._tell()
        except JournalError:
            raise
        except Exception:  # noqa: BLE001 - a page that can't be made must keep nobody's error file or original
            self._next_at = now + _STUMBLED
            self._log.exception("outbox.status_stumbled", inbox=self._inbox.name)
            return
        if told == self._told and now - self._written_at < _ANEW and self._outbox.status_stands():
            return
        if self._outbox.write_status(page(now), self._inbox.settings()):
            self._told, self._written_at, self._taken = told, now, False
        elif not self._taken:
            self._taken = True
            self._log.warning("outbox.status_name_taken", inbox=self._inbox.name, path=names.STATUS_FILE)
