"""The client of the Diffio service: the only package that speaks HTTP to it.

`Api` makes the calls that carry the key, `Storage` moves the files and never knew it. Both raise one family of
errors, `ApiError`, drawn at the top of `errors`.
"""

from __future__ import annotations

from diffio_watch.api.client import Api
from diffio_watch.api.download import Received
from diffio_watch.api.errors import (
    Ambiguous,
    ApiError,
    BadDownload,
    Forbidden,
    IdempotencyConflict,
    LinkExpired,
    ModelRetired,
    NotFound,
    NotReady,
    PaymentRequired,
    RateLimited,
    Rejected,
    SessionLost,
    Stopped,
    TooLarge,
    TranscriptUnavailable,
    Unauthorized,
    Unavailable,
    Unreachable,
    UnsafeUrl,
)
from diffio_watch.api.models import CURRENT, KNOWN, endpoint
from diffio_watch.api.retry import PATIENCE, Tries
from diffio_watch.api.shapes import (
    DownloadLink,
    Generation,
    GenerationSummary,
    Progress,
    Project,
    ProjectSummary,
    Session,
    SignedPut,
    StoredUpload,
    Usage,
)
from diffio_watch.api.storage import Storage
from diffio_watch.api.streams import CHUNK, Body, Sink
from diffio_watch.api.wire import Observation

__all__ = [
    "CHUNK", "CURRENT", "KNOWN", "PATIENCE", "Ambiguous", "Api", "ApiError", "BadDownload", "Body", "DownloadLink",
    "Forbidden", "Generation", "GenerationSummary", "IdempotencyConflict", "LinkExpired", "ModelRetired", "NotFound",
    "NotReady", "Observation", "PaymentRequired", "Progress", "Project", "ProjectSummary", "RateLimited", "Received",
    "Rejected", "Session", "SessionLost", "SignedPut", "Sink", "Stopped", "Storage", "StoredUpload", "TooLarge",
    "TranscriptUnavailable", "Tries", "Unauthorized", "Unavailable", "Unreachable", "UnsafeUrl", "Usage", "endpoint",
]
