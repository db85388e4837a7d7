"""Many threads' small transactions in one: a disk syncs some hundred times a second, whatever each sync brings."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TypeVar

_SAVE: Final = "SAVEPOINT one"
_Result = TypeVar("_Result")


class Transaction(Protocol):
    """Begins a transaction, and commits or takes it back: `Connection.transaction`."""

    def __call__(self, *, synced: bool) -> AbstractContextManager[sqlite3.Connection]:
        """Where it is `synced` it is on the disk then."""


class _Turn:
    """One thread's work, and what came of it. `over` is locked until then, or until the thread is to lead."""

    __slots__ = ("done", "error", "over", "result", "synced", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any], *, synced: bool) -> None:
        self.work = work
        self.synced = synced
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False
        self.over = threading.Lock()
        self.over.acquire()


class SharedCommit:
    """Whoever comes while another commits waits, and the first of those that wait commits for all of them."""

    def __init__(self) -> None:
        self._door = threading.Lock()
        self._waiting: list[_Turn] = []
        self._led = False

    def commit(self, work: Callable[[sqlite3.Connection], _Result], transaction: Transaction, *,
               synced: bool = True) -> _Result:
        """Have work done in a transaction, alone or with others' work.

        Args:
            work: gets the connection.
            transaction: begins one, and commits or takes it back.
            synced: whether it has to be on the disk then; else a sync is left to those who need one.

        Raises:
            Exception: what `work` raised, or what became of the transaction.
        """
        mine = _Turn(work, synced=synced)
        with self._door:
            self._waiting.append(mine)
            leads, self._led = not self._led, True
        if not leads:
            mine.over.acquire()
        if not mine.done:
            self._lead(transaction)
        if mine.error is not None:
            raise mine.error
        result: _Result = mine.result
        return result

    def _lead(self, transaction: Transaction) -> None:
        turns: list[_Turn] = []
        with self._door:
            synced = any(turn.synced for turn in self._waiting)
        try:
            with transaction(synced=synced) as db:
                with self._door:  # only now: who came while another wrote comes along, where the sync is no less
                    turns = [turn for turn in self._waiting if synced or not turn.synced]
                    self._waiting = [turn for turn in self._waiting if turn.synced and not synced]
                for turn in turns:
                    _do(turn, db, alone=len(turns) == 1)
        except BaseException as error:  # noqa: BLE001 - each of them gets it
            if not turns:
                with self._door:
                    turns, self._waiting = self._waiting, []
            for turn in turns:
                turn.error = turn.error or error
        with self._door:
            if self._waiting:
                self._waiting[0].over.release()  # it leads the next ones
            else:
                self._led = False
        for turn in turns:
            turn.done = True
            turn.over.release()


def _do(turn: _Turn, db: sqlite3.Connection, *, alone: bool) -> None:
    """Do one thread's work so that its error is its own. What SQLite says of the disk is everybody's."""
    if alone:
        turn.result = turn.work(db)
        return
    db.execute(_SAVE)
    try:
        turn.result = turn.work(db)
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 - it is raised in the thread whose work it is
        turn.error = error
        db.execute("ROLLBACK TO one")
    db.execute("RELEASE one")
