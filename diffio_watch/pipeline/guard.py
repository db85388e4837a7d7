"""The money guards: pure answers to "may this be spent now?"."""

from __future__ import annotations

import time

from diffio_watch.config import Limits
from diffio_watch.job import Job


def midnight(now: float, days: int = 0) -> float:
    """The start of the host's local calendar day of `now`, or of one `days` later; seconds since the epoch."""
    local = time.localtime(now)
    return time.mktime((local.tm_year, local.tm_mon, local.tm_mday + days, 0, 0, 0, 0, 0, -1))


def minutes(job: Job) -> float:
    """What a job counts towards `daily_minutes`: its media's length, at least one."""
    length = job.media.duration_s if job.media is not None else None
    return max(1.0, (length or 0.0) / 60.0)


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
        return f"`daily_minutes` is {limits.daily_minutes:g}, {used:.0f} are used and this file has {minutes(job):.0f}"
    return None
