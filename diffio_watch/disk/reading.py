"""An opened file that is read with patience: each read shows life, and none begins once the reader is to stop."""

from __future__ import annotations

import os
from collections.abc import Callable


class Interrupted(Exception):
    """The caller wants no more of it: the program stops."""


def always() -> bool:
    """For who waits for the end in any case."""
    return True


class Reading:
    """A file as those see it who look into it. Patience is for one system call, so `going` is asked before each read.

    Args:
        descriptor: the file, opened for reading; its position is left alone.
        going: False, or what it raises, ends the reading.
    """

    def __init__(self, descriptor: int, going: Callable[[], bool] = always) -> None:
        self._descriptor = descriptor
        self._going = going
        self.size = os.fstat(descriptor).st_size

    def at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on; fewer only at the end of the file.

        Raises:
            Interrupted: `going` said False.
            OSError: the file can't be read.
        """
        found = b""
        while len(found) < length:
            if not self._going():
                raise Interrupted
            chunk = os.pread(self._descriptor, length - len(found), offset + len(found))
            if not chunk:
                break
            found += chunk
        return found
