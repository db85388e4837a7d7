"""How a journal was left, so that a start need not read all of one that nothing has touched since.

To read all of it takes seconds for each 100,000 jobs. It finds what a power cut, a disk or another program has damaged.
None of these was there where the journal was closed in order on this boot of the machine, its files are what they were
then, and all of it was read within a week: at a start, or as the daily copy, which is read as a whole too.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Final

from diffio_watch.journal.connection import Connection
from diffio_watch.journal.opening import FILE

_NOTE: Final = "left"  # in the state folder
_READ_AT: Final = "read_at"  # in the journal's meta: when all of it was read, in seconds since the epoch
_LONGEST: Final = 7 * 86_400.0  # seconds


def note(state_dir: Path) -> None:
    """Note what the journal's files are, after it was closed in order. Lost or torn, it only costs the next start."""
    with contextlib.suppress(OSError):
        (state_dir / _NOTE).write_text(json.dumps(_files(state_dir)), "utf-8")


def untouched(state_dir: Path) -> bool:
    """Whether the journal, still closed, is as it was left on this boot. The note is good for one start."""
    path = state_dir / _NOTE
    try:
        noted = json.loads(path.read_text("utf-8"))
        path.unlink()
        return bool(noted == _files(state_dir))
    except (OSError, ValueError):
        return False


def was_read(journal: Connection, now: float) -> None:
    """All of the journal was read, or a copy of all of it, and it was whole; `now` in seconds since the epoch."""
    journal.set_meta(_READ_AT, now)


def is_unread(journal: Connection) -> None:
    """All of the journal is to be read: until it was, no start goes without."""
    journal.set_meta(_READ_AT, None)


def read_lately(journal: Connection, now: float) -> bool:
    """Whether all of the journal was read within a week before `now`, in seconds since the epoch."""
    at = journal.meta(_READ_AT)
    return isinstance(at, float) and 0 <= now - at < _LONGEST


def _files(state_dir: Path) -> list[object]:
    """What changes with the files. A log that is not there, or empty, is the same: who only reads may make one."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return [boot, _facts(state_dir / FILE), _facts(state_dir / f"{FILE}-wal")]


def _facts(path: Path) -> list[int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns] if found.st_size else None
