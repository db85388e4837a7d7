"""SIGHUP: the configuration is read again and put in force; a bad one is refused in words, and the old one stays."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config, ConfigError, KeyMissing, Source, read_key
from diffio_watch.daemon.changes import Changes, compare, renamed
from diffio_watch.daemon.parts import Parts
from diffio_watch.daemon.startup import CannotRun, refuse_strangers, without_effect
from diffio_watch.daemon.systemd import notify, reloading
from diffio_watch.daemon.web import Beside
from diffio_watch.disk import marker
from diffio_watch.journal import Journal, JournalTrouble, runs
from diffio_watch.journal.folders import OLD_COPY


class OldCopy(CannotRun):
    """A folder of the new configuration gave the journal away as an old copy: nothing may be spent on its word."""


def _vetted(old: Config, new: Config, journal: Journal, owner: marker.Owner) -> Changes:
    """What a configuration changes, if it can be put in force.

    Args:
        old: what is in force.
        new: what was read.
        journal: the daemon's.
        owner: what the markers are checked with.

    Raises:
        CannotRun: a folder is another journal's, or something else that a start would refuse.
    """
    changes = compare(old, new)
    names = renamed(old, changes)
    if names is not None:
        raise CannotRun(f"The inbox `{names[0]}` is called `{names[1]}` there: a new name takes a restart.")
    fresh = tuple(inbox for inbox in changes.config.inboxes if inbox.name in changes.added | changes.changed)
    try:
        refuse_strangers(replace(changes.config, inboxes=fresh), journal, owner)
    except CannotRun as error:
        if journal.meta(OLD_COPY) is not None:
            raise OldCopy(str(error)) from error
        raise
    return changes


def _key_waits(config: Config) -> str:
    """Why its API key is out of reach now, and may be there all the same; "" where it is there.

    Raises:
        KeyMissing: it leads to none.
    """
    try:
        read_key(config)
    except KeyMissing as error:
        if not error.passing:
            raise
        return str(error)
    return ""


@dataclass
class Reload:
    """Asked for by a signal, done by the main thread between two looks.

    Attributes:
        reread: reads the configuration again; None where that can't be.
        apply: told of the configuration in force before the parts are.
        refused: why what was read last is not in force; "" where it is.
    """

    reread: Callable[[], tuple[Config, Source]] | None
    apply: Callable[[Config], None]
    log: FilteringBoundLogger
    refused: str = ""
    _asked: threading.Event = field(default_factory=threading.Event)
    _owed: Changes | None = None  # what is in force, and what it ends is not written yet

    def ask(self) -> None:
        """Read it again soon; may be called from any thread and any signal handler."""
        self._asked.set()

    def if_asked(self, parts: Parts, page: Beside | None) -> bool:
        """Read it again if that was asked for, and tell the service manager; whether it was.

        Args:
            parts: what runs.
            page: what stands beside them.

        Raises:
            OldCopy: the journal must not be relied on any more.
            JournalTrouble: it can't be written.
        """
        if self._owed is not None:
            parts.maker.settle(parts, self._owed)
            self._owed = None
        if self.reread is None or not self._asked.is_set():
            return False
        self._asked.clear()
        reloading()
        try:
            self._read_again(self.reread, parts, page)
        except JournalTrouble as error:
            if self._owed is not None:  # it is in force
                raise
            self._asked.set()
            self.log.warning("config.waits", message=str(error),
                             action="It is read again as soon as the journal takes it.")
            raise
        finally:
            notify("READY=1")
        return True

    def _read_again(self, reread: Callable[[], tuple[Config, Source]], parts: Parts, page: Beside | None) -> None:
        try:
            config, source = reread()
            key_waits = _key_waits(config)
            changes = _vetted(parts.tools.config, config, parts.journal, parts.maker.owner)
            if page is not None:
                page.prepare(changes.config)
        except OldCopy:
            raise
        except (ConfigError, KeyMissing, CannotRun) as error:
            self.refused = str(error)
            self.log.error("config.refused", message=self.refused,  # noqa: TRY400  # no bug, so no traceback
                           action="What was in force before stays in force.")
            runs.refuse(parts.journal, self.refused)
            return
        try:
            runs.put_in_force(parts.journal, source, parts.tools.clock.now(), changes.at_start)
        except BaseException:
            if page is not None:
                page.undo()
            raise
        # from here on nothing is written, so that it is in force whole
        self.refused = ""
        self.apply(changes.config)
        parts.maker.change(parts, changes)
        if page is not None:
            page.change()
        if key_waits:
            self.log.error("key.waits", message=key_waits)  # as at a start: who needs it reads it again
        self.log.info("config.reloaded", file=source.file, changes=list(changes.told))
        if idle := without_effect(changes.config):
            self.log.warning("config.without_effect", keys=idle)
        self._owed = changes
        parts.maker.settle(parts, changes)
        self._owed = None
