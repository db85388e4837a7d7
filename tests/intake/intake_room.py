"""An intake with a real inbox and a real journal, and a clock that tests move by hand."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from intake_media import tone
from markers import put_marker

from diffio_watch.clock import Clock
from diffio_watch.config import Inbox
from diffio_watch.disk import marker_file
from diffio_watch.disk.marker import Owner
from diffio_watch.intake.room import Intake
from diffio_watch.job import Job
from diffio_watch.journal import Journal
from diffio_watch.journal.records import InboxReport, SettlingEntry


class HandClock(Clock):
    """Moves only when told."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1000.0

    def now(self) -> float:
        return 1_700_000_000.0 + self.at

    def monotonic(self) -> float:
        return self.at


class Room:
    """One inbox, polled every second, files quiet for 2 s, unless told otherwise."""

    def __init__(self, folder: Path, **wishes: Any) -> None:
        self.inbox = folder / "in"
        self.inbox.mkdir(exist_ok=True)
        (folder / "state").mkdir(exist_ok=True)
        self.clock = HandClock()
        self.approve_over: int | None = None
        facts = {"watch": "polling", "settle": 2, "rescan": 1} | wishes
        self.config = Inbox.of({"name": "a", "path": self.inbox, "outbox": folder / "out", **facts})
        self.journal = Journal.open(folder / "state", self.clock, create=True)
        weakref.finalize(self, self.journal.close)
        self.beats = 0
        self.intake = self.another()

    def another(self) -> Intake:
        """An intake as its supervisor makes it."""
        return Intake(self.config, self.journal, Owner(self.journal.id, 1), self.clock,
                      approve_over=self.approve_over, heartbeat=self.beat)

    def restart(self) -> None:
        """As after the process ended."""
        self.intake.abandon()
        self.intake._presence.close()
        self.intake = self.another()

    def beat(self, _: str) -> None:
        self.beats += 1

    def pass_time(self, seconds: float = 0.0) -> None:
        """Let time pass, a second at a time, with all the turns that are due."""
        end = self.clock.at + seconds
        while True:
            for _ in range(100):
                if self.intake.turn() > 0:
                    break
            if self.clock.at >= end:
                return
            self.clock.at = min(end, self.clock.at + 1.0)

    def drop(self, path: str = "a.wav", seconds: int = 1) -> Path:
        """A sound file."""
        full = self.inbox / path
        full.parent.mkdir(parents=True, exist_ok=True)
        return tone(full, seconds)

    def states(self) -> dict[str, str]:
        """The state, and the reason's code where there is one, of the newest job at each path."""
        found: dict[str, str] = {}
        for job in self.journal.jobs.newest():
            word = f"{job.state}: {job.because.code}" if job.because else str(job.state)
            found.setdefault(job.path, word)
        return found

    def job(self, path: str = "a.wav") -> Job:
        return self.journal.jobs.at("a", path)[0]

    def settling(self) -> dict[str, str]:
        return {entry.path: entry.because.code for entry in self.entries()}

    def entries(self) -> Sequence[SettlingEntry]:
        return self.journal.inboxes.settling_in("a")

    def report(self) -> InboxReport:
        return self.journal.inboxes.reports()["a"]


def age(path: Path, seconds: float) -> None:
    """Move a file's time."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + int(seconds * 10**9)))


def foreign(folder: Path) -> None:
    """Put another journal's marker into a folder."""
    put_marker(folder, marker_file.Marker("diffio-watch", "01ANOTHERJOURNAL", "outbox", "other", 7))
