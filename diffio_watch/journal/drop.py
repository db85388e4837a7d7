"""How many new files came at once, and holding them all: a slip of the mouse must not cost a season's money."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from diffio_watch.journal.rows import dump_because
from diffio_watch.reasons import because

# … and of the drop at hand: seen since a person last decided about one
_UNDECIDED: Final = "released = 0 AND detected_at > :decided"
# came with the files at hand: was finished with them or, where a last look at each takes long, first seen with them;
# the index beside each is named, for SQLite would rather walk through all jobs of the inbox
_TOGETHER: Final = (("jobs_created", "created_at BETWEEN :now - :window AND :now"),
                    ("jobs_detected", "detected_at BETWEEN :first AND :first + :window"),
                    ("jobs_detected", "detected_at BETWEEN :last - :window AND :last"))
# new files that no person has released, as the indexes have them
COUNTED: Final = "approved = 0 AND run = 1 AND state != 'failed'"


def hold_drop(db: sqlite3.Connection, inbox: str, seen: Sequence[float], coming: Sequence[float], *, limit: int,
              window: float, now: float, decided: float) -> set[str]:
    """Hold what came together if it is too much, and nothing was sent of it yet.

    Args:
        db: the journal, in a transaction.
        inbox: name of the inbox.
        seen: when each of the files that were just journalled was first seen, in seconds since the epoch.
        coming: when each of those was that are not finished.
        limit: that many at once are no drop.
        window: what came within this many seconds of one another came at once.
        now: seconds since the epoch.
        decided: when a person last decided about all that was held as a drop: what was seen until then is no new one.

    Returns:
        The ids of the jobs that are held now.
    """
    if decided > now:  # a clock that was ahead dated it
        decided = 0.0
    if max(seen) <= decided:
        return set()  # the rest of what was released
    when = {"inbox": inbox, "now": now, "window": window, "first": min(seen), "last": max(seen), "decided": decided}
    room = limit - sum(at > decided and min(seen) - window <= at <= max(seen) + window for at in coming)
    if room >= 0 and not any(_more(db, index, span, when, room) for index, span in _TOGETHER):
        return set()
    reason = because("drop_size", limit=limit, inbox=inbox)
    spans = " OR ".join(span for _, span in _TOGETHER)
    held = db.execute(
        "UPDATE jobs INDEXED BY jobs_due SET state = 'held', because = :because, due_at = NULL, updated_at = :now, "  # noqa: S608 - our constants; values are bound
        "version = version + 1 WHERE inbox = :inbox AND state = 'queued' AND project_id IS NULL "
        f"AND {COUNTED} AND {_UNDECIDED} AND ({spans}) RETURNING id",
        {**when, "because": dump_because(reason)}).fetchall()
    db.executemany("INSERT INTO history VALUES (?, ?, 'held', ?)",
                   [(row["id"], now, f"{reason.code}: {reason.message}") for row in held])
    return {row["id"] for row in held}


def _more(db: sqlite3.Connection, index: str, span: str, when: dict[str, object], room: int) -> bool:
    """Whether more than this many came within a span; no more of them are looked at."""
    (found,) = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY {index} WHERE inbox = :inbox AND {COUNTED} "  # noqa: S608 - our constants; values are bound
        f"AND {_UNDECIDED} AND {span} LIMIT :room + 1)", {**when, "room": room}).fetchone()
    return int(found) > room
