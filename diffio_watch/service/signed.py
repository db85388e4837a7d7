"""Is a webhook the service's, and is it new? What comes from outside is judged here, with the time passed in."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from diffio_watch.report.webhooks import MISMATCH

_HEADERS: Final = ("id", "timestamp", "signature")
_LONGEST_ID: Final = 255
_TOLERANCE: Final = 300.0  # seconds that a delivery's own time may be off, as the library has it
_REMEMBERED: Final = 600.0  # seconds; what is older than half of that is refused by its own time
_MOST: Final = 10_000  # deliveries that are remembered; only the service can make one
_SIGNATURE: Final = re.compile("v1,[A-Za-z0-9+/]{43}=")  # one of HMAC-SHA256
_CLOCKS: Final = ("Its time is off by more than five minutes: either this machine's clock is wrong, or what comes is "
                  "old.")


class Result(StrEnum):
    """What became of a delivery; the word is a metric's label."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"  # the service's, and had before
    REFUSED = "refused"  # as the service would send it, and not signed with our secret, or not just now
    UNSIGNED = "unsigned"  # nothing that the service would send: whoever looks for open doors sends such
    UNCHECKED = "unchecked"  # there is no secret to check it with
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found out.

    Attributes:
        result: it.
        event: what the service says; nothing where it is not the service's.
        why: a sentence on why it was refused.
    """

    result: Result
    event: Mapping[str, Any] | None = None
    why: str = ""


class Judge:
    """Checks signatures, and remembers what was had. For one thread."""

    def __init__(self) -> None:
        self._had: dict[str, float] = {}  # id → when it came, in monotonic seconds; the oldest first

    def judge(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, now: float,
              wall: float) -> Judged:
        """Judge a delivery.

        Args:
            headers: by name in lower case.
            body: as it came over the wire.
            secrets: any of them may have signed it.
            now: monotonic seconds.
            wall: seconds since the epoch.
        """
        # the names that Svix gives to what Standard Webhooks calls webhook-id and so on
        mapped = {f"webhook-{name}": headers.get(f"svix-{name}", "") for name in _HEADERS}
        message = mapped["webhook-id"]
        if not all(mapped.values()) or len(message) > _LONGEST_ID:
            return Judged(Result.UNSIGNED)
        for secret in secrets:
            event = _verified(secret, mapped, body)
            if event is not None:
                return Judged(Result.REPEATED if self._known(message, now) else Result.ACCEPTED, event)
        if not _looks_like_it(mapped["webhook-signature"], body):
            return Judged(Result.UNSIGNED)
        return Judged(Result.REFUSED, why=MISMATCH if _in_time(mapped["webhook-timestamp"], wall) else _CLOCKS)

    def _known(self, message: str, now: float) -> bool:
        while self._had and now - next(iter(self._had.values())) > _REMEMBERED:
            del self._had[next(iter(self._had))]
        if message in self._had:
            return True
        if len(self._had) >= _MOST:
            del self._had[next(iter(self._had))]
        self._had[message] = now
        return False


def _verified(secret: str, headers: dict[str, str], body: bytes) -> Mapping[str, Any] | None:
    """What the service says, where this secret signed it; None otherwise.

    The one seam of the library, which lets out whatever foreign input makes of its decoding: ValueError is also
    UnicodeDecodeError, JSONDecodeError and binascii.Error.
    """
    try:
        event = Webhook(secret).verify(body, headers)
    except (WebhookVerificationError, EmptyWebhookSecretError, ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else {}


def _looks_like_it(signature: str, body: bytes) -> bool:
    """Whether it is made as the service makes one. Anybody can make such: it proves nothing."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(event, dict) and str(event.get("eventType")).startswith("generation.") and any(
        map(_SIGNATURE.fullmatch, signature.split(" ")))


def _in_time(timestamp: str, wall: float) -> bool:
    try:
        at = float(timestamp)
    except ValueError:
        return True  # no time at all: it is not the clock
    return not math.isfinite(at) or abs(at - wall) <= _TOLERANCE
