"""Where it is measured: folders, service and daemon as processes, and what the kernel tells of them."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal, Self
from urllib.parse import urlsplit

# what all tests share is found here, too
sys.path.append(str(Path(__file__).parents[1]))

KEY: Final = "key-of-the-benchmark"
MIB: Final = 1024 * 1024
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class World:
    """What a line is told.

    Attributes:
        base: an empty folder for all that is made.
        program: the `diffio-watch` that is measured.
        scale: `full`: the counts of the whole table; `usual`: those that fit into ten minutes; `few`: no more than
            shows that it can be measured.
        compare: whether what one would have instead is measured too.
    """

    base: Path
    program: str
    scale: Literal["full", "usual", "few"]
    compare: bool

    def count(self, usual: int, full: int | None = None, few: int = 0) -> int:
        """How many of something, at this scale; where one is not told it is the usual number, or a fiftieth of it."""
        return {"full": full or usual, "usual": usual, "few": few or max(5, usual // 50)}[self.scale]

    @property
    def settle(self) -> float:
        """Seconds of quiet after which a file counts as finished: what the configuration says is no part of a pace."""
        return 0.2 if self.scale == "few" else 2.0

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder that goes afterwards, and whatever is in it."""
        made = Path(tempfile.mkdtemp(dir=self.base))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)


def begin(command: Sequence[str], **how: Any) -> subprocess.Popen[Any]:
    """Begin a program. The tests put something in its place that forks them, for they begin so many."""
    return subprocess.Popen(
        command, **how,
        preexec_fn=lambda: _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))  # noqa: PLW1509 - one call, no lock


class Child:
    """A program beside this one; it does not outlive it."""

    def __init__(self, command: Sequence[str], folder: Path, log: IO[bytes] | int, env: Mapping[str, str] = {},
                 output: int = subprocess.DEVNULL) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "PYTHONPATH") if name in os.environ}
        self.process = begin(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=log,
            env=kept | {"HOME": str(folder), "TMPDIR": str(folder), "DIFFIO_API_KEY": KEY} | dict(env))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def cpu(self) -> float:
        """Seconds of processor time so far, of it and of its children that ended."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return sum(int(word) for word in words[11:15]) / _TICKS

    def peak(self) -> float:
        """The most memory that it ever had resident, in MiB."""
        return self._memory("VmHWM")

    def memory(self) -> float:
        """The memory that it has resident, in MiB."""
        return self._memory("VmRSS")

    def _memory(self, name: str) -> float:
        told = Path(f"/proc/{self.process.pid}/status").read_text("utf-8", "replace")
        found = re.search(rf"^{name}:\s+(\d+) kB", told, re.MULTILINE)
        assert found, f"process {self.process.pid} has no {name}"
        return int(found[1]) / 1024

    def calm(self, seconds: float = 60.0) -> None:
        """Wait until it has nothing to do: a second in which it takes under 5 % of a core."""
        end = time.monotonic() + seconds
        while True:
            before = self.cpu()
            time.sleep(1.0)
            if self.cpu() - before < 0.05:
                return
            assert time.monotonic() < end, f"still at work after {seconds:g} s"

    def end(self) -> None:
        """End it, politely at first."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


class Service(Child):
    """The built-in stand-in for the service: always that of the environment this runs in, whatever is measured."""

    def __init__(self, folder: Path, seconds: float = 0.0, upload: str = "multipart") -> None:
        folder.mkdir()
        with (folder / "log").open("wb") as log:
            super().__init__([sys.executable, "-m", "diffio_watch", "sandbox", "--port", "0", "--seconds", str(seconds),
                              "--upload", upload], folder, log, output=subprocess.PIPE)
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        found = re.search(r"http://\S+", line)
        assert found, f"the service did not start: {line} {(folder / 'log').read_text()}"
        self.url = found[0]

    def change(self, **settings: Any) -> None:
        """Change its settings."""
        self._ask("POST", "/_sandbox/change", settings)

    def fault(self, call: str, kind: str, **how: Any) -> None:
        """Have it do one thing badly."""
        self._ask("POST", "/_sandbox/fault", {"call": call, "kind": kind, **how})

    def skip(self, seconds: float) -> None:
        """Move its clock on."""
        self._ask("POST", "/_sandbox/skip", {"seconds": seconds})

    def counts(self) -> dict[str, Any]:
        """What was asked of it, in numbers."""
        return dict(self._ask("GET", "/_sandbox/counts"))

    def seen(self, call: str) -> list[dict[str, Any]]:
        """Every request of one kind, oldest first."""
        return list(self._ask("GET", f"/_sandbox/seen?call={call}")["seen"])

    def call(self, endpoint: str, **body: Any) -> dict[str, Any]:
        """Ask the API as a client does."""
        return dict(self._ask("POST", f"/v1/{endpoint}", body))

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"})
            answer = connection.getresponse()
            told = json.loads(answer.read())
        assert answer.status == 200, f"{path}: {answer.status} {told}"
        return told


