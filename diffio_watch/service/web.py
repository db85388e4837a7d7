"""The page as the daemon holds it: started, replaced by one of a new configuration, watched, ended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config
from diffio_watch.journal import Journal, JournalError, sessions
from diffio_watch.service import sockets
from diffio_watch.service.access import Access, known_hosts
from diffio_watch.service.app import Page
from diffio_watch.service.events import Hub
from diffio_watch.service.metrics import Metrics, Traffic
from diffio_watch.service.pulse import Pulse
from diffio_watch.service.server import Listener, Server
from diffio_watch.service.signed import Result
from diffio_watch.service.site import Site
from diffio_watch.service.sockets import Held, addresses
from diffio_watch.service.sound.listening import Sound, available
from diffio_watch.service.threads import TooSlow
from diffio_watch.service.token import TokenFile
from diffio_watch.service.webhooks import Webhooks

_LOOK_EVERY: Final = 2.0  # seconds between two looks at the token
_SECRETS: Final = "secrets"  # the kind of calls that read it


class Web:
    """The server of one configuration.

    Attributes:
        held: the addresses that it is served at.

    Args:
        config: it.
        journal: the daemon's.
        log: where events go.
        webhooks: what receives them, if anything does: with the page, or at an address of their own.
        traffic: what the daemon counts, for metrics.
        pulse: how the daemon's loops do.
        before: the server that this one is to replace: the addresses that both have go over to it.
        remember: told each secret that is read, so that no log tells it.
        held: the addresses, as far as they are listened at; without it, at all that the configuration has.

    Raises:
        CannotListen: an address can't be listened at.
        JournalError: the journal can't be read.
    """

    def __init__(self, config: Config, journal: Journal, log: FilteringBoundLogger,  # noqa: PLR0913 - the daemon's own
                 webhooks: Webhooks | None = None,
                 traffic: Traffic | None = None, *, pulse: Pulse | None = None, before: Web | None = None,
                 remember: Callable[[str], None] = lambda _: None, held: Held | None = None) -> None:
        self._log = log
        self._journal = journal
        self._access: Access | None = None
        self._token = TokenFile(None)
        self._readers: list[Journal] = []
        self._site: Site | None = None
        self.held: Held = held or Held.of(addresses(config), before.held if before is not None else None)
        self._sound = Sound(config, log) if self.sockets and available() else None
        listeners: list[Listener] = []
        beside: list[Callable[[asyncio.Event], Awaitable[None]]] = []
        try:
            if self.sockets:
                reader, ticker = (self._reader(config) for _ in range(2))
                self._token = TokenFile(config.web.token_file, remember)
                if before is not None and before._token.path == config.web.token_file:  # noqa: SLF001 - of this class
                    self._token.token = before._token.token  # noqa: SLF001 - likewise; in case its disk hangs just now
                self._token.look()
                self._access = Access(journal.secret, known_hosts(config.web), self._token.token,
                                      ended=sessions.ended(journal))
                if before is not None and before._access is not None:  # noqa: SLF001 - of this class
                    self._access.tries = before._access.tries  # noqa: SLF001 - likewise
                site = self._site = Site(config, journal, reader, ticker, log, self._access, pulse or Pulse(),
                            listening=self._sound.listening if self._sound is not None else None)
                hub = Hub(site)
                beside += [hub.run, lambda ending: self._keep_token(site, ending),
                           lambda ending: _note_end(site, ending)]
                with_page = [webhooks.route] if webhooks is not None and config.webhook.listen is None else []
                metrics = Metrics(lambda: site.config, self._reader(config), traffic,
                                  lambda: {one.value: webhooks.had.counts[one] if webhooks is not None else 0
                                           for one in Result})
                listeners.append(Listener(self.sockets, Page(site, hub, metrics, with_page)))
            if webhooks is not None and self.webhook_sockets:
                listeners.append(Listener(self.webhook_sockets, webhooks.app()))
        except BaseException:
            self._close()
            self.held.close(but=before.held if before is not None else None)
            raise
        self._server = Server(listeners, log, beside, self._close)

    @property
    def sockets(self) -> list[socket.socket]:
        """The page's."""
        return self.held.sockets("web.listen")

    @property
    def webhook_sockets(self) -> list[socket.socket]:
        """Those of webhooks alone."""
        return self.held.sockets("webhook.listen")

    def start(self) -> None:
        """Serve."""
        if self._access is not None:
            try:  # once more: the server before this one may have ended some since
                self._access.ended = sessions.ended(self._journal)
            except JournalError as error:
                self._log.warning("page.trouble", message=str(error))
        self._server.start()
        if self._sound is not None:
            self._sound.start()
        if self.sockets:
            self._log.info("page.listening", urls=[sockets.url(one) for one in self.sockets])
            self._tell_token()
        if self.webhook_sockets:
            self._log.info("webhook.listening", urls=[sockets.url(one) for one in self.webhook_sockets])

    def error(self) -> BaseException | None:
        """What ended it; None while it serves."""
        if self._server.alive():
            return None
        return self._server.error or RuntimeError("its thread ended")

    @property
    def beats(self) -> int:
        """Grows about once a second, as long as it serves and its thread does not hang."""
        return self._server.beats

    def alive(self) -> bool:
        """Whether its thread runs, or hangs."""
        return self._server.alive()

    def use(self, config: Config) -> None:
        """Serve by another configuration, whose `web` and `webhook` are the same: streams go on."""
        if self._site is not None:
            self._site.config = config
        if self._sound is not None:
            self._sound.config = config

    def stop(self, after: Web | None = None, *, hangs: bool = False) -> None:
        """End it, within two seconds.

        Args:
            after: the server that takes its place, and its addresses.
            hangs: it is not waited for; it ends when it moves again.
        """
        self.held.close(but=after.held if after is not None else None)
        if self._sound is not None:
            self._sound.stop()
        self._server.stop(0.0) if hangs else self._server.stop()
        self._close(readers=not self._server.alive())

    def forget(self) -> None:
        """Close what its thread may still have asked when it was ended, for it hung."""
        self._close()

    def _reader(self, config: Config) -> Journal:
        self._readers.append(Journal.open(config.state_dir, read_only=True))
        return self._readers[-1]

    def _close(self, *, readers: bool = True) -> None:
        for journal in self._readers if readers else ():  # a thread that hangs may still ask one
            journal.close()

    async def _keep_token(self, site: Site, ending: asyncio.Event) -> None:
        """Put a token in force as soon as it stands in its file."""
        while not ending.is_set():
            try:
                if await site.threads.run(_SECRETS, self._token.look):
                    site.access.token = self._token.token
                    self._tell_token()
            except TooSlow:
                pass  # the disk does not answer: what was read last stays in force
            try:
                await asyncio.wait_for(ending.wait(), _LOOK_EVERY)
            except TimeoutError:
                continue

    def _tell_token(self) -> None:
        if self._token.trouble:
            self._log.error("page.no_token", message=self._token.trouble)


async def _note_end(site: Site, ending: asyncio.Event) -> None:
    await ending.wait()
    site.ending = True
