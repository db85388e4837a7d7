"""What the service announces: it brings a poll forward, and nothing else; and it is missed soon when it stops."""

from __future__ import annotations

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House

from diffio_watch.job import State
from diffio_watch.pipeline.polls import Look, pause
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.state import Seen


def generation(house: House, job_id: str) -> str:
    found = house.job(job_id).generation_id
    assert found is not None
    return found


def restore(house: House, path: str, *, announce: bool, seconds: float = 20.0) -> int:
    """One file's whole way; how many polls it took."""
    before = house.service.polls
    job_id = house.drop(path)
    house.run(seconds)
    if announce:
        house.tools.announced.hear(generation(house, job_id))
        house.work()
        assert house.job(job_id).state is State.DELIVERED
    else:
        house.finish()
    return house.service.polls - before


def test_an_announced_end_is_on_its_way_at_once_with_one_poll(house: House, service: Sandbox) -> None:
    service.change(seconds=60)
    job_id = house.drop("talk.wav")
    house.run(20)
    service.skip(40)  # sooner than it was told to be
    house.work()
    waiting = house.job(job_id)
    assert waiting.state is State.WAITING
    assert waiting.due_at is not None
    assert waiting.due_at > house.clock.now(), "nobody would ask yet"
    polls = service.polls
    house.tools.announced.hear(generation(house, job_id))
    house.work()
    assert service.polls == polls + 1
    house.check_delivered(job_id)


def test_what_is_announced_too_early_twice_or_of_nobody_is_not_believed(house: House, service: Sandbox) -> None:
    service.change(seconds=60)
    job_id = house.drop("talk.wav")
    house.run(10)
    polls = service.polls
    house.tools.announced.hear(generation(house, job_id))
    house.tools.announced.hear(generation(house, job_id))
    commits = house.journal.commits
    house.work()
    assert service.polls == polls + 1, "asked once"
    assert house.job(job_id).state is State.WAITING
    assert house.journal.commits == commits + 2, "due now, and what the poll found"
    for other in ("gen_of_somebody", "", "x" * 10_000):
        house.tools.announced.hear(other)
    house.work()
    assert (service.polls, house.journal.commits) == (polls + 1, commits + 2)
    house.finish()
    house.tools.announced.hear(generation(house, job_id))
    polls, commits = service.polls, house.journal.commits
    house.work()
    assert (service.polls, house.journal.commits) == (polls, commits), "it is delivered"
    house.check_delivered(job_id)


def test_what_is_announced_before_the_journal_knows_its_generation_is_not_lost(
        make_house: MakeHouse, service: Sandbox) -> None:
    """The service may be quicker than the commit of its own answer."""
    house = make_house(generation={"poll": {"first": 60, "max": 60}})

    def tell(moment: str, seen: Seen) -> None:
        if (moment, seen.call) == ("effect", "generate"):
            house.tools.announced.hear(service.generations()[-1]["id"])
            house.dispatcher._hear(house.clock.now())  # as its thread does at any moment

    service.watch(tell)
    job_id = house.drop("talk.wav")
    begun = house.clock.now()
    house.work()
    house.check_delivered(job_id)
    assert house.clock.now() == begun, "no minute was waited for"


def test_what_is_parked_keeps_its_time(house: House, service: Sandbox) -> None:
    service.change(seconds=60)
    job_id = house.drop("talk.wav")
    house.run(10)
    service.fault("progress", "status", status=429, headers={"Retry-After": "300"}, times=1)
    house.run(10)
    assert (parked := house.job(job_id)).because is not None
    house.tools.announced.hear(generation(house, job_id))
    polls = service.polls
    house.work()
    assert service.polls == polls
    assert house.job(job_id) == parked


def test_an_answer_from_before_the_end_does_not_undo_the_announcement(house: House, service: Sandbox) -> None:
    """The poll was on its way when the generation ended: its "not yet" is from before."""
    service.change(seconds=30)
    job_id = house.drop("talk.wav")
    house.run(25)
    stale = house.job(job_id)
    house.clock.advance(5)
    house.tools.announced.hear(generation(house, job_id))
    house.journal.schedule.ask_at_once([generation(house, job_id)], house.clock.now())
    house.worker.drive(stale, {State.WAITING})  # commits on the row as it was before
    house.work()
    house.check_delivered(job_id)


def test_polls_are_rare_while_ends_are_announced_and_frequent_again_after_the_first_that_is_not(
        house: House, service: Sandbox) -> None:
    service.change(seconds=20)
    usual = restore(house, "0.wav", announce=False)
    for number in range(3):
        restore(house, f"announced {number}.wav", announce=True)
    assert house.tools.announced.reliable()
    assert restore(house, "rare.wav", announce=True) == 2, "the first second's, and the one that was announced"
    missed = restore(house, "missed.wav", announce=False)
    assert missed <= 3, "found by itself, within the longest pause"
    house.clock.advance(16)
    assert not house.tools.announced.reliable()
    assert "webhook.missed" in [entry["event"] for entry in house.events.entries]
    assert abs(restore(house, "after.wav", announce=False) - usual) <= 2
    assert service.charges == 7


def test_one_that_is_announced_a_little_late_was_not_missed(house: House, service: Sandbox) -> None:
    service.change(seconds=5)
    for number in range(3):
        job_id = house.drop(f"{number}.wav")
        house.finish()
        house.clock.advance(10)
        assert not house.tools.announced.reliable()
        house.tools.announced.hear(generation(house, job_id))
    assert house.tools.announced.reliable()
    house.clock.advance(100)
    assert house.tools.announced.reliable()


def test_each_end_counts_once_however_often_it_is_announced_and_seen(house: House) -> None:
    announced = house.tools.announced
    for number in range(3):
        assert not announced.reliable()
        for _ in range(5):
            announced.hear(str(number))
            announced.ended(str(number))
            announced.hear(str(number))
    house.clock.advance(100)
    assert announced.reliable()


def test_a_crowd_of_announcements_fills_no_memory(house: House) -> None:
    announced = house.tools.announced
    for number in range(30_000):
        announced.hear(f"heard {number}")
        announced.ended(f"ended {number}")
    assert len(announced.take()) == 10_000
    assert (len(announced._heard), len(announced._unheard)) == (10_000, 10_000)
    assert announced.take() == []


@pytest.mark.parametrize("waited", [1.0, 20.0, 3600.0])
def test_the_longest_pause_is_never_exceeded(waited: float) -> None:
    assert pause(Look(waited, 1, announced=True), 1.0, 30.0) == 30.0
