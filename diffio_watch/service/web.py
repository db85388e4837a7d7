"""The page as the daemon holds it: started, changed by a new configuration, watched, ended."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config
from diffio_watch.journal import Journal
from diffio_watch.service import sockets
from diffio_watch.service.access import Access
from diffio_watch.service.app import Page
from diffio_watch.service.events import Hub
from diffio_watch.service.metrics import Metrics, Traffic
from diffio_watch.service.server import Listener, Server
from diffio_watch.service.signed import Result
from diffio_watch.service.site import Site
from diffio_watch.service.sound.listening import Sound, available
from diffio_watch.service.webhooks import Webhooks

_LONGEST: Final = 4096
_SHORTEST: Final = 16  # characters of a token


class Web:
    """The server of one configuration.

    Args:
        config: it.
        journal: the daemon's.
        log: where events go.
        webhooks: what receives them, if anything does: with the page, or at an address of their own.
        traffic: what the daemon counts, for metrics.

    Raises:
        CannotListen: an address can't be listened at.
        JournalError: the journal can't be read.
    """

    def __init__(self, config: Config, journal: Journal, log: FilteringBoundLogger,
                 webhooks: Webhooks | None = None, traffic: Traffic | None = None) -> None:
        self._log = log
        self.sockets: list[socket.socket] = []  # the page's
        self.webhook_sockets: list[socket.socket] = []  # those of webhooks alone
        self._readers: list[Journal] = []
        self._sound = Sound(config, log) if config.web.listen is not None and available() else None
        listeners: list[Listener] = []
        beside: Callable[[asyncio.Event], Awaitable[None]] = _nothing_beside
        try:
            if config.web.listen is not None:
                self.sockets = sockets.listen(config.web.listen, "web.listen")
                reader, ticker = (self._reader(config) for _ in range(2))
                site = Site(config, journal, reader, ticker, log, _access(config, journal, log),
                            listening=self._sound.listening if self._sound is not None else None)
                hub = Hub(site)
                beside = hub.run
                with_page = [webhooks.route] if webhooks is not None and config.webhook.listen is None else []
                metrics = Metrics(lambda: site.config, self._reader(config), traffic,
                                  lambda: {one.value: webhooks.counts[one] if webhooks is not None else 0
                                           for one in Result})
                listeners.append(Listener(self.sockets, Page(site, hub, metrics, with_page)))
            if webhooks is not None and config.webhook.listen is not None:
                self.webhook_sockets = sockets.listen(config.webhook.listen, "webhook.listen")
                listeners.append(Listener(self.webhook_sockets, webhooks.app()))
        except BaseException:
            self._close()
            raise
        self._server = Server(listeners, log, beside)

    def _reader(self, config: Config) -> Journal:
        self._readers.append(Journal.open(config.state_dir, read_only=True))
        return self._readers[-1]

    def start(self) -> None:
        """Serve."""
        self._server.start()
        if self._sound is not None:
            self._sound.start()
        if self.sockets:
            self._log.info("page.listening", urls=[sockets.url(one) for one in self.sockets])
        if self.webhook_sockets:
            self._log.info("webhook.listening", urls=[sockets.url(one) for one in self.webhook_sockets])

    def error(self) -> BaseException | None:
        """What ended it; None while it serves."""
        if self._server.alive():
            return None
        return self._server.error or RuntimeError("its thread ended")

    def stop(self) -> None:
        """End it, within two seconds."""
        sockets.unlink([*self.sockets, *self.webhook_sockets])
        if self._sound is not None:
            self._sound.stop()
        self._server.stop()
        self._close(readers=not self._server.alive())

    def _close(self, *, readers: bool = True) -> None:
        for one in (*self.sockets, *self.webhook_sockets):
            one.close()
        for journal in self._readers if readers else ():
            journal.close()


async def _nothing_beside(ending: asyncio.Event) -> None:
    await ending.wait()


def _access(config: Config, journal: Journal, log: FilteringBoundLogger) -> Access:
    token = None
    if config.web.token_file is not None:
        try:
            token = read_token(config.web.token_file)
        except BadToken as error:
            log.error("page.no_token", message=str(error))  # noqa: TRY400 - no bug, so no traceback
    return Access(journal.secret, frozenset(config.web.hosts), token)


class BadToken(Exception):
    """There is no usable token; a sentence with what to do."""


def read_token(file: Path) -> str:
    """The token in a file.

    Raises:
        BadToken: it can't be read, others can read it, or what it holds is none.
    """
    make = f"`openssl rand -hex 24 > {file}` makes one."
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise BadToken(f"{file} is no file. {make}")
            if facts.st_mode & 0o077:
                raise BadToken(f"Others can read the token in {file}: `chmod 600 {file}`.")
            text = os.read(descriptor, _LONGEST + 1).decode("utf-8", "replace")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BadToken(f"The token can't be read from {file}: {error.strerror}. {make}") from None
    token = text.strip()
    if len(text) > _LONGEST or not token.isascii() or not token.isprintable() or " " in token:
        raise BadToken(f"What {file} holds is no token: one word of ASCII, in one line. {make}")
    if len(token) < _SHORTEST:
        raise BadToken(f"The token in {file} is shorter than {_SHORTEST} characters, and can be guessed. {make}")
    return token
