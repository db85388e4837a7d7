"""The page as an application: its routes, who may use them, and what every answer carries."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diffio_watch.journal import JournalError, sessions
from diffio_watch.service import asking, health, reading, scraping
from diffio_watch.service.access import COOKIE_AGE, Verdict, Visit, cookie_of, is_trustworthy, joined
from diffio_watch.service.answers import HEADERS, Refused, data, refusal
from diffio_watch.service.asking import ASK, BUSY
from diffio_watch.service.bodies import body_of
from diffio_watch.service.files import Files
from diffio_watch.service.sound import routes as sound
from diffio_watch.service.threads import TooSlow
from diffio_watch.service.tries import is_this_machine, whence

if TYPE_CHECKING:
    from diffio_watch.service.access import Need
    from diffio_watch.service.events import Hub
    from diffio_watch.service.metrics import Metrics
    from diffio_watch.service.site import Site

_TYPES: Final = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml",
                 "js": "text/javascript; charset=utf-8", "webmanifest": "application/manifest+json"}

_ENDS: Final = ("This page ends, or is started anew, before it had an answer. Ask again; whether what you wanted to "
                "change is changed already, the page shows.")
_LONGEST_ID: Final = 64
_USER: Final = re.compile(r"[A-Za-z0-9@._+-]{1,40}", re.ASCII)

_Answer = Callable[[Request, Verdict], Awaitable[ASGIApp]]


class Page:
    """The application.

    Args:
        site: the page's own things.
        hub: tells who looks on.
        metrics: what Prometheus scrapes.
        open_routes: routes that need no token and know no host, such as the one for webhooks: they look after that.
    """

    def __init__(self, site: Site, hub: Hub, metrics: Metrics, open_routes: list[Route] | None = None) -> None:
        self._site = site
        self._hub = hub
        self._files = _static()
        self._cookie = f"diffio-watch-{site.journal.id[-8:].lower()}"
        files = Files(site)
        looks: dict[str, _Answer] = {
            **scraping.answers(site.threads, metrics),
            "/api/status": self._status,
            "/api/events": self._events,
            "/api/jobs": lambda request, _: reading.jobs(site, request),
            "/api/jobs/{id}": lambda request, _: reading.job(site, request.path_params["id"]),
            "/api/jobs/{id}/original": lambda request, _: files.original(request),
            "/api/jobs/{id}/outputs/{kind}": lambda request, _: files.output(request),
            "/api/explain": lambda request, _: reading.explain(site, request.query_params.get("file", "")),
            **{path: _of(site, files, ask) for path, ask in sound.READING.items()},
        }
        changes: dict[str, _Answer] = {
            "/api/requests": self._ask,
        }
        self._router = Router([
            *(open_routes or []),
            *(Route(path, self._guarded("read", answer)) for path, answer in looks.items()),
            *(Route(path, self._guarded("change", answer), methods=["POST"]) for path, answer in changes.items()),
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/api/login", self._guarded("login", self._login), methods=["POST"]),
            Route("/api/logout", self._guarded("login", self._logout), methods=["POST"]),
            Route("/", self._guarded("nothing", self._static)),
            Route("/page/{name}", self._guarded("nothing", self._static)),
        ], redirect_slashes=False, default=_nothing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI. Whatever breaks in here is told, and becomes an answer."""
        begun = False
        safe = is_trustworthy(joined(scope["headers"]))
        usual = {name: value for name, value in HEADERS.items() if safe or name != "cross-origin-opener-policy"}

        async def out(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                there = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(
                    (name.encode(), value.encode()) for name, value in usual.items() if name.encode() not in there)]
            await send(message)

        try:
            await self._router(scope, receive, out)
        except Refused as refused:  # by an answer that had not begun
            await refusal(refused)(scope, receive, out)
        except asyncio.CancelledError:  # the server ends, and has waited for it
            if begun:
                raise
            await refusal(Refused(503, _ENDS, {"retry-after": "1"}))(scope, receive, out)
        except Exception as error:
            self._site.log.exception("page.broke", path=scope.get("path", ""), error=repr(error))
            if not begun:
                await refusal(Refused(500, "An error of this program, which is in its log."))(scope, receive, out)

    def _guarded(self, need: Need, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint behind its guard."""
        async def endpoint(request: Request) -> Response:
            try:
                verdict = self._judge(request, need)
                if verdict.status != 200:
                    raise _refused(verdict)
                return await answer(request, verdict)  # type: ignore[return-value]  # starlette calls what it gets
            except Refused as refused:
                if need == "nothing":  # a person's browser shows it as it is
                    return Response(refused.sentence, refused.status, refused.headers, "text/plain; charset=utf-8")
                return refusal(refused)
            except TooSlow:
                return refusal(Refused(503, "The disk or share that this is on does not answer. It is tried again "
                                            "whenever you ask.", {"retry-after": "5"}))
            except JournalError as error:
                return refusal(Refused(503, str(error), {"retry-after": "5"}))
        return endpoint

    def _visit(self, request: Request) -> Visit:
        headers = joined(request.scope["headers"])
        client = request.scope.get("client")
        return Visit(client[0] if client else None, headers, cookie_of(headers.get("cookie", ""), self._cookie),
                     request.scope.get("http_version", "1.1"))

    def _judge(self, request: Request, need: Need) -> Verdict:
        return self._site.access.judge(self._visit(request), need, self._now())

    def _now(self) -> float:
        return self._site.journal.clock.now()

    async def _status(self, _: Request, verdict: Verdict) -> Response:
        return data((await self._hub.now()).body(self._now(), may_change=verdict.may_change))

    async def _events(self, request: Request, verdict: Verdict) -> ASGIApp:
        if request.method == "HEAD":  # it would have no end
            return Response(headers={"cache-control": "no-store"}, media_type="text/event-stream")
        last = request.headers.get("last-event-id", "") or request.query_params.get("last", "")
        holds = self._site.access.lasting(self._visit(request), self._now())
        return await self._hub.stream(may_change=verdict.may_change, last=last[:_LONGEST_ID], holds=holds)

    async def _ask(self, request: Request, _: Verdict) -> Response:
        return await asking.ask(self._site, await body_of(request), self._who(request))

    def _who(self, request: Request) -> str:
        """Who asks, for a job's history: the page or a program, and whom and where this machine's proxy tells."""
        visit = self._visit(request)
        headers = visit.headers
        who = "a program" if "authorization" in headers else "the page"
        user = headers.get("x-forwarded-user", headers.get("remote-user", "")) if is_this_machine(visit.peer) else ""
        where = whence(visit.peer, headers.get("x-forwarded-for", ""))
        return who + (f", {user}" if _USER.fullmatch(user) else "") + (f", from {where}" if where else "")

    async def _login(self, request: Request, _: Verdict) -> Response:
        token = (await body_of(request)).get("token")
        if not isinstance(token, str) or not token.strip():
            raise Refused(400, "Type the token.")
        verdict = self._site.access.login(self._visit(request), token.strip(), self._now())
        if verdict.status != 200:
            raise _refused(verdict)
        return self._with_cookie(request, self._site.access.session(self._now()), COOKIE_AGE)

    async def _logout(self, request: Request, _: Verdict) -> Response:
        site = self._site
        ending = site.access.ending(self._visit(request).cookie, self._now())
        if ending is not None:
            await site.threads.run(ASK, lambda: sessions.end(site.journal, *ending), patience=BUSY)
            site.access.end(*ending)
        return self._with_cookie(request, "", 0)

    def _with_cookie(self, request: Request, value: str, age: int) -> Response:
        answer = Response(status_code=204, headers={"cache-control": "no-store"})
        # without a path it is good for the folder it came from: `api/`, under whatever path a proxy has it
        secure = request.headers.get("x-forwarded-proto", "").lower() == "https"
        answer.set_cookie(self._cookie, value, max_age=age, path=None, httponly=True, samesite="strict", secure=secure)
        return answer

    async def _healthz(self, _: Request) -> Response:
        well, words = health.healthy(self._site.pulse, time.monotonic())
        return data({"ok": well, "words": words}, 200 if well else 503)

    async def _readyz(self, request: Request) -> Response:
        status, told = await health.ready(self._site)
        if self._judge(request, "read").status != 200:  # a monitor may ask; names are for those who may read
            told = {name: value for name, value in told.items() if name != "words"}
        return data(told, status)

    async def _static(self, request: Request, _: Verdict) -> Response:
        found = self._files.get(request.path_params.get("name", "index.html"))
        if found is None:
            raise Refused(404, "There is no such page here.")
        body, kind, tag = found
        headers = {"etag": tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, 200, headers, kind)


def _of(site: Site, files: Files, ask: Callable[[Site, Request], Awaitable[Response | Path]]) -> _Answer:
    async def answer(request: Request, _: Verdict) -> ASGIApp:
        found = await ask(site, request)
        return await files.made(request, found) if isinstance(found, Path) else found
    return answer


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await data({"error": "There is no such page here."}, 404)(scope, receive, send)


def _refused(verdict: Verdict) -> Refused:
    return Refused(verdict.status, verdict.error, {"retry-after": "60"} if verdict.status == 429 else None)


def _static() -> dict[str, tuple[bytes, str, str]]:
    """The page's own files: they are few and small, and stay in memory."""
    found = {}
    for file in (resources.files("diffio_watch.service") / "page").iterdir():
        kind = _TYPES.get(file.name.rpartition(".")[2])
        if kind is not None and file.is_file():
            body = file.read_bytes()
            found[file.name] = (body, kind, f'"{hashlib.sha256(body).hexdigest()[:16]}"')
    return found
