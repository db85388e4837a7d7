"""What the outbox tells of one file is found, whatever number and name it has got there."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from outbox_studio import Studio, always

from diffio_watch.job import Job, State
from diffio_watch.outbox import names
from diffio_watch.outbox.recall import Evidence, buyer
from diffio_watch.outbox.root import Root
from diffio_watch.outbox.sidecar import parse, render

LONG = "é" * 110 + " the whole evening, first take, left microphone.wav"


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
        "copy": render(replace(job, state=State.SKIPPED), ("EARLIER", "first.wav")),
        "sent": render(replace(job, state=State.FAILED, idempotency_key="k")),
        "held": render(replace(job, state=State.HELD)),
    }
    assert {name: buyer(parse(data)) for name, data in told.items()} == {
        "delivered": job.id, "copy": "EARLIER", "sent": job.id, "held": None}
