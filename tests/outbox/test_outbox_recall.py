"""What the outbox tells of one file is found, whatever number and name it has got there."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from outbox_studio import Studio, always

from diffio_watch.job import Because, Job, Media, Settings, State
from diffio_watch.outbox import names
from diffio_watch.outbox.root import Root
from diffio_watch.outbox.sidecar import NotASidecar, parse, render
from diffio_watch.outbox.sidecar_reader import Evidence, buyer, recall

EARLIER = "01J" + "0" * 23
LONG = "é" * 110 + " the whole evening, first take, left microphone.wav"


NOW = 1_800_000_000.0


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def evidence(studio: Studio, clock: Clock) -> Evidence:
    return Evidence(Root(str(studio.root), always), clock)


def put(studio: Studio, path: str, number: int = 1) -> Job:
    """A sidecar of a delivered job of the file at `path`."""
    job = replace(studio.job(path), state=State.DELIVERED, number=number, generation_id="g")
    target = studio.root / names.sidecar_path(path, number)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(render(job))
    return job


def jobs(evidence: Evidence, path: str) -> list[str]:
    return [found.job for found in evidence.of(path)]


@pytest.mark.parametrize("path", ["talk.wav", "show 12/talk (3).wav", f"deep/{LONG}", "odd\n name.wav"])
@pytest.mark.parametrize("numbers", [[1], [2], [1, 7, 30]])
def test_every_sidecar_of_a_file_is_found_whichever_numbers_are_missing(
    studio: Studio, evidence: Evidence, path: str, numbers: list[int],
) -> None:
    put(studio, path + ".wav", 2)
    put(studio, f"x{path}".replace("/", "-"), 2)
    assert jobs(evidence, path) == []
    evidence = Evidence(Root(str(studio.root), always))
    made = [put(studio, path, number).id for number in numbers]
    assert jobs(evidence, path) == made


def test_its_error_file_is_found(studio: Studio, evidence: Evidence) -> None:
    job = replace(studio.job("talk.wav"), state=State.FAILED)
    studio.outbox().write_error(job)
    assert jobs(evidence, "talk.wav") == [job.id]


def test_a_server_that_changes_case_hides_none(studio: Studio, evidence: Evidence) -> None:
    job = put(studio, "talk.wav", 2)
    (studio.root / "talk.wav (2).json").rename(studio.root / "TALK.WAV (2).JSON")
    assert jobs(evidence, "talk.wav") == [job.id]


def test_what_is_no_sidecar_of_the_file_is_passed_over(studio: Studio, evidence: Evidence) -> None:
    (studio.root / "talk.wav.json").write_text("{}")
    (studio.root / "talk.wav (2).json").write_bytes(render(replace(studio.job("other.wav"), state=State.DELIVERED)))
    (studio.root / "talk.wav (3).json").mkdir()
    (studio.root / "talk.wav (4).json").symlink_to("talk.wav (2).json")
    assert jobs(evidence, "talk.wav") == []
    assert jobs(evidence, "away/talk.wav") == []


def test_a_folder_of_many_files_is_listed_once_a_minute_and_not_for_each(
    studio: Studio, evidence: Evidence, clock: Clock, monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed: list[int] = []
    listdir = os.listdir

    def spied(folder: int) -> list[str]:
        listed.append(folder)
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", spied)
    for number in range(100):
        assert jobs(evidence, f"{number}.wav") == []
    assert len(listed) == 1
    plain, second = put(studio, "7.wav"), put(studio, "8.wav", 2)
    assert jobs(evidence, "7.wav") == [plain.id]
    clock.now += 61
    assert jobs(evidence, "8.wav") == [second.id]
    assert len(listed) == 2


def test_who_bought_is_the_earlier_job_of_a_copy_and_nobody_before_anything_was_sent(studio: Studio) -> None:
    job = studio.job("talk.wav")
    told = {
        "delivered": render(replace(job, state=State.DELIVERED, generation_id="g")),
        "copy": render(replace(job, state=State.SKIPPED), replace(job, id=EARLIER, path="first.wav")),
        "sent": render(replace(job, state=State.FAILED, idempotency_key="k")),
        "held": render(replace(job, state=State.HELD)),
    }
    assert {name: buyer(parse(data)) for name, data in told.items()} == {
        "delivered": job.id, "copy": EARLIER, "sent": job.id, "held": None}


def recalled(studio: Studio, **told: object) -> Job:
    """What becomes of a sidecar whose dates or numbers somebody set, by their place in it."""
    job = replace(studio.job("talk.wav"), state=State.DELIVERED, generation_id="g", idempotency_key="k",
                  media=Media("Wave", 1.0, has_video=False), generated_at=4.0)
    shape = json.loads(render(job))
    for place, value in told.items():
        inner = shape
        *above, last = place.split("__")
        for key in above:
            inner = inner[key]
        inner[last] = value
    return recall(parse(json.dumps(shape).encode()), "talk.wav.json", "podcasts", Settings(), now=NOW)


@pytest.mark.parametrize("date", ["2026-02-30T25:61:61Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z",
                                  "2026-01-01T00:00:00.Z".replace(".Z", "." + "9" * 5000 + "Z")])
def test_a_date_that_can_not_be_is_left_out_and_none_is_in_the_future(studio: Studio, date: str) -> None:
    job = recalled(studio, source__modified_at=date, times__delivered_at=date, times__generated_at=date,
                   times__detected_at=date)
    assert -(1 << 63) <= job.mtime_ns < 1 << 63
    for at in (job.delivered_at, job.generated_at, job.detected_at, job.intent_at):
        assert at is not None
        assert 0 <= at <= NOW
    assert job.paid


@pytest.mark.parametrize(("place", "value"), [
    ("source__media__duration_s", 1e300), ("source__media__duration_s", -5.0),
    ("source__media__duration_s", float("nan")), ("source__media__duration_s", float("inf"))])
def test_a_length_that_can_not_be_is_not_known(studio: Studio, place: str, value: float) -> None:
    media = recalled(studio, **{place: value}).media
    assert media is not None
    assert media.duration_s is None


@pytest.mark.parametrize(("place", "value"), [
    ("source__size", 1 << 63), ("run", 1 << 64), ("attempts", 1 << 64), ("source__path", "a\0b.wav"),
    ("source__path", "x" * 2000), ("source__path", "/".join(["x" * 200] * 30)), ("source__path_hex", "610062"),
    ("source__path_hex", "ff" * 5000), ("duplicate_of", {"job": "0", "path": "x.wav"})])
def test_what_no_disk_and_no_journal_can_hold_is_no_sidecar(studio: Studio, place: str, value: object) -> None:
    with pytest.raises(NotASidecar):
        recalled(studio, **{place: value})


def test_a_reason_of_another_version_is_one_that_this_one_knows(studio: Studio) -> None:
    held = replace(studio.job("talk.wav"), state=State.HELD, because=Because("moon_phase", "It is full.", "Wait."))
    job = recall(parse(render(held)), "talk.wav.error.json", "podcasts", Settings(), now=NOW)
    assert job.because is not None
    assert (job.because.code, job.because.message) == ("unproven", "It is full.")
