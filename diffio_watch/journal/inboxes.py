"""What intake last said of each inbox, for those who ask from outside and for the next start."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from diffio_watch.job import Because
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.records import InboxReport, SettlingEntry, Still
from diffio_watch.journal.rows import dump, dump_because, load_because
from diffio_watch.reasons import because

_FREE: Final = "free: "  # name of a single value, with the inbox's


class Inboxes:
    """How each inbox is, and which of its files are not finished."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._settling: dict[str, dict[str, tuple[object, ...]]] = {}  # the lists as they were written last

    def report(self, report: InboxReport) -> None:
        """Remember how an inbox is."""
        with self._db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO inboxes VALUES (?, ?, ?)",
                       (report.name, dump(asdict(report)), self._db.clock.now()))

    def reports(self) -> dict[str, InboxReport]:
        """What intake last said of each inbox, by name."""
        return {row["name"]: _report(row["report"]) for row in self._db.rows("SELECT name, report FROM inboxes")}

    def note_free(self, inbox: str, free: int) -> None:
        """Remember how many bytes are free where an inbox's results go; for those who look on."""
        self._db.set_meta(f"{_FREE}{inbox}", free)

    def free(self, inbox: str) -> int | None:
        """How many there were when somebody last looked."""
        found = self._db.meta(f"{_FREE}{inbox}")
        return None if found is None else int(found)

    def settling(self, inbox: str, entries: Sequence[SettlingEntry]) -> None:
        """Let the list of an inbox's files that are not finished yet be this; only what is new of it is written."""
        reasons = {one.because: dump_because(one.because) for one in entries}
        now = {one.path: (reasons[one.because], one.since, one.next_look_at,
                          *((one.still.size, one.still.mtime_ns, one.still.since) if one.still else (None, None, None)))
               for one in entries}
        before = self._settling.pop(inbox, None)  # not known any more, should this fail
        with self._db.transaction() as db:
            if before is None:
                db.execute("DELETE FROM settling WHERE inbox = ?", (inbox,))
                before = {}
            db.executemany("DELETE FROM settling WHERE inbox = ? AND path = ?",
                           [(inbox, os.fsencode(path)) for path in before.keys() - now.keys()])
            db.executemany("INSERT OR REPLACE INTO settling VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                           [(inbox, os.fsencode(path), *row) for path, row in now.items() if before.get(path) != row])
        self._settling[inbox] = now

    def settling_counts(self) -> dict[str, int]:
        """How many files of each inbox are not finished yet, where there are any."""
        return {row["inbox"]: row["n"]
                for row in self._db.rows("SELECT inbox, count(*) AS n FROM settling GROUP BY inbox")}

    def settling_in(self, inbox: str) -> list[SettlingEntry]:
        """An inbox's files that are not finished yet."""
        return [SettlingEntry(os.fsdecode(row["path"]), load_because(row["because"]) or because("settling"),
                              row["since"], row["next_look_at"],
                              None if row["still_since"] is None
                              else Still(row["size"], row["mtime_ns"], row["still_since"]))
                for row in self._db.rows("SELECT * FROM settling WHERE inbox = ? ORDER BY since, path", inbox)]


def _report(text: str) -> InboxReport:
    found = json.loads(text)
    stopped = found.pop("stopped")
    return InboxReport(**found, stopped=Because(**stopped) if stopped else None)
