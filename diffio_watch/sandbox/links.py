"""Signed URLs of the storage origin: what they cover and how they are checked."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qs, quote, urlsplit

from diffio_watch.sandbox.answers import Refusal
from diffio_watch.sandbox.state import State

SIGNATURE = "X-Sandbox-Signature"
EXPIRES = "X-Sandbox-Expires"


def _signature(state: State, method: str, path: str, content_type: str, expires: str) -> str:
    words = f"{method}\n{path}\n{content_type}\n{expires}"
    return hmac.new(state.secret, words.encode(), hashlib.sha256).hexdigest()


def sign(state: State, method: str, path: str, *, expires_at: float, content_type: str = "") -> str:
    """A URL that allows `method` on `path` until `expires_at` (seconds since the epoch)."""
    quoted = quote(path)
    expires = f"{expires_at:.3f}"
    signature = _signature(state, method, quoted, content_type, expires)
    return f"{state.origins['storage']}{quoted}?{EXPIRES}={expires}&{SIGNATURE}={signature}"


def check(state: State, method: str, raw_path: str, query: str, *, content_type: str = "") -> None:
    """Hold a request to its URL's signature.

    Raises:
        Refusal: 403, expired or not signed for this.
    """
    values = parse_qs(query)
    expires, signature = (values.get(name, [""])[0] for name in (EXPIRES, SIGNATURE))
    expected = _signature(state, method, raw_path, content_type, expires)
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise Refusal(403, "The request signature does not match.", "SignatureDoesNotMatch")
    if float(expires) <= state.now():
        raise Refusal(403, "The provided URL has expired.", "ExpiredToken")


def path_of(url: str) -> str:
    """The path of a signed URL, quoted as it is on the wire."""
    return urlsplit(url).path
