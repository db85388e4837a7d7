"""Sessions of the page that were ended before their time: nothing that happens to the daemon lets them in again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from diffio_watch.journal import Journal

_NAME: Final = "sessions_ended"
MOST: Final = 200  # by name


@dataclass(frozen=True, slots=True)
class Ended:
    """Which sessions are over. Times are whole seconds since the epoch.

    Attributes:
        before: all that began then, or earlier.
        names: single ones, and when they began.
    """

    before: int = 0
    names: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def has(self, name: str, began: int) -> bool:
        """Whether a session is over."""
        return began <= self.before or name in self.names

    def adding(self, name: str, began: int) -> Ended:
        """These and another one. Where they become too many, the oldest end as a kind: none comes back to life.

        None is forgotten for its age: the host's clock, which tells it, may be ahead for a while.

        Args:
            name: of the session.
            began: when it did.
        """
        kept = sorted((at, one) for one, at in {**self.names, name: began}.items() if at > self.before)
        before = max([self.before, *(at for at, _ in kept[:-MOST])])
        return Ended(before, {one: at for at, one in kept if at > before})


def ended(journal: Journal) -> Ended:
    """Those that are remembered.

    Raises:
        JournalError: the journal can't be read.
    """
    text = journal.meta(_NAME)
    return Ended(**json.loads(text)) if isinstance(text, str) else Ended()


def end(journal: Journal, name: str, began: int) -> None:
    """Remember another one, as `Ended.adding` does; on disk when it returns.

    Raises:
        JournalError: the journal can't be written.
    """
    with journal.transaction():
        found = ended(journal).adding(name, began)
        journal.set_meta(_NAME, json.dumps({"before": found.before, "names": dict(found.names)}))
