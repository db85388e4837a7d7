"""What intake costs, in what can be counted: statements, commits and rows of the journal, files and folders opened."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from intake_room import Room, age

from diffio_watch.journal.records import Found

_opened: list[str] | None = None  # what is opened while somebody counts; an audit hook stays for good


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _opened is not None:
        _opened.append(str(arguments[0]))


sys.addaudithook(_hear)


@contextmanager
def counted(room: Room) -> Iterator[Counter[str]]:
    """Counts what happens within: statements by their first word, what is opened, and life that is shown."""
    global _opened  # noqa: PLW0603 - an audit hook has no other way to tell
    counts: Counter[str] = Counter()
    beats, _opened = room.beats, []
    both = {room.journal._db, room.journal._reader}
    for connection in both:
        connection.set_trace_callback(lambda statement: counts.update([statement.split()[0]]))
    try:
        yield counts
    finally:
        for connection in both:
            connection.set_trace_callback(None)
        counts["opened"] = len(_opened)
        counts["beats"] = room.beats - beats
        _opened = None


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def rescan(room: Room) -> Counter[str]:
    with counted(room) as counts:
        room.intake._finder.scan()
    return counts


def test_a_scan_of_known_files_asks_the_journal_nothing_about_them_and_opens_none(room: Room) -> None:
    room.drop("show/0.wav")
    room.pass_time(3.0)
    few = rescan(room)
    for number in range(1, 30):
        room.drop(f"show/{number}.wav")
    room.pass_time(5.0)
    many = rescan(room)
    assert len(room.states()) == 30
    assert few["SELECT"] > 0
    assert many - few == Counter(beats=29), "one look at each is all"


def test_a_scan_asks_the_journal_about_what_looks_otherwise_alone(room: Room) -> None:
    for number in range(10):
        room.drop(f"{number}.wav")
    room.pass_time(3.0)
    before = rescan(room)
    age(room.inbox / "3.wav", 5)
    after = rescan(room)
    assert 1 <= after["SELECT"] - before["SELECT"] <= 3
    assert room.intake._files.get("3.wav").why == "settling"


def test_files_that_finish_together_are_journalled_in_one_transaction_and_it_is_told_once(room: Room) -> None:
    told: list[int] = []
    room.intake._tell_journalled = lambda: told.append(len(room.states()))
    for number in range(30):
        room.drop(f"{number}.wav")
    room.pass_time(1.0)
    commits = room.journal.commits
    room.pass_time(2.0)
    assert told == [30], "whoever gives out the work looks once all of it is there"
    assert room.journal.commits - commits <= 4, "the files, and what is told of the inbox"


def test_of_a_large_drop_no_more_is_counted_than_makes_it_one(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.approve_over = 5
    room.restart()
    for number in range(40):
        room.drop(f"{number:02}.wav")
    room.pass_time(0.0)
    one = room.intake._files.get("00.wav")
    first = Found(one.path, 1, 1, room.config.settings(), one.detected_at)
    assert len(room.intake._coming({one.path: first})) == 6
    room.pass_time(3.0)
    assert set(room.states().values()) == {"held: drop_size"}


def test_of_the_settling_list_only_what_is_new_is_written(tmp_path: Path) -> None:
    room = Room(tmp_path, settle=10)
    for number in range(30):
        room.drop(f"{number}.wav")
    room.pass_time(1.0)
    assert len(room.settling()) == 30
    room.drop("one more.wav")
    before = room.journal._db.total_changes
    room.pass_time(1.0)
    assert len(room.settling()) == 31
    written = room.journal._db.total_changes - before
    assert written <= 3, "the file, and what is told of the inbox"
    room.restart()
    room.pass_time(15.0)
    assert room.settling() == {}
