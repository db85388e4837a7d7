"""downloading → delivered: names are reserved, results fetched beside their places, published, and told of last."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from diffio_watch.api import errors as api
from diffio_watch.disk.names import show
from diffio_watch.disk.trouble import Trouble
from diffio_watch.job import DownloadType, Job, Original, Output, State
from diffio_watch.outbox.errors import ContentLost, DiskTrouble, NameTaken
from diffio_watch.outbox.heard import heard
from diffio_watch.pipeline.fetch import fetch, missing, swap, unnamed
from diffio_watch.pipeline.file_calls import SYNC_PATIENCE
from diffio_watch.pipeline.outcome import Outcome, fail, go, hold, park, pause
from diffio_watch.pipeline.tools import Tools
from diffio_watch.reasons import because

_OTHER_SERVICE_PAUSE: Final = 300.0
_RENUMBERED: Final = 3  # times that a job takes the next names at once; then with growing pauses


_CHANGED_NAMES: Final = ("The outbox takes no files that are called as the original is: what it refuses in names was "
                         "changed.")
_KEPT: Final = "The original is not deleted, for not all that was asked for could be had."


def downloading(job: Job, tools: Tools) -> Outcome:
    """The next thing towards delivery; where each output stands says which."""
    if job.duplicate_of is not None and job.generation_id is None:
        return _duplicate(job, tools)
    if job.base_url != tools.base_url:
        return park(job, tools.clock.now(), because("other_service", base_url=job.base_url, job=job.id),
                    delay=_OTHER_SERVICE_PAUSE)
    if job.completed_at is None:  # of an earlier job that ended before its generation did
        return go("its generation is waited for", state=State.WAITING, due_at=tools.clock.now(), stage=None, polls=0,
                  waited=0.0)
    if job.number is None and any(output.state == "fetched" for output in job.outputs):
        return _take_back(job, tools)
    if not job.outputs or (job.number is None and _open(job)):
        return _survey(job, tools)
    for output in job.outputs:
        if output.state == "wanted":
            return fetch(job, output, tools)
    if not any(output.state in {"fetched", "published"} for output in job.outputs):
        return _nothing_had(job, tools)
    for output in job.outputs:
        if output.state == "fetched":
            return _publish(job, output, tools)
    return _deliver(job, tools)


def _open(job: Job) -> bool:
    return any(output.state == "wanted" for output in job.outputs)


def _survey(job: Job, tools: Tools) -> Outcome:
    """Ask for a link of each wanted output, which tells its type; then reserve the names of all of them."""
    now = tools.clock.now()
    outputs = {output.type: output for output in job.outputs}
    lagging: list[str] = []
    for wish in ("audio",) if _falls_back(job) else job.settings.outputs:
        kind: DownloadType | None = None if wish == "auto" else wish
        was = outputs.get(kind) if kind is not None else None
        if was is not None and was.state != "wanted":
            continue
        try:
            link = tools.api.download_link(job.generation_id or "", job.project_id or "", kind)
        except (api.NotReady, api.NotFound, api.Rejected) as error:
            assumed = kind or ("video" if job.media is not None and job.media.has_video else "audio")
            output = missing(outputs.get(assumed) or Output(assumed), error, now)
            outputs[assumed] = output
            if output.state == "wanted":
                lagging.append(f"{assumed}: {error.message}")
            continue
        tools.links[job.id, link.type] = link
        outputs[link.type] = replace(outputs.get(link.type, Output(link.type)), state="wanted",
                                     mime_type=link.mime_type, missing_since=None)
    wanted = tuple(outputs.values())
    if lagging:
        waiting = park(job, now, because("not_ready", detail="; ".join(lagging)))
        return Outcome({**waiting.changes, "outputs": wanted}, rest=True)
    if not any(output.state == "wanted" for output in wanted):
        return _nothing_had(replace(job, outputs=wanted), tools)
    return _reserve(replace(job, outputs=wanted), tools)


def _falls_back(job: Job) -> bool:
    """Whether the sound is fetched for nothing of what was asked for could be had."""
    others = [output for output in job.outputs if output.type != "audio"]
    return len(others) < len(job.outputs) and bool(others) and all(output.state == "unavailable" for output in others)


def _nothing_had(job: Job, tools: Tools) -> Outcome:
    """No output that was asked for could be had. The sound always is there: it was paid for, too."""
    if not any(output.type == "audio" for output in job.outputs):
        asked = ", ".join(output.type for output in job.outputs)
        note = f"Of what was asked for ({asked}) there is nothing: the sound was fetched in its place."
        return go("falls back to the sound", outputs=(*job.outputs, Output("audio")), number=None,
                  notes=(*job.notes, note), due_at=tools.clock.now())
    if job.duplicate_of is not None and not job.paid:  # it goes back to having nothing of its own
        earlier = tools.journal.jobs.get(job.duplicate_of)
        held = hold(job, "duplicate_gone", other=show(earlier.path) if earlier else "an unknown file")
        return Outcome({**held.changes, "base_url": None, "key_print": None, "project_id": None, "generation_id": None,
                        "model_key": None, "completed_at": None, "replayed": False, "outputs": (), "number": None},
                       rest=True)
    notes = "; ".join(f"{output.type}: {output.note or 'not to be had'}" for output in job.outputs)
    failed = fail(job, tools.clock.now(), "output_unavailable", detail=notes)
    return Outcome({**failed.changes, "outputs": job.outputs}, rest=True)


def _reserve(job: Job, tools: Tools) -> Outcome:
    """Take the smallest number that is free for all names of the job, before anything is written."""
    wanted = {output.type: output.mime_type for output in job.outputs if output.state != "unavailable"}
    with tools.files.call(job.inbox):
        form = tools.outbox(job).form_for(job, wanted, folder=False)
        plan = tools.outbox(job).number_for(replace(job, form=form), wanted,
                                            lambda name: tools.journal.jobs.reserved(job.inbox, name, job.id))
    outputs = tuple(replace(output, path=plan.paths.get(output.type)) for output in job.outputs)
    notes = tuple(note for note in job.notes if note != _CHANGED_NAMES) + (() if form == "plain" else (_CHANGED_NAMES,))
    return go(outputs=outputs, number=plan.number, form=form, notes=notes, reserve=plan.keys, due_at=tools.clock.now(),
              parks=job.parks)


def _publish(job: Job, output: Output, tools: Tools) -> Outcome:
    try:
        tools.outbox(job).publish(job, output)
    except NameTaken:
        return _renumber(job, tools)
    except DiskTrouble as trouble:
        return _renamed(job, trouble, tools)
    except ContentLost as gone:
        return _lost(job, output, gone, tools)
    tools.shown.add((job.id, output.type))
    return go(outputs=swap(job, replace(output, state="published")), due_at=tools.clock.now(), parks=job.parks,
              soft=True)


def _lost(job: Job, output: Output, gone: ContentLost, tools: Tools) -> Outcome:
    """Fetch an output once more; each time after a longer pause, or something that takes it would never let it rest."""
    wait = 0.0 if output.lost == 0 else pause(output.lost - 1)
    parked = park(job, tools.clock.now(), because("hidden_taken", detail=gone), delay=wait)
    again = replace(output, state="wanted", lost=output.lost + 1)
    return Outcome({**parked.changes, "outputs": swap(job, again)}, "a fetched output was lost", rest=wait > 0)


def _renumber(job: Job, tools: Tools) -> Outcome:
    """A name was taken since it was reserved: all files of the job are to get the next number.

    That is written down before any of them is touched: an output without a number may have its final name, or not.
    """
    wait = pause(job.parks - _RENUMBERED) if job.parks >= _RENUMBERED else 0.0
    named = go("a name was taken by something else", outputs=unnamed(job.outputs), number=None, parks=job.parks + 1,
               due_at=tools.clock.now() + wait)
    return replace(named, rest=wait > 0)


def _renamed(job: Job, trouble: DiskTrouble, tools: Tools) -> Outcome:
    """Another form of the names, where the outbox does not take this one any more: the original was renamed.

    Raises:
        DiskTrouble: it is about something else.
    """
    if trouble.kind is not Trouble.BAD_NAME:
        raise trouble
    return _renumber(job, tools)


def _take_back(job: Job, tools: Tools) -> Outcome:
    """Hide what the job has shown, to number it anew; an earlier delivery's sidecar first, for it names the rest."""
    outputs = []
    with tools.files.call(job.inbox, SYNC_PATIENCE):
        tools.outbox(job).withdraw_sidecar(job)
    for output in job.outputs:
        here = output
        if output.state == "fetched" and output.path is not None:
            try:
                with tools.files.call(job.inbox, SYNC_PATIENCE):
                    tools.outbox(job).unpublish(job, output)
            except ContentLost:
                here = replace(output, state="wanted", lost=output.lost + 1)
        outputs.append(here)
    return _reserve(replace(job, outputs=tuple(outputs)), tools)


