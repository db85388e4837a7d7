"""What the page shows beyond `status`: what moves, what was done today, what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from diffio_watch.clock import midnight
from diffio_watch.job import Because, Job, State
from diffio_watch.journal.blocks import what_keeps
from diffio_watch.journal.overview import Group
from diffio_watch.journal.totals import Took
from diffio_watch.journal.turns import waits_for
from diffio_watch.media.length import minutes
from diffio_watch.report import look
from diffio_watch.report.offers import Purse
from diffio_watch.report.shapes import Facts

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.journal import Journal

MOST: Final = 50  # rows of a list
_SAMPLE: Final = 200  # jobs of a group that tell of the others
_TOOK: Final = 50  # generations that say how long the next one takes
_NEAREST: Final = (State.DOWNLOADING, State.UPLOADING, State.GENERATING, State.WAITING)


@dataclass(frozen=True)
class Scene:
    """What the page is made of.

    Attributes:
        facts: what `status` is made of, too.
        seen: how far the history went before the look: a request is about what stood there then.
        moving: jobs on their way, nearest to their end first; no more than `MOST`.
        waits: by the id of one of them, what keeps it along with others, or the limit it waits under.
        took: by a model's key, how long its newest generations took.
        done: what was delivered today, newest first; no more than `MOST`.
        done_count: how many were.
        spent: generations bought today, and their minutes.
        purses: what groups of jobs would cost that go on, by inbox, state and reason.
    """

    facts: Facts
    seen: int = 0
    moving: Sequence[Job] = ()
    waits: Mapping[str, Because] = field(default_factory=dict)
    took: Mapping[str, Sequence[Took]] = field(default_factory=dict)
    done: Sequence[Job] = ()
    done_count: int = 0
    spent: tuple[int, float] = (0, 0.0)
    purses: Mapping[tuple[str, str, str], Purse] = field(default_factory=dict)


def read(config: Config, journal: Journal | None) -> Scene:
    """What stands in the journal now.

    Args:
        config: the configuration.
        journal: opened for reading; None where there is none yet.

    Raises:
        JournalError: it can't be read.
    """
    seen = 0 if journal is None else journal.overview.last_line()
    now_there = look.facts(config, journal)
    if journal is None:
        return Scene(now_there)
    moving = _moving(journal)
    halts = [halt for _, halt in sorted(now_there.halts.items())]
    waits = {}
    for job in moving:
        why = what_keeps(job, halts, now_there.pauses) or waits_for(job, journal, config, now_there.now)
        if why is not None:
            waits[job.id] = why
    took = {key: journal.totals.took(key, _TOOK) for key in {job.model_key for job in moving} if key is not None}
    today, tomorrow = midnight(now_there.now), midnight(now_there.now, 1)
    done_count, done = journal.overview.delivered(today, tomorrow, MOST)
    return Scene(now_there, seen, moving, waits, took, done, done_count, journal.totals.spent_between(today, tomorrow),
                 {(group.inbox, group.state.value, group.code): _purse(journal, group) for group in now_there.groups})


def _purse(journal: Journal, group: Group) -> Purse:
    """What a group would cost: its newest tell of all."""
    those = journal.jobs.newest({group.state}, group.inbox, _SAMPLE, reasons=[group.code])
    unbought = [minutes(job) for job in those if job.generation_id is None]
    share = group.count / max(1, len(those))
    return Purse(group.count, round(len(unbought) * share), sum(unbought) * share, exact=len(those) >= group.count)


def _moving(journal: Journal) -> list[Job]:
    found: list[Job] = []
    for state in _NEAREST:
        if len(found) < MOST:
            found += journal.jobs.newest({state}, limit=MOST - len(found))
    return found
