"""A call that may never come back, in a thread of its own: it is waited for a while, and nothing waits for its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

_Result = TypeVar("_Result")


class Aside(Generic[_Result]):
    """Some work, begun at once.

    Args:
        work: it.
        name: of the thread, which is a daemonic one: where it hangs, it holds up no end.
        late: gets a result that nobody waits for any more, to put it away.

    Attributes:
        began: when, by the monotonic clock.
    """

    def __init__(self, work: Callable[[], _Result], name: str,
                 late: Callable[[_Result], object] = lambda _: None) -> None:
        self._work = work
        self._late = late
        self._found: list[_Result] = []
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._left = False
        self._lock = threading.Lock()
        self.began = time.monotonic()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def done(self, patience: float = 0.0) -> bool:
        """Whether it is back; waits so many seconds for it."""
        return self._done.wait(patience)

    def result(self) -> _Result:
        """What came of it; it has to be done.

        Raises:
            BaseException: what the work raised.
        """
        if self._error is not None:
            raise self._error
        return self._found[0]

    def leave(self) -> None:
        """Wait for it no more."""
        with self._lock:
            self._left = True
            found, self._found = self._found, []
        for one in found:
            self._late(one)

    def _run(self) -> None:
        try:
            found = self._work()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
        else:
            with self._lock:
                left = self._left
                if not left:
                    self._found.append(found)
            if left:
                self._late(found)
        self._done.set()
