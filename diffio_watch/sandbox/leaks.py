"""Secrets that reach a host they were not meant for."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from diffio_watch.sandbox.links import SIGNATURE
from diffio_watch.sandbox.projects import TOKEN_PREFIX
from diffio_watch.sandbox.state import State

KEY_HEADERS: Final = ("x-api-key", "xi-api-key")
_HOME: Final = {"api": frozenset({b"authorization", *(name.encode() for name in KEY_HEADERS)}),
                "edge": frozenset({b"authorization"})}  # where each origin's own secret stands
SHORT = 6  # a key of fewer characters is found in anything


def bearer(request: Request) -> str:
    """What stands behind `Authorization: Bearer`, or nothing."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def find_leaks(state: State, origin: str, request: Request, body: bytes) -> list[str]:
    """One line for each secret in this request that does not belong at this origin."""
    scope, home = request.scope, _HOME.get(origin, frozenset())
    words = b"\n".join([value for name, value in scope["headers"] if name not in home]).decode("latin-1")
    words += f"\n{scope['path']}\n{body.decode('utf-8', 'replace')}"
    elsewhere = f"{words}\n{scope['query_string'].decode('latin-1')}"
    at_home = b"\n".join([value for name, value in scope["headers"] if name in home]).decode("latin-1")
    keys = [key for key in {*state.keys, *state.settings.keys} if len(key) >= SHORT]
    found = []
    if any(key in elsewhere or (origin != "api" and key in at_home) for key in keys):
        found.append("an API key")
    elif origin != "api" and any(name in request.headers for name in KEY_HEADERS):
        found.append("an API key header")
    if TOKEN_PREFIX in elsewhere or (origin != "edge" and TOKEN_PREFIX in at_home):
        found.append("an upload token")
    if SIGNATURE in (words if origin == "storage" else elsewhere):
        found.append("a signed URL")
    if origin in ("storage", "trap") and "authorization" in request.headers and not found:
        found.append("an Authorization header")
    return [f"{what} went to {origin}: {request.method} {scope['path']}" for what in found]
