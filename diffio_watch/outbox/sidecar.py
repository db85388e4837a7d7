"""The sidecar: a job in JSON beside its outputs, for people, scripts and a journal that got lost.

The models below are its outside contract: fields may be added, never renamed. `sidecar.schema.json` in this package
is their JSON Schema. An error file has the same fields. Server words stand in it as strings and mean nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
)

from diffio_watch import __version__, job
from diffio_watch.disk import names
from diffio_watch.job import DownloadType, Job, OutputWish, State

SCHEMA: Final = "diffio-watch/sidecar/1"
LARGEST: Final = 1 << 20  # bytes; what is longer was not written by this program

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", description="RFC 3339, UTC")]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]
Size = Annotated[int, Field(ge=0, description="bytes")]


class NotASidecar(ValueError):
    """These bytes are no sidecar or error file of this program."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Place(_Model):
    """Something with a path; `path_hex` has its bytes where they are no UTF-8, and is absent otherwise."""

    path: str
    path_hex: Annotated[str | None, Field(pattern="^([0-9a-f]{2})+$")] = None

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        if any(part in {"", ".", ".."} for part in path.split("/")):
            raise ValueError("no path within an inbox or outbox")
        return path

    @field_validator("path_hex")
    @classmethod
    def _bytes_stay_inside(cls, path_hex: str | None) -> str | None:
        if path_hex is not None:
            cls._stays_inside(os.fsdecode(bytes.fromhex(path_hex)))
        return path_hex

    @model_serializer(mode="wrap")
    def _lean(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told = {key: value for key, value in handler(self).items() if key != "path_hex" or value is not None}
        return dict(sorted(told.items(), key=lambda item: item[0] not in {"type", "job"}))  # what it is comes first

    @property
    def name(self) -> str:
        """The path as the program uses it inside."""
        return self.path if self.path_hex is None else names.parse("", self.path_hex)


class Because(_Model):
    """Why: a stable code, a sentence, and the action open to the reader."""

    code: str
    message: str
    action: str


class SourceMedia(_Model):
    """What MediaInfo says of the original."""

    format: str
    duration_s: float | None
    has_video: bool


class OutputMedia(_Model):
    """What MediaInfo says of an output."""

    format: str
    duration_s: float | None


class Source(_Place):
    """The original, relative to the inbox. `modified_at` has every digit that the filesystem gave."""

    size: Size
    sha256: Digest | None
    modified_at: Time | None
    media: SourceMedia | None

class Request(_Model):
    """What was asked of the service."""

    model: str
    sampling: dict[str, Any]
    params: dict[str, Any]
    outputs: list[OutputWish]
    idempotency_key: str | None


class Service(_Model):
    """What the service called it."""

    base_url: str | None
    project_id: str | None
    generation_id: str | None
    model_key: str | None
    idempotent_replay: bool


class SidecarOutput(_Place):
    """One output, relative to the outbox, complete when the sidecar is there."""

    type: DownloadType
    size: Size
    sha256: Digest
    mime_type: str | None
    media: OutputMedia | None


class Times(_Model):
    """When each room was reached; null where it was not."""

    detected_at: Time | None
    settled_at: Time | None
    uploaded_at: Time | None
    generated_at: Time | None
    completed_at: Time | None
    delivered_at: Time | None


class Duplicate(_Place):
    """The earlier job of the same content, and its path in the inbox."""

    job: str


class Sidecar(_Model):
    """The whole file. `duplicate_of` stands only in the sidecar of a skipped file."""

    schema_: Annotated[Literal["diffio-watch/sidecar/1"], Field(alias="schema")]
    version: str
    job: Annotated[str, Field(pattern="^[0-9A-HJKMNP-TV-Z]{26}$")]
    run: Annotated[int, Field(ge=1)]
    inbox: str
    state: Annotated[State, Field(strict=False)]
    because: Because | None
    duplicate_of: Duplicate | None = None
    source: Source
    request: Request
    service: Service
    outputs: list[SidecarOutput]
    notes: list[str]
    attempts: Annotated[int, Field(ge=0)]
    times: Times

    @model_serializer(mode="wrap")
    def _lean(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key != "duplicate_of" or value is not None}


def build(of: Job, original: tuple[str, str] | None = None) -> dict[str, Any]:
    """A job as the sidecar tells it, ready for `disk.names.dumps`.

    Args:
        of: the job, in the state that is to be told.
        original: id and path of the earlier job, for a skipped file.
    """
    done = [output for output in of.outputs if output.state == "published"]
    return Sidecar.model_validate(_clean({
        "schema": SCHEMA, "version": __version__, "job": of.id, "run": of.run, "inbox": of.inbox,
        "state": of.state.value,
        "because": of.because and {"code": of.because.code, "message": of.because.message, "action": of.because.action},
        "duplicate_of": original and {"job": original[0], **_place(original[1])},
        "source": {**_place(of.path), "size": of.size, "sha256": of.sha256, "modified_at": rfc3339_ns(of.mtime_ns),
                   "media": of.media and {**_media(of.media), "has_video": of.media.has_video}},
        "request": {"model": of.settings.model, "sampling": of.settings.sampling, "params": of.settings.params,
                    "outputs": list(of.settings.outputs), "idempotency_key": of.idempotency_key},
        "service": {"base_url": of.base_url, "project_id": of.project_id, "generation_id": of.generation_id,
                    "model_key": of.model_key, "idempotent_replay": of.replayed},
        "outputs": [{"type": output.type, **_place(output.path or ""), "size": output.size, "sha256": output.sha256,
                     "mime_type": output.mime_type, "media": output.media and _media(output.media)}
                    for output in done],
        "notes": list(of.notes),
        "attempts": of.attempts,
        "times": {name: rfc3339(getattr(of, name)) for name in Times.model_fields},
    })).model_dump(mode="json", by_alias=True)


def render(of: Job, original: tuple[str, str] | None = None) -> bytes:
    """The sidecar's bytes; arguments as for `build`."""
    return (names.dumps(build(of, original), indent=2) + "\n").encode()


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
        raise NotASidecar(f"{error.error_count()} errors") from error


def json_schema() -> dict[str, Any]:
    """The JSON Schema that ships as `sidecar.schema.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA,
            **Sidecar.model_json_schema(by_alias=True)}


def rfc3339(seconds: float | None) -> str | None:
    """Seconds since the epoch as `2026-01-31T12:00:00.250Z`; None for none and for what no calendar has."""
    return None if seconds is None or not math.isfinite(seconds) else rfc3339_ns(round(seconds * 1000) * 1_000_000)


def rfc3339_ns(nanoseconds: int) -> str | None:
    """Like `rfc3339`, exact to the nanosecond, with as many digits as are needed (none, three or nine)."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:  # filesystems can be full of such times
        return None
    digits = "" if not rest else f".{rest // 1_000_000:03}" if not rest % 1_000_000 else f".{rest:09}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + digits + "Z"


def from_rfc3339(text: str) -> int:
    """Nanoseconds since the epoch of a time in a sidecar.

    Raises:
        ValueError: it is none.
    """
    whole, _, digits = text.removesuffix("Z").partition(".")
    since = datetime.fromisoformat(whole).replace(tzinfo=UTC) - _EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000_000 + int(digits[:9].ljust(9, "0"))


def _place(path: str) -> dict[str, str | None]:
    return {"path": names.show(path), "path_hex": names.path_hex(path)}


def _media(media: job.Media) -> dict[str, Any]:
    return {"format": media.format, "duration_s": media.duration_s}


def _clean(value: Any) -> Any:
    """What JSON and UTF-8 can hold: a YAML file has .nan and .inf, a server's words may have lone surrogates."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_clean(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_clean(item) for item in value]
    return value
