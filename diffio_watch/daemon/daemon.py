"""The daemon: puts the parts together, keeps their threads alive, and ends them.

The main thread supervises. One intake thread and one for chores an inbox, a pool for uploads, one for downloads, one
for short calls, and the dispatcher that feeds them from the journal. A thread that dies ends the process with an error:
the service manager restarts it, and whatever it was at is in the journal.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch import __version__
from diffio_watch.clock import Clock
from diffio_watch.config import Config, KeyMissing, Source
from diffio_watch.daemon import renames
from diffio_watch.daemon.once import finished, named, undone
from diffio_watch.daemon.parts import Maker, Parts
from diffio_watch.daemon.reload import OldCopy, Reload
from diffio_watch.daemon.secrets import Secrets
from diffio_watch.daemon.signals import Signals
from diffio_watch.daemon.startup import (
    CannotRun,
    exit_code,
    make_state_dir,
    must_be_whole,
    refuse_strangers,
    take_folders,
    without_effect,
)
from diffio_watch.daemon.systemd import StatusLine, notify, summary
from diffio_watch.daemon.telling import Telling
from diffio_watch.daemon.trouble import Trouble
from diffio_watch.daemon.upkeep import Upkeep
from diffio_watch.daemon.web import Beside
from diffio_watch.daemon.webhooks import Hooks
from diffio_watch.disk import lease, marker
from diffio_watch.journal import Journal, JournalError, Lock, left, runs
from diffio_watch.logs import open_log, say
from diffio_watch.media import mediainfo

_TICK: Final = 0.25
_GRACE: Final = 3.0  # seconds that threads get to end
_SICK_PAUSE: Final = 5.0
_LINE_EVERY: Final = 2.0  # seconds between two lines for the service manager
_STALLED: Final = 60.0  # seconds without a round of the dispatcher


class Daemon:
    """The program that `run` and `once` start.

    Args:
        config: the configuration.
        once: end when everything that is now in the inboxes is at its end.
        log: where events go; made from the configuration by default.
        tell: prints a sentence for a person; to standard error by default.
        source: what the configuration was read from.
        reread: reads it again, for SIGHUP; raises `ConfigError`. Without it SIGHUP stops the daemon.
    """

    def __init__(self, config: Config, *, once: bool = False, log: FilteringBoundLogger | None = None,
                 tell: Callable[[str], None] | None = None, source: Source | None = None,
                 reread: Callable[[], tuple[Config, Source]] | None = None) -> None:
        self._config = config
        self._source = source
        self._tell = tell or say
        self._once = once
        self._secrets = Secrets()
        self._own_log = log is None
        self._log = log or open_log(config.log.level, config.log.format, secrets=self._secrets.known)
        self._trouble = Trouble(self._log)
        self._reload = Reload(reread, self._use, self._log)
        self._page: Beside | None = None
        self._telling: Telling | None = None
        self._line = StatusLine()
        self._line_at = 0.0
        self._untouched = False  # the journal is as the run before left it
        self._clock = Clock()
        self._started = self._clock.now()

    def stop(self, signal: str = "") -> None:
        """End soon; may be called from any thread and any signal handler, which gives the signal's name."""
        if signal:
            self._trouble.why = f"It was told to stop ({signal})."
        self._trouble.stop.set()

    def reload(self) -> None:
        """Read the configuration again soon; may be called as `stop` may."""
        self._reload.ask()

    def run(self) -> int:
        """Work until told to stop.

        Returns:
            The exit code: 0 done; 1 something did not get done; 2 a state that no restart cures.
        """
        try:
            lease.prepare()
            folder = self._config.state_dir
            make_state_dir(folder)
            reload = None if self._reload.reread is None else self.reload
            with Signals(self.stop, self._log, reload) as signals, Lock(folder):
                self._untouched = left.untouched(folder)
                with Journal.open(folder, self._clock, create=True) as journal:
                    journal.ending = self._trouble.stop.is_set
                    code = self._work(journal, signals)
                left.note(folder)
                return code
        except (CannotRun, JournalError) as error:
            self._tell(f"diffio-watch: {error}")
            self._line.tell(str(error))
            return exit_code(error)

    def _work(self, journal: Journal, signals: Signals) -> int:
        """Open everything and work, and remember how that ended."""
        if not self._once:
            cut_off = runs.begin(journal, self._started, self._source)
            if cut_off is not None:
                self._log.warning("daemon.was_cut_off", message=runs.how_it_ended(cut_off))
        try:
            self._line.tell("Reads its journal.")
            parts = self._open(journal)
            signals.ready()
            code = self._supervise(parts)
        except (CannotRun, JournalError) as error:
            self._remember_end(journal, exit_code(error), str(error))
            raise
        finally:
            if self._page is not None:
                self._page.stop()  # it has a connection to the journal, which is closed next
        self._remember_end(journal, code, self._trouble.why)
        return code

    def _remember_end(self, journal: Journal, code: int, why: str) -> None:
        if not self._once:
            with contextlib.suppress(JournalError):  # told already, where the journal is what ended it
                runs.end(journal, self._clock.now(), code, why)

    def _open(self, journal: Journal) -> Parts:
        trouble = self._trouble
        must_be_whole(journal, self._started, trouble.stop, untouched=self._untouched)
        mediainfo.remember_in(self._config.state_dir / "probing")
        owner = marker.Owner(journal.id, int(journal.meta("starts") or 0),
                             marker.Keeper.here(self._config.state_dir, runs=True))
        for old, new in renames.follow(self._config, journal).items():
            self._log.info("inbox.renamed", inbox=new, was=old)
        refuse_strangers(self._config, journal, owner)
        journal.set_meta("starts", owner.counter + 1)  # before any marker says so
        owner.counter += 1
        try:
            self._secrets.read(self._config)
        except KeyMissing as error:
            if not error.passing:
                raise CannotRun(str(error)) from error
            self._log.error("key.waits", message=str(error))  # who needs it reads it again, and stops until then
        upkeep = Upkeep(journal, owner, self._log)
        maker = Maker(journal, owner, self._clock, self._secrets.of, self._log, trouble.stop, trouble.sick, trouble.met,
                      upkeep.count)
        parts = maker.make(self._config)
        if not self._once:
            hooks = Hooks(journal, self._log, self._secrets.webhook_secrets, parts.announce,
                          parts.tools.announced.reliable)
            self._page = Beside(journal, self._log, hooks, maker.traffic, self._secrets.remember)
            self._page.open(self._config)
        take_folders(self._config, journal, owner)  # last: a start that fails leaves no marker
        journal.set_meta("started_at", self._started)
        self._telling = Telling(journal, lambda: self._config, self._log, trouble.stop, trouble.sick,
                                self._secrets.remember)
        parts.threads = (
            threading.Thread(target=parts.dispatcher.run, name="dispatch", daemon=True),
            threading.Thread(target=upkeep.run, args=(trouble.stop, trouble.sick, trouble.met), name="upkeep",
                             daemon=True))
        return parts

    def _supervise(self, parts: Parts) -> int:
        for room in parts.rooms.values():
            room.start()
        for thread in parts.threads:
            thread.start()
        assert self._telling is not None
        self._telling.start()
        self._log.info("daemon.started", version=__version__, pid=os.getpid(), state_dir=str(self._config.state_dir),
                       inboxes=[inbox.name for inbox in self._config.inboxes], service=self._config.api.base_url)
        if idle := without_effect(self._config):
            self._log.warning("config.without_effect", keys=idle)
        if self._page is not None:
            self._page.start()
        notify("READY=1")
        sick_at = float("-inf")
        while not self._trouble.stop.wait(_TICK):
            if self._trouble.sick.is_set():
                if time.monotonic() - sick_at >= _SICK_PAUSE:
                    sick_at = time.monotonic()
                    self._trouble.heal(parts.journal, self._clock.now())
                continue
            try:
                if self._reload.if_asked(parts, self._page):
                    self._tell_manager(parts)
                self._tend(parts)
                if self._once and self._finished(parts):
                    self._trouble.why = "All is at its end, or left and told."
                    if self._telling is not None:
                        self._telling.finish()
                    break
            except OldCopy as error:
                self._trouble.dead = error
                self._trouble.stop.set()
            except Exception as error:  # noqa: BLE001 - this thread ends everything in order, or nothing does
                self._trouble.met(error)
        return self._end(parts)

    def _tend(self, parts: Parts) -> None:
        """One look after everything."""
        parts.journal.still_there()
        parts.serve_requests()
        hung = parts.tools.files.hung()
        for name, room in parts.rooms.items():
            parts.dispatcher.give_up(room.check(hung.get(name, ())))
        parts.dispatcher.write_off([thread for threads in hung.values() for thread in threads])
        if not self._trouble.stop.is_set() and not parts.alive():
            self._trouble.met(RuntimeError("a thread ended"))
        # threads of a hung share are left out: a restart would not mend the share
        moving = time.monotonic() - parts.dispatcher.beat < _STALLED
        if moving:
            notify("WATCHDOG=1")
            if self._telling is not None:
                self._telling.moved()
        if self._page is not None:
            self._page.tend(moving=moving)
        if time.monotonic() - self._line_at >= _LINE_EVERY:
            self._tell_manager(parts)

    def _tell_manager(self, parts: Parts) -> None:
        """Say in `systemctl status` how everything is."""
        self._line_at = time.monotonic()
        journal = parts.journal
        self._line.tell(summary(journal.totals.by_state(), parts.halts.all(), journal.halts.pauses(),
                                self._reload.refused))

    def _use(self, config: Config) -> None:
        """Another configuration is in force from now on."""
        if self._own_log and config.log != self._config.log:
            open_log(config.log.level, config.log.format, secrets=self._secrets.known)
        self._config = config
        if self._telling is not None:
            self._telling.reconfigured()

    def _finished(self, parts: Parts) -> bool:
        if parts.dispatcher.busy:
            return False
        return finished(parts.journal, parts.halts, parts.inboxes(), self._started, self._clock.now())

    def _end(self, parts: Parts) -> int:
        notify("STOPPING=1")
        self._trouble.stop.set()
        told = self._trouble.old_copy(parts.journal)
        for room in parts.rooms.values():
            room.stop()
        parts.dispatcher.wake()
        parts.dispatcher.stop()
        if self._page is not None:
            self._page.stop()
        deadline = time.monotonic() + _GRACE
        for thread in [*parts.threads, *(thread for room in parts.rooms.values() for thread in room.threads),
                       *(thread for pool in parts.dispatcher.pools for thread in pool.threads)]:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._telling is not None:
            self._telling.join(max(0.0, deadline - time.monotonic()))
        parts.close()
        told = told or self._trouble.old_copy(parts.journal)
        code = 0 if self._trouble.dead is None else exit_code(self._trouble.dead)
        if self._once and code == 0:
            left = undone(parts.journal, parts.halts, parts.inboxes(), self._started)
            if left:
                for file in named(parts.journal, parts.rooms, self._started):
                    self._log.warning("once.left", **file)
                self._log.warning("once.undone", **left)
            code = int(bool(left))
        self._log.info("daemon.stopped", code=code, why=self._trouble.why)
        if isinstance(self._trouble.dead, (JournalError, CannotRun)):
            raise self._trouble.dead
        if told is not None:
            raise told
        return code
