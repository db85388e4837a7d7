"""Work that may block, in threads of its own with a time limit: a hung share must not take the page along.

A thread that hangs in a file call can't be ended. It keeps its place, so that a hung share has a few of them for good
and no more; they are daemonic, so that they hold up no end.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final, TypeVar

PATIENCE: Final = 4.5  # seconds that an answer may wait for one
_EACH: Final = 4  # calls at a time of one kind, such as an inbox's

_Result = TypeVar("_Result")


class TooSlow(Exception):
    """It did not come back in time, or those before it have not; `kind` is what it was counted with."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"it does not come back in time ({kind})")


class Threads:
    """Calls under way, counted by kind. Used by the page's thread alone."""

    def __init__(self) -> None:
        self._places: dict[str, asyncio.Semaphore] = {}

    async def run(self, kind: str, work: Callable[[], _Result], *, patience: float = PATIENCE,
                  at_once: int = _EACH, late: Callable[[_Result], object] | None = None) -> _Result:
        """Do some work elsewhere.

        Args:
            kind: what it is counted with.
            work: it.
            patience: seconds.
            at_once: how many of the kind go at a time, those included that nobody waits for any more; others wait.
            late: gets a result that nobody waits for any more, to put it away.

        Raises:
            TooSlow: it takes longer.
            Exception: what the work raised.
        """
        try:
            async with asyncio.timeout(patience):
                return await self._done(kind, work, at_once, late)
        except TimeoutError:
            raise TooSlow(kind) from None

    async def aside(self, kind: str, work: Callable[[], object]) -> None:
        """Do some work elsewhere that nobody waits for longer than a moment, and that does not fail for it."""
        with contextlib.suppress(TooSlow, OSError):
            await self.run(kind, work, patience=1.0)

    async def _done(self, kind: str, work: Callable[[], _Result], at_once: int,
                    late: Callable[[_Result], object] | None) -> _Result:
        loop = asyncio.get_running_loop()
        place = self._places.setdefault(kind, asyncio.Semaphore(at_once))
        await place.acquire()
        done: asyncio.Future[_Result] = loop.create_future()

        def finish(result: list[_Result], error: BaseException | None) -> None:
            place.release()
            if done.done():
                if result and late is not None:
                    late(result[0])
            elif error is not None:
                done.set_exception(error)
            else:
                done.set_result(result[0])

        def body() -> None:
            result: list[_Result] = []
            error: BaseException | None = None
            try:
                result.append(work())
            except BaseException as raised:  # noqa: BLE001 - raised where it is waited for
                error = raised
            try:
                loop.call_soon_threadsafe(finish, result, error)
            except RuntimeError:  # the page has ended meanwhile
                if result and late is not None:
                    late(result[0])

        threading.Thread(target=body, name=f"page-{kind}", daemon=True).start()
        return await done
