"""The seam where SQLite's errors become this project's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from diffio_watch.journal.errors import JournalCorrupt, JournalMissing, JournalTrouble

_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_RESTORE: Final = ("Stop the daemon, move `{dir}/journal.sqlite3*` away, copy the newest file of `{dir}/backups` to "
                   "`{dir}/journal.sqlite3` if there is one, and run `diffio-watch journal rebuild`: it learns from "
                   "the sidecars what was restored.")


class Translation:
    """The seam where sqlite3's errors become this project's. A class, for it stands around every query."""

    __slots__ = ("_state_dir",)

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        callers = (sqlite3.IntegrityError, sqlite3.ProgrammingError)  # a rule of the schema; a bug
        if isinstance(error, sqlite3.Error) and not isinstance(error, callers):
            raise translate(error, self._state_dir) from error


@contextmanager
def translation(state_dir: Path) -> Iterator[None]:
    """The seam around the opening, where the system's own errors come too."""
    with Translation(state_dir):
        try:
            yield
        except OSError as error:
            raise JournalTrouble(f"The journal in {state_dir} can't be opened: {error.strerror}.",
                                 fatal=False) from error


def translate(error: sqlite3.Error, state_dir: Path) -> Exception:
    """What an error of SQLite is in this project's words."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(_DAMAGED):
        return damaged(error, state_dir)
    if name == "SQLITE_READONLY_ROLLBACK":  # only while it is made has it a rollback journal, and a crash left one
        return no_journal(state_dir)
    if name.startswith("SQLITE_IOERR"):
        return JournalTrouble(f"The disk beneath {state_dir} fails ({error}): check it.", fatal=True)
    if name.startswith(("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return JournalTrouble(f"The journal in {state_dir} can't be written ({error}): make room, or mend the disk "
                              "and the permissions.", fatal=False)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return JournalTrouble(f"Another program keeps the journal in {state_dir} busy: end it.", fatal=False)
    return error


def damaged(detail: object, state_dir: Path) -> JournalCorrupt:
    """A damaged journal, and how to get it back."""
    return JournalCorrupt(f"The journal in {state_dir} is damaged ({detail}). {_RESTORE.format(dir=state_dir)}")


def integrity(db: sqlite3.Connection) -> str | None:
    """What is wrong with a database, in SQLite's words; None if nothing is."""
    try:
        (told,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if (error.sqlite_errorname or "").startswith(_DAMAGED):
            return str(error)
        raise
    return None if told == "ok" else str(told).splitlines()[-1]


def no_journal(state_dir: Path) -> JournalMissing:
    """There is none yet."""
    return JournalMissing(f"There is no journal in {state_dir} yet: `diffio-watch run` makes one.")
