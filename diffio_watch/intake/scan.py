"""The walk through an inbox: the truth about what is there. Events are only hints that it is worth looking."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from diffio_watch.disk import marker
from diffio_watch.disk.bounds import inode_of, mtime_of
from diffio_watch.disk.place import inside
from diffio_watch.disk.reading import Interrupted
from diffio_watch.intake.junk import Rules

# what says that the share is gone, not that a file is
GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.EHOSTDOWN,
                         errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ENODEV, errno.ENXIO})
_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class Seen(NamedTuple):
    """What a look at a file tells. `inode` is 0 where the filesystem does not keep them."""

    size: int
    mtime_ns: int
    inode: int = 0

    @classmethod
    def of(cls, status: os.stat_result, *, inodes: bool) -> Seen:
        """From a stat; `inodes` says whether this filesystem's numbers can be trusted."""
        return cls(status.st_size, mtime_of(status), inode_of(status) if inodes else 0)


def seen_at(root: str, path: str, *, follow_symlinks: bool, inodes: bool) -> Seen | None:
    """What a look at a path tells; None where there is no regular file, or it can't be told."""
    try:
        status = os.stat(f"{root}/{path}", follow_symlinks=follow_symlinks)  # noqa: PTH116 - joined as text: in a Path an absolute one would replace the root
    except OSError:
        return None
    return Seen.of(status, inodes=inodes) if stat.S_ISREG(status.st_mode) else None


class RootGone(Exception):
    """The inbox itself can't be listed. Its text is the system's words."""


@dataclass(slots=True)
class Scan:
    """What one walk found.

    Attributes:
        files: the regular files that are meant, by relative path, but for those that look as it was expected.
        blind: folders and files that could not be looked at, and why: of these, absence says nothing.
        folders: what was walked through, by relative path.
        roots: folders with a marker of their own, somebody's inbox, outbox or archive: they were not entered.
        unmet: what was expected and is not there, or looks otherwise, by path.
    """

    files: dict[str, Seen] = field(default_factory=dict)
    blind: dict[str, OSError] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    roots: set[str] = field(default_factory=set)
    unmet: dict[str, Seen] = field(default_factory=dict)

    def shows_absent(self, path: str) -> bool:
        """Whether `path` was surely not there."""
        if path in self.files or "" in self.blind:
            return False
        return not _below(path, self.blind) and not self.is_somebodys(path)

    def is_somebodys(self, path: str) -> bool:
        """Whether `path` lies in a folder that was not entered for it is somebody's root."""
        return _below(path, self.roots)


def scan(root: str, rules: Rules, *, inodes: bool, going: Callable[[], bool], below: str = "",
         follow_symlinks: bool = False, expected: dict[str, Seen] | None = None) -> Scan:
    """Walk through an inbox or one folder of it. Never raises for what is below it.

    Args:
        root: the inbox.
        rules: which names are meant.
        inodes: whether inode numbers can be trusted there.
        going: asked before each call into the inbox; False ends the walk.
        below: a folder relative to the root, to look at it alone.
        follow_symlinks: follow links that stay inside the root.
        expected: regular files that are known to stand there, and how they look: those that do are not told, and taken
            out of it.

    Raises:
        RootGone: the root (or `below`) can't be listed.
        Interrupted: `going` said so.
    """
    real_root = os.path.realpath(root) if follow_symlinks else None
    return _Walk(root, rules, inodes, going, real_root, Scan(unmet=expected or {})).run(below)


class _Walk:
    def __init__(self, root: str, rules: Rules, inodes: bool,  # noqa: FBT001  # of this module alone
                 going: Callable[[], bool], real_root: str | None, found: Scan) -> None:
        self._root = root
        self._rules = rules
        self._inodes = inodes
        self._going = going
        self._real_root = real_root  # None: links are not followed
        self._entered: set[tuple[int, int]] = set()  # folders that a link led into: each but once, so no loops
        self._scan = found

    def run(self, below: str) -> Scan:
        waiting = [(below, False)]
        while waiting:
            folder, linked = waiting.pop()
            if not self._going():
                raise Interrupted
            waiting.extend(self._list(folder, linked=linked, first=folder == below))
        return self._scan

    def _list(self, folder: str, *, linked: bool, first: bool) -> list[tuple[str, bool]]:
        """Note what is in a folder; the folders in it are returned, each with whether a link led there."""
        below: list[tuple[str, bool]] = []
        found = Scan()
        try:
            path = f"{self._root}/{folder}" if folder else self._root
            # a folder swapped for a link between two looks must not lead out; the root itself may be a link
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if linked or not folder else os.O_NOFOLLOW)
            descriptor = os.open(path, flags)
        except OSError as error:
            self._unlisted(folder, error, first=first)
            return below
        try:
            if linked and not self._first_entry(descriptor):
                return below
            expected, prefix = self._scan.unmet, f"{folder}/" if folder else ""
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    if not self._going():
                        raise Interrupted
                    name = entry.name
                    if folder and name == marker.NAME:  # an outbox, by whatever mount or link it shows here
                        self._scan.roots.add(folder)
                        return []
                    path = prefix + name
                    if path in expected and self._is_as(expected[path], entry):
                        del expected[path]
                    elif (into := self._look(path, entry, found, linked=linked)) is not None:
                        below.append(into)
        except OSError as error:
            self._unlisted(folder, error, first=first)
        finally:
            os.close(descriptor)
        self._scan.folders.add(folder)
        self._scan.files |= found.files
        self._scan.blind |= found.blind
        return below

    def _is_as(self, expected: Seen, entry: os.DirEntry[str]) -> bool:
        """Whether a regular file looks as it was expected: what most of each scan is about."""
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return False  # `_look` says why
        return expected == (status.st_size, status.st_mtime_ns, status.st_ino if self._inodes else 0) \
            and stat.S_ISREG(status.st_mode)

    def _look(self, path: str, entry: os.DirEntry[str], found: Scan, *, linked: bool) -> tuple[str, bool] | None:
        """Note a file; a folder is returned to be walked through, and whether a link led there."""
        try:
            if entry.is_symlink():
                return self._follow(path, found)
            if entry.is_dir(follow_symlinks=False):
                return (path, linked) if self._rules.enters(path) else None
            if entry.is_file(follow_symlinks=False) and self._rules.concerns(path):
                found.files[path] = Seen.of(entry.stat(follow_symlinks=False), inodes=self._inodes)
        except OSError as error:
            if error.errno not in _NOT_THERE:  # else it went away while we looked
                found.blind[path] = error
        return None

    def _follow(self, path: str, found: Scan) -> tuple[str, bool] | None:
        real = None if self._real_root is None else inside(self._root, path, self._real_root)
        if real is None:
            return None
        status = os.lstat(real)
        if stat.S_ISDIR(status.st_mode):
            return (path, True) if self._rules.enters(path) else None
        if stat.S_ISREG(status.st_mode) and self._rules.concerns(path):
            found.files[path] = Seen.of(status, inodes=self._inodes)
        return None

    def _first_entry(self, descriptor: int) -> bool:
        status = os.fstat(descriptor)
        key = (status.st_dev, status.st_ino)
        if key in self._entered:
            return False
        self._entered.add(key)
        return True

    def _unlisted(self, folder: str, error: OSError, *, first: bool) -> None:
        if first:
            raise RootGone(error.strerror or str(error)) from error
        if error.errno not in _NOT_THERE:
            self._scan.blind[folder] = error


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
