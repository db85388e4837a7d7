"""The money guards: pure answers to "may this be spent now?"."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from diffio_watch.clock import midnight
from diffio_watch.config import Limits
from diffio_watch.job import Job, Media
from diffio_watch.journal import Journal
from diffio_watch.media.length import minutes, told_length


def spent_today(journal: Journal, now: float) -> tuple[int, float]:
    """Generations bought on the host's local calendar day, and their minutes."""
    return journal.totals.spent_between(midnight(now), midnight(now, 1))


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
