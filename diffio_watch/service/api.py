"""The page's API: what the commands show with `--json`, and what they ask of the daemon."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from diffio_watch.service.answers import Refused, data
from diffio_watch.service.site import JOURNAL

if TYPE_CHECKING:
    from diffio_watch.journal import Answer
    from diffio_watch.service.access import Verdict
    from diffio_watch.service.events import Hub
    from diffio_watch.service.site import Site

_LONGEST: Final = 65_536  # bytes of a body
_BODY: Final = 10.0  # seconds for it
_PATIENCE: Final = 10.0  # seconds; a daemon looks several times a second
_LOOK: Final = 0.05
COMMANDS: Final = frozenset({"retry", "cancel", "approve", "bump", "pause", "resume"})


async def status(hub: Hub, verdict: Verdict) -> Response:
    """`status`, with the page's `screen`."""
    return data((await hub.now()).body(may_change=verdict.may_change))


async def ask(site: Site, request: Request, who: str) -> Response:
    """Leave a request for the daemon, and wait a little for its answer."""
    found = await body_of(request)
    command, args = found.get("command"), found.get("args", {})
    if command not in COMMANDS or not isinstance(args, dict):
        raise Refused(400, "This is no command of the page.")
    number = await site.threads.run(JOURNAL, lambda: site.journal.requests.ask(command, args, who))
    end = time.monotonic() + _PATIENCE
    while (answer := await site.threads.run(JOURNAL, lambda: site.reader.requests.answer_of(number))) is None:
        if time.monotonic() > end:
            return data({"done": False, "lines": [("The daemon has not answered within 10 s. The request stands, and "
                                                  "is done as soon as it does.")]}, 202)
        await asyncio.sleep(_LOOK)
    return data(told(answer))


def told(answer: Answer) -> dict[str, Any]:
    """An answer as the page gets it."""
    return {"ok": answer.exit == 0, "exit": answer.exit, "lines": list(answer.lines), "count": len(answer.jobs),
            "done": True}


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that a request brings.

    Raises:
        Refused: it brings something else, too much, or nothing in time.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "Only JSON is read here: send it as application/json.")
    got = bytearray()
    try:
        async with asyncio.timeout(_BODY):
            async for piece in request.stream():
                got += piece
                if len(got) > _LONGEST:
                    raise Refused(413, "This is more than anything that can be asked here.", {"connection": "close"})
    except TimeoutError:
        raise Refused(408, "The request did not come in time.", {"connection": "close"}) from None
    except ClientDisconnect:
        raise Refused(400, "The request broke off.") from None
    try:
        found = json.loads(got)
    except (ValueError, RecursionError):
        raise Refused(400, "This is no JSON.") from None
    if not isinstance(found, dict):
        raise Refused(400, "This is no JSON object.")
    return found
