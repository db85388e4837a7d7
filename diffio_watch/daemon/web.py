"""The page beside the daemon: nothing that breaks or hangs there ends or delays any job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
_HANGS: Final = 30.0  # seconds without a beat
_LOOKS: Final = 40  # … and looks: whoever stood still along with it found it moving before
_MOST_LEFT: Final = 4  # threads that hang, beside which no other is begun


@dataclass
class _Watch:
    """Whether a page's loop moves, by the beats that it counts."""

    beats: int = -1
    since: float = 0.0
    looks: int = 0

    def hangs(self, beats: int, now: float) -> bool:
        if beats != self.beats:
            self.beats, self.since, self.looks = beats, now, 0
        self.looks += 1
        return self.looks > _LOOKS and now - self.since >= _HANGS


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
        self._stays = False  # the server serves by that one too
        self._watch = _Watch()
        self._hung: Web | None = None  # holds its addresses until another takes them over
        self._left: list[Web] = []  # those that hung, and whose threads are still there
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
        self._give_over()
        if self._web is not None:
            self._web.start()

    def prepare(self, config: Config) -> None:
        """Take the addresses that another configuration has, too; `change` puts it in force.

        Raises:
            CannotRun: one of them can't be listened at; nothing has changed then.
        """
        if self._next is not None:  # it was not put in force after all
            self._next.stop(after=self._web)
            self._next = None
        self._next_config = config
        before = self._config
        self._stays = self._web is not None and before is not None and self._web.error() is None and (
            (before.web, before.webhook, before.state_dir) == (config.web, config.webhook, config.state_dir))
        if not self._stays:
            self._next = self._made(config)

    def change(self) -> None:
        """Serve by the configuration that was prepared; where that needs another server, open streams come back."""
        self._config, self._again_at = self._next_config, None
        if self._stays and self._web is not None and self._config is not None:
            self._web.use(self._config)
            return
        before, self._web, self._next = self._web, self._next, None
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
            return Web(config, self._journal, self._log, hooks, self._traffic, pulse=self._pulse,
                       before=self._web or self._hung,
                       remember=self._remember)
        except (CannotListen, JournalError) as error:
            self._hooks.made = had
            raise CannotRun(str(error)) from error

    def tend(self, *, moving: bool) -> None:
        """See that it still serves; told, and started anew after a while, where it does not.

        Args:
            moving: whether the daemon's loops make progress, for who asks the page.
        """
        now = self._journal.clock.monotonic()
        if self._pulse is not None and moving:
            self._pulse.beat()
        self._hooks.tend()
        for web in [web for web in self._left if not web.alive()]:
            self._left.remove(web)
            web.forget()
        if self._web is not None and (error := self._web.error()) is not None:
            self._log.error("page.ended", error=repr(error), exc_info=error)
            self._web.stop()
            self._lost(now)
        elif self._web is not None and self._watch.hangs(self._web.beats, now):
            self._left.append(self._web)
            self._hung = self._web
            self._lost(now)
            self._log.error("page.hangs", seconds=round(now - self._watch.since), action="It is made anew." if (
                len(self._left) < _MOST_LEFT) else f"{len(self._left)} of its threads hang by now: it is made anew "
                "once one of them ends, or when the service is restarted.")
        if self._again_at is not None and now >= self._again_at and self._config is not None and (
                len(self._left) < _MOST_LEFT):
            self._again_at = None
            try:
                self.open(self._config)
                self.start()
            except (CannotRun, JournalError) as error:
                self._log.error("page.ended", error=str(error))
                self._again_at = now + _PAUSE[-1]

    def _lost(self, now: float) -> None:
        self._web = None
        self._again_at = now + _PAUSE[min(self._broke, len(_PAUSE) - 1)]
        self._broke += 1

    def _give_over(self) -> None:
        """Have one that hangs listen no more, but where another took its addresses over."""
        self._watch = _Watch()
        if self._hung is not None:
            self._hung.stop(after=self._web, hangs=True)
            self._hung = None

    def stop(self) -> None:
        """End it."""
        self._again_at = None
        self._give_over()
        if self._web is not None:
            self._web.stop()
            self._web = None
