"""A job: one content at one place, on its way from the inbox to the outbox.

Everything here is data: frozen records, the states, and the table of legal transitions. Paths are `str` as
`os.fsdecode` makes them (names are bytes; bytes that are no UTF-8 become lone surrogates) and are relative to
their inbox or outbox. Times are seconds since the epoch, UTC; durations are seconds; sizes are bytes.
"""

from __future__ import annotations

import operator
import secrets
import time
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, Literal

DownloadType = Literal["audio", "video", "transcript"]
OutputWish = Literal["auto", "audio", "video", "transcript"]


class State(StrEnum):
    """Where a job is. The first six are the way; the others stand beside it."""

    QUEUED = "queued"  # journalled; nothing was sent
    UPLOADING = "uploading"  # the file travels to a project of its own
    GENERATING = "generating"  # the project is complete; the paid call is next or its answer is awaited
    WAITING = "waiting"  # the service works
    DOWNLOADING = "downloading"  # the results travel to the outbox
    DELIVERED = "delivered"  # outputs and sidecar are on disk
    FAILED = "failed"  # the file's own fault, or the service's final word on it
    HELD = "held"  # a person decides
    SKIPPED = "skipped"  # a duplicate; the earlier job has the outputs
    CANCELLED = "cancelled"  # ended by a person, or the file went away before anything was paid


OPEN: Final = frozenset({State.QUEUED, State.UPLOADING, State.GENERATING, State.WAITING, State.DOWNLOADING})
ENDED: Final = frozenset({State.DELIVERED, State.FAILED, State.SKIPPED, State.CANCELLED})

TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.QUEUED: frozenset({State.UPLOADING, State.HELD, State.SKIPPED, State.FAILED, State.CANCELLED,
                             State.DOWNLOADING}),  # to downloading: a duplicate fetches the earlier outputs
    # back to queued: the file changed while it was read, and has to settle again
    State.UPLOADING: frozenset({State.GENERATING, State.QUEUED, State.HELD, State.SKIPPED, State.FAILED,
                                State.CANCELLED}),
    # back to uploading only while no generation intent is recorded
    State.GENERATING: frozenset({State.WAITING, State.UPLOADING, State.HELD, State.FAILED, State.CANCELLED}),
    State.WAITING: frozenset({State.DOWNLOADING, State.HELD, State.FAILED, State.CANCELLED}),
    State.DOWNLOADING: frozenset({State.DELIVERED, State.SKIPPED, State.WAITING, State.HELD, State.FAILED,
                                  State.CANCELLED}),
    State.HELD: frozenset({State.QUEUED, State.UPLOADING, State.GENERATING, State.WAITING, State.DOWNLOADING,
                           State.CANCELLED}),
    State.FAILED: frozenset({State.QUEUED, State.UPLOADING, State.GENERATING, State.WAITING, State.DOWNLOADING,
                             State.CANCELLED}),
    State.DELIVERED: frozenset({State.DOWNLOADING}),  # a person asks for outputs that were moved away
    State.SKIPPED: frozenset({State.QUEUED}),
    # a person takes up again what was cancelled, from what is paid for
    State.CANCELLED: frozenset({State.QUEUED, State.HELD, State.GENERATING, State.WAITING, State.DOWNLOADING}),
}


@dataclass(frozen=True, slots=True)
class Because:
    """Why a job is where it is: a stable code, a sentence, and the action open to the reader."""

    code: str
    message: str
    action: str


@dataclass(frozen=True, slots=True)
class Media:
    """What MediaInfo says of a file. `duration_s` is None where the container does not tell."""

    format: str
    duration_s: float | None
    has_video: bool
    has_sound: bool = True


@dataclass(frozen=True, slots=True)
class Settings:
    """What a job was journalled with. Editing the configuration changes later files only."""

    model: str = "diffio-4.6-flash"
    sampling: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    project_params: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[OutputWish, ...] = ("auto",)
    originals: Literal["keep", "archive", "delete"] = "keep"
    output_name: str = "{stem}.restored{ext}"
    duplicates: Literal["skip", "process"] = "skip"
    file_mode: int = 0o664
    dir_mode: int = 0o2775


