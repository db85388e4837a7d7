"""A due job that is not given out says what it waits for, and a limit counts what it limits."""

from __future__ import annotations

from dataclasses import replace

from pipeline_fixtures import MakeHouse
from pipeline_house import House

from diffio_watch.job import Because, State
from diffio_watch.journal.turns import waits_for
from diffio_watch.sandbox import Sandbox


def waits(house: House, job_id: str) -> Because | None:
    return waits_for(house.job(job_id), house.journal, house.tools.config, house.clock.now())


def test_who_waits_under_a_limit_is_told_which(make_house: MakeHouse, service: Sandbox) -> None:
    house = make_house(limits={"uploads": 2, "in_flight": 3})
    service.change(seconds=9e5)
    ids = [house.drop(f"{n}.wav") for n in range(6)]
    before = [waits(house, one) for one in ids]
    assert [one is None for one in before] == [True, True, False, False, False, False], "two are next"
    assert before[2] is not None
    assert (before[2].code, "`limits.uploads` is 2" in before[2].message) == ("turn", True)
    house.run(5)
    told = waits(house, ids[5])
    assert told is not None
    assert (told.code, "`limits.in_flight` is 3" in told.message) == ("turn", True)
    assert [waits(house, one) for one in ids[:3]] == [None] * 3, "they are under way"


def test_a_share_of_a_limit_is_told_where_there_are_several_inboxes(make_house: MakeHouse) -> None:
    house = make_house(inboxes={"a": {}, "b": {}}, limits={"downloads": 4})
    ids = [house.drop(f"{n}.wav", inbox="a") for n in range(4)]
    for one in ids:
        house.journal.jobs.commit(house.job(one), state=State.DOWNLOADING, due_at=house.clock.now())
    found = [waits(house, one) for one in ids]
    assert [one is None for one in found] == [True, True, False, False]
    assert found[3] is not None
    assert "`limits.downloads` is 4, of which one inbox gets 2" in found[3].message


def test_whoever_has_a_reason_is_not_due_or_at_its_end_waits_for_no_turn(house: House) -> None:
    job = house.job(house.drop("a.wav"))
    for other in (replace(job, because=Because("x", "", "")), replace(job, due_at=None),
                  replace(job, due_at=house.clock.now() + 9), replace(job, state=State.DELIVERED)):
        assert waits_for(other, house.journal, house.tools.config, house.clock.now()) is None
    left = waits_for(replace(job, inbox="old"), house.journal, house.tools.config, house.clock.now())
    assert left is not None
    assert (left.code, "configured no more" in left.message) == ("unavailable", True)


def test_generations_elsewhere_leave_room_for_new_files(make_house: MakeHouse, service: Sandbox) -> None:
    """Of another service, of an inbox that is configured no more, and of jobs that are parked again and again."""
    house = make_house(inboxes={"old": {}, "new": {}}, limits={"in_flight": 1})
    service.change(seconds=9e5)
    for inbox in ("old", "new"):
        house.drop(f"{inbox}.wav", inbox=inbox)
        house.run(5)
        elsewhere = house.journal.jobs.newest({State.WAITING})[0]
        if inbox == "new":
            house.journal.jobs.commit(elsewhere, base_url="https://elsewhere.example/v1")
        else:
            del house.inboxes["old"]
            house.restart()
    service.change(seconds=0)
    late = house.drop("late.wav", inbox="new")
    house.run(60)
    assert house.job(late).state is State.DELIVERED


def test_one_upload_that_alone_fails_keeps_no_other_from_its_turn(make_house: MakeHouse, service: Sandbox) -> None:
    house = make_house(limits={"in_flight": 1, "uploads": 1})
    service.fault("part", "status", status=500, where="bad.wav")
    bad = house.drop("bad.wav")
    house.run(900)
    good = house.drop("good.wav")
    house.run(900)
    assert house.job(good).state is State.DELIVERED
    service.calm()
    house.finish()
    house.check_delivered(bad, good)


def test_what_is_paid_for_in_an_inbox_that_is_left_out_is_fetched_and_nothing_else(
    make_house: MakeHouse, service: Sandbox,
) -> None:
    house = make_house(inboxes={"old": {}, "new": {}})
    service.change(seconds=50)
    paid = house.drop("paid.wav", inbox="old")
    house.run(5)
    unpaid = house.drop("unpaid.wav", inbox="old")
    outbox = house.tools.outboxes["old"]
    del house.inboxes["old"]
    house.restart()
    house.tools.outboxes["old"] = outbox
    house.run(100)
    assert house.job(paid).state is State.DELIVERED
    assert house.job(unpaid).state is State.QUEUED
    assert service.charges == 1
