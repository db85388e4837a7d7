"""What began long before the copy's last project was bought after it all the same: uploaded and kept back for days.

None of it needs a line in the ledger, which may be deleted, not writable, or of an older version.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recovery_house import House, recording

from diffio_watch.job import State
from diffio_watch.journal import Journal
from diffio_watch.outbox.ledger import NAME
from diffio_watch.recovery import rebuild

_UNBOUGHT: dict[str, Any] = {
    "state": State.GENERATING, "generation_id": None, "generated_at": None, "model_key": None, "idempotency_key": None,
    "body": None, "intent_at": None, "minutes": None}


def _restored(house: House, name: str, seed: int) -> None:
    """A recording of another length comes and is restored while the service is quick."""
    house.sandbox.change(seconds=0)
    (house.inbox / name).write_bytes(recording(seed, 0.1 * seed))
    with house.running():
        house.wait(lambda: house.states().get(name) is State.DELIVERED)


def _bought(house: House) -> None:
    """One is restored; x.wav is bought, and two days later is not ready yet."""
    _restored(house, "first.wav", 1)
    house.sandbox.change(seconds=10 * 86400)
    house.drop("x.wav", 2)
    with house.running():
        house.wait(lambda: house.states().get("x.wav") is State.WAITING)
    house.sandbox.skip(2 * 86400)


def _renamed(x: Path) -> None:
    x.rename(x.with_name("y.wav"))


def _touched_and_renamed(x: Path) -> None:
    os.utime(x)
    _renamed(x)


_CHANGES: dict[str, Callable[[Path], None]] = {
    "nothing": lambda _: None, "a touch": os.utime, "a rename": _renamed, "a touch and a rename": _touched_and_renamed}


@pytest.mark.parametrize("duplicates", ["skip", "process"])
@pytest.mark.parametrize("change", _CHANGES)
def test_what_was_uploaded_when_the_copy_was_made_and_bought_days_later_is_not_bought_again(
        house: House, change: str, duplicates: str) -> None:
    house.configure(duplicates=duplicates)
    _bought(house)
    _restored(house, "z.wav", 5)
    job, kept = house.jobs()["x.wav"], house.keep()
    with Journal.open(kept) as journal:  # the purchase waited for the day's limit, or for a pause
        journal.restore.learn(replace(job, **_UNBOUGHT), "")
    _restored(house, "w.wav", 6)
    house.put_back(kept)
    (house.outbox / NAME).unlink()
    _CHANGES[change](house.inbox / "x.wav")
    before = house.sandbox.charges
    house.rebuild()
    house.sandbox.skip(20 * 86400)
    house.once()
    assert house.sandbox.charges == before, house.states()


@pytest.mark.parametrize("broken_off", ["before the markers", "by the other machine", "while asked"])
def test_a_rebuild_that_was_broken_off_asks_as_if_it_were_the_first(
        house: House, monkeypatch: pytest.MonkeyPatch, broken_off: str) -> None:
    """What it learned from sidecars meanwhile says nothing of how far the copy knew."""
    _restored(house, "first.wav", 1)
    kept = house.keep()
    house.sandbox.change(seconds=10 * 86400)
    house.drop("x.wav", 2)
    with house.running():
        house.wait(lambda: house.states().get("x.wav") is State.WAITING)
    house.sandbox.skip(2 * 86400)
    _restored(house, "y.wav", 5)
    house.put_back(kept)
    (house.outbox / NAME).unlink()
    method = {"before the markers": "_take_over", "by the other machine": "_nobody_else"}.get(broken_off)
    with monkeypatch.context() as broken:
        if method is not None:
            broken.setattr(rebuild._Rebuild, method, lambda *_: 1 / 0)
        else:
            broken.setattr("diffio_watch.recovery.asking.Asking._release", lambda *_: 1 / 0)
        assert house.cmd("journal", "rebuild").code == 1
    _renamed(house.inbox / "x.wav")
    before = house.sandbox.charges
    house.rebuild()
    house.sandbox.skip(20 * 86400)
    house.once()
    assert house.sandbox.charges == before, house.states()
