"""A drop is a wish: intake notices when known content is brought once more, and takes nothing else for it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from intake_room import Room, age

from diffio_watch.disk import lease, marker
from diffio_watch.intake.watch import Hints
from diffio_watch.job import State


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    lease.prepare()
    found = Room(tmp_path)
    deliver(found, found.drop("show/a.wav"))
    yield found
    found.intake._presence.close()
    found.journal.close()


def deliver(room: Room, path: Path) -> None:
    """Its job goes all the way, as it would in the pipeline."""
    room.pass_time(3.0)
    job = room.job(os.path.relpath(path, room.inbox))
    with path.open("rb") as file:

        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    for state in (State.UPLOADING, State.GENERATING, State.WAITING, State.DOWNLOADING, State.DELIVERED):
        job = room.journal.jobs.commit(job, state=state, sha256=sha256, intent_at=1.0, due_at=None)
    room.pass_time(2.0)


def wishes(room: Room) -> list[str]:
    return [job.path for job in room.journal.jobs.wishes("a")]


def test_touched(room: Room) -> None:
    age(room.inbox / "show/a.wav", 5)
    room.pass_time(10.0)
    assert wishes(room) == ["show/a.wav"]
    assert len(room.journal.jobs.newest()) == 1


def test_copied_over_itself_with_its_date(room: Room) -> None:
    shutil.copy2(room.inbox / "show/a.wav", room.inbox / "show/.tmp")
    (room.inbox / "show/.tmp").replace(room.inbox / "show/a.wav")
    room.pass_time(10.0)
    assert wishes(room) == ["show/a.wav"]


@pytest.mark.parametrize("what", ["show/a.wav", "show"])
def test_moved_away_and_back_later(room: Room, tmp_path: Path, what: str) -> None:
    (room.inbox / what).rename(tmp_path / "elsewhere")
    room.pass_time(5.0)
    assert wishes(room) == []
    (tmp_path / "elsewhere").rename(room.inbox / what)
    room.pass_time(10.0)
    assert wishes(room) == ["show/a.wav"]


@pytest.mark.parametrize("what", ["show/a.wav", "show"])
def test_moved_away_and_back_between_two_looks(room: Room, tmp_path: Path, what: str) -> None:
    """The very file, with its date and its inode: only the events tell."""
    hints: Hints = room.intake._desk.hints
    (room.inbox / what).rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(room.inbox / what)
    hints.add(what, left=True)
    hints.add(what)
    room.pass_time(10.0)
    assert wishes(room) == ["show/a.wav"]


@pytest.mark.parametrize("new", ["show/b.wav", "other/a.wav"])
def test_renamed_inside_the_inbox_it_is_no_wish(room: Room, new: str) -> None:
    (room.inbox / new).parent.mkdir(exist_ok=True)
    (room.inbox / "show/a.wav").rename(room.inbox / new)
    room.pass_time(20.0)
    assert wishes(room) == []
    assert room.states() == {new: "delivered"}


def test_a_restart_and_a_share_that_was_away_are_no_wish(room: Room) -> None:
    room.restart()
    room.pass_time(10.0)
    (room.inbox / marker.NAME).rename(room.inbox / ".away")
    room.pass_time(20.0)
    assert room.report().stopped is not None
    (room.inbox / ".away").rename(room.inbox / marker.NAME)
    room.pass_time(30.0)
    assert room.intake.now.available
    assert wishes(room) == []
    assert room.states() == {"show/a.wav": "delivered"}


def test_what_is_on_its_way_and_was_away_for_a_moment_keeps_its_job(room: Room, tmp_path: Path) -> None:
    room.drop("b.wav", 2)
    room.pass_time(3.0)
    job = room.job("b.wav")
    room.intake._desk.hints.add("b.wav", left=True)
    room.pass_time(5.0)
    assert room.job("b.wav") == job
