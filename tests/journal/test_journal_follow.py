"""A job follows its file: away, back, renamed over, replaced and put back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from diffio_watch.job import Job, Settings, State
from diffio_watch.journal import Journal
from diffio_watch.journal.records import Found
from diffio_watch.reasons import because


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path, create=True) as opened:
        yield opened


def _found(path: str, content: str, *, mtime_ns: int = 1) -> Found:
    now = time.time()
    return Found(path, len(content), mtime_ns, Settings(), now, partial=content, sha256=content)


def _place(journal: Journal, path: str, content: str, *, mtime_ns: int = 1) -> Job:
    (placed,) = journal.files.place("in", [_found(path, content, mtime_ns=mtime_ns)], batch_limit=None)
    job = journal.jobs.get(placed.job_id)
    assert job is not None
    return job


def _now(journal: Journal, job: Job) -> Job:
    found = journal.jobs.get(job.id)
    assert found is not None
    return found


def test_a_held_file_that_leaves_and_comes_back_is_held_again(journal: Journal) -> None:
    job = _place(journal, "a.wav", "aaa")
    journal.jobs.commit(job, state=State.HELD, because=because("unproven"), due_at=None)
    journal.files.vanish("in", ["a.wav"])
    assert _now(journal, job).state is State.CANCELLED
    back = _place(journal, "a.wav", "aaa", mtime_ns=2)
    assert (back.id, back.state, back.because and back.because.code) == (job.id, State.HELD, "unproven")


def test_a_hold_that_ends_by_itself_does_so_after_its_file_left_and_came_back_too(journal: Journal) -> None:
    """With its own words, and its time: a hold without one waits for a person for ever."""
    job = _place(journal, "a.wav", "aaa")
    why = because("daily_limit", detail="`daily_files` is 3", job=job.id)
    journal.jobs.commit(job, state=State.HELD, because=why, due_at=77.0)
    journal.files.vanish("in", ["a.wav"])
    back = _place(journal, "a.wav", "aaa", mtime_ns=2)
    assert (back.id, back.state, back.because, back.due_at) == (job.id, State.HELD, why, 77.0)


def test_what_left_while_an_earlier_program_held_it_is_held_again(journal: Journal) -> None:
    """It noted the reason's code alone."""
    job = _place(journal, "a.wav", "aaa")
    journal.jobs.commit(job, state=State.CANCELLED, because=because("vanished"), due_at=None,
                        stage="was held: drop_size")
    back = _place(journal, "a.wav", "aaa", mtime_ns=2)
    assert (back.state, back.because and back.because.code) == (State.HELD, "drop_size")


def test_a_queued_file_that_leaves_and_comes_back_is_the_same_job_queued(journal: Journal) -> None:
    job = _place(journal, "a.wav", "aaa")
    journal.files.vanish("in", ["a.wav"])
    back = _place(journal, "a.wav", "aaa", mtime_ns=2)
    assert (back.id, back.state, back.due_at) == (job.id, State.QUEUED, 0.0)


def test_what_is_renamed_over_ends_without_noise(journal: Journal) -> None:
    over, under = _place(journal, "a.wav", "aaa"), _place(journal, "b.wav", "bbb")
    journal.files.move("in", [("a.wav", "b.wav")])
    assert _now(journal, over).path == "b.wav"
    gone = _now(journal, under)
    assert (gone.state, gone.because and gone.because.code) == (State.CANCELLED, "vanished")


def test_files_that_change_names_with_each_other_keep_their_jobs(journal: Journal) -> None:
    one, two = _place(journal, "a.wav", "aaa"), _place(journal, "b.wav", "bbb")
    journal.files.move("in", [("a.wav", "b.wav"), ("b.wav", "a.wav")])
    assert [(_now(journal, job).path, _now(journal, job).state) for job in (one, two)] == [
        ("b.wav", State.QUEUED), ("a.wav", State.QUEUED)]


def test_a_content_in_between_ends_when_the_old_one_is_put_back(journal: Journal) -> None:
    old = _place(journal, "a.wav", "aaa")
    for state in (State.UPLOADING, State.GENERATING, State.WAITING, State.DOWNLOADING, State.DELIVERED):
        old = journal.jobs.commit(old, state=state, intent_at=1.0, uploaded=True)
    between = _place(journal, "a.wav", "bbb", mtime_ns=2)
    assert between.id != old.id
    assert _place(journal, "a.wav", "aaa", mtime_ns=3).id == old.id
    assert _now(journal, between).state is State.CANCELLED


def test_a_refused_file_is_told_with_commands_that_can_be_pasted(journal: Journal) -> None:
    found = replace(_found("a.wav", "aaa"), fail=because("not_media"))
    (placed,) = journal.files.place("in", [found], batch_limit=None)
    job = journal.jobs.get(placed.job_id)
    assert job is not None
    assert job.because is not None
    assert f"`diffio-watch retry --as-is {job.id}`" in job.because.action
