"""Drives one job from step to step: step, commit, next step. The only place where outcomes are carried out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Final

from diffio_watch.api import ApiError, Forbidden, NotFound, Rejected, Stopped, Unauthorized
from diffio_watch.config import KeyMissing
from diffio_watch.job import Job, State
from diffio_watch.journal import Halt, JournalError, NameReserved, Stale
from diffio_watch.pipeline import deliver, generate, job_log, upload
from diffio_watch.pipeline.blocks import ACCOUNT
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
_SPENDING_STOPS: Final = frozenset({"billing", "spend_limit"})


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
        while not (self._tools.stop.is_set() or self._tools.sick.is_set()):
            if self._halts.blocks(job) is not None and (probe is None or not self._halts.blocks_by(probe, job)):
                return
            try:
                spends = job.state is State.GENERATING and not job.paid
                outcome, after = self._spend(job, tools) if spends else self._step(job, tools)
            except Stale:
                return  # somebody else moved the job; its next step is due to them
            self._after(job, after, outcome)
            due = after.due_at is not None and after.due_at <= self._tools.clock.now()
            if outcome.rest or not due or after.state not in states:
                return
            job = after

    def _spend(self, job: Job, tools: Tools) -> tuple[Outcome, Job]:
        """Look once more whether the result can be delivered: it may be long since the job was let in."""
        outcome, after = self._step(job, tools, ready)
        if outcome != Outcome():
            return outcome, after
        # what was spent is counted and added to by one thread at a time; the others' journal goes on meanwhile, for
        # the key is read, and its disk may be slow
        with self._deciding:
            return self._step(job, tools)

    def _step(self, job: Job, tools: Tools,
              step: Callable[[Job, Tools], Outcome] | None = None) -> tuple[Outcome, Job]:
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
        if not outcome.changes:
            return outcome, job
        try:
            return outcome, self._tools.journal.jobs.commit(job, detail=outcome.detail, reserve=outcome.reserve,
                                                       **outcome.changes)
        except NameReserved:  # another job was quicker: the same step finds the next number
            return Outcome(), job
        except ValueError as error:  # a row that can't be is a bug, and must not end the work on all the others
            outcome = self._decide(error, job, tools)
            return outcome, self._tools.journal.jobs.commit(job, detail=outcome.detail, **outcome.changes)

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
        if before.state is State.UPLOADING and (job.state is not State.UPLOADING or job.project_id is None):
            tools.sessions.remove(job.id)
            tools.forget(job)
        if job.state is not before.state and job.state not in STEPS:
            tools.forget(job)
        line = job_log.change(before, job, tools.clock.now())
        if line is not None:
            line.write(tools.log)
        if outcome.look_again:
            self._look_again(job.inbox, job.path)


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
