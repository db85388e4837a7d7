"""What of a delivered job is in the outbox no more. Asked by who wants it again, and never by the daemon's main thread.

A share that hangs must hang nobody else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from diffio_watch.disk.marker import NAME
from diffio_watch.job import State
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.errors import OutboxError
from diffio_watch.outbox.names import sidecar_of

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.job import Job


class CannotLook(Exception):
    """The outbox can't be looked at; a sentence with what to do."""


def missing(job: Job, config: Config) -> list[str]:
    """Types of a delivered job's outputs that are gone or never came, and `sidecar` where that is gone.

    Raises:
        CannotLook: the outbox is not there, or does not let itself be looked at.
    """
    inbox = next((inbox for inbox in config.inboxes if inbox.name == job.inbox), None)
    if job.state is not State.DELIVERED or inbox is None:
        return []
    if not os.path.lexists(os.path.join(inbox.outbox, NAME)):
        raise CannotLook(f"The outbox of {job.inbox}, {inbox.outbox}, is not there: mount it first.")
    outbox = Outbox(str(inbox.outbox), inbox=inbox.name, available=lambda: None)
    try:
        gone: list[str] = [one.type for one in job.outputs if (one.state == "published" and not outbox.there(one))
                           or one.state == "unavailable"]
    except OutboxError as error:
        raise CannotLook(f"The outbox of {job.inbox} can't be looked at: {error}.") from error
    return gone + ([] if os.path.lexists(os.path.join(inbox.outbox, sidecar_of(job))) else ["sidecar"])
