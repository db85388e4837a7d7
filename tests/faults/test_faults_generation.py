"""The paid call and the wait for what it buys: sent again as it was, adopted where it is found, never bought twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import DAY, House

from diffio_watch.job import OPEN, Job, State
from diffio_watch.sandbox import Sandbox


def intended(house: House, *, charged: bool) -> Job:
    """A job whose intent was sent, and whose answer was lost: before it took effect or after."""
    rule = house.service.fault("generate", "reset", after=charged)
    job_id = house.drop("talk.wav")
    house.work()
    house.service.calm()
    job = house.job(job_id)
    assert rule.fired
    assert job.state is State.GENERATING
    assert house.service.charges == charged
    return job


def of_another_key(house: House, job: Job) -> Job:
    """As if the intent had been sent with another key of the same account."""
    return house.journal.jobs.commit(job, key_print="another key's", due_at=house.clock.now())


@pytest.mark.parametrize("charged", [True, False])
def test_a_lost_answer_is_asked_for_again_with_the_same_bytes(house: House, charged: bool) -> None:
    job = intended(house, charged=charged)
    house.restart()
    house.finish()
    house.check_delivered(job.id)
    after = house.job(job.id)
    assert (after.body, after.idempotency_key) == (job.body, job.idempotency_key)
    assert after.replayed is charged
    (told,) = [json.loads(path.read_bytes()) for path in house.outbox().rglob("*.wav.json")]
    assert told["service"]["idempotent_replay"] is charged


def test_a_restart_after_the_intent_and_before_the_call_sends_it_once(house: House) -> None:
    job_id = house.drop("talk.wav")
    house.service.fault("generate", "status", status=503)
    house.work()
    house.service.calm()
    for _ in range(3):
        house.restart()
    house.finish()
    house.check_delivered(job_id)
    assert house.projects_of("talk.wav") == 1


def test_with_another_key_a_generation_of_this_intent_is_adopted(house: House) -> None:
    job = of_another_key(house, intended(house, charged=True))
    before = house.calls()
    house.finish()
    assert house.calls()["generate"] == before["generate"], "nothing is sent blindly"
    assert house.job(job.id).replayed
    house.check_delivered(job.id)


def test_with_another_key_two_empty_lists_a_minute_apart_allow_the_same_body(house: House) -> None:
    job = of_another_key(house, intended(house, charged=False))
    before = house.calls()
    start = house.clock.now()
    house.finish()
    after = house.job(job.id)
    assert after.body == job.body
    assert (house.calls() - before)["list_generations"] == 2
    assert after.generated_at is not None
    assert after.generated_at - start == pytest.approx(60, abs=1)
    house.check_delivered(job.id)


def looks_and_purchases(house: House) -> list[str]:
    return [seen.call for seen in house.service.seen() if seen.call in {"list_generations", "generate"}]


def test_with_another_key_no_word_of_a_person_shortens_the_minute_between_two_empty_lists(house: House) -> None:
    job = of_another_key(house, intended(house, charged=False))
    before = len(looks_and_purchases(house))
    start = house.clock.now()
    for _ in range(5):
        house.work()
        house.run(7)
        house.ask("resume")
        house.ask("retry", jobs=[job.id])
        house.ask("bump", jobs=[job.id])
    assert set(looks_and_purchases(house)[before:]) == {"list_generations"}
    house.finish()
    after = house.job(job.id)
    assert after.generated_at is not None
    assert 60 <= after.generated_at - start <= 62
    house.check_delivered(job.id)


@pytest.mark.parametrize("jump", [-3600, 1, 3600, 50 * 365 * DAY])
def test_with_another_key_a_clock_that_was_set_between_two_starts_does_not_shorten_the_minute_either(
    house: House, jump: float,
) -> None:
    """What was seen before the start was seen nobody knows how long ago."""
    job = of_another_key(house, intended(house, charged=False))
    house.work()
    house.clock.set(jump)
    house.restart()
    before, start = len(looks_and_purchases(house)), house.clock.monotonic()
    house.ask("resume")
    house.work()
    house.ask("resume")
    house.work()
    house.run(50)
    house.ask("resume")
    house.work()
    assert "generate" not in looks_and_purchases(house)[before:]
    house.finish()
    assert house.clock.monotonic() - start >= 60
    house.check_delivered(job.id)


def test_an_empty_list_from_before_the_body_was_sent_again_counts_no_more(house: House, service: Sandbox) -> None:
    """The old key is back for a moment, and buys; its answer is lost and the list lags behind."""
    job = of_another_key(house, intended(house, charged=False))
    house.work()
    house.run(30)
    house.journal.jobs.commit(house.job(job.id), key_print=house.tools.key_print(), due_at=house.clock.now())
    service.fault("generate", "reset", after=True)
    house.work()
    service.calm()
    assert service.charges == 1
    service.fault("list_generations", "fields", fields={"generations": []}, first=1)
    house.run(60)
    before = len(looks_and_purchases(house))
    of_another_key(house, house.job(job.id))
    house.work()
    assert looks_and_purchases(house)[before:] == ["list_generations"]
    house.finish()
    assert looks_and_purchases(house)[before:] == ["list_generations"] * 2
    house.check_delivered(job.id)


def test_with_another_key_a_generation_that_shows_late_is_adopted(house: House, service: Sandbox) -> None:
    job = of_another_key(house, intended(house, charged=True))
    service.fault("list_generations", "fields", fields={"generations": []}, first=1)
    before = house.calls()
    house.finish()
    assert (house.calls() - before)["generate"] == 0
    house.check_delivered(job.id)


def test_with_another_key_only_a_match_is_adopted(house: House, service: Sandbox) -> None:
    """Somebody bought something on this project: a person looks at it."""
    job = of_another_key(house, intended(house, charged=False))
    stranger = {"generationId": "gen_stranger", "status": "complete", "modelKey": "diffio-4.6-pro", "progress": 100,
                "createdAt": "2099-01-01T00:00:00Z"}
    service.fault("list_generations", "fields", fields={"generations": [stranger]})
    house.run(100)
    after = house.job(job.id)
    assert after.generation_id != "gen_stranger"
    assert (after.state, after.because and after.because.code) == (State.HELD, "conflict")
    assert service.charges == 0


def test_with_another_key_what_an_earlier_run_bought_is_not_adopted(house: House, service: Sandbox) -> None:
    first = house.drop("talk.wav")
    house.finish()
    service.fault("generate", "reset")
    assert house.ask("retry", jobs=[first], fresh=True).exit == 0
    house.work()
    service.calm()
    again = house.journal.jobs.at("podcasts", "talk.wav")[0]
    of_another_key(house, again)
    house.finish()
    assert service.charges == 2
    assert house.job(again.id).generation_id != house.job(first).generation_id
    assert house.visible() == {"talk.restored.wav", "talk.wav.json", "talk.restored (2).wav", "talk.wav (2).json"}


@pytest.mark.parametrize("charged", [True, False])
def test_a_key_that_may_not_see_the_project_holds_it_until_the_old_one_is_back(
    house: House, charged: bool,
) -> None:
    job = intended(house, charged=charged)
    house.key = "of-somebody-else"
    house.run(20)
    held = house.job(job.id)
    assert (held.state, held.because and held.because.code) == (State.HELD, "account_changed")
    assert house.halts.all() == {}
    house.run(DAY)
    assert house.job(job.id) == held
    house.key = "key-of-the-house"
    assert house.ask("approve", jobs=[job.id]).exit == 0
    house.finish()
    house.check_delivered(job.id)


def test_a_project_that_is_gone_for_another_key_is_held_as_well(house: House, service: Sandbox) -> None:
    job = of_another_key(house, intended(house, charged=False))
    service.fault("list_generations", "status", status=404)
    house.run(5)
    held = house.job(job.id)
    assert (held.state, held.because and held.because.code) == (State.HELD, "account_changed")


def test_fresh_pays_again_where_another_key_lost_sight_of_it(house: House, service: Sandbox) -> None:
    job = intended(house, charged=True)
    house.key = "of-somebody-else"
    house.run(20)
    assert house.ask("retry", jobs=[job.id], fresh=True).exit == 0
    house.finish()
    assert service.charges == 2
    assert house.projects_of("talk.wav") == 2
    house.check()


def test_fresh_with_another_accounts_key_uploads_anew_and_stops_nobody(house: House, service: Sandbox) -> None:
    """The project already uploaded is out of this key's sight."""
    job_id = house.drop("talk.wav")
    house.finish()
    house.key = "of-somebody-else"
    assert house.ask("retry", jobs=[job_id], fresh=True).exit == 0
    other = house.drop("other.wav")
    house.finish()
    assert house.alerts() == []
    assert house.job(other).state is State.DELIVERED
    assert house.projects_of("talk.wav") == 2
    assert service.charges == 3
    house.check()


