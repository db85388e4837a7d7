"""What a process has one of: its signals, and the key that it must never tell."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config, read_key


class Key:
    """The API key, read anew each time, and remembered only so that no log line can tell it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._seen: list[str] = []

    def read(self) -> str:
        """The key as it is now.

        Raises:
            KeyMissing: there is none.
        """
        key = read_key(self._config)
        if key not in self._seen:
            self._seen.append(key)
        return key

    def known(self) -> list[str]:
        """Every key that was read."""
        return self._seen


class Signals:
    """SIGTERM and Ctrl-C stop the daemon; in another thread than the main one there are none to catch.

    A foreign thread that breaks, such as a watch's, is told in the log: the watch is made anew by who looks after it.
    """

    def __init__(self, stop: Callable[[], None], log: FilteringBoundLogger) -> None:
        self._stop = stop
        self._log = log
        self._before: dict[signal.Signals, object] = {}
        self._hook = threading.excepthook

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            threading.excepthook = self._broke
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._caught)

    def _caught(self, _: int, __: FrameType | None) -> None:
        self._stop()

    def _broke(self, what: threading.ExceptHookArgs) -> None:
        self._log.error("thread.broke", thread=what.thread.name if what.thread else None, exc_info=what.exc_value)

    def __exit__(self, *_: object) -> None:
        threading.excepthook = self._hook
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave
