"""Opening a file of a shared folder so that no link leads out of it, whoever swaps what meanwhile."""

from __future__ import annotations

import errno
import os
import stat


class NotRegular(OSError):
    """What stands there is no regular file: a folder, FIFO, socket, device or symbolic link."""


def open_beneath(root: str | int, path: str) -> int:
    """Open a regular file below `root` for reading. Symbolic links below `root` are not followed at any depth.

    Args:
        root: the folder, which may itself be reached through links, or a descriptor of it.
        path: relative to it, "/"-separated, without `..`.

    Returns:
        A descriptor; the caller closes it.

    Raises:
        NotRegular: it is no regular file, or is reached through a symbolic link.
        OSError: as `open` has it.
    """
    *folders, name = path.split("/")
    if name in {"", ".."} or ".." in folders:
        raise NotRegular(errno.EINVAL, os.strerror(errno.EINVAL), path)
    descriptor = os.dup(root) if isinstance(root, int) else os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            below = _open(folder, os.O_DIRECTORY, descriptor)
            os.close(descriptor)
            descriptor = below
        return _open_regular(name, descriptor)
    finally:
        os.close(descriptor)


def _open(name: str, flags: int, folder: int) -> int:
    # O_NONBLOCK: opening a FIFO would wait for its other end
    flags |= os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        # a link; a folder's place taken by something else; a socket or a device without a driver
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ENODEV}:
            raise NotRegular(error.errno, error.strerror, name) from error
        raise


def _open_regular(name: str, folder: int) -> int:
    # a look first: merely opening some devices does something (a tape rewinds)
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise NotRegular(errno.EINVAL, "not a regular file", name)
    descriptor = _open(name, 0, folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(errno.EINVAL, "not a regular file", name)
    return descriptor
