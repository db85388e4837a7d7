"""When a file counts as finished; time and stat are passed in."""

from __future__ import annotations

import pytest

from diffio_watch.intake.scan import Seen
from diffio_watch.intake.settle import FALLS_BACK_AFTER, LONGEST_QUIET, Quiet, Settling
from diffio_watch.journal.records import SettlingEntry, Still
from diffio_watch.reasons import because

A, B = Seen(10, 1), Seen(20, 2)
WALL = 1_000_000.0


@pytest.fixture
def files() -> Settling:
    return Settling(Quiet(2.0))


def due(files: Settling, now: float) -> str | None:
    entry = files.due(now)
    return None if entry is None else entry.path


def test_a_file_is_due_once_it_was_unchanged_for_the_quiet_time(files: Settling) -> None:
    files.see("a", A, 0.0, WALL)
    files.see("a", A, 1.0, WALL + 1)
    assert due(files, 1.9) is None
    assert due(files, 2.0) == "a"
    entry = files.due(2.0)
    assert entry is not None
    assert (entry.since, entry.unchanged_since, entry.detected_at) == (0.0, 0.0, WALL)


def test_each_change_starts_the_quiet_time_anew_and_keeps_the_first_sight(files: Settling) -> None:
    files.see("a", A, 0.0, WALL)
    files.see("a", B, 1.5, WALL + 1.5)
    assert due(files, 3.4) is None
    assert due(files, 3.5) == "a"
    entry = files.due(3.5)
    assert entry is not None
    assert (entry.since, entry.unchanged_since, entry.detected_at) == (0.0, 1.5, WALL)


@pytest.mark.parametrize("changed", [Seen(11, 1), Seen(10, 2), Seen(10, 1, 7)])
def test_size_time_and_a_trusted_inode_number_are_what_counts(files: Settling, changed: Seen) -> None:
    files.see("a", A, 0.0, WALL)
    files.see("a", changed, 1.0, WALL)
    assert due(files, 2.0) is None


def test_what_is_due_stays_due_until_something_is_said_about_it(files: Settling) -> None:
    files.see("a", A, 0.0, WALL)
    assert due(files, 5.0) == due(files, 6.0) == "a"
    files.hold("a", "cut_short", "half", 900.0)
    assert due(files, 6.0) is None
    assert files.next_look() == 900.0
    files.drop("a")
    assert files.next_look() is None
    assert len(files) == 0


def test_files_come_in_the_order_in_which_they_are_due(files: Settling) -> None:
    for number, path in enumerate("cab"):
        files.see(path, A, float(number), WALL)
    order = []
    while (first := due(files, 10.0)) is not None:
        order.append(first)
        files.drop(first)
    assert order == ["c", "a", "b"]


def test_what_takes_long_to_look_at_lets_the_others_go_first(files: Settling) -> None:
    files.see("long", A, 0.0, WALL, slow=True)
    files.see("new", A, 1.0, WALL)
    assert files.next_look() == 2.0
    assert due(files, 2.0) == "long"
    assert due(files, 3.0) == "new"
    files.drop("new")
    assert due(files, 3.0) == "long"


def test_a_file_that_waits_and_then_changes_settles_anew(files: Settling) -> None:
    files.see("a", A, 0.0, WALL)
    files.hold("a", "cut_short", "half", 900.0)
    files.see("a", A, 5.0, WALL)
    assert files.next_look() == 900.0
    files.see("a", B, 6.0, WALL)
    assert files.next_look() == 8.0
    assert [(entry.why, entry.tries) for entry in files] == [("settling", 0)]


def test_a_hint_brings_forward_the_look_at_a_file_that_was_open(files: Settling) -> None:
    files.see("a", A, 0.0, WALL)
    files.hold("a", "open_for_writing", "", 10.0)
    files.hint("a", A, 3.0)
    assert due(files, 3.0) == "a"
    files.hold("a", "cut_short", "", 900.0)
    files.hint("a", A, 4.0)
    assert files.next_look() == 900.0


def test_an_empty_file_says_so(files: Settling) -> None:
    files.see("a", Seen(0, 1), 0.0, WALL)
    assert [entry.why for entry in files] == ["empty_yet"]


