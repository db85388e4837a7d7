"""A studio: real folders, the real daemon (in this process or one of its own), and the service next door."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final, TextIO

from programs import Program

from diffio_watch.cli import main
from diffio_watch.clock import Clock
from diffio_watch.config import load_from
from diffio_watch.daemon.daemon import Daemon
from diffio_watch.disk import lease
from diffio_watch.disk.names import parse
from diffio_watch.job import OPEN, Event, Job, State
from diffio_watch.journal import Journal, JournalError
from diffio_watch.journal.records import InboxReport
from diffio_watch.logs import open_log
from diffio_watch.pipeline.file_calls import PATIENCE
from diffio_watch.sandbox import Sandbox

REPOSITORY: Final = Path(__file__).parents[2]
NAME: Final = "podcasts"
LONG: Final = 3600.0  # seconds that the service works where a test says when it is ready
_LOOK: Final = 0.02  # seconds at least between two looks at something that is waited for


def until(holds: Callable[[], object], seconds: float = 20.0, what: Callable[[], object] = lambda: "") -> None:
    """Wait for something to hold, most of the time without looking: a look may be long, and keep what is waited for.

    Raises:
        AssertionError: it does not within the time; `what` tells how things are.
    """
    began = time.monotonic()
    end = began + seconds
    while not holds():
        looked = time.monotonic()
        assert looked < end, what()
        time.sleep(max(_LOOK, 8 * (looked - began)))
        began = time.monotonic()


class SkippedClock(Clock):
    """Goes as time does, but for what a test skips."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0

    def now(self) -> float:
        return super().now() + self.skipped

    def monotonic(self) -> float:
        return super().monotonic() + self.skipped


