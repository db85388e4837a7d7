"""The three hosts' ways of answering, and how bodies are taken in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

SANDBOX = "Diffio sandbox: hands back the media it was given; nothing is restored"


class Refusal(Exception):
    """An error answer, raised where it is found; the origin it is raised at gives it its form."""

    def __init__(self, status: int, message: str, code: str = "", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.more = more


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON as the service sends it."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, headers, "application/json")


def refusal(origin: str, refused: Refusal) -> Response:
    """The refusal in the form of its host: API and edge in JSON of their own, storage in XML."""
    headers = {"Allow": "POST, OPTIONS"} if refused.status == 405 else None
    if origin == "storage":
        xml = (
            f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{escape(refused.code or 'Error')}</Code>"
            f"<Message>{escape(refused.message)}</Message></Error>"
        )
        return Response(xml.encode(), refused.status, refused.more or headers, "application/xml")
    if origin == "edge":
        code = refused.code or "bad_request"
        return json_answer({"error": {"code": code, "message": refused.message}}, refused.status, headers)
    code_field = {"code": refused.code} if refused.code else {}
    return json_answer({"error": refused.message, **code_field, **refused.more}, refused.status, headers)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        Refusal: 400, it is none.
    """
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise Refusal(400, "The request body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise Refusal(400, "The request body must be a JSON object.")
    return value


async def receive_file(request: Request, path: Path, limit: int) -> tuple[int, str]:
    """Stream the request's body into a new file; its size in bytes and its MD5 as storage hosts name content.

    Raises:
        ClientDisconnect: The client went away; nothing is left of it.
        Refusal: 413, more than `limit` bytes; nothing is left of it either.
    """
    size = 0
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with path.open("xb", buffering=0) as file:
            async for piece in request.stream():
                size += len(piece)
                if size > limit:
                    raise Refusal(413, f"The body is larger than {limit} bytes.", "too_large")
                digest.update(piece)
                file.write(piece)
    except (ClientDisconnect, Refusal):
        path.unlink()  # noqa: ASYNC240 - a local file; a thread would only be slower
        raise
    return size, digest.hexdigest()
