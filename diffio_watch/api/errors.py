"""The error family of the service's client, and every foreign failure's place in it.

    ApiError
    ├── Unreachable            no connection, so certainly nothing happened              transient
    ├── Ambiguous              sent, but the answer is lost or unreadable                transient
    ├── Unavailable            408, 425, 5xx                                             transient
    ├── RateLimited            429                                                       transient
    ├── Unauthorized           401 from the API: the key
    ├── PaymentRequired        402: a billing hold or a spend limit
    ├── Forbidden              403 from the API: the key, its permissions, or this one project
    ├── NotFound               404 from the API
    │   └── TranscriptUnavailable
    ├── NotReady               409: not yet
    ├── IdempotencyConflict    409: this key was used for another request
    ├── ModelRetired           410
    ├── Rejected               any other 4xx
    ├── SessionLost            an upload's token, session or URL is gone: a new project, if nothing is paid yet
    ├── LinkExpired            a download's URL is gone: ask for another
    ├── BadDownload            what came is not the file: short, long, empty, changed, a web page
    ├── UnsafeUrl              the service named a host that nothing may be sent to
    ├── TooLarge               over what the service takes; not a byte was sent
    └── Stopped                the program is stopping

`Unauthorized` to `ModelRetired` come from the API's own origin only: the 4xx of upload and storage hosts say
nothing about the account.
"""

from __future__ import annotations

from typing import ClassVar, Literal


class ApiError(Exception):
    """The root: something about a call to the service.

    Attributes:
        message: short words, fit for a log or a person: no control characters, secrets or signed URLs.
        call: which call it was, such as "create_project".
        origin: the scheme, host and port that were asked, such as "https://api.diffio.ai".
        status: the HTTP status, if there was an answer.
        code: the service's own code, such as "model_retired".
        retry_after: seconds the service asks to wait, an hour at most.
    """

    transient: ClassVar[bool] = False
    """Whether the same call may do better later, with nothing changed."""

    def __init__(
        self,
        message: str,
        *,
        call: str = "",
        origin: str = "",
        status: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.call = call
        self.origin = origin
        self.status = status
        self.code = code
        self.retry_after = retry_after

    def __str__(self) -> str:
        where = " at ".join(part for part in (self.call, self.origin) if part)
        answer = f"HTTP {self.status}" if self.status is not None else ""
        return ": ".join(part for part in (where, answer, self.message) if part)


class Unreachable(ApiError):
    """No connection came about (DNS, refused, TLS, time-out, proxy): certainly nothing happened."""

    transient = True


class Ambiguous(ApiError):
    """It was sent, and the answer is lost or unreadable: whether it took effect is unknown."""

    transient = True


class Unavailable(ApiError):
    """The service can't answer now: 408, 425 or 5xx."""

    transient = True


class RateLimited(ApiError):
    """Too many requests: 429."""

    transient = True


class Unauthorized(ApiError):
    """The API does not accept the key: 401."""


class PaymentRequired(ApiError):
    """The account may not spend: 402.

    Attributes:
        kind: a billing hold, or the key's spend limit.
        period_end: when the spend limit starts anew, in seconds since the epoch.
        amounts: the sums the service told, such as `usedUsd`.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: Literal["billing", "spend_limit"],
        period_end: float | None = None,
        amounts: dict[str, float] | None = None,
        status: int | None = 402,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code, retry_after=retry_after)
        self.kind = kind
        self.period_end = period_end
        self.amounts = amounts or {}


class Forbidden(ApiError):
    """The API forbids this to the key: 403. Key inactive, permission missing, or somebody else's project."""


class NotFound(ApiError):
    """The API does not know it: 404."""


class TranscriptUnavailable(NotFound):
    """This generation has no transcript and never will: 404 with TRANSCRIPT_UNAVAILABLE."""


class NotReady(ApiError):
    """Not yet: 409, also with TRANSCRIPT_PENDING. Ask again later."""


class IdempotencyConflict(ApiError):
    """The idempotency key was used for another request: 409. Never to be repeated blindly."""


class ModelRetired(ApiError):
    """The model's endpoint is gone: 410."""


class Rejected(ApiError):
    """The request itself is wrong: any other 4xx."""


class SessionLost(ApiError):
    """The upload's token, session or URL is gone. It says nothing about the account."""


class LinkExpired(ApiError):
    """The download's URL is gone: ask for a new one."""


class BadDownload(ApiError):
    """What came is not the file that was asked for: short, long, empty, changed, or no media."""


class UnsafeUrl(ApiError):
    """The service named a URL that must not be used, such as one into the local network."""


class TooLarge(ApiError):
    """The file is over what the service takes; not a byte of it was sent.

    Attributes:
        limit: the most the service takes, in bytes.
    """

    def __init__(self, message: str, *, limit: int) -> None:
        super().__init__(message)
        self.limit = limit


class Stopped(ApiError):
    """The program is stopping, so the call was not begun or not ended."""
