"""Opening the journal's database: made where there is none, brought up to date, never anybody else's."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from pathlib import Path
from typing import Final

from diffio_watch.job import new_id
from diffio_watch.journal.errors import JournalCorrupt
from diffio_watch.journal.schema import VERSION, migrate, version_of
from diffio_watch.journal.sqlite_errors import no_journal, translation

FILE: Final = "journal.sqlite3"
BUSY: Final = 10.0  # seconds to wait while another program writes
_BUSY_LOOK: Final = 0.1  # … of it in SQLite, where no signal is heard
_STATEMENTS: Final = 512  # prepared ones that a connection keeps


def open_databases(state_dir: Path, *, create: bool,
                   read_only: bool) -> tuple[sqlite3.Connection, sqlite3.Connection | None]:
    """The one that writes, and one that only reads; where nothing may be written, one that reads alone.

    Args:
        state_dir: a folder on a local disk.
        create: make it where there is none.
        read_only: never write, create or migrate anything.

    Raises:
        JournalMissing, JournalCorrupt, JournalTrouble: as `Connection.open` has them.
    """
    path = state_dir / FILE
    with translation(state_dir):  # perhaps another user's
        there = path.exists()
    if not there and not create:
        raise no_journal(state_dir)
    with translation(state_dir):
        if create:  # with its final mode: SQLite gives the WAL the same
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        mode = "ro" if read_only else "rw"
        db = _connect(path, mode)
        reader = None
        try:
            db.execute("PRAGMA foreign_keys = ON")
            if read_only:
                version = version_of(db)
                if version == 0:  # a daemon is just about to make it
                    raise no_journal(state_dir)
                if version != VERSION:
                    raise JournalCorrupt(
                        "The journal is of another version than this program. A start of the daemon brings it up "
                        "to date: `systemctl restart diffio-watch`, or `diffio-watch run`.")
            else:
                (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
                if mode != "wal":
                    raise JournalCorrupt(f"The disk beneath {state_dir} can't keep a journal: use a local one.")
                # NORMAL would lose acknowledged commits on power loss
                db.execute("PRAGMA synchronous = FULL")
                migrate(db)
                _baptise(db)
                db.execute(f"PRAGMA busy_timeout = {_BUSY_LOOK * 1000:.0f}")
                if create:
                    _sync_folder(state_dir)
                reader = _connect(path, "ro")
        except BaseException:
            for opened in (db, reader):
                if opened is not None:
                    opened.close()
            raise
        return db, reader


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None,
                         check_same_thread=False, timeout=BUSY, cached_statements=_STATEMENTS)
    db.row_factory = sqlite3.Row
    return db


def _baptise(db: sqlite3.Connection) -> None:
    """Give a new journal its name and secret."""
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)",
                   [("id", new_id()), ("secret", secrets.token_bytes(32)), ("created_at", time.time()), ("starts", 0)])
    db.execute("COMMIT")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
