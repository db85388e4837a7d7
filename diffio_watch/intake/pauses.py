"""How long an inbox is left alone: a file before it counts as finished, a folder between two scans. In seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from diffio_watch.config import Inbox

SETTLE_EVENTS: Final = 2.0
SETTLE_POLLING: Final = 30.0
RESCAN_EVENTS: Final = 300.0
RESCAN_POLLING: Final = 10.0


def pause_between_scans(inbox: Inbox, *, watching: bool) -> float:
    """Seconds between two scans of an inbox, whether events of it are had or not."""
    if inbox.rescan == "auto":
        return RESCAN_EVENTS if watching else RESCAN_POLLING
    return inbox.rescan
