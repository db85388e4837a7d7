"""The sidecar: a job in JSON beside its outputs, for people, scripts and a journal that got lost.

An error file has the same fields. Server words stand in it as strings and mean nothing. Its shape is in `shape.py`.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError

from diffio_watch import __version__, job
from diffio_watch.clock import rfc3339, rfc3339_ns
from diffio_watch.disk import names
from diffio_watch.job import Job
from diffio_watch.outbox.heard import NOTHING, Heard
from diffio_watch.outbox.sidecar_model import Sidecar, Times

SCHEMA: Final = "diffio-watch/sidecar/1"
LARGEST: Final = 1 << 20  # bytes; what is longer was not written by this program
MARK: Final = b'"diffio-watch/sidecar/'  # stands in each that this program wrote, whatever became of the rest


class NotASidecar(ValueError):
    """These bytes are no sidecar or error file of this program."""


def build(of: Job, earlier: Job | None = None, words: tuple[str, str] | None = None,
          heard: Heard = NOTHING) -> dict[str, Any]:
    """A job as the sidecar tells it, ready for `disk.names.dumps`.

    Args:
        of: the job, in the state that is to be told.
        earlier: the job that has the outputs, for a skipped file.
        words: for an error file: what happened, and what an editor can do.
        heard: what is known of how it sounds.
    """
    done = [output for output in of.outputs if output.state == "published"]
    return Sidecar.model_validate(_clean({
        "what_happened": words and words[0], "what_you_can_do": words and words[1],
        "schema": SCHEMA, "version": __version__, "job": of.id, "run": of.run, "inbox": of.inbox,
        "state": of.state.value,
        "because": of.because and {"code": of.because.code, "message": of.because.message, "action": of.because.action},
        "duplicate_of": earlier and {
            "job": earlier.id, **_place(earlier.path), "inbox": earlier.inbox if earlier.inbox != of.inbox else None,
            "outputs": [{"type": output.type, **_place(output.path or "")} for output in earlier.outputs
                        if output.state == "published"]},
        "source": {**_place(of.path), "size": of.size, "sha256": of.sha256, "modified_at": rfc3339_ns(of.mtime_ns),
                   "media": of.media and {**_media(of.media, heard, of.sha256), "has_video": of.media.has_video}},
        "request": {"model": of.settings.model, "sampling": of.settings.sampling, "params": of.settings.params,
                    "outputs": list(of.settings.outputs), "idempotency_key": of.idempotency_key},
        "service": {"base_url": of.base_url, "project_id": of.project_id, "generation_id": of.generation_id,
                    "model_key": of.model_key, "idempotent_replay": of.replayed},
        "outputs": [{"type": output.type, **_place(output.path or ""), "size": output.size, "sha256": output.sha256,
                     "mime_type": output.mime_type,
                     "media": output.media and _media(output.media, heard, output.sha256)}
                    for output in done],
        "notes": [*of.notes, *heard.notes],
        "attempts": of.attempts,
        "times": {name: rfc3339(getattr(of, name)) for name in Times.model_fields},
    })).model_dump(mode="json", by_alias=True)


def render(of: Job, earlier: Job | None = None, words: tuple[str, str] | None = None,
           heard: Heard = NOTHING) -> bytes:
    """The sidecar's bytes; arguments as for `build`."""
    return (names.dumps(build(of, earlier, words, heard), indent=2) + "\n").encode()


def parse(data: bytes) -> Sidecar:
    """A sidecar or error file, checked; unknown fields are those of a later version.

    Raises:
        NotASidecar: it is something else.
    """
    if len(data) > LARGEST:
        raise NotASidecar("too long")
    try:
        return Sidecar.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise NotASidecar(f"{where}: {first['msg']}" if where else first["msg"]) from error


def json_schema() -> dict[str, Any]:
    """The JSON Schema that ships as `sidecar.schema.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA,
            **Sidecar.model_json_schema(by_alias=True)}


def _place(path: str) -> dict[str, str | None]:
    return {"path": names.show(path), "path_hex": names.path_hex(path)}


def _media(media: job.Media, heard: Heard, sha256: str | None) -> dict[str, Any]:
    return {"format": media.format, "duration_s": media.duration_s, "loudness": heard.loudness.get(sha256 or "")}


def _clean(value: Any) -> Any:
    """What JSON and UTF-8 can hold: a YAML file has .nan and .inf, a server's words may have lone surrogates."""
    return _whole(names.plain(value))


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return names.whole(value)
    if isinstance(value, dict):
        return {names.whole(key): _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value
