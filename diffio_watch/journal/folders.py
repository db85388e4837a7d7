"""The journal's memory of the folders that carry its markers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Final

from diffio_watch.disk.marker import FolderMemory, Role
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.drop import WORDS
from diffio_watch.journal.rows import dump

# in the meta of a journal that a marker has given away as an old copy: the sentence about it
OLD_COPY: Final = "old_copy"
_MOST_A_SECOND: Final = 10  # counts; really one a start, a day and a purchase
_SLACK: Final = 1000


class Folders:
    """What is known of each inbox, outbox and archive, and how far its marker was counted."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    @property
    def secret(self) -> bytes:
        """What seals the markers: only this journal and its copies have it."""
        return self._db.secret

    def get(self, role: Role, name: str) -> FolderMemory | None:
        """What this journal knows of a folder it has used; None: it has never used it."""
        row = self._db.row("SELECT facts FROM folders WHERE role = ? AND name = ?", role, name)
        if row is None:
            return None
        facts = json.loads(row["facts"])
        return FolderMemory(**{**facts, "former": tuple(facts.get("former", ()))})

    def set(self, memory: FolderMemory) -> None:
        """Remember a folder."""
        with self._db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)",
                       (memory.role, memory.name, dump(asdict(memory))))

    def forget(self, role: Role, name: str) -> None:
        """Forget a folder, so that its marker may be written anew."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM folders WHERE role = ? AND name = ?", (role, name))

    def count_of(self, role: Role, name: str) -> int:
        """The highest counter that this journal may have written into a folder's marker; 0 where it never did."""
        row = self._db.row("SELECT counter FROM folder_counts WHERE role = ? AND name = ?", role, name)
        return 0 if row is None else int(row["counter"])

    def count(self, role: Role, name: str, counter: int) -> None:
        """Remember a counter before it is written into a folder's marker; one that was higher stays.

        The journal's own counter is never less.
        """
        if self.count_of(role, name) >= counter:
            return
        with self._db.transaction() as db:
            db.execute("UPDATE meta SET value = max(value, ?) WHERE name = 'starts'", (counter,))
            db.execute("INSERT INTO folder_counts VALUES (?, ?, ?) "
                       "ON CONFLICT DO UPDATE SET counter = max(counter, excluded.counter)", (role, name, counter))

    def forget_counts(self) -> None:
        """Begin to count anew; every marker is about to be written anew too."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM folder_counts")

    def could_count(self, counter: int) -> bool:
        """Whether a newer state of this journal, restored as an older one, may have come to a counter by now."""
        age = max(0.0, self._db.clock.now() - float(self._db.meta("created_at") or 0.0))
        return counter <= _SLACK + _MOST_A_SECOND * age

    def used_as(self, role: Role) -> list[FolderMemory]:
        """Every folder that this journal has used so."""
        names = [row["name"] for row in self._db.rows("SELECT name FROM folders WHERE role = ?", role)]
        return [memory for name in names if (memory := self.get(role, name)) is not None]

    def rename_inboxes(self, names: Mapping[str, str]) -> None:
        """Inboxes have other names now; all at once, for one's new name may be another's old one.

        Args:
            names: the new name by each old one. No other inbox of that name has jobs.
        """
        with self._db.transaction() as db:
            tables = [row[0] for row in db.execute(
                "SELECT m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c "
                "WHERE m.type = 'table' AND c.name = 'inbox'").fetchall()]
            for table in tables:
                for old, new in names.items():
                    db.execute(f"UPDATE OR REPLACE {table} SET inbox = ? WHERE inbox = ?", (f"\0{new}", old))  # noqa: S608 - our own tables
                for new in names.values():
                    db.execute(f"UPDATE OR REPLACE {table} SET inbox = ? WHERE inbox = ?", (new, f"\0{new}"))  # noqa: S608 - our own tables
            for old in names:
                db.execute("DELETE FROM inboxes WHERE name = ?", (old,))
                db.execute("DELETE FROM halts WHERE scope = ? OR scope GLOB ?", (f"inbox:{old}", f"inbox:{old}:*"))
            self._rename_folders(db, names)
            said = [(f"{word}{new}", self._db.meta(f"{word}{old}")) for word in WORDS for old, new in names.items()]
            db.executemany("DELETE FROM meta WHERE name = ?", [(f"{word}{old}",) for word in WORDS for old in names])
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", said)

    def _rename_folders(self, db: sqlite3.Connection, names: Mapping[str, str]) -> None:
        roles: tuple[Role, ...] = ("inbox", "outbox", "archive")
        found = [(old, new, self.get(role, old), role, self.count_of(role, old))
                 for old, new in names.items() for role in roles]
        for old, *_ in found:
            db.execute("DELETE FROM folders WHERE name = ?", (old,))
        for old, new, memory, role, count in found:
            if memory is not None:
                former = tuple(name for name in dict.fromkeys((*memory.former, old)) if name != new)
                self.set(replace(memory, name=new, former=former))
            # the old name's stays too: its marker says that name until it is written anew
            self.count(role, new, count)
