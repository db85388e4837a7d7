"""What a person's word does to one job: pure rules, from a row to the changes of it and a sentence about them.

None of them spends money but `fresh`, which makes the row of a further generation.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, Final

from diffio_watch.job import OPEN, Job, Output, Settings, State, new_id
from diffio_watch.outbox.names import keys_of
from diffio_watch.reasons import REASONS, Kind, because

# the service's final word: no generation is left to go on from
_SPENT: Final = frozenset({"generation_failed", "gave_up"})
# what intake refused by the look of the file: only its content, or a person's insistence, changes that
_BY_LOOK: Final = frozenset({"truncated", "not_media", "no_sound"})
# the project is out of this key's reach, or there no more
_PROJECT_GONE: Final = frozenset({"account_changed", "not_found"})
# who releases these was told that it may be paid for a second time
_BOUGHT_ONCE: Final = frozenset({"unproven", "duplicate_gone"})
_MODEL_STOPS: Final = frozenset({"model_retired", "model_unknown", "forbidden"})


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of a job.

    `line` tells the person; `done` is False where the wish could not be met. Without `changes` the row stays as
    it is. `reserve` are compare keys of names in the outbox that the job takes again, unless others have them now.
    """

    line: str
    done: bool = True
    changes: dict[str, Any] = field(default_factory=dict)
    detail: str = ""  # for the job's history
    reserve: tuple[str, ...] = ()


def _no(line: str) -> Ruling:
    return Ruling(line, done=False)


def way(job: Job) -> State:
    """The state from which a job goes on without paying for what it has."""
    if job.generation_id is not None:
        return State.DOWNLOADING if job.completed_at is not None else State.WAITING
    # what may have been paid for unknown to the journal goes through the question that is put at the beginning
    return State.GENERATING if job.paid or (job.uploaded and not job.unproven) else State.QUEUED


def retry(job: Job, now: float, *, as_is: bool = False, missing: Collection[str] = (),
          settings: Settings | None = None, stop: str | None = None) -> Ruling:
    """Go on from what exists; never pays for a generation that was paid for before.

    Args:
        job: the row.
        now: seconds since the epoch.
        as_is: send what was refused as `truncated`, `not_media` or `no_sound`.
        missing: types of a delivered job's outputs that are no longer in the outbox, and `sidecar` if that is not.
        settings: of its inbox, as it is configured now: what nothing was bought for goes on with them.
        stop: the code of what stops its inbox, if anything does.
    """
    code = job.because.code if job.because else ""
    if as_is and not (job.state is State.FAILED and code in _BY_LOOK):
        return _no("was not refused as `truncated`, `not_media` or `no_sound`: `--as-is` has nothing to insist on.")
    if job.state is State.HELD:
        return _no(f"is held. {job.because.action if job.because else ''}".strip())
    if job.state in OPEN:
        return _hasten(job, now, settings, stop)
    if job.state is State.DELIVERED:
        return _fetch_again(job, now, missing)
    if code == "own_output":
        return _no(f"is what this program made itself: `diffio-watch retry --fresh {job.id}` restores it once more, "
                   "and pays.")
    if job.state is State.FAILED and code in _SPENT:
        return _no(f"has nothing left to go on from: the generation is lost ({code}). "
                   f"`diffio-watch retry --fresh {job.id}` buys a new one.")
    if job.state is State.FAILED and code == "empty":
        return _no("is empty: copy the recording again; the new file is picked up by itself.")
    if job.state is State.FAILED and code in _BY_LOOK and not as_is:
        return _no(f"was refused by its look ({code}): copy it again, or send it all the same with "
                   f"`diffio-watch retry --as-is {job.id}`.")
    # a copy is looked at once more: it may be one no longer
    state = State.QUEUED if job.state is State.SKIPPED else way(job)
    changes: dict[str, Any] = {"state": state, "because": None, "due_at": now, "parks": 0, "as_is": job.as_is or as_is}
    kept = any(one.state in {"fetched", "published"} for one in job.outputs)
    if not kept:
        changes |= {"outputs": (), "number": None}  # what could not be had is asked for again
    anew, words = _renewed(job, settings, refused=job.state is State.FAILED and code == "rejected")
    changes |= anew
    words = f", with {words}" if words else ""
    return Ruling(f"{_GOES_ON[state]}{words}{_first(job, state)}.", detail="a person asked to retry", changes=changes,
                  reserve=keys_of(job) if kept and job.number is not None else ())


