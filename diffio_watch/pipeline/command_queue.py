"""What people ask of the daemon, applied to the journal: the rules of `commands`, many jobs at once.

The daemon calls `serve` between two steps; where none runs, the command calls it under the journal's lock. What is
asked about all jobs of a kind takes a transaction for each hundred: nobody waits for thousands of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from diffio_watch import editors
from diffio_watch.job import ENDED, OPEN, Job, Settings, State
from diffio_watch.journal import Answer, Halt, Journal, JournalError, Request
from diffio_watch.journal.blocks import paused_at
from diffio_watch.journal.records import FolderMemory
from diffio_watch.media.length import minutes
from diffio_watch.pipeline import commands, groups
from diffio_watch.pipeline.commands import Ruling
from diffio_watch.pipeline.groups import BadQuery, Query
from diffio_watch.pipeline.tally import Tally, Told, wish_of
from diffio_watch.reasons import REASONS, Kind, because

if TYPE_CHECKING:
    from diffio_watch.config import Config, Inbox

_BATCH: Final = 100  # jobs of a kind that one transaction is about
_BREATH: Final = 0.002  # seconds between two of these
_SLICE: Final = 1.0  # seconds at once for them: the caller has other things to do too
_NONE_LEFT: Final = "Nothing of this is left to do: it was done already, or has changed meanwhile."
_Step = tuple[Request, Answer | None, Sequence[str]]
_Done = tuple["Told", Sequence[str]]  # what was said of each job; ids of those that were changed
_MORE: Final = ("would cost more than was shown when this was asked, for it is longer than was known then: look again, "
                "and ask anew.")
_OTHER_PAST: Final = "Nothing was done: this was asked of a journal that is not in use any more. Look again."
_NO_STOP: Final = "Nothing was done: this stop is over already."
_NO_PAUSE: Final = "Nothing was done: this pause is over already, or somebody has paused again since. Look again."
_PENNY: Final = 0.01  # minutes by which sums may differ
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
    for asked in journal.requests.unanswered():
        request = asked
        end = time.monotonic() + _SLICE
        try:
            while True:
                with journal.transaction():
                    request, answer, jobs = _step(journal, config, request, now)
                    if request.who:
                        journal.jobs.remark(jobs, f"{request.command}: asked by {request.who}")
                    if answer is not None:
                        journal.requests.answer(request.id, answer)
                if answer is not None or time.monotonic() >= end:
                    break
                time.sleep(_BREATH)  # whoever waits for the journal gets it now, or it would be taken again at once
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - a request that trips this program must not end it at every start
            answer = Answer(1, (f"An error of this program: {type(error).__name__}: {error}.",))
            journal.requests.answer(request.id, answer)
        if answer is not None:  # else it goes on with the next call; what was asked later does not wait for it
            served.append((request, answer))
    return served


def _step(journal: Journal, config: Config, request: Request, now: float) -> _Step:
    """Do what a person asks, or the next part of it.

    Args:
        journal: opened for writing; the caller's transaction makes it all or nothing.
        config: the configuration in force.
        request: the wish.
        now: seconds since the epoch.

    Returns:
        The request as it stands now; its answer, None while there is more to do; the ids of the jobs that were changed.
    """
    args = {**request.args, "asked_at": request.at, "on_the_page": request.on_the_page}
    if request.command in _OTHERS:
        answer = _OTHERS[request.command](journal, config, args, now)
        return request, answer, answer.jobs
    if request.command not in _ON_JOBS:
        return request, Answer(2, (f"This daemon does not know `{request.command}`: restart it after an upgrade.",)), ()
    try:
        query = groups.asked(request.args)
    except BadQuery as error:
        return request, Answer(2, (f"This can't be asked: {error}.",)), ()
    if query is not None:
        return _next(journal, config, request, query, now)
    all_held = request.command == "approve" and (args.get("all") or args.get("inbox"))
    jobs = journal.jobs.newest({State.HELD}, args.get("inbox")) if all_held else _named(journal, args)
    if all_held and not jobs:
        return request, Answer(0, ("Nothing is held.",)), ()
    told, changed = _ON_JOBS[request.command](journal, config, args, now, jobs)
    _afterwards(journal, request.command, {job.inbox for job in jobs if _dropped(job)}, now)
    wish = wish_of(request)
    return request, Tally().plus(told, len(changed), wish=wish).answer(changed, wish), changed


def _next(journal: Journal, config: Config, request: Request, query: Query, now: float) -> _Step:
    """The next part of what is asked about all jobs of a kind; how far it is stands with the request."""
    if query.seen is not None and query.seen > journal.overview.last_line():
        return request, Answer(1, (_OTHER_PAST,)), ()
    tally = Tally.load(request.args["so_far"]) if "so_far" in request.args else Tally()
    jobs, after = journal.overview.members(query.state, query.reason, query.inbox, seen=query.seen, after=tally.after,
                                           limit=_BATCH, job=query.job)
    those, dear, spent = _affordable(request, query, jobs, tally.minutes)
    told, changed = _ON_JOBS[request.command](journal, config, {**request.args, "asked_at": request.at}, now, those)
    told = [*told, *((job, Ruling(_MORE, done=False)) for job in dear)]
    tally = replace(tally.plus(told, len(changed), after, wish_of(request)), minutes=spent)
    drops = {job.inbox for job in those if _dropped(job)} | set(request.args.get("drops", ()))
    if len(jobs) == _BATCH:
        request = replace(request, args={**request.args, "so_far": asdict(tally), "drops": sorted(drops)})
        journal.requests.keep(request)
        return request, None, changed
    _afterwards(journal, request.command, drops, now)
    if not tally.done and not tally.refused:
        return request, Answer(0, (_NONE_LEFT,)), ()
    return request, tally.answer(wish=wish_of(request)), changed


def _affordable(request: Request, query: Query, jobs: Sequence[Job],
                spent: float) -> tuple[list[Job], list[Job], float]:
    """The jobs that stay within what the person was told, those that do not, and the minutes with the first.

    What somebody saw has a price, and a length that became known since does not make it another one.
    """
    those, dear = list[Job](), list[Job]()
    for job in jobs:
        buys = request.command in {"approve", "retry"}
        asks = minutes(job) if buys and (request.args.get("fresh") or job.generation_id is None) else 0.0
        if query.minutes is not None and asks and spent + asks > query.minutes + _PENNY:
            dear.append(job)
        else:
            those.append(job)
            spent += asks
    return those, dear, spent


def _dropped(job: Job) -> bool:
    """Whether a job, as it was before a person decided about it, was held as part of a drop."""
    return job.state is State.HELD and job.because is not None and job.because.code == "drop_size"


def _afterwards(journal: Journal, command: str, drops: Iterable[str], now: float) -> None:
    """What a person's decision sets free: drops whose last held file it was, and copies that waited for it."""
    if command in {"approve", "cancel"}:
        for inbox in drops:
            journal.files.decide_drop(inbox)
        journal.schedule.bring_forward(_WAIT_FOR_OTHERS, now)


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

    return _each(journal, jobs, rule)


