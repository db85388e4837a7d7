"""The nursery, a program: it has everything imported, and a life in it or in a fork of it costs milliseconds.

It holds no sockets of the sandbox, which would outlive the killed.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from crash_child import obey

from diffio_watch.disk import marker
from diffio_watch.media import mediainfo
from diffio_watch.outbox import originals

STOPPED: Final = 1000  # no exit, and no signal's number
ALIVE: Final = 1001  # likewise
_BAD: Final = 99
_END: Final = "end\n"
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_LIBC: Final = ctypes.CDLL(None)
_NO_KNOWLEDGE: Final = frozenset({"diffio_watch.disk.durable._locks"})


def _told(order: dict[str, Any]) -> int:
    """Live a life that tells its log what it met; the exit code."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    try:
        return obey(order)
    except BaseException:  # noqa: BLE001 - a life has to end here, whatever it met
        traceback.print_exc()
        sys.stderr.flush()
        return _BAD


def _fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        code = _BAD
        try:
            if sys.platform == "linux":  # one that is stopped would stay so where the run itself was killed
                _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            code = _told(order)
        finally:
            os._exit(code)
    return pid


def _wait(pid: int, *, now: bool = False) -> int:
    """The exit of a child, or `STOPPED`; if it has neither ended nor stopped `now`: `ALIVE`."""
    told, status = os.waitpid(pid, os.WUNTRACED | (os.WNOHANG if now else 0))
    if told == 0:
        return ALIVE
    return STOPPED if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)


def _here(order: dict[str, Any]) -> int:
    """Live a life to its end in this process. It knows no more than one in a new process does."""
    _forget()
    own, files = os.dup(2), _open_files()
    try:
        code = _told(order)
    finally:
        os.dup2(own, 1)
        os.dup2(own, 2)
    if code == 0:
        assert threading.enumerate() == [threading.current_thread()], "a fork needs a process with one thread"
        assert _open_files() == files, "a life left files open"
    os.close(own)
    return code


def _open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def _forget() -> None:
    """Forget what the program knows outside of its objects: see `_known`."""
    marker._swept.clear()
    marker._touched.clear()
    originals._CONTENTS._known.clear()
    mediainfo._crumbs = None


def _known() -> dict[str, str]:
    """What the modules and classes of the program hold that a life could change.

    Left out is what is cached of functions by their arguments: that is so whoever asks.
    """
    return {f"{name}.{each}": _shown(value) for name, module in sorted(sys.modules.items())
            if name.partition(".")[0] == "diffio_watch" for each, value in sorted(vars(module).items())
            if not each.startswith("__") and f"{name}.{each}" not in _NO_KNOWLEDGE}


def _shown(value: object) -> str:
    module = getattr(type(value), "__module__", "")
    if isinstance(value, type):
        inside = vars(value) if value.__module__.startswith("diffio_watch") else {}
        return "".join(f"{name}: {each!r}" for name, each in inside.items()
                       if isinstance(each, (dict, list, set)) and not name.startswith("__"))
    if module.startswith("diffio_watch") and hasattr(value, "__dict__"):
        return repr({name: _shown(each) for name, each in vars(value).items()})
    return "" if isinstance(value, ModuleType) or callable(value) else repr(value)


class _Heir:
    """A fork that lives one life after the other. Each page that a fork touches is copied, which costs half a life."""

    def __init__(self) -> None:
        theirs, mine = os.pipe(), os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(theirs[1])
            code = _BAD
            try:
                with os.fdopen(theirs[0]) as orders, os.fdopen(mine[1], "w", buffering=1) as answers:
                    for line in iter(lambda: orders.readline() or _END, _END):
                        answers.write(f"{_here(json.loads(line))}\n")
                code = _learned()
            except BaseException:  # noqa: BLE001 - a fork has to end here, whatever it met
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(theirs[0])
        os.close(mine[1])
        self._orders, self._answers = os.fdopen(theirs[1], "w", buffering=1), os.fdopen(mine[0])

    def live(self, order: dict[str, Any]) -> int:
        self._orders.write(json.dumps(order) + "\n")
        return int(self._answers.readline())

    def end(self) -> int:
        self._orders.write(_END)  # to close them says nothing while a stopped one has them open, too
        self._orders.close()
        self._answers.close()
        return _wait(self._pid)


_AT_FIRST: Final = _known()


def _learned() -> int:
    """Whether lives have left anything that the next one could know, as an exit code."""
    _forget()
    known = _known()
    changed = {name: (_AT_FIRST.get(name), known[name]) for name in known if known[name] != _AT_FIRST.get(name)}
    sys.stderr.write("".join(f"a life leaves behind {name}: {change}\n" for name, change in changed.items()))
    return bool(changed)


def main() -> None:
    """A line of JSON in, a line out. An order is answered by the child's process id, that by its exit, sooner or later.

    Where it is told with a minus that is not waited for.

    The first order is lived here: children inherit all that is loaded, compiled or made at first use.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    answers.write(f"{_here(json.loads(sys.stdin.readline()))}\n")
    gc.collect()
    gc.freeze()
    heir = _Heir()
    for line in sys.stdin:
        order = json.loads(line)
        if isinstance(order, int):
            answer = _wait(abs(order), now=order < 0)
        elif order.get("here"):
            answer = heir.live(order)
        else:
            answer = _fork(order)
        answers.write(f"{answer}\n")
    sys.exit(heir.end())


class Nursery:
    """This program as its own process."""

    def __init__(self) -> None:
        self.spoiled = False  # a life in it ended badly, and may have left anything there
        path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, "PYTHONPATH": path, "DIFFIO_API_KEY": "crash-key-1"})

    def begin(self, order: Mapping[str, Any]) -> int:
        """Fork a child; its process id."""
        return self._ask(order)

    def wait(self, pid: int) -> int:
        """The exit of the child, or `STOPPED`; negative: the signal it died of."""
        return self._ask(pid)

    def look(self, pid: int) -> int:
        """The same, or `ALIVE`."""
        return self._ask(-pid)

    def live(self, order: Mapping[str, Any]) -> int:
        """A life to its end; its exit code."""
        code = self._ask({**order, "here": True})
        self.spoiled = code != 0
        return code

    def _ask(self, order: Mapping[str, Any] | int) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it; it must not have learned anything."""
        self._process.communicate()
        assert self.spoiled or self._process.returncode == 0, "it ended badly, and has told why"


if __name__ == "__main__":
    main()
