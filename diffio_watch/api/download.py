"""Fetches a result: whole, the right one, or not at all.

A connection that breaks is gone on from by a range, and only if the object is provably the same one still.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from diffio_watch.api import unpack, urls
from diffio_watch.api.answers import Answer
from diffio_watch.api.errors import Ambiguous, ApiError, BadDownload
from diffio_watch.api.fields import http_date
from diffio_watch.api.retry import PATIENCE
from diffio_watch.api.shapes import DownloadLink
from diffio_watch.api.streams import CHUNK, Piece, Sink
from diffio_watch.api.verdicts import judge_link
from diffio_watch.api.wire import Request, Wire

_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,80}")
_ETAG = re.compile(r'"[!#-~]{0,200}"')
_VALIDATOR = re.compile(r'"[!#-~]{0,200}"|[A-Za-z]{3}, [A-Za-z0-9 :+-]{10,40}')
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<[!?a-zA-Z]")
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*[\[{]")
_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?\s*[\[{]\s*[\"{}\[\]]")
_RESTARTS: Final = 4  # times an object may change under one call
_SNIFFED: Final = 512  # bytes looked at


@dataclass(frozen=True, slots=True)
class Received:
    """A download that came to its end.

    Attributes:
        size: bytes.
        mime_type: the storage's word for it, lower case, without parameters.
        proven: a length, an end mark or a checksum showed that it is whole; else only a closed connection did.
    """

    size: int
    mime_type: str | None
    proven: bool = True

    @property
    def document(self) -> bool:
        """Whether its type is a page's or a document's. Storage says so of media too, so it is a doubt, no proof."""
        kind = self.mime_type or ""
        return "html" in kind or "json" in kind or kind.endswith(("/xml", "+xml"))


class Downloads:
    """Fetches from signed URLs, without any key."""

    def __init__(self, wire: Wire, *, loopback: bool) -> None:
        self._wire = wire
        self._loopback = loopback

    def download(self, link: DownloadLink, sink: Sink) -> Received:
        """Fetch a result into `sink`, going on from what is in it if that is of the same object.

        As long as a try brings the file forward, another one follows.

        Raises:
            LinkExpired: ask for a new link; the sink keeps what it has.
            BadDownload: what comes is not the file, in every try.
            UnsafeUrl: the link must not be used.
        """
        target = urls.safe(link.url, loopback=self._loopback)
        fetch = _Fetch(self._wire, Request("download", "storage", "GET", target, judge_link, secrets=(link.url,)),
                       link, sink)
        while True:
            before = sink.size
            try:
                return self._wire.retrier.run(fetch.once, also=(BadDownload,))
            except ApiError as error:
                if not error.transient or (error.retry_after or 0.0) > PATIENCE or sink.size <= before:
                    raise


class _Fetch:
    """One download, over its tries."""

    def __init__(self, wire: Wire, request: Request, link: DownloadLink, sink: Sink) -> None:
        self._wire = wire
        self._request = request
        self._link = link
        self._sink = sink
        self._restarts = 0
        self._total: int | None = None  # bytes of the object, once an answer told
        self._proven = True

    def once(self) -> Received:
        """One try: the whole file, or the rest of it."""
        sink = self._sink
        headers = {"Accept": "*/*"}
        if sink.size:
            if sink.validator and _VALIDATOR.fullmatch(sink.validator):
                headers |= {"Range": f"bytes={sink.size}-", "If-Range": sink.validator}
            else:
                self._restart()
        with self._wire.open(replace(self._request, headers=headers)) as answer:
            chunks, packed = self._chunks(answer)
            end = self._begin(answer, packed=packed)
            self._move(chunks, end)
            whole = end if self._total is None else self._total
            if whole is not None and sink.size < whole:
                raise Ambiguous(f"the download ended at {sink.size} of {whole} bytes")
            if not sink.size:
                raise BadDownload("the download is empty")
            return Received(sink.size, _media_type(answer), self._proven or self._total is not None)

    def _chunks(self, answer: Answer) -> tuple[Iterator[Piece], bool]:
        try:
            return unpack.plain(answer.chunks, answer.headers.get("content-encoding", ""))
        except unpack.Foreign as error:
            raise BadDownload(f"the download is encoded as {error}, which was not asked for",
                              status=answer.status) from None

    def _begin(self, answer: Answer, *, packed: bool) -> int | None:
        """Make the sink ready for this answer's body; the size it is to have after it, if that is told."""
        sink = self._sink
        match answer.status:
            case 200:
                total = None if packed else _length(answer)  # which is the packed one's
                if sink.size:
                    self._restart()  # the object has changed, or ranges are unknown there
                sink.validator = None if packed else _validator(answer)  # a range of what is packed is of no use
                self._proven = packed or "chunked" in answer.headers.get("transfer-encoding", "").lower()
                self._total = total
                if total is not None:
                    sink.expect(total)
                return total
            case 206 | 416:
                span = _RANGE.fullmatch(answer.headers.get("content-range", "").strip())
                if answer.status == 206 and sink.size and span and not packed:
                    start, last, total = (int(number) for number in span.groups())
                    if (
                        start == sink.size and start <= last < total and self._total in (None, total)
                        and _length(answer) in (None, last + 1 - start)
                        and _validator(answer) in (None, sink.validator)
                    ):
                        self._total = total
                        sink.expect(total)
                        return last + 1
                self._restart()
        raise BadDownload(f"the storage's answer {answer.status} can't be gone on with", status=answer.status)

    def _restart(self) -> None:
        self._restarts += 1
        self._sink.restart()
        self._sink.validator = None
        self._total = None
        if self._restarts > _RESTARTS:
            raise BadDownload("the file changes while it is fetched")

    def _check_start(self, data: Piece) -> None:
        wrong = _PAGE.match(data) or (
            not _JSON.match(data) if self._link.type == "transcript" else _OBJECT.match(data)
        )
        if wrong:
            raise BadDownload(f"what came is no {self._link.type}, going by its first bytes")

    def _move(self, chunks: Iterator[Piece], end: int | None) -> None:
        """Bring the body into the sink in large pieces, and what came before a break too."""
        held = bytearray()
        try:
            for chunk in chunks:
                if not held and len(chunk) >= CHUNK // 2:
                    self._write(chunk, end)
                    continue
                held += chunk
                if len(held) >= CHUNK:
                    self._write(bytes(held), end)
                    held.clear()
        finally:
            self._write(bytes(held), end)

    def _write(self, data: Piece, end: int | None) -> None:
        if not data:
            return
        if end is not None and self._sink.size + len(data) > end:
            self._restart()
            raise BadDownload(f"more than the {end} bytes came that were told")
        if not self._sink.size:
            self._check_start(data[:_SNIFFED])
        self._sink.write(data)


def _media_type(answer: Answer) -> str | None:
    kind = answer.headers.get("content-type", "").split(";")[0].strip().lower()
    return kind if _TYPE.fullmatch(kind) else None


def _length(answer: Answer) -> int | None:
    text = answer.headers.get("content-length", "")
    chunked = "transfer-encoding" in answer.headers  # which wins over the length
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) and not chunked else None


def _validator(answer: Answer) -> str | None:
    """What proves that two answers are of the same bytes: a strong ETag, or a time they have not changed since.

    A Last-Modified less than a second before the answer's Date proves nothing: it may change twice in a second.
    """
    etag = answer.headers.get("etag", "").strip()
    if etag:
        return etag if _ETAG.fullmatch(etag) else None
    modified = answer.headers.get("last-modified", "").strip()
    since, now = http_date(modified), http_date(answer.headers.get("date", ""))
    if since is None or now is None or now - since < 1 or not _VALIDATOR.fullmatch(modified):
        return None
    return modified
