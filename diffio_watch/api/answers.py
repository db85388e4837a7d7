"""An HTTP answer, read with bounds, and what its status means at each kind of host."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

from diffio_watch.api import words
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

LIMIT: Final = 1 << 20  # bytes of a JSON answer; the largest real one, a list of projects, is far below
LONGEST_PAUSE: Final = 3600.0  # seconds of Retry-After that are believed

_ID = re.compile(r"[!-~]{1,512}")
_TAG = re.compile(r"[ -~]{1,512}")
_BUSY: Final = frozenset({407, 408, 421, 425})  # 407 and 421: a proxy's or balancer's trouble, not the request's
_PUT_LOST: Final = frozenset({400, 401, 402, 403, 404, 409, 410, 412})
_EDGE_LOST: Final = frozenset({401, 402, 403, 404, 410})


class Answer:
    """The status and headers of an answer, and its body as it comes in."""

    def __init__(self, status: int, headers: Mapping[str, str], chunks: Iterator[bytes]) -> None:
        self.status = status
        self.headers = headers
        self.chunks = chunks

    def body(self) -> bytes:
        """The whole body.

        Raises:
            Ambiguous: it broke off, is encoded, or is absurdly large.
        """
        if self.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise Ambiguous("the answer is compressed, which was not asked for", status=self.status)
        parts: list[bytes] = []
        size = 0
        for chunk in self.chunks:
            size += len(chunk)
            if size > LIMIT:
                raise Ambiguous(f"the answer is longer than {LIMIT} bytes", status=self.status)
            parts.append(chunk)
        return b"".join(parts)

    def fields(self) -> Fields:
        """The JSON object that the body is.

        Raises:
            Ambiguous: it is none.
        """
        value = _json(self.body())
        if not isinstance(value, dict):
            raise Ambiguous("the answer is no JSON object", status=self.status)
        return Fields(value, self.status)

    def done(self) -> None:
        """Nothing is needed of the body, but it has to be one of the service: a JSON object or nothing.

        Raises:
            Ambiguous: it is something else, such as a web page.
        """
        body = self.body()
        if body.strip() and not isinstance(_json(body), dict):
            raise Ambiguous("the answer is no JSON object", status=self.status)

    def retry_after(self) -> float | None:
        """Seconds the service asks to wait, at most an hour; None where it does not say so."""
        text = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]+(\.[0-9]*)?", text):
            return min(float(text[:20]), LONGEST_PAUSE)
        until = http_date(text)
        if until is None:
            return None
        now = http_date(self.headers.get("date", ""))  # the service's own clock, as ours may be off
        return min(max(until - (time.time() if now is None else now), 0.0), LONGEST_PAUSE)


class Fields:
    """A JSON object whose fields are checked as they are taken."""

    def __init__(self, values: dict[str, Any], status: int | None = None) -> None:
        self.values = values
        self._status = status

    def _wrong(self, name: str) -> Ambiguous:
        return Ambiguous(f"the answer has no usable {name}", status=self._status)

    def id(self, name: str) -> str:
        """An id: printable, without spaces, at most 512 characters.

        Raises:
            Ambiguous: it is missing or something else; so in every method here that is not a `maybe`.
        """
        value = self.values.get(name)
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise self._wrong(name)
        return value

    def same_id(self, name: str, asked: str) -> str:
        """The id that was asked about; another one means that the answer is not to this call."""
        if self.id(name) != asked:
            raise Ambiguous(f"the answer is about another {name}", status=self._status)
        return asked

    def tag(self, name: str) -> str:
        """Something to hand back unread, such as an ETag with its quotes."""
        value = self.values.get(name)
        if not isinstance(value, str) or not _TAG.fullmatch(value):
            raise self._wrong(name)
        return value

    def text(self, name: str, longest: int = 100) -> str:
        """Words, made fit to show, not empty."""
        value = self.maybe_text(name, longest)
        if not value:
            raise self._wrong(name)
        return value

    def maybe_text(self, name: str, longest: int = 100) -> str | None:
        """Words, made fit to show, or None."""
        value = self.maybe_raw(name)
        return None if value is None else words.clean(value, longest=longest)

    def url(self, name: str) -> str:
        """Any string: who uses it checks it."""
        value = self.maybe_raw(name)
        if not value:
            raise self._wrong(name)
        return value

    def maybe_raw(self, name: str) -> str | None:
        """Any string, or None."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def whole(self, name: str, least: int, most: int) -> int:
        """A whole number within bounds."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self._wrong(name)
        return value

    def maybe_whole(self, name: str, least: int, most: int) -> int | None:
        """A whole number within bounds; None where there is none.

        Raises:
            Ambiguous: there is one, and it makes no sense.
        """
        return None if self.values.get(name) is None else self.whole(name, least, most)

    def maybe_number(self, name: str) -> float | None:
        """A finite number, or None."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def maybe_time(self, name: str) -> float | None:
        """Seconds since the epoch, from RFC 3339 or a number of seconds or milliseconds; None for anything else."""
        value = self.values.get(name)
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value)
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            except (ValueError, OverflowError):
                return None
        number = self.maybe_number(name)
        return number / 1000 if number is not None and number > 1e11 else number

    def inner(self, name: str) -> Fields:
        """An object within; an empty one where there is none."""
        value = self.values.get(name)
        return Fields(value if isinstance(value, dict) else {}, self._status)

    def rows(self, name: str) -> list[Fields]:
        """A list of objects."""
        value = self.values.get(name)
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise self._wrong(name)
        return [Fields(row, self._status) for row in value]


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
        case 404 if said.says("TRANSCRIPT_UNAVAILABLE"):
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


