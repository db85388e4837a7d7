"""What each stop blocks, and who is let through."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from pipeline_house import House

from diffio_watch.api import Observation
from diffio_watch.api.errors import Unavailable
from diffio_watch.job import Job, Settings, State
from diffio_watch.journal import Halt
from diffio_watch.pipeline.outcome import Stop
from diffio_watch.reasons import because

Q, U, G, W, D = State.QUEUED, State.UPLOADING, State.GENERATING, State.WAITING, State.DOWNLOADING
BLANK: Final = Job("01J", "podcasts", "a.wav", 10, 1, Settings())
JOBS: Final = {
    "queued": BLANK, "uploading": replace(BLANK, state=U), "intending": replace(BLANK, state=G),
    "paying": replace(BLANK, state=G, intent_at=1.0), "waiting": replace(BLANK, state=W, intent_at=1.0),
    "fetching": replace(BLANK, state=D, intent_at=1.0),
}
ALL: Final = set(JOBS)
BEFORE_PAID: Final = {"queued", "uploading", "intending", "paying"}
SPENDING: Final = {"queued", "intending"}
MATRIX: Final = {
    ("account", "auth"): ALL,
    ("account", "billing"): BEFORE_PAID,
    ("account", "spend_limit"): BEFORE_PAID,
    ("origin:api:https://x", "service_down"): ALL,
    ("origin:upload:https://x", "service_down"): {"queued", "uploading"},
    ("origin:storage:https://x", "service_down"): {"fetching"},
    ("inbox:podcasts:model", "model_retired"): BEFORE_PAID,
    ("inbox:podcasts:model", "model_unknown"): BEFORE_PAID,
    ("inbox:podcasts:model", "forbidden"): BEFORE_PAID,
    ("inbox:podcasts:outbox", "outbox_full"): SPENDING,
    ("inbox:podcasts:outbox", "outbox_unavailable"): SPENDING | {"uploading", "fetching"},
    ("inbox:podcasts:inbox", "unavailable"): {"queued", "uploading"},
}


def begin(house: House, scope: str, code: str, **facts: str) -> Halt:
    house.halts.begin(Stop(scope, because(code, **facts)), house.clock.now())
    return house.halts.all()[scope]


@pytest.mark.parametrize(("scope", "code"), MATRIX)
def test_a_stop_blocks_what_it_is_about_and_nothing_else(house: House, scope: str, code: str) -> None:
    halt = begin(house, scope, code)
    assert {name for name, job in JOBS.items() if house.halts.blocks(job) == code} == MATRIX[scope, code]
    assert {name for name, job in JOBS.items() if house.halts.blocks_by(halt, job)} == MATRIX[scope, code]
    elsewhere = {name for name, job in JOBS.items() if house.halts.blocks(replace(job, inbox="other"))}
    assert elsewhere == (set() if scope.startswith("inbox:") else MATRIX[scope, code])


@pytest.mark.parametrize("name", ["podcasts", "*"])
def test_a_pause_blocks_what_begins_to_spend(house: House, name: str) -> None:
    house.journal.halts.pause(name)
    house.halts.reload()
    assert {where for where, job in JOBS.items() if house.halts.blocks(job)} == SPENDING
    assert (house.halts.blocks(replace(BLANK, inbox="other")) is None) == (name == "podcasts")


def test_a_paused_job_and_one_that_two_stops_keep_are_no_probes(house: House) -> None:
    down = begin(house, "origin:api:https://x", "service_down", origin="https://x")
    assert house.halts.blocks_by(down, BLANK)
    house.journal.halts.pause("podcasts")
    house.halts.reload()
    assert not house.halts.blocks_by(down, BLANK), "or the probe would begin to spend"
    assert house.halts.blocks_by(down, JOBS["waiting"])
    begin(house, "account", "auth")
    assert not house.halts.blocks_by(down, JOBS["waiting"])


def test_a_stop_that_is_met_again_is_told_once_and_keeps_its_time(house: House) -> None:
    first = begin(house, "account", "billing", detail="x")
    house.clock.advance(30)
    again = begin(house, "account", "billing", detail="y")
    assert (again.since, again.next_check_at) == (first.since, first.next_check_at)
    assert again.because.message != first.because.message
    assert house.alerts() == ["billing"]


def test_another_reason_is_another_stop(house: House) -> None:
    begin(house, "account", "billing", detail="x")
    begin(house, "account", "auth", detail="x")
    assert house.alerts() == ["billing", "auth"]


def test_a_probe_puts_the_next_one_off(house: House) -> None:
    begin(house, "account", "billing", detail="x")
    found = []
    for _ in range(4):
        halt = house.halts.all()["account"]
        assert halt.next_check_at is not None
        found.append(halt.next_check_at - house.clock.now())
        house.clock.advance(found[-1])
        assert house.halts.due(house.clock.now()) == [halt]
        house.halts.probing(halt, house.clock.now())
        assert house.halts.due(house.clock.now()) == []
    assert found == pytest.approx([60, 120, 300, 600], abs=0.01)


@pytest.mark.parametrize(("named", "first"), [(None, 60), (-5, 60), (20, 20), (3000, 60)])
def test_the_time_that_the_service_names_brings_a_probe_forward_only(
    house: House, named: float | None, first: float,
) -> None:
    now = house.clock.now()
    house.halts.begin(Stop("account", because("spend_limit"), None if named is None else now + named), now)
    assert house.halts.all()["account"].next_check_at == pytest.approx(now + first)


def test_a_stop_ends_once_and_only_for_the_reasons_named(house: House) -> None:
    begin(house, "account", "auth", detail="x")
    assert not house.halts.end("account", frozenset({"billing"}))
    assert house.halts.end("account")
    assert not house.halts.end("account")
    assert house.alerts("work.resumed") == ["auth"]
    assert house.journal.halts.all() == {}


def park(house: House, job_id: str, error: Exception) -> None:
    reason = because("service_error", detail=error)
    house.journal.jobs.commit(house.job(job_id), because=reason, due_at=house.clock.now() + 900)


def test_an_answer_ends_an_outage_and_brings_parked_jobs_forward(house: House) -> None:
    parked = house.drop("a.wav")
    origin = "https://api.example"
    fail = Unavailable("busy", call="generate", origin=origin, status=503)
    park(house, parked, fail)
    for n in range(6):
        house.clock.advance(1)
        house.halts.working_on(str(n))
        house.halts.observe(Observation(origin, "api", ok=False, error=fail))
    assert list(house.halts.all()) == [f"origin:api:{origin}"]
    house.halts.observe(Observation(origin, "upload", ok=True, error=None))
    assert list(house.halts.all()) == [f"origin:api:{origin}"], "another role of the same host says nothing"
    house.halts.observe(Observation(origin, "api", ok=True, error=None))
    assert house.halts.all() == {}
    assert house.job(parked).due_at == pytest.approx(house.clock.now())


def test_a_success_brings_no_job_forward_that_was_just_tried(house: House) -> None:
    """Or a job that alone fails would be tried with every success of the others."""
    job_id = house.drop("a.wav")
    origin = "https://api.example"
    fail = Unavailable("busy", call="generate", origin=origin, status=503)
    park(house, job_id, fail)
    house.halts.observe(Observation(origin, "api", ok=False, error=fail))
    house.halts.observe(Observation(origin, "api", ok=True, error=None))
    assert house.job(job_id).due_at == pytest.approx(house.clock.now() + 15)


def test_stops_are_read_again_by_the_next_start(house: House) -> None:
    before = begin(house, "account", "spend_limit", detail="x")
    house.restart()
    assert house.halts.all() == {"account": before}
