"""generating → waiting → downloading: the one call that costs money, and the wait for what it buys."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Final

from diffio_watch.api import errors as api
from diffio_watch.api.shapes import Generation, GenerationSummary
from diffio_watch.clock import midnight
from diffio_watch.job import Job, State
from diffio_watch.media.length import minutes
from diffio_watch.pipeline import guard, polls
from diffio_watch.pipeline.commands import request_body
from diffio_watch.pipeline.decide import ModelUnknown, ProjectGone
from diffio_watch.pipeline.job_log import about
from diffio_watch.pipeline.outcome import NO_PROJECT, Outcome, fail, go, hold, park
from diffio_watch.pipeline.tools import Tools
from diffio_watch.reasons import because

MODEL_ALIASES: Final = {"diffio-3.4": "diffio-3.5"}  # the older name answers with the newer (public documentation)
LOOK_TWICE: Final = 60.0  # seconds between two looks at a list that has to be empty at both
_OVERDUE_PAUSE: Final = 300.0
_UNKNOWN_TRIES: Final = 8
_OTHER_SERVICE_PAUSE: Final = 300.0


def intend(job: Job, tools: Tools) -> Outcome:
    """Decide to spend, and write down exactly what will be sent. Nothing is sent yet."""
    now = tools.clock.now()
    key_print = tools.key_print()
    if job.base_url != tools.base_url or job.key_print not in {None, key_print}:
        # nothing is paid, and the new one may not see the project
        return go("another service or key is configured", **NO_PROJECT, state=State.UPLOADING, due_at=now)
    over = guard.over_today(job, tools.config.limits, tools.journal, now)
    if over is not None:
        return hold(job, "daily_limit", until=midnight(now, 1), detail=over)
    tools.check_permits()
    key = str(uuid.uuid4())
    body = request_body(job.project_id or "", key, job.settings)
    return go(idempotency_key=key, body=body, intent_at=now, minutes=minutes(job), key_print=key_print,
              due_at=now)


def generating(job: Job, tools: Tools) -> Outcome:
    """Send the intent, as often as it takes to get an answer: the service charges it once."""
    now = tools.clock.now()
    if not job.paid:
        return intend(job, tools)
    if job.base_url != tools.base_url:
        return park(job, now, because("other_service", base_url=job.base_url, job=job.id), delay=_OTHER_SERVICE_PAUSE)
    key, key_print = tools.read_key()  # once: what was compared is what is sent
    if job.key_print != key_print:
        return _look_before_sending(job, tools, key, key_print)
    tools.seen_empty.pop(job.id, None)  # from now on there may be something to be seen
    count = tools.count()
    with tools.files.call(job.inbox):
        tools.outbox(job).root.counted(count)  # before it is sent: by this a copy of the journal from before is known
        # a rebuild believes an error file that tells of no generation: none may stand there from here on
        tools.outbox(job).clear_error(job.path)
        tools.outbox(job).ledger.note(job)  # by it such a copy learns which content this project holds
    try:
        made = tools.api.generate(job.settings.model, job.body or "", key=key)
    except api.NotFound as error:
        raise _unknown(job, tools) from error
    return _bought(job, tools, made)


def _bought(job: Job, tools: Tools, made: Generation) -> Outcome:
    now = tools.clock.now()
    if made.project_id != job.project_id:
        return hold(job, "conflict", detail=f"it answered with project {made.project_id}")
    return go(state=State.WAITING, generation_id=made.generation_id, model_key=made.model_key, replayed=made.replayed,
              generated_at=now, due_at=now + tools.config.generation.poll.first, progress=None, stage=None, polls=0,
              waited=0.0)


def _unknown(job: Job, tools: Tools) -> Exception:
    """A 404 of a generation endpoint: is it the model or the project that the service does not know?"""
    try:
        tools.api.list_generations(job.project_id or "")
    except api.NotFound:
        return ProjectGone(job.project_id)
    return ModelUnknown(job.settings.model)


def _look_before_sending(job: Job, tools: Tools, key: str, key_print: str) -> Outcome:
    """The key is another one than at the intent, so the idempotency key would not protect: look first.

    Whoever brings the job forward only brings a look forward: what counts is the time between two of them.
    """
    asked = tools.clock.now()
    try:
        listed = tools.api.list_generations(job.project_id or "", every=True, key=key)
    except (api.Forbidden, api.NotFound):
        return hold(job, "account_changed")
    now = tools.clock.now()
    unknown = strangers(tools, listed)
    found = [one for one in unknown if one.model_key == MODEL_ALIASES.get(job.settings.model, job.settings.model)]
    if found:
        return _adopt(found[0], tools, key_print)
    if unknown:
        return hold(job, "conflict", detail=f"project {job.project_id} has a generation of {unknown[0].model_key}")
    again = tools.seen_empty.setdefault(job.id, now) + LOOK_TWICE
    if asked < again:
        reason = because("not_ready", detail="it is looked at whether the earlier key bought it")
        return Outcome({**park(job, now, reason).changes, "due_at": again}, rest=True)
    return go("nothing was bought with the earlier key", key_print=key_print, due_at=now)


def strangers(tools: Tools, listed: list[GenerationSummary]) -> list[GenerationSummary]:
    """Generations of one job's project that no job knows, the newest first.

    Only this program made anything in that project, so they are its own, whatever the clocks say: the host's may have
    been days ahead when the intent was dated.
    """
    unknown = [one for one in listed if not tools.journal.jobs.knows_generation(one.generation_id)]
    return sorted(unknown, key=lambda one: one.created_at or 0.0, reverse=True)


def _adopt(found: GenerationSummary, tools: Tools, key_print: str | None = None) -> Outcome:
    now = tools.clock.now()
    return go("adopted a generation that the service had", state=State.WAITING, generation_id=found.generation_id,
              model_key=found.model_key, replayed=True, generated_at=now, due_at=now, stage=None, polls=0, waited=0.0,
              key_print=key_print or tools.key_print())


def waiting(job: Job, tools: Tools) -> Outcome:
    """Ask how it goes. Only the overall status counts; an unknown one means not yet.

    One question is a thread's turn, and the pause begins with the answer: where answers take longer than pauses, a few
    generations would otherwise keep every thread.
    """
    if job.base_url != tools.base_url:
        return park(job, tools.clock.now(), because("other_service", base_url=job.base_url, job=job.id),
                    delay=_OTHER_SERVICE_PAUSE)
    try:
        seen = tools.api.progress(job.generation_id or "", job.project_id)
    except api.NotFound:
        return _lost(job, tools)
    now = tools.clock.now()
    # of what an earlier process did only the sum counts: the host's clock may have been set since
    passed = max(0.0, now - max(job.updated_at, tools.started))
    if seen.status in {"complete", "failed"} and not job.replayed:  # of one that is adopted, the end may be long ago
        tools.announced.ended(job.generation_id or "")
    if seen.status == "complete":  # at some time since the poll before: half of it is nearest
        return go(state=State.DOWNLOADING, completed_at=now, due_at=now, progress=None, stage=None,
                  waited=job.waited + passed / 2, soft=True)
    if seen.status == "failed":
        return fail(job, now, "generation_failed", detail=seen.error or "it gave no reason")
    waited = job.waited + passed
    poll = tools.config.generation.poll
    if waited > tools.config.generation.give_up:
        return fail(job, now, "gave_up", limit=f"{tools.config.generation.give_up / 86400:g} days")
    overdue = waited > tools.config.generation.overdue
    first_time = overdue and "overdue" not in (job.stage or "")
    stage = f"{seen.stage or seen.status}{', overdue' if overdue else ''}"
    if first_time:
        tools.log.warning("job.overdue", **about(job), hours=round(waited / 3600, 1))
    if overdue:
        pause = max(poll.max, _OVERDUE_PAUSE)
    else:
        before = (job.waited, job.progress) if job.stage == stage else None
        ends = tools.earlier.ends(job.model_key, job.media.duration_s if job.media is not None else None)
        pause = polls.pause(polls.Look(waited, job.polls + 1, queued=seen.status == "queued", remaining=seen.remaining,
                                       percent=seen.percent, before=before, ends=ends,
                                       announced=tools.announced.reliable()), poll.first, poll.max)
    asked = go(due_at=now + pause, progress=seen.percent, stage=stage, polls=job.polls + 1, waited=waited, soft=True)
    return replace(asked, rest=True)


def _lost(job: Job, tools: Tools) -> Outcome:
    """The service does not know the generation: adopt a match of its project, else wait, then say so."""
    try:
        unknown = strangers(tools, tools.api.list_generations(job.project_id or ""))
    except api.NotFound:
        unknown = []
    now = tools.clock.now()
    found = [one for one in unknown if one.model_key == job.model_key]
    if found:
        return _adopt(found[0], tools)
    reason = because("not_ready", detail="the service does not know the generation")
    if job.because != reason:
        job = replace(job, parks=0)  # whatever it waited for before was no such answer
    return fail(job, now, "not_found") if job.parks >= _UNKNOWN_TRIES else park(job, now, reason)
