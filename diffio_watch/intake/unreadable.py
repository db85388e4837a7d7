"""What of an inbox could not be looked at, and since when: told, and never passed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diffio_watch.disk.trouble import Trouble, trouble


@dataclass(frozen=True, slots=True)
class Blind:
    """A folder or file that could not be looked at.

    Attributes:
        detail: the system's words.
        why: what they are about.
        since: when it was first met so, in seconds since the epoch.
    """

    detail: str
    why: Trouble
    since: float


def noted(before: Mapping[str, Blind], met: Mapping[str, OSError], now: float) -> dict[str, Blind]:
    """What a whole scan met, by path, with the time from which on it did so.

    Args:
        before: what the scan before it had met.
        met: the system's errors by path.
        now: seconds since the epoch.
    """
    return {path: Blind(error.strerror or str(error), trouble(error.errno),
                        before[path].since if path in before else now) for path, error in met.items()}
