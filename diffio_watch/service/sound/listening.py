"""Listening, a thread of its own: measures what was delivered, when nothing else is asked, and makes what is asked for.

It reads the journal and the folders and writes into `state_dir/sound` alone. No step waits for it, and whatever goes
wrong in it is told and left at that.
"""

from __future__ import annotations

import importlib.metadata
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config
from diffio_watch.disk.mounts import Mount, mount_of, mounts
from diffio_watch.job import Job, State
from diffio_watch.journal import Journal, JournalError
from diffio_watch.service.sound.runner import Runner, Stopped
from diffio_watch.service.sound.sides import contents
from diffio_watch.service.sound.store import SPARE, Store
from diffio_watch.service.sound.tasks import Doer, Later, Task

NEEDED, TOO_NEW = (18, 1), (19, 0)  # of PyAV: from the one to before the other
_LOOK_EVERY: Final = 3.0  # seconds
_DAY: Final = 86_400.0
_NEWEST, _NEXT = 50, 20  # jobs that a look takes in: delivered ones, and such as are still at the service
_AGAIN: Final = 60.0  # seconds before what could not be had is tried again
_MOST_ASKED: Final = 32
_REMEMBERED: Final = 20_000
_END: Final = 1.0  # seconds that the thread gets to end


def available() -> bool:
    """Whether the extra `waveforms` is installed, in a version that does."""
    try:
        version = importlib.metadata.version("av").split(".")
        return NEEDED <= (int(version[0]), int(version[1])) < TOO_NEW
    except (importlib.metadata.PackageNotFoundError, ValueError, IndexError):
        return False


def to_spare(config: Config, table: list[Mount]) -> int:
    """Bytes to leave free where the state folder lies: the journal's, and what an outbox on the same disk is to have.

    Args:
        config: in force.
        table: the mounts of the system.
    """
    def disk(folder: Path) -> tuple[str, str]:
        mount = mount_of(str(folder), table)
        return mount.kind, mount.source

    here = disk(config.state_dir)
    beside = any(disk(inbox.outbox) == here for inbox in config.inboxes)
    return max(SPARE, config.limits.min_free) if beside else SPARE


