"""How many new files came at once, and holding them all: a slip of the mouse must not cost a season's money."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from diffio_watch.journal.rows import dump_because
from diffio_watch.reasons import because

# … and of the drop at hand: finished since a person last decided about one
_UNDECIDED: Final = "released = 0 AND settled_at > :decided"
# came with the files at hand: was finished with them or, where a last look at each takes long, first seen with them;
# the index beside each is named, for SQLite would rather walk through all jobs of the inbox
_TOGETHER: Final = (("jobs_created", "created_at BETWEEN :now - :window AND :now"),
                    ("jobs_detected", "detected_at BETWEEN :first AND :first + :window"),
                    ("jobs_detected", "detected_at BETWEEN :last - :window AND :last"))
# new files that no person has released, as the indexes have them
COUNTED: Final = "approved = 0 AND run = 1 AND state != 'failed'"


@dataclass(frozen=True, slots=True)
class Word:
    """What a person said last of an inbox's drops, in seconds since the epoch; 0: nothing yet.

    Attributes:
        decided: when of the last file that was held so: what was finished by then counts for no other drop.
        left_out: when that was that it be left out: what was seen by then and is finished later is of that drop still.
    """

    decided: float = 0.0
    left_out: float = 0.0

    def by(self, now: float) -> Word:
        """Without what a clock that was ahead dated."""
        return Word(*(at if at <= now else 0.0 for at in (self.decided, self.left_out)))


@dataclass(frozen=True, slots=True)
class Drop:
    """What became of files that were just journalled.

    Attributes:
        held: the ids of the jobs that are held now.
        goes_on: they are the rest of what was left out.
    """

    held: frozenset[str] = frozenset()
    goes_on: bool = False


def hold_drop(db: sqlite3.Connection, inbox: str, seen: Sequence[float], coming: Sequence[float], *, limit: int,
              window: float, now: float, word: Word) -> Drop:
    """Hold what came together if it is too much, or comes after what was left out, and nothing was sent of it yet.

    A person's word is about the files that were there to be counted. After an approval the rest counts anew: many are
    the next drop. After a drop was left out its rest is held however little it is, or "free" would not be true.

    Args:
        db: the journal, in a transaction.
        inbox: name of the inbox.
        seen: when each of the files that were just journalled was first seen, in seconds since the epoch.
        coming: when each of those was that are not finished.
        limit: that many at once are no drop.
        window: what came within this many seconds of one another came at once.
        now: seconds since the epoch.
        word: a person's last.
    """
    word = word.by(now)
    when = {"inbox": inbox, "now": now, "window": window, "first": min(seen), "last": max(seen),
            "decided": word.decided}
    beside = [at for at in coming if min(seen) - window <= at <= max(seen) + window]
    goes_on = min([*seen, *beside]) <= word.left_out
    room = limit - len(beside)
    if not goes_on and room >= 0 and not any(_more(db, index, span, when, room) for index, span in _TOGETHER):
        return Drop()
    reason = because("drop_size", limit=limit, inbox=inbox)
    spans = " OR ".join(span for _, span in _TOGETHER)
    held = db.execute(
        "UPDATE jobs INDEXED BY jobs_due SET state = 'held', because = :because, due_at = NULL, updated_at = :now, "  # noqa: S608 - our constants; values are bound
        "version = version + 1 WHERE inbox = :inbox AND state = 'queued' AND project_id IS NULL "
        f"AND {COUNTED} AND {_UNDECIDED} AND ({spans}) RETURNING id",
        {**when, "because": dump_because(reason)}).fetchall()
    db.executemany("INSERT INTO history VALUES (?, ?, 'held', ?)",
                   [(row["id"], now, f"{reason.code}: {reason.message}") for row in held])
    return Drop(frozenset(row["id"] for row in held), goes_on)


def _more(db: sqlite3.Connection, index: str, span: str, when: dict[str, object], room: int) -> bool:
    """Whether more than this many came within a span; no more of them are looked at."""
    (found,) = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY {index} WHERE inbox = :inbox AND {COUNTED} "  # noqa: S608 - our constants; values are bound
        f"AND {_UNDECIDED} AND {span} LIMIT :room + 1)", {**when, "room": room}).fetchone()
    return int(found) > room
