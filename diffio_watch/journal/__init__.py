"""The program's memory: one SQLite file that survives whatever ends the program.

Only this package knows `sqlite3`. Another store could take its place by offering `Journal`'s parts.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from diffio_watch.clock import Clock
from diffio_watch.journal.chores import Chores
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.drop import Drops
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
from diffio_watch.journal.files import Files
from diffio_watch.journal.folders import Folders
from diffio_watch.journal.halts import Halt, Halts
from diffio_watch.journal.inboxes import Inboxes
from diffio_watch.journal.jobs import Jobs
from diffio_watch.journal.lists import Lists
from diffio_watch.journal.lock import Lock, holder
from diffio_watch.journal.notices import Notices
from diffio_watch.journal.overview import Overview
from diffio_watch.journal.requests import Answer, Request, Requests
from diffio_watch.journal.restore import Restore
from diffio_watch.journal.schedule import Schedule
from diffio_watch.journal.totals import Totals


class Journal(Connection):
    """One database, and its parts by name.

    Attributes:
        jobs: the jobs themselves, their history, parts and reserved names.
        schedule: what of them is due, and when.
        totals: sums over them.
        drops: files that came at once, and what a person said of them.
        files: what stands at each path of an inbox.
        inboxes: what intake said of each inbox.
        folders: the folders that carry this journal's markers.
        halts: what is stopped, and what a person paused.
        requests: what people ask of the daemon.
        chores: error files and originals that are still to be dealt with.
        overview: what a person is told of the whole.
        lists: jobs page by page.
        notices: what people are told by message.
        restore: what only a rebuild may do.
    """

    def __init__(self, state_dir: Path, db: sqlite3.Connection, clock: Clock,
                 reader: sqlite3.Connection | None) -> None:
        super().__init__(state_dir, db, clock, reader)
        self.jobs = Jobs(self)
        self.schedule = Schedule(self, self.jobs)
        self.totals = Totals(self)
        self.drops = Drops(self)
        self.files = Files(self, self.jobs, self.drops)
        self.inboxes = Inboxes(self)
        self.folders = Folders(self)
        self.halts = Halts(self)
        self.requests = Requests(self)
        self.chores = Chores(self, self.jobs)
        self.overview = Overview(self, self.jobs)
        self.lists = Lists(self, self.jobs)
        self.notices = Notices(self)
        self.restore = Restore(self, self.jobs)


__all__ = [
    "Answer", "CopyFailed", "Halt", "Journal", "JournalCorrupt", "JournalError", "JournalLocked", "JournalMissing",
    "JournalTrouble", "Lock", "NameReserved", "Request", "Stale", "holder",
]
