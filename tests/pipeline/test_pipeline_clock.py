"""The clock that dates everything: steady while the program runs, and right also after the host has slept."""

from __future__ import annotations

import time

import pytest

from diffio_watch.clock import Clock


def test_it_tells_the_time_that_it_is() -> None:
    assert Clock().now() == pytest.approx(time.time(), abs=5)


def test_a_wall_clock_that_is_set_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    before = clock.now()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert before <= clock.now() < before + 5


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system does not tell how long it slept")
def test_an_hour_of_the_hosts_sleep_is_an_hour_for_what_is_due_and_no_time_for_what_settles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    due, quiet = clock.now(), clock.monotonic()
    awake = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime",
                        lambda which: awake(which) + (3600 if which == time.CLOCK_BOOTTIME else 0))
    assert clock.now() - due == pytest.approx(3600, abs=5)
    assert clock.monotonic() - quiet == pytest.approx(0, abs=5)


def test_a_system_that_does_not_tell_how_long_it_slept_has_its_monotonic_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    clock = Clock()
    before = clock.now()
    assert before <= clock.now() < before + 5
