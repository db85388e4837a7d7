"""What needs somebody, counted in an index: as a look at each row would count it, whatever became of the rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_jobs import HandClock, job

from diffio_watch.job import OPEN, Because, Job, State
from diffio_watch.journal import Journal
from diffio_watch.journal.records import SettlingEntry
from diffio_watch.reasons import because

WHY = Because("rejected", "m", "a")


def failed(path: str, **facts: object) -> Job:
    return replace(job(path, state=State.FAILED, because=WHY, due_at=None, error_file=True), **facts)  # type: ignore[arg-type]  # fields of a job


def counted(journal: Journal) -> dict[tuple[str, str], int]:
    return {(one.state.value, one.code): one.count for one in journal.overview.groups()}


def looked_at(journal: Journal) -> dict[tuple[str, str], int]:
    """The same, by the rule itself, from every row."""
    every = journal.jobs.newest()
    settling = {entry.path for entry in journal.inboxes.settling_in("in")}
    newest: dict[str, str] = {}
    for one in every:  # newest first
        newest.setdefault(one.path, one.id)
    told: dict[tuple[str, str], int] = {}
    for one in every:
        code = one.because.code if one.because else ""
        early = code == "empty" and not one.error_file and (one.due_at or 0.0) > journal.clock.now()
        of_a_failure = (newest[one.path] == one.id and one.path not in settling
                        and not (one.wish == "away" and one.intent_at is None) and not early)
        if (one.state is State.FAILED and of_a_failure) or (one.state in OPEN | {State.HELD} and one.because):
            told[one.state.value, code] = told.get((one.state.value, code), 0) + 1
    return told


def test_what_a_newer_job_at_its_path_made_good_counts_no_more(journal: Journal) -> None:
    journal.jobs.add([failed("a.wav"), failed("b.wav", sha256="1")])
    assert counted(journal) == {("failed", "rejected"): 2}
    journal.jobs.add([job("a.wav", sha256="2")])
    assert counted(journal) == {("failed", "rejected"): 1}


def test_a_failure_that_is_renamed_is_that_of_its_new_path(journal: Journal) -> None:
    """What stood there before it is followed by it no more, and what stands there now may be newer than it."""
    old, newer = failed("a.wav"), job("a.wav", sha256="2")
    journal.jobs.add([old, newer])
    assert counted(journal) == {}
    with journal.transaction() as db:
        db.execute("UPDATE jobs SET path = ? WHERE id = ?", (b"c.wav", newer.id))
    assert counted(journal) == {("failed", "rejected"): 1}
    with journal.transaction() as db:
        db.execute("UPDATE jobs SET path = ? WHERE id = ?", (b"c.wav", old.id))
    assert counted(journal) == {}


def test_of_a_group_of_which_some_do_not_count_yet_the_newest_that_does_is_shown(
        journal: Journal, clock: HandClock) -> None:
    empty = because("empty")
    journal.jobs.add([failed("old.wav", because=empty), failed("new.wav", because=empty, error_file=False,
                                                               due_at=clock.now() + 60)])
    [group] = journal.overview.groups()
    assert (group.count, group.newest.path) == (1, "old.wav")
    clock.at += 61
    [group] = journal.overview.groups()
    assert (group.count, group.newest.path) == (2, "new.wav")


def test_what_no_generation_is_known_of_is_counted_beside(journal: Journal) -> None:
    journal.jobs.add([failed("a.wav"), failed("b.wav", generation_id="g"), failed("c.wav", generation_id="h")])
    [group] = journal.overview.groups()
    assert (group.count, group.unbought) == (3, 1)


_ONE = st.tuples(
    st.sampled_from(["a.wav", "b.wav", "c.wav"]),
    st.sampled_from([State.FAILED, State.FAILED, State.HELD, State.DELIVERED, State.WAITING, State.QUEUED]),
    st.sampled_from(["rejected", "empty", None]), st.sampled_from(["", "away"]), st.booleans(), st.booleans())
_MOVE = st.tuples(st.integers(0, 7), st.sampled_from(["a.wav", "d.wav"]))
Row = tuple[str, State, str | None, str, bool, bool]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_ONE, max_size=8), moves=st.lists(_MOVE, max_size=4), settling=st.booleans())
def test_the_index_counts_what_the_rule_counts(journal: Journal, rows: list[Row], moves: list[tuple[int, str]], *,
                                               settling: bool) -> None:
    with journal.transaction() as db:
        for table in ("history", "jobs"):
            db.execute(f"DELETE FROM {table}")
    made = [job(path, state=state, because=because(code) if code else None, wish=wish, sha256=f"{number}",
                intent_at=1.0 if paid else None, error_file=told, due_at=journal.clock.now() + 60)
            for number, (path, state, code, wish, paid, told) in enumerate(rows)]
    for one in made:
        journal.jobs.add([one])
    with journal.transaction() as db:
        for number, path in moves:
            if number < len(made):
                db.execute("UPDATE jobs SET path = ? WHERE id = ?", (path.encode(), made[number].id))
    entry = SettlingEntry("a.wav", because("settling", seconds=2), 1.0, 2.0)
    journal.inboxes.settling("in", [entry] if settling else [])
    assert counted(journal) == looked_at(journal)


@pytest.mark.parametrize("path", ["x.wav", "show 12/x.wav", "a/b/c/x.wav", "x.wav/x.wav"])
def test_a_name_without_its_folders_finds_its_jobs(journal: Journal, path: str) -> None:
    journal.jobs.add([job(path), job("other.wav")])
    assert [one.path for one in journal.overview.named("x.wav", 5)] == [path]


def test_names_that_are_no_utf8_are_found_too(journal: Journal) -> None:
    journal.jobs.add([job("show/\udcff\udcfe.wav"), job("ä/ö.wav"), job("100%_a.wav")])
    assert [one.path for one in journal.overview.named("\udcff\udcfe.wav", 5)] == ["show/\udcff\udcfe.wav"]
    assert [one.path for one in journal.overview.named("ö.wav", 5)] == ["ä/ö.wav"]
    assert journal.overview.named("100.wav", 5) == []
