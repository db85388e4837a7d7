"""What to do about an error: one pure function. Error, job and time in, outcome out.

Only the file's own faults fail a file. Everything else parks it, holds it for a person, or stops more than it.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Final

from diffio_watch.api import errors as api
from diffio_watch.config import KeyMissing
from diffio_watch.disk.names import show
from diffio_watch.disk.trouble import Trouble, trouble
from diffio_watch.job import Job, State
from diffio_watch.outbox.errors import DiskTrouble, OutboxGone
from diffio_watch.pipeline.original import Changed
from diffio_watch.pipeline.outcome import Outcome, Stop, changed, fail, hold, new_project, park, pause
from diffio_watch.pipeline.permissions import MayNotDownload
from diffio_watch.reasons import because

# an unexpected error of this program is tried this many times
INTERNAL_TRIES: Final = 5
# a paid job that the key may not read waits this long: money was spent, so it must not fail for a permission
_FORBIDDEN_PAUSE: Final = 900.0
_QUICK_LOOKS: Final = 20  # at an outbox that is away; a stop of its inbox watches it besides
_KEY_PAUSE: Final = 5.0  # seconds between two looks at a key whose disk is silent, as one that spins up is
_FORBIDDEN_TRIES: Final = 2  # and so often, before an upload starts over
# codes and cases of reasons, by what an error of the system is about
_OF_OUTBOX: Final = {
    Trouble.NO_RIGHT: "no_right", Trouble.IN_USE: "in_use", Trouble.IN_THE_WAY: "in_the_way",
    Trouble.BAD_NAME: "bad_name", Trouble.SHORT: "host_short"}
_OF_ORIGINAL: Final = {**_OF_OUTBOX, Trouble.GONE: "share_away", Trouble.NO_RIGHT: "unreadable"}


class ModelUnknown(Exception):
    """A generation endpoint answered 404 although its project exists."""


class ProjectGone(Exception):
    """The service knows neither the project nor its generation any more."""


def decide(  # noqa: PLR0912 - a decision table has as many rows as there are cases
    error: Exception, job: Job, now: float, *, key_works: bool | None = None, same_key: bool = True,
    sees_project: bool = True, may_download: bool = True, current_model: str | None = None,
) -> Outcome:
    """The one answer to each error of a step.

    Args:
        error: what the step raised.
        job: the row the step was given.
        now: seconds since the epoch.
        key_works: for `Forbidden`: whether a free call accepts the key.
        same_key: whether the key is the one that the job's project or intent was sent with.
        may_download: for a forbidden download: whether the key may fetch anything.
        sees_project: for a forbidden generation: whether the key may look at the job's project.
        current_model: the model that the inbox is configured with now.
    """
    match error:
        case api.Stopped():
            return Outcome(rest=True)
        case Changed():
            return changed(job)
        case api.RateLimited():
            return park(job, now, because("rate_limited"), delay=error.retry_after)
        case api.ApiError() if error.transient or isinstance(error, api.UnsafeUrl):
            return park(job, now, because("service_error", detail=error), delay=error.retry_after)
        case api.Unauthorized():
            return _halt(now, "auth", detail=error.message)
        case KeyMissing() if error.passing:
            waiting = park(job, now, because("key_away", detail=error.message), delay=_KEY_PAUSE)
            return replace(waiting, changes={**waiting.changes, "parks": job.parks})  # it was asked nothing
        case KeyMissing():
            return _halt(now, "auth", detail=error)
        case api.PaymentRequired():
            halted = _halt(now, error.kind, next_check_at=error.period_end, detail=error.message)
            if job.state not in {State.WAITING, State.DOWNLOADING}:
                return halted
            # such a stop lets what is bought be fetched, so the job itself has to wait
            return replace(park(job, now, because("service_error", detail=error)), stop=halted.stop)
        case api.Forbidden():
            return _forbidden(error, job, now, key_works=key_works, same_key=same_key, sees_project=sees_project,
                              may_download=may_download)
        case MayNotDownload():
            return Outcome({"due_at": now}, stop=_may_not_download(job, error), rest=True)
        case api.ModelRetired() | ModelUnknown() if job.state is State.GENERATING:
            return _model(error, job, now, current_model)
        case api.IdempotencyConflict():
            return hold(job, "conflict", detail=error.message)
        case ProjectGone():
            return fail(job, now, "not_found")
        case api.TooLarge():
            return fail(job, now, "too_large", size=size(job.size), limit=size(error.limit))
        case api.NotReady():
            return park(job, now, because("not_ready", detail=error.message))
        case api.SessionLost() | api.NotFound() if job.state is State.UPLOADING and job.project_id is not None:
            return new_project(job, now, str(error))
        case api.LinkExpired() | api.BadDownload():  # of an output; see `fetch`
            return park(job, now, because("service_error", detail=error), delay=0.0 if job.parks == 0 else None)
        case api.NotFound():  # a wrong base URL looks so too, and that is no file's fault
            return park(job, now, because("service_error", detail=error))
        case api.ApiError():
            return fail(job, now, "rejected", detail=_words(error))
        case OutboxGone():
            soon = 15.0 if job.parks < _QUICK_LOOKS else None
            return park(job, now, because("outbox_away", detail=error), delay=soon)
        case DiskTrouble():
            return park(job, now, because(_OF_OUTBOX.get(error.kind, "disk"), detail=error))
        case OSError() if error.errno is not None:
            return _original(error, job, now)
        case _:
            return _internal(error, job, now)


def _halt(now: float, code: str, *, next_check_at: float | None = None, detail: object) -> Outcome:
    return Outcome({"due_at": now}, stop=Stop("account", because(code, detail=detail), next_check_at), rest=True)


def _forbidden(error: api.Forbidden, job: Job, now: float, *, key_works: bool | None, same_key: bool,
               sees_project: bool, may_download: bool) -> Outcome:
    if key_works is False:
        return _halt(now, "auth", detail=error.message)
    if (job.paid or job.generation_id is not None) and not same_key:
        return hold(job, "account_changed")
    if not same_key:
        return new_project(job, now, "the project was made with another API key")
    scope = f"inbox:{job.inbox}:model"
    facts = {"model": job.settings.model, "inbox": job.inbox, "detail": error.message}
    if job.state is State.GENERATING and sees_project:
        return Outcome({"due_at": now}, stop=Stop(scope, because("forbidden", **facts)), rest=True)
    if job.state is State.UPLOADING and job.project_id is None:
        return Outcome({"due_at": now}, stop=Stop(scope, because("upload_forbidden", **facts)), rest=True)
    if job.state is State.UPLOADING and job.parks >= _FORBIDDEN_TRIES:
        return new_project(job, now, str(error))  # nothing is paid, and another project may be this key's
    waiting = park(job, now, because("service_error", detail=error), delay=_forbidden_pause(job))
    # what is bought waits; nothing more is bought that could not be fetched either
    return waiting if may_download else replace(waiting, stop=_may_not_download(job, error.message))


def _may_not_download(job: Job, words: object) -> Stop:
    return Stop(f"inbox:{job.inbox}:download", because("download_forbidden", inbox=job.inbox, detail=words))


def _forbidden_pause(job: Job) -> float:
    return max(_FORBIDDEN_PAUSE, pause(job.parks))


def _model(error: Exception, job: Job, now: float, current_model: str | None) -> Outcome:
    code = "model_retired" if isinstance(error, api.ModelRetired) else "model_unknown"
    if job.settings.model != current_model:  # the configuration has moved on; only this job still asks for it
        return _only_another(job, now, current_model)
    reason = because(code, model=job.settings.model, inbox=job.inbox, models=", ".join(models()), job=job.id)
    return Outcome({"due_at": now}, stop=Stop(f"inbox:{job.inbox}:model", reason), rest=True)


def _only_another(job: Job, now: float, model: str | None) -> Outcome:
    """What the service refused goes on with the settings of now, and of an inbox that is gone with a model by name."""
    failed = fail(job, now, "rejected", detail=f"the model {job.settings.model} is not to be had")
    named = next(known for known in models() if known != job.settings.model)
    action = (f"`diffio-watch retry {job.id}` goes on with {model}." if model
              else f"`diffio-watch retry --fresh --model {named} {job.id}` takes another.")
    return replace(failed, changes={**failed.changes, "because": replace(failed.changes["because"], action=action)})


def models() -> tuple[str, ...]:
    """The models that the service is known to take."""
    from diffio_watch.api.models import CURRENT  # noqa: PLC0415 - one word from there

    return CURRENT


def _original(error: OSError, job: Job, now: float) -> Outcome:
    """What the system says while an original is read, or of the state folder."""
    kind = trouble(error.errno)
    if kind in {Trouble.IN_THE_WAY, Trouble.BAD_NAME} and job.state in {State.QUEUED, State.UPLOADING}:
        return changed(job)  # whether it is gone, renamed or replaced is for intake to say, from a scan
    if kind is Trouble.GONE or error.errno == errno.EIO:  # a share that went mute says EIO, too
        waiting = park(job, now, because("share_away", detail=_words_of(error)),
                       delay=15.0 if kind is Trouble.GONE else None)
        return Outcome(waiting.changes, look_again=True, rest=True)
    return park(job, now, because(_OF_ORIGINAL.get(kind, "disk"), detail=_words_of(error)))


def _words_of(error: OSError) -> str:
    """The system's words, with the name they are about where it has one: the state folder's files, too, fail here."""
    words = error.strerror or str(error)
    return f"{words} ({show(error.filename)})" if isinstance(error.filename, str) else words


def _internal(error: Exception, job: Job, now: float) -> Outcome:
    detail = f"{type(error).__name__}: {error}"
    if job.because is None or job.because.code != "internal":
        job = replace(job, parks=0)  # whatever it waited for before is not one of these tries
    if job.parks >= INTERNAL_TRIES - 1:
        return fail(job, now, "internal", detail=detail)
    return park(job, now, because("internal", detail=detail, job=job.id))


def _words(error: api.ApiError) -> str:
    code = f" ({error.code})" if error.code else ""
    return f"{error.message}{code}"


def size(count: int) -> str:
    """A size in bytes as people read it."""
    amount = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError
