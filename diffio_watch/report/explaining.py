"""Why a file is, or is not yet, or never will be picked up: the disk and the journal asked about it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from diffio_watch.intake.explain import Explanation, Records, explain
from diffio_watch.intake.look import sight
from diffio_watch.reasons import because, still_empty, told
from diffio_watch.report.keeps import kept

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.journal import Journal
    from diffio_watch.report.resolve import Place


def explained(config: Config, journal: Journal | None, places: Iterable[Place], *, running: bool) -> Explanation | None:
    """The explanation of the first of some places where anything stands or stood, else that the first has nothing.

    Looks at the disk, so that it takes as long as a share does.

    Args:
        config: the configuration.
        journal: opened for reading; None where there is none yet.
        places: what may be meant, likeliest first.
        running: whether a daemon runs.

    Returns:
        None where there is no place.
    """
    found = None
    for place in places:
        name = place.inbox.name
        records = Records(running=running)
        if journal is not None:
            jobs = journal.jobs.at(name, place.path)
            settling = {entry.path: entry for entry in journal.inboxes.settling_in(name)}
            records = Records(journal.files.known_at(name, place.path), jobs[0] if jobs else None,
                              settling.get(place.path), journal.inboxes.reports().get(name), running)
        seen = sight(place.inbox, place.path, journal.id if journal else "", journal.folders if journal else None)
        said = explain(place.inbox, place.path, seen, records, time.time())
        if said.job is not None and still_empty(said.job, time.time()):
            said = replace(said, verdict="waiting", because=told(because("empty_yet"), running=running),
                           next_look_at=said.job.due_at)
        if said.verdict == "job" and journal is not None and said.job is not None:
            why = kept(config, journal, said.job)
            said = said if why is None else replace(said, because=told(why, running=running))
        if said.verdict != "missing":
            return said
        found = found or said
    return found
