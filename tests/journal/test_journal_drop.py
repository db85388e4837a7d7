"""How many files are a drop, and what a person's word about one is about."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from journal_jobs import HandClock, found, now, place, states

from diffio_watch.job import State
from diffio_watch.journal import Journal
from diffio_watch.journal.drop import DROP_WINDOW
from diffio_watch.journal.errors import Stale
from diffio_watch.reasons import because


def test_many_new_files_at_once_are_held_as_one_batch(journal: Journal) -> None:
    files = [found(f"{number}.wav", f"content {number}") for number in range(4)]
    first, *others = place(journal, *files[:3], limit=3)
    assert {job.state for job in (first, *others)} == {State.QUEUED}
    place(journal, files[3], limit=3)
    held = journal.jobs.newest({State.HELD})
    assert len(held) == 4
    assert all(job.because == because("drop_size", limit=3, inbox="in", job=job.id) for job in held)
    assert all(job.due_at is None for job in held)
    assert all([event.state for event in journal.jobs.history(job.id)][-1] is State.HELD for job in held)
    with pytest.raises(Stale):  # whoever took one up just before is too late
        journal.jobs.commit(first, state=State.UPLOADING)


def test_files_that_are_still_being_copied_count_for_the_drop(journal: Journal) -> None:
    place(journal, found("a.wav", "abc"), limit=3, settling=[1.0] * 3)
    assert states(journal) == {"a.wav": State.HELD}


def test_files_that_have_not_finished_since_long_ago_count_for_no_drop(journal: Journal, clock: HandClock) -> None:
    old = clock.at - DROP_WINDOW - 1
    place(journal, found("a.wav", "abc", detected_at=clock.at), limit=3, settling=[old] * 3)
    assert states(journal) == {"a.wav": State.QUEUED}


def test_what_comes_slowly_is_no_drop(journal: Journal, clock: HandClock) -> None:
    for number in range(6):
        place(journal, found(f"{number}.wav", f"content {number}", detected_at=clock.at), limit=2)
        clock.at += DROP_WINDOW / 2 + 1
    assert set(states(journal).values()) == {State.QUEUED}


def come(journal: Journal, *paths: str, seen: float, settling: Sequence[float] = ()) -> None:
    """Files that were first seen then are finished now; more than four at once are a drop."""
    place(journal, *[found(path, path, detected_at=seen) for path in paths], limit=4, settling=settling)


def drop(journal: Journal, clock: HandClock) -> None:
    """Six files at once, which are held."""
    names = [f"{clock.at:.0f} {number}.wav" for number in range(6)]
    come(journal, *names, seen=clock.at)
    assert {states(journal)[name] for name in names} == {State.HELD}


def said(journal: Journal, clock: HandClock, word: str, count: int | None = None) -> None:
    """A person's word about what is held, or so many of it; a second later."""
    clock.at += 1
    jobs = journal.jobs.newest({State.HELD})[:count]
    for job in jobs:
        journal.jobs.commit(job, **{"released": True, "state": State.QUEUED, "because": None, "due_at": 0.0}
                            if word == "approve" else {"state": State.CANCELLED})
    journal.drops.decide("in", [job.detected_at for job in jobs] if word == "cancel" else ())
    clock.at += 1


@pytest.mark.parametrize(("word", "rest", "becomes"), [
    ("cancel", 5, State.HELD), ("cancel", 1, State.HELD), ("approve", 5, State.HELD), ("approve", 1, State.QUEUED)])
@pytest.mark.parametrize("together", [False, True])
def test_a_word_about_a_drop_is_about_the_files_that_were_there(
        journal: Journal, clock: HandClock, word: str, rest: int, becomes: State, *, together: bool) -> None:
    """Its rest counts anew after an approval, and is left to a person's word after a drop was left out."""
    seen = clock.at
    come(journal, *[f"{number}.wav" for number in range(6)], seen=seen, settling=[seen] * rest)
    said(journal, clock, word)
    late = [f"late {number}.wav" for number in range(rest)]
    if together:
        come(journal, *late, seen=seen)
    for number, path in enumerate(late if not together else ()):
        come(journal, path, seen=seen, settling=[seen] * (rest - number - 1))
        clock.at += 1
    assert {states(journal)[path] for path in late} == {becomes}


@pytest.mark.parametrize("under_way", [False, True])
def test_what_is_seen_within_the_window_of_what_was_left_out_is_held_until_a_person_says_more(
        journal: Journal, clock: HandClock, *, under_way: bool) -> None:
    """Whether or not any of it was seen under way at the word: by renames, nothing is."""
    drop(journal, clock)
    said(journal, clock, "cancel")
    for number in range(5):
        clock.at += DROP_WINDOW / 6
        come(journal, f"late {number}.wav", seen=clock.at, settling=[clock.at] * under_way)
    assert {states(journal)[f"late {number}.wav"] for number in range(5)} == {State.HELD}
    (reason,) = {job.because for job in journal.jobs.newest({State.HELD})}
    assert reason is not None
    assert (reason.code, "within 10 min of files that were left out" in reason.message) == ("drop_size", True)


