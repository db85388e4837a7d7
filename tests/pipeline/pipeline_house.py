"""What the pipeline's tests work in: a house with inboxes, outboxes, a journal and the service next door.

Sockets, SQLite and folders are real, and so is everything of the program but two things: files are journalled by
hand, without waiting until they settle, and time passes only when a test lets it.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import structlog
from sounds import sound
from structlog.testing import LogCapture

from diffio_watch.api import Api, Observation, Storage, Tries
from diffio_watch.api.retry import Pace
from diffio_watch.clock import Clock
from diffio_watch.config import Config, Inbox, KeyMissing
from diffio_watch.disk.names import parse
from diffio_watch.intake import fingerprint
from diffio_watch.job import OPEN, Job, Media, State
from diffio_watch.journal import Answer, Journal
from diffio_watch.journal.records import Found
from diffio_watch.outbox import Outbox, ledger
from diffio_watch.outbox.root import Root
from diffio_watch.pipeline import command_queue
from diffio_watch.pipeline.chores import Chores
from diffio_watch.pipeline.dispatch import Dispatcher
from diffio_watch.pipeline.halts import Halts
from diffio_watch.pipeline.sessions import Sessions
from diffio_watch.pipeline.tools import Tools
from diffio_watch.pipeline.worker import Worker
from diffio_watch.sandbox import Sandbox

QUICK: Final = Tries(attempts=2, first=0.001, longest=0.002)
DAY: Final = 86400.0
_SPIN: Final = 40  # hand-outs a job, within one moment, that only a loop without an end needs


class Handclock(Clock):
    """Time that passes only when it is told to, for the program and for the service alike."""

    def __init__(self, service: Sandbox) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._start = time.time()
        self._moved = 0.0

    def now(self) -> float:
        return self._start + self._moved

    def monotonic(self) -> float:
        return self._moved

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._moved += seconds
        self._service.skip(seconds)

    def set(self, seconds: float) -> None:
        """Somebody sets the host's clock by so much, while the program does not run; the service's is right."""
        self._start += seconds


class House:
    """One daemon's parts, put together as the daemon does it, and moved along by hand.

    Args:
        base: an empty folder.
        service: a running sandbox.
        inboxes: their names, with what differs from the defaults.
        proven: whether its key has fetched results before, so that no question about that is asked.
        settings: further parts of the configuration.
    """

    def __init__(self, base: Path, service: Sandbox, *, inboxes: Mapping[str, Mapping[str, Any]] | None = None,
                 proven: bool = True, **settings: Any) -> None:
        self.base = base
        self.service = service
        self.clock = Handclock(service)
        self.proven = proven
        self.key: str | None = "key-of-the-house"
        self.tries = QUICK
        self.request_takes = 0.0  # seconds of the house's time that a request takes
        self.outbox_check: Callable[[], None] = lambda: None
        self.troubles: list[BaseException] = []
        self.looked: list[str] = []  # paths that the pipeline asked intake to look at
        self.settings = settings
        self.inboxes = {name: dict(more) for name, more in (inboxes or {"podcasts": {}}).items()}
        for name in self.inboxes:
            for folder in (self.inbox(name), self.outbox(name)):
                folder.mkdir(parents=True)
        (base / "state").mkdir()
        self.open()

    def inbox(self, name: str = "podcasts") -> Path:
        return self.base / name / "in"

    def outbox(self, name: str = "podcasts") -> Path:
        return self.base / name / "out"

    def config(self) -> Config:
        rows = [{"name": name, "path": self.inbox(name), "outbox": self.outbox(name), **more}
                for name, more in self.inboxes.items()]
        settings = {"limits": {}, "api": {}, **self.settings}
        settings["limits"] = {"min_free": 0, **settings["limits"]}
        settings["api"] = {"base_url": self.service.base_url, "read_timeout": 5, **settings["api"]}
        return Config.of({"inboxes": rows, "state_dir": self.base / "state", **settings})

    def open(self) -> None:
        """Start, from what the journal has."""
        config = self.config()
        self.events = LogCapture()
        log = structlog.wrap_logger(structlog.PrintLogger(io.StringIO()), processors=[self.events],
                                    wrapper_class=structlog.make_filtering_bound_logger(0))
        self.stop, self.sick = threading.Event(), threading.Event()
        self.journal = Journal.open(config.state_dir, self.clock, create=True)
        self.halts = Halts(self.journal, log)
        times = {"connect_timeout": config.api.connect_timeout, "read_timeout": config.api.read_timeout}
        api = Api(config.api.base_url, self._key, **times, stop=self.stop, observe=self._observe, tries=self.tries)
        api._pace = Pace(None, self.clock.advance, self.clock.monotonic)  # the house's time holds for Retry-After too
        storage = Storage(config.api.base_url, **times, stop=self.stop, observe=self._observe, tries=self.tries)
        self.tools = Tools(
            config=config, journal=self.journal, api=api, storage=storage, key=self._key,
            outboxes={inbox.name: Outbox(str(inbox.outbox), inbox=inbox.name, available=self._outbox_there,
                                         tell=lambda _: None) for inbox in config.inboxes},
            sessions=Sessions(config.state_dir), clock=self.clock, stop=self.stop, sick=self.sick, version="0", log=log)
        if self.proven and self.key is not None:
            self.tools.permits.prove(f"{self.tools.base_url} {self.tools.key_print()}")
        self.worker = Worker(self.tools, self.halts, self._look)
        self.dispatcher = Dispatcher(self.tools, self.halts, self.worker, self.troubles.append)

    def close(self) -> None:
        """Stop; the journal and the folders stay."""
        self.stop.set()
        self.dispatcher.stop()
        for pool in self.dispatcher.pools:
            for thread in pool.threads:
                thread.join(10)
        self.tools.api.close()
        self.tools.storage.close()
        self.journal.close()
        assert self.troubles == []

    def restart(self, **settings: Any) -> None:
        """Stop and start, with parts of the configuration changed."""
        self.close()
        self.settings.update(settings)
        self.open()

    def _outbox_there(self) -> None:
        self.outbox_check()

    def _key(self) -> str:
        if self.key is None:
            raise KeyMissing("There is no API key.", "Put one in place.")
        return self.key

    def _observe(self, seen: Observation) -> None:
        if self.request_takes:
            self.clock.advance(self.request_takes)
        self.halts.observe(seen)

    def drop(self, path: str, content: bytes | None = None, *, inbox: str = "podcasts", media: Media | None = None,
             **changes: Any) -> str:
        """Put a finished file into an inbox and journal it; the job's id."""
        place = self.inbox(inbox) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(sound(path) if content is None else content)
        return self.place(inbox, path, media=media, **changes)

    def place(self, inbox: str, path: str, *, media: Media | None = None, settings: Mapping[str, Any] | None = None,
              read: bool = False, coming: Sequence[float] = (), seen_at: float | None = None) -> str:
        """What intake does with a file that has settled; `coming`: when others were first seen that have not."""
        place, configured = self.inbox(inbox) / path, self.tools.config.inbox(inbox)
        found = place.stat()
        with place.open("rb") as file:
            partial = fingerprint.partial(file.fileno(), found.st_size)
        (placed,) = self.journal.files.place(inbox, [Found(
            path=path, size=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino, partial=partial,
            settings=replace(configured.settings(), **(settings or {})), priority=configured.priority,
            sha256=hashlib.sha256(place.read_bytes()).hexdigest() if read else None,
            media=media or Media("Wave", 0.2, has_video=False),
            detected_at=self.clock.now() if seen_at is None else seen_at)],
            batch_limit=self.tools.config.limits.approve_over_files, settling=coming)
        return placed.job_id

    def _look(self, inbox: str, path: str) -> None:
        self.looked.append(path)

    def job(self, job_id: str) -> Job:
        job = self.journal.jobs.get(job_id)
        assert job is not None
        return job

    def work(self) -> None:
        """Do all that can be done at this moment.

        Raises:
            AssertionError: it would never end.
        """
        left = _SPIN * (1 + sum(self.journal.totals.by_state()[state] for state in OPEN))
        while self.work_once():
            left -= 1
            assert left, f"it spins: {self.service.calls}"
        assert self.troubles == []

    def work_once(self) -> int:
        """Give out what is due and wait until it is done; how much it was."""
        given = self.dispatcher.give_out(self.clock.now())
        while self.dispatcher.busy or self.dispatcher.probes.asking:
            assert self.dispatcher._wake.wait(20), f"a step hangs: {self.service.calls}"
            self.dispatcher._wake.clear()
        return given

    def next_moment(self) -> float | None:
        """When something is due next."""
        now = self.clock.now()
        moments = [halt.next_check_at for halt in self.halts.all().values()
                   if halt.next_check_at is not None and halt.next_check_at > now]
        due = self.journal.schedule.next_due(now)
        return min([*moments, *([due] if due is not None else [])], default=None)

    def run(self, seconds: float) -> None:
        """Let so much time pass, and everything in it happen when it is due."""
        end = self.clock.now() + seconds
        self.work()
        while (at := self.next_moment()) is not None and at <= end:
            self.clock.advance(max(0.001, at - self.clock.now()))
            self.work()
        self.clock.advance(max(0.0, end - self.clock.now()))

    def finish(self, within: float = 2 * DAY) -> None:
        """Let time pass until no job is open."""
        end = self.clock.now() + within
        self.work()
        while any(self.journal.totals.by_state()[state] for state in OPEN):
            at = self.next_moment()
            assert at is not None, f"nothing will ever be due: {self.journal.jobs.newest(OPEN)}"
            assert at <= end, f"not at its end in time: {self.journal.jobs.newest(OPEN)}"
            self.clock.advance(max(0.001, at - self.clock.now()))
            self.work()

    def ask(self, command: str, **args: Any) -> Answer:
        """Have a person's request served, as the daemon does it."""
        number = self.journal.requests.ask(command, args)
        command_queue.serve(self.journal, self.tools.config, self.clock.now())
        self.halts.reload()
        answer = self.journal.requests.answer_of(number)
        assert answer is not None
        return answer

    def chores(self, name: str = "podcasts") -> None:
        """One round of an inbox's chores."""
        inbox: Inbox = self.tools.config.inbox(name)
        Chores(inbox, self.tools, self.halts, Root(str(inbox.path), lambda: None), None, beat=lambda: None).once()

    def alerts(self, event: str = "work.halted") -> list[str]:
        """The reasons of the log's events of this kind, in order."""
        return [entry.get("reason", "") for entry in self.events.entries if entry["event"] == event]

    def calls(self) -> Counter[str]:
        return Counter(self.service.calls)

    def projects_of(self, path: str) -> int:
        """How many projects the service has of this file."""
        return sum(1 for each in self.service.projects() if each["file_name"] == Path(path).name)

    def visible(self, name: str = "podcasts") -> set[str]:
        """Everything in an outbox that is not hidden, by relative path."""
        return {str(path.relative_to(self.outbox(name))) for path in self.outbox(name).rglob("*")
                if path.is_file() and not path.name.startswith(".")}

    def check(self) -> None:
        """What holds at every moment: nothing paid twice, nothing torn, no secret gone, no rule of the wire broken."""
        assert self.service.violations == []
        assert self.service.leaks == []
        assert self.service.trapped == []
        assert max(self.service.charges_by_project.values(), default=0) <= 1
        for name in self.inboxes:
            for path in self.outbox(name).rglob("*.json"):
                self._check_told(name, path)

    def _check_told(self, name: str, path: Path) -> None:
        told = json.loads(path.read_bytes())
        if path.name.endswith(".error.json") or "source" not in told:
            return
        for output in told["outputs"]:
            content = (self.outbox(name) / parse(output["path"])).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (output["size"], output["sha256"])

    def check_delivered(self, *ids: str) -> None:
        """These jobs are at the best end: delivered whole, paid for once, with nothing left over."""
        self.check()
        paid = self.service.charges_by_project
        for job_id in ids:
            job = self.job(job_id)
            assert job.state is State.DELIVERED, (job.state, job.because)
            assert job.project_id is not None
            assert paid[job.project_id] == 1
            original = (self.inbox(job.inbox) / job.path).read_bytes()
            for output in job.outputs:
                if output.state == "published" and output.type != "transcript":
                    assert (self.outbox(job.inbox) / (output.path or "")).read_bytes() == original
        assert len(paid) == len({self.job(job_id).project_id for job_id in ids})
        hidden = [path for name in self.inboxes for path in self.outbox(name).rglob(".*")
                  if path.is_file() and path.name != ledger.NAME]
        assert hidden == []
        assert self.tools.sessions.jobs() == []
