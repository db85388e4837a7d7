"""What was a person's to decide when the copy was made is that person's still: "not bought" is not "may be bought"."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from recovery_house import KEY, House

from diffio_watch.job import Job, State
from diffio_watch.journal import Journal


@pytest.fixture
def drop(house: House) -> House:
    """A house with one recording that is restored and six that are held as a drop."""
    house.drop("first.wav", 1)
    assert house.once() == 0
    house.more = {"limits": {"min_free": 0, "approve_over_files": 5}}
    house.configure()
    for number in range(10, 16):
        house.drop(f"drop {number}.wav", number)
    with house.running():
        house.wait(lambda: list(house.states().values()).count(State.HELD) == 6)
    return house


def codes(house: House) -> dict[str, str]:
    """What each job is held for, or its state."""
    def of(job: Job) -> str:
        return job.because.code if job.state is State.HELD and job.because is not None else job.state.value

    return {path: of(job) for path, job in house.jobs().items()}


def _since(house: House, *command: str) -> None:
    """The machine that the copy was made of goes on; this is said to it, and it dies."""
    kept = house.keep()
    with house.running():
        if command:
            assert house.cmd(*command).code == 0
    house.put_back(kept)


@pytest.mark.parametrize("word", ["nothing", "left out", "the service was away", "broken off"])
def test_a_drop_that_was_held_is_so_after_a_rebuild(drop: House, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [job.id for job in drop.jobs().values() if job.state is State.HELD]
    _since(drop, *(["cancel", *ids] if word == "left out" else []))
    if word == "the service was away":
        drop.use_key(None)
        drop.rebuild()
        assert list(codes(drop).values()).count("unproven") == 6
        drop.use_key(KEY)
    if word == "broken off":
        with monkeypatch.context() as broken:
            broken.setattr("diffio_watch.recovery.rebuild._Rebuild._take_over", lambda *_: 1 / 0)
            assert drop.cmd("journal", "rebuild").code == 1
    told = drop.rebuild().out
    assert "6 were held when the copy was made" in told
    assert "held as unproven" not in told
    assert list(codes(drop).values()).count("drop_size") == 6
    assert drop.once() == 1
    assert drop.sandbox.charges == 1
    assert drop.cmd("approve", "--all").code == 0
    assert drop.once() == 0
    assert drop.sandbox.charges == 7


def test_what_comes_to_a_held_drop_after_the_copy_is_of_it(drop: House) -> None:
    _since(drop)
    drop.drop("late.wav", 20)
    drop.rebuild()
    assert codes(drop)["late.wav"] == "drop_size"
    drop.once()
    assert drop.sandbox.charges == 1


def _queued(house: House, *numbers: int, limit: int = 5) -> None:
    """One recording is restored, and these are journalled and go on later, for all is paused."""
    house.drop("first.wav", 1)
    assert house.once() == 0
    house.more = {"limits": {"min_free": 0, "approve_over_files": limit}}
    house.configure()
    assert house.cmd("pause").code == 0
    _comes(house, State.QUEUED, *numbers)


def _comes(house: House, becomes: State, *numbers: int) -> None:
    for number in numbers:
        house.drop(f"drop {number}.wav", number)
    with house.running():
        house.wait(lambda: all(house.states().get(f"drop {number}.wav") is becomes for number in numbers))


def _bought_by_itself(house: House) -> int:
    before = house.sandbox.charges
    assert house.cmd("resume").code == 0
    house.once()
    return house.sandbox.charges - before


@pytest.mark.parametrize("since", ["the rest came and all was held", "the rest came while no machine ran",
                                   "the service was away", "broken off", "nothing was restored"])
def test_what_was_queued_in_the_copy_counts_for_the_drop_that_it_is_of(
        house: House, since: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of nine files are journalled when the copy is made; without a rebuild all nine are held."""
    _queued(house, 10, 11, 12, 13)
    kept = house.keep()
    if since == "the rest came and all was held":
        _comes(house, State.HELD, *range(14, 19))
    else:
        if since != "nothing was restored":
            with house.running():  # the copy is old by its markers
                pass
        for number in range(14, 19):
            house.drop(f"drop {number}.wav", number)
    house.put_back(kept)
    if since == "the service was away":
        house.use_key(None)
        house.rebuild()
        house.use_key(KEY)
    if since == "broken off":
        with monkeypatch.context() as broken:
            broken.setattr("diffio_watch.recovery.rebuild._Rebuild._take_over", lambda *_: 1 / 0)
            assert house.cmd("journal", "rebuild").code == 1
    told = house.rebuild().out
    assert ("9 are of a drop, which is held" if since != "broken off" else "they are held as before") in told
    assert "held as unproven" not in told
    assert _bought_by_itself(house) == 0
    assert list(codes(house).values()).count("drop_size") == 9
    assert house.cmd("approve", "--all").code == 0
    house.once()
    assert house.sandbox.charges == 10


