"""The room with the real watchdog, and as a thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from intake_room import Room

from diffio_watch.clock import Clock
from diffio_watch.disk import lease
from diffio_watch.disk.marker import Owner
from diffio_watch.intake.room import Intake


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """An inbox with events, whose scans are a day apart: what is found soon was hinted at."""
    lease.prepare()
    found = Room(tmp_path, watch="events", rescan=86_400)
    found.pass_time(1.0)
    yield found
    found.intake._presence.close()
    found.journal.close()


def until(condition: Callable[[], bool], turn: Callable[[], object]) -> None:
    """Take turns until it is so, 10 s at most."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        turn()
        time.sleep(0.01)  # events come from the kernel, at the kernel's time


def test_a_dropped_file_is_hinted_at_and_settles_without_a_scan(room: Room) -> None:
    room.drop("show/a.wav")
    until(lambda: bool(len(room.intake._files)), room.pass_time)
    room.pass_time(3.0)
    assert room.states() == {"show/a.wav": "queued"}
    assert room.intake.now.scans == 1
    assert room.report().watch == "events"


def test_a_rename_and_a_removal_are_followed_without_waiting_for_the_next_scan(room: Room) -> None:
    for name in ("a.wav", "b.wav"):
        room.drop(f"show/{name}", seconds=1 + (name == "b.wav"))
    until(lambda: len(room.intake._files) == 2, room.pass_time)
    room.pass_time(3.0)
    (room.inbox / "show").rename(room.inbox / "show 12")
    (room.inbox / "show 12" / "b.wav").unlink()
    expected = {"show 12/a.wav": "queued", "show/b.wav": "cancelled: vanished"}
    until(lambda: room.states() == expected, lambda: room.pass_time(1.0))


def test_a_whole_tree_moved_in_is_found(room: Room, tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / "tree" / str(number % 4)).mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / str(number % 4) / f"{number}.wav").write_bytes(b"x" * 100)
    (tmp_path / "tree").rename(room.inbox / "tree")
    until(lambda: len(room.intake._files) == 40, room.pass_time)


def test_a_writer_that_closes_is_noticed_at_once(room: Room) -> None:
    path = room.drop()
    with path.open("r+b"):
        until(lambda: bool(len(room.intake._files)), room.pass_time)
        room.pass_time(3.0)
        if room.settling() != {"a.wav": "open_for_writing"}:
            pytest.skip("the temporary folder lies where leases are not true")
    until(lambda: room.states() == {"a.wav": "queued"}, room.pass_time)


def test_a_dead_emitter_is_replaced_within_thirty_seconds_and_nothing_is_missed(room: Room) -> None:
    watch = room.intake._presence._watch
    assert watch is not None
    for emitter in watch._observer.emitters:
        emitter.stop()
        emitter.join()
    room.drop("meanwhile.wav")
    room.pass_time(30.0)
    assert room.states() == {"meanwhile.wav": "queued"}
    room.drop("after.wav")
    until(lambda: bool(len(room.intake._files)), room.pass_time)


def test_a_removed_and_recreated_root_is_watched_again_once_it_has_its_marker(room: Room, tmp_path: Path) -> None:
    room.inbox.rename(tmp_path / "old")
    room.inbox.mkdir()
    room.pass_time(30.0)
    assert not room.report().available
    (tmp_path / "old" / ".diffio-watch").rename(room.inbox / ".diffio-watch")
    room.drop("before.wav")
    room.pass_time(30.0)
    assert room.states() == {"before.wav": "queued"}
    room.drop("after.wav")
    until(lambda: bool(len(room.intake._files)), room.pass_time)


def test_a_burst_that_overflows_the_hints_is_found_by_a_scan(room: Room) -> None:
    for number in range(12_000):
        room.intake.look(f"{number}.wav")
    room.drop()
    room.pass_time(3.0)
    assert room.states() == {"a.wav": "queued"}
    assert room.intake.now.scans == 2


def test_five_thousand_files_dropped_while_the_program_was_away_are_all_seen(tmp_path: Path) -> None:
    """Five times as many as the journal is told of."""
    room = Room(tmp_path)
    for folder in range(50):
        (room.inbox / str(folder)).mkdir()
        for number in range(100):
            os.close(os.open(f"{room.inbox}/{folder}/{number}.wav", os.O_CREAT | os.O_WRONLY))
    room.intake.turn()
    assert room.intake.now.waiting == {"empty_yet": 5000}
    assert len(room.entries()) == 1000, "the journal is told of those that wait longest"
    room.journal.close()


@pytest.fixture
def others() -> set[threading.Thread]:
    """Threads that are not of the intake: a worker may keep some from test to test."""
    return {*threading.enumerate()}


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[tuple[Room, Intake, threading.Thread]]:
    """An intake as a thread, by the real clock."""
    lease.prepare()
    room = Room(tmp_path, watch="auto", settle=0.2, rescan="auto")
    intake = Intake(room.config, room.journal, Owner(room.journal.id, 1), Clock(), approve_over=None,
                    heartbeat=room.beat)
    thread = threading.Thread(target=intake.run, daemon=True)
    thread.start()
    yield room, intake, thread
    intake.stop()
    thread.join(10)
    room.journal.close()


def test_as_a_thread_it_takes_a_file_after_its_last_change(alive: tuple[Room, Intake, threading.Thread]) -> None:
    room, intake, _ = alive
    until(lambda: intake.now.scans > 0, lambda: None)
    room.drop()
    until(lambda: room.states() == {"a.wav": "queued"}, lambda: None)


def test_it_stops_when_it_is_told_to_and_leaves_no_thread_behind(
        others: set[threading.Thread], alive: tuple[Room, Intake, threading.Thread]) -> None:
    _, intake, thread = alive
    until(lambda: intake.now.scans > 0, lambda: None)
    intake.stop()
    thread.join(10)
    assert [one.name for one in threading.enumerate() if one not in others] == []


def test_a_turn_that_fails_is_tried_again(alive: tuple[Room, Intake, threading.Thread]) -> None:
    room, intake, thread = alive
    until(lambda: intake.now.scans > 0, lambda: None)
    room.journal.before_commit = fail
    room.drop()
    time.sleep(0.5)  # long enough to fail
    room.journal.before_commit = lambda: None
    assert thread.is_alive()
    until(lambda: room.states() == {"a.wav": "queued"}, lambda: None)


def fail() -> None:
    raise OSError(28, "full")