@pytest.mark.parametrize("call", ["part", "complete_project_upload"])
def test_a_key_of_another_account_in_the_middle_of_an_upload_starts_it_over(
    house: House, service: Sandbox, call: str,
) -> None:
    service.fault(call, "status", status=503)
    job_id = house.drop("talk.wav")
    house.work()
    service.calm()
    house.key = "of-somebody-else"
    house.finish()
    assert house.alerts() == []
    assert house.projects_of("talk.wav") == 2
    house.check_delivered(job_id)


@pytest.mark.parametrize("state", [State.UPLOADING, State.GENERATING, State.WAITING, State.DOWNLOADING])
def test_a_job_of_another_service_is_never_sent_to_this_one(
    make_house: MakeHouse, service: Sandbox, tmp_path: Path, state: State,
) -> None:
    """Where nothing is paid yet it starts over there; what may be paid waits until the old one is back."""
    call = {State.UPLOADING: "complete_project_upload", State.GENERATING: "generate", State.WAITING: "progress",
            State.DOWNLOADING: "download"}[state]
    house = make_house()
    service.fault(call, "reset", after=True)
    job_id = house.drop("talk.wav")
    house.run(1)
    assert house.job(job_id).state is state
    service.calm()
    paid = state is not State.UPLOADING
    with Sandbox(seconds=0, folder=tmp_path) as other:
        house.restart(api={"base_url": other.base_url})
        house.run(3600)
        job = house.job(job_id)
        if paid:
            assert (job.state, job.because and job.because.code) == (state, "other_service")
            assert other.calls == {}
        else:
            assert job.state is State.DELIVERED
            assert (service.charges, other.charges) == (0, 1)
        assert (other.violations, other.leaks) == ([], [])
        house.restart(api={"base_url": service.base_url})
    house.finish()
    assert house.job(job_id).state is State.DELIVERED
    if paid:
        house.check_delivered(job_id)


