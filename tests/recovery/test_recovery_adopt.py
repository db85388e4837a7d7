"""`journal adopt` says whose a folder is and what it may cost, asks, and takes nothing from a daemon that works."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from markers import put_marker
from recovery_house import House

from diffio_watch.disk import marker, marker_file
from diffio_watch.disk.keeper import Keeper
from diffio_watch.journal import Journal


def restored(house: House, count: int) -> None:
    for number in range(count):
        house.drop(f"take {number}.wav", number)
    assert house.once() == 0
    house.check(count)


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def belongs_to(house: House, keeper: Keeper, seen_at: float) -> None:
    """The folders are another journal's, whose daemon showed life then."""
    roots: list[tuple[marker.Role, Path]] = [("inbox", house.inbox), ("outbox", house.outbox)]
    for role, folder in roots:
        put_marker(folder, marker_file.Marker("diffio-watch", "01THEIRS", role, "a", 4, keeper=keeper))
        os.utime(folder / marker.NAME, (seen_at, seen_at))


FAR = Keeper("diffio", "nas", "/var/lib/diffio-watch", "0" * 16, 17)


def test_a_lost_journals_folders_with_an_empty_outbox_are_not_bought_again_without_a_question(house: House) -> None:
    restored(house, 5)
    house.lose_journal()
    emptied(house.outbox)
    done = house.cmd("journal", "adopt")
    assert done.code == 2
    assert "5 recordings lie in the inbox that this journal does not know" in done.err
    assert "could be paid for again" in done.err
    assert "journal rebuild" in done.err
    assert "--yes" in done.err
    assert not house.state.joinpath("journal.sqlite3").exists()  # asking makes no journal
    assert not (house.outbox / marker.NAME).exists()
    assert house.once() == 2
    house.check(5)
    told = house.cmd("journal", "adopt", "--yes")  # the same words stand in a script's log
    assert told.code == 0
    assert "5 recordings lie" in told.out


def test_both_messages_name_the_newest_copy_first(house: House) -> None:
    restored(house, 2)
    copies = sorted((house.state / "backups").iterdir())
    older = house.state / "backups/journal-2020-01-31.sqlite3"
    shutil.copy(copies[-1], older)
    (house.state / "backups/journal-2099-01-31.sqlite3").write_bytes(b"no journal")
    for path in house.state.glob("journal.sqlite3*"):
        path.unlink()
    for words in (["once"], ["journal", "adopt"]):
        done = house.cmd(*words)
        assert done.code == 2
        named = done.err.index(str(copies[-1]))
        assert named < done.err.index("learns from the sidecars")
        assert str(older) not in done.err
    # and what they say helps
    for path in house.state.glob("journal.sqlite3*"):
        path.unlink()
    shutil.copy(copies[-1], house.state / "journal.sqlite3")
    house.rebuild()
    house.once()
    house.check(2)


def test_a_copy_of_another_journal_is_no_way_back(house: House) -> None:
    restored(house, 1)
    with Journal.open(house.state) as journal:
        assert journal.id
    belongs_to(house, FAR, 1.0)
    assert "newest copy" not in house.cmd("journal", "adopt").err


@pytest.fixture
def another_process() -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_from_a_daemon_that_works_nothing_is_taken(house: House, another_process: int, where: str) -> None:
    keeper = replace(Keeper.here(Path("/var/lib/theirs"), runs=True), pid=another_process) if where == "here" else FAR
    belongs_to(house, keeper, time.time() - 60)
    before = (house.inbox / marker.NAME).read_bytes()
    for words in ([], ["--yes"]):
        done = house.cmd("journal", "adopt", *words)
        assert done.code == 2
        assert "is at work there" in done.err
        assert str(keeper) in done.err
    assert (house.inbox / marker.NAME).read_bytes() == before
    rebuilt = house.cmd("journal", "rebuild")
    assert rebuilt.code == 1
    assert "stop that one first" in rebuilt.err
    assert (house.inbox / marker.NAME).read_bytes() == before
    refused = house.cmd("run")
    assert refused.code == 2
    assert "adopt" not in refused.err
    # it ended: here its process is gone, elsewhere nothing was seen of it for long
    belongs_to(house, replace(keeper, pid=2**22 + 1) if where == "here" else keeper,
               time.time() - (60 if where == "here" else 3600))
    asked = house.cmd("journal", "adopt")
    assert asked.code == 2
    assert "was last seen there" in asked.err
    assert "say --yes" in asked.err
    assert house.cmd("journal", "adopt", "--yes").code == 0
    restored(house, 1)


def test_a_running_daemon_is_seen_at_work_by_the_next_account(house: House) -> None:
    with house.running():
        house.wait((house.inbox / marker.NAME).exists)
        found = marker.read(str(house.inbox))
        assert found is not None
        assert found.keeper == Keeper.here(house.state, runs=True)
        # this very process is no other daemon; to one of its own it would be
        assert replace(found.keeper, machine="another").works(found.seen_at, time.time())


def test_empty_folders_that_nobody_had_are_taken_without_a_question(house: House) -> None:
    assert house.cmd("journal", "adopt").code == 0
    restored(house, 1)


def test_a_new_disk_asks_only_for_what_the_journal_does_not_know(house: House) -> None:
    restored(house, 2)
    (house.inbox / marker.NAME).unlink()
    assert house.cmd("journal", "adopt").code == 0  # both are known
    (house.inbox / marker.NAME).unlink()
    house.drop("new.wav", 40)
    done = house.cmd("journal", "adopt")
    assert done.code == 2
    assert "1 recording lies" in done.err
    assert house.cmd("journal", "adopt", "--yes").code == 0
    assert house.once() == 0
    house.check(3)


def test_a_renamed_inbox_is_not_adopted_but_keeps_its_jobs(house: House) -> None:
    restored(house, 2)
    before = {job.id for job in house.jobs().values()}
    house.configure(name="podcasts")
    done = house.cmd("journal", "adopt")
    assert done.code == 0
    assert "The inbox a is called podcasts now: its jobs come along." in done.out
    assert {job.id for job in house.jobs().values() if job.inbox == "podcasts"} == before
    assert house.once() == 0
    house.check(2)


def test_beside_a_running_daemon_a_renamed_inbox_waits_for_its_restart(house: House) -> None:
    restored(house, 1)
    with house.running():
        house.configure(name="podcasts")
        done = house.cmd("journal", "adopt")
        assert done.code == 1
        assert "restart the daemon" in done.err
    assert house.once() == 0
    house.check(1)