class Studio:
    """One configuration with its folders and its daemon.

    Args:
        base: an empty folder.
        service: a running sandbox.
        inboxes: their names, with what differs from the defaults.
        config: further parts of the configuration.
    """

    def __init__(self, base: Path, service: Sandbox, *, inboxes: Mapping[str, Mapping[str, Any]] | None = None,
                 **config: Any) -> None:
        self.base = base
        self.service = service
        self.inboxes: dict[str, dict[str, Any]] = {name: dict(more) for name, more in (inboxes or {NAME: {}}).items()}
        self.config = config
        self.state = base / "state"
        self.process: subprocess.Popen[bytes] | None = None
        self._clock = SkippedClock()
        self._daemon: Daemon | None = None
        self._thread: threading.Thread | None = None
        self._codes: list[int] = []
        self._stream: TextIO | None = None
        for name in self.inboxes:
            self.inbox(name).mkdir(parents=True)
            self.outbox(name).mkdir(parents=True)
        self.key("key-of-the-studio")

    def inbox(self, name: str = NAME) -> Path:
        return self.base / name / "in"

    def outbox(self, name: str = NAME) -> Path:
        return self.base / name / "out"

    @property
    def config_file(self) -> Path:
        return self.base / "config.yaml"

    @property
    def log_file(self) -> Path:
        return self.base / "daemon.log"

    def key(self, key: str) -> None:
        """Put another API key in place."""
        fresh = self.base / "key.new"
        fresh.touch(0o600)
        fresh.write_text(key)
        fresh.rename(self.base / "key")

    def configure(self) -> None:
        """Write the configuration; JSON is YAML too."""
        config = {"generation": {"poll": {"first": "100ms", "max": "1s"}}, "log": {"format": "json", "level": "debug"},
                  "state_dir": str(self.state), **self.config}
        config["api"] = {"base_url": self.service.base_url, "key_file": str(self.base / "key"), **config.get("api", {})}
        config["limits"] = {"min_free": 0, **config.get("limits", {})}
        config["inboxes"] = [{"name": name, "path": str(self.inbox(name)), "outbox": str(self.outbox(name)),
                              "settle": "200ms", **more} for name, more in self.inboxes.items()]
        self.config_file.write_text(json.dumps(config))

    # in this process

    def start(self) -> None:
        """Start the daemon in a thread of this process, and wait until each inbox was looked at once."""
        self.configure()
        lease.prepare()  # what the main thread of a real process does
        self._close_log()
        self._stream = self.log_file.open("a")
        log = open_log("debug", "json", secrets=list, stream=self._stream)
        config, source = load_from(self.config_file, {})
        daemon = self._daemon = Daemon(config, log=log, source=source, reread=lambda: load_from(self.config_file, {}))
        daemon._clock = self._clock
        self._thread = threading.Thread(target=lambda: self._codes.append(daemon.run()), name="daemon", daemon=True)
        before = {name: report.last_scan_at for name, report in self.reports().items()}
        self._thread.start()
        until(lambda: not self._running() or self._looked(before), what=self.told)

    def _looked(self, before: Mapping[str, float | None]) -> bool:
        reports = self.reports()
        return all(name in reports and (not reports[name].available or reports[name].last_scan_at != before.get(name))
                   for name in self.inboxes)

    def _running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> int:
        """Stop it; its exit code."""
        if self._daemon is None or self._thread is None:
            return 0
        self._daemon.stop()
        self._thread.join(10)
        assert not self._thread.is_alive(), self.told()
        self._daemon = self._thread = None
        self._close_log()
        return self._codes.pop()

    def _close_log(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def restart(self, **config: Any) -> None:
        """Stop and start, with parts of the configuration changed."""
        assert self.stop() == 0
        self.config.update(config)
        self.start()

    def reload(self, **config: Any) -> None:
        """Write the configuration anew and have the running daemon read it, as SIGHUP does; wait for its word."""
        self.config.update(config)
        for name in self.inboxes:
            self.inbox(name).mkdir(parents=True, exist_ok=True)
            self.outbox(name).mkdir(parents=True, exist_ok=True)
        self.configure()
        self.reload_as_it_is()

    def reload_as_it_is(self) -> None:
        """Have the running daemon read its configuration; wait for its word."""
        assert self._daemon is not None
        before = len(self.events("config.reloaded") + self.events("config.refused"))
        self._daemon.reload()
        until(lambda: len(self.events("config.reloaded") + self.events("config.refused")) > before, what=self.told)

    def skip(self, seconds: float) -> None:
        """Let time pass for the daemon of this process and for the service; no more than patience with a hung call."""
        assert seconds < PATIENCE
        self._clock.skipped += seconds
        self.service.skip(seconds)

    def ready(self) -> None:
        """The service is done with everything it works on."""
        self.service.change(seconds=0)
        self.service.skip(LONG)

    # in a process of its own

    def launch(self, command: str = "run", *, forked: bool = True, **env: str) -> subprocess.Popen[bytes]:
        """Start the daemon as a shell would; `env` comes on top of a clean environment.

        Args:
            forked: from a process that has the program imported (see `programs`), where a test is not about the start.
        """
        self.configure()
        with self.log_file.open("ab") as log:
            self.process = (Program if forked else subprocess.Popen)(
                [sys.executable, "-m", "diffio_watch", command, "-c", str(self.config_file)],
                env=clean_environment() | env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.base)
        return self.process

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def end(self, number: signal.Signals = signal.SIGTERM, within: float = 20.0) -> tuple[int, float]:
        """Have the process end by a signal; its exit code and the seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(within)
        return code, time.monotonic() - began

    def close(self) -> None:
        """Leave nothing running."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        if self._running():
            self.stop()
        self._close_log()

    # looks

    def journal(self) -> Journal:
        """The journal, for reading."""
        return Journal.open(self.state, read_only=True)

    def jobs(self, name: str | None = None) -> list[Job]:
        """Newest first; none where there is no journal yet."""
        try:
            with self.journal() as journal:
                return journal.jobs.newest(inbox=name)
        except JournalError:
            return []

    def job(self, path: str, name: str = NAME) -> Job:
        """The newest job at a path."""
        with self.journal() as journal:
            return journal.jobs.at(name, path)[0]

    def history(self, job_id: str) -> list[Event]:
        with self.journal() as journal:
            return journal.jobs.history(job_id)

    def states(self, name: str | None = None) -> dict[str, str]:
        """The state, and the reason's code where there is one, of the newest job at each path."""
        found: dict[str, str] = {}
        for job in self.jobs(name):
            found.setdefault(job.path, f"{job.state}: {job.because.code}" if job.because else str(job.state))
        return found

    def counts(self) -> Counter[State]:
        try:
            with self.journal() as journal:
                return Counter(journal.totals.by_state())
        except JournalError:
            return Counter()

    def open(self) -> int:
        """How many jobs are on their way."""
        counts = self.counts()
        return sum(counts[state] for state in OPEN)

    def job_count(self) -> int:
        return self.counts().total()

    def reports(self) -> dict[str, InboxReport]:
        """What intake last said of each inbox."""
        try:
            with self.journal() as journal:
                return journal.inboxes.reports()
        except JournalError:
            return {}

    def halts(self) -> dict[str, str]:
        """What is stopped, and the code of the reason, by scope."""
        with self.journal() as journal:
            return {scope: halt.because.code for scope, halt in journal.halts.all().items()}

    def settling(self, name: str = NAME) -> dict[str, str]:
        """What each unfinished file waits for."""
        with self.journal() as journal:
            return {entry.path: entry.because.code for entry in journal.inboxes.settling_in(name)}

    def events(self, event: str = "") -> list[dict[str, Any]]:
        """The log's events of one kind, or all."""
        lines = self.log_file.read_text().splitlines() if self.log_file.exists() else []
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return [each for each in told if event in ("", each["event"])]

    def told(self) -> str:
        """How things are, for a failing assertion."""
        states = self.states()
        log = self.log_file.read_text().splitlines()[-15:] if self.log_file.exists() else []
        few = dict(list(states.items())[:20])
        return "\n".join([f"{dict(Counter(states.values()))} {few} {self.service.calls}", *log])

    def wait(self, *paths: str, state: str = "delivered", seconds: float = 20.0, name: str = NAME) -> None:
        """Wait until the newest job at each path is in a state (and for its reason, as `states` tells it)."""
        def there() -> bool:
            states = self.states(name)
            assert self._running() or (self.process is not None and self.process.poll() is None), self.told()
            return all(states.get(path) == state for path in paths)

        until(there, seconds, self.told)

    def command(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command in this process; its exit code, output and error output."""
        out, err = io.BytesIO(), io.BytesIO()
        code: object = None
        with _text(out) as out_text, _text(err) as err_text, redirect_stdout(out_text), redirect_stderr(err_text):
            try:
                main(["-c", str(self.config_file), *arguments])
            except SystemExit as ended:
                code = ended.code
            told = out.getvalue().decode(), err.getvalue().decode()
        assert isinstance(code, int)
        return code, *told

    def json(self, *arguments: str) -> Any:
        """What a command answers with `--json`."""
        _, out, err = self.command(*arguments, "--json")
        assert out, err
        return json.loads(out)

    def explain(self, path: str, name: str = NAME) -> tuple[str, str | None]:
        """`explain`'s verdict on a file, and the code of its reason."""
        found = self.json("explain", str(self.inbox(name) / path))
        return found["verdict"], found["because"] and found["because"]["code"]

    # what holds at every end

    def visible(self, name: str = NAME) -> set[str]:
        """Everything in an outbox that is not hidden, by relative path."""
        return {str(path.relative_to(self.outbox(name))) for path in self.outbox(name).rglob("*")
                if path.is_file() and not path.name.startswith(".")}

    def sidecars(self, name: str = NAME) -> dict[str, dict[str, Any]]:
        """The sidecars of an outbox, by the path of their original."""
        found = {}
        for path in self.outbox(name).rglob("*.json"):
            told = json.loads(path.read_bytes())
            if "source" in told and not path.name.endswith(".error.json"):
                found[name_of(told["source"])] = told
        return found

    def check(self) -> None:
        """Nothing paid twice, nothing torn, nothing left over, no secret gone, no rule of the wire broken."""
        assert self.service.violations == []
        assert self.service.leaks == []
        assert max(self.service.charges_by_project.values(), default=0) <= 1
        for name in self.inboxes:
            for told in self.sidecars(name).values():
                for output in told["outputs"]:
                    content = (self.outbox(name) / name_of(output)).read_bytes()
                    assert (len(content), hashlib.sha256(content).hexdigest()) == (output["size"], output["sha256"])
            assert list(self.outbox(name).rglob(".diffio-watch-*.part")) == []


def name_of(told: Mapping[str, Any]) -> str:
    """The path in something that was told as JSON."""
    return parse("", told["path_hex"]) if "path_hex" in told else str(told["path"])


def _text(raw: io.BytesIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(raw, "utf-8", "strict", write_through=True)


def clean_environment() -> dict[str, str]:
    """The environment without what configures the program."""
    foreign = ("STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIFFIO_") and name not in foreign}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))}


MakeStudio = Callable[..., Studio]
