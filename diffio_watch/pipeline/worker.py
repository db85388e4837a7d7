"""Drives one job from step to step: step, commit, next step. The only place where outcomes are carried out."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from diffio_watch.api import ApiError, Forbidden, NotFound, Rejected, Stopped, Unauthorized
from diffio_watch.config import KeyMissing
from diffio_watch.job import Job, State
from diffio_watch.journal import Halt, JournalError, NameReserved, Stale
from diffio_watch.journal.blocks import ACCOUNT
from diffio_watch.journal.records import Passed
from diffio_watch.pipeline import deliver, generate, guard, job_log, upload
from diffio_watch.pipeline.decide import decide
from diffio_watch.pipeline.halts import Halts
from diffio_watch.pipeline.outcome import Outcome, park
from diffio_watch.pipeline.permissions import DOWNLOAD, NOBODYS, MayNotDownload
from diffio_watch.pipeline.preflight import ready
from diffio_watch.pipeline.tools import Tools
from diffio_watch.reasons import because

STEPS: Final[dict[State, Callable[[Job, Tools], Outcome]]] = {
    State.QUEUED: upload.queued,
    State.UPLOADING: upload.uploading,
    State.GENERATING: generate.generating,
    State.WAITING: generate.waiting,
    State.DOWNLOADING: deliver.downloading,
}
_SENDING: Final = frozenset({State.QUEUED, State.UPLOADING})
_LOOK_AGAIN: Final = 10.0  # seconds after which it is looked again whether a result could be delivered
_SPENDING_STOPS: Final = frozenset({"billing", "spend_limit"})


@dataclass
class _Way:
    """A job on its way through one thread.

    Attributes:
        row: as the journal has it.
        looked: when it was looked whether its result could be delivered, in monotonic seconds.
        job: as it is by now.
        passed: what the journal does not have of that yet.
    """

    row: Job
    looked: float = -math.inf
    job: Job = field(init=False)
    passed: list[Passed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.job = self.row


class Worker:
    """Takes a job as far as it goes now. Threads share one.

    Args:
        tools: the daemon's parts.
        halts: what may stop it.
        look_again: asks the intake of an inbox to look at a path.
    """

    def __init__(self, tools: Tools, halts: Halts, look_again: Callable[[str, str], None]) -> None:
        self._tools = tools
        self._halts = halts
        self._look_again = look_again
        self._deciding = threading.Lock()

    def drive(self, job: Job, states: Collection[State], *, probe: Halt | None = None) -> None:
        """Step after step, until the job rests, leaves `states`, is stopped, or the program ends.

        Args:
            job: the row as it was claimed.
            states: those that belong to this thread's pool.
            probe: a stop that does not stop this job: it is to show whether it is over.

        Raises:
            JournalTrouble: what was done can't be recorded; nothing more may be sent.
        """
        self._halts.working_on(job.id, probe)
        # one configuration, service and outbox from here to where the job rests, whatever is read again meanwhile
        tools = self._tools.in_force()
        if job.inbox not in tools.outboxes:
            return  # its inbox was taken out of the configuration just now
        way = _Way(job)
        mine = {*states, State.GENERATING} if upload.is_small(job) else states
        try:
            while not (self._tools.stop.is_set() or self._tools.sick.is_set()):
                if self._halts.blocks(way.job) is not None and (
                        probe is None or not self._halts.blocks_by(probe, way.job)):
                    break
                spends = way.job.state is State.GENERATING and not way.job.paid
                if spends and tools.config is not self._tools.config:
                    break  # what costs is done as the configuration has it by now
                if way.job.state is State.QUEUED:
                    way.looked = self._tools.clock.monotonic()
                outcome = self._spend(way, tools) if spends else self._step(way, tools)
                due = way.job.due_at is not None and way.job.due_at <= self._tools.clock.now()
                if outcome.rest or not due or way.job.state not in mine:
                    break
            if way.passed:
                self._commit(way, Outcome(), tools)
        except Stale:
            return  # somebody else moved the job; its next step is due to them

    def _spend(self, way: _Way, tools: Tools) -> Outcome:
        """Look once more whether the result can be delivered, if it is long since the job was let in."""
        if self._tools.clock.monotonic() - way.looked > _LOOK_AGAIN:
            outcome = self._step(way, tools, ready)
            if outcome != Outcome():
                return outcome
        if not guard.limited(tools.config.limits):
            return self._step(way, tools)
        # what was spent is counted and added to by one thread at a time; the others' journal goes on meanwhile, for
        # the key is read, and its disk may be slow
        with self._deciding:
            return self._step(way, tools)

    def _step(self, way: _Way, tools: Tools, step: Callable[[Job, Tools], Outcome] | None = None) -> Outcome:
        job = way.job
        try:
            outcome = (step or STEPS[job.state])(job, tools)
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - every error of a step gets its one answer, there
            outcome = self._decide(error, job, tools)
        now = self._tools.clock.now()
        # of the key a question was put that is nobody's: it is no trouble of this job alone
        shown_by = "" if outcome.stop is not None and outcome.stop.scope.endswith(DOWNLOAD) else job.id
        if outcome.stop is not None and not self._halts.begin(outcome.stop, now, shown_by):
            # others got through: this job alone waits
            outcome = park(job, now, because("service_error", detail=outcome.stop.because.message))
        if outcome.soft:
            way.passed.append(Passed(outcome.changes, outcome.detail))
            way.job = job.changed(**outcome.changes)
            if outcome.changes.get("uploaded"):  # who has the same content is to see it before anything is bought
                self._commit(way, Outcome(), tools)
        elif outcome.changes:
            return self._commit(way, outcome, tools)
        return outcome

    def _commit(self, way: _Way, outcome: Outcome, tools: Tools) -> Outcome:
        """Bring the outcome, and what came before, into the journal; where all of it is soft, no sync is waited for."""
        row, commit = way.row, self._tools.journal.jobs.commit
        *passed, last = (*way.passed, Passed(outcome.changes, outcome.detail)) if outcome.changes else way.passed
        try:
            after = commit(row, detail=last.detail, reserve=outcome.reserve, passed=passed,
                           synced=bool(outcome.changes), **last.changes)
        except NameReserved:  # another job was quicker: the same step finds the next number
            return Outcome()
        except ValueError as error:  # a row that can't be is a bug, and must not end the work on all the others
            outcome = self._decide(error, row, tools)
            after = commit(row, detail=outcome.detail, **outcome.changes)
        way.row = way.job = after
        way.passed.clear()
        before = row
        for job in (*_along(row, passed), after):
            self._tell(before, job, tools)
            before = job
        self._after(row, after, outcome)
        return outcome

    def _tell(self, before: Job, job: Job, tools: Tools) -> None:
        line = job_log.change(before, job, tools.clock.now())
        if line is not None:
            line.write(tools.log)

    def _decide(self, error: Exception, job: Job, tools: Tools) -> Outcome:
        works, sees, fetches = None, True, True
        if isinstance(error, Forbidden):
            try:
                with self._halts.nobodys():
                    works = key_works(tools, but=job.id)
                if works and job.state is State.GENERATING:
                    sees = _sees_project(job, tools)
                if works and job.state is State.DOWNLOADING:
                    fetches = _may_download(tools)
            except (ApiError, KeyMissing) as other:
                error = other
        outcome = decide(error, job, tools.clock.now(), key_works=works, same_key=_same_key(job, tools),
                         sees_project=sees, may_download=fetches, current_model=tools.current_model(job))
        reason = outcome.changes.get("because")
        if reason is not None and reason.code == "internal":
            tools.log.error("job.step_failed", **job_log.about(job), state=str(job.state), exc_info=error)
        return outcome

    def _after(self, before: Job, job: Job, outcome: Outcome) -> None:
        tools = self._tools
        if before.state is State.GENERATING and job.state is State.WAITING:
            self._halts.passed(ACCOUNT, job.id, _SPENDING_STOPS)
            self._halts.passed(f"inbox:{job.inbox}:model", job.id)
            tools.announced.recall(job.generation_id or "")
        if before.state in _SENDING and (job.state is not State.UPLOADING or job.project_id is None):
            tools.sessions.remove(job.id)
            tools.forget(job)
        if job.state is not before.state and job.state not in STEPS:
            tools.forget(job)
        if outcome.look_again:
            self._look_again(job.inbox, job.path)


def _along(row: Job, passed: Sequence[Passed]) -> Iterator[Job]:
    """A job after each of its changes."""
    for step in passed:
        row = row.changed(**step.changes)
        yield row


def _same_key(job: Job, tools: Tools) -> bool:
    try:
        return job.key_print is None or job.key_print == tools.key_print()
    except KeyMissing:
        return True  # none is not another one


def key_works(tools: Tools, but: str = "") -> bool:
    """Whether the service accepts the key, by calls that cost nothing and are about nobody's work.

    200, 400 and 404 mean that it does. A generation that waits is asked for first, and what no generation can be next:
    one may have a trouble of its own.

    Args:
        tools: the daemon's parts.
        but: id of a job that is not to be asked for.

    Raises:
        ApiError: the service gave no answer to go by.
        KeyMissing: there is no key.
    """
    mine = tools.key_print()
    waiting = [job.generation_id for job in tools.journal.jobs.newest({State.WAITING}, limit=5)
               if job.id != but and job.key_print == mine and job.base_url == tools.base_url and job.generation_id]
    for generation in (*waiting[:1], NOBODYS):
        try:
            tools.api.progress(generation)
        except (NotFound, Rejected):
            return True
        except (Unauthorized, Forbidden):
            continue
        except ApiError as error:
            if generation == NOBODYS or isinstance(error, Stopped):
                raise
        else:
            return True
    return False


def _may_download(tools: Tools) -> bool:
    """Whether the key may fetch anything: else its refusal is not about this job's generation."""
    try:
        tools.check_permits(anew=True)
    except MayNotDownload:
        return False
    return True


def _sees_project(job: Job, tools: Tools) -> bool:
    """Whether the key may see a job's project: else its refusal says nothing about the model."""
    try:
        tools.api.list_generations(job.project_id or "")
    except (Forbidden, NotFound):
        return False
    return True
