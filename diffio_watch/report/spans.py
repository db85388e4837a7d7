"""Lengths of time and times, in words for editors."""

from __future__ import annotations


def length(seconds: float) -> str:
    """How long something is, rounded to what people would say: `40 s`, `3 min`, `3 h`, `2 h 30 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours >= 10:
        return f"{hours + (minutes >= 30):,} h"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
