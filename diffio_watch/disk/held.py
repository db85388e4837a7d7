"""A folder held open while it is worked on: by its path it may be another one at any moment, as shares come and go."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from diffio_watch.disk import mounts
from diffio_watch.disk.marker_file import FolderGone, unopened

_ROOT: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class FolderSwapped(FolderGone):
    """Another folder came into its place while it was looked at: another look says more."""


class FolderUnsure(FolderGone):
    """It may be the right folder, or the one beneath a share that is not mounted: nobody can say."""


@dataclass(frozen=True, slots=True)
class Held:
    """An open folder.

    Attributes:
        root: its path, as it was opened.
        fd: its descriptor.
    """

    root: str
    fd: int

    def must_be(self) -> None:
        """What was learned of the path is true of this folder only if the path still leads here.

        Raises:
            FolderSwapped: a share was mounted over it or unmounted, or it was replaced.
            FolderGone: nothing is there.
        """
        try:
            if os.path.samestat(os.stat(self.root), os.fstat(self.fd)):  # noqa: PTH116 - as `fstat` has it
                return
        except OSError as error:
            raise unopened(error) from error
        raise FolderSwapped("it was mounted, unmounted or replaced just now")

    def mount(self) -> mounts.Mount:
        """The filesystem that it lies on, whatever its path leads to by now."""
        return mounts.mount_at(self.fd, self.root)

    def identity(self, mount: mounts.Mount | None = None) -> str:
        """What tells it from what else may come into its place; `mount`, if that was asked for already."""
        return (mount or self.mount()).identity(os.path.realpath(self.root))

    def is_empty(self) -> bool:
        """Whether nothing is in it.

        Raises:
            FolderGone: it can't be listed.
        """
        try:
            with os.scandir(self.fd) as entries:
                return next(entries, None) is None
        except OSError as error:
            raise unopened(error) from error

    def is_writable(self) -> bool:
        """Whether this user may write there, as far as the system tells without trying."""
        return os.access(".", os.W_OK, dir_fd=self.fd, effective_ids=os.access in os.supports_effective_ids)


@contextlib.contextmanager
def hold(root: str | Held) -> Iterator[Held]:
    """Hold a folder open; one that is held already stays as it is.

    Raises:
        FolderGone: it can't be opened and listed.
    """
    if isinstance(root, Held):
        yield root
        return
    try:
        fd = os.open(root, _ROOT)
    except OSError as error:
        raise unopened(error) from error
    try:
        folder = Held(root, fd)
        folder.is_empty()  # listed, not only looked at: of a server that is gone, a look is answered from a cache
        yield folder
    finally:
        os.close(fd)