def test_tries_in_the_same_trouble_are_counted(files: Settling) -> None:
    files.see("a", A, 0.0, WALL)
    for _ in range(3):
        files.hold("a", "unreadable", "", 5.0)
    assert [entry.tries for entry in files] == [3]
    files.hold("a", "internal", "", 5.0)
    assert [entry.tries for entry in files] == [1]


def test_the_list_counts_its_changes_so_that_it_is_told_on_change_only(files: Settling) -> None:
    files.see("a", A, 0.0, WALL)
    before = files.changes
    files.see("a", A, 1.0, WALL)
    files.drop("b")
    assert files.changes == before
    files.drop("a")
    assert files.changes > before


def test_a_finished_file_that_changed_doubles_the_quiet_time_up_to_five_minutes() -> None:
    quiet = Quiet(2.0)
    now, seen = 0.0, []
    for _ in range(10):
        quiet.finished_changed(now)
        seen.append(quiet.seconds(now))
        now += 400.0
    assert seen == [4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert LONGEST_QUIET == 300.0


def test_changes_within_one_quiet_time_count_once() -> None:
    """A whole season exported again at once says no more about settling than one episode does."""
    quiet = Quiet(2.0)
    for number in range(100):
        quiet.finished_changed(number * 0.01)
    assert quiet.seconds(1.0) == 4.0


def test_after_a_day_without_another_it_falls_back() -> None:
    quiet = Quiet(2.0)
    quiet.finished_changed(0.0)
    quiet.finished_changed(10.0)
    assert quiet.seconds(10.0 + FALLS_BACK_AFTER - 1) == 8.0
    assert quiet.seconds(10.0 + FALLS_BACK_AFTER) == 2.0
    quiet.finished_changed(20.0 + FALLS_BACK_AFTER)
    assert quiet.seconds(20.0 + FALLS_BACK_AFTER) == 4.0


def test_a_longer_configured_quiet_time_is_not_cut_down() -> None:
    quiet = Quiet(600.0)
    assert quiet.seconds(0.0) == 600.0
    quiet.finished_changed(0.0)
    assert quiet.seconds(0.0) == 600.0


def test_another_base_keeps_the_doubling() -> None:
    quiet = Quiet(2.0)
    quiet.finished_changed(0.0)
    quiet.rebase(30.0)
    assert quiet.seconds(1.0) == 60.0


@pytest.mark.parametrize(("size", "mtime_ns", "passed", "counted"), [
    (10, 1, 600.0, 600.0),
    (10, 1, 10_000.0, 900.0),  # what there is to count is no longer than that
    (10, 1, -600.0, 0.0),  # the clock was set back
    (11, 1, 600.0, 0.0),
    (10, 2, 600.0, 0.0),
])
def test_a_file_that_looks_as_before_the_start_goes_on_counting_and_is_looked_at_anew(
    files: Settling, size: int, mtime_ns: int, passed: float, counted: float,
) -> None:
    """How long it was still before is known by dates only: no more hangs on it than when a cut file fails."""
    files.remember([SettlingEntry("a", because("settling", seconds="2"), WALL - passed, None,
                                  Still(size, mtime_ns, WALL - passed))])
    files.see("a", A, 50.0, WALL)
    assert files.get("a").detected_at == min(WALL, WALL - passed), "it was first seen before that start"
    assert due(files, 51.9) is None
    entry = files.due(52.0)
    assert entry is not None
    assert (entry.unchanged_since, entry.still_before) == (50.0, counted)
    files.see("a", B, 60.0, WALL + 10)
    files.see("a", A, 70.0, WALL + 20)
    entry = files.due(100.0)
    assert entry is not None
    assert entry.still_before == 0.0


def test_where_nobody_can_say_who_has_a_file_open_patience_has_a_least(files: Settling) -> None:
    files.quiet.nobody_can_say()
    files.quiet.rebase(2.0)
    assert files.quiet.seconds(0.0) == 10.0
    files.quiet.rebase(30.0)
    assert files.quiet.seconds(0.0) == 30.0