def test_an_answer_about_another_project_is_held_and_asked_again_only_by_a_person(
    house: House, service: Sandbox,
) -> None:
    service.fault("generate", "fields", fields={"apiProjectId": "proj_of_somebody_else"})
    job_id = house.drop("talk.wav")
    house.run(DAY)
    held = house.job(job_id)
    assert (held.state, held.because and held.because.code) == (State.HELD, "conflict")
    assert house.calls()["generate"] == 1
    service.calm()
    assert house.ask("approve", jobs=[job_id]).exit == 0
    house.finish()
    house.check_delivered(job_id)


def test_another_model_key_is_only_written_down(house: House, service: Sandbox) -> None:
    service.fault("generate", "fields", fields={"modelKey": "diffio-4.6-flash-b"})
    job_id = house.drop("talk.wav")
    house.finish()
    assert house.job(job_id).model_key == "diffio-4.6-flash-b"
    house.check_delivered(job_id)


@pytest.mark.parametrize("fields", [
    {"status": "hibernating"},
    {"status": "hibernating", "preProcessing": None, "inference": None},
    {"status": "processing", "preProcessing": {"progress": 100}, "inference": {"progress": 100}},
    {"status": "queued", "stage": None, "queue": None},
])
def test_only_a_complete_whole_is_complete(house: House, service: Sandbox, fields: dict[str, Any]) -> None:
    service.fault("progress", "fields", fields=fields)
    job_id = house.drop("talk.wav")
    house.run(1200)
    assert house.job(job_id).state is State.WAITING
    assert house.alerts("job.parked") == []
    service.calm()
    house.finish()
    house.check_delivered(job_id)


