"""The page beside the daemon: nothing that breaks there ends or delays any job."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config
from diffio_watch.daemon.startup import CannotRun
from diffio_watch.daemon.traffic import Traffic
from diffio_watch.daemon.webhooks import Hooks
from diffio_watch.journal import Journal, JournalError

if TYPE_CHECKING:
    from diffio_watch.service.pulse import Pulse
    from diffio_watch.service.web import Web

_PAUSE: Final = (1.0, 5.0, 30.0, 300.0)  # seconds before it is started anew, after it broke


class Beside:
    """The page, if there is one.

    Args:
        journal: the daemon's.
        log: where events go.
        hooks: the webhooks' side of it.
        traffic: what the daemon counts.
        remember: told each secret that is read.
    """

    def __init__(self, journal: Journal, log: FilteringBoundLogger, hooks: Hooks, traffic: Traffic,
                 remember: Callable[[str], None]) -> None:
        self._journal = journal
        self._log = log
        self._hooks = hooks
        self._traffic = traffic
        self._remember = remember
        self._config: Config | None = None
        self._next_config: Config | None = None
        self._web: Web | None = None
        self._next: Web | None = None  # of a configuration that is just being put in force
        self._pulse: Pulse | None = None
        self._broke = 0
        self._again_at: float | None = None

    def open(self, config: Config) -> None:
        """Take the addresses that the configuration has; nothing where it has none, for the page or for webhooks.

        Raises:
            CannotRun: the address can't be listened at.
        """
        self._config = config
        self._web = self._made(config)

    def start(self) -> None:
        """Serve there."""
        if self._web is not None:
            self._web.start()

    def prepare(self, config: Config) -> None:
        """Take the addresses that another configuration has, too; `change` puts it in force.

        Raises:
            CannotRun: one of them can't be listened at; nothing has changed then.
        """
        if self._next is not None:  # it was not put in force after all
            self._next.stop(after=self._web)
        self._next = self._made(config)
        self._next_config = config

    def change(self) -> None:
        """Serve by the configuration that was prepared. Open streams end, and come back."""
        before, self._web, self._next = self._web, self._next, None
        self._config, self._again_at = self._next_config, None
        if before is not None:
            before.stop(after=self._web)
        self.start()

    def _made(self, config: Config) -> Web | None:
        had, hooks = self._hooks.made, self._hooks.make(config)
        if config.web.listen is None and config.webhook.listen is None:
            return None
        from diffio_watch.service.pulse import Pulse  # noqa: PLC0415 - a daemon without a page loads no server
        from diffio_watch.service.sockets import CannotListen  # noqa: PLC0415 - likewise
        from diffio_watch.service.web import Web  # noqa: PLC0415 - likewise

        self._pulse = self._pulse or Pulse()
        try:
            return Web(config, self._journal, self._log, hooks, self._traffic, pulse=self._pulse, before=self._web,
                       remember=self._remember)
        except (CannotListen, JournalError) as error:
            self._hooks.made = had
            raise CannotRun(str(error)) from error

    def tend(self, *, moving: bool) -> None:
        """See that it still serves; told, and started anew after a while, where it does not.

        Args:
            moving: whether the daemon's loops make progress, for who asks the page.
        """
        now = time.monotonic()
        if self._pulse is not None and moving:
            self._pulse.beat()
        self._hooks.tend()
        if self._web is not None and (error := self._web.error()) is not None:
            self._log.error("page.ended", error=repr(error), exc_info=error)
            self._web.stop()
            self._web = None
            self._again_at = now + _PAUSE[min(self._broke, len(_PAUSE) - 1)]
            self._broke += 1
        if self._again_at is not None and now >= self._again_at and self._config is not None:
            self._again_at = None
            try:
                self.open(self._config)
                self.start()
            except (CannotRun, JournalError) as error:
                self._log.error("page.ended", error=str(error))
                self._again_at = now + _PAUSE[-1]

    def stop(self) -> None:
        """End it."""
        self._again_at = None
        if self._web is not None:
            self._web.stop()
            self._web = None
