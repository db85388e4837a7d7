"""Every folder below a root, without following links."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from typing import Final

from diffio_watch.disk import durable
from diffio_watch.disk.marker import NAME
from diffio_watch.outbox import names
from diffio_watch.outbox.errors import DiskTrouble, translated
from diffio_watch.outbox.files import unlink
from diffio_watch.outbox.name_trial import remove
from diffio_watch.outbox.root import Root

LONGEST_PATH: Final = 4095  # bytes; deeper than this no program gets by a path, so no inbox has such a file
_MOST_OPEN: Final = 32  # folders of one walk
_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})

Aside = Callable[[str, str], None]  # gets the path of what is passed over, and why


def nobody(_path: str, _why: str) -> None:
    """For those who need not know what is passed over."""


def walk(root: Root, aside: Aside = nobody) -> Iterator[tuple[str, list[str], int]]:
    """Each folder's path relative to the root, the names of its files, and a descriptor of it.

    Others make these folders: however deep they are, and whatever one of them is like, the walk goes on.

    Args:
        root: the root.
        aside: told of each folder that can't be looked into.

    Raises:
        OutboxGone: the root is not there, or went away.
        DiskTrouble: the root itself can't be listed.
    """
    with root.open() as top, contextlib.closing(_Way(top)) as way:
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            with translated(root.path, folder):
                try:
                    fd = way.to(folder)
                    below, files = _listed(fd)
                    if folder and NAME in files:  # what another program's jobs have there is no business of ours
                        aside(folder, "a marker in it says that it is somebody's inbox, outbox or archive")
                        continue
                except OSError as error:
                    _pass_over(folder, error, aside)
                    continue
                yield folder, files, fd
            for name in below:
                path = join(folder, name)
                if len(os.fsencode(path)) > LONGEST_PATH:
                    aside(path, "it lies deeper than any path reaches")
                else:
                    waiting.append(path)


class _Way:
    """The folders between a root and where a walk is, the innermost of them open, so that each step is a short one."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._open: list[tuple[str, int]] = []  # path and descriptor, outermost first

    def to(self, folder: str) -> int:
        """A descriptor of a folder, open until the next step.

        Raises:
            OSError: it can't be entered.
        """
        while self._open and not f"{folder}/".startswith(f"{self._open[-1][0]}/"):
            os.close(self._open.pop()[1])
        here, fd = self._open[-1] if self._open else ("", self._top)
        for part in folder[len(here):].strip("/").split("/") if folder != here else ():
            fd = durable.open_folder([part], dir_fd=fd)
            here = join(here, part)
            self._open.append((here, fd))
            if len(self._open) > _MOST_OPEN:
                os.close(self._open.pop(0)[1])
        return fd

    def close(self) -> None:
        """Close what is open."""
        while self._open:
            os.close(self._open.pop()[1])


def _listed(fd: int) -> tuple[list[str], list[str]]:
    """The names of the folders and of everything else in an open folder."""
    below: list[str] = []
    files: list[str] = []
    with os.scandir(fd) as entries:
        for entry in entries:
            (below if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    return below, files


def _pass_over(folder: str, error: OSError, aside: Aside) -> None:
    """A folder went away meanwhile, or somebody keeps it to himself."""
    if not folder or durable.is_gone(error):
        raise error
    if error.errno not in _NOT_THERE:
        aside(folder, error.strerror or str(error))


def sweep(root: Root, working: Callable[[str], bool], tick: Callable[[], None] = lambda: None,
          aside: Aside = nobody) -> list[str]:
    """Remove the temporary files and folders of all jobs that nobody works on, from an outbox or an archive.

    Args:
        root: of the outbox or archive.
        working: whether the job with this id is worked on; asked at each file, for jobs begin meanwhile.
        tick: called at each folder, and may raise to end it.
        aside: told of what can't be looked into or removed.

    Returns:
        Their paths.
    """
    swept: list[str] = []
    stages: list[str] = []
    for folder, files, fd in walk(root, aside):
        tick()
        owner = names.temp_owner(folder.rpartition("/")[2])
        if owner is not None and not working(owner):
            stages.append(folder)
        for name in files:
            owner = names.temp_owner(name)
            if owner is not None and not working(owner):
                path = join(folder, name)
                try:
                    with translated(root.path, path):
                        unlink(name, fd)
                except DiskTrouble as trouble:
                    aside(path, trouble.detail)
                else:
                    swept.append(path)
    for stage in stages:
        folder, _, name = stage.rpartition("/")
        try:
            with root.existing(folder) as at:
                if at is not None:
                    remove(name, at)
                    swept.append(stage)
        except DiskTrouble as trouble:
            aside(stage, trouble.detail)
    return swept


def join(folder: str, name: str) -> str:
    """A path in a folder, "" being the top."""
    return f"{folder}/{name}" if folder else name
