"""Threads that commit at the same time share one sync, and nobody else's trouble; who only reads waits for none."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from journal_jobs import job

from diffio_watch.job import Job
from diffio_watch.journal import Journal, JournalTrouble, Stale

_PATIENCE = 20.0


class Crowd:
    """Threads that come to commit while another one's commit is on its way to the disk."""

    def __init__(self, journal: Journal, pool: ThreadPoolExecutor) -> None:
        self.journal = journal
        self.commits = 0
        self._pool = pool
        self._held = threading.Event()
        self._go = threading.Event()
        journal.before_commit = self._hold

    def _hold(self) -> None:
        self.commits += 1
        self._held.set()
        assert self._go.wait(_PATIENCE)

    def come(self, works: list[Callable[[], object]]) -> list[Future[object]]:
        """The first is in its commit when the others come; what became of each."""
        first = self._pool.submit(works[0])
        assert self._held.wait(_PATIENCE)
        others = [self._pool.submit(work) for work in works[1:]]
        shared = self.journal._shared
        while len(shared._waiting) < len(others):
            assert not any(other.done() for other in others)
            threading.Event().wait(0.001)
        self._go.set()
        for one in (first, *others):
            one.exception(_PATIENCE)
        return [first, *others]


@pytest.fixture
def crowd(journal: Journal) -> Iterator[Crowd]:
    with ThreadPoolExecutor(16) as pool:
        yield Crowd(journal, pool)


def jobs(journal: Journal, count: int) -> list[Job]:
    found = [job(f"{number}.wav") for number in range(count)]
    journal.jobs.add(found)
    return found


def sent(crowd: Crowd, one: Job, project: str) -> Callable[[], object]:
    return lambda: crowd.journal.jobs.commit(one, project_id=project)


def test_who_comes_while_another_commits_shares_the_next_commit(journal: Journal, crowd: Crowd) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "before_commit", lambda: None)
        made = jobs(journal, 10)
    done = crowd.come([sent(crowd, one, f"p{number}") for number, one in enumerate(made)])
    assert [one.exception() for one in done] == [None] * 10
    assert {found.project_id for found in journal.jobs.newest()} == {f"p{number}" for number in range(10)}
    assert crowd.commits == 2


def test_one_that_comes_too_late_spoils_nobody_elses_commit(journal: Journal, crowd: Crowd) -> None:
    """Its row was changed since it was read: nothing of it is written, and all of the others'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "before_commit", lambda: None)
        made = jobs(journal, 5)
        journal.jobs.commit(made[3], due_at=7.0)
    done = crowd.come([sent(crowd, one, "sent") for one in made])
    assert [type(one.exception()) for one in done] == [type(None), type(None), type(None), Stale, type(None)]
    assert {found.path: found.project_id for found in journal.jobs.newest()} == {
        **{f"{number}.wav": "sent" for number in range(5)}, "3.wav": None}


def test_a_disk_that_refuses_is_everybodys_trouble(journal: Journal, crowd: Crowd) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "before_commit", lambda: None)
        made = jobs(journal, 4)
    hold = crowd.journal.before_commit

    def full() -> None:
        hold()
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error

    crowd.journal.before_commit = full
    done = crowd.come([sent(crowd, one, "sent") for one in made])
    assert [type(one.exception()) for one in done] == [JournalTrouble] * 4
    assert {found.project_id for found in journal.jobs.newest()} == {None}
    crowd.journal.before_commit = lambda: None
    assert journal.jobs.commit(made[0], project_id="sent").project_id == "sent", "the next one tries again"


def test_who_only_looks_something_up_waits_for_no_commit(journal: Journal) -> None:
    """It sees what was committed last."""
    (made,) = jobs(journal, 1)
    seen: list[Job | None] = []
    journal.before_commit = lambda: seen.append(
        ThreadPoolExecutor(1).submit(journal.jobs.get, made.id).result(_PATIENCE))
    after = journal.jobs.commit(made, project_id="p")
    assert seen == [made]
    assert journal.jobs.get(made.id) == after


def test_who_keeps_others_out_commits_for_itself(journal: Journal) -> None:
    """Whoever leads would wait for it, and it for whoever leads."""
    made = jobs(journal, 2)
    with ThreadPoolExecutor(1) as pool, journal.alone():
        other = pool.submit(journal.jobs.commit, made[1], project_id="other")
        journal.jobs.commit(made[0], project_id="mine")
    assert other.result(_PATIENCE).project_id == "other"
    assert {found.project_id for found in journal.jobs.newest()} == {"mine", "other"}