@pytest.mark.parametrize("released", [False, True])
def test_what_makes_no_drop_together_goes_on_after_a_rebuild(house: House, *, released: bool) -> None:
    """Few files, or those that a person had approved when the copy was made."""
    _queued(house, *range(10, 19 if released else 13), limit=20)
    if released:
        house.more = {"limits": {"min_free": 0, "approve_over_files": 5}}
        house.configure()
        _comes(house, State.HELD, 9)
        assert house.cmd("approve", "--all").code == 0
    _since(house)
    house.drop("drop 30.wav", 30)
    house.drop("drop 31.wav", 31)
    house.rebuild()
    assert _bought_by_itself(house) == (12 if released else 5)


def test_what_was_queued_long_before_is_of_no_drop_that_comes_at_the_copy_s_end(house: House) -> None:
    _queued(house, 10, 11, 12, 13)
    with Journal.open(house.state) as journal:
        for job in journal.jobs.newest({State.QUEUED}):
            journal.restore.learn(replace(job, created_at=job.created_at - 3600, settled_at=job.created_at - 3600,
                                          detected_at=job.detected_at - 3600), "an hour before")
    _since(house)
    for number in range(14, 18):  # with the one that was restored, as many as may come at once
        house.drop(f"drop {number}.wav", number)
    house.rebuild()
    assert _bought_by_itself(house) == 8


@pytest.mark.parametrize("copied", ["before the word", "after it"])
def test_the_rest_of_a_drop_that_was_left_out_is_held_over_a_rebuild(drop: House, copied: str) -> None:
    ids = [job.id for job in drop.jobs().values() if job.state is State.HELD]
    if copied == "after it":
        assert drop.cmd("cancel", *ids).code == 0
        _since(drop)
    else:
        _since(drop, "cancel", *ids)
    drop.drop("late.wav", 20)
    drop.rebuild()
    assert codes(drop)["late.wav"] == "drop_size"
    drop.once()
    assert drop.sandbox.charges == 1


@pytest.mark.parametrize("how", ["it was away when the copy was made", "it was touched", "away between two rebuilds"])
def test_a_held_file_that_left_or_was_touched_is_held_for_what_it_was(drop: House, how: str) -> None:
    path, away = drop.inbox / "drop 10.wav", drop.base / "away.wav"
    if how == "it was away when the copy was made":
        path.rename(away)
        with drop.running():
            drop.wait(lambda: drop.states()["drop 10.wav"] is State.CANCELLED)
    _since(drop)
    if how == "away between two rebuilds":
        drop.use_key(None)
        drop.rebuild()
        drop.use_key(KEY)
        path.rename(away)
        with drop.running():
            drop.wait(lambda: drop.states()["drop 10.wav"] is State.CANCELLED)
            away.rename(path)
            drop.wait(lambda: drop.states()["drop 10.wav"] is State.HELD)
    elif how == "it was touched":
        os.utime(path)
    else:
        away.rename(path)
    drop.rebuild()
    assert codes(drop)["drop 10.wav"] == "drop_size"
    drop.once()
    assert drop.sandbox.charges == 1


def test_the_day_s_limit_holds_until_its_day_is_over_whatever_was_rebuilt(house: House) -> None:
    house.more = {"limits": {"min_free": 0, "daily_files": 1}}
    house.configure()
    for number in (1, 2):
        house.drop(f"{number}.wav", number)
    with house.running():
        house.wait(lambda: set(house.states().values()) == {State.DELIVERED, State.HELD})
    until = next(job.due_at for job in house.jobs().values() if job.state is State.HELD)
    _since(house)
    house.rebuild()
    assert sorted(codes(house).values()) == ["daily_limit", "delivered"]
    assert [job.due_at for job in house.jobs().values() if job.state is State.HELD] == [until]
