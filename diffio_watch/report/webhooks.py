"""How webhooks come in, in words. Pure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from diffio_watch.clock import rfc3339 as when
from diffio_watch.report.unheard import of_webhooks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from diffio_watch.journal.webhooks import WebhookFacts

MISMATCH: Final = "What came is signed with another secret than the one here."
PROOF: Final = ("Either the service's own are refused, or a stranger sends such: `diffio-watch remote test-event` "
                "tells which. Change nothing where that arrives.")
_ASK: Final = "`diffio-watch remote test-event` has the service send one."


def trouble(facts: WebhookFacts) -> str:
    """What a person has to mend; "" where nothing."""
    if facts.secret:
        return facts.secret
    if facts.doubt:
        return f"The last {facts.refused} webhooks were refused. {facts.why} {PROOF}"
    return ""


def told(facts: WebhookFacts | None, missing: Mapping[str, str]) -> dict[str, Any] | None:
    """For `status` and the page; None where none are received. `missing` as `unheard` has it."""
    if facts is None:
        return None
    return {"message": of_webhooks(missing, facts.listens) or _message(facts), "listens": facts.listens,
            "last_at": when(facts.at), "refused": facts.refused, "reliable": facts.reliable}


def _message(facts: WebhookFacts) -> str:
    if words := trouble(facts):
        return words
    if facts.at is None:
        return f"None has come since the daemon began. {_ASK}"
    last = f"The last one came on {time.strftime('%Y-%m-%d at %H:%M', time.localtime(facts.at))}."
    if facts.refused:
        last += f" Since then {facts.refused} came and were refused."
    return f"{last} Results are fetched as soon as they tell of them." if facts.reliable else last
