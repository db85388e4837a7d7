"""Work that may block, in threads of its own with a time limit: a hung share must not take the page along.

A thread that hangs in a file call can't be ended. It keeps its place, so that a hung share has a few of them for good
and no more; they are daemonic, so that they hold up no end.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar

PATIENCE: Final = 4.5  # seconds that an answer may wait for one
_EACH: Final = 4  # calls at a time of one kind, such as an inbox's

_Result = TypeVar("_Result")


class TooSlow(Exception):
    """It did not come back in time, or those before it have not."""


class Threads:
    """Calls under way, counted by kind. Used by the page's thread alone."""

    def __init__(self) -> None:
        self._busy: Counter[str] = Counter()

    async def run(self, kind: str, work: Callable[[], _Result], *, patience: float = PATIENCE,
                  late: Callable[[_Result], object] | None = None) -> _Result:
        """Do some work elsewhere.

        Args:
            kind: what it is counted with: as many of one kind go at a time as `_EACH` says, and others wait.
            work: it.
            patience: seconds.
            late: gets a result that nobody waits for any more, to put it away.

        Raises:
            TooSlow: it takes longer.
            Exception: what the work raised.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        while self._busy[kind] >= _EACH:
            if loop.time() >= end:
                raise TooSlow(kind)
            await asyncio.sleep(0.02)
        self._busy[kind] += 1
        done: asyncio.Future[_Result] = loop.create_future()

        def finish(result: _Result | None, error: BaseException | None) -> None:
            self._busy[kind] -= 1
            if done.done():
                if error is None and late is not None:
                    late(result)  # type: ignore[arg-type]  # without an error there is one
            elif error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type]  # likewise

        def body() -> None:
            result: _Result | None = None
            error: BaseException | None = None
            try:
                result = work()
            except BaseException as raised:  # noqa: BLE001 - raised where it is waited for
                error = raised
            try:
                loop.call_soon_threadsafe(finish, result, error)
            except RuntimeError:  # the page has ended meanwhile
                if error is None and late is not None and result is not None:
                    late(result)

        threading.Thread(target=body, name=f"page-{kind}", daemon=True).start()
        try:
            return await asyncio.wait_for(done, max(0.0, end - loop.time()))
        except TimeoutError:
            raise TooSlow(kind) from None
