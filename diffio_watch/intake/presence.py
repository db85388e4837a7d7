"""Whether an inbox is there, what it lies on, and whether events can be had of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from diffio_watch.clock import Clock
from diffio_watch.config import Inbox
from diffio_watch.disk import marker
from diffio_watch.disk.mounts import Mount
from diffio_watch.disk.place import Place
from diffio_watch.disk.reading import Interrupted
from diffio_watch.intake.look import away
from diffio_watch.intake.pauses import SETTLE_EVENTS, SETTLE_POLLING, pause_between_scans
from diffio_watch.intake.settle import Quiet
from diffio_watch.intake.watch import Hints, Watch, WatchRefused
from diffio_watch.job import Because
from diffio_watch.journal import Journal
from diffio_watch.reasons import because

_CHECK_EVERY: Final = 10.0  # seconds between two looks at folder and watch
_RETURN_EVERY: Final = 5.0  # … while the folder is not there
_EVENTS_AGAIN: Final = 300.0  # after the system refused them
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Desk:
    """What the parts of one intake share."""

    inbox: Inbox
    memory: Journal
    owner: marker.Owner
    clock: Clock
    heartbeat: Callable[[str], None]
    hints: Hints = field(default_factory=Hints)
    stopping: threading.Event = field(default_factory=threading.Event)
    abandoned: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        """The inbox's name."""
        return self.inbox.name

    @property
    def root(self) -> str:
        """The inbox's folder."""
        return os.fspath(self.inbox.path)

    @property
    def journal(self) -> Journal:
        """The journal, for one call. An abandoned intake gets it no more.

        Raises:
            Interrupted: this intake was abandoned.
        """
        if self.abandoned.is_set():
            raise Interrupted
        return self.memory

    def going(self) -> bool:
        """Show life; whether to go on."""
        if self.abandoned.is_set():
            return False
        self.heartbeat(self.name)
        return not self.stopping.is_set()


class Presence:
    """The inbox's folder and its watch.

    Attributes:
        available: whether the folder is there; None before the first look.
        stopped: why it is not.
        since: since when it is not, in seconds since the epoch.
        mount: what it lies on.
        check_at: when it is looked at next, monotonic.
        note: why it is polled although events were wanted.
    """

    def __init__(self, desk: Desk, quiet: Quiet) -> None:
        self._desk = desk
        self._quiet = quiet
        self._watch: Watch | None = None
        self._watch_at = 0.0
        self.available: bool | None = None
        self.stopped: Because | None = None
        self.since: float | None = None
        self.mount = Mount("/", "", "")
        self.check_at = 0.0
        self.note = ""

    @property
    def watching(self) -> bool:
        """Whether events are had."""
        return self._watch is not None

    @property
    def place(self) -> Place:
        """The folder, for a last look at its files."""
        return Place(self._desk.root, self.mount.inodes, self.mount.leases, self._desk.inbox.follow_symlinks)

    @property
    def rescan(self) -> float:
        """Seconds between two scans."""
        return pause_between_scans(self._desk.inbox, watching=self.watching)

    def check(self) -> bool:
        """Look at the folder; whether it is there and this journal's.

        Raises:
            OldJournal: its marker gives the journal away as an old copy: that is not the inbox's trouble alone.
        """
        now = self._desk.clock.monotonic()
        if not self.confirm():
            return False
        self.check_at = now + _CHECK_EVERY
        self._keep_watching(now)
        return True

    def confirm(self) -> bool:
        """As `check`, without a look at the watch: cheap enough to be asked before each word to the journal.

        Raises:
            OldJournal: as `check` has it.
        """
        desk = self._desk
        desk.going()
        try:
            with marker.hold(desk.root) as folder:
                marker.check(folder, "inbox", desk.name, desk.owner, desk.journal.folders)
                self.mount = folder.mount()
        except marker.OldJournal:
            raise
        except marker.MarkerError as error:
            self._turn(away(error, desk.root, desk.name))
            return False
        self._turn(None)
        return True

    def lose(self, detail: str) -> None:
        """The folder went away under a call."""
        self._turn(because("unavailable", detail=detail, inbox=self._desk.name))

    def close(self) -> None:
        """End the watch."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()

    def _turn(self, stopped: Because | None) -> None:
        if stopped is not None:
            self.close()
            self.check_at = self._desk.clock.monotonic() + _RETURN_EVERY
        if self.available is (stopped is None):
            self.stopped = stopped
            return
        if stopped is None:
            _log.info("inbox.found", inbox=self._desk.name, filesystem=self.mount.kind)
            self._desk.hints.lose()  # everything is worth a look
        else:
            _log.warning("inbox.lost", inbox=self._desk.name, why=stopped.message)
        self.available, self.stopped = stopped is None, stopped
        self.since = None if stopped is None else self._desk.clock.now()

    def _keep_watching(self, now: float) -> None:
        """Have a watch that lives, where events are wanted; how long files have to be quiet depends on it."""
        desk = self._desk
        wanted = desk.inbox.watch == "events" or (desk.inbox.watch == "auto" and not self.mount.remote)
        if wanted and now >= self._watch_at:
            self._watch_at = now + _CHECK_EVERY
            try:
                self._renew_watch()
                self.note = ""
            except WatchRefused as error:
                self.close()
                self._watch_at = now + _EVENTS_AGAIN
                if self.note != str(error):
                    _log.warning("watch.refused", inbox=desk.name, why=str(error))
                self.note = str(error)
        settle = desk.inbox.settle
        self._quiet.rebase((SETTLE_EVENTS if self.watching else SETTLE_POLLING) if settle == "auto" else settle)

    def _renew_watch(self) -> None:
        trouble = self._watch.trouble() if self._watch is not None else None
        if trouble is not None:
            _log.warning("watch.ended", inbox=self._desk.name, why=trouble)
            self.close()
        if self._watch is None:
            self._watch = Watch(self._desk.root, self._desk.hints, recursive=self._desk.inbox.recursive)
            self._desk.hints.lose()  # what came before the first event