class Studio:
    """Folders, a configuration, and the daemon that works with them."""

    def __init__(self, base: Path, url: str, program: str, inbox: Mapping[str, Any] = {}, **config: Any) -> None:
        self.base, self.program = base, program
        self.inbox, self.outbox, self.state = base / "in", base / "out", base / "state"
        for folder in (base, self.inbox, self.outbox, self.state):
            folder.mkdir(exist_ok=True)
        told = {"api": {"base_url": url}, "state_dir": str(self.state), "log": {"format": "json"}, **config}
        told["limits"] = {"min_free": 0, **config.get("limits", {})}
        told["inboxes"] = [{"name": "a", "path": str(self.inbox), "outbox": str(self.outbox), **inbox}]
        self.config = base / "config.yaml"
        self.config.write_text(json.dumps(told), "utf-8")

    @contextlib.contextmanager
    def run(self, seconds: float = 120.0) -> Iterator[Child]:
        """The daemon, from when it says that it is ready."""
        address = str(self.base / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, (self.base / "log").open("ab") as log:
            ready.bind(address)
            with Child([self.program, "run", "-c", str(self.config)], self.base, log,
                       {"NOTIFY_SOCKET": address}) as daemon:
                try:
                    end = time.monotonic() + seconds
                    while b"READY=1" not in _datagram(ready):
                        assert daemon.process.poll() is None, self.told()
                        assert time.monotonic() < end, f"not ready within {seconds:g} s: {self.told()}"
                    ready.shutdown(socket.SHUT_RD)  # what it says later has no reader
                    yield daemon
                finally:
                    daemon.end()
                    Path(address).unlink()

    def command(self, *arguments: str) -> str:
        """What a command answers.

        Raises:
            AssertionError: it ended with another exit code than 0.
        """
        with begin([self.program, *arguments, "-c", str(self.config)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE, text=True,
                   env={"PATH": os.environ["PATH"], "HOME": str(self.base)}) as process:
            out, err = process.communicate()
        assert process.returncode == 0, f"{arguments}: {out} {err}"
        return str(out)

    def delivered(self) -> int:
        """How many sidecars are in the outbox."""
        return sum(1 for _, _, names in os.walk(self.outbox) for name in names if name.endswith(".wav.json"))

    def jobs(self) -> int:
        """How many jobs the journal has; it is only read."""
        with contextlib.closing(sqlite3.connect(f"file:{self.state}/journal.sqlite3?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM jobs").fetchone()[0])

    def told(self) -> str:
        """The end of the daemon's log, for a failure."""
        return "\n".join((self.base / "log").read_text("utf-8", "replace").splitlines()[-10:])

    def wait(self, holds: Callable[[], object], seconds: float, pause: float = 0.02) -> float:
        """Wait for something to hold; the moment (monotonic) at which it was seen to."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"not within {seconds:g} s: {self.told()}"
            time.sleep(pause)
        return time.monotonic()


def _datagram(ready: socket.socket) -> bytes:
    return ready.recv(4096) if select.select([ready], [], [], 0.05)[0] else b""


def drop(source: Path, inbox: Path) -> None:
    """Rename everything in a folder into the inbox, in the order of the names."""
    for path in sorted(source.iterdir()):
        path.rename(inbox / path.name)


def recordings(folder: Path, count: int, size: int = 32_000) -> None:
    """Small WAV files, each with a sound of its own, of so many bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"take {number:06}.wav").write_bytes(header(size) + os.urandom(size - 44))


def header(size: int) -> bytes:
    """The header of a WAV file of so many bytes: 16 bits, 16 kHz, mono."""
    wave = (b"WAVEfmt \x10\0\0\0\1\0\1\0" + (16_000).to_bytes(4, "little") + (32_000).to_bytes(4, "little")
            + b"\2\0\x10\0data" + (size - 44).to_bytes(4, "little"))
    return b"RIFF" + (size - 8).to_bytes(4, "little") + wave