class Listening:
    """What is asked for, and what is due of itself. Safe to ask from many threads.

    Args:
        config: gives the configuration in force.
        log: where trouble is told.
        store: where what was found is kept.
        runner: of the child.
    """

    def __init__(self, config: Callable[[], Config], log: FilteringBoundLogger, *, store: Store | None = None,
                 runner: Runner | None = None) -> None:
        self._config = config
        self._log = log
        self.store = store or Store(config().state_dir, spare=max(SPARE, config().limits.min_free))  # till it is known
        self._runner = runner or Runner()
        self._doer = Doer(self.store, self._runner, log)
        self._lock = threading.Lock()  # of what follows
        self._asked: OrderedDict[tuple[str, str, str], Task] = OrderedDict()
        self._doing: tuple[Task, float, bool] | None = None  # since when; whether it was asked for
        self._wake = threading.Event()
        self._known: set[str] = set()  # contents and pairs that nothing is to be done for
        self._later: dict[tuple[str, str, str], tuple[float, str]] = {}
        self._told = ""

    def ask(self, task: Task) -> int:
        """Have something done next; seconds until then, roughly.

        Raises:
            Later: it was tried just now and could not be done.
        """
        with self._lock:
            until, why = self._later.get(task.key, (0.0, ""))
            if time.monotonic() < until:
                raise Later(why)
            doing = self._doing
            if doing is not None and doing[0].key == task.key:
                return max(1, round(self._doer.about(task) - (time.monotonic() - doing[1])))
            if task.key not in self._asked and len(self._asked) < _MOST_ASKED:
                self._asked[task.key] = task
                if doing is not None and not doing[2]:
                    self._runner.stop()  # nobody waits for that one
            self._wake.set()
            before = [doing[0]] if doing is not None and doing[2] else []
            return sum(map(self._doer.about, (*before, *self._asked.values())))

    def run(self, stop: threading.Event) -> None:
        """The thread's body, until `stop` is set and `close` was called."""
        journal: Journal | None = None
        try:
            while not stop.is_set():
                try:
                    self._ask_what_to_spare()
                    self.store.prune()
                    journal = journal or Journal.open(self._config().state_dir, read_only=True)
                    self._work(journal, stop)
                except (OSError, JournalError) as error:
                    if str(error) != self._told:
                        self._log.warning("sound.stumbled", message=str(error))
                    self._told = str(error)
                    stop.wait(_AGAIN)
                except Exception:  # noqa: BLE001 - told, and neither page nor daemon is any worse for it
                    self._log.exception("sound.broke")
                    stop.wait(_AGAIN)
        finally:
            if journal is not None:
                journal.close()

    def close(self) -> None:
        """End what is being done, and begin nothing any more."""
        self._runner.close()
        self._wake.set()

    def _work(self, journal: Journal, stop: threading.Event) -> None:
        """Do one thing after the other.

        Raises:
            OSError: the state folder can't be written.
            JournalError: the journal can't be read.
        """
        looked: object = None
        tended_at = time.monotonic()
        while not stop.is_set():
            self._wake.clear()
            if time.monotonic() - tended_at >= _AGAIN:
                tended_at = time.monotonic()
                self._ask_what_to_spare()
                self.store.tend()
            with self._lock:
                task = self._asked.popitem(last=False)[1] if self._asked else None
            asked = task is not None
            if task is None:
                row = journal.row("PRAGMA data_version")
                version = (row[0] if row is not None else None, int(time.monotonic() / _AGAIN))
                task = self.due(journal) if version != looked else None
                if task is None:
                    looked = version
                    self._wake.wait(_LOOK_EVERY)
                    continue
            self._do(journal, task, asked=asked)

    def _ask_what_to_spare(self) -> None:
        self.store.spare = to_spare(self._config(), mounts())

    def _do(self, journal: Journal, task: Task, *, asked: bool) -> None:
        with self._lock:
            self._doing = (task, time.monotonic(), asked)
        try:
            self._doer.do(self._config(), journal, task)
        except Stopped:
            return
        except Later as error:
            with self._lock:
                if len(self._later) > _REMEMBERED:
                    self._later.clear()
                self._later[task.key] = (time.monotonic() + _AGAIN, str(error))
        finally:
            with self._lock:
                self._doing = None

    def due(self, journal: Journal) -> Task | None:
        """What comes next of itself.

        Originals that are to be deleted come first, while they are at the service; then what was delivered within a
        day, the newest first; then other originals. They are measured once, by content.
        """
        at_service = journal.jobs.where("state IN ('waiting', 'downloading') ORDER BY seq LIMIT ?", _NEXT,
                                        index="jobs_state")
        yesterday = journal.clock.now() - _DAY
        done = [job for job in journal.jobs.where("delivered_at > ? ORDER BY delivered_at DESC LIMIT ?", yesterday,
                                                  _NEWEST, index="jobs_delivered") if job.state is State.DELIVERED]
        leaving = [job for job in at_service if job.settings.originals == "delete"]
        for job in (*leaving, *done, *at_service):
            for task in self._wanted(job):
                if time.monotonic() >= self._later.get(task.key, (0.0, ""))[0]:
                    return task
        return None

    def _wanted(self, job: Job) -> Iterator[Task]:
        sides = contents(job)
        if job.original == "deleted":
            sides.pop("original", None)
        if job.state is not State.DELIVERED:
            sides = {side: content for side, content in sides.items() if side == "original"}
        for side, content in sides.items():
            if content.sha256 not in self._known:
                if not self.store.get(content.sha256).final:
                    yield Task("measure", job, side)
                else:
                    self._remember(content.sha256)
        yield from lags(job, self.store, self._known)

    def _remember(self, what: str) -> None:
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        self._known.add(what)


class Sound:
    """Listening in a thread of its own.

    Attributes:
        config: in force.

    Args:
        config: likewise.
        log: where trouble is told.
    """

    def __init__(self, config: Config, log: FilteringBoundLogger) -> None:
        self.config = config
        self.listening = Listening(lambda: self.config, log)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.listening.run, args=(self._stop,), name="sound", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End it, with its child; one that hangs in a share is left behind."""
        self._stop.set()
        self.listening.close()
        if self._thread.ident is not None:
            self._thread.join(_END)


def lags(job: Job, store: Store, known: set[str]) -> Iterator[Task]:
    """Sides of a job that are measured and were not compared with its original.

    Args:
        job: any.
        store: what is known.
        known: pairs that were found compared before; gets those that are.
    """
    sides = contents(job)
    original = sides.pop("original", None)
    if original is None:
        return
    for side, content in sides.items():
        pair = f"{original.sha256}-{content.sha256}"
        if pair in known:
            continue
        if store.lag(original.sha256, content.sha256) is not None:
            known.add(pair)
        elif store.get(original.sha256).windows and store.get(content.sha256).windows:
            yield Task("lag", job, side)
