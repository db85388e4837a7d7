"""What every answer of the page has in common: strict headers, JSON that is safe to print, errors as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope

from diffio_watch.disk import names

POLICY: Final = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
                 "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
                 "require-trusted-types-for 'script'; trusted-types 'none'")
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Refused(Exception):
    """A request that is answered with an error: a status, and a sentence for people."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = dict(headers or {})


def encoded(value: object) -> bytes:
    """JSON as it goes out."""
    return names.dumps(value).encode()


def data(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that nobody keeps; bytes are JSON already."""
    body = value if isinstance(value, bytes) else encoded(value)
    return Response(body, status, {"cache-control": "no-store", **(headers or {})}, "application/json")


def abort(scope: Scope) -> None:
    """Break the connection of a client that does not read: to close it would wait until it does."""
    scope["state"]["abort"]()


async def disconnected(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def refusal(refused: Refused) -> Response:
    """An error as the page shows it."""
    return data({"error": refused.sentence}, refused.status, refused.headers)
