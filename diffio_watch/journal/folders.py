"""The journal's memory of the folders that carry its markers."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, replace
from typing import Final

from diffio_watch.disk.marker import FolderMemory, Role
from diffio_watch.journal.aftermath import Aftermath
from diffio_watch.journal.rows import dump

# in the meta of a journal that a marker has given away as an old copy: the sentence about it
OLD_COPY: Final = "old_copy"
_MOST_A_SECOND: Final = 10  # counts; really one a start, a day and a purchase
_SLACK: Final = 1000


class Folders(Aftermath):
    """What is known of each inbox, outbox and archive, and how far its marker was counted."""

    def folder(self, role: Role, name: str) -> FolderMemory | None:
        """What this journal knows of a folder it has used; None: it has never used it."""
        row = self._one("SELECT facts FROM folders WHERE role = ? AND name = ?", role, name)
        if row is None:
            return None
        facts = json.loads(row["facts"])
        return FolderMemory(**{**facts, "former": tuple(facts.get("former", ()))})

    def set_folder(self, memory: FolderMemory) -> None:
        """Remember a folder."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)",
                       (memory.role, memory.name, dump(asdict(memory))))

    def forget_folder(self, role: Role, name: str) -> None:
        """Forget a folder, so that its marker may be written anew."""
        with self.transaction() as db:
            db.execute("DELETE FROM folders WHERE role = ? AND name = ?", (role, name))

    def folder_count(self, role: Role, name: str) -> int:
        """The highest counter that this journal may have written into a folder's marker; 0 where it never did."""
        row = self._one("SELECT counter FROM folder_counts WHERE role = ? AND name = ?", role, name)
        return 0 if row is None else int(row["counter"])

    def count_folder(self, role: Role, name: str, counter: int) -> None:
        """Remember a counter before it is written into a folder's marker; one that was higher stays."""
        if self.folder_count(role, name) >= counter:
            return
        with self.transaction() as db:
            db.execute("INSERT INTO folder_counts VALUES (?, ?, ?) "
                       "ON CONFLICT DO UPDATE SET counter = max(counter, excluded.counter)", (role, name, counter))

    def forget_counts(self) -> None:
        """Begin to count anew; every marker is about to be written anew too."""
        with self.transaction() as db:
            db.execute("DELETE FROM folder_counts")

    def could_count(self, counter: int) -> bool:
        """Whether a newer state of this journal, restored as an older one, may have come to a counter by now."""
        age = max(0.0, self.clock.now() - float(self.meta("created_at") or 0.0))
        return counter <= _SLACK + _MOST_A_SECOND * age

    def _rename_folders(self, db: sqlite3.Connection, old: str, new: str) -> None:
        roles: tuple[Role, ...] = ("inbox", "outbox", "archive")
        for role in roles:
            memory = self.folder(role, old)
            if memory is not None:
                db.execute("DELETE FROM folders WHERE role = ? AND name = ?", (role, old))
                self.set_folder(replace(memory, name=new))
            # the old name's stays too: its marker says that name until it is written anew
            self.count_folder(role, new, self.folder_count(role, old))
