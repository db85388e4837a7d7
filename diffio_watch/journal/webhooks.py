"""What the journal remembers of webhooks, for those who look on; the daemon writes it now and then."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Final

from diffio_watch.journal import Journal

_NAME: Final = "webhooks"
TOLD: Final = 3  # refusals in a row, from which on a person may be told


@dataclass(frozen=True, slots=True)
class WebhookFacts:
    """How webhooks come in. Times are seconds since the epoch.

    Attributes:
        listens: where they are received: an address, or `web`.
        secret: why there is no secret to check them with; "" where there is one.
        at: when the last one came that was the service's; None: none has since the daemon began.
        events: ids of the newest that came, the newest last.
        refused: how many in a row were refused that look like the service's.
        since: when the first of these came.
        why: what was wrong with the last of them, as a sentence.
        reliable: polls rely on them just now.
        doubt: enough were refused, and none had for so long, that a person is told.
    """

    listens: str
    secret: str = ""
    at: float | None = None
    events: tuple[str, ...] = ()
    refused: int = 0
    since: float | None = None
    why: str = ""
    reliable: bool = False
    doubt: bool = False


def remember(journal: Journal, facts: WebhookFacts | None) -> None:
    """Let these be what is known; None: no webhooks are received. A power cut may take it back."""
    with journal.transaction(synced=False):
        journal.set_meta(_NAME, None if facts is None else json.dumps(asdict(facts)))


def last_known(journal: Journal) -> WebhookFacts | None:
    """How webhooks come in, as the daemon that runs, or the last one, said it; None where it received none."""
    text = journal.meta(_NAME)
    if not isinstance(text, str):
        return None
    found = json.loads(text)
    known = {one.name for one in fields(WebhookFacts)}  # a program that was newer may have known more
    return WebhookFacts(**{name: found[name] for name in found if name in known} | {"events": tuple(found["events"])})
