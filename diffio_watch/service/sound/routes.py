"""The page's questions about sound: what a job looks and measures like, and previews of what a browser can't play."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response

from diffio_watch.service.answers import Refused, data
from diffio_watch.service.site import JOURNAL, disk
from diffio_watch.service.sound import view
from diffio_watch.service.sound.listening import Listening, lags
from diffio_watch.service.sound.sides import SIDES, NotThere, Side, contents, open_side
from diffio_watch.service.sound.store import pair
from diffio_watch.service.sound.tasks import Later, Task
from diffio_watch.service.sound.words import MISSING

if TYPE_CHECKING:
    from diffio_watch.job import Job
    from diffio_watch.service.site import Site

# plain http goes to this machine alone
_SANDBOX: Final = "This came from the sandbox: a plain filter, or what was given. It is no restoration."
_NO_PREVIEW: Final = "This browser can't play it, and no preview can be made: PyAV is not installed at the service."


async def sound(site: Site, request: Request) -> Response:
    """Both sides of a job; what is not known yet is asked for, with the seconds until then."""
    job = await _job(site, request)
    gone = await site.threads.run(disk(job.inbox), lambda: _gone(site, job))
    return data(await site.threads.run("sound", lambda: _told(site, job, gone)))


async def preview(site: Site, request: Request) -> Response | Path:
    """The file of a preview, or 202 with the seconds until there is one."""
    job = await _job(site, request)
    side = request.path_params.get("type", "original")
    if side not in SIDES or side not in contents(job):
        raise Refused(404, "There is no such sound of this recording.")
    return await _made(site, job, contents(job)[side].sha256, Task("preview", job, side), [side])


async def removed(site: Site, request: Request) -> Response | Path:
    """What the restoration took away, likewise."""
    job = await _job(site, request)
    other = _other(job)
    if other is None or "original" not in contents(job):
        raise Refused(404, "There are no two sounds of this recording.")
    one, result = contents(job)["original"].sha256, contents(job)[other].sha256
    known = site.listening.store.lag(one, result) if site.listening is not None else None
    if site.listening is not None and (known is None or not _aligned(site.listening, one, known)):
        raise Refused(404, "What was removed can be told only where both sides lie on each other to a millisecond.")
    return await _made(site, job, pair(one, result), Task("removed", job, other), ["original", other])


async def _made(site: Site, job: Job, name: str, task: Task, sides: list[Side]) -> Response | Path:
    """The preview of this name, if the files that it is of are still there."""
    listening = site.listening
    if listening is None:
        raise Refused(404, _NO_PREVIEW)
    gone = await site.threads.run(disk(job.inbox), lambda: _gone(site, job))
    for side in sides:  # what was made of it stays: it may come back
        if side in gone:
            raise Refused(*gone[side])
    there = listening.store.preview(name)
    if there is not None:
        return there
    tried = listening.store.tried(name)
    if tried.final:
        raise Refused(404, tried.note)
    try:
        seconds = listening.ask(task)
    except Later as error:
        raise Refused(503, str(error), {"retry-after": "60"}) from error
    words = f"Preparing, about {seconds} s."
    return data({"seconds": seconds, "words": words}, 202, {"retry-after": str(seconds)})


def _aligned(listening: Listening, original: str, known: dict[str, Any]) -> bool:
    return view.aligned(known["lag"], listening.store.get(original).seconds)


def _other(job: Job) -> Side | None:
    return next((side for side in SIDES if side != "original" and side in contents(job)), None)


async def _job(site: Site, request: Request) -> Job:
    wanted = request.path_params["id"].upper()
    job = await site.threads.run(JOURNAL, lambda: site.reader.jobs.get(wanted))
    if job is None or job.id != wanted:
        raise Refused(404, "There is no such job.")
    return job


def _gone(site: Site, job: Job) -> dict[Side, tuple[int, str]]:
    """Sides whose files can't be had, as HTTP and a sentence say it."""
    found: dict[Side, tuple[int, str]] = {}
    for side in contents(job):
        try:
            os.close(open_side(site.config, site.reader, job, side))
        except NotThere as error:
            found[side] = (error.status, str(error))
    return found


def _told(site: Site, job: Job, gone: dict[Side, tuple[int, str]]) -> dict[str, Any]:
    listening = site.listening
    sides = {side: _side(listening, job, side, gone.get(side)) for side in contents(job)}
    told: dict[str, Any] = {"available": listening is not None, "missing": None if listening is not None else MISSING,
                            "sandbox": _SANDBOX if (job.base_url or "").startswith("http://") else None,
                            "sides": sides, "lag": None, "removed": False, "differences": [], "notes": []}
    if listening is None:
        return told
    for task in lags(job, listening.store, set()):
        listening.ask(task)
    shas = {side: content.sha256 for side, content in contents(job).items()}
    other = _other(job)
    if "original" in shas and other is not None:
        known = listening.store.lag(shas["original"], shas[other])
        if known is not None:
            told["lag"] = view.lag(known["lag"])
            told["removed"] = not gone and _aligned(listening, shas["original"], known)
            told["notes"] = [note for note in [view.note(known["lag"])] if note]
        late = (told["lag"] or {"ms": 0.0})["ms"] / 1000
        told["differences"] = view.differences(listening.store.get(shas["original"]).short,
                                               listening.store.get(shas[other]).short, late)
    return told


def _side(listening: Listening | None, job: Job, side: Side, gone: tuple[int, str] | None) -> dict[str, Any]:
    told: dict[str, Any] = {"gone": gone[1] if gone else None, "wait": None, "note": None,
                            "no_sound": False}
    if listening is None:
        return told
    sha256 = contents(job)[side].sha256
    known, tried = listening.store.get(sha256), listening.store.tried(sha256)
    told |= view.side(known) | {"no_sound": any(one.final and one.note for one in (known, tried))}
    if tried.final:  # whoever needs a preview of it has to be told, measured or not
        told["note"] = told["note"] or tried.note
    if not known.final and gone is None:
        try:
            told["wait"] = listening.ask(Task("measure", job, side))
        except Later as error:
            told["note"] = str(error)
    return told


READING: Final = {
    "/api/jobs/{id}/sound": sound,
    "/api/jobs/{id}/original/preview": preview,
    "/api/jobs/{id}/outputs/{type}/preview": preview,
    "/api/jobs/{id}/removed/preview": removed,
}
