"""The money guards: pure answers to "may this be spent now?"."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any, Final

from diffio_watch.config import Limits
from diffio_watch.job import Job, Media
from diffio_watch.journal import Journal
from diffio_watch.media.mediainfo import longest_possible

_LOW_SOUND: Final = 2000.0  # bytes of a second of speech that is still worth restoring, 16 kbit/s
_LOW_VIDEO: Final = 12_500.0  # … with a picture


def midnight(now: float, days: int = 0) -> float:
    """The start of the host's local calendar day of `now`, or of one `days` later; seconds since the epoch."""
    local = time.localtime(now)
    return time.mktime((local.tm_year, local.tm_mon, local.tm_mday + days, 0, 0, 0, 0, 0, -1))


def spent_today(journal: Journal, now: float) -> tuple[int, float]:
    """Generations bought on the host's local calendar day, and their minutes."""
    return journal.totals.spent_between(midnight(now), midnight(now, 1))


def told_length(job: Job) -> float | None:
    """The length of a job's media in seconds, no more than its bytes can hold; None where nobody told a usable one."""
    if job.media is None or job.media.duration_s is None:
        return None
    length = job.media.duration_s
    if not math.isfinite(length) or length < 0:
        return None
    return min(length, longest_possible(job.media.format, job.size))


def minutes(job: Job) -> float:
    """What a job counts towards `daily_minutes`: its media's length, at least one.

    Where nobody tells the length, what as many bytes hold of speech at a low rate: rather too much than too little.
    What comes back corrects it.
    """
    length = told_length(job)
    if length is None:
        length = job.size / (_LOW_VIDEO if job.media is not None and job.media.has_video else _LOW_SOUND)
    return max(1.0, length / 60.0)


def correction(job: Job, result: Media | None) -> dict[str, Any]:
    """The change of a row whose length was only estimated, by the result's length."""
    if told_length(job) is not None or job.minutes is None or result is None:
        return {}
    length = told_length(replace(job, media=result))
    return {} if length is None else {"minutes": max(1.0, length / 60.0)}


def limited(limits: Limits) -> bool:
    """Whether there is any limit for a day."""
    return limits.daily_files is not None or limits.daily_minutes is not None


def over_limit(job: Job, limits: Limits, spent: tuple[int, float]) -> str | None:
    """Why one more generation would be over the day's limit; None where it may go on.

    Args:
        job: what is to be bought.
        limits: the configuration.
        spent: generations and minutes of today.
    """
    if job.approved:
        return None
    files, used = spent
    if limits.daily_files is not None and files >= limits.daily_files:
        return f"`daily_files` is {limits.daily_files}"
    if limits.daily_minutes is not None and used + minutes(job) > limits.daily_minutes:
        has = "has" if told_length(job) is not None else "tells no length and may have"
        return (f"`daily_minutes` is {limits.daily_minutes:g}, {used:.0f} are used and this file {has} "
                f"{minutes(job):.0f}")
    return None


def over_today(job: Job, limits: Limits, journal: Journal, now: float) -> str | None:
    """The same, of the day of `now`: the day's purchases are only added up where they are limited."""
    return over_limit(job, limits, spent_today(journal, now)) if limited(limits) else None
