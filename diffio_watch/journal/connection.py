"""The database: opening, transactions, and SQLite's errors in this project's words.

One connection writes, and whoever writes has it alone. Another one reads: a commit waits for the disk, and those who
only look something up do not wait with it. What they see is what was committed last.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from diffio_watch.clock import Clock
from diffio_watch.journal.errors import JournalCorrupt, JournalTrouble
from diffio_watch.journal.opening import BUSY, FILE, open_databases
from diffio_watch.journal.shared import SharedCommit
from diffio_watch.journal.sqlite_errors import Translation, damaged, integrity, translate, translation

_LOOK_AFTER: Final = 1_000_000  # steps of SQLite's machine, some tenths of a second


_Result = TypeVar("_Result")


class Connection:
    """A journal's SQLite database: WAL, every commit synced, one writer. Safe to use from many threads.

    Args:
        state_dir: the folder that holds the journal.
        db: the opened database.
        clock: dates the rows.
        reader: another connection to it, for those who only look something up; None: this one is read-only itself.
    """

    def __init__(self, state_dir: Path, db: sqlite3.Connection, clock: Clock,
                 reader: sqlite3.Connection | None) -> None:
        self.state_dir = state_dir
        self.clock = clock
        self._db = db
        self._lock = threading.RLock()
        self._reader = reader or db
        self._reading = threading.Lock() if reader is not None else self._lock
        self.commits = 0  # so far: as long as this stays, every question has the answer that it had
        self._writes: int | None = None  # the thread that is in a transaction
        self._alone: int | None = None  # the thread that keeps others out
        self._shared = SharedCommit()
        self._synced = True  # whether commits are
        self._translation = Translation(state_dir)
        # called around each commit by tests that end the process there
        self.before_commit: Callable[[], None] = _nothing
        self.after_commit: Callable[[], None] = _nothing
        # whether the program is to end: then nobody waits for a busy journal any more
        self.ending: Callable[[], bool] = lambda: False
        self._inode = (state_dir / FILE).stat().st_ino
        with self._lock, self._translation:
            self._meta = dict(db.execute("SELECT name, value FROM meta").fetchall())

    @classmethod
    def open(cls, state_dir: Path, clock: Clock | None = None, *, create: bool = False,
             read_only: bool = False) -> Self:
        """Open the journal in `state_dir`.

        Args:
            state_dir: a folder on a local disk.
            clock: dates the rows; a new one by default.
            create: make it where there is none.
            read_only: never write, create or migrate anything.

        Raises:
            JournalMissing: there is none, and `create` is off.
            JournalCorrupt: it is damaged, not ours, or of another version than this program can read.
            JournalTrouble: the disk refuses.
        """
        db, reader = open_databases(state_dir, create=create, read_only=read_only)
        try:
            with translation(state_dir):
                return cls(state_dir, db, clock or Clock(), reader)
        except BaseException:
            for opened in (db, reader):
                if opened is not None:
                    opened.close()
            raise

    def still_there(self) -> None:
        """Make sure that what is written goes into the file that the next start will read.

        Raises:
            JournalTrouble: the file was removed or replaced beneath the running program.
        """
        try:
            same = (self.state_dir / FILE).stat().st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            raise JournalTrouble(f"The journal in {self.state_dir} was removed or replaced while the daemon ran: "
                                 "nothing it does can be recorded. Put it back, or restore a copy.", fatal=True)

    def must_be_whole(self, go_on: Callable[[], bool] = lambda: True) -> bool:
        """Read all of it: a damaged index hides rows, and a row that is not seen would be paid for again.

        Takes about two seconds for 100,000 jobs.

        Args:
            go_on: asked again and again meanwhile; to break it off, False.

        Returns:
            Whether it was read to its end.

        Raises:
            JournalCorrupt: it is damaged; the sentence says how to get it back.
        """
        with self._lock, self._translation:
            self._db.set_progress_handler(lambda: not go_on(), _LOOK_AFTER)
            try:
                damage = integrity(self._db)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    return False
                raise
            finally:
                self._db.set_progress_handler(None, 0)
        if damage is not None:
            raise damaged(damage, self.state_dir)
        return True

    def copy_into(self, target: sqlite3.Connection) -> None:
        """Copy everything into an empty database, as it is at one moment; others may write meanwhile."""
        with self._reading:
            try:
                self._reader.backup(target)
            except sqlite3.Error as error:
                translated = translate(error, self.state_dir)
                if isinstance(translated, JournalCorrupt):
                    raise translated from error
                raise  # what else there is to say is about the target

    def close(self) -> None:
        """Close the database; waits for the threads that are in it."""
        with self._reading:
            self._reader.close()  # first: the last to close puts the log away, and must be able to write
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def id(self) -> str:
        """The journal's name for itself, as its markers carry it."""
        return str(self._meta["id"])

    @property
    def secret(self) -> bytes:
        """32 random bytes that key the fingerprints of API keys."""
        return bytes(self._meta["secret"])

    def meta(self, name: str) -> Any:
        """A single value by name; None where there is none."""
        row = self.row("SELECT value FROM meta WHERE name = ?", name)
        return None if row is None else row["value"]

    def data_version(self) -> int:
        """A number that is another one as soon as anybody else has committed anything; for one who only reads."""
        row = self.row("PRAGMA data_version")
        assert row is not None
        return int(row["data_version"])

    def set_meta(self, name: str, value: str | float | bytes | None) -> None:
        """Remember a single value by name."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other thread writes meanwhile: for what memory holds of it, and must change with it.

        Whoever is in the journal, here or in a transaction, waits for no other lock and for no network.
        """
        with self._lock:
            before, self._alone = self._alone, threading.get_ident()
            try:
                yield
            finally:
                self._alone = before

    @contextmanager
    def transaction(self, *, synced: bool = True) -> Iterator[sqlite3.Connection]:
        """All or nothing, on disk when it returns. Nested calls join the outer one.

        Args:
            synced: False: it outlives the program, and a power cut only once another commit was synced after it.

        Raises:
            JournalTrouble: the disk refused; nothing of it was committed.
        """
        if self._writes == threading.get_ident():
            yield self._db
            return
        with self._lock, self._translation:
            if synced is not self._synced:
                self._db.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
                self._synced = synced
            self._begin()
            self._writes = threading.get_ident()
            try:
                yield self._db
                self.before_commit()
                self._db.execute("COMMIT")
                self.commits += 1
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._writes = None
            self.after_commit()

    def together(self, work: Callable[[sqlite3.Connection], _Result], *, synced: bool = True) -> _Result:
        """A transaction of this work, on disk when it returns, that shares its sync with those that come meanwhile.

        Args:
            work: what is to be written. It waits for nothing, and may be begun anew.
            synced: False: it waits for no sync, as `transaction` has it.

        Raises:
            JournalTrouble: the disk refused; nothing of it was committed.
            Exception: what `work` raised; then nothing of it was committed, and all of the others'.
        """
        if threading.get_ident() in {self._writes, self._alone}:  # whoever leads could never get in
            with self.transaction(synced=synced) as db:
                return work(db)
        return self._shared.commit(work, self.transaction, synced=synced)

    def _begin(self) -> None:
        """Become the one who writes, as soon as no other program does."""
        end = time.monotonic() + BUSY
        while True:
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
                if not busy or self.ending() or time.monotonic() >= end:
                    raise
            else:
                return

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """All that a query finds."""
        if self._writes == threading.get_ident():
            return self._db.execute(query, values).fetchall()
        with self._reading, self._translation:
            return self._reader.execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        """The first that a query finds; None where it finds nothing."""
        found = self.rows(query, *values)
        return found[0] if found else None


def _nothing() -> None: ...
