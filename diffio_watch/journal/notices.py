"""Notices: what people are told by message. What is to be told, and each message from before it is sent.

A message stands here as being sent before anything leaves, so that no restart sends it a second time.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from diffio_watch.disk import names
from diffio_watch.job import OPEN, State
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.notice_records import AddressFile, News, Notice, NoticesState, Outage, Result, Telling
from diffio_watch.journal.rows import COLUMNS, dump, to_job
from diffio_watch.reasons import still_empty

_KEPT: Final = 500  # messages
_STALE: Final = 86_400.0  # seconds after which no message is tried again
_CURSOR: Final = "notices_cursor"
_STATE: Final = "notices_state"
_FILE: Final = "notices_file"
_WINDOW: Final = 1000  # lines of history at a look: others who read wait for it
_OPEN: Final = ", ".join(f"'{state}'" for state in sorted(OPEN))
_COLUMNS: Final = ", ".join(f"jobs.{name}" for name in COLUMNS)

# (CROSS: the new lines lead to their jobs, which are few, and not the jobs to their lines)
# a line that is no more than a remark on a job that is there already, or that says why anew, is nothing new
_NEWS: Final = (
    f"SELECT {_COLUMNS}, history.at AS came_at FROM history CROSS JOIN jobs ON jobs.id = history.job "  # noqa: S608 - our own column names
    "WHERE history.rowid > ? AND history.rowid <= ? AND history.state IN (SELECT value FROM json_each(?)) "
    "AND jobs.state = history.state AND history.state IS NOT (SELECT before.state FROM history AS before "
    "WHERE before.job = history.job AND before.rowid < history.rowid ORDER BY before.rowid DESC LIMIT 1) "
    "ORDER BY history.rowid")
# those that stand in the inbox still: what was filled or taken away meanwhile is another's turn
_LATER: Final = (
    f"SELECT {_COLUMNS}, notice_later.at AS came_at FROM notice_later "  # noqa: S608 - our own column names
    "JOIN jobs ON jobs.id = notice_later.job WHERE notice_later.at <= ? AND jobs.state = 'failed' "
    "AND EXISTS (SELECT 1 FROM files WHERE files.job = jobs.id) ORDER BY notice_later.at")


class Notices:
    """What is to be told, and what was."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def cursor(self) -> int | None:
        """The last line of history that was looked at; None where nobody is told anything."""
        found = self._db.meta(_CURSOR)
        newest = self.newest_line()
        return None if found is None else min(int(found), newest)

    def newest_line(self) -> int:
        """The number of the last line of history."""
        row = self._db.row("SELECT max(rowid) AS line FROM history")
        return 0 if row is None or row["line"] is None else int(row["line"])

    def news(self, after: int, states: Collection[State], now: float) -> tuple[list[News], int]:
        """What came since a line of history, and the last line that was looked at: not all of many at once.

        Args:
            after: the number of the line.
            states: of which jobs are wanted that came to them, and are there still.
            now: seconds since the epoch.
        """
        through = min(self.newest_line(), after + _WINDOW)
        rows = self._db.rows(_NEWS, after, through, dump(sorted(states))) if through > after else []
        return [_news(row, now) for row in rows], max(through, after)

    def later(self, now: float) -> list[News] | None:
        """What was too early to be told and is due, and still true; None where nothing is due."""
        if self._db.row("SELECT 1 FROM notice_later WHERE at <= ?", now) is None:
            return None
        return [_news(row, now) for row in self._db.rows(_LATER, now)]

    def waits(self) -> dict[str, int]:
        """How many recordings are on their way, by inbox."""
        return {row["inbox"]: row["n"] for row in self._db.rows(
            f"SELECT inbox, count(*) AS n FROM jobs INDEXED BY jobs_due WHERE state IN ({_OPEN}) "  # noqa: S608 - our states
            "GROUP BY inbox")}

    def tellings(self) -> list[Telling]:
        """What is to be told and stands in no message yet."""
        return [_telling(row["facts"]) for row in self._db.rows("SELECT facts FROM notice_tellings")]

    def outages(self) -> dict[str, Outage]:
        """What lasts, by key."""
        return {row["key"]: Outage(**json.loads(row["facts"])) for row in self._db.rows("SELECT * FROM notice_outages")}

    def remember(self, *, cursor: int | None = None, tellings: Iterable[Telling] | None = None,
                 outages: Mapping[str, Outage] | None = None, later: Iterable[News] = (),
                 due: float = 0.0) -> None:
        """Keep how far it is, what is to be told, what lasts, and what is too early yet; all of it, or nothing.

        What a power cut takes of it is found again, as a whole.

        Args:
            cursor: the last line of history that was looked at.
            tellings: all of them.
            outages: all of them.
            later: more jobs that are too early to be told.
            due: what was too early until then is so no more, in seconds since the epoch.
        """
        with self._db.transaction(synced=False) as db:
            if cursor is not None:
                self._db.set_meta(_CURSOR, cursor)
            if tellings is not None:
                db.execute("DELETE FROM notice_tellings")
                db.executemany("INSERT INTO notice_tellings VALUES (?, ?)",
                               [(one.lane, dump(asdict(one))) for one in tellings])
            if outages is not None:
                db.execute("DELETE FROM notice_outages")
                db.executemany("INSERT INTO notice_outages VALUES (?, ?)",
                               [(one.key, dump(asdict(one))) for one in outages.values()])
            db.execute("DELETE FROM notice_later WHERE at <= ?", (due,))
            db.executemany("INSERT OR REPLACE INTO notice_later VALUES (?, ?)",
                           [(one.job.id, one.later) for one in later])

    def forget(self) -> None:
        """Nobody is told anything from now on: what comes until that changes is never told."""
        with self._db.transaction() as db:
            self._db.set_meta(_CURSOR, None)
            for table in ("notice_tellings", "notice_outages", "notice_later"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own tables
            db.execute("UPDATE notices SET next_at = NULL WHERE next_at IS NOT NULL")

    def begin(self, lane: str, at: float, events: int, subject: str, body: str) -> Notice:
        """A message is about to be sent, of all that its lane has to tell: from here on that is told."""
        with self._db.transaction() as db:
            number = db.execute(
                "INSERT INTO notices (lane, at, events, subject, body, tries, results) VALUES (?, ?, ?, ?, ?, 1, '[]')",
                (lane, at, events, names.whole(subject), names.whole(body))).lastrowid
            assert number is not None
            db.execute("DELETE FROM notice_tellings WHERE lane = ?", (lane,))
            db.execute("DELETE FROM notices WHERE id <= ? AND next_at IS NULL", (number - _KEPT,))
        return Notice(number, lane, at, events, subject, body)

    def begin_again(self, notice: Notice) -> Notice:
        """A message is about to be sent once more, to those who did not take it."""
        again = replace(notice, tries=notice.tries + 1, next_at=None, ended_at=None)
        with self._db.transaction() as db:
            db.execute("UPDATE notices SET tries = ?, next_at = NULL, ended_at = NULL WHERE id = ?",
                       (again.tries, again.id))
        return again

    def end(self, notice: Notice) -> None:
        """What came of a message."""
        with self._db.transaction() as db:
            db.execute("UPDATE notices SET results = ?, next_at = ?, ended_at = ? WHERE id = ?",
                       (dump([asdict(one) for one in notice.results]), notice.next_at, notice.ended_at, notice.id))

    def unended(self) -> list[Notice]:
        """Messages of which nobody knows what came of them; at a start, those that the last run was just sending."""
        return [_notice(row) for row in self._db.rows("SELECT * FROM notices WHERE ended_at IS NULL ORDER BY id")]

    def again(self, now: float) -> Notice | None:
        """A message that is to be tried once more now; none of long ago, which a copy of the journal brought back."""
        row = self._db.row("SELECT * FROM notices WHERE next_at IS NOT NULL AND next_at <= ? AND at > ? "
                           "ORDER BY next_at LIMIT 1", now, now - _STALE)
        return None if row is None else _notice(row)

    def last_at(self, lane: str) -> float | None:
        """When the last message of a lane was made; None where there was none."""
        row = self._db.row("SELECT max(at) AS at FROM notices WHERE lane = ?", lane)
        return None if row is None else row["at"]

    def latest(self, limit: int = 20) -> list[Notice]:
        """Messages, newest first."""
        return [_notice(row) for row in self._db.rows("SELECT * FROM notices ORDER BY id DESC LIMIT ?", limit)]

    def state(self) -> NoticesState | None:
        """How telling is; None where no daemon has said so."""
        text = self._db.meta(_STATE)
        return NoticesState(**json.loads(text)) if isinstance(text, str) else None

    def set_state(self, state: NoticesState | None) -> None:
        """Keep how telling is; None: nobody is told anything."""
        self._db.set_meta(_STATE, None if state is None else dump(asdict(state)))

    def address_file(self) -> AddressFile | None:
        """What is known of the file with addresses; None where there is none."""
        text = self._db.meta(_FILE)
        return AddressFile(**json.loads(text)) if isinstance(text, str) else None

    def set_address_file(self, file: AddressFile | None) -> None:
        """Keep what is known of it. What a power cut takes of that is found again."""
        with self._db.transaction(synced=False):
            self._db.set_meta(_FILE, None if file is None else dump(asdict(file)))


def _news(row: Any, now: float) -> News:
    job = to_job(row[:len(COLUMNS)])
    return News(job, row["came_at"], job.due_at if still_empty(job, now) else None)


def _telling(text: str) -> Telling:
    found: dict[str, Any] = json.loads(text)
    return Telling(**found | {"names": tuple(found["names"])})


def _notice(row: Any) -> Notice:
    results: Sequence[dict[str, Any]] = json.loads(row["results"])
    return Notice(row["id"], row["lane"], row["at"], row["events"], row["subject"], row["body"], row["tries"],
                  tuple(Result(**one) for one in results), row["next_at"], row["ended_at"])
