"""One way to read a small file, such as a secret's: it may hang, be endless, or be no file, and nobody is held up."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

from diffio_watch.aside import Aside

AGAIN: Final = "It is read again by itself, as soon as that answers."  # the remedy for one that comes too late

_PATIENCE: Final = 2.0  # seconds
_ANOTHER: Final = 30.0  # … before it is tried beside a read that hangs: what is mounted anew leaves that for good
_MOST: Final = 4  # reads of one file that hang

_under_way: dict[tuple[Path, int], list[Aside[Small]]] = {}
_lock: Final = threading.Lock()


class Small(NamedTuple):
    """What stands in a file, and what is known of it."""

    content: bytes
    facts: os.stat_result


def read_small(file: Path, longest: int, *, patience: float | None = None, regular: bool = True) -> Small:
    """What stands in a file: where that is more than `longest` bytes, one byte more than these.

    Who asks for it while it is being read gets the same, and whoever asks while it hangs is told so at once.

    Args:
        file: it, or a link to it.
        longest: bytes.
        patience: seconds; else two.
        regular: a pipe or a device is none.

    Raises:
        OSError: it can't be read, or not in time; `strerror` says why.
    """
    key = (file, longest)
    with _lock:
        calls = _under_way[key] = [call for call in _under_way.get(key, ()) if not call.done()]
        now = time.monotonic()
        if not calls or (now - calls[-1].began >= _ANOTHER and len(calls) < _MOST):
            calls.append(Aside(lambda: _read(file, longest, regular=regular), "small-file"))
        call = calls[-1]
    if not call.done(max(0.0, call.began + (_PATIENCE if patience is None else patience) - now)):
        raise TimeoutError(errno.ETIMEDOUT, "the disk or share that it is on does not answer")
    with _lock:  # a secret is kept no longer than it is asked for
        if _under_way.get(key) == [call]:
            del _under_way[key]
    return call.result()


def _read(file: Path, longest: int, *, regular: bool) -> Small:
    # a pipe that nobody writes into is not waited for; a terminal that is opened becomes nobody's
    flags = os.O_NONBLOCK | os.O_NOCTTY if regular else 0
    with open(os.open(file, os.O_RDONLY | os.O_CLOEXEC | flags), "rb") as opened:  # noqa: PTH123 - a descriptor
        facts = os.fstat(opened.fileno())
        if stat.S_ISDIR(facts.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if regular and not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "it is no file, but a pipe or a device")
        return Small(opened.read(longest + 1), facts)
