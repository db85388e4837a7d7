"""The JSON that requests bring: bounded in size and time, and believed in nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from diffio_watch.service.answers import Refused

_LONGEST: Final = 65_536  # bytes
_PATIENCE: Final = 10.0  # seconds


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that a request brings.

    Raises:
        Refused: it brings something else, too much, or nothing in time.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "Only JSON is read here: send it as application/json.", {"connection": "close"})
    got = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
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
