"""Addresses to listen at: one that can't be had now is told, and tried again. Nothing else waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.aside import Aside
from diffio_watch.config import Config
from diffio_watch.journal import Journal, unheard
from diffio_watch.report.unheard import GOES_ON
from diffio_watch.service.sockets import Held, addresses

PATIENCE: Final = 3.0  # seconds that a start or a reload waits for addresses: a name server may take its time
MOMENT: Final = 0.5  # … and the main loop, which has other things to do
_PAUSE: Final = (1.0, 5.0, 30.0)  # seconds before they are tried again
# … and before that is done beside a look-up that does not come back: twice as many before each further one, so that
# they stay few
_BESIDE: Final = 60.0


class Seeking:
    """What the configuration in force is to listen at, and what is in the way of that.

    Args:
        journal: the daemon's.
        log: where events go.

    Attributes:
        missing: what is in the way, by the key that has the address.
    """

    def __init__(self, journal: Journal, log: FilteringBoundLogger) -> None:
        self._journal = journal
        self._log = log
        self.missing: dict[str, str] = {}
        self._noted: dict[str, str] | None = None  # … as it stands in the journal
        self._attempt: Aside[Held] | None = None
        self._tries = 0  # in a row, after which something was missing
        self._again_at: float | None = None
        self._hanging = 0  # attempts in a row that did not come back

    def begin(self, config: Config, before: Held | None, patience: float) -> None:
        """Listen at the addresses of a configuration; `found` has what came of it.

        Args:
            config: the one in force.
            before: what is listened at already.
            patience: seconds to wait for it; where it takes longer, that is told.
        """
        self.give_up()
        self._attempt = _listen(config, before)
        if not self._attempt.done(patience):
            there = {name for name in addresses(config) if before is not None and before.sockets(name)}
            doubtful = {name: words for name, words in unknown(config).items() if name not in there}
            self._tell(doubtful | self.missing)
            self._again_at = self._journal.clock.monotonic() + _BESIDE * 2**self._hanging
            self._hanging += 1

    def found(self) -> Held | None:
        """What an attempt came to; None where none is under way, or that has not ended. What is missing is told."""
        if self._attempt is None or not self._attempt.done():
            return None
        attempt, self._attempt = self._attempt, None
        self._hanging = 0
        held = attempt.result()
        self.lack(held.missing)
        return held

    def lack(self, missing: Mapping[str, str]) -> None:
        """Let it be known what is missing, and try it again in a while."""
        self._tell(missing)
        self._again_at = None
        if missing:
            self.again()
        else:
            self._tries = 0

    def again(self) -> None:
        """Try once more in a while."""
        self._again_at = self._journal.clock.monotonic() + _PAUSE[min(self._tries, len(_PAUSE) - 1)]
        self._tries += 1

    def due(self) -> bool:
        """Whether it is time to try it again."""
        return self._again_at is not None and self._journal.clock.monotonic() >= self._again_at

    def give_up(self) -> None:
        """Listen at nothing by an attempt that is still under way, and begin none."""
        self._again_at = None
        if self._attempt is not None:
            self._attempt.done(MOMENT)  # else it may have an address just as another one asks for it
            self._attempt.leave()
            self._attempt = None

    def note(self) -> None:
        """Have it stand in the journal, if it is news.

        Raises:
            JournalError: it can't be written.
        """
        if self.missing != self._noted:
            unheard.remember(self._journal, self.missing)
            self._noted = self.missing

    def _tell(self, missing: Mapping[str, str]) -> None:
        for key, message in missing.items():
            if message != self.missing.get(key):
                self._log.error("page.unheard", key=key, message=message, action=GOES_ON)
        self.missing = dict(missing)


def at_once(config: Config, before: Held | None) -> Held | None:
    """Listen at the addresses of a configuration; None: whether that can be is not known within a while."""
    attempt = _listen(config, before)
    if attempt.done(PATIENCE):
        return attempt.result()
    attempt.leave()
    return None


def unknown(config: Config) -> dict[str, str]:
    """What is in the way while that is not known."""
    return {name: f"`{name}`: whether this machine has the address {address} can't be told yet: what knows names does "
                  "not answer." for name, address in addresses(config).items()}


def _listen(config: Config, before: Held | None) -> Aside[Held]:
    names = addresses(config)
    return Aside(lambda: Held.some(names, before), "listen", lambda found: found.close(but=before))
