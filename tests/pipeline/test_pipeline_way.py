"""What a file's way costs: what is on the disk before what, and how often the disk is waited for."""

from __future__ import annotations

import errno

import pytest
from pipeline_house import House

from diffio_watch.job import State
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.errors import DiskTrouble
from diffio_watch.outbox.ledger import Ledger
from diffio_watch.pipeline import upload
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.state import Seen


def way(house: House, name: str = "a.wav") -> list[str]:
    """What the journal has of a job after each commit, and each request, in turn."""
    told: list[str] = []

    def committed() -> None:
        (job,) = house.journal.jobs.newest()
        reached = [str(job.state), *(["project"] if job.project_id else []), *(["paid"] if job.paid else []),
                   *(output.state for output in job.outputs)]
        told.append(" ".join(reached) if house.journal._synced else f"({' '.join(reached)})")  # without a sync

    def asked(moment: str, seen: Seen) -> None:
        if moment == "arrived":
            told.append(f"> {seen.call}")

    house.service.watch(asked)
    house.journal.after_commit = committed
    house.drop(name)
    house.finish()
    return told


def test_a_small_file_waits_six_times_for_the_disk(house: House, service: Sandbox) -> None:
    """Before money is spent, before the outbox is written, and before anything gets its final name."""
    service.change(upload="put")
    assert way(house) == [
        "queued",
        "> create_project", "> put", "(generating project)", "generating project paid",
        "> generate", "waiting project paid",
        "> progress", "(downloading project paid)", "> link", "downloading project paid wanted",
        "> download", "downloading project paid fetched",
        "delivered project paid published",
    ]


def test_of_a_large_file_each_step_of_its_upload_is_on_the_disk(
    house: House, service: Sandbox, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that a restart goes on from there."""
    monkeypatch.setattr(upload, "SMALL", 0)
    service.change(upload="put")
    told = way(house)
    assert told[:told.index("> generate")] == [
        "queued", "> create_project", "uploading project", "> put", "generating project", "generating project paid"]


def test_what_was_not_on_the_disk_is_done_again_and_paid_once(house: House, service: Sandbox) -> None:
    """The program ends when a small file has arrived, and nobody has written down that it did."""
    first = house.stop

    def die(moment: str, seen: Seen) -> None:
        if (moment, seen.call) == ("effect", "complete_project_upload"):
            first.set()

    service.change(upload="multipart", part_bytes=1 << 20)
    job_id = house.drop("a.wav")
    house.journal.jobs.commit = lambda job, **_: job  # type: ignore[method-assign]  # the power goes before
    service.watch(die)
    house.worker.drive(house.job(job_id), {State.QUEUED, State.UPLOADING})
    house.restart()
    assert house.job(job_id).state is State.QUEUED
    house.finish()
    house.check_delivered(job_id)
    assert house.calls()["create_project"] == 2
    assert service.charges == 1


def test_what_rested_on_its_way_is_looked_at_again_before_anything_is_bought(house: House, service: Sandbox) -> None:
    """Its folder in the outbox may be in the way by now."""
    service.fault("create_project", "status", status=503)
    job_id = house.drop("day/a.wav")
    house.work()
    assert house.job(job_id).state is State.UPLOADING
    service.calm()
    (house.outbox() / "day").rmdir()
    (house.outbox() / "day").write_text("in the way")
    house.run(3600)
    assert service.charges == 0
    (house.outbox() / "day").unlink()
    house.finish()
    house.check_delivered(job_id)
    assert service.charges == 1


def test_the_one_part_of_a_large_file_is_not_sent_again_after_a_restart(
    house: House, service: Sandbox, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload, "SMALL", 0)
    service.change(upload="multipart", part_bytes=1 << 20)
    service.fault("complete", "status", status=503)
    job_id = house.drop("a.wav")
    house.work()
    service.calm()
    house.restart()
    house.finish()
    house.check_delivered(job_id)
    assert house.calls()["part"] == house.calls()["create_project"] == 1


def test_the_upload_of_a_small_file_that_is_cancelled_on_its_way_is_aborted(house: House, service: Sandbox) -> None:
    """Though nobody has written it down yet."""
    def cancel(moment: str, seen: Seen) -> None:
        if (moment, seen.call) == ("effect", "start"):
            house.journal.jobs.commit(house.job(job_id), state=State.CANCELLED, due_at=None)

    service.change(upload="multipart", part_bytes=1 << 20)
    service.fault("part", "status", status=503)
    job_id = house.drop("a.wav")
    service.watch(cancel)
    house.work()
    upload.release(house.tools, house.dispatcher.holds)
    assert house.job(job_id).state is State.CANCELLED
    assert house.calls()["abort"] == 1
    assert house.tools.sessions.jobs() == []


def test_an_upload_that_is_complete_when_its_small_file_is_cancelled_is_not_aborted(
    house: House, service: Sandbox,
) -> None:
    def cancel(moment: str, seen: Seen) -> None:
        if (moment, seen.call) == ("effect", "complete"):
            house.journal.jobs.commit(house.job(job_id), state=State.CANCELLED, due_at=None)

    service.change(upload="multipart", part_bytes=1 << 20)
    job_id = house.drop("a.wav")
    service.watch(cancel)
    house.work()
    upload.release(house.tools, house.dispatcher.holds)
    assert house.job(job_id).state is State.CANCELLED
    assert "abort" not in house.calls()
    assert house.tools.sessions.jobs() == []
    house.check()


def test_what_is_bought_is_noted_in_the_outbox_before_it_is(house: House, service: Sandbox) -> None:
    """By it whoever goes on with an older copy of the journal knows which content the project holds."""
    noted: list[str] = []

    def asked(moment: str, seen: Seen) -> None:
        if (moment, seen.call) == ("arrived", "generate"):
            noted.extend(entry.sha256 for entry in Outbox(str(house.outbox()), inbox="a", available=lambda: None)
                         .ledger.read() if entry.project == seen.project_id and entry.service == service.base_url)

    service.watch(asked)
    service.fault("generate", "status", status=503, times=1)
    job_id = house.drop("a.wav")
    house.finish()
    assert set(noted) == {house.job(job_id).sha256}
    assert len(noted) == service.calls["generate"] > 1
    house.check_delivered(job_id)


def test_nothing_is_bought_that_can_t_be_noted_for_the_disk_is_full(house: House, service: Sandbox,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise DiskTrouble("no room", errno.ENOSPC)

    job_id = house.drop("a.wav")
    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "note", full)
        house.work()
    assert service.charges == 0
    assert house.job(job_id).state is State.GENERATING
    house.finish()
    house.check_delivered(job_id)
