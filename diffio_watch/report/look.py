"""One look into the journal: the facts that `status` and the page are made of."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from diffio_watch.job import State
from diffio_watch.journal import holder, runs, unheard
from diffio_watch.journal.records import SettlingEntry
from diffio_watch.journal.webhooks import last_known
from diffio_watch.reasons import because
from diffio_watch.report import notices
from diffio_watch.report.shapes import Facts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from diffio_watch.config import Config
    from diffio_watch.journal import Journal
    from diffio_watch.journal.overview import Group


def facts(config: Config, journal: Journal | None, groups: Sequence[Group] | None = None) -> Facts:
    """What stands there now.

    Args:
        config: the configuration.
        journal: opened for reading; None where there is none yet.
        groups: what `overview.groups` told a moment ago; None: it is asked.

    Raises:
        JournalError: it can't be read.
    """
    pid = holder(config.state_dir) if config.state_dir.is_dir() else None
    since = None if pid is None else _started(config.state_dir)
    if journal is None:
        return Facts(time.time(), pid, since, {}, {}, {}, {}, {}, None)
    groups = journal.overview.groups() if groups is None else groups
    # a path counts by its newest job: what was made good has not failed
    counts = journal.totals.by_state() | {State.FAILED: sum(one.count for one in groups if one.state is State.FAILED)}
    settling = {inbox.name: journal.inboxes.settling_in(inbox.name) for inbox in config.inboxes}
    for job in journal.overview.still_empty():
        settling.setdefault(job.inbox, []).append(
            SettlingEntry(job.path, because("empty_yet"), job.detected_at, job.due_at))
    return Facts(journal.clock.now(), pid, since, journal.halts.all(), journal.halts.pauses(),
                 journal.inboxes.reports(), settling, counts, journal.totals.oldest_open(), runs.last(journal),
                 runs.in_force(journal), groups, journal.overview.stuck_originals(), last_known(journal),
                 notices.last_known(journal), unheard.last_known(journal))


def _started(state_dir: Path) -> float | None:
    """When the daemon took the lock: it writes its process id into it then."""
    try:
        return (state_dir / "lock").stat().st_mtime
    except OSError:
        return None
