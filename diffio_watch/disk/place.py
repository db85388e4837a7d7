"""A folder as those need it who open its files: what may be relied on there, and where its links lead."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import Final

from diffio_watch.disk import marker
from diffio_watch.disk.beneath import open_beneath

_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


@dataclass(frozen=True, slots=True)
class Place:
    """The inbox as the last look needs it.

    Attributes:
        root: the inbox.
        inodes: whether inode numbers can be trusted there.
        leases: whether the kernel can be asked there who has a file open.
        follow_symlinks: whether links that stay inside are followed.
    """

    root: str
    inodes: bool
    leases: bool
    follow_symlinks: bool

    def open(self, path: str, folder: marker.Held | None = None) -> int:
        """Open a regular file of the inbox.

        Args:
            path: of the file, in the inbox.
            folder: the inbox, held open since it was looked at; None: whatever its path leads to.

        Raises:
            NotRegular: it is none, or a link that is not followed.
            OSError: as `open` has it.
            FolderGone: the path leads to another folder by now, where it was asked for a link.
        """
        if self.follow_symlinks:
            base = os.path.realpath(self.root)
            real = inside(self.root, path, base)
            if folder is not None:
                folder.must_be()
            if real is not None:
                return open_beneath(base if folder is None else folder.fd, real[len(base.rstrip("/")) + 1:])
        return open_beneath(self.root if folder is None else folder.fd, path)


def somebodys(root: str, path: str) -> str | None:
    """The folder on the way from `root` to `path`, or `path` itself, that holds a marker; None if none does.

    Raises:
        OSError: it can't be looked at.
    """
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        folder = "/".join(parts[:depth])
        try:
            os.lstat(f"{root}/{folder}/{marker.NAME}")
        except OSError as error:
            if error.errno in _NOT_THERE:  # a link that leads to itself holds nothing
                continue
            raise
        return folder
    return None


def inside(root: str, path: str, real_root: str | None = None) -> str | None:
    """Where a link below `root` leads, as an absolute path without links; None if that is outside, or nowhere.

    What lies in somebody's root is outside too.

    Raises:
        OSError: a folder on the way can't be looked at.
    """
    base = os.path.realpath(root) if real_root is None else real_root
    try:
        real = os.path.realpath(f"{root}/{path}", strict=True)
    except OSError:
        return None
    below = base.rstrip("/") + "/"
    if not real.startswith(below) or somebodys(base, real.removeprefix(below)) is not None:
        return None
    return real
