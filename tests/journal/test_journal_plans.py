"""What is asked every second or at each file is answered by an index, however many jobs there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from journal_jobs import HandClock, found, job

from diffio_watch.job import Job, Media, Output, State
from diffio_watch.journal import Journal
from diffio_watch.journal.totals import Took

Ask = Callable[[Journal], object]


def plans(journal: Journal, ask: Ask) -> dict[str, list[str]]:
    """How SQLite goes about each statement about jobs that a call makes, by the statement."""
    asked: list[str] = []
    for connection in (journal._db, journal._reader):
        connection.set_trace_callback(asked.append)
    try:
        ask(journal)
    finally:
        for connection in (journal._db, journal._reader):
            connection.set_trace_callback(None)
    return {statement: [row["detail"] for row in journal._db.execute(f"EXPLAIN QUERY PLAN {statement}")]
            for statement in asked if statement.startswith(("SELECT", "UPDATE"))}


@pytest.mark.parametrize(("ask", "indexes"), [
    (lambda journal: journal.schedule.due({State.QUEUED}, "in", 1.0, 5), {"jobs_due"}),
    (lambda journal: journal.schedule.due({State.GENERATING}, "in", 1.0, 5, paid=True), {"jobs_due"}),
    (lambda journal: journal.schedule.goes_on(State.QUEUED, "in", 1.0, paid=False), {"jobs_due"}),
    (lambda journal: journal.chores.pending_originals("in", 1.0), {"jobs_original"}),
    (lambda journal: journal.schedule.stranded("in"), {"jobs_due"}),
    (lambda journal: journal.files.changed("in"), {"jobs_due"}),
    (lambda journal: journal.chores.notices_stale("in"), {"jobs_error_file", "jobs_place"}),
    (lambda journal: journal.overview.failures(limit=5), {"jobs_state"}),
    (lambda journal: journal.overview.still_empty(), {"jobs_notice"}),
    (lambda journal: journal.files.place("in", [found("b.wav", "b")], batch_limit=5),
     {"jobs_created", "jobs_detected"}),
    (lambda journal: journal.files.place("in", [found("b.wav", "b")], batch_limit=0), {"jobs_due"}),
    (lambda journal: journal.totals.took("diffio-4.6-flash", 50), {"jobs_took"}),
    (lambda journal: journal.schedule.due({State.WAITING}, "in", 1.0, 5), {"jobs_next"}),
    (lambda journal: journal.schedule.next_due(1.0), {"jobs_next"}),
    (lambda journal: journal.totals.oldest_open(), {"jobs_state"}),
    (lambda journal: journal.totals.open_in("in"), {"jobs_due"}),
    (lambda journal: journal.overview.moving(50), {"jobs_state"}),
    (lambda journal: journal.overview.delivered(1.0, 2.0, 50), {"jobs_delivered"}),
    (lambda journal: journal.overview.delivered_between(1.0, 2.0), {"jobs_delivered"}),
    (lambda journal: journal.overview.named("a.wav", 5), {"jobs_name"}),
    (lambda journal: journal.overview.members(State.FAILED, "empty", "in", seen=9, after=0, limit=100),
     {"jobs_reason", "history_job"}),
], ids=["due", "due and paid", "goes on", "originals", "stranded", "changed", "stale notices",
        "failures", "empty", "guard", "hold", "took", "due waiting", "next due",
        "oldest", "open in", "moving", "delivered", "delivered between", "named", "members"])
def test_no_walk_through_all_jobs_and_no_sort_of_them(journal: Journal, ask: Ask, indexes: set[str]) -> None:
    journal.jobs.add([job()])
    told = plans(journal, ask)
    steps = [step for plan in told.values() for step in plan]
    few = "SCAN jobs USING INDEX jobs_notice"  # what has no error file yet: all of these are meant
    assert not [step for step in steps if step.startswith(("SCAN jobs", "USE TEMP B-TREE")) and step != few], told
    assert all(any(f"INDEX {index} " in f"{step} " for step in steps) for index in indexes), told


def test_what_needs_somebody_is_counted_in_its_own_index(journal: Journal) -> None:
    """Its rows are no more than that; the rest of the plan is about what settles and what has no error file yet."""
    journal.jobs.add([job()])
    for statement, plan in plans(journal, lambda journal: journal.overview.groups()).items():
        walks = [step for step in plan if step.startswith("SCAN jobs") and "jobs_notice" not in step]
        assert not walks, statement
        if "GROUP BY state" in statement:
            assert plan == ["SEARCH jobs USING INDEX jobs_kinds (state=?)"]


def test_how_many_are_under_way_is_counted_in_an_index_alone(journal: Journal) -> None:
    """Thousands may wait, and it is asked each time that a thread is free."""
    told = plans(journal, lambda journal: journal.totals.under_way({State.WAITING}, ["in"], "https://x", parks=3))
    steps = [step for plan in told.values() for step in plan if "jobs" in step]
    assert sorted(step.split(" (")[0] for step in steps) == [
        "SEARCH jobs USING COVERING INDEX jobs_next", "SEARCH jobs USING INDEX jobs_reason"]


def test_who_waits_longer_is_not_looked_at_for_those_whose_turn_it_is(journal: Journal, clock: HandClock) -> None:
    def steps() -> int:
        taken = 0

        def count() -> None:
            nonlocal taken
            taken += 1

        journal._db.set_progress_handler(count, 1)
        assert [one.path for one in journal.schedule.due({State.WAITING}, "in", clock.at, 5)] == ["b.wav", "a.wav"]
        assert journal.schedule.next_due(clock.at) == clock.at + 1
        journal._db.set_progress_handler(None, 0)
        return taken

    journal.jobs.add([job("a.wav", state=State.WAITING, due_at=clock.at), job("b.wav", state=State.WAITING, due_at=1.0),
                      job("c.wav", state=State.WAITING, due_at=clock.at + 1)])
    few = steps()
    journal.jobs.add([job(f"{n}.wav", state=State.WAITING, due_at=clock.at + 2 + n) for n in range(300)])
    assert steps() == few


def test_a_file_is_not_held_against_every_content_of_its_size(journal: Journal) -> None:
    """Recordings of one length are of one size, and so is what comes of them."""
    def steps() -> int:
        taken = 0

        def count() -> None:
            nonlocal taken
            taken += 1

        for connection in (journal._db, journal._reader):
            connection.set_progress_handler(count, 1)
        assert journal.jobs.maker(5, lambda: "new") is None
        for connection in (journal._db, journal._reader):
            connection.set_progress_handler(None, 0)
        return taken

    def delivered(number: int) -> Job:
        return replace(job(f"{number}.wav", state=State.DELIVERED), outputs=(
            Output("audio", "published", f"{number}.mp3", 5, f"s{number}"),))

    journal.jobs.add([delivered(0)])
    steps()  # the first time, a connection reads what tables there are
    few = steps()
    journal.jobs.add([delivered(number) for number in range(1, 300)])
    assert steps() == few


def test_what_of_error_files_is_due_is_held_against_the_jobs_of_its_path_alone(journal: Journal) -> None:
    """Not against all that were delivered since: each second, and in each inbox."""
    journal.jobs.add([job()])
    (told,) = plans(journal, lambda journal: journal.chores.notices_due("in", 1.0)).values()
    assert "SEARCH jobs USING INDEX jobs_notice (inbox=?)" in told
    assert [step for step in told if "later" in step] == [
        "SEARCH later USING INDEX jobs_place (inbox=? AND path=? AND rowid>?)"]


def test_a_file_is_held_against_those_of_its_content_and_size_alone(journal: Journal) -> None:
    """A rebuild knows no fingerprint of what is in the inbox no more: of a million such rows none is looked at."""
    one = job()
    journal.jobs.add([one])
    (told,) = plans(journal, lambda journal: journal.jobs.twins(one)).values()
    assert any("INDEX jobs_content (inbox=? AND partial=? AND size=?)" in step for step in told), told


def test_the_oldest_are_asked_for_by_inbox_and_whether_they_are_paid_for(journal: Journal, clock: HandClock) -> None:
    one, two, other, paid, parked, stuck, elsewhere = (
        job("1.wav"), job("2.wav", bumped=1), job("3.wav", inbox="other"), job("4.wav", intent_at=1.0),
        job("5.wav", due_at=clock.at + 900), job("6.wav", due_at=None),
        job("7.wav", base_url="https://elsewhere.example"))
    journal.jobs.add([one, two, other, paid, parked, stuck, elsewhere])

    def ids(*of: tuple[str, bool], limit: int = 9, state: State = State.QUEUED) -> list[str]:
        return [found.id for found in journal.schedule.oldest(state, of, limit, "https://here.example")]

    assert ids(("in", False)) == [one.id, two.id, parked.id]
    assert ids(("in", True), ("other", False)) == [other.id, paid.id]
    assert ids(("in", False), limit=1) == [one.id]
    assert ids(("in", False), state=State.WAITING) == []
    assert ids() == []


def test_whether_anything_goes_on_soon_is_asked_by_state_inbox_and_payment(journal: Journal) -> None:
    journal.jobs.add([job("1.wav", due_at=None), job("2.wav", due_at=50.0), job("3.wav", due_at=9.0, intent_at=1.0)])
    assert not journal.schedule.goes_on(State.QUEUED, "in", 49.0, paid=False)
    assert journal.schedule.goes_on(State.QUEUED, "in", 50.0, paid=False)
    assert journal.schedule.goes_on(State.QUEUED, "in", 9.0, paid=True)
    assert not journal.schedule.goes_on(State.QUEUED, "other", 99.0, paid=False)
    assert not journal.schedule.goes_on(State.UPLOADING, "in", 99.0, paid=True)


def test_how_long_generations_took_is_told_by_the_newest_that_were_seen_to_their_end(journal: Journal) -> None:
    """Not by one that ended while the program did not run, that was found again, or that a rebuild learned of."""
    def done(path: str, passed: float, waited: float, **facts: Any) -> Job:
        return job(path, state=State.DELIVERED, model_key="flash", generated_at=100.0, completed_at=100.0 + passed,
                   waited=waited, **facts)

    long = Media("Wave", 600.0, has_video=False)
    journal.jobs.add([
        done("1.wav", 20.0, 19.5), done("2.wav", 70.0, 60.0, media=long), done("night.wav", 40_000.0, 60.0),
        done("clock.wav", -500.0, 60.0), done("again.wav", 20.0, 20.0, replayed=True), done("rebuilt.wav", 20.0, 0.0),
        replace(done("other.wav", 20.0, 20.0), model_key="pro"), replace(done("open.wav", 0.0, 9.0), completed_at=None),
    ])
    assert journal.totals.took("flash", 50) == [Took(60.0, 600.0), Took(19.5, None)]
    assert journal.totals.took("flash", 3) == [Took(60.0, 600.0)], "of the newest three two tell nothing"
    assert journal.totals.took("none", 50) == []
