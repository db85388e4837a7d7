"""Answers of a folder that are good for a second: many jobs that come at once ask the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

BREATH: Final = 1.0  # seconds
_MOST: Final = 64  # answers that are kept


class Recent(Generic[T]):
    """One kind of answer, by folder. Safe to use from many threads, which may ask the same twice.

    Args:
        monotonic: seconds of a clock that nobody sets.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._found: dict[str, tuple[float, T]] = {}

    def of(self, folder: str, ask: Callable[[], T]) -> T:
        """What `ask` says, or said within the last second; what it raises is not remembered."""
        now = self._monotonic()
        until, answer = self._found.get(folder, (now, None))
        if answer is None or until <= now:
            answer = ask()
            if len(self._found) >= _MOST:
                self._found.clear()
            self._found[folder] = now + BREATH, answer
        return answer
