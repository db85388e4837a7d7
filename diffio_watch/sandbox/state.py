"""What the sandbox remembers: projects, uploads, generations, and everything it counts.

All of it belongs to the server's thread. Tests look at it through `Sandbox`, which asks that thread.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from diffio_watch.sandbox.faults import Rule
from diffio_watch.sandbox.settings import MIB, Settings

REMEMBERED = 200_000  # requests kept for tests to look at


@dataclass(frozen=True, slots=True)
class Blob:
    """Stored bytes: one file, or one a part; never read as a whole."""

    files: tuple[tuple[Path, int], ...]
    etag: str

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(size for _, size in self.files)

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to but not with `stop`, in pieces of at most 1 MiB."""
        offset = 0
        for path, size in self.files:
            first, last = max(start - offset, 0), min(stop - offset, size)
            offset += size
            if first >= last:
                continue
            with path.open("rb") as file:
                file.seek(first)
                while first < last:
                    piece = file.read(min(MIB, last - first))
                    if not piece:
                        raise OSError(f"{path} is shorter than it was")
                    first += len(piece)
                    yield piece


@dataclass(slots=True)
class Upload:
    """One multipart upload, from `start` to `complete` or `abort`."""

    id: str
    parts: dict[int, tuple[Path, int, str]] = field(default_factory=dict)  # file, size, etag
    completed: bool = False


@dataclass(slots=True, eq=False)
class Project:
    """One medium and its generations, owned by the key that created it."""

    id: str
    key: str
    file_name: str
    content_type: str
    content_length: int | None
    params: dict[str, Any]
    form: Literal["put", "multipart"]
    object_path: str
    expires_at: float
    created_at: float
    updated_at: float
    token: str | None = None
    uploads: dict[str, Upload] = field(default_factory=dict)
    blob: Blob | None = None
    generations: list[Generation] = field(default_factory=list)  # oldest first
    parts: Counter[int] = field(default_factory=Counter)  # how often each came in whole, by number
    ready: bool = False  # the upload is confirmed; a generation may start
    charges: int = 0

    @property
    def has_video(self) -> bool:
        """By what the client said it is; the sandbox looks into no media."""
        return self.content_type.startswith("video/")


@dataclass(slots=True, eq=False)
class Generation:
    """One paid run of a model over a project's medium."""

    id: str
    project: Project
    model: str
    idempotency_key: str | None
    started_at: float
    seconds: float
    error: str | None
    request: dict[str, Any]
    polls: int = 0
    link_calls: Counter[str] = field(default_factory=Counter)
    variants: Counter[str] = field(default_factory=Counter)  # how often an output was swapped for another
    told: set[str] = field(default_factory=set)  # webhook events already delivered
    silent: bool = False  # nothing of its medium can be decoded, so that nothing can be filtered

    def fraction(self, now: float) -> float:
        """How far it is, 0 to 1."""
        return 1.0 if self.seconds <= 0 else min(1.0, max(0.0, (now - self.started_at) / self.seconds))

    def status(self, now: float) -> Literal["queued", "processing", "complete", "failed"]:
        """The overall status: the only one that counts."""
        fraction = self.fraction(now)
        if fraction >= 1:
            return "failed" if self.error else "complete"
        return "queued" if fraction < 0.1 else "processing"


@dataclass(slots=True)
class Seen:
    """One request, as it came in and as it was answered."""

    call: str
    origin: str
    method: str
    path: str
    at: float
    key: str | None = None
    project_id: str | None = None
    generation_id: str | None = None
    file_name: str | None = None
    status: int | None = None  # None: no answer left


@dataclass(frozen=True, slots=True)
class Trapped:
    """What somebody sent to the recording trap, an origin nobody should ever talk to."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class State:
    """The sandbox's whole memory."""

    settings: Settings
    folder: Path
    origins: dict[str, str] = field(default_factory=dict)  # api, edge, storage, trap: http://127.0.0.1:port
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    skipped: float = 0.0
    projects: dict[str, Project] = field(default_factory=dict)
    tokens: dict[str, Project] = field(default_factory=dict)
    objects: dict[str, Project] = field(default_factory=dict)
    generations: dict[str, Generation] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)  # every key that came to the API: its id
    rules: list[Rule] = field(default_factory=list)

    violations: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    trapped: list[Trapped] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    cut: int = 0  # uploads whose client went away before their end
    bytes_in: int = 0
    bytes_out: int = 0
    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    webhooks: list[dict[str, Any]] = field(default_factory=list)  # what webhooks/configure stored

    def now(self) -> float:
        """Seconds since the epoch, moved on by what tests skipped."""
        return time.time() + self.skipped

    def key_id(self, key: str) -> str:
        """A name for a key that does not give it away."""
        return self.keys.setdefault(key, f"key_{len(self.keys) + 1}")

    def violation(self, text: str) -> None:
        """Record something the client did that the protocol does not allow."""
        self.violations.append(text)


def stamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds, as the service writes times."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
