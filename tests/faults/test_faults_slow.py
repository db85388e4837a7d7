"""An upload that takes longer than its session lives: measured, sent alone, and told if that does not help either."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House
from sounds import sound

from diffio_watch.job import Job, Settings, State
from diffio_watch.pipeline import upload_rate
from diffio_watch.pipeline.upload_rate import Lane, Meter
from diffio_watch.sandbox import Sandbox

HOUR = 3600.0
JOB = Job("01J", "podcasts", "talk.wav", 1000, 0, Settings(), state=State.UPLOADING, project_id="p")


@pytest.mark.parametrize(("sent", "seconds", "passed", "expires_at", "slow"), [
    (500, 3600, 3600, 3600, True),  # half of it in the session's life
    (1000, 3500, 3600, 3600, True),  # all of it, and then it was too late to say so
    (500, 600, 3600, 3600, False),  # it was fast enough, and something else held it up
    (500, 600, 600, 3600, False),  # lost long before it was to end: that is no sign of a thin line
    (500, 3600, 3600, None, True),
    (500, 300, 300, None, False),  # nobody told when it was to end
    (500, 20, 3600, 3600, False),  # too little was measured to say anything
    (0, 3600, 3600, 3600, False),
])
def test_only_what_sending_took_too_long_for_is_slow(
    sent: int, seconds: float, passed: float, expires_at: float | None, *, slow: bool,
) -> None:
    meter = Meter(made=0.0, sent=sent, seconds=seconds)
    first = upload_rate.outlived(JOB, meter, passed, passed, expires_at)
    assert (first is not None) is slow
    if first is None:
        return
    assert (first.changes["outlived"], first.changes["project_id"], first.changes["due_at"]) == (1, None, passed)
    second = upload_rate.outlived(replace(JOB, outlived=1), meter, passed, passed, expires_at)
    assert second is not None
    assert (second.changes["because"].code, second.changes["due_at"]) == ("too_slow", passed + HOUR)


def test_an_upload_that_goes_alone_in_vain_ends_before_its_session_does() -> None:
    alone = replace(JOB, outlived=1)
    assert upload_rate.hopeless(alone, Meter(0.0, 100, 100.0), 100.0, 100.0, 600.0, 900) is not None
    assert upload_rate.hopeless(alone, Meter(0.0, 100, 50.0), 50.0, 50.0, 600.0, 900) is None, "it ends in time"
    assert upload_rate.hopeless(alone, Meter(0.0, 1, 20.0), 20.0, 20.0, 600.0, 999) is None, "too little was measured"
    assert upload_rate.hopeless(JOB, Meter(0.0, 100, 100.0), 100.0, 100.0, 600.0, 900) is None, "others send too"


def test_who_goes_alone_waits_for_those_who_send_and_keeps_newcomers_waiting(house: House) -> None:
    line = Lane(house.clock)
    slow, other, begun, new = (replace(JOB, id=name, path=f"{name}.wav") for name in ("slow", "other", "begun", "new"))
    slow, other, new = replace(slow, outlived=1), replace(other, outlived=2), replace(new, project_id=None)
    with line.sending(begun, 0):
        blocked = line.blocked(slow)
        assert blocked is not None
        assert blocked.changes["because"].code == "turn"
        assert line.blocked(begun) is None, "what is begun is finished"
        assert line.blocked(new) is not None
    assert line.blocked(slow) is None
    with line.sending(slow, 0):
        house.clock.advance(HOUR)
        assert [line.blocked(one) is None for one in (other, begun, new)] == [False] * 3
    line.done("slow")
    assert line.blocked(other) is None
    assert line.blocked(new) is not None
    house.clock.advance(300)
    assert line.blocked(new) is None, "a turn that nobody comes for is lost"


def test_four_uploads_that_do_it_to_each_other_go_alone_in_turn(make_house: MakeHouse, service: Sandbox) -> None:
    """The house's time passes with each request of any of them, as on a line that they share."""
    house = make_house()
    service.change(upload_lifetime=600)
    house.request_takes = 20
    jobs = [house.drop(f"{number}.wav", sound(str(number), 2)) for number in range(4)]
    house.finish(within=6 * HOUR)
    house.check_delivered(*jobs)
    assert max(house.projects_of(f"{number}.wav") for number in range(4)) <= 3


@pytest.mark.parametrize("told", [True, False])
def test_what_is_too_slow_alone_says_so_and_is_tried_again_with_growing_pauses(
    make_house: MakeHouse, service: Sandbox, *, told: bool,
) -> None:
    house = make_house()
    service.change(upload_lifetime=900)
    if not told:
        service.fault("create_project", "fields", fields={"expiresAt": None, "upload": {"expiresAt": None}})
    house.request_takes = 100
    job_id = house.drop("talk.wav", sound("talk", 2))
    house.run(2 * HOUR)
    job = house.job(job_id)
    assert (job.state, job.because and job.because.code) == (State.UPLOADING, "too_slow")
    assert "keeps an upload open" in (job.because.message if job.because else "")
    before = house.calls()["create_project"]
    house.run(24 * HOUR)
    assert house.calls()["create_project"] - before <= 5
    assert house.tools.sessions.jobs() == []
    assert service.charges == 0
    house.request_takes = 1
    house.finish(within=48 * HOUR)
    house.check_delivered(job_id)
    assert house.job(job_id).outlived == 0


def test_a_pause_longer_than_the_session_is_no_thin_line(house: House, service: Sandbox) -> None:
    service.change(upload_lifetime=600)
    service.fault("part", "status", status=503, where="/parts/3")
    house.request_takes = 10
    job_id = house.drop("talk.wav", sound("talk", 2))
    house.work()
    service.calm()
    house.clock.advance(700)
    house.finish()
    house.check_delivered(job_id)
    assert house.projects_of("talk.wav") == 2


@pytest.mark.parametrize("status", [400, 404, 410])
def test_whatever_is_said_of_an_upload_that_is_not_there_it_is_sent_anew(
    house: House, service: Sandbox, status: int,
) -> None:
    """The edge refuses to put it together, and the API knows of nothing: a new project, with growing pauses."""
    service.fault("complete", "status", status=400)
    service.fault("complete_project_upload", "status", status=status)
    job_id = house.drop("talk.wav")
    house.run(HOUR)
    assert house.job(job_id).state is State.UPLOADING
    assert house.projects_of("talk.wav") <= 9
    service.calm()
    house.finish()
    house.check_delivered(job_id)
