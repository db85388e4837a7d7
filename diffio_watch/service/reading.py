"""What the page reads: everything at a glance, lists of jobs, one job, and where a file is."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response

from diffio_watch.job import Job, State
from diffio_watch.report import finding
from diffio_watch.report.standing import Standing
from diffio_watch.service.answers import Refused, data, encoded
from diffio_watch.service.site import EXPLAIN, JOURNAL, disk
from diffio_watch.service.threads import TooSlow

if TYPE_CHECKING:
    from diffio_watch.config import Inbox
    from diffio_watch.report.resolve import Place
    from diffio_watch.report.shapes import Shape
    from diffio_watch.service.site import Site

_PAGE: Final = 50
_LARGEST: Final = 200
_LONGEST: Final = 200  # characters of a word
_PATH: Final = 4096  # … of a path
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)


async def jobs(site: Site, request: Request) -> Response:
    """A page of jobs, newest first.

    Raises:
        Refused: something is asked for that can't be.
    """
    query = request.query_params
    states = [word for text in query.getlist("state") for word in text.split(",") if word]
    if any(word not in list(State) for word in states):
        raise Refused(400, "There is no such state.")
    reason, inbox = query.get("reason") or None, query.get("inbox") or None
    if any(word is not None and not _WORD.fullmatch(word) for word in (reason, inbox)):
        raise Refused(400, "There is no such reason or inbox.")
    limit, before = _number(query.get("limit"), _PAGE), query.get("before") or None
    end = None if before is None else _number(before, 0)
    words = query.get("q", "")[:_LONGEST].replace("\0", " ")

    def look() -> bytes:
        journal = site.reader
        seen = journal.overview.last_line()
        page = journal.lists.page(max(1, min(_LARGEST, limit)), states={State(word) for word in states}, inbox=inbox,
                                  reason=reason, words=words, before=end, standing=True)
        stand = Standing(journal)
        told = [stand.row(job) | {"loudness": site.loudness(job)} for job in page.jobs]
        return encoded({"jobs": told, "next_before": page.before, "seen": seen})

    return data(await site.threads.run(JOURNAL, look))


async def job(site: Site, job_id: str) -> Response:
    """All about one job.

    Raises:
        Refused: there is none.
    """
    def look() -> bytes:
        seen = site.reader.overview.last_line()
        found = must_be(site, job_id)
        code = found.because.code if found.because is not None else ""
        standing, _ = site.reader.overview.members(found.state, code, found.inbox, seen=seen, after=0, limit=1,
                                                   job=found.id)
        told = Standing(site.reader).whole(site.config, found, seen if standing else None)
        return encoded(told | {"loudness": site.loudness(found), "seen": seen})

    return data(await site.threads.run(JOURNAL, look))


def must_be(site: Site, job_id: str) -> Job:
    """The job of an id.

    Raises:
        Refused: there is none.
    """
    found = site.reader.jobs.get(job_id) if ID.fullmatch(job_id) else None
    if found is None:
        raise Refused(404, "There is no such recording.")
    return found


async def explain(site: Site, text: str) -> Response:
    """Where a file is, of which perhaps only the name is known.

    Raises:
        Refused: there is nothing that could be looked for.
        TooSlow: the share does not answer.
    """
    text = text.strip()
    if not text or len(text) > _PATH:
        raise Refused(400, "Type the name of a file.")
    slow: TooSlow | None = None
    vague: Shape | None = None  # of what is not known, or can't be seen
    for place in await _places(site, text):
        try:
            found = await site.threads.run(disk(place.inbox.path), partial(_look, site, place))
        except TooSlow as error:
            slow = error
            continue
        if found is not None and finding.is_known(found):
            return data(found)
        vague = found if vague is None or (found and found["verdict"] == "unavailable") else vague
    if slow is not None:
        raise slow
    if vague is None:
        return data(await site.threads.run(JOURNAL, lambda: finding.nowhere(site.config, site.reader, text)))
    if vague["verdict"] == "missing":
        for inbox in site.config.inboxes:
            found = await site.threads.run(disk(inbox.path), partial(_below, site, inbox, text))
            if found is not None and finding.is_known(found):
                return data(found)
    return data(vague)


def _look(site: Site, place: Place) -> Shape | None:
    return finding.answer(site.config, site.reader, place)


def _below(site: Site, inbox: Inbox, text: str) -> Shape | None:
    place = finding.below(inbox, text)
    return None if place is None else finding.answer(site.config, site.reader, place)


async def _places(site: Site, text: str) -> list[Place]:
    if text.startswith("/"):
        found = await site.threads.run(EXPLAIN, lambda: finding.anywhere(site.config, text))
        if found:
            return found
    return await site.threads.run(JOURNAL, lambda: list(finding.meant(site.config, site.reader, text)))


def _number(text: str | None, otherwise: int) -> int:
    if text is None or text == "":
        return otherwise
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Refused(400, "This is no number.")
    return int(text)
