"""A damaged journal: the daemon refuses it and says how to get it back, and that way works."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from recovery_house import House

from diffio_watch.job import State


def header(file: Path) -> None:
    _write(file, 0, b"not a database, surely" * 10)


def truncated(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


def middle(file: Path) -> None:
    """Every page but the first few."""
    size = file.stat().st_size
    _write(file, 4096 * 6, b"\xa5" * (size - 4096 * 6))


def index(file: Path) -> None:
    """An index that hides its rows: nothing but a reading of the whole finds that out."""
    with closing(sqlite3.connect(file)) as db, db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs_place'").fetchone()
        (empty,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs_original'").fetchone()
    db.close()
    data = file.read_bytes()
    _write(file, (page - 1) * 4096, data[(empty - 1) * 4096:empty * 4096])


def _write(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(data)


@pytest.mark.parametrize("damage", [header, truncated, middle, index])
def test_a_damaged_journal_is_refused_and_the_way_that_is_told_brings_all_back(
        house: House, damage: Callable[[Path], None]) -> None:
    for number in range(3):
        house.drop(f"take {number}.wav", number)
    assert house.once() == 0
    damage(house.journal_file)
    for command in (("run",), ("once",), ("journal", "rebuild")):
        done = house.cmd(*command)
        assert done.code == 2, done.err
        assert "journal rebuild" in done.err
        assert f"{house.state}/backups" in done.err
        assert "Traceback" not in done.err
    house.check(3)
    # as it is told: away with it, the newest copy in its place, rebuild
    (copy,) = (house.state / "backups").glob("journal-*.sqlite3")
    for file in house.state.glob("journal.sqlite3*"):
        file.rename(house.base / file.name)
    shutil.copy(copy, house.journal_file)
    assert house.cmd("once").code == 2
    house.rebuild()
    assert house.once() == 0
    assert set(house.states().values()) == {State.DELIVERED}
    house.check(3)


def test_reading_commands_say_so_in_a_sentence_too(house: House) -> None:
    house.drop("a.wav", 1)
    assert house.once() == 0
    header(house.journal_file)
    for command in (("status",), ("jobs",), ("show", "a:a.wav")):
        done = house.cmd(*command)
        assert done.code == 2
        assert "damaged" in done.err


def test_an_emptied_journal_file_is_a_new_journal_and_refused_for_the_markers(house: House) -> None:
    house.drop("a.wav", 1)
    assert house.once() == 0
    house.journal_file.write_bytes(b"")
    assert house.once() == 2
    house.rebuild()
    assert house.once() == 0
    house.check(1)


def test_a_damaged_journal_is_not_copied(house: House, tmp_path: Path) -> None:
    """Seven daily copies of a damaged journal would leave no good one."""
    house.drop("a.wav", 1)
    assert house.once() == 0
    index(house.journal_file)
    done = house.cmd("journal", "backup", str(tmp_path / "copy"))
    assert done.code == 2
    assert "damaged" in done.err
    assert not (tmp_path / "copy").exists()


def test_another_programs_database_is_left_alone(house: House) -> None:
    house.state.mkdir()
    with closing(sqlite3.connect(house.journal_file)) as db, db:
        db.execute("CREATE TABLE photos (x)")
    db.close()
    for command in ("run", "once"):
        assert "another program's" in house.cmd(command).err
    assert house.cmd("journal", "rebuild").code == 2
    with closing(sqlite3.connect(house.journal_file)) as db, db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("photos",)]
    db.close()
