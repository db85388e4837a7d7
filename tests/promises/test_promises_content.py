"""What is restored is one file from its first byte to its last, whatever takes its place while its upload rests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House
from sounds import sound

from diffio_watch.job import State
from diffio_watch.sandbox import Sandbox

OLD, NEW = sound("old", 0.6), sound("new", 0.6)


def begun(house: House, service: Sandbox) -> str:
    """A job of `OLD` whose upload was cut off by a stop, with three of its parts confirmed."""
    service.fault("part", "status", status=503, where="/parts/4")
    job_id = house.drop("talk.wav", OLD)
    house.work()
    assert len(house.journal.jobs.parts(job_id)) == 3
    service.calm()
    house.close()
    return job_id


def written_over(path: Path, content: bytes) -> None:
    """Another content of the same length in the same file, with the time it had."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert (path.stat().st_ino, path.stat().st_size) == (before.st_ino, before.st_size)


def replaced(path: Path, content: bytes) -> None:
    """Another file of this content under the name, with the time that the old one had."""
    before = path.stat()
    other = path.with_name(".other")
    other.write_bytes(content)
    os.utime(other, ns=(before.st_mtime_ns, before.st_mtime_ns))
    other.rename(path)
    assert (path.stat().st_ino != before.st_ino, path.stat().st_size) == (True, before.st_size)


def settled_again(house: House, job_id: str) -> None:
    """The job saw that its file is another one, nothing was paid, and intake has looked at the file since."""
    house.run(3600)
    job = house.job(job_id)
    assert job.because is not None
    assert (job.state, job.because.code, job.project_id) == (State.QUEUED, "changed", None)
    assert house.looked == ["talk.wav"]
    assert house.service.charges == 0
    assert house.place("podcasts", "talk.wav") == job_id


def restored(house: House) -> set[str | None]:
    """The hashes of all contents that were paid for."""
    return {house.service.sha256(project["id"]) for project in house.service.projects() if project["charges"]}


@pytest.mark.parametrize("change", [written_over, replaced])
def test_an_upload_that_rested_is_not_finished_with_another_content(
    house: House, service: Sandbox, change: Callable[[Path, bytes], None],
) -> None:
    job_id = begun(house, service)
    change(house.inbox() / "talk.wav", NEW)
    house.open()
    settled_again(house, job_id)
    house.finish()
    house.check_delivered(job_id)
    assert restored(house) == {hashlib.sha256(NEW).hexdigest()}


def test_where_inode_numbers_mean_nothing_the_parts_are_compared_by_their_content(
    house: House, service: Sandbox,
) -> None:
    job_id = begun(house, service)
    replaced(house.inbox() / "talk.wav", NEW)
    house.open()
    house.journal.jobs.commit(house.job(job_id), inode=None)
    settled_again(house, job_id)
    house.finish()
    house.check_delivered(job_id)


def test_an_original_is_deleted_only_if_all_of_it_was_restored(make_house: MakeHouse, service: Sandbox) -> None:
    house = make_house(inboxes={"podcasts": {"originals": "delete"}})
    job_id = begun(house, service)
    written_over(house.inbox() / "talk.wav", NEW)
    house.open()
    house.run(3600)
    house.chores()
    assert (house.inbox() / "talk.wav").read_bytes() == NEW
    house.place("podcasts", "talk.wav")
    house.finish()
    house.chores()
    assert list(house.inbox().iterdir()) == []
    assert house.job(job_id).original == "deleted"
    assert (house.outbox() / "talk.restored.wav").read_bytes() == NEW


def test_a_copy_of_itself_under_the_name_is_sent_once_more_and_paid_for_once(house: House, service: Sandbox) -> None:
    """A program that saves by replacing: another inode, the same content and time."""
    job_id = begun(house, service)
    replaced(house.inbox() / "talk.wav", OLD)
    house.open()
    settled_again(house, job_id)
    house.finish()
    house.check_delivered(job_id)
    assert house.projects_of("talk.wav") == 2


def test_an_upload_goes_on_after_intake_took_note_of_a_copy_of_itself(house: House, service: Sandbox) -> None:
    job_id = begun(house, service)
    path = house.inbox() / "talk.wav"
    replaced(path, OLD)
    house.open()
    found = path.stat()
    house.journal.files.touch("podcasts", "talk.wav", size=found.st_size, mtime_ns=found.st_mtime_ns,
                              inode=found.st_ino)
    house.finish()
    house.check_delivered(job_id)
    assert house.projects_of("talk.wav") == 1


def test_a_file_that_was_renamed_while_its_upload_rested_goes_on_with_it(house: House, service: Sandbox) -> None:
    job_id = begun(house, service)
    (house.inbox() / "talk.wav").rename(house.inbox() / "speech.wav")
    house.open()
    house.journal.files.move("podcasts", [("talk.wav", "speech.wav")])
    house.finish()
    house.check_delivered(job_id)
    assert len(service.projects()) == 1


def test_an_upload_that_was_complete_before_a_stop_is_known_by_what_was_sent(house: House, service: Sandbox) -> None:
    """All parts are confirmed, and the file is replaced before its hash is in the journal."""
    service.fault("complete_project_upload", "status", status=503)
    job_id = house.drop("talk.wav", OLD)
    house.work()
    assert len(house.journal.jobs.parts(job_id)) == 5
    service.calm()
    house.close()
    written_over(house.inbox() / "talk.wav", NEW)
    house.open()
    settled_again(house, job_id)
    house.finish()
    house.check_delivered(job_id)
    assert restored(house) == {hashlib.sha256(NEW).hexdigest()}
