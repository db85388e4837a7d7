"""The API's calls about projects and what is uploaded into them."""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

from starlette.responses import Response

from diffio_watch.sandbox import links
from diffio_watch.sandbox.answers import Refusal, json_answer
from diffio_watch.sandbox.call import Call
from diffio_watch.sandbox.state import Project, stamp

BUCKET: Final = "sandbox-uploads"
TOKEN_PREFIX: Final = "upt_sandbox_"  # noqa: S105 - how a leaked one is recognised


def owned(call: Call) -> Project:
    """The project that the body names, if the call's key owns it.

    Raises:
        Refusal: 404 unknown, 403 another key's.
    """
    project = call.state.projects.get(call.text("apiProjectId"))
    if project is None:
        raise Refusal(404, "Project not found.")
    if project.key != call.key:
        raise Refusal(403, "This API key does not own the project.")
    return project


def safe(name: str) -> str:
    """A file name as a part of a URL's path, which `..`, `?` and the like can't be."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")[-100:] or "file"


def _length(call: Call) -> int | None:
    length = call.body.get("contentLength")
    if length is None:
        return None
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise Refusal(400, "contentLength must be a number of bytes.")
    return length


def _file_name(call: Call) -> str:
    name = call.text("fileName")
    if "/" in name:
        call.violation("fileName is a path")
    if name != (clean := name.encode("utf-8", "replace").decode()):
        call.violation("fileName is not valid Unicode")
    return clean


def create(call: Call) -> Response:
    """A new project, and how to upload into it: a signed PUT or a multipart session."""
    call.known_fields("fileName", "contentType", "contentLength", "fileFormat", "params")
    state, settings = call.state, call.settings
    params = call.mapping("params")
    if isinstance(label := call.body.get("fileFormat"), str):
        params = {"fileFormat": label, **params}
    content_type = call.body.get("contentType") or "application/octet-stream"
    if not isinstance(content_type, str):
        raise Refusal(400, "contentType must be a string.")
    now = state.now()
    identity = f"proj_{secrets.token_hex(10)}"
    name = _file_name(call)
    project = Project(
        id=identity, key=call.key, file_name=name, content_type=content_type,
        content_length=_length(call), params=params, form=settings.upload,
        object_path=f"uploads/{identity}/{safe(name)}",
        expires_at=now + (-1 if "expired" in call.flags else settings.upload_lifetime),
        created_at=now, updated_at=now,
    )  # fmt: skip
    state.projects[identity] = project
    answer: dict[str, Any] = {"apiProjectId": identity, "objectPath": project.object_path}
    answer["expiresAt"] = stamp(project.expires_at)
    if settings.upload == "put":
        path = f"/{BUCKET}/{project.object_path}"
        url = links.sign(state, "PUT", path, expires_at=project.expires_at, content_type=content_type)
        state.objects[links.path_of(url)] = project
        return json_answer({**answer, "uploadUrl": url, "uploadMethod": "PUT", "bucket": BUCKET})
    project.token = TOKEN_PREFIX + secrets.token_hex(24)
    state.tokens[project.token] = project
    return json_answer({**answer, "upload": {
        "uploadSessionId": f"ups_{secrets.token_hex(10)}",
        "edgeBaseUrl": state.origins["edge"],
        "uploadToken": project.token,
        "objectKey": project.object_path,
        "partSizeBytes": settings.part_bytes,
        "maxBytes": settings.max_bytes,
        "expiresAt": stamp(project.expires_at),
    }})  # fmt: skip


def complete_upload(call: Call) -> Response:
    """Confirm a multipart upload; idempotent."""
    call.known_fields("apiProjectId")
    project = owned(call)
    if project.form == "put":
        call.violation("a project with a signed PUT has no upload to confirm")
        raise Refusal(404, "Unknown endpoint complete_project_upload.")
    if project.blob is None:
        # who had no clear answer from the edge may ask here
        if not any(seen.call == "complete" and seen.project_id == project.id for seen in call.state.seen):
            call.violation("before the edge's complete")
        raise Refusal(409, "The upload is not complete.")
    project.ready = True
    project.updated_at = call.state.now()
    return json_answer({"apiProjectId": project.id, "status": "uploaded", "sizeBytes": project.blob.size})


def listing(call: Call) -> Response:
    """All projects of this key, oldest first."""
    call.known_fields()
    return json_answer({"projects": [
        {
            "apiProjectId": project.id,
            "status": "uploaded" if project.ready else "uploading",
            "originalFileName": project.file_name,
            "contentType": project.content_type,
            "hasVideo": project.has_video,
            "generationCount": len(project.generations),
            "createdAt": stamp(project.created_at),
            "updatedAt": stamp(project.updated_at),
        }
        for project in call.state.projects.values() if project.key == call.key
    ]})  # fmt: skip
