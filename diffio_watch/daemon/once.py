"""`once`: is everything that was in the inboxes at its end, and did it end well?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from diffio_watch.disk import names
from diffio_watch.intake.judge import UNREAD
from diffio_watch.intake.status import Now
from diffio_watch.job import OPEN, Because, State
from diffio_watch.journal import Journal
from diffio_watch.pipeline.halts import Halts

# seconds: files that finish within settle and this are taken, and pauses of this length are waited for
_GRACE: Final = 60.0
_TROUBLED: Final = (*UNREAD, "internal")  # what a file waits for that time alone does not mend
_ALL: Final = -1
_NAMED: Final = 50  # files of a kind; whoever has more reads them in `status`


def finished(journal: Journal, halts: Halts, inboxes: dict[str, Now], started: float, now: float) -> bool:
    """Whether nothing is left that would go on soon.

    Args:
        journal: where the jobs are.
        halts: what is stopped.
        inboxes: how each configured inbox is.
        started: seconds since the epoch of the start.
        now: seconds since the epoch.
    """
    for inbox in inboxes.values():
        if inbox.stopped is None and inbox.scans == 0:
            return False
        if inbox.waiting and now - started < inbox.quiet + _GRACE:
            return False
    if any(_goes_on(journal, halts, name, state, now, paid=paid)
           for name in inboxes for state in OPEN for paid in (False, True)):
        return False
    return not any(_notices_go(journal, name, started, now) or _originals_go(journal, halts, name, started, now)
                   or _wishes_go(journal, name, started, now)
               for name in inboxes
                   if halts.blocked(name, State.DOWNLOADING, paid=True) is None)


def _notices_go(journal: Journal, name: str, started: float, now: float) -> bool:
    """Whether an error file is about to be written; one that can't be is not waited for long."""
    return any(now - max(started, job.updated_at, job.due_at or 0.0) < _GRACE
               for job in journal.chores.notices_due(name, now))


def _wishes_go(journal: Journal, name: str, started: float, now: float) -> bool:
    """Whether what was dropped anew is about to be looked for; what can't be is not waited for long."""
    return any(now - max(started, job.updated_at) < _GRACE for job in journal.jobs.wishes(name, _ALL))


def _originals_go(journal: Journal, halts: Halts, name: str, started: float, now: float) -> bool:
    """Whether an original is about to be archived or deleted; an archive that is not there is not waited for long."""
    return f"inbox:{name}:archive" not in halts.all() and any(
        now - max(started, job.delivered_at or started) < _GRACE for job in journal.chores.pending_originals(name, now))


def _goes_on(journal: Journal, halts: Halts, name: str, state: State, now: float, *, paid: bool) -> bool:
    """Whether any job of an inbox in a state, paid for or not, goes on soon."""
    code = halts.blocked(name, state, paid=paid)
    if code == "service_down":  # the first probes come within seconds
        return journal.schedule.goes_on(state, name, math.inf, paid=paid) and any(
            now - halt.since < _GRACE for halt in halts.all().values() if halt.because.code == code)
    return code is None and journal.schedule.goes_on(state, name, now + _GRACE, paid=paid)


def undone(journal: Journal, halts: Halts, inboxes: Mapping[str, Now], started: float) -> dict[str, object]:
    """What did not get done, in numbers, and what stops it; empty if all did.

    Jobs that failed in this run, are held or left over; files that can't be read, or are not finished; originals that
    are still to go; what was dropped anew and could not be looked for in the outbox.
    """
    counts = journal.totals.by_state()
    stops = {halt.because.code for halt in halts.all().values()}
    stops |= {inbox.stopped.code for inbox in inboxes.values() if inbox.stopped is not None}
    found: dict[str, object] = {
        "failed": sum(job.updated_at >= started for job in journal.jobs.newest({State.FAILED})),
        "held": counts[State.HELD], "left": sum(counts[state] for state in OPEN), "stopped_by": sorted(stops),
        "unreadable": sum(inbox.waiting.get(code, 0) for inbox in inboxes.values() for code in _TROUBLED),
        "waiting": sum(count for inbox in inboxes.values() for code, count in inbox.waiting.items()
                       if code not in _TROUBLED),
        "originals": sum(len(journal.chores.pending_originals(name, math.inf, _ALL)) for name in inboxes),
        "wishes": sum(len(journal.jobs.wishes(name, _ALL)) for name in inboxes),
    }
    return {name: value for name, value in found.items() if value}


def named(journal: Journal, inboxes: Iterable[str], started: float) -> list[dict[str, object]]:
    """Each file of those that `undone` counts, with its reason; no more than `_NAMED` of a kind.

    Args:
        journal: where the jobs are.
        inboxes: names of the configured ones.
        started: seconds since the epoch of the start.
    """
    failed = [job for job in journal.jobs.newest({State.FAILED}, limit=_NAMED) if job.updated_at >= started]
    left = [job for states in ({State.HELD}, OPEN) for job in journal.jobs.newest(states, limit=_NAMED)]
    told = [_line(job.inbox, job.path, job.state.value, job.because) for job in [*failed, *left]]
    waiting = [_line(name, entry.path, "not finished", entry.because)
               for name in inboxes for entry in journal.inboxes.settling_in(name)]
    return [*told, *waiting[:_NAMED]]


def _line(inbox: str, path: str, how: str, why: Because | None) -> dict[str, object]:
    reason = {"reason": why.code, "message": why.message, "action": why.action} if why is not None else {}
    return {"inbox": inbox, "path": names.show(path), "state": how, **reason}