def _renewed(job: Job, settings: Settings | None, *, refused: bool) -> tuple[dict[str, Any], str]:
    """The settings of now for a job that nothing was bought for, and words for them where they are other ones.

    What the service refused goes on under the key that it was refused with: if an earlier answer to it was lost after
    all, the same key can't buy a second time.
    """
    if settings is None or job.generation_id is not None or (job.paid and not refused):
        return {}, ""
    settings = replace(settings, duplicates=job.settings.duplicates)  # a person may have decided that
    if settings == job.settings:
        return {}, ""
    changes: dict[str, Any] = {"settings": settings}
    if job.paid and job.project_id is not None and job.idempotency_key is not None:
        changes["body"] = request_body(job.project_id, job.idempotency_key, settings)
    other = settings.model != job.settings.model
    return changes, f"the settings of now{f' ({settings.model} for {job.settings.model})' if other else ''}"


def request_body(project_id: str, key: str, settings: Settings) -> str:
    """The paid request, exactly as it is sent."""
    body: dict[str, Any] = {"apiProjectId": project_id, "idempotencyKey": key}
    if settings.sampling:
        body["sampling"] = settings.sampling
    if settings.params:
        body["params"] = settings.params
    return json.dumps(body)


def _first(job: Job, state: State) -> str:
    """What there is to say of money that is still to be spent: `retry` pays nothing twice, which is not never."""
    if job.paid or job.unproven or state not in {State.QUEUED, State.GENERATING}:
        return ""
    if job.state is State.SKIPPED:
        return "; if it is a copy no longer, its generation will be bought"
    return "; nothing was bought for it yet, its generation will be"


_GOES_ON: Final = {
    State.QUEUED: "is queued again",
    State.GENERATING: "goes on with the upload it has",
    State.WAITING: "goes on with the generation it has",
    State.DOWNLOADING: "fetches its outputs again",
}


def _hasten(job: Job, now: float, settings: Settings | None, stop: str | None) -> Ruling:
    # its upload would be broken off by a change of the row; what the model's stop keeps does nothing now
    anew, words = ({}, "") if job.state is State.UPLOADING else _renewed(job, settings, refused=stop in _MODEL_STOPS)
    if anew and job.due_at is not None:
        return Ruling(f"goes on with {words}.", detail=f"goes on with {words}",
                      changes={**anew, "due_at": now, "parks": 0})
    if job.because is None or REASONS[job.because.code].kind is not Kind.PARKED:
        return Ruling(f"is under way already ({job.state}).")
    if job.due_at is None:
        return _no(f"waits for its file: {job.because.message}")
    return Ruling("is tried again at once.", changes={"due_at": now, "parks": 0})


def _fetch_again(job: Job, now: float, missing: Collection[str]) -> Ruling:
    if not missing:
        return Ruling("is delivered, and its outputs are in the outbox.")
    if job.generation_id is None:
        return _no(f"has no generation to fetch from: `diffio-watch retry --fresh {job.id}` buys a new one.")
    outputs = tuple(Output(one.type, path=one.path, mime_type=one.mime_type) if one.type in missing else one
                    for one in job.outputs)
    never = [one.type for one in job.outputs if one.state == "unavailable"]
    does = "fetches the missing outputs again" if set(missing) - set(never) else \
        f"asks the service once more for what it did not have ({', '.join(never)})"
    return Ruling(f"{does}, without paying.", detail="a person asked for missing outputs",
                  reserve=keys_of(job), changes={"state": State.DOWNLOADING, "because": None, "due_at": now,
                                                 "parks": 0, "outputs": outputs})


