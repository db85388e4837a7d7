"""The daemon: puts the parts together, keeps their threads alive, and ends them.

The main thread supervises. One intake thread and one for chores an inbox, a pool for uploads, one for downloads, one
for short calls, and the dispatcher that feeds them from the journal. A thread that dies ends the process with an
error, for the service manager to restart it: whatever it was at is in the journal.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch import __version__
from diffio_watch.api import Api, Storage
from diffio_watch.clock import Clock
from diffio_watch.config import Config, Inbox, KeyMissing, read_key
from diffio_watch.disk import marker
from diffio_watch.disk.mounts import mount_of
from diffio_watch.intake.room import Intake
from diffio_watch.job import OPEN, State
from diffio_watch.journal import Journal, JournalCorrupt, JournalError, JournalLocked, JournalTrouble, Lock
from diffio_watch.journal.records import Role
from diffio_watch.logs import open_log
from diffio_watch.notify import notify
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.root import Root
from diffio_watch.pipeline import requests
from diffio_watch.pipeline.chores import Chores
from diffio_watch.pipeline.dispatch import Dispatcher
from diffio_watch.pipeline.halts import Halts
from diffio_watch.pipeline.sessions import Sessions
from diffio_watch.pipeline.tools import Tools
from diffio_watch.pipeline.worker import Worker

_TICK: Final = 0.25
_GRACE: Final = 3.0  # seconds that threads get to end
_SICK_PAUSE: Final = 5.0
_ONCE_GRACE: Final = 60.0  # `once` takes what is finished within settle and this


class CannotRun(Exception):
    """A state that no restart cures. Its text is one sentence with what to do."""


@dataclass
class _Parts:
    """What runs, once everything was opened."""

    journal: Journal
    tools: Tools
    halts: Halts
    dispatcher: Dispatcher
    intakes: dict[str, Intake]
    threads: list[threading.Thread]


class Daemon:
    """The program that `run` and `once` start.

    Args:
        config: the configuration.
        once: end when everything that is now in the inboxes is at its end.
        log: where events go; made from the configuration by default.
    """

    def __init__(self, config: Config, *, once: bool = False, log: FilteringBoundLogger | None = None) -> None:
        self._config = config
        self._once = once
        self._key = _Key(config)
        self._log = log or open_log(config.log.level, config.log.format, secrets=self._key.known)
        self._stop = threading.Event()
        self._sick = threading.Event()  # the journal can't be written: nothing may be sent
        self._dead: BaseException | None = None
        self._clock = Clock()
        self._started = self._clock.now()

    def stop(self) -> None:
        """End soon; may be called from any thread and any signal handler."""
        self._stop.set()

    def run(self) -> int:
        """Work until told to stop.

        Returns:
            The exit code: 0 done; 1 something did not get done; 2 a state that no restart cures.
        """
        try:
            self._make_state_dir()
            folder = self._config.state_dir
            with Lock(folder), Journal.open(folder, self._clock, create=True) as journal:
                parts = self._open(journal)
                with _Signals(self.stop):
                    return self._supervise(parts)
        except (CannotRun, JournalLocked, JournalCorrupt) as error:
            print(f"diffio-watch: {error}", file=sys.stderr)  # noqa: T201 - a person has to read it
            return 2
        except JournalError as error:
            print(f"diffio-watch: {error}", file=sys.stderr)  # noqa: T201 - likewise
            return 1

    def _make_state_dir(self) -> None:
        folder = self._config.state_dir
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            mount = mount_of(str(folder))
        except OSError as error:
            raise CannotRun(f"`state_dir` {folder} can't be made ({error.strerror}): make it, or name another."
                            ) from error
        if mount.remote:
            raise CannotRun(f"`state_dir` {folder} is on a network filesystem ({mount.kind}), where a journal can't be "
                            "kept safely: name a folder on a local disk.")

    def _open(self, journal: Journal) -> _Parts:
        counter = int(journal.meta("starts") or 0) + 1
        owner = marker.Owner(journal.id, counter)
        _refuse_foreign(self._config, journal, owner)
        journal.set_meta("starts", counter)
        journal.set_meta("started_at", self._started)
        try:
            self._key.read()
        except KeyMissing as error:
            raise CannotRun(str(error)) from error
        halts = Halts(journal, self._log)
        api = self._config.api
        tools = Tools(
            config=self._config, journal=journal, key=self._key.read, sessions=Sessions(self._config.state_dir),
            api=Api(api.base_url, self._key.read, connect_timeout=api.connect_timeout, read_timeout=api.read_timeout,
                    stop=self._stop, observe=halts.observe,
                    requests_per_second=self._config.limits.requests_per_second),
            storage=Storage(api.base_url, connect_timeout=api.connect_timeout, read_timeout=api.read_timeout,
                            stop=self._stop, observe=halts.observe),
            outboxes={inbox.name: Outbox(str(inbox.outbox), inbox=inbox.name,
                                         available=_available(journal, owner, "outbox", inbox.name, inbox.outbox),
                                         tell=lambda words: self._log.warning("outbox.limited", detail=words))
                      for inbox in self._config.inboxes},
            clock=self._clock, stop=self._stop, sick=self._sick, version=__version__, log=self._log)
        intakes = {inbox.name: Intake(inbox, journal, owner, self._clock,
                                      approve_over=self._config.limits.approve_over_files,
                                      heartbeat=lambda _: None)
                   for inbox in self._config.inboxes}
        worker = Worker(tools, halts, lambda inbox, path: intakes[inbox].look(path))
        dispatcher = Dispatcher(tools, halts, worker, self._trouble)
        threads = [self._thread(f"intake-{name}", intake.run) for name, intake in intakes.items()]
        for inbox in self._config.inboxes:
            chores = Chores(inbox, tools, halts, _root(journal, owner, "inbox", inbox),
                            _root(journal, owner, "archive", inbox) if inbox.archive else None, beat=lambda: None)
            threads.append(self._thread(f"chores-{inbox.name}", chores.run))
        threads.append(self._thread("dispatch", lambda: self._dispatch(dispatcher)))
        return _Parts(journal, tools, halts, dispatcher, intakes, threads)

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - its one place
                self._trouble(error)

        return threading.Thread(target=run, name=name, daemon=True)

    def _dispatch(self, dispatcher: Dispatcher) -> None:
        while not self._stop.is_set():
            if self._sick.is_set():
                self._stop.wait(_TICK)
            else:
                try:
                    dispatcher.round()
                except JournalTrouble as error:
                    self._trouble(error)

    def _trouble(self, error: BaseException) -> None:
        """What a thread could not deal with: a journal that can't be written is waited for, anything else is a bug."""
        if isinstance(error, JournalTrouble) and not error.fatal:
            if not self._sick.is_set():
                self._sick.set()
                self._log.error("journal.refused", message=str(error))
            return
        if not self._stop.is_set():
            self._log.error("daemon.broke", error=str(error), exc_info=error)
            self._dead = error
            self._stop.set()

    def _supervise(self, parts: _Parts) -> int:
        for thread in parts.threads:
            thread.start()
        self._log.info("daemon.started", version=__version__, pid=os.getpid(), state_dir=str(self._config.state_dir),
                       inboxes=[inbox.name for inbox in self._config.inboxes], service=self._config.api.base_url)
        notify("READY=1")
        sick_at = 0.0
        while not self._stop.wait(_TICK):
            if self._sick.is_set():
                if time.monotonic() - sick_at >= _SICK_PAUSE:
                    sick_at = time.monotonic()
                    self._heal(parts)
                continue
            try:
                if requests.serve(parts.journal, self._config, self._clock.now()):
                    parts.halts.reload()
                    parts.dispatcher.wake()
            except JournalTrouble as error:
                self._trouble(error)
            if any(not thread.is_alive() for thread in parts.threads) and not self._stop.is_set():
                self._trouble(RuntimeError("a thread ended"))
            notify("WATCHDOG=1")
            if self._once and self._finished(parts):
                break
        return self._end(parts)

    def _heal(self, parts: _Parts) -> None:
        """Go on as soon as the journal takes what it is told."""
        try:
            parts.journal.set_meta("healed_at", self._clock.now())
        except JournalTrouble as error:
            if error.fatal:
                self._trouble(error)
            return
        self._sick.clear()
        self._log.warning("journal.resumed")

    def _finished(self, parts: _Parts) -> bool:
        """For `once`: is everything that was there at its end, or stopped?"""
        stopped = bool(parts.halts.all())
        if parts.dispatcher.busy:
            return False
        for intake in parts.intakes.values():
            now = intake.now
            if now.stopped is None and now.scans == 0:
                return False
            patience = now.quiet + _ONCE_GRACE
            if now.waiting and self._clock.now() - self._started < patience:
                return False
        if stopped:
            return True
        counts = parts.journal.counts()
        if not any(counts[state] for state in OPEN):
            return not any(parts.journal.notices_due(name, self._clock.now(), 1) for name in parts.intakes)
        return all(parts.halts.blocks(job) is not None for job in parts.journal.jobs(OPEN, limit=1000))

    def _end(self, parts: _Parts) -> int:
        notify("STOPPING=1")
        self._stop.set()
        for intake in parts.intakes.values():
            intake.stop()
        parts.dispatcher.wake()
        parts.dispatcher.stop()
        deadline = time.monotonic() + _GRACE
        for thread in [*parts.threads, *(thread for pool in parts.dispatcher.pools for thread in pool.threads)]:
            thread.join(max(0.0, deadline - time.monotonic()))
        code = 0 if self._dead is None else 1
        if self._once and code == 0:
            code = self._once_code(parts)
        self._log.info("daemon.stopped", code=code)
        if isinstance(self._dead, JournalCorrupt):
            raise self._dead
        return code

    def _once_code(self, parts: _Parts) -> int:
        undone = [job for job in parts.journal.jobs({State.FAILED, State.HELD}) if job.updated_at >= self._started]
        unavailable = [intake for intake in parts.intakes.values() if intake.now.stopped is not None]
        waiting = any(parts.journal.counts()[state] for state in OPEN | {State.HELD})
        return 1 if undone or unavailable or waiting or parts.halts.all() else 0


