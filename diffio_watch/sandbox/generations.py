"""The API's calls about generations: the paid one, waiting, and the links to what came of it."""

from __future__ import annotations

import json
import secrets
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from starlette.responses import Response

from diffio_watch.sandbox import filtered, links, progress
from diffio_watch.sandbox.answers import SANDBOX, Refusal, json_answer
from diffio_watch.sandbox.call import Call
from diffio_watch.sandbox.models import model_of
from diffio_watch.sandbox.projects import BUCKET, owned, safe
from diffio_watch.sandbox.state import Blob, Generation, State, stamp

WORDS = tuple(SANDBOX.split())
SPEND_LIMIT = {"currency": "usd", "spendLimitUsd": 100, "estimatedCostUsd": 1.5, "usedUsd": 99.5, "pendingUsd": 0}


def _idempotency_key(call: Call) -> str | None:
    value = call.body.get("idempotencyKey")
    if value is None:
        call.violation("without an idempotencyKey")
        return None
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= 255:
        raise Refusal(400, "idempotencyKey must have 1 to 255 characters.")
    return value.strip()


def _payment(call: Call) -> None:
    settings = call.settings
    match settings.key_states.get(call.key, settings.account):
        case "billing":
            raise Refusal(402, "A payment failed. Settle the account's billing.", "paymentFailed")
        case "spend_limit":
            month = {"periodStart": stamp(call.state.now() - 86400), "periodEnd": settings.period_end}
            raise Refusal(402, "The spend limit is reached.", "spendLimitExceeded", **SPEND_LIMIT, **month)


def generate(call: Call) -> Response:
    """Start a generation, which is charged; or answer the one of this idempotency key again, which is not."""
    call.known_fields("apiProjectId", "sampling", "params", "idempotencyKey")
    state, settings = call.state, call.settings
    model = model_of(call.endpoint, settings)
    project = owned(call)
    key = _idempotency_key(call)
    request = {"sampling": call.mapping("sampling"), "params": call.mapping("params")}
    for earlier in project.generations if key else ():
        if earlier.idempotency_key != key:
            continue
        if earlier.model != model:
            call.violation("an idempotencyKey again with another model")
            raise Refusal(409, "This idempotencyKey was used with another model.", "idempotencyKeyConflict")
        if earlier.request != request:
            call.violation("an idempotencyKey again with another body")
        return json_answer({**_summary(earlier, state.now()), "idempotentReplay": True})
    if not project.ready:
        call.violation("before the project's upload is complete")
        raise Refusal(409, "The project's upload is not complete.")
    _payment(call)
    error = next(
        (text for pattern, text in settings.failing.items() if fnmatchcase(project.file_name, pattern)), None
    )
    generation = Generation(
        id=f"gen_{secrets.token_hex(10)}", project=project, model=model, idempotency_key=key,
        started_at=state.now(), seconds=settings.seconds, error=error, request=request,
    )  # fmt: skip
    state.generations[generation.id] = generation
    project.generations.append(generation)
    project.charges += 1
    project.updated_at = state.now()
    return json_answer(_summary(generation, state.now()))


def _summary(generation: Generation, now: float) -> dict[str, Any]:
    return {
        "generationId": generation.id,
        "apiProjectId": generation.project.id,
        "modelKey": generation.model,
        "status": generation.status(now),
    }


def _generation(call: Call) -> Generation:
    """The generation that the body names, if the key owns its project and it is the named one.

    Raises:
        Refusal: 400, 403 or 404.
    """
    generation = call.state.generations.get(call.text("generationId"))
    if generation is None:
        raise Refusal(404, "Generation not found.")
    if generation.project.key != call.key:
        raise Refusal(403, "This API key does not own the generation.")
    if call.body.get("apiProjectId", generation.project.id) != generation.project.id:
        call.violation("a generation of another project")
        raise Refusal(404, "Generation not found.")
    return generation


def poll(call: Call) -> Response:
    """How far a generation is."""
    call.known_fields("generationId", "apiProjectId")
    generation = _generation(call)
    generation.polls += 1
    return json_answer(progress.report(generation, call.state.now(), call.settings.transcript))


def listing(call: Call) -> Response:
    """All generations of a project, oldest first."""
    call.known_fields("apiProjectId")
    project, now = owned(call), call.state.now()
    return json_answer({"apiProjectId": project.id, "generations": [
        {
            "generationId": each.id,
            "status": each.status(now),
            "modelKey": each.model,
            "progress": progress.overall(each, now),
            "createdAt": stamp(each.started_at),
            "updatedAt": stamp(min(now, each.started_at + each.seconds)),
        }
        for each in project.generations
    ]})  # fmt: skip


