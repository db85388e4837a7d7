"""One life of what is killed: the daemon's own parts, driven by one thread, so that the n-th effect is always the same.

`crash_nursery` makes the processes.
"""

from __future__ import annotations

import functools
import json
import math
import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import journals
from crash_scenarios import INBOX, SCENARIOS, Scenario
from structlog.typing import FilteringBoundLogger

from diffio_watch.api import Api, Storage, Tries
from diffio_watch.clock import Clock
from diffio_watch.config import Config
from diffio_watch.daemon import daemon as daemons
from diffio_watch.daemon import parts as daemon_parts
from diffio_watch.daemon.daemon import Daemon
from diffio_watch.daemon.parts import Parts
from diffio_watch.daemon.startup import make_state_dir
from diffio_watch.disk import durable
from diffio_watch.intake import fingerprint
from diffio_watch.job import OPEN, Job, State
from diffio_watch.journal import Journal, Lock, opening, schema
from diffio_watch.journal.records import Found
from diffio_watch.logs import open_log
from diffio_watch.media.mediainfo import probe
from diffio_watch.pipeline import command_queue, upload
from diffio_watch.pipeline.worker import Worker

# what leaves a trace on the disk; a call that writes may be torn in the middle
_EFFECTS: Final = ("rename", "replace", "link", "unlink", "mkdir", "rmdir", "fsync", "ftruncate", "utime", "fchmod")
_WRITES: Final = ("write", "pwrite")
_TURNS: Final = 2000
Acknowledged = dict[str, tuple[int, int]]  # by job: version of its row, number of confirmed parts


def _signal(number: signal.Signals) -> None:
    """Take a signal that is for the whole process in this thread, which would outrun it in another."""
    signal.pthread_kill(threading.get_ident(), number)


def _log() -> FilteringBoundLogger:
    return open_log("warning", "console", secrets=list)


class Leaping(Clock):
    """A clock that jumps over every wait."""

    leap = 0.0

    def now(self) -> float:
        return super().now() + self.leap


