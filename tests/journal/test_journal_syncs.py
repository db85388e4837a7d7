"""Commits that are shared: those that need the disk, and those that leave the sync to others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from journal_jobs import job, now

from diffio_watch.job import Job, State
from diffio_watch.journal import Journal

NORMAL, FULL = "PRAGMA synchronous = NORMAL", "PRAGMA synchronous = FULL"


def told(journal: Journal, act: Callable[[], object]) -> list[str]:
    """What SQLite is told of commits and syncs, and the first thing that each change sets."""
    asked: list[str] = []
    journal._db.set_trace_callback(asked.append)
    try:
        act()
    finally:
        journal._db.set_trace_callback(None)
    return [one.split("SET ")[-1].split(",")[0].split(" WHERE")[0] if one.startswith("UPDATE") else one for one in asked
            if one.startswith(("PRAGMA", "COMMIT", "UPDATE"))]


def waiting(journal: Journal, count: int) -> list[Job]:
    jobs = [job(f"{n}.wav", state=State.WAITING) for n in range(count)]
    journal.jobs.add(jobs)
    return jobs


def test_what_needs_no_sync_is_there_for_everybody_and_leaves_the_sync_to_the_next(
        journal: Journal, tmp_path: Path) -> None:
    one, other = waiting(journal, 2)

    def act() -> None:
        after = journal.jobs.commit(one, polls=1, synced=False)
        with Journal.open(tmp_path, read_only=True) as reader:
            assert now(reader, one.id).polls == 1
        journal.jobs.note_progress(one.id, 50.0)
        journal.jobs.commit(after, polls=2)
        journal.jobs.commit(other, polls=3)

    assert told(journal, act) == [NORMAL, "polls = 1", "COMMIT", "progress = 50.0", "COMMIT",
                                  FULL, "polls = 2", "COMMIT", "polls = 3", "COMMIT"]


def together(journal: Journal, *changes: Callable[[], object]) -> None:
    """Have these come, in this order, while another writes."""
    threads = [threading.Thread(target=change) for change in changes]
    with journal.transaction():
        for count, thread in enumerate(threads, 1):
            thread.start()
            end = time.monotonic() + 10
            while len(journal._shared._waiting) < count:
                assert time.monotonic() < end
                time.sleep(0.001)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_whoever_needs_a_sync_gets_it_whoever_leads(journal: Journal) -> None:
    """Those that need none come along with it only where they are led by one that does."""
    def of(synced: str) -> list[str]:
        jobs = waiting(journal, len(synced))

        def change(number: int) -> Callable[[], object]:
            return lambda: journal.jobs.commit(jobs[number], polls=number + 1, synced=synced[number] == "s")

        return told(journal, lambda: together(journal, *(change(number) for number in range(len(jobs)))))

    alone = ["COMMIT"]  # of the one whom they wait for
    assert of("sns") == [*alone, "polls = 1", "polls = 2", "polls = 3", "COMMIT"]
    assert of("nsn") == [*alone, NORMAL, "polls = 1", "polls = 3", "COMMIT", FULL, "polls = 2", "COMMIT"]
    assert of("nn") == [*alone, NORMAL, "polls = 1", "polls = 2", "COMMIT"]
