"""What the ledgers of the outboxes tell a rebuild: which contents were about to be bought, and into which projects."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from diffio_watch.disk.names import show
from diffio_watch.job import Job
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.errors import DiskTrouble
from diffio_watch.outbox.ledger import NAME, Entry


class Noted:
    """The ledgers of all configured inboxes, read once.

    Args:
        outboxes: by inbox.
        aside: told of a ledger that can't be read: then it proves nothing, and a person is asked.

    Raises:
        OutboxGone: an outbox went away.
    """

    def __init__(self, outboxes: Mapping[str, Outbox], aside: Callable[[str, str], None]) -> None:
        self.by_inbox: dict[str, list[Entry]] = {}
        for inbox, outbox in outboxes.items():
            try:
                read = outbox.ledger.read()
            except DiskTrouble as trouble:
                aside(show(f"{outbox.root.path}/{NAME}"), trouble.detail)
                read = []
            self.by_inbox[inbox] = read
        self._contents = {entry.sha256: (name, entry) for name, entries in self.by_inbox.items() for entry in entries}

    def about(self, job: Job) -> str:
        """A sentence for the person who decides, with a space behind it; "" where no ledger has this content."""
        found = self._contents.get(job.sha256 or "")
        if found is None:
            return ""
        name, entry = found
        return (f"It was probably bought: by the ledger of {name}'s outbox it is in project {entry.project}, as "
                f"{entry.path}. ")
