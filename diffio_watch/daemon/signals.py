"""What signals do to this process, and what becomes of a thread that breaks."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, Self

from structlog.typing import FilteringBoundLogger


class Signals:
    """What signals do; in another thread than the main one there are none to catch.

    SIGTERM, SIGINT (Ctrl-C) and SIGQUIT stop the daemon; SIGHUP has it read its configuration again, or, where it came
    because the terminal is gone, stops it. The other ones that would end a process that knows nothing of them, such as
    SIGUSR1, do nothing. A foreign thread that breaks, such as a watch's, is told in the log: the watch is made anew by
    who looks after it.

    Args:
        stop: told to end, with the signal's name.
        log: where broken threads are told.
        reload: told to read the configuration again; without it SIGHUP stops.
    """

    def __init__(self, stop: Callable[[str], None], log: FilteringBoundLogger,
                 reload: Callable[[], None] | None = None) -> None:
        self._stop = stop
        self._log = log
        self._reload = reload
        self._before: dict[signal.Signals, object] = {}
        self._hook = threading.excepthook
        self._terminal = False
        self._nohup = False

    def __enter__(self) -> Self:
        """From here on nothing but what stops ends the process."""
        if threading.current_thread() is threading.main_thread():
            threading.excepthook = self._broke
            self._terminal = _has_terminal()
            self._nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            self._catch(signal.SIGHUP, self._hung_up)
            for number in _IDLE:
                self._catch(number, signal.SIG_IGN)
        return self

    def ready(self) -> None:
        """From here on a stop is one in order; until here, while nothing was begun, it ends the process at once."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                self._catch(number, self._caught)

    def _catch(self, number: signal.Signals, handler: _Handler) -> None:
        self._before[number] = signal.signal(number, handler)

    def _caught(self, number: int, _: FrameType | None) -> None:
        self._stop(signal.Signals(number).name)

    def _hung_up(self, number: int, frame: FrameType | None) -> None:
        if self._terminal and not _has_terminal():
            if not self._nohup:
                self._caught(number, frame)
        elif self._reload is not None:
            self._reload()
        elif not self._nohup:
            self._caught(number, frame)

    def _broke(self, what: threading.ExceptHookArgs) -> None:
        self._log.error("thread.broke", thread=what.thread.name if what.thread else None, exc_info=what.exc_value)

    def __exit__(self, *_: object) -> None:
        threading.excepthook = self._hook
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave


_Handler = Callable[[int, FrameType | None], None] | signal.Handlers
# they would end a process that knows nothing of them
_IDLE: Final = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGPIPE)


def _has_terminal() -> bool:
    """Whether this process has a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
