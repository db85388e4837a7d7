"""Writing so that it outlives a power cut, and naming so that nothing is ever overwritten.

Everything here works relative to an open folder (`dir_fd`): whoever checked that the folder is the right one and
still mounted knows that the write lands in just that folder. Errors are the system's own `OSError`; `is_gone` tells
a share that went away from a disk in trouble.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import platform
import stat
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from diffio_watch.disk.trouble import Trouble, trouble

Way = Literal["atomic", "link", "lock"]  # how a rename kept from overwriting

_REFUSED: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM,
                             errno.ENOTTY, errno.EMLINK, errno.EXDEV})
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_locks: Final[defaultdict[int, threading.Lock]] = defaultdict(threading.Lock)  # by device: a hung share stops no other

Call = Callable[[int, bytes, int, bytes], int]


def is_gone(error: OSError) -> bool:
    """Whether the error says that the share or disk under an open folder went away."""
    return trouble(error.errno) is Trouble.GONE


def create(name: str, mode: int, *, dir_fd: int) -> int:
    """A new file of this mode (its rwx alone), whatever the umask, open for reading and writing.

    Raises:
        FileExistsError: something has this name, a dangling link included.
        OSError: what else the system says.
    """
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode & 0o777, dir_fd=dir_fd)
    try:
        set_mode(fd, mode & 0o777)
    except BaseException:
        os.close(fd)
        raise
    return fd


def set_mode(fd: int, mode: int) -> None:
    """`fchmod`; a share that refuses keeps its own mode."""
    try:
        os.fchmod(fd, mode)
    except OSError as error:
        if error.errno not in _REFUSED and error.errno != errno.EACCES:
            raise


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte, however many calls it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def sync(fd: int) -> None:
    """Bring the file's content and length to the disk itself. After an error the content can't be relied on."""
    if sys.platform == "darwin":  # fsync stops at the drive's cache there
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    os.fsync(fd)


def begin_sync(fd: int, offset: int, size: int) -> None:
    """Let the system begin to write these bytes to the disk, and do not wait: `sync` has less to do then.

    Where this can't be had, nothing is lost; what goes wrong in it, `sync` tells.
    """
    call = _sync_starter()
    if call is not None:
        call(fd, offset, size)


@functools.cache
def _sync_starter() -> Callable[[int, int, int], int] | None:
    """Linux's sync_file_range(2) with SYNC_FILE_RANGE_WRITE alone."""
    named = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if named is None:
        return None
    named.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return lambda fd, offset, size: int(named(fd, offset, size, 2))


def sync_folder(dir_fd: int) -> bool:
    """Bring the names in a folder to the disk; False where its filesystem can't."""
    try:
        os.fsync(dir_fd)
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF}:
            return False
        raise
    return True


def open_folder(parts: Sequence[str], *, dir_fd: int) -> int:
    """The folder below `dir_fd`, entered name by name and never through a symbolic link.

    Raises:
        FileNotFoundError: there is none.
        OSError: ENOTDIR or ELOOP where a file or a symbolic link is in the way.
    """
    return _descend(parts, dir_fd, None)


def make_folders(parts: Sequence[str], mode: int, *, dir_fd: int) -> int:
    """Like `open_folder`, but makes what is missing, of this mode whatever the umask, and durable.

    A setgid bit that a new folder inherits is kept.
    """
    return _descend(parts, dir_fd, mode)


def _descend(parts: Sequence[str], dir_fd: int, mode: int | None) -> int:
    here = os.dup(dir_fd)
    try:
        for part in parts:
            if part in {"", ".", ".."} or "/" in part:
                raise ValueError(f"not the name of a folder: {part!r}")
            below = _enter(part, here, mode)
            os.close(here)
            here = below
    except BaseException:
        os.close(here)
        raise
    return here


def _enter(part: str, here: int, mode: int | None) -> int:
    if mode is None:
        return os.open(part, _FOLDER, dir_fd=here)
    with contextlib.suppress(FileNotFoundError):
        return os.open(part, _FOLDER, dir_fd=here)
    with contextlib.suppress(FileExistsError):  # another thread made it just now
        os.mkdir(part, mode & 0o777, dir_fd=here)
        fd = os.open(part, _FOLDER, dir_fd=here)
        try:
            set_mode(fd, mode | (os.fstat(fd).st_mode & stat.S_ISGID))
            sync_folder(fd)
            sync_folder(here)
        except BaseException:
            os.close(fd)
            raise
        return fd
    return os.open(part, _FOLDER, dir_fd=here)


def rename_noreplace(source: str, target: str, *, source_fd: int, target_fd: int) -> Way:
    """Rename within one filesystem without ever replacing, and say by which means.

    Atomic where system and filesystem can; else by a hard link and removal of the old name; else by looking first,
    under a lock that keeps this program's own threads and processes apart.

    Raises:
        FileExistsError: the target has something, and the source is untouched.
        OSError: EXDEV across filesystems, and what else the system says.
    """
    if _atomically(os.fsencode(source), os.fsencode(target), source_fd, target_fd):
        return "atomic"
    if _by_link(source, target, source_fd, target_fd):
        return "link"
    with _alone(target_fd):
        try:
            os.stat(target, dir_fd=target_fd, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)
            return "lock"
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)


def _atomically(source: bytes, target: bytes, source_fd: int, target_fd: int) -> bool:
    call = _renamer()
    if call is None:
        return False
    if call(source_fd, source, target_fd, target) == 0:
        return True
    code = ctypes.get_errno()
    if code in _REFUSED and code != errno.EXDEV:
        return False
    raise OSError(code, os.strerror(code), os.fsdecode(target))


@functools.cache
def _renamer() -> Call | None:
    """The system's rename that refuses to replace: Linux's renameat2, Darwin's renameatx_np."""
    libc = ctypes.CDLL(None, use_errno=True)
    name, flag = ("renameatx_np", 4) if sys.platform == "darwin" else ("renameat2", 1)  # RENAME_EXCL, _NOREPLACE
    with contextlib.suppress(AttributeError):
        named = getattr(libc, name)
        named.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
        return lambda a, b, c, d: int(named(a, b, c, d, flag))
    # a C library older than the system call
    number = {"x86_64": 316, "aarch64": 276, "riscv64": 276}.get(platform.machine())
    if number is None or not sys.platform.startswith("linux"):
        return None
    return lambda a, b, c, d: int(libc.syscall(ctypes.c_long(number), a, b, c, d, ctypes.c_uint(flag)))


def _by_link(source: str, target: str, source_fd: int, target_fd: int) -> bool:
    try:
        os.link(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
    except FileExistsError:
        # NFS may say so of its own first try whose answer was lost
        if not same_file(source, target, source_fd=source_fd, target_fd=target_fd):
            raise
    except OSError as error:
        if error.errno in _REFUSED:
            return False
        raise
    os.unlink(source, dir_fd=source_fd)
    return True


def same_file(source: str, target: str, *, source_fd: int, target_fd: int) -> bool:
    """Whether both names are of one file; False where either is missing."""
    try:
        one = os.stat(source, dir_fd=source_fd, follow_symlinks=False)
        other = os.stat(target, dir_fd=target_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(one, other)


@contextlib.contextmanager
def _alone(dir_fd: int) -> Iterator[None]:
    # a descriptor of its own: flock belongs to the open file, and threads share dir_fd's
    with _locks[os.fstat(dir_fd).st_dev]:
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            # shares that can't lock a folder have only this process's lock; markers keep other journals out
            with contextlib.suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)
