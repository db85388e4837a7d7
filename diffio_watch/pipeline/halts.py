"""What stops more than one job, who is let through to find out whether it is over, and when.

The journal has the halts; this is their view in memory, with the rules of what each one blocks. The view has no lock
of its own, for two locks could be taken in two orders: who changes it is alone in the journal, and replaces it as a
whole, so that who reads it waits for nobody.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.api import Observation, RateLimited
from diffio_watch.job import OPEN, Job, State
from diffio_watch.journal import Halt, Journal
from diffio_watch.journal.blocks import blocks, first
from diffio_watch.pipeline.health import JOBS, Health, account_pause, origin_pause
from diffio_watch.pipeline.outcome import Stop
from diffio_watch.pipeline.suspects import Suspects
from diffio_watch.reasons import because

_FOLDER_PAUSE: Final = 5.0
_FOLDERS: Final = (":inbox", ":outbox", ":archive")  # ends of scopes that end by being looked at
LONGEST_PAUSE: Final = 3600.0  # seconds that anything is put off at most
# parks that end with their origin's trouble
ORIGIN_CODES: Final = ("service_error", "rate_limited", "not_ready")
_FLOOR: Final = 15.0  # a success elsewhere brings no job forward that was tried less than this many seconds ago


class Halts:
    """All halts. Safe to use from many threads."""

    def __init__(self, journal: Journal, log: FilteringBoundLogger) -> None:
        self._journal = journal
        self._log = log
        self._health = Health()
        self.suspects = Suspects()
        self._count: Callable[[], int] = lambda: 0  # how many jobs are under way
        self._halts: Mapping[str, Halt] = journal.halts.all()
        self._pauses: Mapping[str, float] = journal.halts.pauses()
        self._parked: set[str] = set()  # origins that jobs are parked for
        self._current = threading.local()

    def reload(self) -> None:
        """Read the journal again, after a person's request changed it."""
        with self._journal.alone():
            self._halts = self._journal.halts.all()
            self._pauses = self._journal.halts.pauses()

    def all(self) -> dict[str, Halt]:
        """The halts by scope."""
        return dict(self._halts)

    def begin(self, stop: Stop, now: float, job: str = "") -> bool:
        """Stop what a step met, or note that it is still so. The first time is told, once.

        Args:
            stop: what.
            now: seconds since the epoch.
            job: whose step it was.

        Returns:
            Whether it is stopped. Not where others got through since this job met it first: the trouble is its own.
        """
        if job and self.suspects.met(stop.scope, job):
            return False
        with self._journal.alone():
            known = self._halts.get(stop.scope)
            if known is not None and known.because.code == stop.because.code:
                at = _sooner(known.next_check_at, stop, now)
                if (known.because.message, known.next_check_at) != (stop.because.message, at):
                    self._keep(replace(known, because=stop.because, next_check_at=at))
                return True
            if stop.scope.endswith(_FOLDERS):
                pause = _FOLDER_PAUSE
            else:
                pause = origin_pause(0) if stop.scope.startswith("origin:") else account_pause(0)
            self._keep(Halt(stop.scope, stop.because, now, _sooner(now + pause, stop, now)))
        self._log.error("work.halted", scope=stop.scope, reason=stop.because.code, message=stop.because.message,
                        action=stop.because.action)
        return True

    def passed(self, scope: str, job: str, codes: frozenset[str] | None = None) -> None:
        """A job got through where this stop stands, or with "" a call that is nobody's: it is over."""
        self.suspects.passed(scope, job)
        self.end(scope, codes)

    def end(self, scope: str, codes: frozenset[str] | None = None) -> bool:
        """A stop is over; whether it was there (and for one of `codes`)."""
        with self._journal.alone():
            known = self._halts.get(scope)
            if known is None or (codes is not None and known.because.code not in codes):
                return False
            self._journal.halts.clear(scope)
            self._halts = {other: halt for other, halt in self._halts.items() if other != scope}
        self.suspects.over(scope)
        self._log.warning("work.resumed", scope=scope, reason=known.because.code)
        return True

    def tidy(self, inboxes: Collection[str], now: float, count: Callable[[], int]) -> None:
        """At a start: what a changed configuration may have mended is tried anew, and what it has no more is forgotten.

        Args:
            inboxes: names of the configured ones.
            now: seconds since the epoch; by another clock than that of the last run, perhaps.
            count: tells how many jobs are under way.
        """
        self._count = count
        for halt in self.all().values():
            if halt.next_check_at is not None and halt.next_check_at > now + LONGEST_PAUSE:
                self._keep(replace(halt, next_check_at=now + LONGEST_PAUSE))
        self.tidy_inboxes(inboxes)
        for scope, halt in self.all().items():  # one that stands since an earlier run is told once in this one
            self._log.warning("work.still_halted", scope=scope, reason=halt.because.code,
                              message=halt.because.message, action=halt.because.action)

    def tidy_inboxes(self, inboxes: Collection[str]) -> None:
        """Forget what stopped inboxes that are configured no more, and try each model anew: it may be another one."""
        for scope in self.all():
            kind, _, rest = scope.partition(":")
            name, _, part = rest.partition(":")
            if kind == "inbox" and (name not in inboxes or part == "model"):
                self.end(scope)

    def ask_now(self, now: float) -> None:
        """Another service or key may have ended what stopped the account or an origin: it is probed at once."""
        with self._journal.alone():
            for halt in self.all().values():
                if not halt.scope.startswith("inbox:"):
                    self._keep(replace(halt, next_check_at=now))

    def probing(self, halt: Halt, now: float) -> None:
        """A probe is about to be made: the next one is not due before its pause is over."""
        pause = origin_pause if halt.scope.startswith("origin:") else account_pause
        with self._journal.alone():
            if halt.scope in self._halts:
                self._keep(replace(halt, probes=halt.probes + 1, next_check_at=now + pause(halt.probes + 1)))

    def due(self, now: float) -> list[Halt]:
        """Stops that are to be probed now."""
        return [halt for halt in self._halts.values()
                if halt.next_check_at is not None and halt.next_check_at <= now
                and not halt.scope.endswith(_FOLDERS)]

    def doubted(self, now: float) -> list[Halt]:
        """Outages that no three jobs have shown, for there were no more: whoever has come since may show otherwise."""
        return [halt for halt in self._halts.values()
                if halt.scope.startswith("origin:") and halt.next_check_at is not None
                and now >= halt.next_check_at - origin_pause(halt.probes) + origin_pause(0)
                and len(self.suspects.showed(halt.scope)) < JOBS]

    def go_on(self, scope: str, job: str) -> None:
        """A probe has moved on and not come to what is stopped yet: it is let through again, at once."""
        with self._journal.alone():
            halt = self._halts.get(scope)
            if halt is not None and job not in self.suspects.showed(scope):
                self.suspects.ask_again(scope, job)
                self._keep(replace(halt, next_check_at=self._journal.clock.now()))

    def blocks(self, job: Job) -> str | None:
        """The code of what keeps a job from its next step; None where it may go on."""
        return self.blocked(job.inbox, job.state, paid=job.paid)

    def blocked(self, inbox: str, state: State, *, paid: bool) -> str | None:
        """What keeps jobs of an inbox in a state from their next step."""
        return self._why(self._halts.values(), inbox, state, paid=paid)

    def _why(self, halts: Iterable[Halt], inbox: str, state: State, *, paid: bool) -> str | None:
        found = first(halts, self._pauses, inbox, state, paid=paid)
        return None if found is None else found.code

    def blocks_by(self, halt: Halt, job: Job) -> bool:
        """Whether it is this halt, and nothing else, that keeps a job from its next step."""
        return self.blocked_by(halt, job.inbox, job.state, paid=job.paid)

    def blocked_by(self, halt: Halt, inbox: str, state: State, *, paid: bool) -> bool:
        """Whether it is this halt, and nothing else, that keeps jobs of an inbox in a state from their next step."""
        others = [other for scope, other in self._halts.items() if scope != halt.scope]
        return blocks(halt, inbox, state, paid=paid) and self._why(others, inbox, state, paid=paid) is None

    def working_on(self, job_id: str, probe: Halt | None = None) -> None:
        """This thread's requests are for this job from now on, and perhaps to see whether a stop is over."""
        self._current.job = job_id
        self._current.probe = probe.scope if probe is not None else ""

    @contextmanager
    def nobodys(self) -> Iterator[None]:
        """This thread's requests are no job's: what they meet is nobody's own trouble."""
        before = {name: getattr(self._current, name, "") for name in ("job", "probe")}
        self.working_on("")
        try:
            yield
        finally:
            self._current.job, self._current.probe = before["job"], before["probe"]

    def observe(self, seen: Observation) -> None:
        """What one request showed of its origin; called by the API package in the thread of the job."""
        if isinstance(seen.error, RateLimited):
            return  # it is there, and asks for a pause: neither trouble nor a sign that all is well
        scope = f"origin:{seen.role}:{seen.origin}"
        now = self._journal.clock.now()
        job: str = getattr(self._current, "job", "")
        shows = seen.ok and self._shows_end(scope, seen.call)
        own = False
        if seen.ok:
            self.suspects.passed(scope, job, seen.call)
        elif job:
            own = self.suspects.met(scope, job, seen.call)
        down = not own and self._health.seen(scope, job, now, ok=seen.ok, open_jobs=lambda: self._may_show(scope))
        recovered = shows and scope in self._halts
        parked = seen.ok and scope in self._parked
        if parked:
            self._parked.discard(scope)
        if not seen.ok:
            self._parked.add(scope)
        if down:
            detail = seen.error.message if seen.error else "no answer"
            self.begin(Stop(scope, because("service_down", origin=seen.origin, detail=detail)), now)
        if recovered:
            self.end(scope)
        probed: str = getattr(self._current, "probe", "")
        if seen.ok and probed.startswith(f"origin:{seen.role}:") and self._shows_end(probed, seen.call):
            self.end(probed)  # perhaps another host now does what that one did
        if recovered or parked:
            self._journal.schedule.bring_forward(ORIGIN_CODES, now, seen.origin, floor=0.0 if recovered else _FLOOR,
                                        but=self.suspects.owners(scope))

    def _shows_end(self, scope: str, call: str) -> bool:
        """Whether this call's success ends an outage: of many jobs' calls, only such a one."""
        calls = self.suspects.calls(scope)
        return not calls or call in calls or len(self.suspects.showed(scope)) < JOBS

    def _may_show(self, scope: str) -> int:
        """How many jobs there are that could fail at an origin, and not for a trouble of their own."""
        own = [self._journal.jobs.get(one) for one in self.suspects.owners(scope)]
        return self._count() - sum(one is not None and one.state in OPEN for one in own)

    def _keep(self, halt: Halt) -> None:
        with self._journal.alone():
            self._journal.halts.set(halt)
            self._halts = {**self._halts, halt.scope: halt}


def _sooner(at: float | None, stop: Stop, now: float) -> float | None:
    """When to probe, at the latest at the time that the service named."""
    named = stop.next_check_at
    return named if named is not None and now < named < (at or math.inf) else at
