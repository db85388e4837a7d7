"""What an error of the system is about, and so who can mend it.

The right is missing: a person gives it. Something else is there or holds it: it is moved, renamed or closed. The disk
is full or ill: it is mended. The share went away: it is mounted again. Every number the system gives is one of these;
only what no system call says is an error of this program.
"""

from __future__ import annotations

import errno
from enum import StrEnum
from typing import Final


class Trouble(StrEnum):
    """What is the matter."""

    GONE = "gone"  # the share or disk under an open folder went away
    NO_RIGHT = "no_right"  # this user may not
    IN_USE = "in_use"  # another program holds it
    IN_THE_WAY = "in_the_way"  # something of another kind stands there, or the folder went away meanwhile
    BAD_NAME = "bad_name"  # the filesystem takes no such name
    SHORT = "short"  # the host has no more memory or open files to give
    FULL = "full"  # no room
    DISK = "disk"  # read-only, failing, or whatever else it says


_KINDS: Final[dict[Trouble, frozenset[int]]] = {
    Trouble.GONE: frozenset({
        errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENODEV, errno.ENXIO, errno.ESHUTDOWN,
        errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.ENETDOWN,
        errno.ENETUNREACH}),
    Trouble.NO_RIGHT: frozenset({errno.EACCES, errno.EPERM}),
    Trouble.IN_USE: frozenset({errno.EBUSY, errno.ETXTBSY, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}),
    Trouble.IN_THE_WAY: frozenset({errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY,
                                   errno.ENOENT, errno.EXDEV}),
    Trouble.BAD_NAME: frozenset({errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}),  # EINVAL: FAT and SMB say so
    Trouble.SHORT: frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOLCK}),
    Trouble.FULL: frozenset({errno.ENOSPC, errno.EDQUOT}),
}


def passing(number: int | None) -> bool:
    """Whether the error is no word about what is there: its share or disk does not answer now, or the host is short."""
    return number == errno.EIO or trouble(number) in {Trouble.GONE, Trouble.SHORT}


def trouble(number: int | None) -> Trouble:
    """What the system's error of this number is about."""
    return next((kind for kind, numbers in _KINDS.items() if number in numbers), Trouble.DISK)
