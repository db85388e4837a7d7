"""What people ask of the daemon, request by request, and its answers; what each command does: `command_handlers`.

The daemon calls `serve` between two steps; where none runs, the command calls it under the journal's lock. What is
asked about all jobs of a kind takes a transaction for each hundred: nobody waits for thousands of them.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.job import Job, State
from diffio_watch.journal import Answer, Journal, JournalError, Request
from diffio_watch.journal.drop import DROP_WINDOW
from diffio_watch.media.length import minutes
from diffio_watch.pipeline import groups
from diffio_watch.pipeline.command_handlers import ON_JOBS, OTHERS
from diffio_watch.pipeline.commands import Ruling
from diffio_watch.pipeline.groups import BadQuery, Query
from diffio_watch.pipeline.tally import Tally, wish_of

if TYPE_CHECKING:
    from diffio_watch.config import Config

_BATCH: Final = 100  # jobs of a kind that one transaction is about
_BREATH: Final = 0.002  # seconds between two of these
_SLICE: Final = 1.0  # seconds at once for them: the caller has other things to do too
_NONE_LEFT: Final = "Nothing of this is left to do: it was done already, or has changed meanwhile."
_Step = tuple[Request, Answer | None, Sequence[str]]
_MORE: Final = ("would cost more than was shown when this was asked, for it is longer than was known then: look again, "
                "and ask anew.")
_OTHER_PAST: Final = "Nothing was done: this was asked of a journal that is not in use any more. Look again."
_PENNY: Final = 0.01  # minutes by which sums may differ
_REST: Final = "What comes to {} within {:g} min of them is held, too."
_WAIT_FOR_OTHERS: Final = ("twin",)  # copies of what was held, perhaps


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
    if request.command in OTHERS:
        answer = OTHERS[request.command](journal, config, args, now)
        return request, answer, answer.jobs
    if request.command not in ON_JOBS:
        return request, Answer(2, (f"This daemon does not know `{request.command}`: restart it after an upgrade.",)), ()
    if (args.get("seen") or 0) > journal.overview.last_line():
        return request, Answer(1, (_OTHER_PAST,)), ()
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
    if all_held:  # what came later was not meant
        jobs = [job for job in jobs if not journal.overview.changed_since(job.id, args.get("seen"))]
        if not jobs:
            return request, Answer(0, (_NONE_LEFT,)), ()
    told, changed = ON_JOBS[request.command](journal, config, args, now, jobs)
    inboxes = _decide(journal, request.command, jobs, changed, now)
    wish = wish_of(request)
    answer = Tally().plus(told, len(changed), wish=wish).answer(changed, wish)
    return request, _with_rest(answer, request.command, inboxes), changed


def _next(journal: Journal, config: Config, request: Request, query: Query, now: float) -> _Step:
    """The next part of what is asked about all jobs of a kind; how far it is stands with the request."""
    if query.seen is not None and query.seen > journal.overview.last_line():
        return request, Answer(1, (_OTHER_PAST,)), ()
    tally = Tally.load(request.args["so_far"]) if "so_far" in request.args else Tally()
    jobs, after = journal.overview.members(query.state, query.reason, query.inbox, seen=query.seen, after=tally.after,
                                           limit=_BATCH, job=query.job)
    those, dear, spent = _affordable(request, query, jobs, tally.minutes)
    told, changed = ON_JOBS[request.command](journal, config, {**request.args, "asked_at": request.at}, now, those)
    told = [*told, *((job, Ruling(_MORE, done=False)) for job in dear)]
    tally = replace(tally.plus(told, len(changed), after, wish_of(request)), minutes=spent)
    drops = _decide(journal, request.command, those, changed, now) | set(request.args.get("drops", ()))
    if len(jobs) == _BATCH:
        request = replace(request, args={**request.args, "so_far": asdict(tally), "drops": sorted(drops)})
        journal.requests.keep(request)
        return request, None, changed
    if not tally.done and not tally.refused:
        return request, Answer(0, (_NONE_LEFT,)), ()
    return request, _with_rest(tally.answer(wish=wish_of(request)), request.command, drops), changed


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


def _decide(journal: Journal, command: str, jobs: Sequence[Job], changed: Sequence[str], now: float) -> set[str]:
    """What a person's decision sets free: drops whose last held file it was, and copies that waited for it.

    Args:
        journal: opened for writing.
        command: what was asked.
        jobs: about which, as they were before.
        changed: the ids of those that were changed.
        now: seconds since the epoch.

    Returns:
        The inboxes of drops that this is about.
    """
    if command not in {"approve", "cancel"}:
        return set()
    drops: dict[str, list[float]] = {}
    done = set(changed)
    for job in jobs:
        if _dropped(job) and job.id in done:
            drops.setdefault(job.inbox, []).append(job.detected_at)
    for inbox, seen in drops.items():
        journal.drops.decide(inbox, seen if command == "cancel" else ())
    journal.schedule.bring_forward(_WAIT_FOR_OTHERS, now)
    return set(drops)


def _with_rest(answer: Answer, command: str, drops: Collection[str]) -> Answer:
    """With what "Leave out" means for what comes after the drops of these inboxes."""
    if command != "cancel" or not drops:
        return answer
    return replace(answer, lines=(*answer.lines, _REST.format(" and ".join(sorted(drops)), DROP_WINDOW / 60)))


def _named(journal: Journal, args: dict[str, Any]) -> list[Job]:
    """The jobs of a request; those that a request names and the journal has not are passed over."""
    return [job for name in dict.fromkeys(args.get("jobs", [])) if (job := journal.jobs.get(name)) is not None]
