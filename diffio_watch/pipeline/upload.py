"""queued → uploading → generating: the file travels to a project of its own, and is known by its hash then."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from diffio_watch.api import errors as api
from diffio_watch.api.shapes import Session
from diffio_watch.clock import midnight
from diffio_watch.disk.names import show
from diffio_watch.disk.place import Place
from diffio_watch.job import Job, Part, State
from diffio_watch.media import types
from diffio_watch.pipeline import duplicates, guard, upload_rate
from diffio_watch.pipeline.job_log import about
from diffio_watch.pipeline.original import Changed, Original
from diffio_watch.pipeline.outcome import NO_PROJECT, Outcome, go, hold, new_project
from diffio_watch.pipeline.preflight import ready
from diffio_watch.pipeline.project_list import Listed
from diffio_watch.pipeline.tools import Tools

SMALL: Final = 8 << 20  # bytes up to which to send a file again costs less than to remember how far it came
_CLOCK_SKEW: Final = 3600.0  # seconds; a token that is kept a little too long is of no use to anybody


def queued(job: Job, tools: Tools) -> Outcome:
    """Let a job in: unless the day's limit is reached, or its content was restored before."""
    now = tools.clock.now()
    with _original(job, tools) as original:
        for look in (duplicates.own, duplicates.twin, duplicates.copy):
            found = look(job, tools, original.sha256)
            if found is not None:  # what was bought before is had on any day
                return found
        over = guard.over_today(job, tools.config.limits, tools.journal, now)
        if over is not None:
            return hold(job, "daily_limit", until=midnight(now, 1), detail=over)
        gap = duplicates.unproven(job, tools, original.sha256)
        if gap is not None:
            return gap
    short = ready(job, tools)
    if short.changes:
        return short
    if job.unproven:
        return hold(job, "unproven", detail=Listed(tools.journal, tools.api.list_projects).about(job))
    return go(state=State.UPLOADING, attempts=job.attempts + 1, due_at=now, progress=None, duplicate_of=None, soft=True)


def is_small(job: Job) -> bool:
    """Whether a job's file is sent in one go: what is known of a try that was cut off is of no use after a restart."""
    return job.size <= min(SMALL, job.part_size or SMALL)


def uploading(job: Job, tools: Tools) -> Outcome:
    """One of: make the project, start its session, send the file."""
    now = tools.clock.now()
    blocked = tools.lane.blocked(job)
    if blocked is not None:
        return blocked
    if job.project_id is None:
        return _create(job, tools)
    if job.base_url != tools.base_url:
        return go("another service is configured", **NO_PROJECT, due_at=now)
    # `parks` is kept until the whole file has arrived: a host that loses every session is not asked without a pause
    if job.upload == "put":
        target = tools.put_targets.get(job.id)
        if target is None:  # the URL lived in memory only
            return new_project(job, now, "the upload URL is gone")
        try:
            with tools.lane.sending(job, 0) as meter, _original(job, tools, meter) as original:
                tools.storage.put(target, original.part(0, job.size))
                return _arrived(job, tools, original)
        except api.SessionLost as lost:
            return _outlived(job, tools, lost, target.expires_at)
    session = _session(job, tools)
    if session is None:
        return new_project(job, now, "the upload session is gone")
    if job.upload_id is None:
        upload_id, part_size = tools.storage.start(session)
        tools.sessions.begun(job.id, upload_id)
        small = is_small(replace(job, part_size=part_size))
        return go(upload_id=upload_id, part_size=part_size, parks=job.parks, soft=small)
    try:
        return _send(job, tools, session)
    except api.SessionLost as lost:
        return _outlived(job, tools, lost, session.expires_at)


