"""Both ways to upload a file, as the answer of create_project says: one signed PUT, or parts at an edge host."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

from diffio_watch.api import urls
from diffio_watch.api.answers import Answer
from diffio_watch.api.errors import SessionLost
from diffio_watch.api.fields import Fields, json_of
from diffio_watch.api.shapes import Session, SignedPut, part_size
from diffio_watch.api.streams import Body
from diffio_watch.api.verdicts import judge_upload
from diffio_watch.api.wire import Request, Wire


class Uploads:
    """Sends files. The key is unknown here; an edge host gets the session's token and nothing else."""

    def __init__(self, wire: Wire, *, loopback: bool) -> None:
        self._wire = wire
        self._loopback = loopback

    def put(self, to: SignedPut, body: Body) -> None:
        """Send a whole file to its signed URL; every try starts it over."""
        self._wire.ask(Request(
            "put", "upload", to.method, urls.safe(to.url, loopback=self._loopback), judge_upload,
            {"Content-Type": to.content_type}, body, (to.url,),
        ), Answer.taken)

    def start(self, session: Session) -> tuple[str, int]:
        """Begin an upload in parts; its id, and the size of every part but the last in bytes."""
        def read(fields: Fields) -> tuple[str, int]:
            return fields.id("uploadId"), part_size(fields, session.part_size)

        return self._wire.ask(self._post(session, "start", {}), lambda answer: read(answer.fields()))

    def send_part(self, session: Session, upload_id: str, number: int, body: Body) -> str:
        """Send one part, counted from 1; its ETag."""
        request = self._request(
            session, "send_part", "PUT", f"parts/{number}?uploadId={quote(upload_id, safe='')}",
            "application/octet-stream", body,
        )
        return self._wire.ask(request, _tag)

    def complete(self, session: Session, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Put the parts together: their numbers and ETags, in order."""
        rows = [{"partNumber": number, "etag": etag} for number, etag in parts]
        self._wire.ask(self._post(session, "complete", {"uploadId": upload_id, "parts": rows}), Answer.taken)

    def abort(self, session: Session, upload_id: str) -> None:
        """Give a partial upload up; that it is gone already is fine."""
        try:
            self._wire.ask(self._post(session, "abort", {"uploadId": upload_id}), Answer.taken)
        except SessionLost:
            return

    def _post(self, session: Session, action: str, body: dict[str, object]) -> Request:
        return self._request(session, action, "POST", action, "application/json", json.dumps(body).encode())

    def _request(
        self, session: Session, call: str, method: str, path: str, content_type: str, body: bytes | Body
    ) -> Request:
        target = urls.safe(session.edge, loopback=self._loopback).below(f"v1/uploads/{path}")
        headers = {"Authorization": f"Bearer {session.token}", "Content-Type": content_type}
        return Request(call, "upload", method, target, judge_upload, headers, body, (session.token,))


def _tag(answer: Answer) -> str:
    """A part's ETag: in the JSON, or as object stores have it, in the header of an answer without a body."""
    body = answer.body()
    value = json_of(body) if body.strip() else {"etag": answer.headers.get("etag")}
    return Fields(value if isinstance(value, dict) else {}, answer.status).tag("etag")
