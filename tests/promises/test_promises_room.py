"""Before money is spent, and before a byte is fetched, there is room for what comes."""

from __future__ import annotations

import io
import os
import wave
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pipeline_house import House

from diffio_watch.job import Job, State
from diffio_watch.sandbox import Sandbox

MIB = 1 << 20


@pytest.fixture
def service() -> Iterator[Sandbox]:
    with Sandbox(seconds=0, part_bytes=4 * MIB) as sandbox:
        yield sandbox


@pytest.fixture
def small(tmp_path: Path, service: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house whose outbox is a disk of 8 MiB, going by what the system says of it."""
    house = House(tmp_path, service, limits={"min_free": MIB})

    def asked(_: int) -> SimpleNamespace:
        used = sum(path.stat().st_size for path in house.outbox().rglob("*") if path.is_file())
        return SimpleNamespace(f_bavail=8 * MIB - used, f_frsize=1, f_fsid=7)

    monkeypatch.setattr(os, "fstatvfs", asked)
    yield house
    house.close()


def content(size: int) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(os.urandom(size))
    return made.getvalue()


def parked(job: Job, state: State) -> bool:
    return (job.state, job.because is not None and job.because.code) == (state, "disk")


def fill(house: House, left: int) -> Path:
    """Somebody else's files, up to so many bytes."""
    ballast = house.outbox() / "ballast"
    ballast.unlink(missing_ok=True)
    ballast.write_bytes(b"x" * (house.tools.outboxes["podcasts"].free() - left))
    return ballast


def test_nothing_is_sent_or_bought_that_has_no_room_beside_what_is_to_stay_free(
    small: House, service: Sandbox,
) -> None:
    ballast = fill(small, 3 * MIB)
    job_id = small.drop("a.wav", content(5 * MIB // 2))
    small.run(300)
    assert parked(small.job(job_id), State.QUEUED)
    reason = small.job(job_id).because
    assert reason is not None
    assert "3.0 MiB are free, the file has 2.5 MiB, `limits.min_free` is 1.0 MiB" in reason.message
    assert small.calls()["create_project"] == 0
    ballast.unlink()
    small.run(600)
    small.check_delivered(job_id)


def test_what_lost_its_room_since_it_was_uploaded_is_not_bought_until_there_is_some(
    small: House, service: Sandbox,
) -> None:
    service.change(account="billing")
    job_id = small.drop("a.wav", content(2 * MIB))
    small.run(10)
    ballast = fill(small, 2 * MIB)
    service.change(account="ok")
    small.ask("resume")
    small.journal.jobs.commit(small.job(job_id), intent_at=None, body=None,
                              idempotency_key=None)  # as before its intent
    small.run(600)
    assert parked(small.job(job_id), State.GENERATING)
    assert service.charges == 0
    ballast.unlink()
    small.finish()
    small.check_delivered(job_id)


def test_what_is_bought_and_to_come_has_its_room_first(small: House, service: Sandbox) -> None:
    service.change(seconds=600)
    first = small.drop("a.wav", content(4 * MIB))
    small.run(10)
    second = small.drop("b.wav", content(3 * MIB))
    small.run(10)
    assert small.job(first).state is State.WAITING
    assert parked(small.job(second), State.QUEUED)
    small.run(1200)
    small.check_delivered(first)
    assert service.charges == 1  # 3 + 1 MiB beside the 4 that are there would leave no byte


@pytest.mark.parametrize("fault", [None, {"call": "download", "kind": "close", "at": MIB, "after": True, "first": 1}])
def test_a_result_is_not_begun_for_which_there_is_no_room(
    small: House, service: Sandbox, fault: dict[str, Any] | None,
) -> None:
    """A paid result filled its outbox to the last byte, stayed there, and stopped all others."""
    service.change(seconds=60)
    job_id = small.drop("a.wav", content(4 * MIB))
    small.run(10)
    ballast = fill(small, 3 * MIB)
    if fault:
        service.fault(**fault)
    small.run(600)
    assert parked(small.job(job_id), State.DOWNLOADING)
    assert small.tools.outboxes["podcasts"].free() > 2 * MIB
    ballast.unlink()
    small.finish()
    small.check_delivered(job_id)
    assert service.charges == 1


def test_what_fills_up_while_it_is_fetched_gives_back_what_it_took(
    small: House, service: Sandbox, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Others write into the same disk, or no length is told; their room is not kept by half a result."""
    monkeypatch.setattr("diffio_watch.pipeline.sink.Sink.expect", lambda _, __: None)
    monkeypatch.setattr("diffio_watch.pipeline.sink._LOOK_EVERY", MIB // 2)
    service.change(seconds=60)
    job_id = small.drop("a.wav", content(4 * MIB))
    small.run(10)
    ballast = fill(small, 3 * MIB)
    small.run(100)
    assert parked(small.job(job_id), State.DOWNLOADING)
    assert small.tools.outboxes["podcasts"].free() > 2 * MIB
    ballast.unlink()
    small.finish()
    small.check_delivered(job_id)
