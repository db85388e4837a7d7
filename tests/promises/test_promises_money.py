"""One content is paid for once, whatever people and files do meanwhile."""

from __future__ import annotations

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House, sound

from diffio_watch.job import State
from diffio_watch.journal import Halt
from diffio_watch.pipeline import upload
from diffio_watch.pipeline.outcome import Outcome
from diffio_watch.pipeline.worker import STEPS
from diffio_watch.reasons import because
from diffio_watch.sandbox import Sandbox


def test_a_held_file_whose_copy_was_restored_meanwhile_is_not_paid_for_when_it_is_released(
    make_house: MakeHouse, service: Sandbox,
) -> None:
    house = make_house(limits={"approve_over_files": 1})
    content = sound("one")
    held = [house.drop("a.wav", content), house.drop("b.wav")]
    house.clock.advance(3600)
    copy = house.drop("c.wav", content)
    house.finish()
    assert house.job(copy).state is State.DELIVERED
    house.ask("approve", jobs=held)
    house.finish()
    assert house.job(held[0]).state is State.SKIPPED
    assert service.charges == 2


def test_a_waiting_file_that_is_overwritten_with_a_restored_content_is_not_paid_for(
    house: House, service: Sandbox,
) -> None:
    waiting = house.drop("a.wav")
    job = house.job(waiting)
    house.journal.commit(job, due_at=house.clock.now() + 3600)
    house.drop("b.wav", sound("two"))
    house.run(600)
    house.drop("a.wav", sound("two"))
    house.finish()
    assert house.job(waiting).state is State.SKIPPED
    assert service.charges == 1


def test_a_copy_under_way_ends_as_a_copy_when_an_older_job_turns_out_to_have_its_content(
    house: House, service: Sandbox,
) -> None:
    content = sound("same")
    first = house.drop("a.wav", content)
    house.ask("cancel", jobs=[first])
    second = house.drop("b.wav", content)
    house.journal.commit(house.job(second), state=State.UPLOADING)
    house.ask("retry", jobs=[first])
    house.finish()
    assert {house.job(first).state, house.job(second).state} == {State.DELIVERED, State.SKIPPED}
    assert service.charges == 1


def test_what_is_renamed_to_a_place_whose_same_content_came_to_nothing_is_restored(house: House) -> None:
    content = sound("same")
    gone = house.drop("a.wav", content, read=True)
    house.ask("cancel", jobs=[gone])
    (house.inbox() / "a.wav").unlink()
    house.journal.vanish("podcasts", ["a.wav"])
    again = house.drop("b.wav", content)
    (house.inbox() / "b.wav").rename(house.inbox() / "a.wav")
    house.journal.move("podcasts", [("b.wav", "a.wav")])
    house.finish()
    house.check_delivered(again)
    assert house.job(again).run == 2


def test_a_row_that_cannot_be_written_fails_alone_and_ends_no_thread(
    house: House, monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, good = house.drop("a.wav"), house.drop("b.wav")
    step = upload.queued
    monkeypatch.setitem(STEPS, State.QUEUED, lambda job, tools: (
        Outcome({"state": State.DELIVERED}) if job.id == bad else step(job, tools)))
    house.finish()
    house.check_delivered(good)
    detail = "ValueError: queued -> delivered is no transition"
    assert house.job(bad).because == because("internal", job=bad, detail=detail)


@pytest.mark.parametrize("code", ["billing", "spend_limit"])
def test_a_probe_buys_nothing_in_a_paused_inbox(house: House, code: str) -> None:
    job = house.job(house.drop("a.wav"))
    house.ask("pause", inbox="podcasts")
    house.journal.commit(house.journal.commit(job, state=State.UPLOADING), state=State.GENERATING, project_id="p",
                         base_url=house.tools.base_url, uploaded=True)
    house.journal.set_halt(Halt("account", because(code, detail="x"), house.clock.now(), house.clock.now()))
    house.halts.reload()
    house.run(7200)
    assert house.job(job.id).intent_at is None


def test_no_more_generations_are_under_way_than_allowed(make_house: MakeHouse) -> None:
    house = make_house(limits={"in_flight": 1, "uploads": 4})
    for name in "abcd":
        house.drop(f"{name}.wav")
    given = house.dispatcher.give_out(house.clock.now())
    given += house.dispatcher.give_out(house.clock.now())
    assert given == 1
    house.work()
