"""One inbox's own threads, intake and chores, and what becomes of them when its share hangs.

A thread that hangs in a file call can't be ended. It is abandoned: it tells the journal nothing any more, and stands
there as the probe that says when the share is back. The inbox is unavailable meanwhile; no other is delayed by it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Final

from diffio_watch.clock import Clock
from diffio_watch.disk.mounts import around, table
from diffio_watch.intake.room import Intake
from diffio_watch.job import Because
from diffio_watch.pipeline.chores import Chores
from diffio_watch.pipeline.file_calls import PATIENCE, GivenUp
from diffio_watch.pipeline.halts import Halts
from diffio_watch.pipeline.outcome import Stop
from diffio_watch.reasons import because

_ANOTHER_PROBE: Final = 300.0  # a mount that was replaced leaves the old thread hanging for good
_MOST_PROBES: Final = 8


class Room:
    """The threads of one inbox.

    Args:
        name: of the inbox.
        make_intake: makes an intake that calls the given function whenever it makes progress.
        make_chores: likewise for the chores.
        halts: where the inbox is stopped and let go.
        clock: the program's clocks.
        failed: told of what a thread could not deal with.
        places: the folders that they work in: what is mounted there tells when another try is worth it.
    """

    intake: Intake
    chores: Chores

    def __init__(self, name: str, make_intake: Callable[[Callable[[], None]], Intake],
                 make_chores: Callable[[Callable[[], None]], Chores], halts: Halts, clock: Clock,
                 failed: Callable[[BaseException], None], places: Sequence[str]) -> None:
        self.name = name
        self._make_intake = make_intake
        self._make_chores = make_chores
        self._places = tuple(places)
        self._halts = halts
        self._clock = clock
        self._failed = failed
        self._probes: list[threading.Thread] = []  # abandoned threads, which may come back
        self._transfers: dict[threading.Thread, str] = {}  # those of the pools that hung, and what was mounted then
        self._hung_at: float | None = None
        self._mounts = ""  # the table of them, as it was when the present threads began
        self._real: set[str] = set()  # where the folders really are
        self.threads: list[threading.Thread] = []
        self._beats: dict[threading.Thread, float] = {}
        self._make()

    @property
    def hangs(self) -> bool:
        """Whether a file call of this inbox does not come back."""
        return self._hung_at is not None

    def start(self) -> None:
        """Begin to work."""
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """End soon."""
        self.intake.stop()

    def leave(self) -> None:
        """End soon, and have no more to do with its inbox, which is configured no more."""
        if not self.hangs:
            self._abandon(self._clock.monotonic(), ())

    def renew(self, make_intake: Callable[[Callable[[], None]], Intake],
              make_chores: Callable[[Callable[[], None]], Chores], places: Sequence[str]) -> None:
        """Go on with another configuration, as soon as the present threads have come to rest."""
        self._make_intake = make_intake
        self._make_chores = make_chores
        self._places = tuple(places)
        self.leave()

    def alive(self) -> bool:
        """Whether its threads run, or hang."""
        return self.hangs or all(thread.is_alive() for thread in self.threads)

    def check(self, hung: Collection[threading.Thread]) -> Collection[threading.Thread]:
        """See how the inbox is, and stop it or let it go.

        Args:
            hung: threads of the transfers that hang in a file call of this inbox.

        Returns:
            Those of them that hang on what is mounted no more: nobody has to wait for them.
        """
        now = self._clock.monotonic()
        self._transfers = {thread: mounts for thread, mounts in self._transfers.items() if thread in hung}
        if self._hung_at is None:
            late = any(now - beat > PATIENCE for beat in self._beats.values())
            if late or any(thread not in self._transfers for thread in hung):
                self._abandon(now, hung)
            self._tell(None if not self.hangs else because("hangs", inbox=self.name, seconds=f"{PATIENCE:.0f}"))
            return self._given_up()
        self._probes = [thread for thread in self._probes if thread.is_alive()]
        remounted = self._around(table()) != self._around(self._mounts)
        another = now - self._hung_at > _ANOTHER_PROBE and len(self._probes) < _MOST_PROBES
        if remounted or another or not (self._probes or self._transfers):
            self._hung_at = None
            self._make()
            self.start()
        return self._given_up()

    def _given_up(self) -> Collection[threading.Thread]:
        """Transfers that hang on what is mounted no more, whether anything else of the inbox hangs or not."""
        if not self._transfers:
            return ()
        here = self._around(table())
        return tuple(thread for thread, mounts in self._transfers.items() if self._around(mounts) != here)

    def _tell(self, stopped: Because | None) -> None:
        scope = f"inbox:{self.name}:inbox"
        stopped = stopped or self.intake.now.stopped
        if stopped is not None:
            self._halts.begin(Stop(scope, stopped), self._clock.now())
        elif self.intake.now.available:
            self._halts.end(scope)

    def _abandon(self, now: float, hung: Collection[threading.Thread]) -> None:
        self.intake.abandon()
        self.chores.abandoned.set()
        self._probes += self.threads
        for thread in hung:
            self._transfers.setdefault(thread, self._mounts)
        self._hung_at = now

    def _make(self) -> None:
        self._beats = {}
        self._mounts = table()
        before = self.intake if self.threads else None
        self.threads = []
        self.intake = self._make_intake(lambda: self._beat(intake))
        if before is not None:
            self.intake.beware(before)
        intake = self._thread(f"intake-{self.name}", self.intake.run, self._places[:1])
        self.chores = self._make_chores(lambda: self._beat(chores))
        chores = self._thread(f"chores-{self.name}", self.chores.run, self._places[1:])

    def _around(self, mounts: str) -> frozenset[str]:
        return around([*self._places, *list(self._real)], mounts)

    def _beat(self, thread: threading.Thread) -> None:
        if thread in self._beats:
            self._beats[thread] = self._clock.monotonic()

    def _thread(self, name: str, work: Callable[[], None], places: Sequence[str]) -> threading.Thread:
        def run() -> None:
            self._beats[thread] = self._clock.monotonic()
            self._real.update(os.path.realpath(place) for place in places)  # only this thread may hang in it
            try:
                work()
            except GivenUp:
                return
            except BaseException as error:  # noqa: BLE001 - a thread's end; what becomes of it is the daemon's to say
                self._failed(error)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self.threads.append(thread)
        return thread
