"""The child process: one question on standard input, one answer on standard output, as JSON.

It is the only place where strangers' files meet a decoder. It has the files as descriptors, neither key nor network
address, the lowest priority that it is allowed, and limits of memory and processor time; it ends when its parent does.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any, Final

MEMORY: Final = 1 << 30  # of addresses; what is really used stays far below
_LARGEST: Final = 16 << 20  # bytes of a question
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def confine(seconds: int, file_bytes: int) -> None:
    """Take the lowest priority and these limits; end with the parent."""
    with contextlib.suppress(OSError):  # the unit's filter of system calls refuses it, as any other change of priority
        os.nice(19)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for what, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0),
                       (resource.RLIMIT_FSIZE, file_bytes)):
        resource.setrlimit(what, (most, most))


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """What the question asks for: a file's measures, the lag of two, or a preview."""
    # PyAV comes only now, under the limits
    from diffio_watch.service.sound import lag, measure, preview, removed  # noqa: PLC0415 - heavy, or an extra

    match question["do"]:
        case "measure":
            return measure.measure(question["file"])
        case "preview":
            return preview.write(question["file"], question["target"])
        case "removed":
            return removed.write(question["file"], question["other"], question["target"], question["late"])
        case "lag":
            from base64 import b64decode  # noqa: PLC0415 - heavy, or an extra

            found = lag.between(*([b64decode(window) for window in side] for side in question["sides"]))
            return {"lag": None if found is None else {
                "ms": found.ms, "drift": found.drift, "drifts": found.drifts, "windows": found.windows,
                "of": found.of}}
        case unknown:
            raise ValueError(f"no such question: {unknown}")


def main() -> None:
    """Answer what standard input asks."""
    question = json.loads(sys.stdin.buffer.read(_LARGEST))
    confine(question["seconds"], question.get("file_bytes", 0))
    from diffio_watch.service.sound.decode import NoSound, Unreadable  # noqa: PLC0415 - heavy, or an extra

    try:
        told = answer(question)
    except NoSound as error:
        told = {"note": str(error)}
    except Unreadable as error:
        told = {"unreadable": str(error)}
    except MemoryError:
        told = {"limit": "memory"}
    told["used"] = round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 2)
    told["nice"] = os.getpriority(os.PRIO_PROCESS, 0)
    told["memory"] = _memory()
    sys.stdout.write(json.dumps(told))
    sys.stdout.flush()
    os._exit(0)  # a decoder's own clean-up has nothing left to do


def _memory() -> int:
    """KiB that were used at most. What getrusage(2) tells counts the parent that this process was a copy of."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return 0


if __name__ == "__main__":
    main()