def test_a_complete_whole_is_complete_whatever_its_stages_say(house: House, service: Sandbox) -> None:
    service.fault("progress", "fields", fields={"preProcessing": {"progress": 40}, "inference": None})
    job_id = house.drop("talk.wav")
    house.finish(within=60)
    house.check_delivered(job_id)


@pytest.mark.parametrize("status", ["failed", "error"])
def test_a_failed_generation_fails_with_the_services_words_and_is_bought_again_only_by_a_person(
    house: House, service: Sandbox, status: str,
) -> None:
    rule = service.fault("progress", "fields", fields={"status": status, "error": "no speech found"})
    job_id = house.drop("talk.wav")
    house.run(DAY)
    job = house.job(job_id)
    assert (job.state, job.because and job.because.code) == (State.FAILED, "generation_failed")
    assert job.because is not None
    assert "no speech found" in job.because.message
    house.chores()
    assert house.visible() == {"talk.wav.error.json"}
    assert house.ask("retry", jobs=[job_id]).exit == 1, "nothing is left to go on from"
    assert rule.fired == 1
    service.calm()
    house.ask("retry", jobs=[job_id], fresh=True)
    house.finish()
    house.chores()
    assert service.charges == 2
    assert house.projects_of("talk.wav") == 1, "on the project already uploaded"
    assert house.visible() == {"talk.restored.wav", "talk.wav.json"}


def test_an_overdue_generation_is_told_once_and_polled_slowly_until_it_is_done(
    house: House, service: Sandbox,
) -> None:
    service.change(seconds=20 * 3600)
    job_id = house.drop("talk.wav")
    house.run(6 * 3600 + 600)
    assert [entry["log_level"] for entry in house.events.entries if entry["event"] == "job.overdue"] == ["warning"]
    polls = service.polls
    house.run(3600)
    assert 10 <= service.polls - polls <= 13
    house.finish()
    assert len(house.alerts("job.overdue")) == 1
    house.check_delivered(job_id)


def test_a_generation_that_never_ends_is_given_up_and_bought_again_only_by_a_person(
    make_house: MakeHouse, service: Sandbox,
) -> None:
    house = make_house(generation={"overdue": "1h", "give_up": "10h"})
    service.change(seconds=30 * DAY)
    job_id = house.drop("talk.wav")
    house.run(9.9 * 3600)
    assert house.job(job_id).state is State.WAITING
    house.run(0.2 * 3600)
    job = house.job(job_id)
    assert (job.state, job.because and job.because.code) == (State.FAILED, "gave_up")
    assert house.ask("retry", jobs=[job_id]).exit == 1
    assert service.charges == 1


@pytest.mark.parametrize("jump", [300 * DAY, -300 * DAY])
def test_a_clock_that_was_set_between_two_starts_makes_no_generation_overdue_and_gives_none_up(
    house: House, service: Sandbox, jump: float,
) -> None:
    """What counts is the time that was really spent waiting: of a bought generation nothing may be lost for a date."""
    service.change(seconds=5.5 * 3600)
    job_id = house.drop("talk.wav")
    house.run(3600)
    for _ in range(2):
        house.clock.set(jump)
        house.restart()
        polls = service.polls
        house.run(2 * 3600)
        assert house.job(job_id).state is State.WAITING
        # a clock that was set back puts the first question off, by an hour at most
        assert 100 < service.polls - polls < 260, "as often as before"
    assert house.alerts("job.overdue") == []
    house.finish()
    house.check_delivered(job_id)


def test_starts_and_lost_answers_on_the_way_do_not_keep_a_generation_from_being_given_up(
    make_house: MakeHouse, service: Sandbox,
) -> None:
    house = make_house(generation={"overdue": "1h", "give_up": "10h"})
    service.change(seconds=30 * DAY)
    job_id = house.drop("talk.wav")
    for _ in range(18):
        house.run(1800)
        house.restart()
        service.fault("progress", "reset", first=2)
    assert house.job(job_id).state is State.WAITING
    house.run(3 * 3600)
    job = house.job(job_id)
    assert (job.state, job.because and job.because.code) == (State.FAILED, "gave_up")


