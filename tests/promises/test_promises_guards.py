"""The money guards: who is released from one is not released from another; no day counts what it did not buy."""

from __future__ import annotations

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import DAY, House
from sounds import sound

from diffio_watch.job import Media, State
from diffio_watch.journal.drop import DROP_WINDOW
from diffio_watch.sandbox import Sandbox


def codes(house: House, *ids: str) -> list[str]:
    """What each job is held for, or its state."""
    return [job.because.code if job.state is State.HELD and job.because else str(job.state)
            for job in map(house.job, ids)]


def test_to_release_a_drop_is_no_word_about_the_days_limits(make_house: MakeHouse, service: Sandbox) -> None:
    house = make_house(limits={"approve_over_files": 2, "daily_files": 2})
    drop = [house.drop(f"{name}.wav") for name in "abcd"]
    assert codes(house, *drop) == ["drop_size"] * 4
    house.ask("approve", inbox="podcasts")
    house.run(60)
    assert sorted(codes(house, *drop)) == ["daily_limit", "daily_limit", "delivered", "delivered"]
    house.ask("approve", jobs=[next(one for one in drop if house.job(one).state is State.HELD)])
    house.run(60)
    assert sorted(codes(house, *drop)) == ["daily_limit", "delivered", "delivered", "delivered"]
    house.clock.advance(DAY)
    house.chores()
    house.finish()
    assert service.charges == 4


@pytest.mark.parametrize("word", ["approve", "cancel"])
def test_after_a_drop_is_decided_a_single_file_is_none(make_house: MakeHouse, word: str) -> None:
    """The first files of the drop were on their way before it was one: they are decided about as well.

    After it was left out, what comes within the window is of it still.
    """
    house = make_house(limits={"approve_over_files": 3})
    drop = []
    for name in "abcde":
        drop.append(house.drop(f"{name}.wav"))
        house.work()
        house.clock.advance(1)
    assert codes(house, *drop) == ["delivered"] * 3 + ["drop_size"] * 2
    house.ask(word, jobs=drop[3:])
    house.clock.advance(1 if word == "approve" else DROP_WINDOW + 1)
    single = house.drop("single.wav")
    house.finish()
    assert codes(house, single) == ["delivered"]


def test_what_is_released_alone_is_not_held_again_with_the_rest(make_house: MakeHouse) -> None:
    house = make_house(limits={"approve_over_files": 1})
    house.service.change(seconds=60)
    house.ask("pause")
    drop = [house.drop(f"{name}.wav") for name in "abc"]
    house.ask("approve", jobs=drop[:1])
    more = house.drop("d.wav")
    assert codes(house, *drop, more) == ["queued", "drop_size", "drop_size", "drop_size"]


def test_a_second_drop_is_held_after_the_first_was_decided(make_house: MakeHouse) -> None:
    house = make_house(limits={"approve_over_files": 2})
    first = [house.drop(f"{name}.wav") for name in "abc"]
    house.ask("approve", jobs=first)
    house.clock.advance(5)
    second = [house.drop(f"{name}.wav") for name in "defg"]
    assert codes(house, *second) == ["drop_size"] * 4


def test_a_decision_that_a_clock_ahead_dated_hides_no_drop(make_house: MakeHouse) -> None:
    house = make_house(limits={"approve_over_files": 2})
    house.clock.set(3 * DAY)
    first = [house.drop(f"{name}.wav") for name in "abc"]
    house.ask("approve", jobs=first)
    house.clock.set(-3 * DAY)
    second = [house.drop(f"{name}.wav") for name in "defg"]
    assert codes(house, *second) == ["drop_size"] * 4


def test_a_day_with_the_clock_ahead_does_not_use_up_the_days_until_then(
    make_house: MakeHouse, service: Sandbox,
) -> None:
    house = make_house(limits={"daily_files": 2})
    house.clock.set(3 * DAY)
    for name in "ab":
        house.drop(f"{name}.wav")
    house.work()
    house.close()
    house.clock.set(-3 * DAY)
    house.open()
    later = house.drop("c.wav")
    house.finish()
    assert codes(house, later) == ["delivered"]
    assert service.charges == 3


def test_an_unknown_length_is_estimated_and_then_corrected_by_the_result(make_house: MakeHouse) -> None:
    """A recorder that tells no length: 600 kB count as five minutes until a minute and a quarter came back."""
    house = make_house(limits={"daily_minutes": 6.5})
    house.service.change(seconds=60)
    unknown = Media("WebM", None, has_video=False)
    first = house.drop("a.webm", sound("a", 75), media=unknown)
    house.run(5)
    assert house.job(first).minutes == pytest.approx(5, rel=0.01)
    second = house.drop("b.webm", sound("b", 75), media=unknown)
    house.run(5)
    assert codes(house, second) == ["daily_limit"]
    reason = house.job(second).because
    assert reason is not None
    assert "5 are used and this file tells no length and may have 5" in reason.message
    house.finish()
    assert house.job(first).minutes == pytest.approx(1.25, rel=0.01)
    third = house.drop("c.webm", sound("c", 75), media=unknown)
    house.finish()
    assert codes(house, third) == ["delivered"]
