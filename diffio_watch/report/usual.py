"""How long the service usually takes for a recording of such a length: from what it took for earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from diffio_watch.report.spans import length

if TYPE_CHECKING:
    from diffio_watch.job import Job
    from diffio_watch.journal.totals import Took

_ENOUGH: Final = 5
_LIKE: Final = 2.0  # a length is like another within this factor


def words(job: Job, took: Sequence[Took]) -> str | None:
    """`usually 3 to 5 min for this length`; None where fewer than five earlier ones of about its length tell."""
    mine = job.media.duration_s if job.media is not None else None
    if not mine:
        return None
    like = sorted(one.seconds for one in took if one.length and mine / _LIKE <= one.length <= mine * _LIKE)
    if len(like) < _ENOUGH:
        return None  # other lengths tell nothing of it: each takes its seconds, however short it is
    return f"usually {_between(like[len(like) // 4], like[-1 - len(like) // 4])} for this length"


def _between(low: float, high: float) -> str:
    first, last = length(low), length(high)
    if first == last:
        return first
    (number, unit), (_, other) = first.rsplit(" ", 1), last.rsplit(" ", 1)
    return f"{number} to {last}" if unit == other and " " not in number else f"{first} to {last}"