@pytest.mark.parametrize(("seconds", "most"), [(0, 1), (30, 20), (600, 60), (3600, 170)])
def test_polls_start_fast_and_stretch(house: House, service: Sandbox, seconds: float, most: int) -> None:
    service.change(seconds=seconds)
    job_id = house.drop("talk.wav")
    house.finish()
    job = house.job(job_id)
    assert service.polls <= most
    assert job.generated_at is not None
    assert job.completed_at is not None
    assert job.completed_at - job.generated_at - seconds <= 31  # the sandbox's own time goes on beside the house's
    house.check_delivered(job_id)


@pytest.mark.parametrize(("seconds", "usual"), [(20, 15), (60, 23)])
def test_the_services_progress_shows_the_end_of_a_generation_as_it_comes(
    house: House, service: Sandbox, seconds: float, usual: int,
) -> None:
    """`usual`: the polls of one who does not look at it."""
    service.change(seconds=seconds)
    for job_id in [house.drop(f"{n}.wav") for n in range(4)]:
        house.finish()
        job = house.job(job_id)
        assert job.completed_at is not None
        assert job.completed_at - (job.generated_at or 0.0) - seconds <= 2
        assert job.waited == pytest.approx(seconds, abs=2), "half of the last pause is nearest"
        assert job.polls < usual


def test_what_earlier_generations_took_shows_the_end_of_one_without_progress_also_after_a_start(
    house: House, service: Sandbox,
) -> None:
    service.change(seconds=60)
    service.fault("progress", "fields", fields=dict.fromkeys(("preProcessing", "inference", "stageProgress")))

    def late(name: str) -> float:
        job_id = house.drop(name)
        house.finish()
        job = house.job(job_id)
        assert job.polls < 23
        return (job.completed_at or 0.0) - (job.generated_at or 0.0) - 60

    for n in range(8):
        late(f"{n}.wav")
    house.restart()
    assert late("last.wav") <= 2


def test_a_generation_that_the_service_lost_is_found_among_the_projects(house: House, service: Sandbox) -> None:
    service.change(seconds=60)
    job_id = house.drop("talk.wav")
    house.run(5)
    job = house.job(job_id)
    lost = house.journal.jobs.commit(job, generation_id="gen_forgotten")
    house.finish()
    assert house.job(lost.id).generation_id == job.generation_id
    house.check_delivered(job_id)


def test_a_generation_that_nobody_knows_fails_in_the_end_and_goes_on_if_it_is_back(
    house: House, service: Sandbox,
) -> None:
    service.change(seconds=60)
    job_id = house.drop("talk.wav")
    house.run(5)
    service.fault("progress", "status", status=404)
    house.run(1800)
    job = house.job(job_id)
    assert (job.state, job.because and job.because.code) == (State.WAITING, "not_ready")
    house.run(3 * 3600)
    job = house.job(job_id)
    assert (job.state, job.because and job.because.code) == (State.FAILED, "not_found")
    service.calm()
    assert house.ask("retry", jobs=[job_id]).exit == 0
    house.finish()
    house.check_delivered(job_id)


def test_a_lost_generation_whose_project_is_gone_too_fails_as_not_found(house: House, service: Sandbox) -> None:
    service.change(seconds=60)
    job_id = house.drop("talk.wav")
    house.run(5)
    service.fault("progress", "status", status=404)
    service.fault("list_generations", "status", status=404)
    house.run(5 * 3600)
    job = house.job(job_id)
    assert (job.state, job.because and job.because.code) == (State.FAILED, "not_found")


