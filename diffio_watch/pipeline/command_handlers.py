"""What each command does to the journal: the rules of `commands`, applied to the jobs that are meant."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from diffio_watch import editors
from diffio_watch.job import ENDED, OPEN, Job, Settings, State
from diffio_watch.journal import Answer, Halt, Journal
from diffio_watch.journal.blocks import paused_at
from diffio_watch.journal.records import FolderMemory
from diffio_watch.pipeline import commands
from diffio_watch.pipeline.commands import Ruling
from diffio_watch.pipeline.tally import Told
from diffio_watch.reasons import REASONS, Kind, because

if TYPE_CHECKING:
    from diffio_watch.config import Config, Inbox

_Done = tuple[Told, Sequence[str]]  # what was said of each job; ids of those that were changed
_NO_STOP: Final = "Nothing was done: this stop is over already."
_NO_PAUSE: Final = "Nothing was done: this pause is over already, or somebody has paused again since. Look again."
_NO_FILE: Final = "has no file in the inbox to send: put it back first."
_PARKED: Final = tuple(code for code, reason in REASONS.items() if reason.kind is Kind.PARKED)


def _retry(journal: Journal, config: Config, args: dict[str, Any], now: float, jobs: Sequence[Job]) -> _Done:
    if args.get("fresh"):
        return _fresh(journal, config, args, now, jobs)
    halts = journal.halts.all()

    def rule(job: Job) -> Ruling:
        inbox, stop = _inbox(config, job.inbox), halts.get(f"inbox:{job.inbox}:model")
        ruling = commands.retry(
            job, now, as_is=bool(args.get("as_is")), missing=args.get("missing", {}).get(job.id, ()),
            settings=inbox.settings() if inbox else None, stop=stop.because.code if stop else None)
        lost = ruling.changes.get("state") is State.QUEUED and journal.files.stands(job) is None
        return Ruling(_NO_FILE, done=False) if lost else ruling

    return _each(journal, args, jobs, rule)


def _fresh(journal: Journal, config: Config, args: dict[str, Any], now: float, jobs: Sequence[Job]) -> _Done:
    halts = journal.halts.all()
    told, made = [], []
    for job in jobs:
        newer = newest_run(journal, job)
        going = newer if newer is not None and newer.state not in ENDED else None
        if going is not None and going.created_at >= args["asked_at"]:  # a clock that was ahead dates what has ended
            made.append(going.id)
            told.append((job, Ruling(f"gets the new generation that is asked for already: job {going.id}, run "
                                     f"{going.run}.")))
            continue
        if going is not None:
            told.append((job, Ruling(f"has a newer run, job {going.id}, that is not at its end ({going.state}): wait "
                                     f"for it, or end it first with `diffio-watch cancel {going.id}`.", done=False)))
            continue
        if newer is not None:  # who asked was told of another result than the one that is there
            told.append((job, Ruling(f"has a newer run, job {newer.id}, run {newer.run}, that is {newer.state}: "
                                     f"`diffio-watch retry --fresh {newer.id}` buys another one.", done=False)))
            continue
        if (changed := _changed(journal, args, job)) is not None:
            told.append((job, changed))
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
    return told, made


def newest_run(journal: Journal, job: Job) -> Job | None:
    """The newest of the further generations that were asked for of a job's content since."""
    runs = [one for one in journal.jobs.at(job.inbox, job.path) if one.sha256 == job.sha256 and one.run > job.run]
    return max(runs, key=lambda one: one.run, default=None)


def _changed(journal: Journal, args: dict[str, Any], job: Job) -> Ruling | None:
    """The refusal of what is asked of a job that is not as the person saw it any more."""
    if not journal.overview.changed_since(job.id, args.get("seen")):
        return None
    why = f" ({job.because.code})" if job.because is not None else ""
    return Ruling(f"has changed since: it is {job.state} now{why}. Look again, and ask anew.", done=False)


def _settings(job: Job, inbox: Inbox | None, model: str | None) -> Settings:
    """What a new run is bought with: the inbox as it is configured now, for its model may have been retired since."""
    settings = inbox.settings() if inbox else job.settings
    return replace(settings, model=model) if model else settings


def _cancel(journal: Journal, _: Config, args: dict[str, Any], __: float, jobs: Sequence[Job]) -> _Done:
    return _each(journal, args, jobs, lambda job: commands.cancel(job, discard=bool(args.get("discard"))))


def _approve(journal: Journal, _: Config, args: dict[str, Any], now: float, jobs: Sequence[Job]) -> _Done:
    return _each(journal, args, jobs, lambda job: commands.approve(job, now))


def _bump(journal: Journal, _: Config, args: dict[str, Any], now: float, jobs: Sequence[Job]) -> _Done:
    return _each(journal, args, jobs, lambda job: commands.bump(job, now))


