"""Is the daemon well? For those who restart what is not: a service manager, a container, a monitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from diffio_watch.journal import JournalError
from diffio_watch.service.pulse import Pulse
from diffio_watch.service.site import JOURNAL
from diffio_watch.service.threads import TooSlow

if TYPE_CHECKING:
    from diffio_watch.service.site import Site

STALLED: Final = 60.0  # seconds without a word from the loops


def healthy(pulse: Pulse, now: float) -> tuple[bool, str]:
    """Whether the loops move, and a word about it; `now` on the pulse's clock."""
    silent = now - pulse.at
    return (True, "The loops move.") if silent < STALLED else (False, f"Nothing has moved for {silent:.0f} s.")


async def ready(site: Site) -> tuple[int, dict[str, Any]]:
    """Whether the journal is open and every inbox is looked after.

    One that is away is told, and no reason for a restart: that would not bring its share back.

    Returns:
        A status, and what there is to say.
    """
    try:
        reports = await site.threads.run(JOURNAL, site.reader.inboxes.reports)
    except (JournalError, TooSlow) as error:
        return 503, {"ready": False, "words": [f"The journal can't be read: {error}"]}
    unseen = [inbox.name for inbox in site.config.inboxes if inbox.name not in reports]
    if unseen:
        return 503, {"ready": False, "words": [f"The inbox {name} is not looked at yet." for name in unseen]}
    away = [f"The inbox {name} is not there: {stopped.message if (stopped := reports[name].stopped) else ''}".strip()
            for name in sorted(inbox.name for inbox in site.config.inboxes) if not reports[name].available]
    return 200, {"ready": True, "degraded": bool(away), "words": away or ["Every inbox is looked after."]}
