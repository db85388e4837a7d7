"""Whether what is written into one folder shows below another one, by whatever mount: a second way in."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from diffio_watch.disk.marker import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diffio_watch.config import Config, Inbox

_WALK: Final = 5.0  # seconds for one inbox


def shows(config: Config, name: str) -> tuple[Inbox, Path] | None:
    """The inbox below which a file of this name is met, and the folder there; None where it is met nowhere in time.

    Args:
        config: the configuration.
        name: of a file that was just written somewhere else.
    """
    for inbox in config.inboxes:
        for folder, files in _walk(inbox):
            if name in files:
                return inbox, folder
    return None


def marked_below(inbox: Inbox) -> Path | None:
    """A folder below an inbox that holds a marker of its own; None where none is met in time."""
    for folder, files in _walk(inbox):
        if NAME in files and folder != inbox.path:
            return folder
    return None


def _walk(inbox: Inbox) -> Iterator[tuple[Path, list[str]]]:
    """Every folder below an inbox, those that are mounted there first, each but once."""
    end = time.monotonic() + _WALK
    seen: set[tuple[int, int]] = set()
    root = str(inbox.path)
    # where mounts are is asked first: in a large inbox the time may not do for more; links that lead out of an inbox
    # are followed by nobody
    for top in [*_mounted_below(root), root]:
        for folder, folders, files in os.walk(top):
            yield Path(folder), files
            if time.monotonic() > end:
                return
            folders[:] = [one for one in folders if _first(f"{folder}/{one}", seen)]


def _first(path: str, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder is met for the first time: mounted into itself, it would be met for ever."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    identity = (status.st_dev, status.st_ino)
    fresh = identity not in seen
    seen.add(identity)
    return fresh


def _mounted_below(root: str) -> list[str]:
    from diffio_watch.disk import mounts

    real = os.path.realpath(root).rstrip("/") + "/"
    return [mount.point for mount in mounts.mounts() if mount.point.startswith(real)]