class Fuse:
    """Ends this process at the n-th boundary; each effect, and each side of a commit, is one.

    Or it stops it there and at each that follows, so that somebody can look what a kill there would leave.
    """

    def __init__(self, length: int | None, *, lit: bool, stop: bool = False) -> None:
        self.lit = lit
        self.passed = 0
        self._length = length
        self._fatal = signal.SIGSTOP if stop else signal.SIGKILL

    def burn(self) -> None:
        self.passed += self.lit
        if self._length is not None and self.lit and self.passed >= self._length:
            _signal(self._fatal)

    def after(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def burning(*args: Any, **named: Any) -> Any:
            result = call(*args, **named)
            self.burn()
            return result

        return burning

    def torn(self, call: Callable[..., int]) -> Callable[..., int]:
        """A write in two halves, with a boundary after each: callers must go on after a short one anyway."""
        def burning(descriptor: int, data: bytes, *rest: int) -> int:
            written = call(descriptor, memoryview(data)[: len(data) // 2 + 1], *rest)
            self.burn()
            return written

        return burning

    def lay(self) -> None:
        """Put a boundary after everything in this process that changes a file."""
        for name in _EFFECTS:
            setattr(os, name, self.after(getattr(os, name)))
        for name in _WRITES:
            setattr(os, name, self.torn(getattr(os, name)))
        opened = os.open

        def burning(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            descriptor = opened(path, flags, *rest, **named)
            if flags & os.O_CREAT:
                self.burn()
            return descriptor

        os.open = burning
        rename = durable._renamer()
        if rename is not None:
            durable._renamer = lambda: self.after(rename)  # type: ignore[assignment]  # functools.cache has more to it


def config_of(scenario: Scenario, base: Path, url: str) -> Config:
    """The configuration of a world."""
    inbox = {"name": INBOX, "path": base / "inbox", "outbox": base / "outbox", "settle": 0.05, **scenario.inbox}
    if scenario.archive_elsewhere:
        inbox["archive"] = Path((base / "elsewhere").read_text("utf-8"))
    elif inbox.get("originals") == "archive":
        inbox["archive"] = base / "archive"
    return Config.of({
        "inboxes": [inbox], "state_dir": base / "state", "api": {"base_url": url, "read_timeout": 20},
        "limits": {"min_free": 0, "uploads": 1, "downloads": 1, **scenario.limits}, "log": {"level": "info"},
        "generation": {"poll": {"first": 0.01, "max": 1}}})


def place(journal: Journal, config: Config, base: Path, scenario: Scenario, now: float) -> None:
    """What intake does once the files have settled."""
    known = journal.files.known(INBOX)
    found = []
    for path in scenario.files:
        if path in known or not (base / "inbox" / path).exists():
            continue
        descriptor = os.open(base / "inbox" / path, os.O_RDONLY)
        try:
            facts = os.fstat(descriptor)
            found.append(Found(
                path, facts.st_size, facts.st_mtime_ns, config.inbox(INBOX).settings(), now, facts.st_ino,
                fingerprint.partial(descriptor, facts.st_size), media=probe(descriptor),
                fail=scenario.refused.get(path)))
        finally:
            os.close(descriptor)
    if found:
        journal.files.place(INBOX, found, batch_limit=None)


def live(scenario: Scenario, base: Path, url: str, fuse: Fuse, tell: Callable[[Acknowledged], None]) -> None:
    """One life of the daemon: everything to its end, with the waits left out."""
    config = config_of(scenario, base, url)
    daemon = Daemon(config, log=_log())
    clock = Leaping()
    daemon._clock = clock
    make_state_dir(config.state_dir)
    with Lock(config.state_dir), Journal.open(config.state_dir, clock, create=True) as journal:
        def acknowledge() -> None:
            jobs = journal.jobs.newest()
            if journal._synced:  # a commit that waits for no sync promises nothing to a power cut
                tell({job.id: (job.version, len(journal.jobs.parts(job.id))) for job in jobs})
            fuse.lit = fuse.lit or any(job.state is scenario.since for job in jobs)
            fuse.burn()

        journal.before_commit, journal.after_commit = fuse.burn, acknowledge
        parts = daemon._open(journal)
        worker = Worker(parts.tools, parts.halts, _unexpected)
        chores = parts.rooms[INBOX].chores
        place(journal, config, base, scenario, clock.now())
        for _ in range(_TURNS):
            now = clock.now()
            if command_queue.serve(journal, config, now):
                parts.halts.reload()
            for job in reversed(journal.jobs.newest(OPEN)):
                if job.due_at is not None and job.due_at <= clock.now():
                    worker.drive(job, OPEN)
            chores.once()
            upload.release(parts.tools, lambda _: False)
            if _ask(journal, scenario, base / "outbox"):
                continue
            due = [job.due_at for job in journal.jobs.newest(OPEN)]
            assert None not in due, f"waits for intake: {journal.jobs.newest(OPEN)}"
            due += [job.due_at or 0.0 for job in _chores_left(journal)]
            if not due:
                return _end(parts)
            clock.leap += max(0.0, min([at for at in due if at is not None]) - clock.now())
        raise AssertionError(f"never at an end: {journal.jobs.newest()} {journal.halts.all()}")


def _end(parts: Parts) -> None:
    """Leave no thread and no connection behind."""
    parts.dispatcher.stop()
    for pool in parts.dispatcher.pools:
        for thread in pool.threads:
            thread.join()
    parts.close()


def _chores_left(journal: Journal) -> list[Job]:
    """What is left to do, also later: a life before this one may have come further in time."""
    chores, ever = journal.chores, math.inf
    return [*chores.notices_due(INBOX, ever), *chores.notices_stale(INBOX), *chores.pending_originals(INBOX, ever)]


def _ask(journal: Journal, scenario: Scenario, outbox: Path) -> bool:
    """When all is at rest a person asks for something, each thing once."""
    if any(journal.totals.by_state()[state] for state in OPEN) or journal.requests.unanswered():
        return False
    row = journal.row("SELECT count(*) AS n FROM requests")
    asked = row["n"] if row else 0
    if asked >= len(scenario.asks):
        return False
    command, args = scenario.asks[asked]
    job = journal.jobs.newest({State.HELD} if command == "approve" else None)[0].id
    for path in scenario.takes_away:
        (outbox / path).unlink(missing_ok=True)
    journal.requests.ask(command, {**args, "jobs": [job], "missing": {job: args.get("missing", ())}})
    return True


def _unexpected(_: str, path: str) -> None:
    raise AssertionError(f"{path} was looked at again, and nobody changed it")


def run_daemon(scenario: Scenario, base: Path, url: str, fuse: Fuse) -> int:
    """One life of the whole daemon with all its threads, intake too, as `once` runs it."""
    opened = Journal.open

    def with_fuse(*args: Any, **named: Any) -> Journal:
        journal = opened(*args, **named)
        journal.before_commit, journal.after_commit = fuse.burn, fuse.burn
        return journal

    _put(daemons, Journal=SimpleNamespace(open=with_fuse))
    return Daemon(config_of(scenario, base, url), once=True, log=_log()).run()


def _put(module: ModuleType, **names: object) -> None:
    """Put something else in the place of what a module has imported; it has to be there, or nothing would change."""
    assert names.keys() <= vars(module).keys(), f"{module.__name__} has no {names.keys() - vars(module).keys()}"
    vars(module).update(names)


def obey(order: dict[str, Any]) -> int:
    """Live one life in this process."""
    scenario, base, url = SCENARIOS[order["scenario"]], Path(order["base"]), order["url"]
    fuse = Fuse(order.get("fuse"), lit=scenario.since is State.QUEUED or not order.get("explore"),
                stop=order.get("stop", False))
    swift = Tries(first=0.01)  # lost answers cost no time
    _put(daemon_parts, Api=functools.partial(Api, tries=swift), Storage=functools.partial(Storage, tries=swift))
    _put(opening, migrate=(journals if order.get("copied") else schema).migrate)
    random.seed(order.get("seed", 0))
    if not order.get("here"):
        fuse.lay()
    if order.get("whole"):
        return run_daemon(scenario, base, url, fuse)
    with Path(order["acknowledged"]).open("a", encoding="utf-8") as notes:
        def tell(rows: Acknowledged) -> None:
            notes.write(json.dumps(rows) + "\n")
            notes.flush()

        live(scenario, base, url, fuse, tell)
    return 0
