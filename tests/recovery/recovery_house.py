"""A studio that loses its journal: folders, a configuration, the sandbox beside them, and every command in-process."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from commands import Done, run

from diffio_watch.config import Config, load
from diffio_watch.daemon.daemon import Daemon
from diffio_watch.disk import marker
from diffio_watch.job import Job, State
from diffio_watch.journal import Journal, JournalMissing
from diffio_watch.outbox import sidecar
from diffio_watch.outbox.sidecar_model import Sidecar
from diffio_watch.sandbox import Sandbox

KEY = "recovery-key-1"
MTIME = 1_700_000_000_123_456_789


def recording(seed: int, seconds: float = 0.1) -> bytes:
    """A WAV file, another one for each seed."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(random.Random(seed).randbytes(int(8000 * seconds) * 2))
    return file.getvalue()


@dataclass
class House:
    """One or more inboxes with an outbox each; `a` is the first."""

    base: Path
    sandbox: Sandbox
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[bytes]
    inboxes: list[dict[str, Any]] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in (self.inbox, self.outbox):
            folder.mkdir()
        self.inboxes.append({"name": "a", "path": str(self.inbox), "outbox": str(self.outbox)})
        self.configure()
        self.patch.setenv("DIFFIO_WATCH_CONFIG", str(self.base / "config.yaml"))
        self.use_key(KEY)

    @property
    def inbox(self) -> Path:
        return self.base / "in"

    @property
    def outbox(self) -> Path:
        return self.base / "out"

    @property
    def state(self) -> Path:
        return self.base / "state"

    @property
    def journal_file(self) -> Path:
        return self.state / "journal.sqlite3"

    @property
    def config(self) -> Config:
        return load(self.base / "config.yaml", {})

    def configure(self, **changes: Any) -> None:
        """Write the configuration; `changes` are of the first inbox."""
        self.inboxes[0] |= changes
        (self.base / "config.yaml").write_text(json.dumps({
            "api": {"base_url": self.sandbox.base_url}, "state_dir": str(self.state),
            "defaults": {"settle": 0.05}, "inboxes": self.inboxes,
            "limits": {"min_free": 0}, "generation": {"poll": {"first": 0.05, "max": 1}}, **self.more}), "utf-8")

    def second_inbox(self) -> tuple[Path, Path]:
        """A further inbox, `b`; its folder and its outbox."""
        folders = self.base / "in-b", self.base / "out-b"
        for folder in folders:
            folder.mkdir()
        self.inboxes.append({"name": "b", "path": str(folders[0]), "outbox": str(folders[1])})
        self.configure()
        return folders

    def use_key(self, key: str | None) -> None:
        if key is None:
            self.patch.delenv("DIFFIO_API_KEY")
        else:
            self.patch.setenv("DIFFIO_API_KEY", key)

    def drop(self, path: str | bytes, seed: int = 1, root: Path | None = None) -> Path:
        """Put a recording into the inbox, with a time of its own."""
        target = (root or self.inbox) / os.fsdecode(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(recording(seed))
        os.utime(target, ns=(MTIME + seed, MTIME + seed))
        return target

    def cmd(self, *arguments: str) -> Done:
        """Run a command."""
        return run(self.capture, *arguments)

    def once(self) -> int:
        """Everything in the inboxes to its end."""
        return self.cmd("once").code

    def rebuild(self) -> Done:
        done = self.cmd("journal", "rebuild")
        assert done.code == 0, done.err
        return done

    @contextmanager
    def running(self, code: int = 0) -> Iterator[Daemon]:
        """The daemon, in a thread, past all that it refuses at its start; it ends with this exit code."""
        daemon = Daemon(self.config)
        codes: list[int] = []
        before = self._started_at()
        thread = threading.Thread(target=lambda: codes.append(daemon.run()))
        thread.start()
        try:
            self.wait(lambda: bool(codes) or self._started_at() != before)
            yield daemon
        finally:
            if code == 0:
                daemon.stop()
            thread.join(20)
            daemon.stop()
            thread.join(20)
        assert codes == [code]

    def _started_at(self) -> float | None:
        try:
            with Journal.open(self.state, read_only=True) as journal:
                at: float | None = journal.meta("started_at")
                return at
        except JournalMissing:
            return None

    def wait(self, ready: Callable[[], bool], seconds: float = 20.0) -> None:
        """Until something is so."""
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, f"not so within {seconds} s: {self.jobs()}"
            time.sleep(0.02)

    def jobs(self) -> dict[str, Job]:
        """The newest job of each path, as `inbox:path` for all but the first inbox."""
        try:
            opened = Journal.open(self.state, read_only=True)
        except JournalMissing:  # the daemon is just about to make it
            return {}
        with opened as journal:
            return {job.path if job.inbox == "a" else f"{job.inbox}:{job.path}": job
                    for job in reversed(journal.jobs.newest())}

    def states(self) -> dict[str, State]:
        return {path: job.state for path, job in self.jobs().items()}

    def delivered(self) -> bool:
        return set(self.states().values()) == {State.DELIVERED}

    def lose_journal(self) -> None:
        shutil.rmtree(self.state)

    def keep(self) -> Path:
        """A plain copy of the state folder, as the host's own backup makes it while no daemon runs."""
        kept = self.base / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.state, kept)
        return kept

    def put_back(self, kept: Path) -> None:
        shutil.rmtree(self.state)
        shutil.copytree(kept, self.state)

    def restore(self, copy: Path) -> None:
        """Put a copy of the journal in its place, as the daemon says it is to be done."""
        for file in self.state.glob("journal.sqlite3*"):
            file.unlink()
        shutil.copy(copy, self.journal_file)

    def counter(self, root: Path) -> int:
        found = marker.read(str(root))
        assert found is not None
        return found.counter

    def told(self, path: str, root: Path | None = None) -> Sidecar:
        """A sidecar or error file."""
        return sidecar.parse(((root or self.outbox) / path).read_bytes())

    def names(self) -> set[str]:
        """Everything visible in the outbox."""
        return {str(path.relative_to(self.outbox)) for path in self.outbox.rglob("*")
                if path.is_file() and not path.name.startswith(".")}

    def check(self, charges: int) -> None:
        """What was paid, and that the protocol was kept."""
        assert self.sandbox.charges == charges
        assert self.sandbox.violations == []
        assert self.sandbox.leaks == []