def test_a_project_that_vanished_before_the_paid_call_fails_without_a_second_one(
    house: House, service: Sandbox,
) -> None:
    """Its intent stands, so nothing may be sent elsewhere without a person's word."""
    service.fault("generate", "status", status=404)
    service.fault("list_generations", "status", status=404)
    job_id = house.drop("talk.wav")
    house.run(DAY)
    job = house.job(job_id)
    assert (job.state, job.because and job.because.code) == (State.FAILED, "not_found")
    assert house.projects_of("talk.wav") == 1
    service.calm()
    house.ask("retry", jobs=[job_id], fresh=True)
    house.finish()
    assert service.charges == 1
    assert house.projects_of("talk.wav") == 2


def test_an_unknown_status_is_no_end_and_a_stop_is_none_either(house: House, service: Sandbox) -> None:
    """A program that is told to stop leaves every row as it is."""
    service.change(seconds=60)
    job_id = house.drop("talk.wav")
    house.run(5)
    before = house.job(job_id)
    house.stop.set()
    house.clock.advance(30)
    house.work_once()
    assert house.job(job_id) == before
    house.restart()
    house.finish()
    house.check_delivered(job_id)
    assert not any(house.journal.totals.by_state()[state] for state in OPEN)


@pytest.mark.parametrize("ahead", [-3, 3, 400])
def test_a_host_clock_that_was_days_off_at_the_intent_hides_no_purchase(house: House, ahead: float) -> None:
    """What no job knows, in a project that only this program made, is this program's, whatever it is dated."""
    house.clock.set(ahead * DAY)
    house.restart()
    job = of_another_key(house, intended(house, charged=True))
    house.clock.set(-ahead * DAY)
    house.restart()
    house.finish()
    assert house.job(job.id).replayed
    house.check_delivered(job.id)


def test_a_generation_that_is_lost_is_found_in_its_project_whatever_the_clock_said(house: House) -> None:
    house.service.change(seconds=600)
    job_id = house.drop("talk.wav")
    house.run(2)
    house.journal.jobs.commit(house.job(job_id), generation_id="gone", intent_at=house.clock.now() + 9 * DAY)
    house.finish()
    house.check_delivered(job_id)


class _Turning:
    """A key file that is replaced just after it was read."""

    def __init__(self, *keys: str) -> None:
        self._keys = list(keys)

    def __call__(self) -> str:
        return self._keys.pop(0) if len(self._keys) > 1 else self._keys[0]


@pytest.mark.parametrize("charged", [True, False])
def test_a_key_that_is_replaced_around_the_paid_call_is_read_once(house: House, charged: bool) -> None:
    """What was compared is what is sent: another key's request would be another purchase."""
    job = intended(house, charged=charged)
    turning = _Turning("key-of-the-house", "of-somebody-else")
    house.tools.key = turning
    house.tools.api._key = turning
    before = len(house.service.seen("generate"))
    house.journal.jobs.commit(job, due_at=house.clock.now())
    house.work()
    assert {seen.key for seen in house.service.seen("generate")[before:]} == {house.service.seen("generate")[0].key}
    house.restart()
    house.finish()
    house.check_delivered(job.id)


def test_what_was_looked_at_with_one_key_is_not_sent_with_another(house: House) -> None:
    job = of_another_key(house, intended(house, charged=False))
    before = len(house.service.seen("generate"))
    house.run(59)
    house.tools.key = house.tools.api._key = _Turning("key-of-the-house", "of-somebody-else")
    house.run(20)
    assert house.service.seen("generate")[before:] == []
    house.restart()
    assert house.ask("approve", jobs=[job.id]).exit == 0
    house.finish()
    house.check_delivered(job.id)


def test_a_purchase_is_counted_before_it_is_sent(house: House) -> None:
    """A copy of the journal from before it would else be taken for today's."""
    told: list[str] = []

    def count() -> int:
        told.append(f"counted {sum(job.paid for job in house.journal.jobs.newest())}")
        return len(told)

    house.tools.count = count
    house.outbox_check = lambda: told.append("looked") if told and told[-1].startswith("counted") else None
    house.service.watch(lambda moment, seen: told.append("sent") if (moment, seen.call) == ("arrived", "generate")
                        else None)
    job_id = house.drop("talk.wav")
    house.finish()
    assert told == ["counted 1", "looked", "sent"]
    house.check_delivered(job_id)