def test_what_comes_after_a_pause_of_the_window_is_no_rest_and_what_is_seen_before_it_is_however_late_it_ends(
        journal: Journal, clock: HandClock) -> None:
    drop(journal, clock)
    last = clock.at
    said(journal, clock, "cancel")
    clock.at = last + DROP_WINDOW + 1
    come(journal, "meant.wav", seen=clock.at)
    clock.at += 100 * DROP_WINDOW
    come(journal, "big.wav", seen=last + DROP_WINDOW)
    assert [states(journal)[path] for path in ("meant.wav", "big.wav")] == [State.QUEUED, State.HELD]


def test_a_rest_that_goes_on_as_fast_as_a_drop_is_held_beyond_the_window(journal: Journal, clock: HandClock) -> None:
    drop(journal, clock)
    said(journal, clock, "cancel")
    for number in range(40):
        clock.at += DROP_WINDOW / 8
        come(journal, f"late {number:02}.wav", seen=clock.at)
    assert {state for path, state in states(journal).items() if path.startswith("late")} == {State.HELD}


def test_the_rest_of_the_rest_is_held_too_once_that_was_left_out(journal: Journal, clock: HandClock) -> None:
    """And the first of the drop counts as before: each word makes what was left out longer."""
    early = clock.at - DROP_WINDOW / 2
    drop(journal, clock)
    for number in range(4):
        said(journal, clock, "cancel")
        clock.at += DROP_WINDOW - 10
        come(journal, f"late {number}.wav", seen=clock.at)
    said(journal, clock, "cancel")
    come(journal, "early.wav", seen=early)
    assert {path for path, state in states(journal).items() if state is State.HELD} == {"early.wav"}
    assert states(journal)["late 3.wav"] is State.CANCELLED


def test_a_file_that_came_long_before_the_drop_is_none_of_it(journal: Journal, clock: HandClock) -> None:
    """It has been open in somebody's editor since the morning, and is closed after a drop was left out."""
    morning = clock.at
    clock.at += 6 * DROP_WINDOW
    drop(journal, clock)
    said(journal, clock, "cancel")
    come(journal, "beside it.wav", "of the morning.wav", seen=morning)
    place(journal, found("two.wav", "two", detected_at=clock.at), found("one.wav", "one", detected_at=morning), limit=4)
    assert [states(journal)[path] for path in ("beside it.wav", "of the morning.wav", "one.wav", "two.wav")] == [
        State.QUEUED, State.QUEUED, State.QUEUED, State.HELD]


def test_a_busy_day_after_a_drop_that_was_left_out_is_not_held(journal: Journal, clock: HandClock) -> None:
    """Somebody is always copying a recording, each begun before the one before it is done, and there is no pause."""
    drop(journal, clock)
    going = clock.at
    said(journal, clock, "cancel")
    held = []
    for number in range(8):
        clock.at += 400
        following, clock.at = clock.at, clock.at + 60
        path = f"meant {number}.wav"
        come(journal, path, seen=going, settling=[following])
        held.append(states(journal)[path] is State.HELD)
        going = following
    assert held == [True, True, *[False] * 6]


@pytest.mark.parametrize("words", [["cancel", "approve"], ["approve", "cancel"], ["cancel 2", "approve"],
                                   ["approve 2", "cancel"]])
def test_the_last_word_about_what_is_held_says_what_becomes_of_the_rest(
        journal: Journal, clock: HandClock, words: list[str]) -> None:
    drop(journal, clock)
    for word in words:
        command, _, count = word.partition(" ")
        if not journal.jobs.newest({State.HELD}):  # the first word was about all: this one is about its rest
            come(journal, *[f"rest {number}.wav" for number in range(5)], seen=clock.at)
        said(journal, clock, command, int(count) if count else None)
    clock.at += 1
    come(journal, "one more.wav", seen=clock.at)
    assert states(journal)["one more.wav"] is (State.HELD if words[-1] == "cancel" else State.QUEUED)


def test_an_approval_of_some_of_the_rest_lets_none_of_the_others_go(journal: Journal, clock: HandClock) -> None:
    drop(journal, clock)
    said(journal, clock, "cancel")
    come(journal, "a.wav", "b.wav", seen=clock.at)
    said(journal, clock, "approve", 1)
    come(journal, "c.wav", seen=clock.at)
    assert states(journal)["c.wav"] is State.HELD
    said(journal, clock, "approve")
    come(journal, "d.wav", seen=clock.at)
    assert states(journal)["d.wav"] is State.QUEUED