def judge_edge(answer: Answer) -> ApiError | None:
    """The meaning of an answer of the upload host."""
    said = _common(answer)
    if said is None or isinstance(said, ApiError):
        return said
    return (SessionLost if answer.status in _EDGE_LOST else Rejected)(**said.facts)


def judge_put(answer: Answer) -> ApiError | None:
    """The meaning of storage's answer to an upload."""
    said = _common(answer)
    if said is None and _is_page(answer):
        return Ambiguous("a web page answered in place of the storage", status=answer.status)
    if said is None or isinstance(said, ApiError):
        return said
    return (SessionLost if answer.status in _PUT_LOST else Rejected)(**said.facts)


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
        value = _json(body)
        fields = Fields(value if isinstance(value, dict) else {}, answer.status)
        error = fields.inner("error")
        self.fields = Fields({**fields.values, **fields.inner("details").values, **error.values}, answer.status)
        plain = fields.values.get("error")
        self.code = (
            words.code(error.values.get("code")) or words.code(fields.values.get("code"))
            or words.code(plain) or words.code(_tagged(body, "Code"))
        )
        told = (error.values.get("message"), plain, fields.values.get("message"), fields.values.get("detail"))
        message = next((text for text in told if isinstance(text, str) and text.strip()), None)
        if message is None and not isinstance(value, dict):
            message = _tagged(body, "Message") or _tagged(body, "title") or _plain(body)
        self.facts: Any = {
            "message": words.clean(message or "") or self.code or "no reason given",
            "status": answer.status,
            "code": self.code,
            "retry_after": answer.retry_after(),
        }

    def says(self, code: str) -> bool:
        return code.lower() in (self.code or "").lower() or code.lower() in self.facts["message"].lower()


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


def _json(body: bytes) -> Any:
    """The value, or None where it is no JSON in UTF-8 with plain numbers."""
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        return None


def _is_page(answer: Answer) -> bool:
    return "html" in answer.headers.get("content-type", "").lower()


def _tagged(body: bytes, tag: str) -> str | None:
    """The text of an element of a storage host's XML or a proxy's HTML."""
    found = re.search(rb"<" + tag.encode() + rb"(?:\s[^>]*)?>([^<]{1,2000})</", body[:65_536], re.IGNORECASE)
    return found[1].decode("utf-8", "replace") if found else None


def _plain(body: bytes) -> str | None:
    text = body[:2000].decode("utf-8", "replace")
    return None if text.lstrip().startswith(("<", "{", "[")) else text


def http_date(text: str) -> float | None:
    """Seconds since the epoch, from a header's date; None where it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
