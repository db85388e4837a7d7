"""Every folder below a root, without following links."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from diffio_watch.disk import durable
from diffio_watch.outbox import names
from diffio_watch.outbox.errors import OutboxGone, translated
from diffio_watch.outbox.files import unlink
from diffio_watch.outbox.root import Root


def walk(root: Root) -> Iterator[tuple[str, list[str], int]]:
    """Each folder's path relative to the root, the names of its files, and a descriptor of it.

    Raises:
        OutboxGone: the root is not there, or went away.
        DiskTrouble: any other error of the system.
    """
    def passed(error: OSError) -> None:
        # a folder that went away, or that somebody keeps to himself, holds nothing of ours
        if durable.is_gone(error):
            raise OutboxGone(root.path, error.strerror or str(error))

    with root.open() as top, translated(root.path):
        for folder, _, files, fd in os.fwalk(".", onerror=passed, dir_fd=top):
            yield folder.removeprefix(".").removeprefix("/"), files, fd


def sweep(root: Root, working: Callable[[str], bool], tick: Callable[[], None] = lambda: None) -> list[str]:
    """Remove the temporary files of all jobs that nobody works on, from an outbox or an archive.

    Args:
        root: of the outbox or archive.
        working: whether the job with this id is worked on; asked at each file, for jobs begin meanwhile.
        tick: called at each folder, and may raise to end it.

    Returns:
        Their paths.
    """
    swept = []
    for folder, files, fd in walk(root):
        tick()
        for name in files:
            owner = names.temp_owner(name)
            if owner is not None and not working(owner):
                unlink(name, fd)
                swept.append(join(folder, name))
    return swept


def join(folder: str, name: str) -> str:
    """A path in a folder, "" being the top."""
    return f"{folder}/{name}" if folder else name
