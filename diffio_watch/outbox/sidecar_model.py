"""The shape of a sidecar and of an error file: what is told outside, and what is believed of it when it is read back.

Fields may be added, never renamed. `sidecar.schema.json` in this package is the JSON Schema of `Sidecar`. What is read
back may have been bent by anybody: a path stays inside its folder and is one that a file can have, a size is one that
a disk can have.
"""

from __future__ import annotations

import os
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from diffio_watch.disk import names
from diffio_watch.job import DownloadType, OutputWish, State

_MOST: Final = (1 << 63) - 1  # what a journal can hold
_LONGEST_NAME: Final = 1530  # bytes: 255 characters of any kind, as FAT and NTFS have them
_LONGEST_PATH: Final = 4095
_LEAN: Final = frozenset({"path_hex", "inbox"})
_OPTIONAL: Final = frozenset({"what_happened", "what_you_can_do", "duplicate_of"})
_ID: Final = "^[0-9A-HJKMNP-TV-Z]{26}$"

Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", description="RFC 3339, UTC")]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]
Size = Annotated[int, Field(ge=0, le=_MOST, description="bytes")]


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
        if "\0" in path:
            raise ValueError("no file can have this path")
        return path

    @field_validator("path_hex")
    @classmethod
    def _bytes_stay_inside(cls, path_hex: str | None) -> str | None:
        if path_hex is not None:
            cls._stays_inside(os.fsdecode(bytes.fromhex(path_hex)))
        return path_hex

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        raw = os.fsencode(self.name)
        if len(raw) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in raw.split(b"/")):
            raise ValueError("no file can have this path")
        return self

    @model_serializer(mode="wrap")
    def _lean(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told = {key: value for key, value in handler(self).items() if key not in _LEAN or value is not None}
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


class Loudness(_Model):
    """How loud it is by EBU R 128; there where it was measured before the sidecar was written."""

    integrated_lufs: float
    range_lu: float | None = None
    true_peak_dbtp: float | None = None


class OutputMedia(_Model):
    """What MediaInfo says of an output."""

    format: str
    duration_s: float | None
    loudness: Loudness | None = None

    @model_serializer(mode="wrap")
    def _lean(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key != "loudness" or value is not None}


class SourceMedia(OutputMedia):
    """What MediaInfo says of the original."""

    has_video: bool


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


class EarlierOutput(_Place):
    """An output of the earlier job, relative to the outbox."""

    type: DownloadType


class Duplicate(_Place):
    """The earlier job of the same content, its path in the inbox, and where its results were put."""

    job: Annotated[str, Field(pattern=_ID)]
    inbox: Annotated[str | None, Field(description="where it is another one")] = None
    outputs: list[EarlierOutput] = []


class Sidecar(_Model):
    """The whole file. `duplicate_of` stands in the sidecar of a skipped file alone, the first two in error files."""

    what_happened: Annotated[str | None, Field(description="for people who see the folder only")] = None
    what_you_can_do: Annotated[str | None, Field(description="likewise, without commands")] = None
    schema_: Annotated[Literal["diffio-watch/sidecar/1"], Field(alias="schema")]
    version: str
    job: Annotated[str, Field(pattern=_ID)]
    run: Annotated[int, Field(ge=1, le=_MOST)]
    inbox: str
    state: Annotated[State, Field(strict=False)]
    because: Because | None
    duplicate_of: Duplicate | None = None
    source: Source
    request: Request
    service: Service
    outputs: list[SidecarOutput]
    notes: list[str]
    attempts: Annotated[int, Field(ge=0, le=_MOST)]
    times: Times

    @model_serializer(mode="wrap")
    def _lean(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key not in _OPTIONAL or value is not None}
