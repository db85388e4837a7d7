"""One output on its way into its hidden file: whole, looked at, and what was bought."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from diffio_watch.api import errors as api
from diffio_watch.api.download import Received
from diffio_watch.disk.trouble import Trouble
from diffio_watch.job import Because, DownloadType, Job, Media, Output
from diffio_watch.media.mediainfo import ProbeFailed
from diffio_watch.media.types import extension
from diffio_watch.outbox.errors import DiskTrouble
from diffio_watch.outbox.temp import Fetched
from diffio_watch.pipeline.file_calls import SYNC_PATIENCE
from diffio_watch.pipeline.guard import correction
from diffio_watch.pipeline.outcome import Outcome, go, park, pause
from diffio_watch.pipeline.sink import Sink, look
from diffio_watch.pipeline.tools import Tools
from diffio_watch.reasons import because

# how long a file of a complete generation may lag, in seconds, before it counts as not to be had
_LAG_NOT_READY: Final = 3600.0  # 409: it is being made
_LAG_NOT_FOUND: Final = 900.0  # 404
_BAD_TRIES: Final = 8


def fetch(job: Job, output: Output, tools: Tools) -> Outcome:
    """One output into its hidden temporary file, whole and on disk, with its facts."""
    now = tools.clock.now()
    try:
        received, media, broken, fetched = _download(job, output, tools)
    except DiskTrouble as trouble:
        if trouble.kind is Trouble.FULL:  # what came so far must not keep others from the room that is left
            with tools.files.call(job.inbox):
                tools.outbox(job).clean(job, {output.type})
            tools.partly.pop((job.id, output.type), None)
        raise
    except (api.NotReady, api.NotFound, api.Rejected) as error:
        lacking = missing(output, error, now)
        if lacking.state == "unavailable":
            return go(outputs=swap(job, lacking), due_at=now)
        waiting = park(job, now, because("not_ready", detail=f"{output.type}: {error.message}"))
        return Outcome({**waiting.changes, "outputs": swap(job, lacking)}, rest=True)
    except (api.BadDownload, api.LinkExpired) as error:
        if output.bad >= _BAD_TRIES:
            return go(outputs=swap(job, replace(output, state="unavailable", note=error.message)), due_at=now)
        # the first time at once: an expired link is ordinary
        return _again(job, output, because("service_error", detail=error), now, at_once=output.bad == 0)
    doubt = _doubt(output.type, received, media, broken)
    if doubt is not None and output.sha256 != fetched.sha256:
        return _once_more(job, output, fetched, doubt, now)
    done = replace(output, state="fetched", size=fetched.size, sha256=fetched.sha256, media=media, missing_since=None,
                   bad=0, mime_type=output.mime_type or received.mime_type)
    notes = _notes(job, done, received.mime_type)
    if doubt is not None:
        notes.append(f"{doubt}; the service gave the same twice.")
    outputs, number = swap(job, done), job.number
    # its name was reserved by the service's word, or not at all; where the content says otherwise, all get other names
    if done.path is None or not done.path.endswith(extension(done.type, done.mime_type, done.media)):
        outputs, number = unnamed(outputs), None
    return go(outputs=outputs, notes=tuple(dict.fromkeys([*job.notes, *notes])), due_at=now, progress=None,
              number=number, **correction(job, media))


def unnamed(outputs: Iterable[Output]) -> tuple[Output, ...]:
    """Outputs whose job's number goes: each may have its final name, or not, and is to get its next one."""
    return tuple(replace(output, state="fetched") if output.state == "published" else output for output in outputs)


def missing(output: Output, error: api.ApiError, now: float) -> Output:
    """An output that is not to be had, for now or for good."""
    since = output.missing_since or now
    final = isinstance(error, api.TranscriptUnavailable | api.Rejected)
    patience = _LAG_NOT_READY if isinstance(error, api.NotReady) else _LAG_NOT_FOUND
    if final or now - since > patience:
        return replace(output, state="unavailable", missing_since=since, note=error.message)
    return replace(output, missing_since=since)


def swap(job: Job, output: Output) -> tuple[Output, ...]:
    """The job's outputs with this one in place of that of its type."""
    return tuple(output if old.type == output.type else old for old in job.outputs)


def _download(job: Job, output: Output, tools: Tools) -> tuple[Received, Media | None, str | None, Fetched]:
    """What came, MediaInfo's word on it or how it broke down over it, and the file."""
    link = tools.links.pop((job.id, output.type), None) or tools.api.download_link(
        job.generation_id or "", job.project_id or "", output.type)
    with tools.files.call(job.inbox):
        opened = tools.outbox(job).temp(job, output, resume=(job.id, output.type) in tools.partly)
    media, broken = None, None
    with opened as temp:
        sink = Sink(temp, tools, job, output.type)
        received = tools.storage.download(link, sink)
        with tools.files.call(job.inbox):
            try:
                media = look(output.type, temp.fileno(), f"{job.id}-{output.type}", tools.files.going)
            except ProbeFailed as error:  # that is no fault of what was paid for
                broken = str(error)
        sink.validator = None  # it is whole: nothing goes on from it
        if media is None and broken is None and output.type != "transcript" and received.document:
            raise api.BadDownload(f"{received.mime_type} came in place of the {output.type}", call="download")
        with tools.files.call(job.inbox, SYNC_PATIENCE):
            fetched = temp.finish()
    return received, media, broken, fetched


def _doubt(kind: DownloadType, received: Received, media: Media | None, broken: str | None) -> str | None:
    """Why what came to its end may still not be what was bought."""
    if kind == "transcript":
        return None  # that it could be read shows that it is whole
    if broken is not None:
        return f"Whether the {kind} plays is not known: {broken}"
    if media is None:
        return f"MediaInfo finds neither sound nor picture in the {kind}"
    return None if received.proven else f"The storage did not tell how long the {kind} is"


def _once_more(job: Job, output: Output, fetched: Fetched, doubt: str, now: float) -> Outcome:
    """Fetch it again by a new link: the same bytes twice are what was bought. Its hash is what they are compared by."""
    first = output.sha256 is None
    if output.bad >= _BAD_TRIES and not first:
        note = "it came in another form each time, so none of them could be trusted"
        return go(outputs=swap(job, replace(output, state="unavailable", size=None, sha256=None, note=note)),
                  due_at=now)
    seen = replace(output, size=fetched.size, sha256=fetched.sha256)
    # a first doubt is ordinary; whoever gives other bytes each time is asked with growing pauses
    again = _again(job, seen, because("service_error", detail=f"{doubt}, so it is fetched again to compare"), now,
                   at_once=first)
    return replace(again, detail="fetched again to compare", rest=not first)


def _again(job: Job, output: Output, reason: Because, now: float, *, at_once: bool) -> Outcome:
    """Try an output once more, after pauses that grow with its own tries: no wait for anything else is one of them."""
    waiting = park(job, now, reason, delay=0.0 if at_once else pause(output.bad))
    return Outcome({**waiting.changes, "outputs": swap(job, replace(output, bad=output.bad + 1))}, rest=True)


def _notes(job: Job, output: Output, received: str | None) -> list[str]:
    notes = []
    told = (output.mime_type or "").partition(";")[0].strip().lower()
    if received and told and received != told and not received.startswith("application/octet-stream"):
        notes.append(f"The {output.type} was announced as {told} and came as {received}.")
    before = job.media.duration_s if job.media is not None else None
    after = output.media.duration_s if output.media is not None else None
    if before is not None and after is not None and abs(after - before) > max(1.0, before / 100):
        notes.append(f"The {output.type} lasts {after:.1f} s, the original {before:.1f} s.")
    return notes
