"""How many new files came at once, and holding them all: a slip of the mouse must not cost a season's money.

A person's word about a drop is about the files that were there to be counted. After an approval the rest counts anew:
many are the next drop. After "Leave out" the rest is held however little it is, or "free" would not be true: whatever
is first seen within the window of the files that were left out, before or after them. What comes later counts
anew, and so does all of it once what is held so was approved.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from diffio_watch.journal.connection import Connection
from diffio_watch.journal.rows import dump_because
from diffio_watch.reasons import because

# files that come within this many seconds of one another came at once
DROP_WINDOW: Final = 600.0
# … and of the drop at hand: finished since a person last decided about one
_UNDECIDED: Final = "released = 0 AND settled_at >= :decided"
# came with the files at hand: was finished with them or, where a last look at each takes long, first seen with them;
# the index beside each is named, for SQLite would rather walk through all jobs of the inbox
_TOGETHER: Final = (("jobs_created", "created_at BETWEEN :at - :window AND :at"),
                    ("jobs_detected", "detected_at BETWEEN :first AND :first + :window"),
                    ("jobs_detected", "detected_at BETWEEN :last - :window AND :last"))
# new files that no person has released, as the indexes have them
COUNTED: Final = "approved = 0 AND run = 1 AND state != 'failed'"
# in the meta, with the inbox's name behind each
_DECIDED, _FIRST, _LAST = WORDS = ("drop decided: ", "drop left out from: ", "drop left out to: ")


@dataclass(frozen=True, slots=True)
class Word:
    """What a person said last of an inbox's drops; all in seconds since the epoch, 0: nothing.

    Attributes:
        decided: when of the last file that was held so: what was finished before counts for no other drop.
        first: when the first of the files was seen that were left out.
        last: and the last.
    """

    decided: float = 0.0
    first: float = 0.0
    last: float = 0.0

    def by(self, now: float) -> Word:
        """Without what a clock that was ahead dated: what it has left out was seen just now."""
        return Word(self.decided if self.decided <= now else 0.0, min(self.first, now), min(self.last, now))

    def leaves_out(self, seen: float) -> bool:
        """Whether a file that was first seen then is of what was left out."""
        return self.last > 0 and self.first - DROP_WINDOW <= seen <= self.last + DROP_WINDOW

    def with_left_out(self, seen: Sequence[float]) -> Word:
        """A person leaves out files that were first seen then: more of the same, or another drop."""
        first, last = min(seen), max(seen)
        if self.last and first <= self.last + DROP_WINDOW and self.first - DROP_WINDOW <= last:
            first, last = min(first, self.first), max(last, self.last)
        return Word(self.decided, first, last)


class Drops:
    """Each inbox's drops, and what was said of them."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def hold(self, inbox: str, new: Mapping[str, float], coming: Iterable[float] = (), *, limit: int,
             at: float) -> frozenset[str]:
        """Hold what came together if it is too much, or is of what was left out, and nothing was sent of it yet.

        Args:
            inbox: its name.
            new: when each of the files that were just journalled was first seen, in seconds since the epoch, by its
                job's id.
            coming: when those were that are not finished.
            limit: that many at once are no drop.
            at: when the new ones were journalled.

        Returns:
            The ids of the jobs that are held now.
        """
        now = self._db.clock.now()
        with self._db.transaction() as db:
            word = self._word(inbox, now)
            first, last = min(new.values()), max(new.values())
            when = {"inbox": inbox, "at": at, "window": DROP_WINDOW, "first": first, "last": last,
                    "decided": word.decided, "now": now}
            room = limit - sum(1 for seen in coming if first - DROP_WINDOW <= seen <= last + DROP_WINDOW)
            held: list[str] = []
            rest = [job for job, seen in new.items() if word.leaves_out(seen)]
            if rest:
                held += _hold(db, "rest_of_drop", {**when, "rest": json.dumps(rest)}, limit,
                              "id IN (SELECT value FROM json_each(:rest))")
            if room < 0 or any(_more(db, index, span, when, room) for index, span in _TOGETHER):
                held += _hold(db, "drop_size", when, limit, " OR ".join(span for _, span in _TOGETHER))
        return frozenset(held)

    def decide(self, inbox: str, left_out: Sequence[float] = ()) -> None:
        """A person has decided about files that were held as part of a drop; once none is left, it is decided.

        Args:
            inbox: its name.
            left_out: when each of them was first seen, in seconds since the epoch; none of them where they were
                approved.
        """
        now = self._db.clock.now()
        with self._db.transaction():
            word = self._word(inbox, now)
            if left_out:
                word = word.with_left_out(left_out)
            if self._db.row("SELECT 1 FROM jobs INDEXED BY jobs_reason WHERE because IS NOT NULL AND state = 'held' "
                            "AND inbox = ? AND json_extract(because, '$.code') = 'drop_size' LIMIT 1", inbox) is None:
                word = Word(now, word.first, word.last) if left_out else Word(now)
            self._remember(inbox, word)

    def last_word(self, inbox: str) -> float:
        """When a person last decided about a drop, in seconds since the epoch; 0: never."""
        return float(self._db.meta(f"{_DECIDED}{inbox}") or 0.0)

    def _word(self, inbox: str, now: float) -> Word:
        said = Word(*(float(self._db.meta(f"{name}{inbox}") or 0.0) for name in WORDS))
        word = said.by(now)
        if word.last != said.last:  # or it would be "just now" until the clock has come as far
            self._remember(inbox, word)
        return word

    def _remember(self, inbox: str, word: Word) -> None:
        for name, value in ((_DECIDED, word.decided), (_FIRST, word.first), (_LAST, word.last)):
            self._db.set_meta(f"{name}{inbox}", value or None)


def _hold(db: sqlite3.Connection, code: str, when: Mapping[str, object], limit: int, which: str) -> list[str]:
    reason = because(code, limit=limit, inbox=when["inbox"], minutes=f"{DROP_WINDOW / 60:g}")
    held = [row["id"] for row in db.execute(
        "UPDATE jobs INDEXED BY jobs_due SET state = 'held', because = :because, due_at = NULL, updated_at = :now, "  # noqa: S608 - our constants; values are bound
        "version = version + 1 WHERE inbox = :inbox AND state = 'queued' AND project_id IS NULL "
        f"AND {COUNTED} AND {_UNDECIDED} AND ({which}) RETURNING id",
        {**when, "because": dump_because(reason)}).fetchall()]
    db.executemany("INSERT INTO history VALUES (?, ?, 'held', ?)",
                   [(job, when["now"], f"{reason.code}: {reason.message}") for job in held])
    return held


def _more(db: sqlite3.Connection, index: str, span: str, when: Mapping[str, object], room: int) -> bool:
    """Whether more than this many came within a span; no more of them are looked at."""
    (found,) = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY {index} WHERE inbox = :inbox AND {COUNTED} "  # noqa: S608 - our constants; values are bound
        f"AND {_UNDECIDED} AND {span} LIMIT :room + 1)", {**when, "room": room}).fetchone()
    return int(found) > room
