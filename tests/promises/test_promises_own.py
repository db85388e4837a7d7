"""What this program made itself is never bought, by whatever way and under whatever name it comes back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House
from sounds import sound

from diffio_watch.job import Job, State
from diffio_watch.outbox.names import sidecar_path
from diffio_watch.sandbox import Sandbox


def restored(house: House, service: Sandbox, path: str = "talk.wav", *, inbox: str = "podcasts") -> bytes:
    """A recording is delivered; its output, whose content is another one."""
    service.change(restores=True)
    job_id = house.drop(path, inbox=inbox)
    house.finish()
    job = house.job(job_id)
    assert job.state is State.DELIVERED
    content = (house.outbox(inbox) / (job.outputs[0].path or "")).read_bytes()
    assert content != sound(path)
    return content


def skipped(house: House, job_id: str, *words: str) -> Job:
    """It ends so without a call that costs anything, and its sidecar says what it is."""
    house.finish()
    job = house.job(job_id)
    assert job.because is not None
    assert (job.state, job.because.code, job.outputs) == (State.SKIPPED, "own_output", ())
    assert all(word in job.because.message for word in words), job.because.message
    told = json.loads((house.outbox(job.inbox) / sidecar_path(job.path, job.number or 1)).read_bytes())
    assert (told["state"], told["outputs"]) == ("skipped", [])
    assert told["because"]["message"] == job.because.message
    return job


@pytest.mark.parametrize("name", ["talk.restored.wav", "another name.wav", "show/take 2.wav"])
def test_an_output_that_comes_into_an_inbox_is_skipped(house: House, service: Sandbox, name: str) -> None:
    content = restored(house, service)
    before = service.calls
    skipped(house, house.drop(name, content), "It is the restored talk.wav")
    assert service.calls == before  # no project, no upload
    assert service.charges == 1


def test_one_that_people_moved_out_of_the_outbox_is_neither_bought_nor_fetched_again(
    house: House, service: Sandbox,
) -> None:
    restored(house, service)
    (house.outbox() / "talk.restored.wav").rename(house.inbox() / "mine.wav")
    skipped(house, house.place("podcasts", "mine.wav"), "talk.wav")
    assert (service.charges, service.calls["download"]) == (1, 1)


@pytest.mark.parametrize("duplicates", ["skip", "process"])
def test_it_is_known_in_every_inbox_whatever_is_wished_of_copies(
    make_house: MakeHouse, service: Sandbox, duplicates: str,
) -> None:
    house = make_house(inboxes={"podcasts": {}, "radio": {"duplicates": duplicates}})
    content = restored(house, service)
    skipped(house, house.drop("x.wav", content, inbox="radio"), "talk.wav of inbox podcasts")
    assert service.charges == 1


def test_a_person_who_asks_for_it_gets_it_restored_once_more(house: House, service: Sandbox) -> None:
    content = restored(house, service)
    job = skipped(house, house.drop("x.wav", content))
    answer = house.ask("retry", jobs=[job.id])
    assert answer.exit == 1
    assert "retry --fresh" in answer.lines[0]
    assert service.charges == 1
    answer = house.ask("retry", jobs=[job.id], fresh=True)
    assert answer.exit == 0
    house.finish()
    assert service.charges == 2
    (again,) = (one for one in house.journal.jobs.newest({State.DELIVERED}) if one.path == "x.wav")
    # and what that made is known as well
    more = (house.outbox() / (again.outputs[0].path or "")).read_bytes()
    skipped(house, house.drop("y.wav", more), "the restored x.wav")
    assert service.charges == 2


def test_an_output_that_appears_while_its_like_is_uploaded_is_seen_before_it_is_paid_for(
    house: House, service: Sandbox,
) -> None:
    """The last look is when the whole file has travelled."""
    service.change(restores=True, seconds=60)
    house.drop("talk.wav")
    house.work()
    generation = house.journal.jobs.newest()[0].generation_id
    content = sound("talk.wav") + f"restored by {generation}".encode()
    service.fault("part", "status", status=503)
    early = house.drop("early.wav", content)
    house.work()
    assert house.job(early).state is State.UPLOADING
    assert house.journal.jobs.maker(len(content), lambda: "") is None
    house.run(120)
    assert house.job(early).state is State.UPLOADING
    service.calm()
    skipped(house, early, "talk.wav")
    assert service.charges == 1


def test_what_the_service_hands_back_as_it_was_is_a_recording_still(make_house: MakeHouse, service: Sandbox) -> None:
    """Else a copy of that recording in another inbox, whose model is another, would never be restored."""
    house = make_house(inboxes={"podcasts": {}, "radio": {}})
    house.drop("a.wav")
    house.finish()
    assert (house.outbox() / "a.restored.wav").read_bytes() == sound("a.wav")
    other = house.drop("b.wav", sound("a.wav"), inbox="radio")
    house.finish()
    assert house.job(other).state is State.DELIVERED
    assert service.charges == 2


def test_every_output_that_a_job_ever_had_is_known(house: House, service: Sandbox) -> None:
    """Also one of which another take stands in the outbox by now."""
    content = restored(house, service)
    job = house.journal.jobs.newest()[0]
    house.journal.jobs.commit(job, state=State.DOWNLOADING, outputs=())
    assert house.journal.jobs.maker(len(content), lambda: _hash(content)) is not None
    assert house.journal.jobs.maker(len(content), lambda: "0" * 64) is None
    assert house.journal.jobs.maker(len(content) + 1, _never) is None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _never() -> str:
    raise AssertionError("a file was read whose size tells enough")


def test_dropped_again_it_is_the_same_still_and_brings_nothing_back(house: House, service: Sandbox) -> None:
    """Also where what it was made of was taken out of the outbox long ago."""
    content = restored(house, service)
    job = skipped(house, house.drop("x.wav", content))
    (house.outbox() / "talk.restored.wav").unlink()
    (house.inbox() / "x.wav").unlink()
    house.journal.files.vanish("podcasts", ["x.wav"])
    house.drop("x.wav", content)
    house.run(120)
    house.chores()
    house.finish()
    assert house.job(job.id).state is State.SKIPPED
    assert (service.charges, service.calls["download"]) == (1, 1)
    assert not (house.outbox() / "talk.restored.wav").exists()


def test_the_file_itself_stays_where_it_is(house: House, service: Sandbox) -> None:
    content = restored(house, service)
    path: Path = house.inbox() / "x.wav"
    skipped(house, house.drop("x.wav", content, settings={"originals": "delete"}))
    house.chores()
    assert path.read_bytes() == content
