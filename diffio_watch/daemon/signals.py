"""What a process has one of: its signals, and the key that it must never tell."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, Self

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config, read_key, webhook_secrets


class Key:
    """The API key and the webhooks' secrets, read anew each time, and remembered so that no log line can tell them."""

    def __init__(self) -> None:
        self._seen: list[str] = []

    def of(self, config: Config) -> Callable[[], str]:
        """What reads it from where this configuration says: one service's key is never told to another."""
        return lambda: self.read(config)

    def read(self, config: Config) -> str:
        """The key as it is now, from where this configuration says.

        Raises:
            KeyMissing: there is none.
        """
        key = read_key(config)
        self._remember(key)
        return key

    def webhook_secrets(self, config: Config) -> tuple[str, ...]:
        """The secrets of webhooks as they are now, from where this configuration says.

        Raises:
            SecretMissing: there is to be one, and there is none.
        """
        secrets = webhook_secrets(config)
        for secret in secrets:
            self._remember(secret.removeprefix("whsec_"))
        return secrets

    def _remember(self, secret: str) -> None:
        if secret not in self._seen:
            self._seen.append(secret)

    def known(self) -> list[str]:
        """Every one that was read."""
        return self._seen


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
