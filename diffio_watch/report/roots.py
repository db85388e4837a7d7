"""A root folder that a journal uses, held open for what is told of the files in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from diffio_watch.disk import marker
from diffio_watch.journal import Journal


@contextlib.contextmanager
def used(journal: Journal, role: marker.Role, name: str, root: Path) -> Iterator[marker.Held]:
    """Hold a folder of an inbox; another one in its place tells nothing of the files that are meant.

    Args:
        journal: what remembers it.
        role: what it is used as.
        name: of the inbox.
        root: its path.

    Raises:
        MarkerError: it is not there, or is not the one that is remembered.
    """
    with marker.hold(str(root)) as folder:
        marker.inspect(folder, role, name, journal.id, journal.folders)
        if journal.folders.get(role, name) is None:
            raise marker.FolderGone("it was never used")
        yield folder
