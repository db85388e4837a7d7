"""The JSON of an answer, checked field by field: strict where money or content depends on it, lenient with the rest.

An id is an opaque text; a number may come as text; null is empty; what is only a hint and makes no sense is absent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from diffio_watch.api import sanitize
from diffio_watch.api.errors import Ambiguous

T = TypeVar("T")

_YEAR_10000: Final = 253_402_300_800.0  # where `datetime` ends
_LONGEST_ID: Final = 1024  # characters
_SECRET = re.compile(r"[!-~]{1,16384}")  # what fits into a header, and is as long as servers take one
_TAG = re.compile(r"[ -~]{1,512}")
# how services say that a list goes on elsewhere; this one does not yet (documentation, official SDK 0.3)
_GOES_ON: Final = ("nextPageToken", "nextCursor", "nextToken", "hasMore", "hasNextPage", "isTruncated", "truncated")
_DIGITS: Final = 300  # of a whole number; more are no number anybody means
_WHOLE = re.compile(r"\s*([0-9]{1,20})(?:\.0*)?\s*")
_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,300}(?:\.[0-9]{0,300})?(?:[eE][+-]?[0-9]{1,3})?\s*")


class Fields:
    """A JSON object whose fields are checked as they are taken."""

    def __init__(self, values: dict[str, Any], status: int | None = None) -> None:
        self.values = values
        self._status = status

    def _wrong(self, name: str) -> Ambiguous:
        return Ambiguous(f"the answer has no usable {name}", status=self._status)

    def has(self, name: str) -> bool:
        """Whether there is something else than null."""
        return self.values.get(name) is not None

    def id(self, name: str) -> str:
        """An id: any text that can be shown, of at most 1024 characters, or a whole number.

        Raises:
            Ambiguous: it is missing or something else; so in every method here that is not a `maybe`.
        """
        value = self.values.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_ID or not value.strip():
            raise self._wrong(name)
        if not value.isprintable() or "\ufffd" in value:  # a broken byte stood there: it is not what was sent
            raise self._wrong(name)
        return value

    def same_id(self, name: str, asked: str) -> str:
        """The id that was asked about; another one means that the answer is not to this call."""
        if self.id(name) != asked:
            raise Ambiguous(f"the answer is about another {name}", status=self._status)
        return asked

    def secret(self, name: str) -> str:
        """What goes into a header as it is, such as a token."""
        value = self.values.get(name)
        if not isinstance(value, str) or not _SECRET.fullmatch(value):
            raise self._wrong(name)
        return value

    def tag(self, name: str) -> str:
        """Something to hand back unread, such as an ETag with its quotes."""
        value = self.values.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
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
        return None if value is None else sanitize.clean(value, longest=longest)

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

    def flag(self, name: str) -> bool:
        """Whether it is said to be so; what is no clear yes is none."""
        value = self.values.get(name)
        return value == 1 or (isinstance(value, str) and value.strip().lower() in {"true", "1"})

    def whole(self, name: str, least: int, most: int) -> int:
        """A whole number within bounds, be it a number or text."""
        value = self.maybe_whole(name, least, most)
        if value is None:
            raise self._wrong(name)
        return value

    def maybe_whole(self, name: str, least: int, most: int) -> int | None:
        """A whole number within bounds, be it a number or text; None for anything else."""
        value = self.values.get(name)
        if isinstance(value, str):
            found = _WHOLE.fullmatch(value)
            value = int(found[1]) if found else None
        elif isinstance(value, float):
            value = int(value) if value.is_integer() else None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            return None
        return value

    def maybe_number(self, name: str) -> float | None:
        """A finite number, be it a number or text; None for anything else."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def maybe_time(self, name: str) -> float | None:
        """Seconds since the epoch, from RFC 3339, an HTTP date, or a number of seconds or milliseconds, else None."""
        value = self.values.get(name)
        number = self.maybe_number(name)
        if number is not None:
            number = number / 1000 if number > 1e11 else number
        elif isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value.strip())
                number = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            except (ValueError, OverflowError):
                number = http_date(value)
        return number if number is not None and 0 <= number < _YEAR_10000 else None

    def inner(self, name: str) -> Fields:
        """An object within; an empty one where there is none."""
        value = self.values.get(name)
        return Fields(value if isinstance(value, dict) else {}, self._status)

    def rows(self, name: str, read: Callable[[Fields], T], *, every: bool = False) -> list[T]:
        """What `read` makes of each object in a list; null and a missing list are empty.

        Args:
            name: of the list.
            read: raises `Ambiguous` for a row that is of no use.
            every: money depends on it: none may be missing. Else a bad row costs itself.

        Raises:
            Ambiguous: it is something else; with `every`, also where it is missing, goes on elsewhere or has a bad row.
        """
        if every and any(self.values.get(one) for one in _GOES_ON):
            raise Ambiguous(f"the answer has only a part of its {name}", status=self._status)
        value = self.values.get(name)
        if value is None and (name in self.values or not every):
            return []
        if not isinstance(value, list):
            raise self._wrong(name)
        return list(self._read(value, read, every=every, name=name))

    def _read(self, rows: list[Any], read: Callable[[Fields], T], *, every: bool, name: str) -> Iterable[T]:
        for row in rows:
            try:
                if not isinstance(row, dict):
                    raise self._wrong(name)
                yield read(Fields(row, self._status))
            except Ambiguous:
                if every:
                    raise


def json_of(body: bytes) -> Any:
    """The value, or None where it is no JSON.

    A byte order mark, UTF-16 and bytes that are no text are no hindrance; NaN, infinities and numbers of hundreds of
    digits are null.
    """
    def whole(digits: str) -> int | None:
        return int(digits) if len(digits) <= _DIGITS else None

    try:
        return json.loads(body.decode(json.detect_encoding(body), "replace"), parse_constant=lambda _: None,
                          parse_int=whole)
    except (ValueError, RecursionError):
        return None


def http_date(text: str) -> float | None:
    """Seconds since the epoch, from a header's date; None where it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
