"""What is stopped: by the service, by a folder, or by a person."""

from __future__ import annotations

from dataclasses import dataclass

from diffio_watch.job import Because
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.rows import dump_because, load_because


@dataclass(frozen=True, slots=True)
class Halt:
    """What stops the account, one origin or one inbox.

    `scope` is `account`, `origin:https://host` or `inbox:NAME`. Times are seconds since the epoch.
    """

    scope: str
    because: Because
    since: float
    next_check_at: float | None
    probes: int = 0


class Halts:
    """Halts and pauses."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def all(self) -> dict[str, Halt]:
        """All halts, by scope."""
        return {row["scope"]: Halt(row["scope"], load_because(row["because"]) or Because("internal", "", ""),
                                   row["since"], row["next_check_at"], row["probes"])
                for row in self._db.rows("SELECT * FROM halts")}

    def set(self, halt: Halt) -> None:
        """Begin a halt, or note a probe of it."""
        with self._db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO halts VALUES (?, ?, ?, ?, ?)",
                       (halt.scope, dump_because(halt.because), halt.since, halt.next_check_at, halt.probes))

    def clear(self, scope: str) -> bool:
        """End a halt; whether there was one."""
        with self._db.transaction() as db:
            return db.execute("DELETE FROM halts WHERE scope = ?", (scope,)).rowcount > 0

    def pauses(self) -> dict[str, float]:
        """Paused inboxes and since when; `*` is all of them."""
        return {row["inbox"]: row["since"] for row in self._db.rows("SELECT * FROM pauses")}

    def pause(self, inbox: str) -> None:
        """Pause an inbox, or all with `*`."""
        with self._db.transaction() as db:
            db.execute("INSERT OR IGNORE INTO pauses VALUES (?, ?)", (inbox, self._db.clock.now()))

    def resume(self, inbox: str) -> None:
        """End the pause of an inbox; `*` ends them all."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM pauses WHERE inbox = ? OR ? = '*'", (inbox, inbox))
