"""The page as the daemon holds it: started, changed by a new configuration, watched, ended."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config
from diffio_watch.journal import Journal
from diffio_watch.service import sockets
from diffio_watch.service.access import Access
from diffio_watch.service.app import Page
from diffio_watch.service.events import Hub
from diffio_watch.service.server import Listener, Server
from diffio_watch.service.site import Site

_LONGEST: Final = 4096
_SHORTEST: Final = 16  # characters of a token


class Web:
    """The server of one configuration.

    Args:
        config: it.
        journal: the daemon's.
        log: where events go.

    Raises:
        CannotListen: the address can't be listened at.
        JournalError: the journal can't be read.
    """

    def __init__(self, config: Config, journal: Journal, log: FilteringBoundLogger) -> None:
        assert config.web.listen is not None
        self._log = log
        self.sockets = sockets.listen(config.web.listen, "web.listen")
        self._reader = Journal.open(config.state_dir, read_only=True)
        self._ticker = Journal.open(config.state_dir, read_only=True)
        site = Site(config, journal, self._reader, self._ticker, log, _access(config, journal, log))
        hub = Hub(site)
        self._server = Server([Listener(self.sockets, Page(site, hub))], log, hub.run)

    def start(self) -> None:
        """Serve."""
        self._server.start()
        self._log.info("page.listening", urls=[sockets.url(one) for one in self.sockets])

    def error(self) -> BaseException | None:
        """What ended it; None while it serves."""
        if self._server.alive():
            return None
        return self._server.error or RuntimeError("its thread ended")

    def stop(self) -> None:
        """End it, within two seconds."""
        sockets.unlink(self.sockets)
        self._server.stop()
        for one in self.sockets:
            one.close()
        if not self._server.alive():
            self._reader.close()
            self._ticker.close()


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
