"""What the service's calls answer, checked. Secrets and signed URLs are hidden from every repr."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from diffio_watch.api.errors import Ambiguous
from diffio_watch.api.fields import Fields

DownloadType = Literal["audio", "video", "transcript"]

_PART_LEAST: Final = 1
_PART_MOST: Final = 5 << 30  # what object stores take as one part at most
_PART_USUAL: Final = 32 << 20  # where nobody tells (public documentation)
_FILE_MOST: Final = 1 << 50


@dataclass(frozen=True, slots=True)
class SignedPut:
    """A URL to send the whole file to, in one request, without a key (documentation; official SDK 0.1)."""

    url: str = field(repr=False)
    method: Literal["PUT", "POST"]
    content_type: str
    expires_at: float | None  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Session:
    """An upload in parts at an edge host, with a token of its own (official SDK since 0.2)."""

    edge: str = field(repr=False)  # the base URL
    token: str = field(repr=False)
    part_size: int  # bytes; what `start` answers wins
    max_bytes: int | None
    expires_at: float | None  # seconds since the epoch
    project_id: str | None = None  # whose upload it is; None where an earlier version wrote it down

    def to_json(self) -> str:
        """Everything, the token too: for a file that only this program may read."""
        return json.dumps({
            "edge": self.edge, "token": self.token, "part_size": self.part_size, "max_bytes": self.max_bytes,
            "expires_at": self.expires_at, "project_id": self.project_id,
        })

    @classmethod
    def from_json(cls, text: str) -> Session:
        """The session that `to_json` wrote.

        Raises:
            ValueError: it is damaged.
        """
        value = json.loads(text)
        fields = Fields(value if isinstance(value, dict) else {})
        try:
            return cls(
                edge=fields.url("edge"), token=fields.secret("token"),
                part_size=fields.whole("part_size", _PART_LEAST, _PART_MOST),
                max_bytes=fields.maybe_whole("max_bytes", 0, _FILE_MOST),
                expires_at=fields.maybe_number("expires_at"), project_id=fields.maybe_raw("project_id"),
            )
        except Ambiguous as error:
            raise ValueError(error.message) from None


def part_size(fields: Fields, other: int = _PART_USUAL) -> int:
    """The size of an upload's parts in bytes; `other` where it is not told or makes no sense."""
    return fields.maybe_whole("partSizeBytes", _PART_LEAST, _PART_MOST) or other


@dataclass(frozen=True, slots=True)
class Project:
    """A new project, and the way to upload its file: exactly one of `put` and `session` is set."""

    project_id: str
    put: SignedPut | None
    session: Session | None

    @classmethod
    def read(cls, fields: Fields, content_type: str) -> Project:
        """From the answer of create_project, which decides the way."""
        project_id = fields.id("apiProjectId")
        upload = fields.inner("upload")
        expires_at = fields.maybe_time("expiresAt")
        if upload.has("edgeBaseUrl") or not fields.has("uploadUrl"):
            session = Session(
                edge=upload.url("edgeBaseUrl").rstrip("/"), token=upload.secret("uploadToken"),
                part_size=part_size(upload),
                max_bytes=upload.maybe_whole("maxBytes", 0, _FILE_MOST),
                expires_at=upload.maybe_time("expiresAt") or expires_at, project_id=project_id,
            )
            return cls(project_id, None, session)
        method = fields.maybe_text("uploadMethod") or "PUT"
        if method.upper() not in ("PUT", "POST"):
            raise Ambiguous("the answer names an upload method that is neither PUT nor POST")
        way: Literal["PUT", "POST"] = "POST" if method.upper() == "POST" else "PUT"
        return cls(project_id, SignedPut(fields.url("uploadUrl"), way, content_type, expires_at), None)


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """What the service says it stored of an upload. `size_bytes` is to be compared with what was sent."""

    status: str
    size_bytes: int | None

    @classmethod
    def read(cls, fields: Fields, project_id: str) -> StoredUpload:
        """From the answer of complete_project_upload."""
        fields.same_id("apiProjectId", project_id)
        return cls(fields.maybe_text("status") or "", fields.maybe_whole("sizeBytes", 0, _FILE_MOST))


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation that was queued, or found again by its idempotency key (`replayed`)."""

    generation_id: str
    project_id: str  # to be compared with the one it was asked for
    model_key: str | None
    status: str
    replayed: bool

    @classmethod
    def read(cls, fields: Fields) -> Generation:
        """From the answer of a generation endpoint."""
        return cls(
            fields.id("generationId"), fields.id("apiProjectId"), fields.maybe_text("modelKey"),
            status(fields.maybe_text("status") or "queued"), fields.flag("idempotentReplay"),
        )


def status(word: str) -> str:
    """The overall status in one spelling: webhooks say "error" for what the API calls "failed"."""
    plain = word.lower()
    return "failed" if plain == "error" else plain


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a generation is. Only `status` counts; the rest is for show and for guessing the next look."""

    status: str  # "queued", "processing", "complete", "failed", or a word unknown yet: not finished
    has_video: bool
    percent: float | None  # 0 to 100, over all stages
    stage: str | None
    queue_position: int | None
    remaining: float | None  # seconds, where the service guesses them
    error: str | None
    transcription: str | None  # "pending", "available", "unavailable"

    @classmethod
    def read(cls, fields: Fields, generation_id: str) -> Progress:
        """From the answer of get_generation_progress."""
        overall = status(fields.text("status"))
        if fields.has("generationId") or overall == "failed":  # a gateway's own "error" is no word on a generation
            fields.same_id("generationId", generation_id)
        error = fields.maybe_text("error", 300) or fields.inner("error").maybe_text("message", 300)
        details = fields.maybe_text("errorDetails", 300)
        queue, stage = fields.inner("queue"), fields.inner("stageProgress")
        position = queue.maybe_number("position")
        return cls(
            status=overall,
            has_video=fields.flag("hasVideo"),
            percent=100.0 if overall == "complete" else _percent(fields),
            stage=fields.maybe_text("stage") or stage.maybe_text("stage"),
            queue_position=int(position) if position is not None and 0 <= position < 1e9 else None,
            remaining=_remaining(stage) or _remaining(queue),
            error=": ".join(part for part in (error, details) if part) or None,
            transcription=fields.inner("transcription").maybe_text("status"),
        )


