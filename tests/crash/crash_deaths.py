"""One life, and many deaths: it is stopped, and what a kill would have left just then is there in its place.

Where a death leaves what the one before it did, nobody goes on once more: that has been seen.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from queue import Empty, SimpleQueue

from crash_copy import content, in_the_place_of, memory
from crash_nursery import ALIVE, STOPPED
from crash_world import World


class _Deaths:
    """Those of one life; `then` goes on with what is left, afterwards all is as it was."""

    def __init__(self, world: World, then: Callable[[], None]) -> None:
        self.count = 0
        self._world, self._then = world, then
        self._before: object = None

    def one(self) -> None:
        world = self._world
        now = content(world.changed(), world.originals), memory(world.sandbox), dict(world.others)
        self.count += 1
        if now != self._before:
            self._before = now
            with in_the_place_of(world.changed(), world.sandbox, world.originals):
                self._then()
            world.others = now[-1]


def at_effects(world: World, first: int, then: Callable[[], None], *, kill: bool = False) -> int:
    """At every boundary in the child; how many there were.

    Args:
        world: where it lives.
        first: the first of these boundaries, counted from where the scenario begins to differ.
        then: goes on with what is left.
        kill: really end it, after that, at the first boundary.
    """
    deaths = _Deaths(world, then)
    pid = world.nursery.begin(world.order(fuse=first, stop=True, explore=True))
    code = STOPPED
    try:
        while (code := world.nursery.wait(pid)) == STOPPED:
            deaths.one()
            os.kill(pid, signal.SIGKILL if kill else signal.SIGCONT)
    finally:
        _end(world, pid, code)
    assert code == (-signal.SIGKILL if kill and deaths.count else 0), world.ended_badly(code)
    return deaths.count


def at_calls(world: World, then: Callable[[], None]) -> int:
    """At every moment of every call, which waits meanwhile; how many there were."""
    deaths = _Deaths(world, then)
    met = SimpleQueue[asyncio.Event]()

    def meet() -> Awaitable[object]:
        gone_on = asyncio.Event()
        met.put(gone_on)
        return gone_on.wait()

    world.light(explore=True)
    world.meets = meet
    pid = world.nursery.begin(world.order(explore=True))
    code = ALIVE
    try:
        while code == ALIVE:
            try:
                gone_on = met.get(timeout=0.01)
            except Empty:
                code = world.nursery.look(pid)
                continue
            os.kill(pid, signal.SIGSTOP)
            code = world.nursery.wait(pid)  # when its last call is answered it may have come to its end
            if code == STOPPED:
                world.meets = None
                deaths.one()
                world.meets = meet
                os.kill(pid, signal.SIGCONT)
                code = ALIVE
            world.sandbox._look(gone_on.set)
    finally:
        world.meets = None
        _end(world, pid, code)
    assert code == 0, world.ended_badly(code)
    return deaths.count


def _end(world: World, pid: int, code: int) -> None:
    if code in {STOPPED, ALIVE}:
        os.kill(pid, signal.SIGKILL)
        world.nursery.wait(pid)