def test_what_was_left_out_before_another_drop_is_forgotten_with_that_ones_word(
        journal: Journal, clock: HandClock) -> None:
    """Else what is seen between two drops that were left out would be of both."""
    drop(journal, clock)
    said(journal, clock, "cancel")
    clock.at += 3 * DROP_WINDOW
    between, clock.at = clock.at, clock.at + 3 * DROP_WINDOW
    drop(journal, clock)
    said(journal, clock, "cancel")
    come(journal, "between.wav", seen=between)
    come(journal, "late.wav", seen=clock.at)
    assert [states(journal)[path] for path in ("between.wav", "late.wav")] == [State.QUEUED, State.HELD]


@pytest.mark.parametrize("back", [60.0, 7200.0, 3e8])
def test_a_clock_that_was_set_back_lets_no_rest_go_and_holds_nothing_without_end(
        journal: Journal, clock: HandClock, back: float) -> None:
    drop(journal, clock)
    said(journal, clock, "cancel")
    clock.at -= back
    come(journal, "late.wav", seen=clock.at)
    assert states(journal)["late.wav"] is State.HELD
    journal.jobs.commit(next(job for job in journal.jobs.newest({State.HELD})), state=State.CANCELLED)
    clock.at += 2 * DROP_WINDOW
    come(journal, "meant.wav", seen=clock.at)
    assert states(journal)["meant.wav"] is State.QUEUED


def test_a_clock_that_was_set_on_lets_go_nothing_that_was_seen_before(journal: Journal, clock: HandClock) -> None:
    seen = clock.at
    drop(journal, clock)
    said(journal, clock, "cancel")
    clock.at += 3e8
    come(journal, "under way.wav", seen=seen + 1)
    assert states(journal)["under way.wav"] is State.HELD


def test_a_word_is_about_its_inbox_and_goes_along_with_its_name(journal: Journal, clock: HandClock) -> None:
    drop(journal, clock)
    said(journal, clock, "cancel")
    journal.files.place("other", [found("a.wav", "a", detected_at=clock.at)], batch_limit=4)
    assert states(journal)["a.wav"] is State.QUEUED
    journal.folders.rename_inboxes({"in": "other", "other": "in"})
    for inbox, path in (("other", "rest.wav"), ("in", "meant.wav")):
        journal.files.place(inbox, [found(path, path, detected_at=clock.at)], batch_limit=4)
    assert [states(journal)[path] for path in ("rest.wav", "meant.wav")] == [State.HELD, State.QUEUED]


def test_what_was_approved_or_has_a_project_is_no_rest(journal: Journal, clock: HandClock) -> None:
    """A file that is replaced by the same content keeps what was said of it."""
    (mine,) = place(journal, found("mine.wav", "it", detected_at=clock.at), limit=4)
    journal.jobs.commit(mine, released=True)
    (sent,) = place(journal, found("sent.wav", "x", detected_at=clock.at), limit=4)
    journal.jobs.commit(sent, state=State.UPLOADING, project_id="p")
    drop(journal, clock)
    said(journal, clock, "cancel")
    place(journal, found("mine.wav", "it", read=False, mtime_ns=2, detected_at=clock.at), limit=4)
    assert (now(journal, mine.id).state, now(journal, sent.id).state) == (State.QUEUED, State.UPLOADING)


@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_a_drop_whose_files_take_long_to_finish_is_held_to_its_last(
        journal: Journal, clock: HandClock, apart: float) -> None:
    """Though only few are left to come and few were finished lately: found by one scan, or one soon after another."""
    seen_at = clock.at
    for number in range(6):
        clock.at += DROP_WINDOW
        place(journal, found(f"{number}.wav", f"content {number}", detected_at=seen_at + number * apart), limit=3,
              settling=[seen_at + late * apart for late in range(number + 1, 6)])
    assert set(states(journal).values()) == {State.HELD}


def test_what_was_approved_or_failed_by_itself_or_is_known_counts_for_no_drop(journal: Journal) -> None:
    (one,) = place(journal, found("1.wav", "one"), limit=2)
    journal.jobs.commit(one, approved=True)
    place(journal, found("2.wav", "two", fail=because("not_media")), limit=2)
    for _ in range(4):
        place(journal, found("1.wav", "one"), limit=2)
    place(journal, found("3.wav", "three"), found("4.wav", "four"), limit=2)
    assert State.HELD not in states(journal).values()


def test_what_has_a_project_already_goes_on_beside_a_held_drop(journal: Journal) -> None:
    (one,) = place(journal, found("1.wav", "one"), limit=2)
    journal.jobs.commit(one, state=State.UPLOADING, project_id="p")
    place(journal, *[found(f"more {number}.wav", f"more {number}") for number in range(3)], limit=2)
    assert now(journal, one.id).state is State.UPLOADING
    assert list(states(journal).values()).count(State.HELD) == 3