_STAGES: Final = {"preProcessing": 0.2, "inference": 0.7, "restoredVideo": 0.1}  # guessed shares of the time
_GUESSES: Final = ("remainingSeconds", "estimatedSecondsRemaining", "estimatedRemainingSeconds", "etaSeconds",
                   "estimatedWaitSeconds")


def _percent(fields: Fields) -> float | None:
    """Over the stages the answer has, each weighed with its share of the time."""
    done = total = 0.0
    for name, share in _STAGES.items():
        percent = fields.inner(name).maybe_number("progress")
        if percent is not None:
            done += share * min(max(percent, 0.0), 100.0)
            total += share
    return done / total if total else None


def _remaining(fields: Fields) -> float | None:
    numbers = (fields.maybe_number(name) for name in _GUESSES)
    return next((number for number in numbers if number is not None and number >= 0), None)


_KINDS: Final[dict[str, DownloadType]] = {
    "audio": "audio", "mp3": "audio", "video": "video", "mp4": "video", "transcript": "transcript",
}


@dataclass(frozen=True, slots=True)
class DownloadLink:
    """Where a result can be fetched for some hours. The service's file name is a word, never a path."""

    url: str = field(repr=False)
    type: DownloadType
    mime_type: str | None
    file_name: str | None

    @classmethod
    def read(cls, fields: Fields, generation_id: str, asked: DownloadType | None) -> DownloadLink:
        """From the answer of get_generation_download."""
        if fields.has("generationId"):
            fields.same_id("generationId", generation_id)
        mime_type = fields.maybe_text("mimeType")
        told = _KINDS.get((fields.maybe_text("downloadType") or "").lower())
        if asked is not None and told not in {None, asked}:
            raise Ambiguous("the answer is about another downloadType")
        guess: DownloadType = "video" if (mime_type or "").lower().startswith("video/") else "audio"
        return cls(fields.url("downloadUrl"), asked or told or guess, mime_type, fields.maybe_text("fileName", 255))


@dataclass(frozen=True, slots=True)
class ProjectSummary:
    """A line of the list of projects. Times are seconds since the epoch."""

    project_id: str
    status: str | None
    file_name: str | None  # exactly as it was sent once: to compare, and to be escaped where it is shown
    content_type: str | None
    has_video: bool
    generations: int | None
    created_at: float | None
    updated_at: float | None

    @classmethod
    def read(cls, fields: Fields) -> ProjectSummary:
        """From a row of list_projects."""
        return cls(
            fields.id("apiProjectId"), fields.maybe_text("status"), fields.maybe_raw("originalFileName"),
            fields.maybe_text("contentType"), fields.flag("hasVideo"),
            fields.maybe_whole("generationCount", 0, _FILE_MOST), fields.maybe_time("createdAt"),
            fields.maybe_time("updatedAt"),
        )


@dataclass(frozen=True, slots=True)
class GenerationSummary:
    """A line of the list of a project's generations. Times are seconds since the epoch."""

    generation_id: str
    status: str
    model_key: str | None
    progress: float | None
    created_at: float | None
    updated_at: float | None

    @classmethod
    def read(cls, fields: Fields) -> GenerationSummary:
        """From a row of list_project_generations."""
        return cls(
            fields.id("generationId"), status(fields.maybe_text("status") or "queued"), fields.maybe_text("modelKey"),
            fields.maybe_number("progress"), fields.maybe_time("createdAt"), fields.maybe_time("updatedAt"),
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used and is billed, as the service tells it, with its strings made fit to show."""

    usage: dict[str, Any]
    billing: dict[str, Any]
