"""What of a delivered job is in the outbox no more. Asked by who wants it again, and never by the daemon's main thread.

A share that hangs must hang nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffio_watch.disk import marker
from diffio_watch.job import State
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.errors import OutboxError
from diffio_watch.report import roots

if TYPE_CHECKING:
    from diffio_watch.config import Config
    from diffio_watch.job import Job
    from diffio_watch.journal import Journal


class CannotLook(Exception):
    """The outbox can't be looked at; a sentence with what to do."""


def missing(journal: Journal, config: Config, job: Job) -> list[str]:
    """Types of a delivered job's outputs that are gone or never came, and `sidecar` where that is gone.

    Another folder in the outbox's place, such as the one beneath a share that went just now, tells nothing of them.

    Raises:
        CannotLook: the outbox is not there, or does not let itself be looked at.
    """
    inbox = next((inbox for inbox in config.inboxes if inbox.name == job.inbox), None)
    if job.state is not State.DELIVERED or inbox is None:
        return []
    try:
        with roots.used(journal, "outbox", inbox.name, inbox.outbox) as folder:
            outbox = Outbox(folder.root, inbox=inbox.name, available=folder.must_be)
            gone: list[str] = [one.type for one in job.outputs if (one.state == "published" and not outbox.there(one))
                               or one.state == "unavailable"]
            return gone if outbox.has_sidecar(job) else [*gone, "sidecar"]
    except marker.FolderSwapped as error:
        raise CannotLook(f"The outbox of {job.inbox}, {inbox.outbox}, can't be looked at: {error}.") from error
    except marker.MarkerError as error:
        raise CannotLook(f"The outbox of {job.inbox}, {inbox.outbox}, is not there ({error}): mount it.") from error
    except OutboxError as error:
        raise CannotLook(f"The outbox of {job.inbox} can't be looked at: {error}.") from error
