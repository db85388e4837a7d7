"""The real daemon as its own process, to be killed from outside."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from programs import Program

from diffio_watch.job import State
from diffio_watch.journal import Journal, JournalMissing
from diffio_watch.outbox import sidecar


class Service:
    """`python -m diffio_watch run` with one inbox in `base`."""

    def __init__(self, base: Path, url: str, **more: Any) -> None:
        self.inbox, self.outbox, self.state = base / "inbox", base / "outbox", base / "state"
        for folder in (self.inbox, self.outbox):
            folder.mkdir()
        self._config = base / "config.yaml"
        self._config.write_text(yaml.safe_dump({
            "api": {"base_url": url}, "state_dir": str(self.state),
            "inboxes": [{"name": "podcasts", "path": str(self.inbox), "outbox": str(self.outbox), "settle": "200ms"}],
            "limits": {"min_free": 0}, "generation": {"poll": {"first": "100ms", "max": "1s"}}, **more}), "utf-8")
        self.log = base / "log"
        self._process: Program | None = None
        self.kills = 0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = Program(
                [sys.executable, "-m", "diffio_watch", "run", "-c", str(self._config)], stdout=log, stderr=log,
                env={**os.environ, "DIFFIO_API_KEY": "crash-key-1",
                     "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text("utf-8")[-3000:]
        self._process.kill()
        self._process.wait()
        self.kills += 1

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(10)

    def close(self) -> None:
        """Make sure that it is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def until(self, done: Callable[[], bool], seconds: float) -> None:
        """Wait for something; it must come."""
        deadline = time.monotonic() + seconds
        while not done():
            assert self._process is not None
            assert self._process.poll() is None, f"it ended: {self.log.read_text('utf-8')[-3000:]}"
            assert time.monotonic() < deadline, f"{self.counts()}: {self.log.read_text('utf-8')[-3000:]}"
            time.sleep(0.05)

    def counts(self) -> dict[State, int]:
        """Jobs by state."""
        try:
            with Journal.open(self.state, read_only=True) as journal:
                return {state: count for state, count in journal.totals.by_state().items() if count}
        except JournalMissing:
            return {}

    def delivered(self) -> list[str]:
        """Files with a sidecar that says so."""
        found = []
        for path in self.outbox.rglob("*.json"):
            told = sidecar.parse(path.read_bytes())
            if told.state is State.DELIVERED:
                found.append(told.source.name)
        return sorted(found)
