"""Copies of a journal, made through SQLite itself while the daemon works, proven whole before they count.

What was paid for after a copy was made is not in it. So each copy says that it is one, and the daemon spends nothing
on the word of a copy that was put in the journal's place, until `journal rebuild` has brought it up to date.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from diffio_watch.disk import durable
from diffio_watch.job import new_id
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.errors import CopyFailed, JournalCorrupt
from diffio_watch.journal.sqlite_errors import integrity

FOLDER: Final = "backups"
KEPT: Final = 7  # daily copies
COPIED_AT: Final = "copied_at"  # in a copy's meta: seconds since the epoch

_DAILY: Final = re.compile(r"journal-\d{4}-\d\d-\d\d\.sqlite3")
_SUFFIXES: Final = ("", "-journal", "-wal", "-shm")
_HIDDEN: Final = re.compile(rf"\.journal-[0-9A-Z]{{26}}\.part({'|'.join(_SUFFIXES)})")


def write_copy(state_dir: Path, target: Path) -> None:
    """Write a consistent copy of the journal in `state_dir`, whoever works with it; never over an existing file.

    Args:
        state_dir: where the journal is.
        target: the copy, mode 0600. It appears whole and on disk, or not at all.

    Raises:
        JournalMissing, JournalCorrupt, JournalTrouble: the journal can't be read; a damaged one is not copied.
        CopyFailed: the copy can't be written, or its name is taken.
    """
    hidden = f".journal-{new_id()}.part"
    try:
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise CopyFailed(f"The copy can't be written into {target.parent}: {error.strerror}.") from error
    try:
        if os.path.lexists(target):
            raise FileExistsError
        # with its final mode: SQLite would make it with the umask's
        os.close(durable.create(hidden, 0o600, dir_fd=folder))
        with Connection.open(state_dir, read_only=True) as journal:
            _fill(journal, target.parent / hidden)
        descriptor = os.open(hidden, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        try:
            durable.sync(descriptor)
        finally:
            os.close(descriptor)
        durable.rename_noreplace(hidden, target.name, source_fd=folder, target_fd=folder)
        durable.sync_folder(folder)
    except FileExistsError:
        raise CopyFailed(f"{target} exists already and stays as it is: name another file.") from None
    except (sqlite3.Error, OSError) as error:
        words = error.strerror if isinstance(error, OSError) else error
        raise CopyFailed(f"The copy {target} can't be written: {words}.") from error
    finally:
        for suffix in _SUFFIXES:
            with suppress(FileNotFoundError):
                os.unlink(hidden + suffix, dir_fd=folder)
        os.close(folder)


def _fill(journal: Connection, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        # nothing but this one file, which is synced at the end
        copy.execute("PRAGMA journal_mode = MEMORY")
        copy.execute("PRAGMA synchronous = OFF")
        copy.execute("PRAGMA locking_mode = EXCLUSIVE")
        journal.copy_into(copy)
        copy.execute("PRAGMA journal_mode = MEMORY")  # the journal's own mode, WAL, came along
        damage = integrity(copy)
        if damage is not None:
            raise JournalCorrupt(f"The journal in {journal.state_dir} is damaged ({damage}) and was not copied: stop "
                                 "the daemon and run it again, which says how to get it back.")
        copy.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (COPIED_AT, time.time()))


def write_daily(state_dir: Path, now: float) -> Path | None:
    """Write today's copy into `state_dir/backups` if it is missing, and remove all but the seven newest.

    Args:
        state_dir: where the journal is.
        now: seconds since the epoch; the day is the host's local one.

    Returns:
        The copy, if one was made.

    Raises:
        JournalError: as `write_copy` has it; then no older copy is removed.
    """
    folder = state_dir / FOLDER
    target = folder / f"journal-{time.strftime('%Y-%m-%d', time.localtime(now))}.sqlite3"
    if target.exists():
        return None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _remove(folder, _HIDDEN, 0)
        write_copy(state_dir, target)
        _remove(folder, _DAILY, KEPT)
    except OSError as error:
        raise CopyFailed(f"The daily copies in {folder} can't be kept: {error.strerror}.") from error
    return target


def newest(state_dir: Path, wanted: Callable[[str], bool]) -> Path | None:
    """The newest daily copy of a journal.

    Args:
        state_dir: where the copies are.
        wanted: told a copy's journal's id; whether that is meant.
    """
    try:
        found = [path for path in (state_dir / FOLDER).iterdir() if _DAILY.fullmatch(path.name)]
    except OSError:
        return None
    for path in sorted(found, reverse=True):
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
                row = copy.execute("SELECT value FROM meta WHERE name = 'id'").fetchone()
        except sqlite3.Error:
            continue  # no copy that helps anybody
        if row is not None and wanted(str(row[0])):
            return path
    return None


def _remove(folder: Path, pattern: re.Pattern[str], keep: int) -> None:
    """Remove the files of this name, but for the newest by name."""
    found = sorted((path for path in folder.iterdir() if pattern.fullmatch(path.name)), reverse=True)
    for path in found[keep:]:
        path.unlink()