def _create(job: Job, tools: Tools) -> Outcome:
    name = os.path.basename(job.path)
    tools.check_permits()  # what can't be fetched is not even uploaded
    key, print_of_key = tools.read_key()
    project = tools.api.create_project(
        file_name=show(name), content_type=types.content_type(job.media, name), content_length=job.size,
        file_format=types.label(job.media, name), params=job.settings.project_params, key=key)
    tools.lane.made(job)
    made = {**NO_PROJECT, "base_url": tools.base_url, "project_id": project.project_id, "key_print": print_of_key,
            "parks": job.parks}
    if project.session is not None:
        tools.sessions.keep(job.id, project.session)
        return go(**{**made, "upload": "multipart"}, soft=is_small(job))
    assert project.put is not None
    tools.put_targets[job.id] = project.put
    return go(**{**made, "upload": "put"}, soft=is_small(job))


def _session(job: Job, tools: Tools) -> Session | None:
    """The session of a job's own project: the file of an earlier one may have outlived a power cut."""
    session = tools.sessions.load(job.id)
    return session if session is None or session.project_id in {None, job.project_id} else None


def _outlived(job: Job, tools: Tools, lost: api.SessionLost, expires_at: float | None) -> Outcome:
    """The session is lost while it is sent: perhaps because the line is too thin for it."""
    now = tools.clock.now()
    slow = upload_rate.outlived(job, tools.lane.meter(job), now, tools.clock.monotonic(), expires_at)
    if slow is None:
        raise lost
    tools.lane.done(job.id)
    return slow


def _confirmed(job: Job, tools: Tools) -> list[Part]:
    """The parts that the service has of this session, as far as they were worth remembering."""
    if not is_small(job):
        return tools.journal.jobs.parts(job.id)
    upload_id, part = tools.sent.get(job.id, (None, None))
    return [part] if part is not None and upload_id == job.upload_id else []


