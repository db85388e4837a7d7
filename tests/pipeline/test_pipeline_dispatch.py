"""Who is next: fair between inboxes, the urgent first, never more than the limits say."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, Final

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House

from diffio_watch.api.shapes import Session
from diffio_watch.job import State
from diffio_watch.pipeline import upload
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.state import Seen


def order(house: House, call: str = "create_project") -> list[str]:
    return [str(seen.file_name) for seen in house.service.seen(call)]


def busy(house: House) -> dict[str, dict[str, int]]:
    """Jobs that each pool works on, by inbox."""
    found: dict[str, dict[str, int]] = {}
    for pool in house.dispatcher.pools:
        names = list(pool.busy.values())
        found[pool.name] = {name: names.count(name) for name in names}
    return found


def test_the_oldest_goes_first(make_house: MakeHouse) -> None:
    house = make_house(limits={"uploads": 1})
    for n in range(6):
        house.drop(f"{n}.wav")
    house.finish()
    assert order(house) == [f"{n}.wav" for n in range(6)]


def test_a_token_that_a_crash_kept_past_its_upload_is_gone_before_the_first_step(house: House) -> None:
    house.drop("a.wav")
    house.finish()
    (job,) = house.journal.jobs.newest()
    house.tools.sessions.keep(job.id, Session("https://edge.example", "tok-en", 1024, None, None))
    house.tools.sessions.save(job.id)
    house.restart()
    assert house.tools.sessions.jobs() == []


def test_inboxes_take_turns(make_house: MakeHouse) -> None:
    house = make_house(inboxes={"a": {}, "b": {}, "c": {}}, limits={"uploads": 1})
    for inbox, count in (("a", 6), ("b", 3), ("c", 1)):
        for n in range(count):
            house.drop(f"{inbox}{n}.wav", inbox=inbox)
    house.finish()
    assert order(house) == [
        f"{name}.wav" for name in ("a0", "b0", "c0", "a1", "b1", "a2", "b2", "a3", "a4", "a5")]


def test_priority_goes_before_turns_and_a_bump_before_priority(make_house: MakeHouse) -> None:
    house = make_house(inboxes={"plain": {}, "urgent": {"priority": 5}}, limits={"uploads": 1})
    plain = [house.drop(f"plain {n}.wav", inbox="plain") for n in range(3)]
    for n in range(2):
        house.drop(f"urgent {n}.wav", inbox="urgent")
    house.ask("bump", jobs=[plain[2]])
    house.finish()
    assert order(house) == ["plain 2.wav", "urgent 0.wav", "urgent 1.wav", "plain 0.wav", "plain 1.wav"]


def test_the_newest_bump_wins(make_house: MakeHouse) -> None:
    house = make_house(limits={"uploads": 1})
    ids = [house.drop(f"{n}.wav") for n in range(4)]
    for one in (ids[2], ids[3]):
        house.clock.advance(1)
        house.ask("bump", jobs=[one])
    house.finish()
    assert order(house) == ["3.wav", "2.wav", "0.wav", "1.wav"]


@pytest.mark.parametrize("in_flight", [1, 3])
def test_no_more_generations_are_on_their_way_than_in_flight(
    make_house: MakeHouse, service: Sandbox, in_flight: int,
) -> None:
    house = make_house(limits={"in_flight": in_flight})
    service.change(seconds=50)
    under_way: list[int] = []
    ids = [house.drop(f"{n}.wav") for n in range(7)]
    service.watch(lambda moment,
                  seen: under_way.append(house.journal.totals.in_flight()) if moment == "effect" else None)
    while any(house.job(one).state is not State.DELIVERED for one in ids):
        house.run(5)
        counts = house.journal.totals.by_state()
        assert counts[State.UPLOADING] + counts[State.GENERATING] + counts[State.WAITING] <= in_flight
    assert max(under_way) == in_flight
    house.check_delivered(*ids)


class Gate:
    """Keeps calls waiting until it is opened, so that a test can look at who is at work."""

    def __init__(self, service: Sandbox, call: str, count: int) -> None:
        self.arrived = threading.Semaphore(0)
        self.count = count
        self.rule = service.fault(call, "stall")
        service.watch(lambda moment, seen: self.note(seen, call) if moment == "arrived" else None)

    def note(self, seen: Seen, call: str) -> None:
        if seen.call == call:
            self.arrived.release()

    def wait(self) -> None:
        for _ in range(self.count):
            assert self.arrived.acquire(timeout=10)


@pytest.mark.parametrize(("inboxes", "each"), [
    ({"a": {}}, {"a": 4}), ({"a": {}, "b": {}}, {"a": 2, "b": 2}),
    ({"a": {}, "b": {}, "c": {}}, {"a": 2, "b": 1, "c": 1})])
def test_no_inbox_holds_more_than_half_of_the_transfers_where_there_are_several(
    make_house: MakeHouse, service: Sandbox, inboxes: dict[str, Any], each: dict[str, int],
) -> None:
    house = make_house(inboxes=inboxes, limits={"uploads": 4}, api={"read_timeout": 1})
    gate = Gate(service, "create_project", 4)
    for name in inboxes:
        for n in range(5):
            house.drop(f"{name}{n}.wav", inbox=name)
    house.dispatcher.give_out(house.clock.now())
    gate.wait()
    assert busy(house)["upload"] == each
    assert house.dispatcher.give_out(house.clock.now()) == 0, "all are at work"


def test_an_inbox_alone_with_work_leaves_room_for_another(make_house: MakeHouse, service: Sandbox) -> None:
    house = make_house(inboxes={"a": {}, "b": {}}, limits={"uploads": 4}, api={"read_timeout": 1})
    gate = Gate(service, "create_project", 2)
    for n in range(9):
        house.drop(f"{n}.wav", inbox="a")
    house.dispatcher.give_out(house.clock.now())
    gate.wait()
    assert busy(house)["upload"] == {"a": 2}


def test_long_uploads_do_not_keep_short_calls_and_downloads_waiting(
    make_house: MakeHouse, service: Sandbox,
) -> None:
    house = make_house(limits={"uploads": 2}, api={"read_timeout": 1})
    service.change(seconds=5)
    done = house.drop("done.wav")
    house.run(2)
    gate = Gate(service, "part", 2)
    for n in range(4):
        house.drop(f"{n}.wav")
    house.clock.advance(20)
    house.dispatcher.give_out(house.clock.now())
    gate.wait()
    while house.job(done).state is not State.DELIVERED:
        house.dispatcher.give_out(house.clock.now())
        house.dispatcher._wake.wait(0.05)
        house.dispatcher._wake.clear()
    assert len(busy(house)["upload"]) == 1
    house.check()


@pytest.mark.parametrize("small", [True, False], ids=["small", "large"])
def test_a_person_who_moves_a_job_is_not_overruled_by_the_thread_that_has_it(
    house: House, service: Sandbox, monkeypatch: pytest.MonkeyPatch, *, small: bool,
) -> None:
    """A row that changed since it was read is left alone. A small file is sent in one go until something may cost."""
    if not small:
        monkeypatch.setattr(upload, "SMALL", 0)
    job_id = house.drop("a.wav")

    def cancel(moment: str, seen: Seen) -> None:
        if (moment, seen.call) == ("effect", "create_project"):
            house.journal.jobs.commit(house.job(job_id), state=State.CANCELLED, due_at=None)

    service.watch(cancel)
    house.work()
    assert house.job(job_id).state is State.CANCELLED
    assert "generate" not in house.calls()
    assert service.charges == 0
    if not small:
        assert set(house.calls()) == {"create_project"}


def test_what_waits_costs_no_thread_and_no_call(house: House, service: Sandbox) -> None:
    """A journal with thousands of waiting generations is asked only for those that are due."""
    service.change(seconds=3600)
    ids = [house.drop(f"{n}.wav") for n in range(5)]
    house.run(600)
    before = service.polls
    now = house.clock.now()
    for one in ids[1:]:
        house.journal.jobs.commit(house.job(one), due_at=now + 3600)
    house.run(120)
    assert 3 <= service.polls - before <= 6, "one job's polls"


def test_one_hand_out_of_a_due_job_is_one_hand_out(house: House) -> None:
    job_id = house.drop("a.wav")
    job = house.job(job_id)
    assert house.dispatcher.give_out(house.clock.now()) == 1
    house.work()
    assert house.job(job_id).version > job.version
    assert not house.dispatcher.holds(job_id)
    assert house.dispatcher.busy == 0
    assert replace(job, version=0).id == job_id


def waiting(house: House, count: int, inbox: str = "podcasts") -> list[str]:
    """Jobs whose generations take an hour, and are to be asked for again every second."""
    house.service.change(seconds=3600)
    ids = [house.drop(f"{inbox} {n}.wav", inbox=inbox) for n in range(count)]
    house.work()
    assert {house.job(one).state for one in ids} == {State.WAITING}
    return ids


def hand_out(house: House) -> list[str]:
    """Ids of the generations that are asked for when all is given out that is due now."""
    before = len(house.service.seen("progress"))
    house.work_once()
    return [str(seen.generation_id) for seen in house.service.seen("progress")[before:]]


QUICKLY: Final = {"poll": {"first": 1, "max": 1}}


def test_an_answer_that_takes_longer_than_the_pause_costs_a_thread_one_question(make_house: MakeHouse) -> None:
    """The pause begins with the answer, and the thread is free again whatever is due by then."""
    house = make_house(generation=QUICKLY)
    ids = waiting(house, 4)
    house.clock.advance(2)
    house.request_takes = 5
    assert len(hand_out(house)) == 4
    (last, *_) = sorted((house.job(one).due_at or 0 for one in ids), reverse=True)
    assert last == house.clock.now() + 1


def test_slow_answers_let_every_generation_have_its_turn(make_house: MakeHouse) -> None:
    house = make_house(generation=QUICKLY)
    ids = waiting(house, 10)
    house.clock.advance(2)
    house.request_takes = 5
    asked = [one for _ in range(5) for one in hand_out(house)]
    # four are asked for at a time, in any order
    assert set(asked[:14]) == {house.job(one).generation_id for one in ids}


def test_slow_answers_keep_no_purchase_of_another_inbox_waiting(make_house: MakeHouse) -> None:
    """However urgent the inbox is whose generations are asked for: asking is nobody's turn."""
    house = make_house(generation=QUICKLY, inboxes={"urgent": {"priority": 9}, "plain": {}})
    waiting(house, 10, "urgent")
    house.service.fault("generate", "status", status=503)
    late = house.drop("late.wav", inbox="plain")
    house.dispatcher.give_out(house.clock.now())
    while house.job(late).state is not State.GENERATING or house.dispatcher.busy:
        house.work_once()
    house.service.calm()
    house.clock.advance(60)
    house.request_takes = 5
    house.work_once()
    assert house.job(late).generation_id is not None
