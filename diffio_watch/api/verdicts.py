"""What an answer's status means at each kind of host.

The 4xx of the API tell about the request, the key or the account. The 4xx of upload and storage hosts tell that a
token, session or URL has gone, or in a few cases that the file is not taken: never anything about the account.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal

from diffio_watch.api import sanitize
from diffio_watch.api.answers import Answer
from diffio_watch.api.errors import (
    Ambiguous,
    ApiError,
    Forbidden,
    IdempotencyConflict,
    LinkExpired,
    ModelRetired,
    NotFound,
    NotReady,
    PaymentRequired,
    RateLimited,
    Rejected,
    SessionLost,
    TranscriptUnavailable,
    Unauthorized,
    Unavailable,
)
from diffio_watch.api.fields import Fields, json_of

_BUSY: Final = frozenset({407, 408, 421, 425})  # 407 and 421: a proxy's or balancer's trouble, not the request's
_ABOUT_THE_FILE: Final = frozenset({413, 415, 422})  # too large, of a wrong kind, not to be processed

Judge = Callable[[Answer], ApiError | None]
"""What an answer's status means at some kind of host; None: it is a good one."""


def judge_api(answer: Answer) -> ApiError | None:
    """The meaning of an answer of the API itself."""
    said = _common(answer)
    if said is None or isinstance(said, ApiError):
        return said
    facts = said.facts
    match answer.status:
        case 401:
            return Unauthorized(**facts)
        case 402:
            return _payment(said)
        case 403:
            return Forbidden(**facts)
        case 404 if said.code == "TRANSCRIPT_UNAVAILABLE":
            return TranscriptUnavailable(**facts)
        case 404:
            return NotFound(**facts)
        case 409 if said.says("idempotencyKeyConflict"):
            return IdempotencyConflict(**facts)
        case 409:
            return NotReady(**facts)
        case 410:
            return ModelRetired(**facts)
    return Rejected(**facts)


def judge_upload(answer: Answer) -> ApiError | None:
    """The meaning of an answer of the edge host or storage to an upload.

    Of a good one its headers say nothing: Google's storage answers a PUT as `text/html`, with an empty body.
    """
    said = _common(answer)
    if said is None or isinstance(said, ApiError):
        return said
    return (Rejected if answer.status in _ABOUT_THE_FILE else SessionLost)(**said.facts)


def judge_link(answer: Answer) -> ApiError | None:
    """The meaning of storage's answer to a download. 416, a range past the end, is the downloader's to see."""
    if answer.status == 416:
        return None
    said = _common(answer)
    if said is None or isinstance(said, ApiError):
        return said
    return LinkExpired(**said.facts)


class _Said:
    """The words of an error answer."""

    def __init__(self, answer: Answer, body: bytes) -> None:
        value = json_of(body)
        fields = Fields(value if isinstance(value, dict) else {}, answer.status)
        error = fields.inner("error")
        self.fields = Fields({**fields.values, **fields.inner("details").values, **error.values}, answer.status)
        plain = fields.values.get("error")
        self.code = (
            sanitize.code(error.values.get("code")) or sanitize.code(fields.values.get("code"))
            or (sanitize.code(plain) if answer.status == 402 else None) or sanitize.code(_tagged(body, "Code"))
        )
        told = (error.values.get("message"), plain, fields.values.get("message"), fields.values.get("detail"))
        message = next((text for text in told if isinstance(text, str) and text.strip()), None)
        if message is None and not isinstance(value, dict):
            message = _tagged(body, "Message") or _tagged(body, "title") or _plain(body)
        self.facts: Any = {
            "message": sanitize.clean(message or "") or self.code or "no reason given",
            "status": answer.status,
            "code": self.code,
            "retry_after": answer.retry_after(),
        }

    def says(self, code: str) -> bool:
        """Whether its code or its words name `code`, however that is spelt."""
        said = f"{self.code} {self.facts['message']}"
        return code.lower() in re.sub(r"[^a-z0-9]", "", said.lower())


def _common(answer: Answer) -> _Said | ApiError | None:
    """What is the same at every host: None for a good answer, the words of a 4xx that is left to tell apart."""
    status = answer.status
    if 200 <= status < 300:
        return None
    if not 400 <= status < 600:
        return Ambiguous("the answer is a redirect, which is never followed" if 300 <= status < 400
                         else "the answer has an unknown status", status=status)
    transient = status in _BUSY or status == 429 or status >= 500
    try:
        said = _Said(answer, answer.body())
    except Ambiguous as error:
        if not transient and not _is_page(answer):
            return error  # a 4xx whose words are lost may mean this or that
        said = _Said(answer, b"")
    if not transient:
        return said
    return (RateLimited if status == 429 else Unavailable)(**said.facts)


def _payment(said: _Said) -> PaymentRequired:
    amounts = {name: said.fields.maybe_number(name)
               for name in ("spendLimitUsd", "estimatedCostUsd", "usedUsd", "pendingUsd")}
    told = {name: value for name, value in amounts.items() if value is not None}
    limit = said.says("spendLimit") or (bool(told) and not said.says("paymentFailed"))
    kind: Literal["billing", "spend_limit"] = "spend_limit" if limit else "billing"
    return PaymentRequired(
        **said.facts, kind=kind, period_end=said.fields.maybe_time("periodEnd") if limit else None, amounts=told
    )


def _is_page(answer: Answer) -> bool:
    return "html" in answer.headers.get("content-type", "").lower()


def _tagged(body: bytes, tag: str) -> str | None:
    """The text of an element of a storage host's XML or a proxy's HTML."""
    found = re.search(rb"<" + tag.encode() + rb"(?:\s[^>]*)?>([^<]{1,2000})</", body[:65_536], re.IGNORECASE)
    return found[1].decode("utf-8", "replace") if found else None


def _plain(body: bytes) -> str | None:
    text = body[:2000].decode("utf-8", "replace")
    return None if text.lstrip().startswith(("<", "{", "[")) else text
