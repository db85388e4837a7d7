"""What people ask of the daemon, applied to the journal: the rules of `commands`, many jobs at once, one transaction.

The daemon calls `serve` between two steps; where none runs, the command calls it under the journal's lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.disk import names
from diffio_watch.job import ENDED, OPEN, Job, Settings, State
from diffio_watch.journal import Answer, Journal, JournalError, Request
from diffio_watch.journal.records import FolderMemory
from diffio_watch.pipeline import commands
from diffio_watch.pipeline.commands import Ruling
from diffio_watch.reasons import REASONS, Kind, because

if TYPE_CHECKING:
    from diffio_watch.config import Config, Inbox

# more lines than this about one request are summed up
_LINES: Final = 20
_NO_FILE: Final = "has no file in the inbox to send: put it back first."
_WAIT_FOR_OTHERS: Final = ("twin",)  # copies of what was held, perhaps
_PARKED: Final = tuple(code for code, reason in REASONS.items() if reason.kind is Kind.PARKED)


def serve(journal: Journal, config: Config, now: float) -> list[tuple[Request, Answer]]:
    """Apply and answer every open request, oldest first; who asked stands in each job's history.

    Returns:
        The requests with their answers.

    Raises:
        JournalError: the journal refuses; what could not be recorded did not happen.
    """
    served = []
    for request in journal.requests.unanswered():
        try:
            with journal.transaction():
                answer = apply(journal, config, request, now)
                if request.who:
                    journal.jobs.remark(answer.jobs, f"{request.command}: asked by {request.who}")
                journal.requests.answer(request.id, answer)
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - a request that trips this program must not end it at every start
            answer = Answer(1, (f"An error of this program: {type(error).__name__}: {error}.",))
            journal.requests.answer(request.id, answer)
        served.append((request, answer))
    return served


def apply(journal: Journal, config: Config, request: Request, now: float) -> Answer:
    """Do what a person asks, and say what was done.

    Args:
        journal: opened for writing; the caller's transaction makes it all or nothing.
        config: the configuration in force.
        request: the wish.
        now: seconds since the epoch.
    """
    command = _COMMANDS.get(request.command)
    if command is None:
        return Answer(2, (f"This daemon does not know `{request.command}`: restart it after an upgrade.",))
    return command(journal, config, {**request.args, "asked_at": request.at}, now)


def _retry(journal: Journal, config: Config, args: dict[str, Any], now: float) -> Answer:
    if args.get("fresh"):
        return _fresh(journal, config, args, now)
    halts = journal.halts.all()

    def rule(job: Job) -> Ruling:
        inbox, stop = _inbox(config, job.inbox), halts.get(f"inbox:{job.inbox}:model")
        ruling = commands.retry(
            job, now, as_is=bool(args.get("as_is")), missing=args.get("missing", {}).get(job.id, ()),
            settings=inbox.settings() if inbox else None, stop=stop.because.code if stop else None)
        lost = ruling.changes.get("state") is State.QUEUED and journal.files.stands(job) is None
        return Ruling(_NO_FILE, done=False) if lost else ruling

    return _each(journal, _named(journal, args), rule)


def _fresh(journal: Journal, config: Config, args: dict[str, Any], now: float) -> Answer:
    halts = journal.halts.all()
    told, made = [], []
    for job in _named(journal, args):
        newer = _newer(journal, job)
        if newer is not None and newer.created_at >= args["asked_at"]:
            made.append(newer.id)
            told.append((job, Ruling(f"gets the new generation that is asked for already: job {newer.id}, run "
                                     f"{newer.run}.")))
            continue
        if newer is not None and newer.state not in ENDED:
            told.append((job, Ruling(f"has a newer run, job {newer.id}, that is not at its end ({newer.state}): wait "
                                     f"for it, or end it first with `diffio-watch cancel {newer.id}`.", done=False)))
            continue
        stop = halts.get(f"inbox:{job.inbox}:model")
        refusal = commands.fresh_refusal(job, stop.because.code if stop else None)
        if refusal is not None:
            told.append((job, Ruling(refusal, done=False)))
            continue
        inbox = _inbox(config, job.inbox)
        runs = [one.run for one in journal.jobs.at(job.inbox, job.path) if one.sha256 == job.sha256]
        again = commands.fresh(job, _settings(job, inbox, args.get("model")), run=max(runs, default=job.run) + 1,
                              priority=inbox.priority if inbox else job.priority, base_url=config.api.base_url, now=now)
        standing = journal.files.stands(job)
        if again.state is State.QUEUED and standing is None:
            told.append((job, Ruling(_NO_FILE, done=False)))
            continue
        if job.state in OPEN or job.state is State.HELD:
            journal.jobs.commit(job, detail=f"replaced by run {again.run}", state=State.CANCELLED,
                           because=because("discarded", job=job.id), due_at=None)
        journal.jobs.add([again], f"a person asked for a new generation with {again.settings.model}")
        if standing is not None and (standing.job_id == job.id or standing.sha256 == job.sha256 is not None):
            journal.files.take_over(again)
        made.append(again.id)
        told.append((job, Ruling(f"gets a new generation with {again.settings.model}: job {again.id}, run "
                                 f"{again.run}.")))
    return _sum(told, made)


def _newer(journal: Journal, job: Job) -> Job | None:
    """The newest of the further generations that were asked for of a job's content since."""
    runs = [one for one in journal.jobs.at(job.inbox, job.path) if one.sha256 == job.sha256 and one.run > job.run]
    return max(runs, key=lambda one: one.run, default=None)


def _settings(job: Job, inbox: Inbox | None, model: str | None) -> Settings:
    """What a new run is bought with: the inbox as it is configured now, for its model may have been retired since."""
    settings = inbox.settings() if inbox else job.settings
    return replace(settings, model=model) if model else settings