def _deliver(job: Job, tools: Tools) -> Outcome:
    """The sidecar, last: its presence means that every output it names is complete."""
    now = tools.clock.now()
    try:
        with tools.files.call(job.inbox):
            gone = [output for output in job.outputs
                    if output.state == "published" and not tools.outbox(job).present(output)]
    except DiskTrouble as trouble:
        return _renamed(job, trouble, tools)
    lost = [output for output in gone if (job.id, output.type) not in tools.shown]
    if lost:
        # shown by an earlier process, and the power may have gone: it may lie under its temporary name, and publishing
        # finds it there, or asks for it again
        return go("a published output was lost", outputs=swap(job, replace(lost[0], state="fetched")), due_at=now,
                  parks=job.parks)
    # of an earlier delivery, which lacked something
    over = (_KEPT, *(f"No {output.type}: " for output in job.outputs))
    notes = [*(note for note in job.notes if not note.startswith(over)),
             *(f"No {output.type}: {(output.note or 'the service has none').rstrip('.')}." for output in job.outputs
               if output.state == "unavailable"),
             *(f"The {output.type} stood in the outbox, whole, and was taken away before this was written."
               for output in gone)]
    changes: dict[str, Any] = {
        "state": State.DELIVERED, "notes": tuple(dict.fromkeys(notes)), "delivered_at": now, "due_at": None,
        "progress": None, "because": None, "parks": 0,
        "original": _original_next(job)}
    if job.settings.originals == "delete" and changes["original"] == "kept":
        changes["notes"] = tuple(dict.fromkeys([*changes["notes"], _KEPT]))
    try:
        with tools.files.call(job.inbox, SYNC_PATIENCE):
            tools.outbox(job).write_sidecar(replace(job, **changes), taken=[output.type for output in gone],
                                            heard=heard(tools.config.state_dir, job))
            # what came of an output that could not be had
            tools.outbox(job).clean(job, {output.type for output in job.outputs if output.state != "published"})
    except NameTaken:
        return _renumber(job, tools)
    except DiskTrouble as trouble:
        return _renamed(job, trouble, tools)
    except ContentLost:  # taken just now
        return go("a published output was taken", due_at=now, parks=job.parks)
    return Outcome(changes, rest=True)


