"""Was this content bought before? The journal knows, or the outbox, or at last the service.

Each question answers with what becomes of the job, or None where it knows of no purchase.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from diffio_watch.api import errors as api
from diffio_watch.disk.names import show
from diffio_watch.job import OPEN, Job, State
from diffio_watch.outbox.sidecar_reader import buyer
from diffio_watch.pipeline.generate import LOOK_TWICE, strangers
from diffio_watch.pipeline.outcome import Outcome, go, hold, park
from diffio_watch.pipeline.tools import Tools
from diffio_watch.reasons import because

_PAUSE: Final = 2.0
_LONGEST_PAUSE: Final = 15.0
_HELD_PAUSE: Final = 600.0
_OTHER_SERVICE_PAUSE: Final = 300.0
_ENDED_WITHOUT: Final = frozenset({State.CANCELLED, State.FAILED})  # without outputs


def unproven(job: Job, tools: Tools, sha256: Callable[[], str]) -> Outcome | None:
    """Hold what the outbox knows as bought and the journal does not: then the journal has a gap."""
    if job.rebuy:
        return None
    with tools.files.call(job.inbox):
        told = [found for found in tools.outbox(job).evidence.of(job.path) if found.source.size == job.size]
    for found in told:
        bought_by = buyer(found)
        if bought_by is None or _knows_as_bought(tools, bought_by):
            continue
        if job.run > 1 and bought_by != job.id:
            continue  # a person asked for another generation of this content, but not for this one twice
        if found.source.sha256 is None or found.source.sha256 == (job.sha256 or sha256()):
            return hold(job, "unproven", detail="The outbox has a sidecar or error file that tells more of it than the "
                                                "journal: `diffio-watch journal rebuild` learns from it.")
    return None


def _knows_as_bought(tools: Tools, job_id: str) -> bool:
    job = tools.journal.jobs.get(job_id)
    return job is not None and (job.paid or job.generation_id is not None
                                or job.state in {State.DELIVERED, State.SKIPPED})


def own(job: Job, tools: Tools, sha256: Callable[[], str]) -> Outcome | None:
    """What this program made itself is never bought, by whatever way and under whatever name it comes back."""
    if job.run > 1:
        return None  # a person asked for it
    made_by = tools.journal.jobs.maker(job.size, lambda: job.sha256 or sha256())
    if made_by is None:
        return None
    return go(f"it is the restored {show(made_by.path)}", state=State.DOWNLOADING, duplicate_of=made_by.id,
              sha256=job.sha256 or sha256(), due_at=tools.clock.now())


def twin(job: Job, tools: Tools, sha256: Callable[[], str]) -> Outcome | None:
    """What becomes of a job whose content an older one has; None where none has it.

    The whole file is read only where the cheap fingerprint allows a copy at all.
    """
    if job.run > 1:
        return None  # a person asked for another generation of this content
    mine = job.sha256
    for other in tools.journal.jobs.twins(job):
        here = other.path == job.path
        if job.settings.duplicates == "process" and not here:
            continue
        if other.state in _ENDED_WITHOUT and not _may_be_bought(other):
            continue  # it has no outputs and will have none
        if other.sha256 is None:
            if other.state in OPEN:
                return _waits(job, other, tools)
            continue
        mine = mine or sha256()
        if mine != other.sha256:
            continue
        found = _here(other, tools) if here else _elsewhere(job, other, mine, tools)
        if found is not None:
            return found
    return None


def _may_be_bought(job: Job) -> bool:
    """Whether there may be a generation of a job that ended. The service's refusal is an answer: there is none."""
    refused = job.state is State.FAILED and job.because is not None and job.because.code == "rejected"
    return job.generation_id is not None or (job.paid and not refused)


def _here(other: Job, tools: Tools) -> Outcome:
    """The content that this path had before is back: it is the older job's, with all it has."""
    tools.journal.jobs.wish(other.id)
    return Outcome({"state": State.SKIPPED, "because": because("duplicate", other=show(other.path)),
                    "duplicate_of": other.id, "due_at": None}, rest=True)


def _elsewhere(job: Job, other: Job, mine: str, tools: Tools) -> Outcome | None:
    now = tools.clock.now()
    if other.state in {State.DELIVERED, State.SKIPPED} or (
            other.state in _ENDED_WITHOUT and other.generation_id is not None):
        source = other.duplicate_of or other.id if other.state is State.SKIPPED else other.id
        return go(f"a copy of {show(other.path)}", state=State.DOWNLOADING, duplicate_of=source, sha256=mine,
                  due_at=now)
    if other.state in _ENDED_WITHOUT:
        return _look(job, other, mine, tools)
    waiting = _waits(job, other, tools)
    return Outcome({**waiting.changes, "sha256": mine}, rest=True)  # read once is enough


def _look(job: Job, other: Job, mine: str, tools: Tools) -> Outcome | None:
    """An older job ended before an answer came to its paid call: what the service has of it decides.

    None where two looks, a minute apart, found nothing.
    """
    asked = tools.clock.now()
    if other.base_url != tools.base_url:
        return park(job, asked, because("other_service", base_url=other.base_url, job=job.id),
                    delay=_OTHER_SERVICE_PAUSE)
    try:
        listed = tools.api.list_generations(other.project_id or "")
    except (api.Forbidden, api.NotFound):
        return hold(job, "duplicate_gone", other=show(other.path))
    now = tools.clock.now()
    found = strangers(tools, listed)
    if found:
        return go(f"a copy of {show(other.path)}, whose generation the service had", state=State.DOWNLOADING,
                  duplicate_of=other.id, sha256=mine, base_url=other.base_url, key_print=tools.key_print(),
                  project_id=other.project_id, generation_id=found[0].generation_id, model_key=found[0].model_key,
                  replayed=True, due_at=now)
    again = tools.seen_empty.setdefault(other.id, now) + LOOK_TWICE
    if asked >= again:
        return None
    reason = because("not_ready", detail=f"it is looked at whether it was bought for {show(other.path)}")
    return Outcome({**park(job, now, reason).changes, "due_at": again, "sha256": mine}, rest=True)


def copy(job: Job, tools: Tools, sha256: Callable[[], str]) -> Outcome | None:
    """A copy that a person has looked at anew is fetched from what was bought, whatever became of the earlier job."""
    if job.duplicate_of is None or job.run > 1:
        return None
    earlier = tools.journal.jobs.get(job.duplicate_of)
    mine = job.sha256 or sha256()
    if earlier is not None and (not _knows_as_bought(tools, earlier.id) or earlier.sha256 not in {None, mine}):
        return None  # nothing was bought after all, or it is another content by now
    return go("a copy of what was restored before", state=State.DOWNLOADING, sha256=mine, due_at=tools.clock.now())


def _waits(job: Job, other: Job, tools: Tools) -> Outcome:
    """Short at first; a hundred copies of one file must not keep the disk busy while it uploads, or is held for days.

    A person's word about what is held brings its copies forward.
    """
    longest = _LONGEST_PAUSE if other.state in OPEN else _HELD_PAUSE
    delay = min(_PAUSE * 2 ** min(job.parks, 10), longest)
    return park(job, tools.clock.now(), because("twin", other=show(other.path)), delay=delay)
