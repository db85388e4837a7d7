"""Every thread is looked after: a pool with fewer living threads than its size is a dead daemon."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pipeline_house import House

from diffio_watch.job import State
from diffio_watch.pipeline.pool import Pool


def test_a_pool_with_fewer_living_threads_than_its_size_is_dead(house: House) -> None:
    assert house.dispatcher.alive()
    pool = house.dispatcher.pools[0]
    pool._work.put(None)  # a thread takes it for the end
    for thread in pool.threads:
        thread.join(0.5)
    assert sum(thread.is_alive() for thread in pool.threads) == pool.size - 1
    assert not house.dispatcher.alive()


def test_a_thread_that_hangs_and_has_a_substitute_is_missed_by_nobody() -> None:
    told: list[BaseException] = []
    pool = Pool("call", frozenset({State.WAITING}), 2, told.append)
    hangs, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        goes_on.wait(10)

    pool.give(hang)
    assert hangs.wait(10)
    assert pool.alive(), "one that hangs lives"
    for thread in list(pool.threads):
        pool.write_off(thread)
    assert pool.alive()
    goes_on.set()
    for thread in pool.written_off:
        thread.join(0.2)
    assert pool.alive(), "the substitutes live"
    pool.stop()
    for thread in pool.threads:
        thread.join(10)
    assert not pool.alive()
    assert told == []


def test_whatever_work_raises_is_told_and_its_thread_lives(house: House) -> None:
    told: list[BaseException] = []
    pool = Pool("call", frozenset({State.WAITING}), 1, told.append)

    def raises(error: BaseException) -> Callable[[], None]:
        def work() -> None:
            raise error

        return work

    for error in (ValueError(), SystemExit(), KeyboardInterrupt(), MemoryError()):
        pool.give(raises(error))
    done = threading.Event()
    pool.give(done.set)
    assert done.wait(10)
    assert len(told) == 4
    assert pool.alive()
    pool.stop()
    assert house.troubles == []
