"""The edge: multipart uploads under /v1/uploads/, with the upload token and never the key."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any

from starlette.responses import Response

from diffio_watch.sandbox.answers import Refusal, json_answer, receive_file
from diffio_watch.sandbox.call import Call
from diffio_watch.sandbox.state import Blob, Project, Upload

PART = re.compile(r"parts/([1-9][0-9]{0,4})", re.ASCII)


def session(call: Call) -> Project:
    """The project whose upload token the call carries.

    Raises:
        Refusal: 401, none, an unknown or an expired one.
    """
    if call.project is None:
        raise Refusal(401, "The upload token is missing or not valid.", "invalid_token")
    if "expired" in call.flags or call.project.expires_at <= call.state.now():
        raise Refusal(401, "The upload session has expired.", "session_expired")
    return call.project


def _upload(call: Call, upload_id: Any) -> Upload:
    upload = session(call).uploads.get(upload_id) if isinstance(upload_id, str) else None
    if upload is None:
        raise Refusal(404, "Unknown uploadId.", "upload_not_found")
    return upload


def _open(call: Call, upload_id: Any) -> Upload:
    upload = _upload(call, upload_id)
    if upload.completed:
        raise Refusal(404, "The upload is complete already.", "upload_not_found")
    return upload


def _part_bytes(call: Call) -> int:
    return call.settings.start_part_bytes or call.settings.part_bytes


def start(call: Call) -> Response:
    """Begin a multipart upload; a second one beside the first is legal, as after a crash."""
    call.known_fields()
    project = session(call)
    if project.ready:
        raise Refusal(410, "The upload is confirmed and its session closed.", "session_closed")
    upload = Upload(f"upl_{secrets.token_hex(10)}")
    project.uploads[upload.id] = upload
    return json_answer({"uploadId": upload.id, "partSizeBytes": _part_bytes(call)})


def _check_size(call: Call, project: Project, number: int, size: int) -> None:
    """Hold a part to the plan: every part but the last has the part size, the last has the rest.

    Raises:
        Refusal: 413 over the project's limit, 400 another size.
    """
    part, whole = _part_bytes(call), project.content_length
    if (number - 1) * part + size > call.settings.max_bytes:
        call.violation(f"part {number} goes over maxBytes")
        raise Refusal(413, "The file is larger than maxBytes.", "too_large")
    right = size <= part
    if whole is not None:
        last = max(1, -(-whole // part))
        right = size == part if number < last else number == last and size == whole - (last - 1) * part
    if not right:
        call.violation(f"part {number} has {size} bytes; the parts have {part}, the file has {whole}")
        raise Refusal(400, f"Part {number} has the wrong size.", "invalid_part")


async def part(call: Call) -> Response:
    """Take one part in; the same number again replaces it."""
    request, project = call.request, session(call)
    match = PART.fullmatch(call.endpoint)
    number = int(match[1]) if match else 0
    upload_id = request.query_params.get("uploadId")
    _open(call, upload_id)
    if request.headers.get("content-type") != "application/octet-stream":
        call.violation(f"part {number} is sent as {request.headers.get('content-type')}")
    length = request.headers.get("content-length")
    if length is None:
        call.violation(f"part {number} has no Content-Length")
        raise Refusal(411, "A part needs a Content-Length.", "length_required")
    _check_size(call, project, number, int(length))
    path = call.state.folder / f"{upload_id}.{number}.{secrets.token_hex(4)}"
    size, etag = await receive_file(request, path, _part_bytes(call))
    try:
        upload = _open(call, upload_id)  # it may have ended meanwhile
    except Refusal:
        path.unlink()
        raise
    replaced = upload.parts.get(number)
    upload.parts[number] = (path, size, etag)
    if replaced is not None:
        replaced[0].unlink()
    project.parts[number] += 1
    call.state.bytes_in += size
    return json_answer({"etag": f'"{etag}"'})


def complete(call: Call) -> Response:
    """Make one object of the parts."""
    call.known_fields("uploadId", "parts")
    project = session(call)
    upload = _upload(call, call.body.get("uploadId"))
    answer = {"objectKey": project.object_path, "status": "complete"}
    if upload.completed:
        if not call.settings.complete_again:
            raise Refusal(404, "The upload is complete already.", "upload_not_found")
        return json_answer(answer)
    stored = sorted(upload.parts.items())
    expected = [{"partNumber": number, "etag": f'"{etag}"'} for number, (_, _, etag) in stored]
    if not stored or call.body.get("parts") != expected or stored[-1][0] != len(stored):
        call.violation("parts that are not the stored ones in order")
        raise Refusal(400, "The parts are not the stored ones in order.", "invalid_part")
    sizes = [size for _, (_, size, _) in stored]
    if any(size != _part_bytes(call) for size in sizes[:-1]):
        call.violation("a part before the last has the wrong size")
        raise Refusal(400, "A part before the last has the wrong size.", "invalid_part")
    if project.content_length not in (None, sum(sizes)):
        call.violation(f"{sum(sizes)} bytes, where contentLength was {project.content_length}")
    digest = hashlib.md5("".join(etag for _, (_, _, etag) in stored).encode(), usedforsecurity=False)
    files = tuple((path, size) for _, (path, size, _) in stored)
    project.blob = Blob(files, f"{digest.hexdigest()}-{len(files)}")
    project.updated_at = call.state.now()
    upload.completed = True
    return json_answer(answer)


def abort(call: Call) -> Response:
    """Drop an upload and its parts."""
    call.known_fields("uploadId")
    upload = _upload(call, call.body.get("uploadId"))
    if upload.completed:
        call.violation("an upload that is complete")
    _open(call, upload.id)
    del session(call).uploads[upload.id]
    for path, _, _ in upload.parts.values():
        path.unlink()
    return json_answer({"status": "aborted"})
