"""When a generation is asked for again: simulated services, counted polls, and how late their end is seen."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_house import House

from diffio_watch.clock import Clock
from diffio_watch.journal.totals import Took
from diffio_watch.pipeline.polls import Earlier, Look, ends, pause
from diffio_watch.sandbox import Sandbox

FIRST: Final = 1.0
LONGEST: Final = 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a service says of a generation that is not complete."""

    percent: float | None = None
    remaining: float | None = None
    stage: str = "inference"


Tell = Callable[[float, float], Told]  # seconds since it was bought, and until it is complete since then


def nothing(_at: float, _end: float) -> Told:
    return Told()


def percent(at: float, end: float) -> Told:
    """As the sandbox does: a queue, two stages that each count from 0 to 100, and both weighed with guesses."""
    part = at / end
    if part < 0.1:
        return Told(0.0, stage="queued")
    prepared, inferred = min(1.0, (part - 0.1) / 0.25), max(0.0, (part - 0.35) / 0.65)
    return Told((20 * math.floor(prepared * 100) + 70 * math.floor(inferred * 100)) / 90,
                stage="inference" if prepared == 1 else "preProcessing")


def remaining(at: float, end: float) -> Told:
    return Told(remaining=end - at)


def guessed(at: float, end: float) -> Told:
    """Off by up to 30 %."""
    return Told(remaining=(end - at) * (1 + 0.3 * math.sin(at * 7)))


