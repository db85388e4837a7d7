"""Bought once is had: whatever became of the job that bought, its generation is taken; nobody buys by asking twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House
from sounds import sound

from diffio_watch.job import State
from diffio_watch.journal import Answer
from diffio_watch.pipeline import command_queue
from diffio_watch.reasons import because
from diffio_watch.sandbox import Sandbox


def discarded_while_it_waits(house: House, job_id: str) -> None:
    house.service.change(seconds=60)
    house.run(5)
    assert house.job(job_id).state is State.WAITING
    assert house.ask("cancel", jobs=[job_id], discard=True).exit == 0


def gone_wrong_at_the_download(house: House, job_id: str) -> None:
    house.service.fault("link", "status", status=404)
    house.finish()
    assert house.job(job_id).because == because("output_unavailable", job=job_id, detail=_words(house, job_id))
    house.service.calm()


def given_up_too_early(house: House, job_id: str) -> None:
    house.service.change(seconds=60)
    house.run(5)
    house.journal.jobs.commit(house.job(job_id), state=State.FAILED, because=because("gave_up", limit="7 days"),
                              due_at=None)


def discarded_before_its_answer_came(house: House, job_id: str) -> None:
    """The paid call took effect, its answer was lost, and a person lost patience."""
    house.service.fault("generate", "reset", after=True)
    house.run(5)
    assert house.job(job_id).generation_id is None
    assert house.ask("cancel", jobs=[job_id], discard=True).exit == 0
    house.service.calm()


def _words(house: House, job_id: str) -> str:
    reason = house.job(job_id).because
    assert reason is not None
    return reason.message.partition(": ")[2]


@pytest.mark.parametrize("ended", [discarded_while_it_waits, gone_wrong_at_the_download, given_up_too_early,
                                   discarded_before_its_answer_came])
def test_a_copy_takes_the_generation_of_a_paid_job_that_came_to_nothing(
    house: House, service: Sandbox, ended: Callable[[House, str], None],
) -> None:
    first = house.drop("a.wav", sound("same"))
    ended(house, first)
    assert service.charges == 1
    copy = house.drop("show/b.wav", sound("same"))
    house.finish()
    job = house.job(copy)
    assert (job.state, job.duplicate_of) == (State.DELIVERED, first)
    assert (house.outbox() / "show/b.restored.wav").exists()
    assert service.charges == 1
    house.check()


def test_a_copy_shares_the_end_of_a_generation_that_failed(house: House, service: Sandbox) -> None:
    """Only a person retries what costs money."""
    service.change(failing={"a.wav": "too quiet"})
    first = house.drop("a.wav", sound("same"))
    house.finish()
    copy = house.drop("b.wav", sound("same"))
    house.finish()
    for job in (house.job(first), house.job(copy)):
        assert job.because is not None
        assert (job.state, job.because.code) == (State.FAILED, "generation_failed")
        assert f"retry --fresh {job.id}" in job.because.action
    assert service.charges == 1


def test_a_copy_of_what_was_never_bought_is_bought(house: House, service: Sandbox) -> None:
    """Cancelled before the paid step; refused by the service; sent, and nothing of it listed twice a minute apart."""
    service.fault("generate", "status", where="b.wav", status=400, body='{"error": "no"}')
    service.fault("generate", "reset", where="c.wav")
    early = house.drop("a.wav", sound("a"))
    house.ask("cancel", jobs=[early])
    house.drop("b.wav", sound("b"))
    lost = house.drop("c.wav", sound("c"))
    house.run(5)
    house.ask("cancel", jobs=[lost], discard=True)
    service.calm()
    copies = [house.drop(f"copy of {name}.wav", sound(name)) for name in "abc"]
    house.run(30)
    assert [house.job(copy).state for copy in copies] == [State.DELIVERED, State.DELIVERED, State.QUEUED]
    house.finish()
    house.check_delivered(*copies)
    assert service.charges == 3


def test_a_copy_that_another_key_may_not_fetch_is_held_and_not_bought(house: House, service: Sandbox) -> None:
    first = house.drop("a.wav", sound("same"))
    discarded_while_it_waits(house, first)
    house.key = "another-key"
    copy = house.drop("b.wav", sound("same"))
    house.finish()
    job = house.job(copy)
    assert job.because is not None
    assert (job.state, job.because.code) == (State.HELD, "account_changed")
    assert service.charges == 1


def failed(house: House) -> str:
    house.service.change(failing={"a.wav": "too quiet"})
    job_id = house.drop("a.wav")
    house.finish()
    house.service.change(failing={})
    return job_id


def test_a_fresh_generation_that_is_asked_for_twice_is_bought_once(house: House, service: Sandbox) -> None:
    """The daemon was busy, the command gave up waiting after 10 s, and the person asked once more."""
    job_id = failed(house)
    numbers = [house.journal.requests.ask("retry", {"jobs": [job_id], "fresh": True}) for _ in range(2)]
    house.clock.advance(12)
    numbers += [house.journal.requests.ask("retry", {"jobs": [job_id, job_id], "fresh": True})]
    house.clock.advance(12)
    command_queue.serve(house.journal, house.tools.config, house.clock.now())
    answers = [house.journal.requests.answer_of(number) for number in numbers]
    assert all(isinstance(answer, Answer) and answer.exit == 0 for answer in answers)
    assert len({answer.jobs for answer in answers if answer is not None}) == 1
    house.finish()
    assert service.charges == 2


def test_no_fresh_generation_is_bought_beside_a_newer_run_that_is_open(house: House, service: Sandbox) -> None:
    job_id = failed(house)
    service.change(seconds=60)
    (second,) = house.ask("retry", jobs=[job_id], fresh=True).jobs
    house.run(5)
    refused = house.ask("retry", jobs=[job_id], fresh=True)
    assert refused.exit == 1
    assert f"has a newer run, job {second}" in refused.lines[0]
    house.finish()
    assert service.charges == 2


@pytest.mark.parametrize("later", [86_400.0, -86_400.0])
def test_the_name_of_an_older_run_buys_nothing_more_once_there_is_a_newer_one(
        house: House, service: Sandbox, later: float) -> None:
    """A script that is given the same id again, days later: who wants another one names the newest, or the file.

    Also where the clock was ahead: a run that is at its end is none that is asked for already.
    """
    job_id = failed(house)
    (second,) = house.ask("retry", jobs=[job_id], fresh=True).jobs
    house.finish()
    house.close()
    house.clock.set(later)
    house.open()
    refused = house.ask("retry", jobs=[job_id], fresh=True)
    assert (refused.exit, refused.jobs) == (1, ())
    assert f"has a newer run, job {second}, run 2, that is delivered" in refused.lines[0]
    assert f"`diffio-watch retry --fresh {second}`" in refused.lines[0]
    house.finish()
    assert service.charges == 2
    house.ask("retry", jobs=[second], fresh=True)
    house.finish()
    assert service.charges == 3


def test_no_fresh_generation_is_bought_of_what_has_changed_since_the_person_looked(
    house: House, service: Sandbox,
) -> None:
    """It had failed; somebody else had it tried again while the question stood on the screen."""
    service.change(seconds=60)
    job = house.job(house.drop("a.wav"))
    job = house.journal.jobs.commit(job, state=State.FAILED, because=because("internal"), due_at=None)
    seen = house.journal.overview.last_line()
    house.ask("retry", jobs=[job.id])
    house.finish()
    refused = house.ask("retry", jobs=[job.id], fresh=True, seen=seen)
    assert (refused.exit, refused.jobs) == (1, ())
    assert "has changed since: it is delivered now" in refused.lines[0]
    house.finish()
    assert service.charges == 1


def test_what_nothing_was_bought_for_goes_on_with_the_settings_of_now_and_says_so(
    make_house: MakeHouse, service: Sandbox,
) -> None:
    """A slip in the model's name: corrected, and the stopped file is restored with the right one, on its upload."""
    service.change(retired=("diffio-4.6-fash",))
    house = make_house(inboxes={"podcasts": {"model": "diffio-4.6-fash"}})
    job_id = house.drop("a.wav")
    house.run(60)
    assert "inbox:podcasts:model" in house.halts.all()
    house.inboxes["podcasts"] = {"model": "diffio-4.6-pro"}
    house.restart()
    house.run(5)
    assert house.job(job_id).state is State.FAILED
    answer = house.ask("retry", jobs=[job_id])
    assert answer.exit == 0
    assert answer.lines[0].endswith(
        "goes on with the upload it has, with the settings of now (diffio-4.6-pro for diffio-4.6-fash).")
    house.finish()
    house.check_delivered(job_id)
    assert house.job(job_id).settings.model == "diffio-4.6-pro"
    assert house.calls()["create_project"] == 1


def test_the_settings_of_now_never_buy_again_what_an_answer_was_lost_of(
    make_house: MakeHouse, service: Sandbox,
) -> None:
    """It was bought after all, before the model was retired: the same key on the same project is the guard."""
    house = make_house()
    service.fault("generate", "reset", after=True, first=2)
    job_id = house.drop("a.wav")
    house.run(5)
    service.change(retired=("diffio-4.6-flash",))
    house.run(600)
    house.inboxes["podcasts"] = {"model": "diffio-4.6-pro"}
    house.restart()
    house.run(3600)
    assert house.job(job_id).state is State.FAILED
    house.ask("retry", jobs=[job_id])
    house.run(3600)
    job = house.job(job_id)
    assert job.because is not None
    assert (job.state, job.because.code) == (State.HELD, "conflict")
    assert service.charges == 1
