"""Who is let through to find out whether a stop is over: each time another job, or nobody's call."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from diffio_watch.api import ApiError
from diffio_watch.config import KeyMissing
from diffio_watch.job import OPEN, Job, State
from diffio_watch.journal import Halt
from diffio_watch.pipeline.halts import Halts
from diffio_watch.pipeline.health import JOBS
from diffio_watch.pipeline.permissions import DOWNLOAD, MayNotDownload
from diffio_watch.pipeline.tools import Tools
from diffio_watch.pipeline.worker import key_works

# what was begun comes before anything new
BEGUN: Final = (State.DOWNLOADING, State.GENERATING, State.WAITING, State.UPLOADING, State.QUEUED)
_UNPAID: Final = frozenset({State.QUEUED, State.UPLOADING, State.GENERATING})
_MANY: Final = 100


class Probes:
    """The probes of all stops.

    Args:
        tools: the daemon's parts.
        halts: what is stopped.
        holds: whether a thread works on the job with this id.
        held: how many jobs threads work on.
        let_through: has a job driven although the stop keeps it.
        call: has a thread for short calls do this.
    """

    def __init__(self, tools: Tools, halts: Halts, *, holds: Callable[[str], bool], held: Callable[[], int],
                 let_through: Callable[[Job, Halt], None], call: Callable[[Callable[[], None]], None]) -> None:
        self._tools = tools
        self._halts = halts
        self._holds = holds
        self._held = held
        self._let_through = let_through
        self._call = call
        self.asking: set[str] = set()  # scopes whose stop a call of nobody's asks about now

    def follow(self, before: Job, probe: Halt) -> None:
        """A probe that moved on and is not parked may not have come to what is stopped: it goes on as the next one."""
        job = self._tools.journal.jobs.get(before.id)
        if job is not None and job.state in OPEN and job.state is not before.state and job.because is None:
            self._halts.go_on(probe.scope, job.id)

    def round(self, now: float) -> int:
        """Let one through for each stop whose time has come; how many were."""
        given = 0
        for halt in self._halts.due(now):
            if halt.scope in self.asking:
                continue
            given += 1
            self._halts.probing(halt, now)
            job = None if _about_the_key(halt) else self._prober(halt)
            if job is not None:
                self._send(job, halt)
            elif _about_the_key(halt) or halt.scope.startswith("origin:api:"):
                self.asking.add(halt.scope)
                self._call(lambda halt=halt: self._ask(halt))  # type: ignore[misc]  # bound now, on purpose
            else:  # nobody is left to find out with: the next new file does
                self._halts.end(halt.scope)
        for halt in self._halts.doubted(now):
            newcomer = self._untried(halt, OPEN)
            if newcomer is not None:
                given += 1
                self._halts.probing(halt, now)
                self._send(newcomer, halt)
        return given

    def _prober(self, halt: Halt) -> Job | None:
        """Who is let through: each time another job, for it may be one job's own trouble; then who was so longest ago.

        Of those that came furthest, the oldest. What begins to cost money is probed with a generation that is ready,
        and with a new upload only until three jobs have shown the stop.
        """
        states: Collection[State] = OPEN
        if not halt.scope.startswith("origin:"):
            shown = len(self._halts.suspects.showed(halt.scope)) >= JOBS
            ready = frozenset({State.GENERATING})
            states = ready if shown and self._kept(halt, State.GENERATING, 1) else _UNPAID
        untried = self._untried(halt, states)
        if untried is not None:
            return untried
        asked = {job: turn for turn, job in enumerate(self._halts.suspects.asked(halt.scope))}
        again = [job for state in BEGUN if state in states for job in self._kept(halt, state, len(asked) + _MANY)]
        return min(again, key=lambda job: asked.get(job.id, -1), default=None)

    def _untried(self, halt: Halt, states: Collection[State]) -> Job | None:
        """The oldest job that the stop keeps, that neither met it nor was let through, of those that came furthest."""
        suspects = self._halts.suspects
        tried = suspects.showed(halt.scope) | set(suspects.asked(halt.scope))
        return next((job for state in BEGUN if state in states
                     for job in self._kept(halt, state, len(tried) + 1) if job.id not in tried), None)

    def _kept(self, halt: Halt, state: State, limit: int) -> list[Job]:
        """Jobs in a state that this stop keeps from their next step, oldest first; parked ones are due."""
        inboxes = [inbox.name for inbox in self._tools.config.inboxes
                   if not halt.scope.startswith("inbox:") or halt.scope == f"inbox:{inbox.name}:model"]
        kept = [(inbox, paid) for inbox in inboxes for paid in (False, True)
                if self._halts.blocked_by(halt, inbox, state, paid=paid)]
        found = self._tools.journal.schedule.oldest(state, kept, self._held() + limit, self._tools.base_url)
        return [job for job in found if not self._holds(job.id)]

    def _send(self, job: Job, halt: Halt) -> None:
        self._halts.suspects.ask(halt.scope, job.id)
        self._let_through(job, halt)

    def _is_over(self, halt: Halt) -> bool:
        if halt.scope.endswith(DOWNLOAD):
            self._tools.check_permits(anew=True)
            return True
        # of an origin, any answer shows that it is there again
        return key_works(self._tools) or halt.because.code != "auth"

    def _ask(self, halt: Halt) -> None:
        """Probe with a call that costs nothing."""
        try:
            with self._halts.nobodys():
                over = self._is_over(halt)
            if over:
                self._halts.passed(halt.scope, "")
        except (ApiError, KeyMissing, MayNotDownload) as error:
            self._tools.log.info("probe.failed", scope=halt.scope, error=str(error))
        finally:
            self.asking.discard(halt.scope)


def _about_the_key(halt: Halt) -> bool:
    """Whether what stops is a matter of the key alone, which no job is needed to ask about."""
    return halt.because.code == "auth" or halt.scope.endswith(DOWNLOAD)
