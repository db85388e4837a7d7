from __future__ import annotations

import threading
import time

import pytest

from diffio_watch.api import Ambiguous, RateLimited, Rejected, Stopped, Tries, Unavailable
from diffio_watch.api.retry import Pace, Retrier

FAST = Tries(attempts=3, first=0.001, longest=0.002)


class Script:
    """Raises what is listed, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def test_transient_errors_are_tried_again() -> None:
    script = Script(Ambiguous("lost"), Unavailable("busy"))
    assert Retrier(FAST, threading.Event()).run(script) == "answer"
    assert script.calls == 3


def test_the_last_error_comes_out_when_the_tries_are_used_up() -> None:
    script = Script(*(Unavailable(str(number)) for number in range(9)))
    with pytest.raises(Unavailable, match="2"):
        Retrier(FAST, threading.Event()).run(script)
    assert script.calls == 3


@pytest.mark.parametrize("error", [Rejected("no"), ValueError("ours")])
def test_other_errors_are_not_tried_again(error: Exception) -> None:
    script = Script(error)
    with pytest.raises(type(error)):
        Retrier(FAST, threading.Event()).run(script)
    assert script.calls == 1


def test_a_short_retry_after_is_waited_for() -> None:
    started = time.monotonic()
    assert Retrier(FAST, threading.Event()).run(Script(RateLimited("slow", retry_after=0.2))) == "answer"
    assert time.monotonic() - started >= 0.2


def test_a_long_retry_after_is_raised_at_once() -> None:
    script = Script(RateLimited("slow", retry_after=5.1))
    with pytest.raises(RateLimited):
        Retrier(FAST, threading.Event()).run(script)
    assert script.calls == 1


def test_a_used_up_budget_begins_no_further_try() -> None:
    script = Script(*(Unavailable("busy") for _ in range(9)))
    with pytest.raises(Unavailable):
        Retrier(Tries(attempts=9, first=0.001, longest=0.001, budget=0.0), threading.Event()).run(script)
    assert script.calls == 1


def test_a_stop_before_the_call_ends_it_unsent() -> None:
    stop, script = threading.Event(), Script()
    stop.set()
    with pytest.raises(Stopped):
        Retrier(FAST, stop).run(script)
    assert script.calls == 0


def test_a_stop_wakes_a_wait_at_once() -> None:
    stop, script = threading.Event(), Script(RateLimited("slow", retry_after=4.9))
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        Retrier(FAST, stop).run(script)
    assert time.monotonic() - started < 2
    timer.join()


class Ticker:
    """A clock that moves only when someone waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_calls_begin_no_more_often_than_configured() -> None:
    ticker = Ticker()
    pace = Pace(4.0, ticker.sleep, lambda: ticker.now)
    begun = []
    for _ in range(9):
        pace.enter()
        begun.append(ticker.now)
    assert begun == pytest.approx([number / 4 for number in range(9)])


def test_without_a_cap_nothing_waits() -> None:
    ticker = Ticker()
    pace = Pace(None, ticker.sleep, lambda: ticker.now)
    for _ in range(100):
        pace.enter()
    assert ticker.now == 0


def test_a_429_holds_every_call_back_for_as_long_as_it_says() -> None:
    ticker = Ticker()
    pace = Pace(None, ticker.sleep, lambda: ticker.now)
    pace.close(3.0)
    pace.enter()
    assert ticker.now == pytest.approx(3.0)


def test_a_long_429_turns_calls_away_with_the_rest_of_it() -> None:
    ticker = Ticker()
    pace = Pace(None, ticker.sleep, lambda: ticker.now)
    pace.close(60.0)
    ticker.now = 20.0
    with pytest.raises(RateLimited) as caught:
        pace.enter()
    assert caught.value.retry_after == pytest.approx(40.0)
    ticker.now = 61.0
    pace.enter()
