"""What of many could not be dealt with: set aside, each for a growing pause, so that no other waits for it."""

from __future__ import annotations

from typing import Final

from diffio_watch.pipeline.outcome import pause

_MOST: Final = 10_000  # more are not remembered: the oldest are tried again sooner


class Aside:
    """Keys of what is set aside. In memory only: after a restart each has its turn at once."""

    def __init__(self) -> None:
        self.met = 0  # troubles so far
        self._until: dict[str, tuple[float, int, str]] = {}  # seconds since the epoch, tries in a row, the last words

    def put(self, key: str, words: str, now: float) -> bool:
        """Set it aside for a while, and say whether its trouble is news."""
        self.met += 1
        _, tries, before = self._until.pop(key, (0.0, 0, ""))
        self._until[key] = (now + pause(tries + 1), tries + 1, words)
        if len(self._until) > _MOST:
            del self._until[next(iter(self._until))]
        return words != before

    def drop(self, key: str) -> None:
        """It was dealt with."""
        self._until.pop(key, None)

    def waiting(self, now: float) -> list[str]:
        """Whose turn has not come yet."""
        return [key for key, (until, _, _) in self._until.items() if until > now]
