"""Numbers that a filesystem tells of a file, bounded to what the journal can hold: 64 bits with a sign."""

from __future__ import annotations

import os
from typing import Final

_MOST: Final = (1 << 63) - 1


def mtime_of(status: os.stat_result) -> int:
    """The time of the last change in nanoseconds. What is beyond the year 2262, or before 1678, is all one date."""
    return max(-_MOST, min(_MOST, status.st_mtime_ns))


def inode_of(status: os.stat_result) -> int:
    """The inode number. Large ones have the sign that their 64 bits give them: they stay as many."""
    number = status.st_ino & ((1 << 64) - 1)
    return number - (1 << 64) if number > _MOST else number
