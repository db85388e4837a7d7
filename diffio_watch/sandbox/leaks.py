"""Secrets that reach a host they were not meant for."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from diffio_watch.sandbox.links import SIGNATURE
from diffio_watch.sandbox.projects import TOKEN_PREFIX
from diffio_watch.sandbox.state import State

KEY_HEADERS: Final = ("x-api-key", "xi-api-key")
SHORT = 6  # a key of fewer characters is found in anything


def bearer(request: Request) -> str:
    """What stands behind `Authorization: Bearer`, or nothing."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def find_leaks(state: State, origin: str, request: Request, body: bytes) -> list[str]:
    """One line for each secret in this request that does not belong at this origin."""
    home = {"api": ("authorization", *KEY_HEADERS), "edge": ("authorization",)}.get(origin, ())
    words = [value for name, value in request.headers.items() if name not in home]
    words += [request.url.path, body.decode("utf-8", "replace")]
    query = request.url.query
    elsewhere = "\n".join([*words, query])
    at_home = "\n".join(request.headers.get(name, "") for name in home)
    keys = [key for key in {*state.keys, *state.settings.keys} if len(key) >= SHORT]
    found = []
    if any(key in elsewhere or (origin != "api" and key in at_home) for key in keys):
        found.append("an API key")
    elif origin != "api" and any(name in request.headers for name in KEY_HEADERS):
        found.append("an API key header")
    if TOKEN_PREFIX in elsewhere or (origin != "edge" and TOKEN_PREFIX in at_home):
        found.append("an upload token")
    if SIGNATURE in ("\n".join(words) if origin == "storage" else elsewhere):
        found.append("a signed URL")
    if origin in ("storage", "trap") and "authorization" in request.headers and not found:
        found.append("an Authorization header")
    return [f"{what} went to {origin}: {request.method} {request.url.path}" for what in found]