def cancel(job: Job, *, discard: bool) -> Ruling:
    """End a job. Where its generation may have been bought, only with `discard`."""
    if job.state is State.CANCELLED:
        return Ruling("is cancelled already.")
    if job.state in {State.DELIVERED, State.SKIPPED}:
        return _no(f"is {job.state}: there is nothing to cancel.")
    spent = job.paid and not (job.because is not None and job.because.code in _SPENT)
    if spent and not discard:
        return _no("is paid for: the money is spent, and only the result would be lost. "
                   f"`diffio-watch cancel --discard {job.id}` ends it all the same.")
    return Ruling("is cancelled; what was paid is lost." if spent else "is cancelled.",
                  detail="cancelled by a person", changes={
                      "state": State.CANCELLED, "because": because("discarded", job=job.id), "due_at": None})


def approve(job: Job, now: float) -> Ruling:
    """Release a held job. A conflict asks again with the key and body it was sent with, which can't buy twice."""
    if job.state is not State.HELD:
        return _no(f"is not held but {job.state}.")
    if job.because is not None and job.because.code == "unproven":
        job = replace(job, unproven=False)
    changes: dict[str, Any] = {"state": way(job), "because": None, "due_at": now, "parks": 0,
                               "unproven": job.unproven, "stage": None}
    if job.because is not None and job.because.code == "drop_size":
        # that the files are meant is no word about the day's limits
        return Ruling("is released.", detail="approved by a person", changes={**changes, "released": True})
    changes["approved"] = True
    if job.because is not None and job.because.code in _BOUGHT_ONCE:
        changes["rebuy"] = True
    if job.because is not None and job.because.code == "duplicate_gone":
        # or it would be found to be a copy again
        changes |= {"settings": replace(job.settings, duplicates="process"), "duplicate_of": None}
    return Ruling("is released.", detail="approved by a person", changes=changes)


def bump(job: Job, now: float) -> Ruling:
    """Put a job before all others of its inbox."""
    if job.state is State.HELD:
        return _no(f"is held. {job.because.action if job.because else ''}".strip())
    if job.state not in OPEN:
        return _no(f"is {job.state}: it is in no line.")
    parked = job.because is not None and job.due_at is not None and job.due_at > now
    if job.state is not State.QUEUED and not parked:
        return Ruling(f"is under way already ({job.state}).")  # a change of its row would break off what it does
    # the newest wish wins: milliseconds grow
    return Ruling("is next in line.", detail="bumped by a person", changes={
        "bumped": int(now * 1000), "due_at": job.due_at if job.due_at is None else min(job.due_at, now)})


def fresh_refusal(job: Job, stop: str | None) -> str | None:
    """Why no further generation may be bought for a job's file now; None where it may.

    Args:
        job: its newest run.
        stop: the code of what stops its inbox, if anything does.
    """
    if job.state in OPEN and job.paid and stop not in _MODEL_STOPS:
        return ("has a generation under way: wait for it, or give it up first with "
                f"`diffio-watch cancel --discard {job.id}`.")
    if job.because is not None and job.because.code == "empty":
        return "is empty: copy the recording again; the new file is picked up by itself."
    if job.because is not None and job.state is State.FAILED and job.because.code in _BY_LOOK:
        return (f"was refused by its look ({job.because.code}): `diffio-watch retry --as-is {job.id}` sends it all the "
                "same.")
    return None


def fresh(job: Job, settings: Settings, *, run: int, priority: int, base_url: str, now: float) -> Job:
    """The row of a further generation for a job's content, on the project already uploaded where there is one.

    Args:
        job: the run to start from.
        settings: what the new run is bought with.
        run: its number.
        priority: of its inbox.
        base_url: the service in force; a project of another one is of no use.
        now: seconds since the epoch.
    """
    gone = job.because is not None and job.because.code in _PROJECT_GONE
    again = Job(
        id=new_id(), inbox=job.inbox, path=job.path, size=job.size, mtime_ns=job.mtime_ns, settings=settings, run=run,
        inode=job.inode, partial=job.partial, sha256=job.sha256, media=job.media, priority=priority, due_at=now,
        as_is=job.as_is, approved=True, detected_at=job.detected_at, settled_at=job.settled_at, created_at=now,
        updated_at=now)
    if not job.uploaded or gone or job.base_url != base_url:
        return again
    return replace(again, state=State.GENERATING, base_url=job.base_url, key_print=job.key_print,
                   project_id=job.project_id, upload=job.upload, uploaded=True, uploaded_at=job.uploaded_at)