def _ready(call: Call, generation: Generation, kind: str) -> None:
    """Hold a wanted output to what exists by now.

    Raises:
        Refusal: 400 there can't be one, 404 there is none, 409 not yet.
    """
    now, settings = call.state.now(), call.settings
    if kind == "video" and not generation.project.has_video:
        raise Refusal(400, "This project has no video.")
    if kind == "transcript":
        status = progress.transcription(generation.fraction(now), settings.transcript)
        told = {"transcription": {"status": status}}
        if status == "pending":
            raise Refusal(409, "The transcript is not ready yet.", "TRANSCRIPT_PENDING", **told)
        if status == "unavailable":
            raise Refusal(404, "There is no transcript.", "TRANSCRIPT_UNAVAILABLE", **told)
        return
    match generation.status(now):
        case "failed":
            raise Refusal(404, "The generation failed; there is no restored file.")
        case "complete":
            generation.link_calls[kind] += 1
            if generation.link_calls[kind] <= settings.lag:
                raise Refusal(settings.lag_status, "The restored file is not ready yet.")
        case _:
            raise Refusal(409, "The generation is not complete.")


def link(call: Call) -> Response:
    """A signed URL of one output."""
    call.known_fields("generationId", "apiProjectId", "downloadType")
    call.text("apiProjectId")
    generation = _generation(call)
    project = generation.project
    kind = "video" if project.has_video else "audio"
    if call.body.get("downloadType") is not None:
        kind = call.choice("downloadType", ("audio", "mp3", "video", "transcript")).replace("mp3", "audio")
    _ready(call, generation, kind)
    name = PurePosixPath(project.file_name)
    suffix = ".wav" if _filtered(call.state, generation, kind) is not None else name.suffix
    file_name = f"{name.stem}.transcript.json" if kind == "transcript" else f"{name.stem}.restored{suffix}"
    path = f"restored/{generation.id}/{kind}/{safe(file_name)}"
    lifetime = -1 if "expired" in call.flags else call.settings.link_lifetime
    url = links.sign(call.state, "GET", f"/{BUCKET}/{path}", expires_at=call.state.now() + lifetime)
    answer = {
        "generationId": generation.id,
        "apiProjectId": project.id,
        "downloadType": kind,
        "downloadUrl": url,
        "fileName": file_name,
        "storagePath": path,
        "mimeType": mime_type(call.state, generation, kind),
    }
    if project.form == "put":
        answer["bucket"] = BUCKET
    return json_answer(answer)


def mime_type(state: State, generation: Generation, kind: str) -> str:
    """What an output truly is: the medium as it was given, whichever output was asked for, or its filtered sound."""
    true = "application/json" if kind == "transcript" else generation.project.content_type
    if _filtered(state, generation, kind) is not None:
        true = filtered.MIME_TYPE
    return state.settings.mime_types.get(kind, true)


def output(state: State, generation: Generation, kind: str) -> Blob:
    """The bytes of an output: the project's own, or a transcript that says where it is from."""
    if kind != "transcript":
        blob = generation.project.blob
        assert blob is not None  # a generation starts only after its upload
        heard = _filtered(state, generation, kind)
        if heard is not None:
            return heard
        return _restored(state, generation, blob) if state.settings.restores else blob
    path = state.folder / f"{generation.id}.transcript.json"
    words = [{"word": word, "start": at / 2, "end": at / 2 + 0.4} for at, word in enumerate(WORDS)]
    content = json.dumps({"text": SANDBOX, "words": words}).encode()
    path.write_bytes(content)
    return Blob(((path, len(content)),), etag=f"transcript-{generation.id}")


def _filtered(state: State, generation: Generation, kind: str) -> Blob | None:
    """The sound through a filter, where that is wanted and can be had; made once."""
    blob = generation.project.blob
    if kind != "audio" or blob is None or not state.settings.filters or not filtered.possible():
        return None
    if generation.silent:
        return None
    found = filtered.filtered(blob, state.folder / f"filtered-{generation.id}.wav")
    generation.silent = found is None
    return found


def _restored(state: State, generation: Generation, blob: Blob) -> Blob:
    """Another content than the blob's, though no other sound."""
    path = state.folder / f"{generation.id}.more"
    path.write_bytes(f"restored by {generation.id}".encode())
    return Blob((*blob.files, (path, path.stat().st_size)), etag=f"restored-{generation.id}")