def _parts(job: Job) -> int:
    """How many parts the whole file has."""
    return max(1, -(-job.size // (job.part_size or 1)))


def _send(job: Job, tools: Tools, session: Session) -> Outcome:
    """The parts, then the whole."""
    assert job.upload_id is not None
    before = sum(part.size for part in _confirmed(job, tools))
    with tools.lane.sending(job, before) as meter, _original(job, tools, meter) as original:
        try:
            sent = _send_parts(job, tools, session, original, meter)
        except Changed:
            if len(_confirmed(job, tools)) < _parts(job):  # else it may be complete, and nothing to abort
                abort(job, tools, session)
            raise
        if isinstance(sent, Outcome):
            return sent
        tools.sessions.ending(job.id)
        try:
            tools.storage.complete(session, job.upload_id, [(part.number, part.etag) for part in sent])
        except api.SessionLost as lost:
            # after a lost answer it may be complete already: the service says what the project has
            tools.log.info("upload.session_lost", **about(job))
            try:
                stored = tools.api.complete_project_upload(job.project_id or "")
            except (api.NotReady, api.NotFound, api.Rejected, api.ModelRetired):
                raise lost from None  # whatever it says, it is not there
        else:
            stored = tools.api.complete_project_upload(job.project_id or "")
        if stored.size_bytes is not None and stored.size_bytes != job.size:
            return new_project(job, tools.clock.now(), f"the service stored {stored.size_bytes} of {job.size} bytes")
        return _arrived(job, tools, original)


def _send_parts(job: Job, tools: Tools, session: Session, original: Original,
                meter: upload_rate.Running) -> list[Part] | Outcome:
    """The parts in order, each confirmed in the journal before the next; the job's wait where that leads nowhere."""
    assert job.upload_id is not None
    assert job.part_size is not None
    confirmed = {part.number: part for part in _confirmed(job, tools)}
    for number in range(1, _parts(job) + 1):
        offset = (number - 1) * job.part_size
        body = original.part(offset, min(job.part_size, job.size - offset))
        sent = confirmed.get(number)
        if sent is None:
            etag = tools.storage.send_part(session, job.upload_id, number, body)
            original.check()
            confirmed[number] = Part(number, etag, body.size, body.sha256)
            if is_small(job):
                tools.sent[job.id] = job.upload_id, confirmed[number]
            else:
                tools.sessions.save(job.id)  # with it a restart goes on from here
                tools.journal.jobs.confirm_part(job, confirmed[number])
            meter.at(offset + body.size)
            slow = upload_rate.hopeless(job, meter, tools.clock.now(), tools.clock.monotonic(), session.expires_at,
                                        job.size - offset - body.size)
            if slow is not None:
                abort(job, tools, session)
                tools.lane.done(job.id)
                return slow
        else:  # size and time alone do not show that it is still the file of which this part was sent
            body.read()
            if body.sha256 != sent.sha256:
                raise Changed("what was sent of it is another content")
    original.check()
    return list(confirmed.values())


def _arrived(job: Job, tools: Tools, original: Original) -> Outcome:
    """The service has the whole file. Nothing was paid yet: the last moment to see that it was a copy."""
    original.check()
    now = tools.clock.now()
    sha256 = original.sha256()
    if job.sha256 not in {None, sha256}:
        raise Changed("its content is another one")
    twin = duplicates.own(job, tools, lambda: sha256) or duplicates.twin(job, tools, lambda: sha256)
    if twin is not None and twin.changes.get("state") is State.SKIPPED:
        return twin
    if twin is not None:  # an older job took this content meanwhile: what was uploaded is of no use
        return go("it may be a copy", **NO_PROJECT, state=State.QUEUED, sha256=sha256, due_at=now, progress=None)
    # of the same content at this place there may be jobs that never came to anything
    runs = [one.run for one in tools.journal.jobs.at(job.inbox, job.path) if one.id != job.id and one.sha256 == sha256]
    run = max(runs) + 1 if job.run in runs else job.run
    done = go(state=State.GENERATING, run=run, sha256=sha256, uploaded=True, uploaded_at=now, due_at=now, progress=None,
              outlived=0, soft=is_small(job))
    held = duplicates.unproven(job, tools, lambda: sha256)  # a journal of the past may go on with an upload too
    return done if held is None else Outcome({**done.changes, **held.changes}, rest=True)


def abort(job: Job, tools: Tools, session: Session) -> None:
    """Release what the service holds of an upload that will not end. It expires by itself where this fails."""
    if job.upload_id is not None:
        try:
            tools.storage.abort(session, job.upload_id)
        except api.ApiError as error:
            tools.log.info("upload.abort_failed", **about(job), error=str(error))
    tools.sessions.remove(job.id)


def forget(tools: Tools) -> None:
    """At a start, before anything else: an upload that was complete when the program died needs its token no more."""
    for job_id in tools.sessions.jobs():
        job = tools.journal.jobs.get(job_id)
        if job is None or job.uploaded:
            tools.sessions.remove(job_id)


def release(tools: Tools, holds: Callable[[str], bool]) -> None:
    """End uploads that nobody goes on with: of jobs that were cancelled, or moved on just before a crash.

    Args:
        tools: the daemon's parts.
        holds: whether a thread works on the job with this id.
    """
    for job_id in tools.sessions.jobs():
        job = tools.journal.jobs.get(job_id)
        session = _session(job, tools) if job is not None else None
        expired = session is not None and session.expires_at is not None \
            and session.expires_at + _CLOCK_SKEW <= tools.clock.now()
        if job is not None and (holds(job_id) or (job.state is State.UPLOADING and not expired)):
            continue
        if job is not None and session is not None and not job.uploaded and not expired:
            abort(job, tools, session)
        elif job is not None and job.upload_id is None and (begun := tools.sessions.under_way(job_id)) is not None:
            abort(replace(job, upload_id=begun[1]), tools, begun[0])  # nobody had written it down yet
        tools.sessions.remove(job_id)


def _original(job: Job, tools: Tools, meter: upload_rate.Running | None = None) -> Original:
    def tick(read: int) -> None:
        if meter is not None:
            meter.at(read)
        if tools.stop.is_set():
            raise api.Stopped("the program is stopping")
        tools.note_progress(job, 100.0 * read / max(1, job.size))

    place = Place(tools.root(job), inodes=job.inode is not None, leases=False,
                  follow_symlinks=tools.inbox(job).follow_symlinks)
    return Original(place, job, tick=tick,
                    guard=lambda: tools.files.call(job.inbox))