def _cancel(journal: Journal, _: Config, args: dict[str, Any], now: float) -> Answer:
    jobs = _named(journal, args)
    answer = _each(journal, jobs, lambda job: commands.cancel(job, discard=bool(args.get("discard"))))
    _decide_drops(journal, jobs)
    journal.schedule.bring_forward(_WAIT_FOR_OTHERS, now)
    return answer


def _approve(journal: Journal, _: Config, args: dict[str, Any], now: float) -> Answer:
    jobs = (journal.jobs.newest({State.HELD}, args.get("inbox")) if args.get("all") or args.get("inbox")
            else _named(journal, args))
    if not jobs:
        return Answer(0, ("Nothing is held.",))
    answer = _each(journal, jobs, lambda job: commands.approve(job, now))
    _decide_drops(journal, jobs)
    journal.schedule.bring_forward(_WAIT_FOR_OTHERS, now)
    return answer


def _decide_drops(journal: Journal, jobs: Sequence[Job]) -> None:
    """End the drops of which these jobs, as they were before a person decided about them, were the last held files."""
    for inbox in {job.inbox for job in jobs if job.state is State.HELD and job.because is not None
                  and job.because.code == "drop_size"}:
        journal.files.decide_drop(inbox)


def _bump(journal: Journal, _: Config, args: dict[str, Any], now: float) -> Answer:
    return _each(journal, _named(journal, args), lambda job: commands.bump(job, now))


def _pause(journal: Journal, config: Config, args: dict[str, Any], _: float) -> Answer:
    name = args.get("inbox")
    if name is not None and _inbox(config, name) is None:
        return _unknown(config, name)
    journal.halts.pause(name or "*")
    again = f"diffio-watch resume {name}" if name else "diffio-watch resume"
    return Answer(0, (f"Paused: {name or 'every inbox'}. What is paid for is still fetched; `{again}` goes on.",))


def _resume(journal: Journal, config: Config, args: dict[str, Any], now: float) -> Answer:
    name, pauses = args.get("inbox"), journal.halts.pauses()
    if name is not None and _inbox(config, name) is None and name not in pauses:
        return _unknown(config, name)
    if name is not None and "*" in pauses:
        return Answer(1, ("Everything is paused: `diffio-watch resume` without a name goes on.",))
    journal.halts.resume(name or "*")
    whose = name or "every inbox"
    halts = [halt for halt in journal.halts.all().values()
             if name is None or not halt.scope.startswith("inbox:") or halt.scope.split(":")[1] == name]
    for halt in halts:
        journal.halts.set(replace(halt, next_check_at=now))
    journal.schedule.bring_forward(_PARKED, now)
    if not halts:
        return Answer(0, (f"Goes on: {whose}.",))
    # what the halt says is from when it began; whether it is still so is only asked now
    was_paused = [f"Paused no longer: {whose}."] if pauses else []
    since = [time.strftime("%Y-%m-%d %H:%M", time.localtime(halt.since)) for halt in halts]
    stopped = [f"Stopped since {at}: {halt.because.message}" for at, halt in zip(since, halts, strict=True)]
    return Answer(0, (*was_paused, *stopped, "The daemon looks next whether that is over."))


def _adopt(journal: Journal, _: Config, args: dict[str, Any], __: float) -> Answer:
    """Remember folders whose markers the command has just taken over: a hung share must not hang the daemon."""
    for facts in args.get("folders", []):
        journal.folders.set(FolderMemory(**facts))
    return Answer(0)


def _each(journal: Journal, jobs: Sequence[Job], rule: Callable[[Job], Ruling]) -> Answer:
    told = []
    for job in jobs:
        ruling = rule(job)
        if ruling.changes:
            free = not any(journal.jobs.reserved(job.inbox, key, job.id) for key in ruling.reserve)
            journal.jobs.commit(job, detail=ruling.detail, reserve=ruling.reserve if free else (), **ruling.changes)
        told.append((job, ruling))
    return _sum(told, [job.id for job, ruling in told if ruling.changes])


def _sum(told: Sequence[tuple[Job, Ruling]], jobs: Iterable[str]) -> Answer:
    """The answer about many jobs: who was refused is named, who went well is counted where there are many."""
    refused = [f"{label(job)} {ruling.line}" for job, ruling in told if not ruling.done]
    done = [f"{label(job)} {ruling.line}" for job, ruling in told if ruling.done]
    if len(done) > _LINES:
        done = [f"Done for {len(done)} jobs."]
    if len(refused) > _LINES:
        refused = [*refused[:_LINES], f"… and {len(refused) - _LINES} more."]
    return Answer(1 if refused else 0, (*done, *refused), tuple(jobs))


def label(job: Job) -> str:
    """A job as people name it: its inbox and path."""
    return f"{job.inbox}:{names.show(job.path)}"


def _named(journal: Journal, args: dict[str, Any]) -> list[Job]:
    """The jobs of a request; those that a request names and the journal has not are passed over."""
    return [job for name in dict.fromkeys(args.get("jobs", [])) if (job := journal.jobs.get(name)) is not None]


def _inbox(config: Config, name: str) -> Inbox | None:
    return next((inbox for inbox in config.inboxes if inbox.name == name), None)


def _unknown(config: Config, name: str) -> Answer:
    there = ", ".join(inbox.name for inbox in config.inboxes)
    return Answer(2, (f"There is no inbox `{name}`: the configuration has {there}.",))


_COMMANDS: Final[dict[str, Callable[[Journal, Config, dict[str, Any], float], Answer]]] = {
    "retry": _retry, "cancel": _cancel, "approve": _approve, "bump": _bump, "pause": _pause, "resume": _resume,
    "adopt": _adopt,
}