def _pause(journal: Journal, config: Config, args: dict[str, Any], _: float) -> Answer:
    name = args.get("inbox")
    if name is not None and _inbox(config, name) is None:
        return _unknown(config, name)
    journal.halts.pause(name or "*")
    again = "" if args["on_the_page"] else f"; `diffio-watch resume{f' {name}' if name else ''}` goes on"
    return Answer(0, (f"Paused: {name or 'every inbox'}. What is paid for is still fetched{again}.",))


def _resume(journal: Journal, config: Config, args: dict[str, Any], now: float) -> Answer:
    if args.get("look") is not None:
        return _look(journal, args, now)
    name, pauses = args.get("inbox"), journal.halts.pauses()
    if name is not None and _inbox(config, name) is None and name not in pauses:
        return _unknown(config, name)
    if name is not None and "*" in pauses:
        return Answer(1, ("Everything is paused: `diffio-watch resume` without a name goes on.",))
    seen = args.get("paused")
    if seen is not None and seen != paused_at(name, pauses):
        return Answer(0, (_NO_PAUSE,))
    journal.halts.resume(name or "*")
    whose = name or "every inbox"
    halts = [halt for halt in journal.halts.all().values()
             if name is None or not halt.scope.startswith("inbox:") or halt.scope.split(":")[1] == name]
    if seen is None:  # whoever ends a pause on the page was told what that buys, and nothing of what else stands still
        for halt in halts:
            journal.halts.set(replace(halt, next_check_at=now))
        journal.schedule.bring_forward(_PARKED, now)
    if not halts:
        return Answer(0, (f"Goes on: {whose}.",))
    # what the halt says is from when it began; whether it is still so is only asked now
    was_paused = [f"Paused no longer: {whose}."] if pauses else []
    if args["on_the_page"]:
        return Answer(0, (*was_paused, *dict.fromkeys(_in_editors_words(halt) for halt in halts)))
    since = [time.strftime("%Y-%m-%d %H:%M", time.localtime(halt.since)) for halt in halts]
    stopped = [f"Stopped since {at}: {halt.because.message}" for at, halt in zip(since, halts, strict=True)]
    looks = ["The daemon looks next whether that is over."] if seen is None else []
    return Answer(0, (*was_paused, *stopped, *looks))


def _in_editors_words(halt: Halt) -> str:
    return editors.words(halt.because, 1, halt.scope.split(":")[1] if halt.scope.startswith("inbox:") else "").message


def _look(journal: Journal, args: dict[str, Any], now: float) -> Answer:
    """Have the daemon look at once whether one stop is over; what a person paused stays so."""
    halt = journal.halts.all().get(args["look"])
    if halt is None:
        return Answer(0, (_NO_STOP,))
    journal.halts.set(replace(halt, next_check_at=now))
    if args["on_the_page"]:
        return Answer(0, ("It is looked at now whether that is over.",), changed=1)
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(halt.since))
    return Answer(0, (f"Stopped since {since}: {halt.because.message}", "The daemon looks next whether that is over."),
                  changed=1)


def _adopt(journal: Journal, _: Config, args: dict[str, Any], __: float) -> Answer:
    """Remember folders whose markers the command has just taken over: a hung share must not hang the daemon."""
    for facts in args.get("folders", []):
        journal.folders.set(FolderMemory(**facts))
    return Answer(0)


def _each(journal: Journal, args: dict[str, Any], jobs: Sequence[Job], rule: Callable[[Job], Ruling]) -> _Done:
    told = []
    for job in jobs:
        ruling = _changed(journal, args, job) or rule(job)
        if ruling.changes:
            free = not any(journal.jobs.reserved(job.inbox, key, job.id) for key in ruling.reserve)
            journal.jobs.commit(job, detail=ruling.detail, reserve=ruling.reserve if free else (), **ruling.changes)
        told.append((job, ruling))
    return told, [job.id for job, ruling in told if ruling.changes]


def _inbox(config: Config, name: str) -> Inbox | None:
    return next((inbox for inbox in config.inboxes if inbox.name == name), None)


def _unknown(config: Config, name: str) -> Answer:
    there = ", ".join(inbox.name for inbox in config.inboxes)
    return Answer(2, (f"There is no inbox `{name}`: the configuration has {there}.",))


ON_JOBS: Final[dict[str, Callable[[Journal, Config, dict[str, Any], float, Sequence[Job]], _Done]]] = {
    "retry": _retry, "cancel": _cancel, "approve": _approve, "bump": _bump,
}
OTHERS: Final[dict[str, Callable[[Journal, Config, dict[str, Any], float], Answer]]] = {
    "pause": _pause, "resume": _resume, "adopt": _adopt,
}
