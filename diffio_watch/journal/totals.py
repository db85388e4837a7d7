"""How many, how much and how long: sums over the journal's jobs."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from diffio_watch.job import ENDED, OPEN, State
from diffio_watch.journal.connection import Connection

_OPEN: Final = ", ".join(f"'{state}'" for state in sorted(OPEN))
_NOT_ENDED: Final = ", ".join(f"'{state}'" for state in sorted(set(State) - ENDED))
_OLDEST: Final = " UNION ALL ".join(
    f"SELECT * FROM (SELECT detected_at AS at FROM jobs INDEXED BY jobs_state WHERE state = '{state}' "  # noqa: S608 - our states
    "ORDER BY seq LIMIT 1)" for state in sorted(OPEN))
_CLOSE: Final = 0.2  # of what a generation took, that is the furthest from the clock's word that it is believed
_CLOSE_ANYWAY: Final = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Took:
    """How long a generation took that is complete, in seconds, and the length of its medium where that is known."""

    seconds: float
    length: float | None


@dataclass(frozen=True, slots=True)
class Stages:
    """When a delivered job came through its stages, in seconds since the epoch; None where it skipped one."""

    id: str
    inbox: str
    detected_at: float
    settled_at: float | None
    uploaded_at: float | None
    generated_at: float | None
    completed_at: float | None
    delivered_at: float


@dataclass(frozen=True, slots=True)
class Purchase:
    """One generation that was bought, and when, in seconds since the epoch; its minutes of media, at least one."""

    id: str
    at: float
    inbox: str
    model: str
    minutes: float


class Totals:
    """Sums, for the guards of money and room and for those who look on."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def by_state(self) -> dict[State, int]:
        """How many jobs are in each state. Those that ended are many: triggers keep their number."""
        rows = self._db.rows("SELECT what, n FROM counts UNION ALL "  # noqa: S608 - our states
                             f"SELECT state, count(*) FROM jobs INDEXED BY jobs_state WHERE state IN ({_NOT_ENDED}) "
                             "GROUP BY state")
        return dict.fromkeys(State, 0) | {State(row["what"]): row["n"] for row in rows}

    def by_inbox(self) -> dict[tuple[str, State], int]:
        """How many jobs of each inbox are in each state, where there are any; as `by_state` has them."""
        rows = self._db.rows("SELECT inbox, state, n FROM inbox_counts WHERE n > 0 UNION ALL "  # noqa: S608 - our states
                             "SELECT inbox, state, count(*) FROM jobs INDEXED BY jobs_due "
                             f"WHERE state IN ({_NOT_ENDED}) GROUP BY state, inbox")
        return {(row["inbox"], State(row["state"])): row["n"] for row in rows}

    def oldest_open_by_inbox(self) -> dict[str, float]:
        """When the oldest open job of each inbox that has any was detected."""
        rows = self._db.rows("SELECT inbox, min(detected_at) AS at FROM jobs INDEXED BY jobs_state "  # noqa: S608 - our states
                             f"WHERE state IN ({_OPEN}) GROUP BY inbox")
        return {row["inbox"]: row["at"] for row in rows}

    def stages(self, since: float) -> list[Stages]:
        """When jobs that were delivered since then, in seconds since the epoch, came through their stages."""
        rows = self._db.rows("SELECT id, inbox, detected_at, settled_at, uploaded_at, generated_at, completed_at, "
                             "delivered_at FROM jobs INDEXED BY jobs_delivered WHERE delivered_at >= ?", since)
        return [Stages(*row) for row in rows]

    def purchases(self, since: float) -> list[Purchase]:
        """What was bought since then, in seconds since the epoch."""
        rows = self._db.rows("SELECT id, intent_at, inbox, json_extract(settings, '$.model') AS model, "
                             "coalesce(minutes, 1.0) AS minutes FROM jobs INDEXED BY jobs_intent WHERE intent_at >= ?",
                             since)
        return [Purchase(*row) for row in rows]

    def open_in(self, inbox: str) -> dict[State, int]:
        """How many jobs of an inbox are in each state that is no end."""
        rows = self._db.rows(f"SELECT state, count(*) AS n FROM jobs INDEXED BY jobs_due WHERE state IN ({_NOT_ENDED}) "  # noqa: S608 - our states
                             "AND inbox = ? GROUP BY state", inbox)
        return {State(row["state"]): row["n"] for row in rows}

    def unpaid(self) -> dict[tuple[str, State], tuple[int, float]]:
        """Of what is on its way and not bought yet, how many and how many minutes of media, by inbox and state."""
        rows = self._db.rows("SELECT inbox, state, count(*) AS n, total(length) AS minutes FROM jobs "  # noqa: S608 - our states
                             f"INDEXED BY jobs_next WHERE state IN ({_OPEN}) "
                             "AND state IN ('generating', 'queued', 'uploading') "
                             "AND intent_at IS NULL GROUP BY inbox, state")
        return {(row["inbox"], State(row["state"])): (row["n"], row["minutes"]) for row in rows}

    def in_flight(self) -> int:
        """Generations that are bought, or about to be, and not finished."""
        row = self._db.row("SELECT count(*) AS n FROM jobs WHERE state IN ('generating', 'waiting') "
                        "AND intent_at IS NOT NULL AND completed_at IS NULL")
        assert row is not None
        return int(row["n"])

    def under_way(self, states: Collection[State], inboxes: Collection[str], base_url: str, *,
                  parks: int | None = None) -> int:
        """How many jobs are in these states and go on by themselves.

        Args:
            states: theirs.
            inboxes: names of those that count.
            base_url: of the service; jobs that belong to another one do not count.
            parks: jobs that were parked so often in a row, and are so now, do not count either.
        """
        marks, names = ", ".join("?" * len(states)), ", ".join("?" * len(inboxes))
        those = (f"state IN ({_OPEN}) AND state IN ({marks}) AND inbox IN ({names}) AND due_at IS NOT NULL "
                 "AND (base_url IS NULL OR base_url = ?)")
        # thousands may wait and are counted in their index; those that are parked are few, or nothing goes on anyway
        row = self._db.row(
            f"SELECT (SELECT count(*) FROM jobs INDEXED BY jobs_next WHERE {those}) - (SELECT count(*) "  # noqa: S608 - our states, and placeholders
            f"FROM jobs INDEXED BY jobs_reason WHERE because IS NOT NULL AND parks >= ? AND {those}) AS n",
            *sorted(states), *inboxes, base_url, math.inf if parks is None else parks,
            *sorted(states), *inboxes, base_url)
        assert row is not None
        return int(row["n"])

    def spent_between(self, at: float, until: float) -> tuple[int, float]:
        """Generations intended from then until then, and their minutes of media, at least one each.

        What is dated later was bought while the clock was ahead. Rows of an older version tell no minutes.
        """
        row = self._db.row("SELECT count(*) AS n, total(coalesce(minutes, "
                        "max(1.0, coalesce(json_extract(media, '$.duration_s'), size / 2000.0) / 60.0))) AS minutes "
                        "FROM jobs WHERE intent_at >= ? AND intent_at < ?", at, until)
        assert row is not None
        return int(row["n"]), float(row["minutes"])

    def took(self, model_key: str, limit: int) -> list[Took]:
        """How long the newest jobs' generations of a model took, as near as polls tell.

        One that nobody asked for while it was completed, for the program did not run, tells nothing.
        """
        rows = self._db.rows(
            "SELECT waited, completed_at - generated_at AS passed, json_extract(media, '$.duration_s') AS length "
            "FROM jobs INDEXED BY jobs_took WHERE model_key = ? AND waited > 0 AND completed_at IS NOT NULL "
            "AND replayed = 0 ORDER BY seq DESC LIMIT ?", model_key, limit)
        return [Took(row["waited"], row["length"]) for row in rows
                if abs(row["passed"] - row["waited"]) <= max(_CLOSE_ANYWAY, _CLOSE * row["waited"])]

    def undelivered(self, inboxes: Collection[str], but: str) -> int:
        """Bytes of the originals whose results are bought and still to come into these inboxes' outboxes.

        Args:
            inboxes: their names.
            but: the id of a job that does not count.
        """
        marks = ", ".join("?" * len(inboxes))
        row = self._db.row(
            "SELECT total(size) AS bytes FROM jobs WHERE state IN ('generating', 'waiting', 'downloading') "  # noqa: S608 - our marks; values are bound
            f"AND inbox IN ({marks}) AND coalesce(intent_at, generation_id) IS NOT NULL AND id != ?",
            *sorted(inboxes), but)
        assert row is not None
        return int(row["bytes"])

    def left_over(self, inboxes: Collection[str]) -> dict[str, int]:
        """How many jobs are paid for and on their way in inboxes other than these, by inbox."""
        names = ", ".join("?" * len(inboxes))
        rows = self._db.rows(
            "SELECT inbox, count(*) AS n FROM jobs WHERE state IN ('generating', 'waiting', 'downloading') "  # noqa: S608 - placeholders only
            f"AND due_at IS NOT NULL AND intent_at IS NOT NULL AND inbox NOT IN ({names}) GROUP BY inbox", *inboxes)
        return {row["inbox"]: row["n"] for row in rows}

    def oldest_open(self) -> float | None:
        """When the oldest open job was detected: of each state the one that was journalled first is looked at."""
        row = self._db.row(f"SELECT min(at) AS at FROM ({_OLDEST})")  # noqa: S608 - our states
        return None if row is None else row["at"]
