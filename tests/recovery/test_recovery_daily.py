"""The daemon keeps seven daily copies, and counts what it bought."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from recovery_house import House

from diffio_watch.daemon.upkeep import Upkeep
from diffio_watch.disk import marker
from diffio_watch.disk.marker import Owner
from diffio_watch.job import Job, Settings, new_id
from diffio_watch.journal import Journal, JournalCorrupt
from diffio_watch.journal.backup import COPIED_AT, write_daily
from diffio_watch.logs import open_log

DAY = 86400.0
NOON = time.mktime((2026, 3, 1, 12, 0, 0, 0, 0, -1))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    (tmp_path / "state").mkdir()
    with Journal.open(tmp_path / "state", create=True) as opened:
        yield opened


def copies(journal: Journal) -> list[str]:
    return sorted(path.name for path in (journal.state_dir / "backups").iterdir())


def test_each_day_gets_one_copy_and_the_seven_newest_are_kept(journal: Journal) -> None:
    for day in range(10):
        assert write_daily(journal.state_dir, NOON + day * DAY) is not None
        assert write_daily(journal.state_dir, NOON + day * DAY + 3600) is None
    assert copies(journal) == [f"journal-2026-03-{day:02}.sqlite3" for day in range(4, 11)]
    folder = journal.state_dir / "backups"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_only_ones_own_copies_are_pruned_and_leftovers_of_a_kill_go(journal: Journal) -> None:
    folder = journal.state_dir / "backups"
    folder.mkdir()
    (folder / "journal-2020-01-01.sqlite3.bak").touch()
    (folder / "mine").touch()
    (folder / ".journal-01ARZ3NDEKTSV4RRFFQ69G5FAV.part").touch()
    (folder / ".journal-01ARZ3NDEKTSV4RRFFQ69G5FAV.part-wal").touch()
    write_daily(journal.state_dir, NOON)
    assert copies(journal) == ["journal-2020-01-01.sqlite3.bak", "journal-2026-03-01.sqlite3", "mine"]


def test_a_copy_is_one_whole_file_with_everything_in_it_and_says_that_it_is_one(journal: Journal) -> None:
    jobs = [Job(new_id(), "a", f"{number}.wav", 1, 1, Settings()) for number in range(500)]
    journal.jobs.add(jobs)
    copy = write_daily(journal.state_dir, NOON)
    assert copy is not None
    with closing(sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)) as db, db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*) FROM jobs").fetchone() == (500,)
        assert db.execute("SELECT count(*) FROM meta WHERE name = ?", (COPIED_AT,)).fetchone() == (1,)
        assert db.execute("PRAGMA journal_mode").fetchone() != ("wal",)
    db.close()
    assert journal.meta(COPIED_AT) is None


def test_a_copy_made_while_others_write_is_of_one_moment(journal: Journal) -> None:
    """Each transaction adds two rows: an odd number would be half of one."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            journal.jobs.add([Job(new_id(), "a", f"{new_id()}.wav", 1, 1, Settings()) for _ in range(2)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for day in range(10):
            copy = write_daily(journal.state_dir, NOON + day * DAY)
            with closing(sqlite3.connect(str(copy))) as db, db:
                assert db.execute("SELECT count(*) FROM jobs").fetchone()[0] % 2 == 0
            db.close()
    finally:
        stop.set()
        writer.join()


def test_a_restored_copy_opens_as_a_journal(journal: Journal, tmp_path: Path) -> None:
    journal.jobs.add([Job(new_id(), "a", "x.wav", 1, 1, Settings())])
    copy = write_daily(journal.state_dir, NOON)
    assert copy is not None
    (tmp_path / "other").mkdir()
    copy.rename(tmp_path / "other/journal.sqlite3")
    with Journal.open(tmp_path / "other", read_only=True) as restored:
        assert len(restored.jobs.newest()) == 1
    with Journal.open(tmp_path / "other") as restored:
        assert (restored.id, restored.secret) == (journal.id, journal.secret)
        restored.set_meta("x", 1)
        assert (tmp_path / "other/journal.sqlite3-wal").exists()


def upkeep(journal: Journal) -> tuple[Upkeep, Owner, io.StringIO]:
    log, owner = io.StringIO(), Owner(journal.id, 3)
    journal.set_meta("starts", 3)
    return Upkeep(journal, owner, open_log("info", "json", secrets=list, stream=log)), owner, log


def test_with_each_copy_the_counter_goes_up_once(journal: Journal) -> None:
    chore, owner, log = upkeep(journal)
    for hours in (0, 1, 2, 25):
        chore.once(NOON + hours * 3600)
    assert owner.counter == journal.meta("starts") == 5
    assert log.getvalue().count("journal.copied") == 2


def test_a_disk_that_takes_no_copy_is_told_once_an_hour_and_nothing_stops(journal: Journal) -> None:
    chore, owner, log = upkeep(journal)
    (journal.state_dir / "backups").write_text("in the way")
    for minutes in range(0, 120, 10):
        chore.once(NOON + minutes * 60)
    assert log.getvalue().count("journal.not_copied") == 2
    (journal.state_dir / "backups").unlink()
    chore.once(NOON + 7200)
    assert copies(journal) == ["journal-2026-03-01.sqlite3"]
    assert owner.counter == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_takes_no_half_copy_and_the_older_ones_stay(journal: Journal) -> None:
    folder = journal.state_dir / "backups"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", folder], check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"can't mount here: {done.stderr.decode().strip()}")
    try:
        chore, _, log = upkeep(journal)
        chore.once(NOON)
        journal.jobs.add([Job(new_id(), "a", f"{number}.wav" * 20, 1, 1, Settings()) for number in range(3000)])
        chore.once(NOON + DAY)
        assert copies(journal) == ["journal-2026-03-01.sqlite3"]
        assert "journal.not_copied" in log.getvalue()
        assert "full" in log.getvalue() or "No space" in log.getvalue()
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_damaged_journal_ends_the_daemon(journal: Journal) -> None:
    journal.jobs.add([Job(new_id(), "a", f"{number}.wav", 1, 1, Settings()) for number in range(300)])
    journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = journal.state_dir / "journal.sqlite3"
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(4096 * 8)
        opened.write(b"\xa5" * (size - 4096 * 8))
    chore, _, _ = upkeep(journal)
    with pytest.raises(JournalCorrupt):
        chore.once(NOON)
    assert copies(journal) == []


def test_the_daemon_makes_its_copy_when_it_starts(house: House) -> None:
    assert house.once() == 0
    today = time.strftime("%Y-%m-%d")
    assert [path.name for path in (house.state / "backups").iterdir()] == [f"journal-{today}.sqlite3"]


def test_a_count_is_the_journals_before_it_is_a_markers_and_is_not_written_by_itself(
    journal: Journal, tmp_path: Path,
) -> None:
    """A purchase raises it; with many at a time one writing does for all of them."""
    chore, owner, _ = upkeep(journal)
    (outbox := tmp_path / "outbox").mkdir()
    marker.check(str(outbox), "outbox", "a", owner, journal.folders)
    before = journal._db.total_changes
    assert [chore.count() for _ in range(3)] == [4, 5, 6]
    assert journal._db.total_changes == before
    assert marker.check(str(outbox), "outbox", "a", owner, journal.folders) == 6
    assert journal.meta("starts") == journal.folders.count_of("outbox", "a") == 6


def test_a_lower_count_never_takes_the_place_of_a_higher_one(journal: Journal) -> None:
    journal.set_meta("starts", 3)
    for counter in (5, 4):
        journal.folders.count("outbox", str(counter), counter)
    assert journal.meta("starts") == 5
