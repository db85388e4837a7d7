"""A transfer that hangs on what is mounted no more is given up, whatever the rest of its inbox does meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from diffio_watch.clock import Clock
from diffio_watch.daemon import rooms
from diffio_watch.daemon.rooms import Room
from diffio_watch.intake.status import Now
from diffio_watch.journal import Journal
from diffio_watch.logs import open_log
from diffio_watch.pipeline.halts import Halts

OLD = "31 23 0:27 / /studio rw - fuse.nas nas rw"
NEW = "32 23 0:28 / /studio rw - fuse.nas nas rw"


class Idle:
    """What works in a room, without a share: it shows life when the test says so, and ends when it is told to."""

    now = Now(available=True)

    def __init__(self) -> None:
        self.over = self.abandoned = threading.Event()

    def run(self) -> None:
        self.over.wait(20)

    def abandon(self) -> None:
        self.over.set()

    stop = abandon

    def beware(self, _: object) -> None: ...


class HandClock(Clock):
    at = 0.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def hung() -> Iterator[threading.Thread]:
    """A thread of the uploads, in a file call that does not come back."""
    back = threading.Event()
    thread = threading.Thread(target=back.wait, args=(20,), daemon=True)
    thread.start()
    yield thread
    back.set()
    thread.join(10)


@pytest.fixture
def make_room(tmp_path: Path) -> Iterator[Callable[[HandClock], Room]]:
    made: list[Room] = []
    broken: list[BaseException] = []

    def make(clock: HandClock) -> Room:
        halts = Halts(journal, open_log("error", "json", secrets=list))
        idle: Any = lambda _: Idle()  # noqa: E731 - the two of a room are made alike
        made.append(Room("podcasts", idle, idle, halts, clock, broken.append, ["/studio"]))
        made[-1].start()
        return made[-1]

    with Journal.open(tmp_path, create=True) as journal:
        yield make
        for room in made:
            room.stop()
            room.chores.abandoned.set()
            for thread in room.threads:
                thread.join(10)
    assert broken == []


def test_it_is_given_up_though_the_inbox_came_back_before_anybody_looked_at_the_mounts(
    make_room: Callable[[HandClock], Room], hung: threading.Thread, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The threads that are made anew just after the share was mounted anew hang on nothing, and see nothing new."""
    clock = HandClock()
    monkeypatch.setattr(rooms, "table", lambda: OLD)
    room = make_room(clock)
    assert room.check([hung]) == ()
    assert room.hangs
    for thread in (one for one in threading.enumerate() if one.name.endswith("-podcasts")):
        thread.join(10)  # the share's server died: intake's call failed, that of the transfer did not
    clock.at = rooms._ANOTHER_PROBE + 1
    assert room.check([hung]) == ()
    monkeypatch.setattr(rooms, "table", lambda: NEW)
    assert room.check([hung]) == (hung,)
    assert room.check([]) == ()  # it is nobody's any more


def test_one_that_hangs_where_it_began_is_waited_for(
    make_room: Callable[[HandClock], Room], hung: threading.Thread, monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = HandClock()
    monkeypatch.setattr(rooms, "table", lambda: OLD)
    room = make_room(clock)
    for clock.at in (0.0, rooms._ANOTHER_PROBE + 1, 3 * rooms._ANOTHER_PROBE):
        assert room.check([hung]) == ()
