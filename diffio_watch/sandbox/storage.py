"""The storage host: signed PUTs in, signed GETs out, with ranges, and no credentials at all."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from diffio_watch.sandbox import links
from diffio_watch.sandbox.answers import SANDBOX, Refusal, receive_file
from diffio_watch.sandbox.call import Call
from diffio_watch.sandbox.generations import mime_type, output
from diffio_watch.sandbox.projects import BUCKET
from diffio_watch.sandbox.settings import MIB
from diffio_watch.sandbox.state import Blob, Generation

RANGE: Final = re.compile(r"bytes=(?:([0-9]+)-([0-9]*)|-([0-9]+))", re.ASCII)


def _check(call: Call, content_type: str = "") -> None:
    scope = call.request.scope
    raw_path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    links.check(call.state, call.request.method, raw_path, query, content_type=content_type)
    if "expired" in call.flags:
        raise Refusal(403, "The provided URL has expired.", "ExpiredToken")


async def put(call: Call) -> Response:
    """Take a whole file in, as the content type it was announced as."""
    request, project = call.request, call.project
    if project is None:
        raise Refusal(404, "No such object.", "NoSuchKey")
    content_type = request.headers.get("content-type", "")
    if content_type != project.content_type:
        call.violation(f"sent as {content_type!r}, announced as {project.content_type!r}")
    _check(call, content_type)
    length = request.headers.get("content-length")
    if length is None:
        call.violation("no Content-Length")
        raise Refusal(411, "A Content-Length is needed.", "MissingContentLength")
    if project.generations:
        call.violation("over the medium of a project that has a generation")
    if project.content_length not in (None, int(length)):
        call.violation(f"{length} bytes, where contentLength was {project.content_length}")
    path = call.state.folder / f"{project.id}.{secrets.token_hex(4)}"
    size, etag = await receive_file(request, path, call.settings.max_bytes)
    replaced, project.blob = project.blob, Blob(((path, size),), etag)
    if replaced is not None and not project.generations:
        replaced.files[0][0].unlink()
    project.ready = True
    project.updated_at = call.state.now()
    project.parts[1] += 1
    call.state.bytes_in += size
    # as Google's storage answers: with the type of a page, and no page
    return Response(status_code=200, headers={"ETag": f'"{etag}"', "Content-Type": "text/html; charset=UTF-8"})


def _object(call: Call) -> tuple[Generation, str]:
    words = call.request.scope["path"].split("/", 5)  # /bucket/restored/generation/kind/name
    if len(words) == 6 and words[1:3] == [BUCKET, "restored"] and words[3] in call.state.generations:
        return call.state.generations[words[3]], words[4]
    raise Refusal(404, "No such object.", "NoSuchKey")


def _span(header: str, size: int) -> tuple[int, int] | None:
    """First byte and end of a Range header's one range; None for the whole (RFC 9110, 14.2).

    Raises:
        Refusal: 416, nothing of it is there.
    """
    match = RANGE.fullmatch(header)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        span = max(0, size - int(suffix)), size
    else:
        span = int(first), min(size, int(last) + 1 if last else size)
    if last and int(last) < int(first):
        return None
    if span[0] >= size or suffix == "0":
        raise Refusal(416, "The range is not there.", "InvalidRange", **{"Content-Range": f"bytes */{size}"})
    return span


def _swapped(pieces: Iterator[bytes], variant: int) -> Iterator[bytes]:
    """The bytes of another object of the same length."""
    table = bytes((each + variant) % 256 for each in range(256))
    return (piece.translate(table) for piece in pieces)


def download(call: Call) -> Response:
    """Hand an output out, whole or from a range."""
    generation, kind = _object(call)
    _check(call)
    generation.variants[kind] += "swap" in call.flags
    variant = generation.variants[kind]
    blob = output(call.state, generation, kind)
    size, etag = blob.size, f'"{blob.etag}-{variant}"'
    asked = call.request.headers
    span = None
    if asked.get("if-range", etag) == etag and "ignore_range" not in call.flags:
        span = _span(asked.get("range", ""), size)
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": mime_type(call.state, generation, kind),
        "ETag": etag,
        "X-Diffio-Sandbox": SANDBOX,
    }
    status, (first, stop) = (200, (0, size)) if span is None else (206, span)
    if "wrong_range" in call.flags:
        status, first, stop = 206, 0, max(1, size // 2)
    if status == 206:
        headers["Content-Range"] = f"bytes {first}-{stop - 1}/{size}"
    headers["Content-Length"] = str(stop - first)

    if stop - first <= MIB:  # all at once: a stream costs more than so few bytes do
        whole = b"".join(blob.read(first, stop))
        call.state.bytes_out += len(whole)
        return Response(b"".join(_swapped(iter([whole]), variant)) if variant else whole, status, headers)

    async def pieces() -> AsyncIterator[bytes]:
        for piece in _swapped(blob.read(first, stop), variant) if variant else blob.read(first, stop):
            call.state.bytes_out += len(piece)
            yield piece
            await asyncio.sleep(0)  # others get their turn, and a client that left is noticed

    return StreamingResponse(pieces(), status, headers)
