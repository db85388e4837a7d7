"""The parent's side of the child process: one at a time, ended when it takes too long, and told apart how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

PROCESSOR: Final = 3600  # seconds of processor time for one question: a day of sound on a slow NAS
_WALL: Final = 4 * 3600.0  # seconds in all: a share may be slow
_ANSWER: Final = 16 << 20  # bytes
_LIMIT: Final = "It takes more memory or processor time than a decoder may have."
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH",
                "PYTHONUTF8", "DYLD_LIBRARY_PATH")


class ChildFailed(Exception):
    """The child did not answer; the message is a sentence that says why."""


class Stopped(Exception):
    """It was ended by us: it did nothing wrong."""


class Runner:
    """Starts child processes, one at a time.

    Args:
        processor: seconds of processor time that each may use.
        wall: seconds after which it is ended in any case.
    """

    def __init__(self, *, processor: int = PROCESSOR, wall: float = _WALL) -> None:
        self._processor = processor
        self._wall = wall
        self._lock = threading.Lock()  # of what follows
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._closed = False

    def ask(self, question: dict[str, Any], files: Sequence[int], *, file_bytes: int = _ANSWER) -> dict[str, Any]:
        """Have a question answered.

        Args:
            question: as `child.answer` knows it.
            files: descriptors that it names; they stay open here.
            file_bytes: how much the child may write into a file.

        Raises:
            ChildFailed: it crashed, ran out of its limits, or answered nonsense.
            Stopped: `stop` ended it.
        """
        told = json.dumps({"seconds": self._processor, "file_bytes": file_bytes, **question}).encode()
        with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as answered:
            asked.write(told)
            asked.seek(0)
            code = self._run(asked.fileno(), answered.fileno(), files)
            if code != 0:
                raise ChildFailed(_ending(code))
            answered.seek(0)
            data = answered.read(_ANSWER + 1)
        try:
            found = json.loads(data) if len(data) <= _ANSWER else None
        except (ValueError, RecursionError):
            found = None
        if type(found) is not dict:
            raise ChildFailed("The decoder gave no answer.")
        if "limit" in found:
            raise ChildFailed(_LIMIT)
        return found

    def stop(self) -> None:
        """End what runs now; the one who asked gets `Stopped`."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """End what runs now, and begin nothing any more."""
        self._closed = True
        self.stop()

    def _run(self, asked: int, answered: int, files: Sequence[int]) -> int:
        with self._lock:
            self._stopped = self._closed
            if self._stopped:
                raise Stopped
            # in our session: a session of its own is a scheduling group of its own (sched(7), autogroup) and gets as
            # much as all of ours, whatever its priority. As another process group it gets no terminal's signals
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "diffio_watch.service.sound.child"], stdin=asked, stdout=answered,
                stderr=subprocess.DEVNULL, pass_fds=files, env=_environment(), cwd="/", process_group=0)
        process = self._process
        try:
            code = process.wait(self._wall)
        except subprocess.TimeoutExpired:
            raise ChildFailed("It takes longer than a decoder may have.") from None
        finally:
            with self._lock:
                self._process = None
            if process.poll() is None:
                process.kill()
                process.wait(5)
        if self._stopped:
            raise Stopped
        return code


def _environment() -> dict[str, str]:
    """What the child needs of ours: neither keys nor credentials nor the service manager's sockets."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    package = str(Path(__file__).parents[3])
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, (package, kept.get("PYTHONPATH"))))}


def _ending(code: int) -> str:
    if code in {-signal.SIGXCPU, -signal.SIGKILL}:
        return _LIMIT
    if code < 0:
        return f"Its decoder crashed ({signal.Signals(-code).name})."
    return "Its decoder stumbled."
