"""What the page shows beyond `status`: what moves, what was done today, what it cost."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.clock import midnight
from diffio_watch.job import Job, State
from diffio_watch.journal import Halt
from diffio_watch.journal.blocks import blocks
from diffio_watch.journal.overview import Group
from diffio_watch.journal.totals import Took
from diffio_watch.journal.turns import waits_for
from diffio_watch.report import last_check, look, offers
from diffio_watch.report.keeps import Kept, stopped
from diffio_watch.report.memory import Memory
from diffio_watch.report.offers import Purse
from diffio_watch.report.shapes import Facts

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.journal import Journal

MOST: Final = 50  # rows of a list
_GROUPS: Final = 3.0  # seconds that groups of very many jobs are shown
_OFTEN: Final = 1 << 30  # as if it were a sum over so many: it is not asked each second
_NAMED: Final = 20  # files of a group that are named
_TOOK: Final = 50  # generations that say how long the next one takes


@dataclass(frozen=True)
class Scene:
    """What the page is made of.

    Attributes:
        facts: what `status` is made of, too.
        seen: how far the history went before the groups were read: a request is about what stood there then.
        moving: jobs on their way, nearest to their end first; no more than `MOST`.
        waits: by the id of one of them, what keeps it along with others, or the limit it waits under.
        took: by a model's key, how long its newest generations took.
        done: what was delivered today, newest first; no more than `MOST`.
        done_count: how many were.
        spent: generations bought today, and their minutes.
        free: bytes that are free where the results of each inbox go, by its name; None: nobody looked yet.
        threads: of the daemon, by name, where it is this process.
        check: what the last `check` found.
        purses: what groups of jobs would cost that go on, by inbox, state and reason.
        unpaid: where something is stopped, how much is on its way and not bought, and its minutes, by inbox and state.
        names: of some files of such groups, for those who can't open one; only where one inbox is looked at.
    """

    facts: Facts
    seen: int = 0
    moving: Sequence[Job] = ()
    waits: Mapping[str, Kept] = field(default_factory=dict)
    took: Mapping[str, Sequence[Took]] = field(default_factory=dict)
    done: Sequence[Job] = ()
    done_count: int = 0
    spent: tuple[int, float] = (0, 0.0)
    purses: Mapping[tuple[str, str, str], Purse] = field(default_factory=dict)
    free: Mapping[str, int | None] = field(default_factory=dict)
    threads: Sequence[str] = ()
    check: Mapping[str, Any] | None = None
    unpaid: Mapping[tuple[str, State], tuple[int, float]] = field(default_factory=dict)
    names: Mapping[tuple[str, str, str], Sequence[str]] = field(default_factory=dict)


def read(config: Config, journal: Journal | None, memory: Memory | None = None) -> Scene:
    """What stands in the journal now.

    Args:
        config: the configuration.
        journal: opened for reading; None where there is none yet.
        memory: what the look before kept.

    Raises:
        JournalError: it can't be read.
    """
    if journal is None:
        return Scene(look.facts(config, None))
    memory, overview, totals = memory or Memory(), journal.overview, journal.totals
    seen, groups = memory.sum("groups", None, journal.clock.now(), lambda: _groups(journal), _GROUPS)
    facts = look.facts(config, journal, groups)
    now = facts.now
    today, tomorrow = midnight(now), midnight(now, 1)
    moving, done = memory.jobs(journal, [overview.moving(MOST), overview.delivered(today, tomorrow, MOST)])
    waits, took = _waits(config, journal, facts, moving), _took(journal, moving)
    count = memory.sum("done", today, now, lambda: (n := overview.delivered_between(today, tomorrow), n))
    spent = memory.sum("spent", today, now, lambda: ((found := totals.spent_between(today, tomorrow))[0], found))
    return Scene(facts, seen, moving, waits, took, done, count, spent,
                 _purses(facts),
                 {inbox.name: journal.inboxes.free(inbox.name) for inbox in config.inboxes},
                 sorted(thread.name for thread in threading.enumerate()) if facts.pid == os.getpid() else (),
                 memory.sum("check", None, now, lambda: (_OFTEN, last_check.read(config.state_dir))),
                 memory.sum("unpaid", None, now, lambda: _unpaid(journal)) if facts.pauses or facts.halts else {})


def of_inbox(config: Config, journal: Journal, name: str) -> tuple[Config, Scene]:
    """The same of one inbox alone, with the configuration as if there were no other.

    Raises:
        JournalError: it can't be read.
    """
    facts, overview = look.facts(config, journal), journal.overview
    own = {scope: halt for scope, halt in facts.halts.items()
           if not scope.startswith("inbox:") or scope.split(":")[1] == name}
    facts = replace(
        facts, halts=own, groups=[one for one in facts.groups if one.inbox == name],
        reports={key: one for key, one in facts.reports.items() if key == name},
        settling={key: one for key, one in facts.settling.items() if key == name},
        originals={key: one for key, one in facts.originals.items() if key == name},
        counts={**journal.totals.open_in(name), State.DELIVERED: int(journal.jobs.any_in(name))})
    today, tomorrow = midnight(facts.now), midnight(facts.now, 1)
    moving, done = Memory().jobs(journal, [overview.moving(MOST, name),
                                           overview.delivered(today, tomorrow, MOST, name)])
    return (replace(config, inboxes=tuple(inbox for inbox in config.inboxes if inbox.name == name)),
            Scene(facts, moving=moving, waits=_waits(config, journal, facts, moving), took=_took(journal, moving),
                  done=done, done_count=overview.delivered_between(today, tomorrow, name),
                  purses=_purses(facts),
                  names={(name, one.state.value, one.code): [job.path for job in overview.members(
                      one.state, one.code, name, seen=None, after=0, limit=_NAMED)[0]] for one in facts.groups}))


def _purses(facts: Facts) -> dict[tuple[str, str, str], Purse]:
    """What each group would cost that goes on, or is left out."""
    copies = {one.inbox: (one.count, one.minutes) for one in facts.groups
              if (one.state, one.code) == (State.QUEUED, "twin")}
    return {(one.inbox, one.state.value, one.code): Purse(
        one.count, min(one.unbought, one.count), one.minutes, one.unbought_minutes,
        *copies.get(one.inbox, (0, 0.0)), more=offers.comes(one.code, facts.settling.get(one.inbox, ())))
        for one in facts.groups}


def after_pause(scene: Scene, inbox: str | None) -> Purse:
    """What is bought of what waits once a pause of an inbox, or of all with None, is over; new files add to it."""
    return _waiting(scene, lambda name, _: inbox in {None, name})


def after_stop(scene: Scene, halt: Halt) -> Purse:
    """The same of what a stop keeps; what a person paused stays so."""
    pauses = scene.facts.pauses
    return _waiting(scene, lambda name, state: "*" not in pauses and name not in pauses
                    and blocks(halt, name, state, paid=False))


def _waiting(scene: Scene, goes_on: Callable[[str, State], bool]) -> Purse:
    those = [found for (name, state), found in scene.unpaid.items() if goes_on(name, state)]
    files, minutes = sum(count for count, _ in those), sum(long for _, long in those)
    return Purse(files, files, minutes, minutes)


def _waits(config: Config, journal: Journal, facts: Facts, moving: Sequence[Job]) -> dict[str, Kept]:
    halts = [halt for _, halt in sorted(facts.halts.items())]
    found = {}
    for job in moving:
        why = stopped(job, halts, facts.pauses)
        # what is queued waits its turn, as its step says already
        if why is None and job.state is not State.QUEUED and (
                turn := waits_for(job, journal, config, facts.now)) is not None:
            why = Kept(turn)
        if why is not None:
            found[job.id] = why
    return found


def _took(journal: Journal, moving: Sequence[Job]) -> dict[str, Sequence[Took]]:
    return {key: journal.totals.took(key, _TOOK) for key in {job.model_key for job in moving} if key is not None}


def _groups(journal: Journal) -> tuple[int, tuple[int, list[Group]]]:
    seen = journal.overview.last_line()  # before: what comes in between is counted, and not done
    found = journal.overview.groups()
    return sum(one.count for one in found), (seen, found)


def _unpaid(journal: Journal) -> tuple[int, dict[tuple[str, State], tuple[int, float]]]:
    found = journal.totals.unpaid()
    return sum(count for count, _ in found.values()), found
