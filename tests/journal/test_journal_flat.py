"""What the daemon asks and commits all day costs the same in a journal of many ended jobs as in one of few.

Counted are the steps of SQLite's machine: each row that a statement looks at takes several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from journal_jobs import HandClock, found, job

from diffio_watch.job import OPEN, TRANSITIONS, Because, Job, Output, State
from diffio_watch.journal import Journal
from diffio_watch.journal.turns import IN_FLIGHT

Ask = Callable[[Journal], object]

_FEW, _MANY = 60, 600
_WHY = Because("rejected", "The service refused it.", "Nothing to do.")
_NOW = 1_800_000_000.0
_HERE = "https://here.example"
_EACH = ("in", "other")


def _ended(number: int) -> Job:
    """One of the many: most are delivered, each fifth is another's copy, went away, or failed and was taken out."""
    inbox, path = _EACH[number % 2], f"past/{number}.wav"
    if number % 15 == 0:
        return job(path, inbox=inbox, state=State.SKIPPED, because=Because("duplicate", "m", "a"), due_at=None)
    if number % 15 == 5:
        return job(path, inbox=inbox, state=State.CANCELLED, because=Because("vanished", "m", "a"), due_at=None)
    return job(path, inbox=inbox, state=State.DELIVERED, due_at=None, sha256=f"{number:064x}", partial=f"{number:032x}",
               size=1000 + number, intent_at=1.0 + number, generation_id=f"g{number}", project_id=f"p{number}",
               uploaded=True, model_key="k", generated_at=1.0 + number, waited=1.0, completed_at=2.0 + number,
               delivered_at=3.0 + number,
               outputs=(Output("audio", "published", f"{path}.mp3", 70_000 + number, f"{number + 10**9:064x}"),))


def _other() -> list[Job]:
    """What is not at its end, or waits for a person: as much in either."""
    return [job(f"{inbox}/{state}/{number}.wav", inbox=inbox, state=state, due_at=number * _NOW, base_url=_HERE,
                intent_at=None if state in {State.QUEUED, State.UPLOADING} else 5.0,
                because=None if state in OPEN else _WHY)
            for inbox in _EACH for state in (*sorted(OPEN), State.HELD, State.FAILED) for number in range(3)]


def _filled(folder: Path, ended: int) -> Journal:
    folder.mkdir()
    journal = Journal.open(folder, HandClock(), create=True)
    with journal.transaction() as db:
        jobs = [*(_ended(number) for number in range(ended)), *_other()]
        journal.jobs.add(jobs)
        db.execute("INSERT INTO files SELECT inbox, path, size, mtime_ns, inode, id, 0 FROM jobs "
                   "WHERE state != 'cancelled'")
        db.executemany("INSERT INTO requests (command, args, at, answer) VALUES ('retry', '{}', 1.0, '{}')",
                       [()] * ended)
    return journal


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Journal, Journal]]:
    """A journal of few ended jobs, and one of ten times as many."""
    folder = tmp_path_factory.mktemp("flat")
    with ExitStack() as stack:
        yield (stack.enter_context(_filled(folder / "few", _FEW)), stack.enter_context(_filled(folder / "many", _MANY)))


def steps(journal: Journal, ask: Ask) -> int:
    """How many steps SQLite's machine takes for a call."""
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1

    both = (journal._db, journal._reader)  # who writes, and who only looks something up
    for db in both:
        db.set_progress_handler(count, 1)
    try:
        ask(journal)
    finally:
        for db in both:
            db.set_progress_handler(None, 0)
    assert taken > 0
    return taken


