"""One sentence on everything. Good news only where nothing is away and nobody is needed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from diffio_watch.job import OPEN
from diffio_watch.report.shapes import Shape

if TYPE_CHECKING:
    from diffio_watch.journal.records import SettlingEntry
    from diffio_watch.report.shapes import Facts

_AWAY: Final = frozenset({"unavailable", "outbox_unavailable"})
_UNFINISHED: Final = frozenset({"cut_short", "empty_yet"})  # nobody writes into it, and its end is missing
_LONG: Final = 600.0  # seconds; a copy that is under way so long is looked after by who makes it, or was forgotten
_ASLEEP: Final = ("Nothing is being restored: the restoration service does not run on this machine. Your administrator "
                  "has to start it. Nothing is lost.")


def verdict(needs: Sequence[Shape], facts: Facts, arriving: int = 0) -> Shape:
    """The sentence, and how good it is.

    Args:
        needs: the groups of what needs somebody, what stops everything first.
        facts: how everything is.
        arriving: files that are there for a while and not picked up yet.
    """
    level, message = _of(needs, facts, arriving)
    return {"level": level, "message": message}


def _of(needs: Sequence[Shape], facts: Facts, arriving: int) -> tuple[str, str]:
    if not facts.running:
        return "stopped", _ASLEEP
    stops = [one for one in needs if one["what"] == "stopped"]
    for level, those in (
            ("stopped", [one for one in stops if one["code"] not in _AWAY and one["code"] != "paused"]),
            ("away", [one for one in stops if one["code"] in _AWAY]),
            ("paused", [one for one in stops if one["code"] == "paused"])):
        if those:
            return level, _stopped(level, those)
    return _moving(needs, facts, arriving)


def _stopped(level: str, those: Sequence[Shape]) -> str:
    """Of several stops the first in full, and the number of the others."""
    if len(those) == 1 or not those[0]["inbox"]:
        return f"{those[0]['message']} {those[0]['action']}"
    names = " and ".join([", ".join(f"“{one['inbox']}”" for one in those[:-1]), f"“{those[-1]['inbox']}”"])
    if level == "away":
        return f"The folders of {names} are not there. They go on by themselves when they are back."
    if level == "paused":
        return f"{names} are paused. They go on when somebody resumes them. Nothing is lost."
    return f"Restoring stands still in {names}; below stands why. Nothing is lost."


def _moving(needs: Sequence[Shape], facts: Facts, arriving: int) -> tuple[str, str]:
    yours, theirs = (sum(max(1, one["count"]) for one in needs if one["who"] == who)
                     for who in ("editor", "administrator"))
    if yours and theirs:
        return "needs", f"{_need(yours)} you, {theirs:,} your administrator."
    if yours or theirs:
        return "needs", f"{_need(yours or theirs)} {'you' if yours else 'your administrator'}."
    settling = [entry for entries in facts.settling.values() for entry in entries] if arriving else []
    level = "waits" if any(_makes_wonder(entry, facts.now) for entry in settling) else "busy"
    if needs:  # what goes on by itself, in its time
        return level, f"{needs[0]['message']} {needs[0]['action']}"
    moves = any(facts.counts.get(state, 0) for state in OPEN)
    if arriving:
        there = f"{_recordings(arriving)} {'is' if arriving == 1 else 'are'} there and not picked up yet"
        return level, f"{there}; all others are being restored." if moves else f"{there}."
    if moves:
        return "busy", "Everything is being restored."
    if not any(facts.counts.values()):
        return "setup", "Everything is ready: copy a recording into the folder."
    return "good", "Everything is restored."


def _makes_wonder(entry: SettlingEntry, now: float) -> bool:
    """Whether who put it there may ask what has become of it."""
    return entry.because.code in _UNFINISHED or now - entry.since > _LONG


def _need(count: int) -> str:
    return f"{_recordings(count)} need{'s' if count == 1 else ''}"


def _recordings(count: int) -> str:
    return "1 recording" if count == 1 else f"{count:,} recordings"
