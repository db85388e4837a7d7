"""An old copy that starts while a share is away: the share's marker gives it away once it is back."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from recovery_house import House

from diffio_watch.disk import marker_file
from diffio_watch.intake import presence
from diffio_watch.job import State
from diffio_watch.pipeline import chores


@pytest.fixture
def late(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """A house that looks at its folders all the time."""
    for name in ("_CHECK_EVERY", "_RETURN_EVERY"):
        monkeypatch.setattr(presence, name, 0.1)
    monkeypatch.setattr(chores, "_ROOM_EVERY", 0.1)
    monkeypatch.setattr(chores, "_PAUSE", 0.1)
    return house


def away(*folders: Path) -> None:
    for folder in folders:
        folder.rename(folder.with_name(f"away {folder.name}"))


def back(*folders: Path) -> None:
    for folder in folders:
        folder.with_name(f"away {folder.name}").rename(folder)


def rolled_back(house: House, *folders: Path) -> Callable[[], None]:
    """What the host's snapshot holds: the state folder and these; what puts them back."""
    kept = house.keep()
    copies = [(folder, shutil.copytree(folder, house.base / f"kept {folder.name}")) for folder in folders]

    def put_back() -> None:
        house.put_back(kept)
        for folder, copy in copies:
            shutil.rmtree(folder)
            copy.rename(folder)

    return put_back


def refused(house: House) -> None:
    done = house.cmd("once")
    assert done.code == 2
    assert "old copy" in done.err
    assert "journal rebuild" in done.err


def test_an_old_copy_does_not_catch_up_with_the_share_by_being_started(late: House) -> None:
    """No sidecar tells of what is still being generated: only the marker does."""
    house = late
    house.drop("first.wav", 1)
    assert house.once() == 0
    put_back = rolled_back(house)
    house.sandbox.change(seconds=3600)
    house.drop("second.wav", 2)
    with house.running():
        house.wait(lambda: house.states().get("second.wav") is State.WAITING)
    put_back()
    away(house.inbox, house.outbox)
    for _ in range(4):
        with house.running():
            pass
    back(house.inbox, house.outbox)
    refused(house)
    house.check(2)
    house.rebuild()
    assert house.states()["second.wav"] is State.WAITING  # for the service has it
    house.sandbox.skip(4000)
    assert house.once() == 0
    house.check(2)


@pytest.mark.parametrize("role", ["in-b", "out-b"])
def test_found_out_while_it_runs_an_old_copy_ends_the_daemon_and_is_refused_from_then_on(late: House, role: str,
                                                                                         ) -> None:
    """Its other inboxes spend no more either; and the share may be away again at the next start."""
    house = late
    in_b, out_b = house.second_inbox()
    share = house.base / role
    house.drop("first.wav", 11, in_b)
    assert house.once() == 0
    put_back = rolled_back(house, house.inbox, house.outbox)
    assert house.once() == 0
    put_back()
    away(in_b, out_b)
    with house.running(code=2) as daemon:
        house.drop("fine.wav", 41)
        house.wait(lambda: house.states().get("fine.wav") is State.DELIVERED)
        back(share)
        house.wait(daemon._trouble.stop.is_set)
        house.drop("new.wav", 42)
    assert house.sandbox.charges == 2
    away(share)
    refused(house)
    back(in_b, out_b)
    refused(house)
    house.rebuild()
    assert house.once() == 0  # of what came since the service has nothing
    assert house.states() == dict.fromkeys(["b:first.wav", "fine.wav", "new.wav"], State.DELIVERED)
    house.check(3)


def test_purchases_in_one_inbox_do_not_carry_an_old_copy_past_the_marker_of_another(
    late: House, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("diffio_watch.daemon.upkeep._LOOK_EVERY", 0.05)
    house = late
    in_b, out_b = house.second_inbox()
    assert house.once() == 0
    put_back = rolled_back(house, house.inbox, house.outbox)
    house.sandbox.change(seconds=3600)
    house.drop("bought.wav", 1, in_b)
    with house.running():
        house.wait(lambda: house.states().get("b:bought.wav") is State.WAITING)
    last = max(house.counter(in_b), house.counter(out_b))
    put_back()
    away(in_b, out_b)
    with house.running(code=2) as daemon:
        for number in range(20):
            house.drop(f"new {number}.wav", 100 + number)
            house.wait(lambda number=number: house.states().get(f"new {number}.wav") is State.WAITING)  # type: ignore[misc]  # bound now
            if house.counter(house.inbox) > last:
                break
        assert house.counter(house.inbox) > last
        charges = house.sandbox.charges
        back(in_b, out_b)
        house.wait(daemon._trouble.stop.is_set)
    house.check(charges)


def test_a_share_that_is_mounted_anew_while_its_marker_is_written_works_again(
    late: House, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread that was writing hangs for good, with whatever it holds."""
    house = late
    monkeypatch.setattr("diffio_watch.daemon.rooms.PATIENCE", 1.0)
    monkeypatch.setattr("diffio_watch.daemon.rooms._ANOTHER_PROBE", 0.5)
    monkeypatch.setattr("diffio_watch.daemon.upkeep._LOOK_EVERY", 0.05)
    real, hangs, over = marker_file.replace, threading.Event(), threading.Event()

    def hang(root: int, wanted: marker_file.Marker, **more: marker_file.Marker) -> None:
        inbox = os.path.samestat(os.fstat(root), house.inbox.stat())
        if inbox and armed.is_set() and not hangs.is_set():
            hangs.set()
            assert over.wait(60)
        real(root, wanted, **more)

    armed = threading.Event()
    monkeypatch.setattr(marker_file, "replace", hang)
    with house.running():
        house.drop("a.wav", 1)
        house.wait(house.delivered)
        armed.set()
        house.drop("b.wav", 2)  # bought: the counter goes up
        house.wait(house.delivered)
        house.drop("c.wav", 3)  # … and with the next look the inbox's marker
        assert hangs.wait(20)
        house.wait(lambda: all(house.states().get(name) is State.DELIVERED for name in ("b.wav", "c.wav")), 40)
        over.set()
    house.check(3)
