"""The program's memory: one SQLite file that survives whatever ends the program.

Only this package knows `sqlite3`. Another store could take its place by offering `Journal`'s methods.
"""

from __future__ import annotations

from diffio_watch.journal.account import Answer, Halt, Request
from diffio_watch.journal.errors import (
    CopyFailed,
    JournalCorrupt,
    JournalError,
    JournalLocked,
    JournalMissing,
    JournalTrouble,
    NameReserved,
    Stale,
)
from diffio_watch.journal.lock import Lock, holder
from diffio_watch.journal.overview import Overview


class Journal(Overview):
    """Jobs, files, halts, pauses and requests in one database."""


__all__ = [
    "Answer", "CopyFailed", "Halt", "Journal", "JournalCorrupt", "JournalError", "JournalLocked", "JournalMissing",
    "JournalTrouble", "Lock", "NameReserved", "Request", "Stale", "holder",
]
