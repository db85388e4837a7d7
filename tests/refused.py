"""A system call that is refused, as the unit's filter of system calls does it."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from typing import Final

SETPRIORITY: Final = {"x86_64": 141, "aarch64": 140}.get(platform.machine()) if sys.platform == "linux" else None
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # of the classic BPF
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000  # seccomp(2)
_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2  # prctl(2)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse(number: int) -> None:
    """Have this process, and all that it starts from now on, get EPERM from a system call."""
    steps = ((_LOAD, 0, 0, 0), (_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.EPERM), (_RETURN, 0, 0, _ALLOW))
    program = _Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_SECCOMP, _FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "the filter is refused")
