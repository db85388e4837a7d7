"""An HTTP answer, read with bounds, and its JSON, checked field by field."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from diffio_watch.api import words
from diffio_watch.api.errors import Ambiguous

LIMIT: Final = 1 << 20  # bytes of a JSON answer; the largest real one, a list of projects, is far below
LONGEST_PAUSE: Final = 3600.0  # seconds of Retry-After that are believed
_YEAR_10000: Final = 253_402_300_800.0  # where `datetime` ends

_ID = re.compile(r"[!-~]{1,512}")
_TAG = re.compile(r"[ -~]{1,512}")


class Answer:
    """The status and headers of an answer, and its body as it comes in."""

    def __init__(
        self, status: int, headers: Mapping[str, str], chunks: Iterator[bytes], *, patience: float = math.inf
    ) -> None:
        """Take an answer whose body is still to come.

        Args:
            status: the HTTP status.
            headers: by their names in lower case.
            chunks: the body.
            patience: seconds that `body` may take as a whole; those who read `chunks` themselves take their time.
        """
        self.status = status
        self.headers = headers
        self.chunks = chunks
        self._patience = patience

    def body(self) -> bytes:
        """The whole body.

        Raises:
            Ambiguous: it broke off, trickles in, is encoded, or is absurdly large.
        """
        if self.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise Ambiguous("the answer is compressed, which was not asked for", status=self.status)
        parts: list[bytes] = []
        size = 0
        until = time.monotonic() + self._patience
        for chunk in self.chunks:
            size += len(chunk)
            if size > LIMIT:
                raise Ambiguous(f"the answer is longer than {LIMIT} bytes", status=self.status)
            if time.monotonic() > until:
                raise Ambiguous(f"the answer was not whole after {self._patience:g} s", status=self.status)
            parts.append(chunk)
        return b"".join(parts)

    def fields(self) -> Fields:
        """The JSON object that the body is.

        Raises:
            Ambiguous: it is none.
        """
        value = json_of(self.body())
        if not isinstance(value, dict):
            raise Ambiguous("the answer is no JSON object", status=self.status)
        return Fields(value, self.status)

    def done(self) -> None:
        """Nothing is needed of the body, but it has to be one of the service: a JSON object or nothing.

        Raises:
            Ambiguous: it is something else, such as a web page.
        """
        body = self.body()
        if body.strip() and not isinstance(json_of(body), dict):
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
        number = self.maybe_number(name)
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value)
                number = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            except (ValueError, OverflowError):
                return None
        elif number is not None and number > 1e11:
            number /= 1000
        return number if number is not None and 0 <= number < _YEAR_10000 else None

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


def json_of(body: bytes) -> Any:
    """The value, or None where it is no JSON in UTF-8 with plain numbers."""
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        return None


def http_date(text: str) -> float | None:
    """Seconds since the epoch, from a header's date; None where it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
