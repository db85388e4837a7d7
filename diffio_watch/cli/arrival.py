"""Whether a webhook that the service sends arrives at the daemon of this machine: the proof of the way between them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from diffio_watch.report import webhooks as words
from diffio_watch.report.running import is_running
from diffio_watch.report.unheard import of_webhooks

if TYPE_CHECKING:
    from diffio_watch.cli.base import Workplace
    from diffio_watch.journal.webhooks import WebhookFacts

_LOOK: Final = 0.1
_TOLD_EVERY: Final = 6.0  # seconds; the daemon's five, and a little
_COPY: Final = " Copy the endpoint's secret from the service's settings once more."
_NOBODY: Final = "No daemon of this configuration receives webhooks: "
_LOST: Final = ("It has not arrived within {seconds:g} s. Check the URL of the endpoint in the service's settings "
                "(…/webhooks/diffio), and that what stands before {listens} lets it through.")


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of an event; `arrived` is None where nothing here waits for one."""

    arrived: bool | None
    message: str


def known(work: Workplace) -> WebhookFacts | None:
    """How webhooks come in, as the daemon that runs says."""
    from diffio_watch.journal.webhooks import last_known

    with work.read() as journal:
        return last_known(journal) if journal is not None and is_running(work.config) else None


def _unheard(work: Workplace, facts: WebhookFacts) -> str:
    """Why the daemon listens nowhere where it would arrive; "" where it does."""
    from diffio_watch.journal.unheard import last_known

    with work.read() as journal:
        return of_webhooks(last_known(journal), facts.listens) if journal is not None else ""


def wait_for(work: Workplace, event: str, before: WebhookFacts | None, seconds: float) -> Seen:
    """Wait until the daemon has an event.

    Args:
        work: where the command was given.
        event: its id.
        before: what was known before it was sent.
        seconds: how long.
    """
    if not is_running(work.config):
        return Seen(None, f"{_NOBODY}none runs.")
    if before is None:
        return Seen(None, f"{_NOBODY}it has no secret to check them with (`webhook.secret_file`), or no address "
                          "(`webhook.listen`, or `web.listen`).")
    if in_the_way := _unheard(work, before):
        return Seen(arrived=False, message=f"It can't arrive. {in_the_way}")
    begun = time.monotonic()
    refused_at: float | None = None
    while True:
        now = known(work)
        taken = time.monotonic() - begun
        if now is not None and event in now.events:
            return Seen(arrived=True, message="It has arrived: webhooks come in.")
        if now is not None and now.secret:
            return Seen(arrived=False, message=f"It can't be checked and is turned away. {now.secret}")
        if refused_at is None and now is not None and now.refused and (
                (now.refused, now.since) != (before.refused, before.since)):
            refused_at = taken
        # that may have been a stranger's: the daemon tells of what comes every five seconds
        if taken > seconds or (refused_at is not None and taken - refused_at > _TOLD_EVERY):
            if now is not None and now.why:
                return Seen(arrived=False, message=f"It has not arrived, and what came was refused. {now.why}"
                                                   f"{_COPY if now.why == words.MISMATCH else ''}")
            listens = "the page" if now is None or now.listens == "web" else now.listens
            return Seen(arrived=False, message=_LOST.format(seconds=seconds, listens=listens))
        time.sleep(_LOOK)
