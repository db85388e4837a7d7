"""Jobs page by page for those who look on, newest first. However many jobs there are, a page costs a bounded look."""

from __future__ import annotations

import heapq
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from diffio_watch.job import Job, State
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.jobs import Jobs
from diffio_watch.journal.rows import COLUMNS, to_job
from diffio_watch.journal.schema import KINDS

_COLUMNS: Final = ", ".join(COLUMNS)
_CODE: Final = "json_extract(because, '$.code')"
_STANDING: Final = f"({KINDS} OR state NOT IN ('failed'))"
_LOOKED_AT: Final = 10_000  # rows that a page looks through at most for those that it wants
_WORDS: Final = 5  # of a search
_INBOXES: Final = 500


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, and where to go on. `before` is None where no older ones are left.

    Where few of very many rows are meant, a page may have fewer than were asked for, even none, and go on all the same.
    """

    jobs: list[Job]
    before: int | None


@dataclass(frozen=True, slots=True)
class Changed:
    """Jobs that something happened to, the last one first; `last` is where to ask from next time."""

    jobs: list[Job]
    last: int
    more: bool


@dataclass(frozen=True, slots=True)
class _Drive:
    """An index that has jobs in their order, and for which values it does."""

    index: str
    where: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Filter:
    """What a row has to be besides."""

    where: str
    values: list[Any]


class Lists:
    """Pages of jobs."""

    def __init__(self, db: Connection, jobs: Jobs) -> None:
        self._db = db
        self._jobs = jobs

    def page(self, limit: int, *, states: Collection[State] = (), inbox: str | None = None, reason: str | None = None,
             words: str = "", before: int | None = None, standing: bool = False) -> Page:
        """The newest jobs that are older than a place in the list.

        Args:
            limit: no more of them.
            states: only in one of these; in any, where there are none.
            inbox: only in this one.
            reason: only for this reason, by code.
            words: only whose path has all of these, whatever their case.
            before: the place that the page before told.
            standing: with a reason: of failed ones only those that are told of, and were not made good since.
        """
        end = before if before is not None else 1 << 62
        if reason is not None:
            inboxes = [inbox] if inbox else self._inboxes()
            which = reason, _STANDING if standing else "1"
            return self._by_reason(limit, states or list(State), inboxes, which, words, end)
        if states:
            drives = [_Drive("jobs_state", "state = ?", (state,)) for state in sorted(states)]
        elif inbox is not None:
            drives = [_Drive("jobs_inbox", "inbox = ?", (inbox,))]
        else:
            drives = [_Drive("", "1", ())]
        return self._merged(limit, drives, _filter(inbox if states else None, words), end)

    def changed_since(self, last: int | None, limit: int) -> Changed:
        """Jobs that got a line of history since.

        Args:
            last: what the call before told; None at first: nothing has changed yet.
            limit: no more of them.
        """
        row = self._db.row("SELECT max(rowid) AS last FROM history")
        newest = 0 if row is None or row["last"] is None else int(row["last"])
        if last is None or newest <= last:
            return Changed([], newest, more=False)
        rows = self._db.rows("SELECT job, max(rowid) AS at FROM (SELECT job, rowid FROM history WHERE rowid > ? "
                             "ORDER BY rowid DESC LIMIT ?) GROUP BY job ORDER BY at DESC LIMIT ?",
                             last, 10 * limit, limit + 1)
        jobs = [job for row in rows[:limit] if (job := self._jobs.get(row["job"])) is not None]
        return Changed(jobs, newest, more=len(rows) > limit or newest - last > 10 * limit)

    def _by_reason(self, limit: int, states: Collection[State], inboxes: Sequence[str], reason: tuple[str, str],
                   words: str, end: int) -> Page:
        code, standing = reason
        those = f"because IS NOT NULL AND state = ? AND inbox = ? AND {_CODE} = ? AND {standing}"
        drives = [_Drive("jobs_reason", those, (state, name, code)) for state in sorted(states) for name in inboxes]
        return self._merged(limit, drives, _filter(None, words), end)

    def _walk(self, limit: int, drive: _Drive, rest: _Filter, end: int, most: int) -> tuple[list[int], int | None]:
        """What an index finds among its next rows, newest first, and where it has to go on; None at its end."""
        by = f"INDEXED BY {drive.index}" if drive.index else ""
        those = f"FROM jobs {by} WHERE {drive.where} AND seq < ? ORDER BY seq DESC LIMIT ?"
        if not rest.where:
            rows = self._db.rows(f"SELECT seq {those}", *drive.values, end, limit + 1)
            found = [int(row["seq"]) for row in rows]
            return found[:limit], found[limit - 1] if len(found) > limit else None
        rows = self._db.rows(f"SELECT seq FROM (SELECT seq, inbox, path {those}) WHERE {rest.where} LIMIT ?",  # noqa: S608 - constants; values are bound
                             *drive.values, end, most, *rest.values, limit + 1)
        found = [int(row["seq"]) for row in rows]
        if len(found) > limit:
            return found[:limit], found[limit - 1]
        row = self._db.row(f"SELECT min(seq) AS last, count(*) AS n FROM (SELECT seq {those})",  # noqa: S608 - likewise
                           *drive.values, end, most)
        assert row is not None
        return found, int(row["last"]) if row["n"] == most else None

    def _merged(self, limit: int, drives: Sequence[_Drive], rest: _Filter, end: int) -> Page:
        """One page of several indexes' rows. None of them is gone past where another has still to look."""
        most = max(limit + 1, _LOOKED_AT // max(1, len(drives)))
        walks = [self._walk(limit, drive, rest, end, most) for drive in drives]
        gates = [at for _, at in walks if at is not None]
        gate = max(gates, default=0)
        seqs = list(islice((seq for seq in heapq.merge(*(found for found, _ in walks), reverse=True) if seq >= gate),
                           limit))
        left = len(seqs) == limit and any(found and found[-1] < seqs[-1] for found, _ in walks)
        before = seqs[-1] if len(seqs) == limit and (left or gates) else gate or None
        jobs = [to_job(row) for seq in seqs
                for row in self._db.rows(f"SELECT {_COLUMNS} FROM jobs WHERE seq = ?", seq)]  # noqa: S608 - our own column names
        return Page(jobs, before)

    def _inboxes(self) -> list[str]:
        """Every inbox that has jobs: one step into the index for each."""
        rows = self._db.rows(
            "WITH RECURSIVE each(name) AS (SELECT min(inbox) FROM jobs UNION ALL SELECT "
            "(SELECT min(inbox) FROM jobs WHERE inbox > each.name) FROM each WHERE each.name IS NOT NULL LIMIT ?) "
            "SELECT name FROM each WHERE name IS NOT NULL", _INBOXES)
        return [str(row["name"]) for row in rows]


def _filter(inbox: str | None, words: str) -> _Filter:
    """What else a row has to be, beside what the index has it for."""
    parts, values = list[str](), list[Any]()
    if inbox is not None:
        parts.append("inbox = ?")
        values.append(inbox)
    for word in words.split()[:_WORDS]:
        # SQLite knows the case of ASCII only, and accents come in two forms
        forms = dict.fromkeys(unicodedata.normalize(form, case) for form in ("NFC", "NFD")
                              for case in (word, word.lower(), word.upper(), word.capitalize()))
        forms = dict.fromkeys([word]) if word.isascii() else forms
        parts.append("(" + " OR ".join("CAST(path AS TEXT) LIKE ? ESCAPE '!'" for _ in forms) + ")")
        values += ["%" + form.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%" for form in forms]
    return _Filter(" AND ".join(parts), values)