_ASKED: dict[str, Ask] = {
    "due queued": lambda journal: journal.schedule.due({State.QUEUED}, "in", _NOW, 5),
    "due waiting": lambda journal: journal.schedule.due({State.WAITING}, "in", _NOW, 5),
    "due and paid": lambda journal: journal.schedule.due({State.DOWNLOADING}, "in", _NOW, 5, paid=True),
    "oldest": lambda journal: journal.schedule.oldest(State.WAITING, [("in", True), ("other", False)], 5, _HERE),
    "goes on": lambda journal: journal.schedule.goes_on(State.QUEUED, "in", _NOW, paid=True),
    "next due": lambda journal: journal.schedule.next_due(_NOW),
    "pull in": lambda journal: journal.schedule.pull_in(9 * _NOW, 9 * _NOW),
    "bring forward": lambda journal: journal.schedule.bring_forward({"disk"}, _NOW),
    "stranded": lambda journal: journal.schedule.stranded("in"),
    "wishes": lambda journal: journal.jobs.wishes("in"),
    "held until": lambda journal: journal.schedule.held_until("in", _NOW),
    "own output": lambda journal: journal.jobs.maker(70_007, lambda: "?"),
    "twins": lambda journal: journal.jobs.twins(journal.jobs.at("in", "past/2.wav")[0]),
    "at a path": lambda journal: journal.jobs.at("in", "past/2.wav"),
    "history": lambda journal: journal.jobs.history(journal.jobs.at("in", "past/2.wav")[0].id),
    "generation": lambda journal: journal.jobs.knows_generation("g7"),
    "project of a generation": lambda journal: journal.jobs.project_of("g7"),
    "any in an inbox": lambda journal: journal.jobs.any_in("in"),
    "newest": lambda journal: journal.jobs.newest(limit=9),
    "newest delivered": lambda journal: journal.jobs.newest({State.DELIVERED}, limit=9),
    "newest delivered of an inbox": lambda journal: journal.jobs.newest({State.DELIVERED}, "in", limit=9),
    "newest of an inbox": lambda journal: journal.jobs.newest(None, "in", 9),
    "newest of an inbox in two states": lambda journal: journal.jobs.newest({State.DELIVERED, State.FAILED}, "in", 9),
    "newest of no inbox": lambda journal: journal.jobs.newest({State.DELIVERED}, "gone", 9),
    "newest that run": lambda journal: journal.jobs.newest(OPEN - {State.QUEUED}, limit=15),
    "newest that failed": lambda journal: journal.jobs.newest({State.FAILED}),
    "newest held of an inbox": lambda journal: journal.jobs.newest({State.HELD}, "in"),
    "newest of a reason": lambda journal: journal.jobs.newest({State.FAILED}, reasons={"rejected"}),
    "newest whose original is stuck": lambda journal: journal.jobs.newest(original="stuck"),
    "by state": lambda journal: journal.totals.by_state(),
    "in flight": lambda journal: journal.totals.in_flight(),
    "under way": lambda journal: journal.totals.under_way(IN_FLIGHT, _EACH, _HERE, parks=3),
    "spent today": lambda journal: journal.totals.spent_between(_NOW, 2 * _NOW),
    "how long generations took": lambda journal: journal.totals.took("k", 20),
    "undelivered": lambda journal: journal.totals.undelivered(_EACH, "x"),
    "left over": lambda journal: journal.totals.left_over(["in"]),
    "oldest open": lambda journal: journal.totals.oldest_open(),
    "originals": lambda journal: journal.chores.pending_originals("in", _NOW),
    "error files that are due": lambda journal: journal.chores.notices_due("in", _NOW),
    "error files that go": lambda journal: journal.chores.notices_stale("in"),
    "a held drop": lambda journal: journal.chores.held_drop("in"),
    "a drop that is decided": lambda journal: journal.drops.decide("in", [1.0]),
    "failures": lambda journal: journal.overview.failures(),
    "groups": lambda journal: journal.overview.groups(),
    "still empty": lambda journal: journal.overview.still_empty(),
    "stuck originals": lambda journal: journal.overview.stuck_originals(),
    "requests": lambda journal: journal.requests.unanswered(),
    "what stands at a path": lambda journal: journal.files.known_at("in", "past/2.wav"),
}


@pytest.mark.parametrize("name", _ASKED)
def test_no_question_looks_at_more_rows_where_more_jobs_have_ended(both: tuple[Journal, Journal], name: str) -> None:
    few, many = both
    assert steps(many, _ASKED[name]) <= steps(few, _ASKED[name])


def test_no_commit_of_a_jobs_way_looks_at_more_rows_where_more_jobs_have_ended(both: tuple[Journal, Journal]) -> None:
    few, many = (_way(journal) for journal in both)
    assert many == few


_WAY: list[dict[str, Any]] = [
    {"state": State.UPLOADING, "sha256": "new"}, {"project_id": "pn"}, {"state": State.GENERATING, "uploaded": True},
    {"intent_at": 5.0, "body": "{}"}, {"state": State.WAITING, "generation_id": "gn"},
    {"state": State.DOWNLOADING, "number": 1, "reserve": ("new.mp3", "new.wav.json")},
    {"state": State.DELIVERED, "outputs": (Output("audio", "published", "new.mp3", 5, "made"),)},
]


def _way(journal: Journal) -> list[int]:
    """The steps of each commit from the inbox to the outbox."""
    file = found("new.wav", "new", read=False, detected_at=journal.clock.now())
    taken = [steps(journal, lambda journal: journal.files.place("in", [file], batch_limit=5))]
    for changes in _WAY:
        (one,) = journal.jobs.at("in", "new.wav")
        taken.append(steps(journal, partial(_commit, one, changes)))
    return taken


def _commit(one: Job, changes: dict[str, Any], journal: Journal) -> None:
    journal.jobs.commit(one, **changes)


def test_what_is_counted_as_it_happens_is_what_counting_all_of_them_tells(journal: Journal) -> None:
    """Through each step that the states allow, and where a rebuild puts a row in another's place."""
    for before, allowed in TRANSITIONS.items():
        for after in sorted(allowed):
            one = job(f"{before} {after}.wav", state=before)
            journal.jobs.add([one])
            journal.jobs.commit(one, state=after)
    learned = job("learned.wav", state=State.WAITING)
    journal.restore.learn(learned, "")
    journal.restore.learn(replace(learned, state=State.DELIVERED), "")
    rows = journal._db.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()
    assert {state: count for state, count in journal.totals.by_state().items() if count} == dict(rows)