class _Key:
    """The API key, read anew each time, and remembered only so that no log line can tell it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._seen: list[str] = []

    def read(self) -> str:
        """The key as it is now.

        Raises:
            KeyMissing: there is none.
        """
        key = read_key(self._config)
        if key not in self._seen:
            self._seen.append(key)
        return key

    def known(self) -> list[str]:
        """Every key that was read."""
        return self._seen


class _Signals:
    """SIGTERM and Ctrl-C stop the daemon; in another thread than the main one there are none to catch."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._caught)

    def _caught(self, _: int, __: FrameType | None) -> None:
        self._stop()

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave


def _refuse_foreign(config: Config, journal: Journal, owner: marker.Owner) -> None:
    """Another journal's folders, or this journal as an old copy of itself: nothing may be spent.

    Raises:
        CannotRun: naming the folder and what to do.
    """
    for inbox in config.inboxes:
        folders: list[tuple[Role, Path | None]] = [
            ("inbox", inbox.path), ("outbox", inbox.outbox), ("archive", inbox.archive)]
        for role, path in folders:
            if path is None:
                continue
            try:
                _available(journal, owner, role, inbox.name, path)()
            except marker.ForeignMarker as error:
                raise CannotRun(f"The {role} {path} belongs to another journal ({error.owner}): stop that one and run "
                                f"`diffio-watch journal adopt {inbox.name}`, or name another folder.") from error
            except marker.OldJournal as error:
                raise CannotRun(f"The {role} {path} refuses: {error}. Nothing is spent until then.") from error
            except marker.FolderGone:
                continue  # waited for


def _available(journal: Journal, owner: marker.Owner, role: Role, name: str, path: Path) -> Callable[[], None]:
    """A check that the folder is there and this journal's; it remembers what it learns."""
    def check() -> None:
        known = journal.folder(role, name)
        found = marker.check(str(path), role, name, owner, known)
        if found != known:
            journal.set_folder(found)

    return check


def _root(journal: Journal, owner: marker.Owner, role: Role, inbox: Inbox) -> Root:
    path = inbox.path if role == "inbox" else inbox.archive
    assert path is not None
    return Root(str(path), _available(journal, owner, role, inbox.name, path))
