"""One way to read a small file, such as a secret's: it may hang, be endless, or be no file, and nobody is held up."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from diffio_watch.aside import Aside
from diffio_watch.disk.mounts import around, table

AGAIN: Final = "It is read again by itself, as soon as that is over."  # the remedy where no error is a word about it

_PATIENCE: Final = 2.0  # seconds
# … before it is tried beside a read that hangs, for what is mounted anew leaves that for good; twice as many before
# each further one, so that they stay few however long it lasts
_ANOTHER: Final = 30.0


class Small(NamedTuple):
    """What stands in a file, and what is known of it."""

    content: bytes
    facts: os.stat_result
    real: str  # its path, without links


@dataclass
class _Reads:
    """Those of one file that are not back; `mounts` is what it lies on, as it was when one was first missed."""

    calls: list[Aside[Small]] = field(default_factory=list)
    mounts: frozenset[str] | None = None

    def another(self, file: Path, now: float) -> bool:
        """Whether it is time for one more."""
        if not self.calls or self.calls[-1].done():  # older ones hang on what was left for good
            self.calls = []
            return True
        self.calls = [call for call in self.calls if not call.done()]
        last = self.calls[-1].began
        return now - last >= _ANOTHER * 2 ** (len(self.calls) - 1) or (
            self.mounts is not None and self.mounts != _mounts(file))


_under_way: dict[tuple[Path, int], _Reads] = {}
_lock: Final = threading.Lock()


def read_small(file: Path, longest: int, *, patience: float | None = None, regular: bool = True) -> Small:
    """What stands in a file: where that is more than `longest` bytes, one byte more than these.

    Who asks for it while it is being read gets the same, and whoever asks while it hangs is told so at once. It is
    tried again beside that in a while, and as soon as something else is mounted where it lies.

    Args:
        file: it, or a link to it.
        longest: bytes.
        patience: seconds; else two.
        regular: a pipe or a device is none.

    Raises:
        OSError: it can't be read, or not in time; `strerror` says why.
    """
    key = (file, longest)
    now = time.monotonic()
    with _lock:
        reads = _under_way.setdefault(key, _Reads())
        if reads.another(file, now):
            reads.calls.append(Aside(lambda: _read(file, longest, regular=regular), "small-file"))
            reads.mounts = None
        call = reads.calls[-1]
    if not call.done(max(0.0, call.began + (_PATIENCE if patience is None else patience) - now)):
        with _lock:
            reads.mounts = reads.mounts or _mounts(file)
        raise TimeoutError(errno.ETIMEDOUT, "the disk or share that it is on does not answer")
    with _lock:  # a secret is kept no longer than it is asked for
        if _under_way.get(key) is reads and reads.calls[-1:] == [call]:
            del _under_way[key]
    return call.result()


def _mounts(file: Path) -> frozenset[str]:
    return around([str(file.absolute())], table())


def _read(file: Path, longest: int, *, regular: bool) -> Small:
    # a pipe that nobody writes into is not waited for; a terminal that is opened becomes nobody's
    flags = os.O_NONBLOCK | os.O_NOCTTY if regular else 0
    with open(os.open(file, os.O_RDONLY | os.O_CLOEXEC | flags), "rb") as opened:  # noqa: PTH123 - a descriptor
        facts = os.fstat(opened.fileno())
        if stat.S_ISDIR(facts.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if regular and not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "it is no file, but a pipe or a device")
        return Small(opened.read(longest + 1), facts, os.path.realpath(file))
