"""The outermost application: which origin and call a request is for, what it leaks, which faults hit it."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diffio_watch.sandbox import account, control, edge, generations, models, projects, storage, tamper
from diffio_watch.sandbox.answers import Refusal, json_answer, parse_object, refusal
from diffio_watch.sandbox.call import Call
from diffio_watch.sandbox.faults import Fault
from diffio_watch.sandbox.leaks import KEY_HEADERS, bearer, find_leaks
from diffio_watch.sandbox.state import Project, Seen, State, Trapped

Handler = Callable[[Call], Response | Awaitable[Response]]
Observer = Callable[[str, Seen], Awaitable[object] | None]

# endpoint: call name, handler, permission it needs
API: Final[dict[str, tuple[str, Handler, str]]] = {
    "create_project": ("create_project", projects.create, "write"),
    "complete_project_upload": ("complete_project_upload", projects.complete_upload, "write"),
    "get_generation_progress": ("progress", generations.poll, "read"),
    "get_generation_download": ("link", generations.link, "downloadGenerations"),
    "list_projects": ("list_projects", projects.listing, "read"),
    "list_project_generations": ("list_generations", generations.listing, "read"),
    "account/settings/get": ("account", account.settings, "read"),
    "usage/summary": ("usage", account.usage, "read"),
    "webhooks/send_test_event": ("test_event", account.test_event, "write"),
    "webhooks/configure": ("configure_webhook", account.configure, "write"),
}
EDGE: Final[dict[str, tuple[str, Handler | None]]] = {
    "start": ("start", edge.start),
    "complete": ("complete", edge.complete),
    "abort": ("abort", edge.abort),
}
STORAGE: Final[dict[str, tuple[str, Handler | None]]] = {
    "PUT": ("put", storage.put),
    "GET": ("download", storage.download),
}
STREAMED: Final = frozenset({"part", "put", "download"})  # their bodies are taken in by the handlers
MAX_JSON = 8 * 1024 * 1024
TRAPPED_BODY = 64 * 1024


def _route(origin: str, method: str, path: str) -> tuple[str, str, Handler | None, str]:
    """Call name, endpoint, handler and permission of a request; handler None: there is no such endpoint."""
    if origin == "storage":
        name, handler = STORAGE.get(method, ("storage", None))
        return name, path, handler, ""
    if origin == "edge":
        endpoint = path.removeprefix("/v1/uploads/")
        if edge.PART.fullmatch(endpoint):
            return "part", endpoint, edge.part, ""
        name, handler = EDGE.get(endpoint, ("edge", None))
        return name, endpoint, handler, ""
    endpoint = path.removeprefix("/v1/") if path.startswith("/v1/") else ""
    if endpoint in API:
        name, handler, permission = API[endpoint]
        return name, endpoint, handler, permission
    if endpoint.endswith(models.SUFFIX) and "/" not in endpoint:
        return "generate", endpoint, generations.generate, "write"
    return "api", endpoint, None, ""


class Origins:
    """The ASGI application of all origins; the port a request came in at tells which one it means."""

    def __init__(self, state: State, ports: dict[int, str], *, controlled: bool) -> None:
        self.state = state
        self.ports = ports
        self.controlled = controlled
        self.wires: dict[tuple[Any, Any], tamper.Wire] = {}
        self.observers: list[Observer] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        origin = self.ports[scope["server"][1]]
        request = Request(scope, receive)
        try:
            if origin == "trap":
                response = await self._trap(request)
                await response(scope, receive, send)
            elif self.controlled and origin == "api" and scope["path"].startswith(control.PREFIX):
                response = await control.answer(self.state, request)
                await response(scope, receive, send)
            else:
                await self._serve(origin, request, send)
        except ClientDisconnect:
            return  # a killed client is what this service is for
        except Exception:  # noqa: BLE001 - a bug of the sandbox has to show up in the test that met it
            self.state.violation(f"sandbox error: {traceback.format_exc()}")
            await refusal(origin, Refusal(500, "The sandbox has a bug."))(scope, receive, send)

    async def _trap(self, request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece[: TRAPPED_BODY - len(body)]
        self.state.leaks += find_leaks(self.state, "trap", request, body)
        path = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        self.state.trapped.append(Trapped(request.method, path, dict(request.headers), body))
        return json_answer({})

    async def _serve(self, origin: str, request: Request, send: Send) -> None:
        state, scope = self.state, request.scope
        name, endpoint, handler, permission = _route(origin, request.method, scope["path"])
        receive, body = request.receive, b""
        if name not in STREAMED:
            body = await _whole(request)
            receive = _replayed(body, receive)
        if origin == "api" and (key := _key(request)):
            state.key_id(key)
        state.leaks += find_leaks(state, origin, request, body)
        call = Call(state, request, origin, name, endpoint, project=self._project(origin, request))
        seen = self._note(call, body)
        await self._observe("arrived", seen)
        faults = self._faults(call, seen, body) if state.rules else []
        call.flags = frozenset(fault.kind for fault in faults if fault.kind in tamper.FLAGS)

        async def true(inner_scope: Scope, inner_receive: Receive, inner_send: Send) -> None:
            call.request = Request(inner_scope, inner_receive)
            response = await self._answer(call, handler, permission, body)
            await self._observe("effect", seen)
            await response(inner_scope, inner_receive, inner_send)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
            await send(message)

        app: ASGIApp = true
        wire = self.wires.get((scope["client"], scope["server"]))
        if wire is None:
            raise ClientDisconnect
        for fault in reversed(faults):
            if fault.kind not in tamper.FLAGS:
                app = tamper.wrap(fault, app, wire, state.origins["trap"])
        await app(scope, receive, noted)
        await self._observe("answered", seen)

    def _faults(self, call: Call, seen: Seen, body: bytes) -> list[Fault]:
        """The faults that hit this call; they count it."""
        scope = call.request.scope
        said, query = body.decode("utf-8", "replace"), scope["query_string"].decode("latin-1")
        text = f"{scope['method']} {scope['path']}?{query} {said} {seen.file_name}"
        return [rule.fault for rule in list(self.state.rules) if rule.fires(call.name, text)]

    def _project(self, origin: str, request: Request) -> Project | None:
        if origin == "edge":
            return self.state.tokens.get(bearer(request))
        return self.state.objects.get(request.scope["raw_path"].decode("latin-1"))

    def _note(self, call: Call, body: bytes) -> Seen:
        """Count the call and write down what it is about."""
        state, request = self.state, call.request
        try:
            said = parse_object(body) if body else {}
        except Refusal:
            said = {}
        generation = state.generations.get(str(said.get("generationId")))
        if generation is None and call.name == "download":
            generation = state.generations.get((unquote(call.endpoint).split("/") + [""] * 4)[3])
        project = call.project or state.projects.get(str(said.get("apiProjectId")))
        project = project or (generation.project if generation else None)
        file_name = project.file_name if project else said.get("fileName")
        seen = Seen(
            call.name, call.origin, request.method, request.scope["path"], state.now(),
            key=state.keys.get(_key(request)) if call.origin == "api" else None,
            project_id=project.id if project else None,
            generation_id=generation.id if generation else None,
            file_name=file_name if isinstance(file_name, str) else None,
        )  # fmt: skip
        state.calls[call.name] += 1
        state.seen.append(seen)
        return seen

    async def _observe(self, moment: str, seen: Seen) -> None:
        for observer in self.observers:
            waits = observer(moment, seen)
            if waits is not None:
                await waits

    async def _answer(self, call: Call, handler: Handler | None, permission: str, body: bytes) -> Response:
        """Take the call's effect and make its true answer."""
        try:
            if call.request.method == "OPTIONS":
                return Response(status_code=204)
            if call.origin in call.settings.down:
                raise Refusal(503, "The service is unavailable.", "unavailable")
            if call.origin != "storage":
                self._check_form(call)
            if call.origin == "api":
                call.key = _authenticate(call, permission)
            if handler is None:
                call.violation(f"{call.request.method} {call.request.url.path} is no endpoint")
                raise Refusal(405 if call.origin == "storage" else 404, "Unknown endpoint.", "NotFound")
            if call.origin != "storage" and call.name != "part":
                call.body = parse_object(body)
            result = handler(call)
            return result if isinstance(result, Response) else await result
        except Refusal as refused:
            return refusal(call.origin, refused)
        except ClientDisconnect:
            call.state.cut += 1
            raise

    def _check_form(self, call: Call) -> None:
        """Hold the request to its method and content type.

        Raises:
            Refusal: 405 or 400.
        """
        method = "PUT" if call.name == "part" else "POST"
        if call.request.method != method:
            call.violation(f"sent as {call.request.method}")
            raise Refusal(405, "Method not allowed.", "method_not_allowed")
        said = call.request.headers.get("content-type", "").partition(";")[0]
        if method == "POST" and said != "application/json":
            call.violation(f"sent as {said or 'nothing'}, not application/json")
            raise Refusal(400, "The Content-Type must be application/json.")


def _key(request: Request) -> str:
    """The API key, from any of the three headers that may hold it."""
    return bearer(request) or next((value for each in KEY_HEADERS if (value := request.headers.get(each))), "")


def _authenticate(call: Call, permission: str) -> str:
    """The call's key, if it may make this call.

    Raises:
        Refusal: 401 or 403.
    """
    key, settings = _key(call.request), call.settings
    state = settings.key_states.get(key, settings.account)
    if not key or state == "auth" or (settings.keys and key not in settings.keys):
        raise Refusal(401, "The API key is missing or not valid.")
    if state == "inactive":
        raise Refusal(403, "The API key is inactive.")
    if permission and permission not in settings.permissions:
        raise Refusal(403, f"The API key has no {permission} permission.")
    return key


async def _whole(request: Request) -> bytes:
    """A request's body, of a call that has a small one."""
    body = bytearray()
    async for piece in request.stream():
        body += piece[: MAX_JSON - len(body)]
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A receive that hands out a body that was taken in already, and then what really comes."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
