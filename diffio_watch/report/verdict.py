"""One sentence on everything. Good news only where nothing is away and nobody is needed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from diffio_watch.job import OPEN
from diffio_watch.report.shapes import Shape

if TYPE_CHECKING:
    from diffio_watch.report.shapes import Facts

_AWAY: Final = frozenset({"unavailable", "outbox_unavailable"})
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
    for who, whom in (("editor", "you"), ("administrator", "your administrator")):
        called = sum(max(1, one["count"]) for one in needs if one["who"] == who)
        if called:
            return "needs", f"{_recordings(called)} need{'s' if called == 1 else ''} {whom}."
    if needs:  # what goes on by itself, in its time
        return "busy", f"{needs[0]['message']} {needs[0]['action']}"
    if any(facts.counts.get(state, 0) for state in OPEN):
        return "busy", "Everything is being restored."
    if arriving:
        return "busy", f"{_recordings(arriving)} {'is' if arriving == 1 else 'are'} there and not picked up yet."
    if not any(facts.counts.values()):
        return "setup", "Everything is ready: copy a recording into the folder."
    return "good", "Everything is restored."


def _recordings(count: int) -> str:
    return "1 recording" if count == 1 else f"{count:,} recordings"