def _fresh(journal: Journal, config: Config, args: dict[str, Any], now: float, jobs: Sequence[Job]) -> _Done:
    halts = journal.halts.all()
    told, made = [], []
    for job in jobs:
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
    return told, made


def _newer(journal: Journal, job: Job) -> Job | None:
    """The newest of the further generations that were asked for of a job's content since."""
    runs = [one for one in journal.jobs.at(job.inbox, job.path) if one.sha256 == job.sha256 and one.run > job.run]
    return max(runs, key=lambda one: one.run, default=None)


def _settings(job: Job, inbox: Inbox | None, model: str | None) -> Settings:
    """What a new run is bought with: the inbox as it is configured now, for its model may have been retired since."""
    settings = inbox.settings() if inbox else job.settings
    return replace(settings, model=model) if model else settings


def _cancel(journal: Journal, _: Config, args: dict[str, Any], __: float, jobs: Sequence[Job]) -> _Done:
    return _each(journal, jobs, lambda job: commands.cancel(job, discard=bool(args.get("discard"))))


def _approve(journal: Journal, _: Config, __: dict[str, Any], now: float, jobs: Sequence[Job]) -> _Done:
    return _each(journal, jobs, lambda job: commands.approve(job, now))


def _bump(journal: Journal, _: Config, __: dict[str, Any], now: float, jobs: Sequence[Job]) -> _Done:
    return _each(journal, jobs, lambda job: commands.bump(job, now))


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


def _each(journal: Journal, jobs: Sequence[Job], rule: Callable[[Job], Ruling]) -> _Done:
    told = []
    for job in jobs:
        ruling = rule(job)
        if ruling.changes:
            free = not any(journal.jobs.reserved(job.inbox, key, job.id) for key in ruling.reserve)
            journal.jobs.commit(job, detail=ruling.detail, reserve=ruling.reserve if free else (), **ruling.changes)
        told.append((job, ruling))
    return told, [job.id for job, ruling in told if ruling.changes]


def _named(journal: Journal, args: dict[str, Any]) -> list[Job]:
    """The jobs of a request; those that a request names and the journal has not are passed over."""
    return [job for name in dict.fromkeys(args.get("jobs", [])) if (job := journal.jobs.get(name)) is not None]


def _inbox(config: Config, name: str) -> Inbox | None:
    return next((inbox for inbox in config.inboxes if inbox.name == name), None)


def _unknown(config: Config, name: str) -> Answer:
    there = ", ".join(inbox.name for inbox in config.inboxes)
    return Answer(2, (f"There is no inbox `{name}`: the configuration has {there}.",))


_ON_JOBS: Final[dict[str, Callable[[Journal, Config, dict[str, Any], float, Sequence[Job]], _Done]]] = {
    "retry": _retry, "cancel": _cancel, "approve": _approve, "bump": _bump,
}
_OTHERS: Final[dict[str, Callable[[Journal, Config, dict[str, Any], float], Answer]]] = {
    "pause": _pause, "resume": _resume, "adopt": _adopt,
}