def _original_next(job: Job) -> Original:
    """What is to become of the original now; what went at an earlier delivery went for good.

    It is not deleted for half of a result: the picture of a film is nowhere else.
    """
    if job.original in {"archived", "deleted"}:
        return job.original
    half = any(output.state == "unavailable" and output.type != "transcript" for output in job.outputs)
    return "kept" if job.settings.originals == "keep" or (half and job.settings.originals == "delete") else "pending"


def told_in(job: Job, other: Job) -> str:
    """How another job's file is named to those who look for this one's."""
    return show(other.path) + (f" of inbox {other.inbox}" if other.inbox != job.inbox else "")


def _duplicate(job: Job, tools: Tools) -> Outcome:
    """A copy: its sidecar points to the earlier outputs; where those are gone they are fetched again, for nothing."""
    now = tools.clock.now()
    made_by = tools.journal.jobs.maker(job.size, lambda: job.sha256 or "")
    if made_by is not None:
        return _skip(job, made_by, "own_output", tools)
    earlier = tools.journal.jobs.get(job.duplicate_of or "")
    if earlier is None or earlier.generation_id is None:
        return hold(job, "duplicate_gone", other=show(earlier.path) if earlier else "an unknown file")
    published = [output for output in earlier.outputs if output.state == "published"]
    with tools.files.call(job.inbox, SYNC_PATIENCE):
        there = bool(published) and all(tools.outbox(job).there(output) for output in published)
    if not there:
        return go("the earlier outputs are gone and fetched again", base_url=earlier.base_url,
                  key_print=earlier.key_print, project_id=earlier.project_id, generation_id=earlier.generation_id,
                  model_key=earlier.model_key, completed_at=earlier.completed_at, replayed=True, due_at=now)
    return _skip(job, earlier, "duplicate", tools)


def _skip(job: Job, earlier: Job, code: str, tools: Tools) -> Outcome:
    """Nothing is to be had for this file; its sidecar says which job has what there is."""
    if job.number is None:
        return _reserve(job, tools)
    reason = because(code, other=told_in(job, earlier), job=job.id)
    skipped: dict[str, Any] = {"state": State.SKIPPED, "because": reason, "due_at": None, "parks": 0}
    try:
        with tools.files.call(job.inbox, SYNC_PATIENCE):
            tools.outbox(job).write_sidecar(replace(job, **skipped), earlier)
    except NameTaken:
        return _renumber(job, tools)
    return Outcome(skipped, rest=True)
