"""Doing faults: each wraps the true application of a call in another that misbehaves.

A fault comes before the call's effect, or after it: then the true application runs to its end, and only
its answer never gets out.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diffio_watch.sandbox.answers import json_answer
from diffio_watch.sandbox.faults import Fault
from diffio_watch.sandbox.settings import MIB

FLAGS: Final = frozenset({"expired", "swap", "ignore_range", "wrong_range"})  # done by the handlers
HTML: Final = "<html><head><title>Gateway</title></head><body><h1>Please wait</h1></body></html>"
HASTE: Final = 0.02  # seconds between two informational answers
SLICES: Final = 20  # a second's worth of throttled bytes goes out in so many pieces


class Wire:
    """The connection under a request, for what no HTTP server does on purpose."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.gone = asyncio.Event()

    async def reset(self) -> None:
        """End the connection with RST."""
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
        await self.gone.wait()

    async def close(self) -> None:
        """End the connection once everything written is out."""
        self.transport.close()
        await self.gone.wait()


async def _swallow(_: Message) -> None:
    """Where a lost answer goes."""


async def _drain(receive: Receive, at: int | None) -> None:
    """Take the request's body in, or its first bytes."""
    got = 0
    while at is None or got < at:
        message = await receive()
        got += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def _merged(value: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """JSON with changes merged in, level by level; None takes a field out."""
    result = dict(value)
    for name, change in changes.items():
        if change is None:
            result.pop(name, None)
        elif isinstance(change, Mapping) and isinstance(result.get(name), dict):
            result[name] = _merged(result[name], change)
        else:
            result[name] = change
    return result


async def _padding(size: int) -> AsyncIterator[bytes]:
    yield b'{"padding": "'
    for done in range(0, size, MIB):
        yield b"x" * min(MIB, size - done)
    yield b'"}'


def _instead(fault: Fault, trap: str, path: str) -> Response:
    """The answer that stands in for the true one."""
    match fault.kind:
        case "html":
            return Response(fault.body or HTML, fault.status or 200, media_type="text/html")
        case "broken_json":
            return Response(fault.body or '{"apiProjectId": "pr', 200, media_type="application/json")
        case "huge":
            return StreamingResponse(_padding(fault.size), 200, media_type="application/json")
        case "redirect":
            return Response(b"", fault.status or 307, {"Location": trap + path})
        case _:
            headers = {"Content-Type": "application/json", **fault.headers}
            return Response(fault.body, fault.status or 500, headers)


class _Cut:
    """A send that lets the first bytes of a body through; then that is all, or something happens to the wire."""

    def __init__(self, fault: Fault, wire: Wire, send: Send) -> None:
        self._left = fault.at or 0
        self._honest = fault.honest
        self._end = {"stall": wire.gone.wait, "reset": wire.reset}.get(fault.kind, wire.close)
        self._send = send
        self._over = False

    async def __call__(self, message: Message) -> None:
        if self._over:
            return
        if message["type"] == "http.response.start":
            await self._send(self._shortened(message) if self._honest else message)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        self._over = len(body) >= self._left and (more or len(body) > self._left)
        piece = body[: self._left]
        self._left -= len(piece)
        await self._send({**message, "body": piece, "more_body": not self._honest if self._over else more})
        if self._over and not self._honest:
            await self._end()

    def _shortened(self, message: Message) -> Message:
        headers = [
            (name, str(min(int(value), self._left)).encode() if name == b"content-length" else value)
            for name, value in message["headers"]
        ]
        return {**message, "headers": headers}


def _throttled(rate: float, receive: Receive, send: Send) -> tuple[Receive, Send]:
    async def slow_receive() -> Message:
        message = await receive()
        await asyncio.sleep(len(message.get("body", b"")) / rate)
        return message

    async def slow_send(message: Message) -> None:
        body = message.get("body", b"")
        step = max(1, int(rate / SLICES))
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            await asyncio.sleep(len(piece) / rate)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({**message, "body": b""} if body else message)

    return slow_receive, slow_send


def _packed(send: Send) -> Send:
    """A send that packs the body on its way."""
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)

    async def packed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"] if name != b"content-length"]
            await send({**message, "headers": [*headers, (b"content-encoding", b"gzip")]})
            return
        more = message.get("more_body", False)
        body = packer.compress(message.get("body", b""))
        await send({**message, "body": body if more else body + packer.flush()})

    return packed


def _unsized(wire: Wire) -> Send:
    """A send that goes past the server to the wire, for it would tell the length or mark the end."""
    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            lines = [b"HTTP/1.1 %d Whatever" % message["status"], b"connection: close"]
            lines += [name + b": " + value for name, value in message["headers"] if name != b"content-length"]
            wire.transport.write(b"\r\n".join(lines) + b"\r\n\r\n")
            return
        wire.transport.write(message.get("body", b""))
        if not message.get("more_body", False):
            await wire.close()

    return send


async def _keep_informing(wire: Wire, seconds: float) -> None:
    """Say that it is being worked on, for so long; 0: until nobody listens any more."""
    left = seconds or float("inf")
    while left > 0 and not wire.gone.is_set():
        wire.transport.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(HASTE)
        left -= HASTE
    if wire.gone.is_set():
        raise ClientDisconnect


async def _edited(fault: Fault, inner: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """The true answer with some fields changed; one that is no JSON object stays as it is."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await inner(scope, receive, keep)
    body = b"".join(message.get("body", b"") for message in messages)
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        for message in messages:
            await send(message)
        return
    changed = json_answer(_merged(value, fault.fields), messages[0]["status"], fault.headers)
    await changed(scope, receive, send)


def wrap(fault: Fault, inner: ASGIApp, wire: Wire, trap: str) -> ASGIApp:
    """The application that does this fault around the true one."""

    async def instead(scope: Scope, receive: Receive, finish: Callable[[], Any]) -> None:
        if fault.after:
            await inner(scope, receive, _swallow)
        elif fault.kind not in ("reset", "stall") or fault.at is not None:
            await _drain(receive, fault.at)
        await finish()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        match fault.kind:
            case "delay":
                if fault.after:
                    async def late(message: Message) -> None:
                        if message["type"] == "http.response.start":
                            await asyncio.sleep(fault.seconds)
                        await send(message)

                    await inner(scope, receive, late)
                    return
                await asyncio.sleep(fault.seconds)
                await inner(scope, receive, send)
            case "throttle":
                await inner(scope, *_throttled(fault.rate, receive, send))
            case "gzip":
                await inner(scope, receive, _packed(send))
            case "unsized":
                await inner(scope, receive, _unsized(wire))
            case "informational":
                await _keep_informing(wire, fault.seconds)
                await inner(scope, receive, send)
            case "truncate" | "stall" | "reset" | "close" if fault.cuts_the_answer:
                await inner(scope, receive, _Cut(fault, wire, send))
            case "stall":
                await instead(scope, receive, wire.gone.wait)
            case "reset":
                await instead(scope, receive, wire.reset)
            case "close":
                await instead(scope, receive, wire.close)
            case "fields":
                await _edited(fault, inner, scope, receive, send)
            case _:
                answer = _instead(fault, trap, scope["path"])
                await instead(scope, receive, lambda: answer(scope, receive, send))

    return app
