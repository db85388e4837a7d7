"""The page beside the daemon: nothing that breaks or hangs there ends or delays any job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config
from diffio_watch.daemon.seeking import MOMENT, PATIENCE, Seeking, at_once, unknown
from diffio_watch.daemon.startup import CannotRun
from diffio_watch.daemon.traffic import Traffic
from diffio_watch.daemon.webhooks import Hooks
from diffio_watch.journal import Journal
from diffio_watch.service.sockets import Held, addresses

if TYPE_CHECKING:
    from diffio_watch.service.pulse import Pulse
    from diffio_watch.service.web import Web
    from diffio_watch.service.webhooks import Webhooks

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


@dataclass(frozen=True)
class _Next:
    """What `prepare` made.

    Attributes:
        config: what it was made of.
        web: the server; None where there is to be none, or where nothing can be listened at.
        missing: what is in the way of that, by key.
        had: what received webhooks before.
        stays: the server that is there serves by this configuration, too.
    """

    config: Config
    web: Web | None = None
    missing: dict[str, str] = field(default_factory=dict)
    had: Webhooks | None = None
    stays: bool = False


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
        self._web: Web | None = None
        self._next: _Next | None = None  # of a configuration that is just being put in force
        self._seeking = Seeking(journal, log)
        self._watch = _Watch()
        self._hung: Web | None = None  # holds its addresses until another takes them over
        self._left: list[Web] = []  # those that hung, and whose threads are still there
        self._pulse: Pulse | None = None
        self._broke = 0
        self._again_at: float | None = None

    def open(self, config: Config) -> None:
        """Take the addresses that the configuration has, for the page and for webhooks, as far as they can be had.

        The others are tried again by `tend`.
        """
        self._config = config
        self._seeking.begin(config, None, PATIENCE)
        self._take()

    def start(self) -> None:
        """Serve there."""
        self._give_over()
        if self._web is not None:
            self._web.start()

    def prepare(self, config: Config) -> None:
        """Take the addresses that another configuration has, too; `change` puts it in force, or `undo` gives it up.

        Raises:
            CannotRun: one that is new can't be listened at; nothing has changed then.
            JournalError: the journal can't be read; likewise.
        """
        self.undo()
        before, serves = self._config, self._web is not None and self._web.error() is None
        if before is not None and (serves or self._seeking.missing) and (
                (before.web, before.webhook, before.state_dir) == (config.web, config.webhook, config.state_dir)):
            self._next = _Next(config, stays=True)
            return
        self._seeking.give_up()
        held = at_once(config, self._held)
        if held is None:
            self._seek_on()
            raise CannotRun(" ".join(unknown(config).values()))
        known = addresses(before) if before is not None else {}
        try:
            for name, message in held.missing.items():
                if known.get(name) != addresses(config)[name]:
                    held.close(but=self._held)
                    raise CannotRun(message)
            had = self._hooks.made
            self._next = _Next(config, self._made(config, held), held.missing, had)
        except BaseException:
            self._seek_on()
            raise

    def undo(self) -> None:
        """What was prepared is not put in force."""
        prepared, self._next = self._next, None
        if prepared is None or prepared.stays:
            return
        self._hooks.made = prepared.had
        if prepared.web is not None:
            prepared.web.stop(after=self._web or self._hung)
        self._seek_on()

    def change(self) -> None:
        """Serve by the configuration that was prepared; where that needs another server, open streams come back."""
        prepared, self._next = self._next, None
        assert prepared is not None
        self._config = prepared.config
        if prepared.stays:
            if self._web is not None:
                self._web.use(prepared.config)
            return
        before, self._web, self._again_at = self._web, prepared.web, None
        if before is not None:
            before.stop(after=self._web)
        self._seeking.lack(prepared.missing)
        self.start()

    @property
    def _held(self) -> Held | None:
        """What is listened at."""
        web = self._web or self._hung
        return web.held if web is not None else None

    def _seek_on(self) -> None:
        if self._seeking.missing:
            self._seeking.again()

    def _take(self) -> bool:
        """Have a server where it listens by now; whether that is another one, which has to be started."""
        held, before, config = self._seeking.found(), self._web, self._config
        if held is None or config is None:
            return False
        if before is not None and before.held.missing.keys() == held.missing.keys():
            held.close(but=before.held)
            return False
        try:
            self._web = self._made(config, held)
        except Exception as error:  # noqa: BLE001 - whatever it is, the work goes on; told, and tried again
            self._log.error("page.ended", error=repr(error), exc_info=error)
            self._again(self._journal.clock.monotonic())
            return False
        if before is not None:
            before.stop(after=self._web)
        return True

    def _made(self, config: Config, held: Held) -> Web | None:
        had = self._hooks.made
        try:
            hooks = self._hooks.make(config)
            if not held.any:
                return None
            from diffio_watch.service.pulse import Pulse  # noqa: PLC0415 - a daemon without a page loads no server
            from diffio_watch.service.web import Web  # noqa: PLC0415 - likewise

            self._pulse = self._pulse or Pulse()
            return Web(config, self._journal, self._log, hooks, self._traffic, pulse=self._pulse,
                       before=self._web or self._hung, remember=self._remember, held=held)
        except BaseException:
            self._hooks.made = had
            raise

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
        if self._config is not None and len(self._left) < _MOST_LEFT and (
                self._seeking.due() or (self._again_at is not None and now >= self._again_at)):
            self._again_at = None
            self._seeking.begin(self._config, self._held, MOMENT)
        if self._take():
            self.start()
        self._seeking.note()

    def _lost(self, now: float) -> None:
        self._seeking.give_up()
        self._web = None
        self._again(now)

    def _again(self, now: float) -> None:
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
        self._seeking.give_up()
        self._give_over()
        if self._web is not None:
            self._web.stop()
            self._web = None

