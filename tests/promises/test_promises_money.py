"""One content is paid for once, whatever people and files do meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House
from sounds import sound

from diffio_watch.job import State
from diffio_watch.journal import Halt
from diffio_watch.pipeline import upload
from diffio_watch.pipeline.generate import LOOK_TWICE
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
    house.journal.jobs.commit(job, due_at=house.clock.now() + 3600)
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
    house.journal.jobs.commit(house.job(second), state=State.UPLOADING)
    house.ask("retry", jobs=[first])
    house.finish()
    assert {house.job(first).state, house.job(second).state} == {State.DELIVERED, State.SKIPPED}
    assert service.charges == 1


def test_what_is_renamed_to_a_place_whose_same_content_came_to_nothing_is_restored(house: House) -> None:
    content = sound("same")
    gone = house.drop("a.wav", content, read=True)
    house.ask("cancel", jobs=[gone])
    (house.inbox() / "a.wav").unlink()
    house.journal.files.vanish("podcasts", ["a.wav"])
    again = house.drop("b.wav", content)
    (house.inbox() / "b.wav").rename(house.inbox() / "a.wav")
    house.journal.files.move("podcasts", [("b.wav", "a.wav")])
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
    house.journal.jobs.commit(house.journal.jobs.commit(job, state=State.UPLOADING), state=State.GENERATING,
                              project_id="p",
                         base_url=house.tools.base_url, uploaded=True)
    house.journal.halts.set(Halt("account", because(code, detail="x"), house.clock.now(), house.clock.now()))
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


def kept(house: House) -> Path:
    """A copy of the state folder as it is now."""
    house.close()
    copy = house.base / "kept"
    shutil.copytree(house.base / "state", copy)
    house.open()
    return copy


def put_back(house: House, copy: Path | None) -> None:
    """The state folder as it was once; None: as if there never was one."""
    house.close()
    shutil.rmtree(house.base / "state")
    if copy is None:
        (house.base / "state").mkdir()
    else:
        shutil.copytree(copy, house.base / "state")
    house.open()


def unproven(house: House, job_id: str) -> bool:
    job = house.job(job_id)
    return job.state is State.HELD and job.because is not None and job.because.code == "unproven"


def before_it_began(house: House, service: Sandbox) -> None:
    house.journal.jobs.commit(house.job(house.drop("a.wav")), due_at=house.clock.now() + 60)
    assert service.projects() == []


def in_its_upload(house: House, service: Sandbox) -> None:
    service.fault("part", "status", status=503, where="/parts/2")
    house.drop("a.wav")
    house.work()
    service.calm()


@pytest.mark.parametrize("until", [before_it_began, in_its_upload])
def test_a_job_that_its_own_sidecar_calls_delivered_is_held_where_the_journal_forgot_it(
    house: House, service: Sandbox, until: Callable[[House, Sandbox], None],
) -> None:
    until(house, service)
    (job,) = house.journal.jobs.newest()
    copy = kept(house)
    house.finish()
    house.check_delivered(job.id)
    put_back(house, copy)
    house.run(3600)
    assert unproven(house, job.id)
    assert service.charges == 1
    house.ask("approve", jobs=[job.id])
    house.restart()
    house.finish()
    assert house.job(job.id).state is State.DELIVERED
    assert service.charges == 2


def test_what_an_error_file_calls_paid_is_held_where_the_journal_forgot_it(house: House, service: Sandbox) -> None:
    service.change(failing={"a.wav": "broken"})
    before_it_began(house, service)
    (job,) = house.journal.jobs.newest()
    copy = kept(house)
    house.finish()
    house.chores()
    assert house.visible() == {"a.wav.error.json"}
    put_back(house, copy)
    house.run(3600)
    assert unproven(house, job.id)
    assert service.charges == 1


def test_a_copy_whose_earlier_job_the_journal_forgot_is_not_paid_for(house: House, service: Sandbox) -> None:
    """The copy was known before the recording that it is a copy of, and that one is gone since."""
    copy = house.job(house.drop("a.wav"))
    house.journal.jobs.commit(copy, state=State.HELD, because=because("drop_size"), due_at=None)
    state = kept(house)
    house.drop("b.wav", sound("a.wav"))
    house.finish()
    house.ask("approve", jobs=[copy.id])
    house.finish()
    assert house.job(copy.id).state is State.SKIPPED
    (house.inbox() / "b.wav").unlink()
    put_back(house, state)
    house.ask("approve", jobs=[copy.id])
    house.run(3600)
    assert unproven(house, copy.id)
    assert service.charges == 1


def test_a_run_that_a_person_bought_is_held_where_the_journal_forgot_how_it_ended(
    house: House, service: Sandbox,
) -> None:
    service.fault("create_project", "status", status=422)
    first = house.drop("a.wav")
    house.finish()
    service.calm()
    (again,) = house.ask("retry", jobs=[first], fresh=True).jobs
    copy = kept(house)
    house.finish()
    house.check_delivered(again)
    put_back(house, copy)
    house.run(3600)
    assert unproven(house, again)
    assert service.charges == 1


@pytest.mark.parametrize("limits", [{"approve_over_files": 1}, {"daily_files": 0}])
def test_who_releases_a_drop_or_a_day_has_not_said_that_it_may_be_paid_for_again(
    make_house: MakeHouse, service: Sandbox, limits: dict[str, int],
) -> None:
    house = make_house(limits=limits)

    def dropped() -> list[str]:
        found = [house.drop(f"{name}.wav") for name in "ab"]
        house.work()
        assert [house.job(one).state for one in found] == [State.HELD] * 2
        house.ask("approve", all=True)
        house.run(60)
        return found

    assert {house.job(one).state for one in dropped()} == {State.DELIVERED}
    put_back(house, None)
    again = dropped()
    assert all(unproven(house, one) for one in again)
    assert service.charges == 2
    house.ask("approve", all=True)
    house.finish()
    assert {house.job(one).state for one in again} == {State.DELIVERED}
    assert service.charges == 4


def test_a_sidecar_whose_number_others_of_its_stem_gave_it_is_found(house: House, service: Sandbox) -> None:
    service.change(mime_types={"audio": "audio/mpeg"})
    house.drop("talk.flac")
    house.finish()
    house.drop("talk.wav")
    house.finish()
    assert "talk.wav (2).json" in house.visible()
    assert "talk.wav.json" not in house.visible()
    put_back(house, None)
    again = [house.drop(name) for name in ("talk.flac", "talk.wav")]
    house.run(60)
    assert all(unproven(house, one) for one in again)
    assert service.charges == 2


def a_copy(house: House) -> tuple[str, str]:
    """A restored recording and its skipped copy."""
    first = house.drop("a.wav")
    house.finish()
    copy = house.drop("b.wav", sound("a.wav"))
    house.finish()
    assert house.job(copy).state is State.SKIPPED
    return first, copy


def forget_outputs(house: House, job_id: str) -> None:
    """The outputs are taken out of the outbox, asked for once more, and given up."""
    for output in house.job(job_id).outputs:
        (house.outbox() / (output.path or "")).unlink()
    house.ask("pause")
    house.ask("retry", jobs=[job_id], missing={job_id: ["audio"]})
    house.ask("cancel", jobs=[job_id], discard=True)
    house.ask("resume")
    assert house.job(job_id).state is State.CANCELLED


def test_a_copy_that_is_tried_again_is_fetched_from_what_was_bought(house: House, service: Sandbox) -> None:
    first, copy = a_copy(house)
    forget_outputs(house, first)
    assert house.ask("retry", jobs=[copy]).exit == 0
    house.finish()
    assert house.job(copy).state is State.DELIVERED
    (output,) = house.job(copy).outputs
    assert (house.outbox() / (output.path or "")).read_bytes() == sound("a.wav")
    assert service.charges == 1


def test_a_copy_that_is_tried_again_and_can_not_be_fetched_is_held(house: House, service: Sandbox) -> None:
    first, copy = a_copy(house)
    forget_outputs(house, first)
    service.fault("link", "status", status=404)
    house.ask("retry", jobs=[copy])
    house.finish()
    job = house.job(copy)
    assert job.because is not None
    assert (job.state, job.because.code) == (State.HELD, "duplicate_gone")
    assert service.charges == 1


def test_a_copy_that_is_tried_again_when_its_file_is_another_one_is_restored(house: House, service: Sandbox) -> None:
    first, copy = a_copy(house)
    forget_outputs(house, first)
    house.ask("pause")
    house.ask("retry", jobs=[copy])
    assert house.drop("b.wav", sound("another")) == copy
    house.ask("resume")
    house.finish()
    assert house.job(copy).state is State.DELIVERED
    assert house.job(copy).duplicate_of is None
    assert service.charges == 2


def test_each_earlier_purchase_without_an_answer_is_looked_for_twice_a_minute_apart(
    house: House, service: Sandbox,
) -> None:
    """The service's list may lag: that of the one says nothing about that of the other."""
    lost = service.fault("generate", "reset")
    for name in ("a.wav", "b.wav"):
        earlier = house.drop(name, sound("same"))
        house.run(200)
        assert house.job(earlier).paid
        house.ask("cancel", jobs=[earlier], discard=True)
    assert lost.fired
    service.calm()
    house.restart()  # what was seen before counts no more
    copy = house.drop("c.wav", sound("same"))
    house.finish()
    job = house.job(copy)
    assert (job.state, service.charges) == (State.DELIVERED, 1)
    assert (job.uploaded_at or 0.0) - job.detected_at >= 2 * LOOK_TWICE
