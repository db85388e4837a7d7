"""One job's trouble is that job's: it stops no other, however it looks and whenever it begins."""

from __future__ import annotations

from typing import Any, Final

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House

from diffio_watch.job import OPEN, State
from diffio_watch.sandbox import Sandbox

MINUTES: Final = 60.0
# every call about one file, of either way to upload
CALLS: Final = (
    "create_project", "start", "part", "complete", "complete_project_upload", "generate", "progress", "link",
    "download")
BROKEN: Final[dict[str, dict[str, Any]]] = {
    "500": {"kind": "status", "status": 500}, "reset": {"kind": "reset"},
    "401": {"kind": "status", "status": 401},
    "403": {"kind": "status", "status": 403, "body": '{"error": "API key does not own the project"}'},
    "402": {"kind": "status", "status": 402, "body": '{"error": "spendLimitExceeded", "estimatedCostUsd": 90}'},
}
API: Final = ("create_project", "complete_project_upload", "generate", "progress", "link")


def delivered(house: House, *ids: str) -> None:
    left = [(job.state, job.because) for job in map(house.job, ids) if job.state is not State.DELIVERED]
    assert left == [], house.halts.all()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("how", ["500", pytest.param("reset", marks=pytest.mark.slow)])
def test_a_call_that_breaks_for_one_job_only_stops_no_other(
    house: House, service: Sandbox, call: str, how: str,
) -> None:
    """Also where that job was alone for long, so that all there was has shown an outage."""
    house.request_takes = 0.5
    service.fault(call, where="bad.wav", **BROKEN[how])
    bad = house.drop("bad.wav")
    house.run(30 * MINUTES)
    house.request_takes = 0
    first = [house.drop(f"{n}.wav") for n in range(3)]
    house.run(2 * MINUTES)
    delivered(house, *first)
    assert house.halts.all() == {}
    alerts = len(house.alerts())
    house.run(60 * MINUTES)
    later = house.drop("later.wav")
    house.run(MINUTES)
    delivered(house, later)
    assert len(house.alerts()) == alerts, "a trouble that is known to be one job's is no outage again"
    assert house.job(bad).state in OPEN
    service.calm()
    house.finish()
    house.check_delivered(bad, *first, later)


@pytest.mark.parametrize("call", API)
@pytest.mark.parametrize("how", ["401", "402", "403"])
def test_a_refusal_of_one_job_is_no_stop_of_the_account_or_its_model(
    house: House, service: Sandbox, call: str, how: str,
) -> None:
    service.fault(call, where="bad.wav", **BROKEN[how])
    bad = house.drop("bad.wav")
    house.run(30 * MINUTES)
    first = [house.drop(f"{n}.wav") for n in range(3)]
    house.run(70 * MINUTES)
    delivered(house, *first)
    alerts = len(house.alerts())
    later = house.drop("later.wav")
    house.run(3 * MINUTES)
    delivered(house, later)
    assert house.halts.all() == {}
    assert len(house.alerts()) == alerts
    assert house.job(bad).state in OPEN, "and it is no fault of its file"
    service.calm()
    house.finish()
    house.check_delivered(bad, *first, later)


@pytest.mark.parametrize("call", ["part", "generate", "progress", "link", "download"])
def test_several_jobs_with_troubles_of_their_own_stop_no_other(house: House, service: Sandbox, call: str) -> None:
    house.request_takes = 0.5
    service.fault(call, where="sick one", **BROKEN["500"])
    bad = [house.drop(f"sick one {n}.wav") for n in range(5)]
    house.run(10 * MINUTES)
    assert house.alerts() == ["service_down"]
    house.request_takes = 0
    good = [house.drop(f"{n}.wav") for n in range(12)]
    house.run(15 * MINUTES)
    delivered(house, *good)
    calls = house.calls()
    house.run(60 * MINUTES)
    assert sum((house.calls() - calls).values()) <= 5 * 2 * 10, "they wait out pauses of their own"
    assert house.halts.all() == {}
    service.calm()
    house.finish()
    house.check_delivered(*bad, *good)


@pytest.mark.parametrize("account", ["billing", "spend_limit"])
def test_a_stop_of_the_account_ends_though_the_oldest_generation_has_another_trouble(
    house: House, service: Sandbox, account: str,
) -> None:
    """The next probe is another job, and where there is none that is ready, one that is still to be uploaded."""
    service.change(account=account)
    bad = house.drop("bad.wav")
    house.work()
    later = [house.drop(f"{n}.wav") for n in range(3)]
    house.run(MINUTES / 2)
    service.change(account="ok")
    service.fault("generate", where="bad.wav", **BROKEN["500"])
    house.run(20 * MINUTES)
    delivered(house, *later)
    assert house.halts.all() == {}
    service.calm()
    house.finish()
    house.check_delivered(bad, *later)


@pytest.mark.parametrize("how", ["403", "500", "reset"])
def test_the_key_is_tried_with_more_than_one_generation(house: House, service: Sandbox, how: str) -> None:
    service.change(seconds=9e5)
    house.drop("bad.wav")
    house.run(5)
    service.fault("progress", where="bad.wav", **BROKEN[how])
    service.change(account="auth", seconds=0)
    other = house.drop("other.wav")
    house.run(10)
    assert house.alerts() == ["auth"]
    service.change(account="ok")
    house.run(10 * MINUTES)
    delivered(house, other)


def test_a_model_that_one_project_alone_is_refused_is_not_blamed(make_house: MakeHouse, service: Sandbox) -> None:
    house = make_house(inboxes={"podcasts": {}, "other": {}})
    for call in ("generate", "list_generations"):
        service.fault(call, where="bad.wav", **BROKEN["403"])
    bad = house.drop("bad.wav")
    good = house.drop("good.wav")
    house.run(MINUTES)
    assert house.alerts() == []
    delivered(house, good)
    job = house.job(bad)
    assert (job.state, job.because and job.because.code) == (State.GENERATING, "service_error")
    assert job.because is not None
    assert "does not own" in job.because.message
    assert service.charges == 1
