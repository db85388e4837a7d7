"""An HTTP answer, read with bounds. Its headers are hints; what counts is its bytes."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from typing import Final

from diffio_watch.api import unpack
from diffio_watch.api.errors import Ambiguous
from diffio_watch.api.fields import Fields, http_date, json_of
from diffio_watch.api.streams import Piece

LIMIT: Final = 1 << 20  # bytes of a JSON answer about one thing
LIST_LIMIT: Final = 32 << 20  # … and of a list: a project takes some 300 bytes
LONGEST_PAUSE: Final = 3600.0  # seconds of Retry-After that are believed
_SLOWEST: Final = 1 << 16  # bytes a second that a long answer has to bring, once its patience is used up
_PAGE: Final = (b"<!doctype html", b"<html")
_SNIFFED: Final = 512  # bytes


class Answer:
    """The status and headers of an answer, and its body as it comes in."""

    def __init__(
        self, status: int, headers: Mapping[str, str], chunks: Iterator[Piece], *, patience: float = math.inf
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

    def body(self, limit: int = LIMIT) -> bytes:
        """The whole body, unpacked if it came packed.

        Raises:
            Ambiguous: it broke off, trickles in, is in an unknown encoding, or is absurdly large.
        """
        parts: list[bytes] = []
        size = 0
        started = time.monotonic()
        try:
            chunks, _ = unpack.plain(self.chunks, self.headers.get("content-encoding", ""), sniff=True)
        except unpack.Foreign:
            raise Ambiguous("the answer is compressed, which was not asked for", status=self.status) from None
        for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise Ambiguous(f"the answer is longer than {limit} bytes", status=self.status)
            if time.monotonic() - started > self._patience + size / _SLOWEST:
                raise Ambiguous(f"the answer was not whole after {self._patience:g} s", status=self.status)
            parts.append(bytes(chunk))
        return b"".join(parts)

    def fields(self, limit: int = LIMIT) -> Fields:
        """The JSON object that the body is.

        Raises:
            Ambiguous: it is none.
        """
        value = json_of(self.body(limit))
        if not isinstance(value, dict):
            raise Ambiguous("the answer is no JSON object", status=self.status)
        return Fields(value, self.status)

    def taken(self) -> None:
        """Nothing is needed of the body, so it may be anything: but a web page is a proxy's word, not the host's.

        Raises:
            Ambiguous: it is a page, or it broke off.
        """
        start = b""
        try:
            chunks, _ = unpack.plain(self.chunks, self.headers.get("content-encoding", ""), sniff=True)
        except unpack.Foreign:
            return
        for chunk in chunks:
            start += chunk[:_SNIFFED]
            if len(start) >= _SNIFFED:
                break
        if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:14].lower().startswith(_PAGE):
            raise Ambiguous("a web page answered in place of the host", status=self.status)

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
