"""Threads that hang in a file call: seen, and once given up never to take another step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from diffio_watch.job import State
from diffio_watch.pipeline.file_calls import PATIENCE, FileCalls, GivenUp
from diffio_watch.pipeline.pool import Pool


@dataclass
class Hand:
    """A clock moved by hand."""

    at: float = 0.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Hung:
    """A thread in a file call of the inbox `a`."""

    clock: Hand
    calls: FileCalls
    came: threading.Event
    back: threading.Event
    after: list[str]
    thread: threading.Thread | None = None

    def work(self) -> None:
        self.thread = threading.current_thread()
        with self.calls.call("a"):
            self.came.set()
            self.back.wait(20)
        self.after.append("another step")


@pytest.fixture
def hung() -> Iterator[Hung]:
    clock = Hand()
    found = Hung(clock, FileCalls(clock), threading.Event(), threading.Event(), [])
    yield found
    found.back.set()


def test_many_calls_under_one_show_life_at_each_of_them() -> None:
    clock = Hand()
    calls = FileCalls(clock)
    with calls.call("a"):
        for _ in range(100):
            clock.at += PATIENCE - 1
            assert calls.hung() == {}
            assert calls.going()
        clock.at += PATIENCE + 1
        assert list(calls.hung()) == ["a"]


def test_a_thread_that_is_given_up_ends_without_another_step_when_it_comes_back(hung: Hung) -> None:
    told: list[BaseException] = []
    pool = Pool("upload", frozenset({State.UPLOADING}), 1, told.append)
    pool.give(hung.work)
    assert hung.came.wait(10)
    assert hung.thread is not None
    hung.clock.at += PATIENCE + 1
    assert hung.calls.hung() == {"a": [hung.thread]}
    assert pool.write_off(hung.thread)
    assert hung.calls.give_up([hung.thread]) == [hung.thread]
    assert hung.calls.hung() == {}, "nobody waits for it any more"
    hung.back.set()
    hung.thread.join(10)
    assert not hung.thread.is_alive()
    assert (hung.after, told) == ([], [])
    pool.stop()


def test_one_that_came_back_in_time_is_not_given_up(hung: Hung) -> None:
    thread = threading.Thread(target=hung.work)
    thread.start()
    assert hung.came.wait(10)
    assert hung.calls.give_up([thread]) == [], "it is not late"
    hung.clock.at += PATIENCE + 1
    hung.back.set()
    thread.join(10)
    assert hung.calls.give_up([thread]) == [], "it is back"
    assert hung.after == ["another step"]


def test_one_that_is_given_up_begins_no_other_call(hung: Hung) -> None:
    ends: list[str] = []

    def work() -> None:
        for _ in range(2):
            try:
                hung.work()
            except GivenUp:
                ends.append("given up")

    thread = threading.Thread(target=work)
    thread.start()
    assert hung.came.wait(10)
    hung.clock.at += PATIENCE + 1
    hung.calls.give_up([thread])
    hung.back.set()
    thread.join(10)
    assert (ends, hung.after) == (["given up", "given up"], [])
