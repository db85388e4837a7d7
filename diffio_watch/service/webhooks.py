"""The service's webhooks: received, checked, answered at once. What they say only ever brings a poll forward.

Nothing is written here and nobody is asked: what a true delivery announces is handed on, and everything else, however
much of it comes, leaves a count.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from structlog.typing import FilteringBoundLogger

from diffio_watch.clock import Clock
from diffio_watch.config import SecretMissing
from diffio_watch.journal.webhooks import TOLD, WebhookFacts
from diffio_watch.report.webhooks import PROOF
from diffio_watch.service.signed import Judge, Judged, Result
from diffio_watch.service.threads import Threads, TooSlow

PATH: Final = "/webhooks/diffio"
_LARGEST: Final = 64 * 1024  # bytes of a body
_PATIENCE: Final = 5.0  # seconds for all of it
_SECRETS_EVERY: Final = 1.0  # seconds between two looks whether the secret was changed
_AGAIN: Final = 3600.0  # seconds until they are told again
_SILENT: Final = 900.0  # seconds without a true one, before those that are refused mean anything
_KEPT: Final = 50  # ids of events
_LONGEST_ID: Final = 255
_UNDER_WAY: Final = frozenset({"generation.queued", "generation.processing"})
_STATUS: Final = {Result.ACCEPTED: 200, Result.REPEATED: 200, Result.REFUSED: 401, Result.UNSIGNED: 401,
                  Result.UNCHECKED: 503,  # the service keeps it, and tries again
                  Result.TOO_LARGE: 413, Result.TOO_SLOW: 408}
_SAID: Final = {Result.REFUSED: "This is not signed with the secret of this endpoint.",
                Result.UNSIGNED: "This is not signed as a webhook is.",
                Result.UNCHECKED: "There is no secret here to check it with.",
                Result.TOO_LARGE: "A webhook has at most 64 KiB.", Result.TOO_SLOW: "It took longer than 5 seconds."}


@dataclass
class Had:
    """What came, and outlives another configuration.

    Attributes:
        judge: remembers what was had.
        counts: by what became of it.
        at: when the service's last one came, in seconds since the epoch.
        heard: the same, in monotonic seconds.
        events: ids of its newest.
    """

    judge: Judge = field(default_factory=Judge)
    counts: Counter[Result] = field(default_factory=lambda: Counter(dict.fromkeys(Result, 0)))
    at: float | None = None
    heard: float = float("-inf")
    events: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT))


class Webhooks:
    """Receives deliveries, in the server's loop; what it knows may be asked from any thread.

    Args:
        listens: where, for those who look on: an address, or `web`.
        secrets: reads them anew; raises `SecretMissing`.
        announce: told the id of each generation that ended, of whomever; has to be quick.
        log: where it is told what a person has to mend.
        clock: the program's clocks.
        before: what received them until now, of which it knows what came.
    """

    def __init__(self, listens: str, secrets: Callable[[], tuple[str, ...]], announce: Callable[[str], None],
                 log: FilteringBoundLogger, clock: Clock, before: Webhooks | None = None) -> None:
        self.route = Route(PATH, self._receive, methods=["POST"])
        self.had: Had = before.had if before is not None else Had()
        self._listens = listens
        self._read = secrets
        self._announce = announce
        self._log = log
        self._clock = clock
        self._secrets: tuple[str, ...] = ()
        self._no_secret = ""
        self._looked_at = float("-inf")
        self._look = asyncio.Lock()
        self._threads = Threads()
        self._lock = threading.Lock()
        self._refused = 0
        self._since: float | None = None
        self._why = ""
        self._told_at: float | None = None

    def app(self) -> Starlette:
        """An application of this one path."""
        return Starlette(routes=[self.route])

    def facts(self, *, reliable: bool) -> WebhookFacts:
        """How it goes; `reliable`: whether polls rely on it."""
        with self._lock:
            return WebhookFacts(self._listens, self._no_secret, self.had.at, tuple(self.had.events), self._refused,
                                self._since, self._why, reliable, doubt=self._told_at is not None)

    async def _receive(self, request: Request) -> Response:
        try:
            return await self._take(request)
        except Exception as error:  # noqa: BLE001 - told; the next one has to be received
            self._log.exception("webhook.broke", error=repr(error))
            return JSONResponse({"error": "An error of this program, which is in its log."}, 500)

    async def _take(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(_PATIENCE):
                body = await _body(request)
        except TimeoutError:
            return self._answer(Judged(Result.TOO_SLOW))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        if body is None:
            return self._answer(Judged(Result.TOO_LARGE))
        secrets = await self._current()
        if not secrets:
            return self._answer(Judged(Result.UNCHECKED))
        judged = self.had.judge.judge(request.headers, body, secrets, now=self._clock.monotonic(),
                                      wall=self._clock.now())
        return self._answer(judged)

    async def _current(self) -> tuple[str, ...]:
        """The secrets, read anew once a second at most; while that can't be, those from before."""
        async with self._look:
            if self._clock.monotonic() - self._looked_at >= _SECRETS_EVERY:
                await self._look_for_secrets()
                self._looked_at = self._clock.monotonic()
            return self._secrets

    async def _look_for_secrets(self) -> None:
        try:
            self._secrets = await self._threads.run("secrets", self._read, at_once=1)
            self._note_secret("")
        except SecretMissing as error:
            self._note_secret(str(error))
        except TooSlow:
            self._note_secret("The webhooks' secret can't be read: it takes too long.")

    def _note_secret(self, trouble: str) -> None:
        if trouble and trouble != self._no_secret:
            self._log.error("webhook.no_secret", message=trouble)
        with self._lock:
            self._no_secret = trouble

    def _answer(self, judged: Judged) -> Response:
        self.had.counts[judged.result] += 1
        if judged.event is not None:
            if judged.result is Result.ACCEPTED:
                self._believe(judged.event)
            return Response(status_code=200)
        if judged.result is Result.REFUSED:
            self._refuse(judged.why)
        status = _STATUS[judged.result]
        # what is left of a body that was not read to its end is nobody's
        headers = {"Connection": "close"} if status in {408, 413} else None
        return JSONResponse({"error": _SAID[judged.result]}, status, headers)

    def _believe(self, event: Mapping[str, Any]) -> None:
        """It is the service's, and new."""
        with self._lock:
            refused, told, self._told_at = self._refused, self._told_at is not None, None
            self._refused, self._since, self._why = 0, None, ""
            self.had.at, self.had.heard = self._clock.now(), self._clock.monotonic()
            if _is_id(event.get("eventId")):
                self.had.events.append(event["eventId"])
        if told:
            self._log.info("webhook.accepted_again", after=refused)
        if event.get("eventType") not in _UNDER_WAY and _is_id(event.get("generationId")):
            self._announce(event["generationId"])

    def _refuse(self, why: str) -> None:
        """It looks like the service's, which anybody can make it do: while true ones come, no person need know."""
        now = self._clock.monotonic()
        with self._lock:
            self._since = self._since if self._refused else self._clock.now()
            self._refused, self._why = self._refused + 1, why
            tell = (self._refused >= TOLD and now - self.had.heard >= _SILENT
                    and (self._told_at is None or now - self._told_at >= _AGAIN))
            if tell:
                self._told_at = now
        if tell:
            self._log.warning("webhook.refused", count=self._refused, message=why,
                              action=f"{PROOF} Until then results are found by asking, as without webhooks.")


async def _body(request: Request) -> bytes | None:
    """All of it; None where it is too large."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and (len(told) > 10 or int(told) > _LARGEST):
        return None
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST:
            return None
    return bytes(body)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ID