LIES: Final[dict[str, Tell]] = {
    "always a second": lambda _at, _end: Told(remaining=1.0),
    "always an hour": lambda _at, _end: Told(remaining=3600.0),
    "stuck at 99": lambda at, end: Told(min(99.0, at / end * 198)),
    "stuck at 0": lambda _at, _end: Told(0.0),
    "jumps back": lambda at, end: Told(at / end * 3700 % 100),
    "done too early": lambda at, end: Told(min(100.0, at / end * 150)),
    "never at its end": lambda at, end: Told(at / end * 50),
    "queued all the time": lambda _at, _end: Told(stage="queued"),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """Of one generation: how many polls, and seconds from its end until a poll saw it."""

    polls: int
    late: float
    took: float


def ask(end: float, tell: Tell, learned: list[Took], delay: float = 0.03) -> Seen:
    """Poll a generation that ends so many seconds after it was bought."""
    at, polls, before, stage = FIRST + delay, 1, None, ""
    last = 0.0
    known = ends(learned, 60.0)
    while at < end:
        told = tell(at, end)
        look = Look(at, polls, queued=told.stage == "queued", remaining=told.remaining, percent=told.percent,
                    before=before if told.stage == stage else None, ends=known)
        last, before, stage = at, (at, told.percent), told.stage
        at += pause(look, FIRST, LONGEST) + delay
        polls += 1
    return Seen(polls, at - end, (at + last) / 2)


def blind(end: float, delay: float = 0.03) -> Seen:
    """The same without any knowledge: each pause is at most 15 % of the time waited."""
    at, polls = FIRST + delay, 1
    while at < end:
        at += min(LONGEST, max(FIRST, at * 0.15)) + delay
        polls += 1
    return Seen(polls, at - end, at)


def many(of: Callable[[random.Random], float], tell: Tell, *, learn: bool) -> list[Seen]:
    """200 generations after one another; with `learn`, each knows the 50 before it, and the first 50 don't count."""
    chance = random.Random(7)
    seen: list[Seen] = []
    for _ in range(200):
        learned = [Took(one.took, 60.0) for one in seen[-50:]] if learn else []
        seen.append(ask(of(chance), tell, learned, delay=0.02 + 0.05 * chance.random()))
    return seen[50:] if learn else seen


LENGTHS: Final[dict[str, Callable[[random.Random], float]]] = {
    "20 s": lambda chance: chance.uniform(19.9, 20.1),
    "60 s": lambda chance: chance.uniform(59.7, 60.3),
    "600 s": lambda chance: chance.uniform(597, 603),
    "about 60 s": lambda chance: 60 * math.exp(chance.gauss(0, 0.4)),
    "20 or 300 s": lambda chance: chance.choice((20.0, 300.0)),
}


@pytest.mark.parametrize("tell", [percent, remaining, guessed, nothing], ids=lambda tell: tell.__name__)
@pytest.mark.parametrize("length", ["20 s", "60 s", "600 s", "20 or 300 s"])
def test_what_is_known_is_seen_within_two_seconds_with_no_more_polls_than_blind(length: str, tell: Tell) -> None:
    """By the service's word from the first one on, without any by what the ones before took."""
    seen = many(LENGTHS[length], tell, learn=tell is nothing)
    assert statistics.median(one.late for one in seen) <= 1.7, "the rest of two seconds is the delivery's"
    chance = random.Random(7)
    usual = [blind(LENGTHS[length](chance)) for _ in range(200)]
    assert statistics.mean(one.polls for one in seen) <= statistics.mean(one.polls for one in usual)


def test_what_varies_is_seen_sooner_by_what_was_learned_and_at_once_by_its_progress() -> None:
    told, learned, usual = (many(LENGTHS["about 60 s"], tell, learn=learn)
                            for tell, learn in ((percent, False), (nothing, True), (nothing, False)))
    late, polls = ([statistics.median(getattr(one, name) for one in seen) for seen in (told, learned, usual)]
                   for name in ("late", "polls"))
    assert late[0] < 1 < late[1] < 0.8 * late[2]
    assert polls[0] < polls[1] <= polls[2]


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("length", LENGTHS)
def test_no_lie_costs_more_polls_than_knowing_nothing(length: str, lie: str) -> None:
    for learn in (False, True):
        for one in many(LENGTHS[length], LIES[lie], learn=learn):
            assert one.polls <= blind(one.took).polls + 2, "as many as there were until the poll that saw it, or one"


@pytest.mark.parametrize("lie", ["stuck at 99", "stuck at 0", "jumps back", "done too early", "never at its end"])
@pytest.mark.parametrize("length", ["20 s", "60 s", "600 s"])
def test_what_was_learned_holds_against_a_progress_that_lies(length: str, lie: str) -> None:
    late = statistics.median(one.late for one in many(LENGTHS[length], LIES[lie], learn=True))
    assert late <= (1.7 if lie != "jumps back" else 13)


def test_what_took_hours_in_a_queue_does_not_hide_that_the_queue_is_gone() -> None:
    """Each pause is at most 30 % of the time waited, whatever was learned."""
    for end in (20.0, 60.0, 90.0):
        assert ask(end, nothing, [Took(7200.0, 60.0)] * 50).late <= 0.3 * end + 0.1


@pytest.mark.parametrize("machines", [1, 4])
def test_a_queue_of_500_costs_no_more_polls_than_blind_and_none_of_it_starves(machines: int) -> None:
    """The wait is then for others: what the first ones took says nothing of the last ones."""
    polls = usual = 0
    done: list[Took] = []
    for number in range(500):
        begins, learned = 20.0 * (number // machines), done[-50:]
        end = begins + 20.0

        def tell(at: float, _end: float, begins: float = begins) -> Told:
            return Told(0.0, stage="queued") if at < begins else Told((at - begins) * 5)

        seen = ask(end, tell, learned)
        done.append(Took(seen.took, 60.0))
        polls, usual = polls + seen.polls, usual + blind(end).polls
        assert seen.late <= LONGEST + 0.1
    assert polls <= usual


_NUMBERS: Final = st.one_of(st.none(), st.floats(0, 1e9), st.floats(0, 120))


@given(st.lists(st.tuples(_NUMBERS, st.one_of(st.none(), st.floats(0, 100)), st.booleans()), min_size=1, max_size=80),
       st.lists(st.floats(0.001, 1e6), max_size=60), st.floats(0.001, 60), st.floats(1, 1000))
def test_whatever_is_told_pauses_stay_in_bounds_and_polls_at_the_blind_paces_count(
        told: list[tuple[float | None, float | None, bool]], learned: list[float], first: float, more: float) -> None:
    longest = first * more
    known = ends([Took(seconds, None) for seconds in learned], None)
    at, blind_at, blind_polls = first, first, 1
    before: tuple[float, float | None] | None = None
    for polls, (left, done, queued) in enumerate(told, 1):
        while blind_at + min(longest, max(first, blind_at * 0.15)) <= at:
            blind_at += min(longest, max(first, blind_at * 0.15))
            blind_polls += 1
        assert polls <= blind_polls + 1.5
        step = pause(Look(at, polls, queued=queued, remaining=left, percent=done, before=before, ends=known),
                     first, longest)
        assert first <= step <= longest
        before = at, done
        at += step


@given(st.lists(st.tuples(st.floats(0.01, 1e7), st.one_of(st.none(), st.floats(), st.sampled_from([5e-324, 1e308]))),
                max_size=60), st.one_of(st.none(), st.floats()))
def test_no_length_that_a_file_tells_makes_a_time_that_is_none(
        took: list[tuple[float, float | None]], length: float | None) -> None:
    found = ends([Took(*one) for one in took], length)
    assert found == sorted(found)
    assert all(0 < seconds < math.inf for seconds in found)


class TestLengths:
    def test_nothing_is_learned_from_fewer_than_five(self) -> None:
        assert ends([Took(20.0, 60.0)] * 4, 60.0) == []
        assert ends([Took(20.0, None)] * 9, 60.0) == [], "of none is the length known"
        assert ends([Took(20.0, None)] * 4, None) == []
        assert ends([Took(20.0, 60.0)] * 5, None) == [20.0] * 5

    def test_what_takes_as_long_as_it_is_long_is_expected_so(self) -> None:
        took = [Took(length / 3, length) for length in (30.0, 60.0, 61.0, 90.0, 3600.0)]
        assert ends(took, 7200.0) == pytest.approx([2400.0] * 5)

    def test_what_takes_a_minute_however_long_it_is_is_expected_so(self) -> None:
        took = [Took(60.0, length) for length in (30.0, 60.0, 61.0, 90.0, 3600.0)]
        assert ends(took, 7200.0) == pytest.approx([60.0] * 5)

    def test_no_chance_makes_it_grow_faster_than_the_length_or_shrink(self) -> None:
        took = [Took(60.0 + 20 * n, 60.0 + 0.1 * n) for n in range(5)]
        assert max(ends(took, 600.0)) <= 10 * 140.1
        assert min(ends(list(reversed([Took(60.0 + 20 * n, 60.0 - 0.1 * n) for n in range(5)])), 600.0)) >= 60


class TestEarlier:
    def test_a_model_is_looked_up_once_in_ten_seconds_however_many_are_waited_for(self) -> None:
        class Hand(Clock):
            at = 0.0

            def monotonic(self) -> float:
                return self.at

        asked: list[str] = []

        def took(model: str, limit: int) -> list[Took]:
            assert limit == 50
            asked.append(model)
            return [Took(20.0, None)] * 5

        clock = Hand()
        earlier = Earlier(took, clock)
        for n in range(1000):
            clock.at = n / 100
            assert earlier.ends("flash", None) == [20.0] * 5
        assert asked == ["flash"]
        clock.at = 10.0
        assert earlier.ends("flash", None)
        assert asked == ["flash"] * 2
        assert earlier.ends(None, None) == []

    def test_a_service_that_calls_each_model_by_another_name_fills_no_memory(self) -> None:
        earlier = Earlier(lambda _model, _limit: [], Clock())
        for n in range(1000):
            earlier.ends(str(n), None)
        assert len(earlier._known) <= 100


def test_a_poll_that_finds_nothing_new_waits_for_no_disk(house: House, service: Sandbox) -> None:
    """A power cut may take its count and the next moment: it is asked anew. What names it takes is synced."""
    service.change(seconds=60)
    job_id = house.drop("talk.wav")
    house.run(10)
    polls, told = house.job(job_id).polls, list[str]()
    house.journal._db.set_trace_callback(told.append)
    house.run(40)
    assert house.job(job_id).polls > polls + 3
    assert not [one for one in told if one == "PRAGMA synchronous = FULL"]
    house.finish()
    house.journal._db.set_trace_callback(None)
    (synced,) = (place for place, one in enumerate(told) if one == "PRAGMA synchronous = FULL")
    assert not [one for one in told[:synced] if "INTO names" in one]
    house.check_delivered(job_id)
