"""A drop is a wish: known content that is brought once more is noticed, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from journal_jobs import found, job, now, place

from diffio_watch.job import Job, State
from diffio_watch.journal import Journal
from diffio_watch.reasons import because


def delivered(journal: Journal) -> Job:
    """A file in the inbox whose content was restored."""
    (one,) = place(journal, found("a.wav", "abc", inode=5))
    for state in (State.UPLOADING, State.GENERATING, State.WAITING, State.DOWNLOADING, State.DELIVERED):
        one = journal.jobs.commit(one, state=state, intent_at=1.0)
    return one


def wishes(journal: Journal) -> list[str]:
    return [one.id for one in journal.jobs.wishes("in")]


@pytest.mark.parametrize(("mtime_ns", "inode"), [(2, 5), (1, 6)])
def test_the_same_content_as_another_file_is_dropped_anew(journal: Journal, mtime_ns: int, inode: int) -> None:
    one = delivered(journal)
    place(journal, found("a.wav", "abc", mtime_ns=mtime_ns, inode=inode))
    assert wishes(journal) == [one.id]


def test_what_was_away_and_is_back_as_it_was_is_dropped_anew(journal: Journal) -> None:
    one = delivered(journal)
    journal.files.vanish("in", ["a.wav"])
    assert wishes(journal) == []
    place(journal, found("a.wav", "abc", inode=5))
    assert wishes(journal) == [one.id]


def test_what_comes_back_after_another_content_stood_there_is_dropped_anew(journal: Journal) -> None:
    one = delivered(journal)
    place(journal, found("a.wav", "other"))
    place(journal, found("a.wav", "abc", inode=5))
    assert wishes(journal) == [one.id]


def test_another_file_of_one_size_and_time_is_dropped_anew_where_inode_numbers_can_be_trusted(
    journal: Journal,
) -> None:
    one = delivered(journal)
    journal.files.touch("in", "a.wav", size=3, mtime_ns=1, inode=None)
    journal.files.touch("in", "a.wav", size=3, mtime_ns=1, inode=7)
    assert wishes(journal) == []
    journal.files.touch("in", "a.wav", size=3, mtime_ns=1, inode=8)
    assert wishes(journal) == [one.id]


def test_a_wish_stands_until_somebody_has_looked(journal: Journal) -> None:
    one = delivered(journal)
    for _ in range(2):
        place(journal, found("a.wav", "abc", mtime_ns=2, inode=5))
    assert wishes(journal) == [one.id]
    journal.jobs.commit(now(journal, one.id), wish="")
    place(journal, found("a.wav", "abc", mtime_ns=2, inode=5))
    assert wishes(journal) == []


def test_what_is_seen_for_the_first_time_after_a_rebuild_is_no_wish(journal: Journal) -> None:
    """Only a sidecar tells of the job; nobody knows how long its file has been there."""
    journal.jobs.add([job(sha256="abc", state=State.DELIVERED, mtime_ns=9)])
    place(journal, found("a.wav", "abc"))
    assert wishes(journal) == []


def test_what_is_on_its_way_is_delivered_anyway_and_needs_no_wish(journal: Journal) -> None:
    (one,) = place(journal, found("a.wav", "abc", inode=5))
    one = journal.jobs.commit(journal.jobs.commit(one, state=State.UPLOADING), state=State.GENERATING, intent_at=1.0)
    journal.files.vanish("in", ["a.wav"])
    place(journal, found("a.wav", "abc", inode=6))
    assert wishes(journal) == []
    for state in (State.WAITING, State.DOWNLOADING, State.DELIVERED):
        journal.jobs.commit(now(journal, one.id), state=state)
    place(journal, found("a.wav", "abc", inode=6))
    assert wishes(journal) == []


def test_what_goes_on_because_it_is_back_needs_no_wish(journal: Journal) -> None:
    """Who looks where its outputs are would change its row, and break off the upload that has just begun."""
    (one,) = place(journal, found("a.wav", "abc", inode=5))
    journal.files.vanish("in", ["a.wav"])
    assert now(journal, one.id).state is State.CANCELLED
    place(journal, found("a.wav", "abc", inode=6))
    assert (now(journal, one.id).state, wishes(journal)) == (State.QUEUED, [])


def test_what_comes_back_after_another_content_stood_there_and_went_is_dropped_anew(journal: Journal) -> None:
    one = delivered(journal)
    place(journal, found("a.wav", "other"))
    journal.files.vanish("in", ["a.wav"])
    place(journal, found("a.wav", "abc", inode=5))
    assert wishes(journal) == [one.id]


def test_what_failed_before_a_purchase_and_is_gone_or_replaced_has_not_failed_for_anybody(journal: Journal) -> None:
    broken = [replace(found(path, "torn"), fail=because("truncated", detail="x", job=""), notice_at=2.0)
              for path in ("taken.wav", "mended.wav", "a.wav", "here.wav")]
    delivered(journal)  # over which a torn copy of another is written
    taken, mended, again, here = place(journal, *broken)
    assert journal.overview.failures() == [here, again, mended, taken]
    journal.files.vanish("in", ["taken.wav"])
    place(journal, found("mended.wav", "whole"), found("a.wav", "abc"))
    assert journal.overview.failures() == [here]
    place(journal, broken[0])  # the torn file is back
    assert [one.id for one in journal.overview.failures()] == [here.id, taken.id]


def test_what_was_paid_for_and_failed_stays_told_without_its_original(journal: Journal) -> None:
    (one,) = place(journal, found("a.wav", "abc"))
    for state in (State.UPLOADING, State.GENERATING, State.WAITING):
        one = journal.jobs.commit(one, state=state, intent_at=1.0)
    one = journal.jobs.commit(one, state=State.FAILED, because=because("generation_failed", detail="x", job=one.id))
    journal.files.vanish("in", ["a.wav"])
    assert [failed.id for failed in journal.overview.failures()] == [one.id]


def test_an_empty_file_may_be_filled_as_long_as_it_stands_there_empty(journal: Journal) -> None:
    later = journal.clock.now() + 300
    empty = [replace(found(path, ""), fail=because("empty"), notice_at=later) for path in ("a.wav", "b.wav", "c.wav")]
    *_, left = place(journal, *empty)
    assert [one.path for one in journal.overview.still_empty()] == ["a.wav", "b.wav", "c.wav"]
    place(journal, found("a.wav", "abc"))
    journal.files.vanish("in", ["b.wav"])
    assert journal.overview.still_empty() == [left]
    assert journal.overview.failures() == []
