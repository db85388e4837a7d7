"""Files that are there and no recordings of ours yet, for longer than a file takes that is just being copied. Pure."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from diffio_watch import editors
from diffio_watch.clock import rfc3339 as when
from diffio_watch.reasons import REASONS, Kind
from diffio_watch.report.shapes import Shape, named

if TYPE_CHECKING:
    from diffio_watch.journal.records import SettlingEntry
    from diffio_watch.report.shapes import Facts

_MOST: Final = 20
_SHORT: Final = 10.0  # seconds; whatever is copied takes some


def arriving(facts: Facts) -> tuple[list[Shape], int]:
    """Rows of those that have been there longest, in an editor's words, and how many more there are.

    What needs somebody stands among that.
    """
    those = [(entry.since, name, entry) for name, entries in facts.settling.items() for entry in entries
             if facts.running and facts.now - entry.since > _SHORT and _is_on_its_way(entry)]
    first = heapq.nsmallest(_MOST, those, key=lambda one: (one[0], one[1], one[2].path))
    return [_row(name, entry) for _, name, entry in first], len(those) - len(first)


def _is_on_its_way(entry: SettlingEntry) -> bool:
    row = REASONS.get(entry.because.code)
    return row is None or row.kind not in {Kind.PARKED, Kind.FAILED}


def _row(inbox: str, entry: SettlingEntry) -> Shape:
    told = editors.words(entry.because, 1, inbox)
    return {"id": None, **named(entry.path), "inbox": inbox, "state": "settling", "step": "is not picked up yet",
            "fraction": None, "left_seconds": None, "usual": None, "waits": f"{told.message} {told.action}",
            "next_at": when(entry.next_look_at)}