@dataclass(frozen=True, slots=True)
class Output:
    """One result of a job.

    `fetched` has its facts below recorded and lies durable under its hidden temporary name; `published` has its
    final name; `unavailable` could not be had, and `note` says why.
    """

    type: DownloadType
    state: Literal["wanted", "fetched", "published", "unavailable"] = "wanted"
    path: str | None = None  # final name, relative to the outbox
    size: int | None = None
    sha256: str | None = None
    mime_type: str | None = None
    media: Media | None = None
    note: str | None = None
    # before a 404 or 409 of a file of a complete generation counts as final: seconds since the epoch of the first
    missing_since: float | None = None
    lost: int = 0  # times that it was fetched, and gone before it could be shown
    bad: int = 0  # times that something else came for it, or another link was needed


Original = Literal["kept", "pending", "archived", "deleted", "stuck"]
# the file went `away`; with its known content it was dropped `anew`, and where its outputs are is still to be looked at
Wish = Literal["", "away", "anew"]
# how names in the outbox are written: as they are, without what some filesystems refuse, or so and short
Form = Literal["plain", "escaped", "short"]


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the journal. Made by intake, moved along by the pipeline's steps, never changed in place."""

    id: str
    inbox: str
    path: str
    size: int
    mtime_ns: int
    settings: Settings
    state: State = State.QUEUED
    because: Because | None = None
    run: int = 1
    inode: int | None = None  # only where the filesystem keeps it: local and no FUSE
    partial: str = ""  # cheap fingerprint: equal contents have equal ones, different contents mostly not
    sha256: str | None = None  # of the whole content; known once it was read
    media: Media | None = None
    priority: int = 0
    bumped: int = 0  # a person's `bump`: higher goes first, before every priority
    due_at: float | None = 0.0  # None: nothing is due until intake or a person says so
    attempts: int = 0  # times the way was started
    parks: int = 0  # consecutive parks; what the next pause grows by
    as_is: bool = False  # a person wants it sent although it looked cut short or no medium
    approved: bool = False  # a person released it: the money guards let it pass
    rebuy: bool = False  # … and knew that this content may have been paid for already
    released: bool = False  # a person released it from a drop: it counts as one no more, and for the day as any other
    unproven: bool = False  # a rebuild could not tell whether it was paid for: a person has to say, before it is sent
    # what was sent, recorded before it is sent
    base_url: str | None = None
    key_print: str | None = None  # HMAC of the API key that it was sent with, with a secret of the journal
    project_id: str | None = None
    upload: Literal["put", "multipart"] | None = None
    upload_id: str | None = None
    part_size: int | None = None
    outlived: int = 0  # times in a row that the upload took longer than its session lived; from 1 on it goes alone
    uploaded: bool = False  # the service confirmed the whole upload
    idempotency_key: str | None = None
    body: str | None = None  # the generation request, exactly as it is sent: the intent
    intent_at: float | None = None
    minutes: float | None = None  # of media that it counts for its day: estimated, then as the result shows
    generation_id: str | None = None
    model_key: str | None = None
    replayed: bool = False  # the service answered idempotentReplay
    progress: float | None = None  # 0 to 100
    stage: str | None = None
    polls: int = 0
    waited: float = 0.0  # seconds that the program spent waiting for the generation, whatever its clock was set to
    number: int | None = None  # the shared number of this job's names, 1 adds nothing
    form: Form = "plain"  # of these names
    outputs: tuple[Output, ...] = ()
    notes: tuple[str, ...] = ()
    original: Original = "kept"
    duplicate_of: str | None = None  # id of the earlier job
    wish: Wish = ""
    error_file: bool = False  # an .error.json of this job may stand in the outbox
    detected_at: float = 0.0
    settled_at: float | None = None
    uploaded_at: float | None = None
    generated_at: float | None = None
    completed_at: float | None = None
    delivered_at: float | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    version: int = 0  # of the row; a commit against an older one is refused

    @property
    def paid(self) -> bool:
        """Whether a generation may have been bought: its intent stands in the journal."""
        return self.intent_at is not None

    def changed(self, **changes: Any) -> Job:
        """This job with other values in some fields; `dataclasses.replace` asks for all of them one by one."""
        return Job(**{**dict(zip(_JOB_FIELDS, _of_job(self), strict=True)), **changes})


_JOB_FIELDS: Final = tuple(field.name for field in fields(Job))
_of_job: Final = operator.attrgetter(*_JOB_FIELDS)


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a job's history."""

    at: float
    state: State
    detail: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart upload that the service confirmed. Numbers count from 1."""

    number: int
    etag: str
    size: int
    sha256: str  # of the bytes that were sent


_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> str:
    """A ULID: 26 characters that sort by the time they were made in (milliseconds), then by chance."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))
