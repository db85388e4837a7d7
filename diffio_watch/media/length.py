"""How long a recording is, as far as anybody can tell before it is restored: what a purchase of it counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from diffio_watch.media.mediainfo import longest_possible

if TYPE_CHECKING:
    from diffio_watch.job import Job

_LOW_SOUND: Final = 2000.0  # bytes of a second of speech that is still worth restoring, 16 kbit/s
_LOW_VIDEO: Final = 12_500.0  # … with a picture


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
