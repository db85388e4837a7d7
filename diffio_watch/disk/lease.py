"""Does anybody hold this file open for writing? A read lease asks the kernel (fcntl(2), "Leases").

The kernel refuses a read lease while the file is open for writing anywhere on the machine. The lease is a question
and never held: it is given back in the same breath. In the instant between, a writer's `open` makes the kernel send
SIGIO, whose default is to end the process: therefore it is ignored, process-wide, before the first question.
"""

from __future__ import annotations

import errno
import fcntl
import signal
import threading
from enum import Enum
from typing import Final


class Answer(Enum):
    """What the kernel says."""

    FREE = "free"
    BUSY = "busy"  # somebody has it open for writing
    NOT_ALLOWED = "not_allowed"  # the question can't be asked: not the owner and no CAP_LEASE, or no such thing here


# absent on macOS
_SETLEASE: Final[int | None] = getattr(fcntl, "F_SETLEASE", None)


def prepare() -> bool:
    """Ignore SIGIO in this process; whether questions may be asked from now on.

    Has an effect in the main thread only, where Python lets signals be set: call it there, before intake starts.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGIO, signal.SIG_IGN)
    return signal.getsignal(signal.SIGIO) is signal.SIG_IGN


def ask(descriptor: int) -> Answer:
    """Whether a file is open for writing, on a filesystem whose answer is true (`mounts.Mount.leases`).

    Args:
        descriptor: the file, opened read-only.
    """
    if _SETLEASE is None or not prepare():
        return Answer.NOT_ALLOWED
    try:
        fcntl.fcntl(descriptor, _SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, _SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return Answer.BUSY if error.errno == errno.EAGAIN else Answer.NOT_ALLOWED
    return Answer.FREE
