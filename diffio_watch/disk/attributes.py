"""What a file keeps beside its content when it is moved to another filesystem: as `mv` has it, rights and no more.

Owner where that is allowed, times, access lists, extended attributes; of its mode the nine bits of rwx alone, for a
setuid bit that an editor set would be another user's in a copy.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import Final

from diffio_watch.disk import durable

ACCESS_LIST: Final = "system.posix_acl_access"
_LISTS: Final = frozenset({ACCESS_LIST, "system.nfs4_acl"})
# that a filesystem or a user without the right can't keep something is no trouble of the disk
_CANT: Final = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS,
                          errno.E2BIG, errno.ERANGE, errno.ENODATA})
_COARSEST: Final = 2_000_000_000  # nanoseconds: FAT counts every second second


def keep(source: int, copy: int) -> None:
    """Give an open copy what its open source has. What can't be kept is left out; `lost` says what.

    Raises:
        OSError: the disk has no room for it, or fails.
    """
    status = os.fstat(source)
    attributes = _attributes(source)
    for name, value in attributes.items():
        with _where_possible():
            os.setxattr(copy, name, value)
    if ACCESS_LIST not in attributes and hasattr(os, "removexattr"):  # what it inherited of its folder is no one's wish
        with _where_possible():
            os.removexattr(copy, ACCESS_LIST)
    durable.set_mode(copy, stat.S_IMODE(status.st_mode) & 0o777)
    with _where_possible():
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    if os.fstat(copy).st_uid != status.st_uid:  # last, for afterwards it may be another's
        with _where_possible():
            os.fchown(copy, status.st_uid, -1)
    with _where_possible():
        os.fchown(copy, -1, status.st_gid)


def lost(source: int, copy: int) -> list[str]:
    """What a copy does not have of its source, in words; the owner may always be another."""
    before, after = os.fstat(source), os.fstat(copy)
    found = []
    if stat.S_IMODE(before.st_mode) & 0o777 != stat.S_IMODE(after.st_mode) & 0o777:
        found.append("rights")
    if not same_time(before.st_mtime_ns, after.st_mtime_ns):
        found.append("modification time")
    there = _attributes(copy)
    missing = [name for name, value in _attributes(source).items() if there.get(name) != value]
    found += ["access list"] if any(name in _LISTS for name in missing) else []
    found += [f"attribute {name}" for name in sorted(missing) if name not in _LISTS]
    return found


def same_time(one: int, other: int) -> bool:
    """Whether two modification times, in nanoseconds, are one as far as any filesystem can keep it."""
    return abs(one - other) <= _COARSEST


def _attributes(fd: int) -> dict[str, bytes]:
    """What users gave to a file; not what is the system's own to say, such as its capabilities and its label."""
    found = {}
    if hasattr(os, "listxattr"):
        with _where_possible():
            for name in os.listxattr(fd):
                if name.startswith("user.") or name in _LISTS:
                    with _where_possible():
                        found[name] = os.getxattr(fd, name)
    return found


@contextlib.contextmanager
def _where_possible() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _CANT:
            raise
