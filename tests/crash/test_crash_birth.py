"""A journal whose making was cut off is no journal yet: the next start makes it, and who only reads is told so."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from diffio_watch.journal import Journal, JournalMissing


@pytest.fixture(autouse=True)
def _copied_journals() -> None:
    """None: here they are made in full."""


def test_a_journal_that_was_being_made_when_the_power_went_is_not_there_yet_and_is_made_again(tmp_path: Path) -> None:
    """SQLite has a rollback journal until it is told to keep a write-ahead log."""
    making, state = tmp_path / "making", tmp_path / "state"
    for folder in (making, state):
        folder.mkdir()
    db = sqlite3.connect(making / "journal.sqlite3", isolation_level=None)
    db.execute("PRAGMA cache_size = 1")
    db.execute("BEGIN")
    db.execute("CREATE TABLE big (value)")
    db.executemany("INSERT INTO big VALUES (?)", [(b"x" * 5000,)] * 20)  # more than the cache: it reaches the disk
    for path in making.iterdir():
        shutil.copy(path, state)
    db.execute("ROLLBACK")
    db.close()
    assert (state / "journal.sqlite3-journal").stat().st_size > 0
    with pytest.raises(JournalMissing):
        Journal.open(state, read_only=True)
    with Journal.open(state, create=True) as journal:
        assert journal.jobs.newest() == []
    with Journal.open(state, read_only=True) as journal:
        assert journal.jobs.newest() == []
