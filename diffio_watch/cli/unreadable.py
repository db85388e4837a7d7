"""What of an inbox can't be looked at or read by whoever asks, for `check`."""

from __future__ import annotations

import os
import time
from typing import Final

from diffio_watch.cli.findings import Finding, ok, warning
from diffio_watch.config import Inbox
from diffio_watch.disk.names import show
from diffio_watch.disk.reading import Interrupted
from diffio_watch.intake.junk import Rules
from diffio_watch.intake.scan import RootGone, scan

_PATIENCE: Final = 10.0  # seconds; a large inbox is not walked through to its end for this


def unread(inbox: Inbox) -> list[Finding]:
    """Folders that can't be listed and files that can't be opened, of those that the daemon would take."""
    subject, root = f"inbox {inbox.name}", os.fspath(inbox.path)
    end = time.monotonic() + _PATIENCE
    try:
        found = scan(root, Rules.of(inbox), inodes=False, going=lambda: time.monotonic() < end,
                     follow_symlinks=inbox.follow_symlinks)
    except RootGone:
        return []  # told already
    except Interrupted:
        return [ok(subject, "It is large: whether all of it can be read was not looked at to the end.")]
    effective = os.access in os.supports_effective_ids
    closed = [path for path in found.files if not os.access(f"{root}/{path}", os.R_OK, effective_ids=effective)]
    refused = sorted({*found.blind, *closed})
    if not refused:
        return []
    told = ", ".join(show(path) for path in refused[:3]) + (" and others" if len(refused) > 3 else "")
    return [warning(subject, f"{len(refused)} of its folders and files can't be looked at: {told}.",
                    "Give the service's user the right to read them.")]
