"""A notifier beside a real journal, with the time passed in, and nothing sent."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffio_watch.clock import Clock
from diffio_watch.config import Config, parse
from diffio_watch.job import Job, Settings, State, new_id
from diffio_watch.journal import Journal
from diffio_watch.journal.notice_records import Notice
from diffio_watch.logs import open_log
from diffio_watch.reasons import because
from diffio_watch.service.notices import Notifier, Ways
from diffio_watch.service.notices.send import Outcome

URL = "json://127.0.0.1:1/CANARY-token"


class HandClock(Clock):
    at = 1_800_000_000.0

    def now(self) -> float:
        return self.at


class World:
    """A journal, a clock, and what left this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = HandClock()
        self.journal = Journal.open(folder, self.clock, create=True)
        self.notify: dict[str, Any] = {"urls": [URL]}
        self.sent: list[tuple[list[str], str, str]] = []
        self.outcome: Callable[[str], Outcome] = lambda _: Outcome(ok=True)
        self.configs: dict[str, Config] = {}
        self.there = True
        self.moving = True
        self.beats: list[str] = []
        self.beat_outcome = Outcome(ok=True)
        self.stream = io.StringIO()
        self.log = open_log("debug", "json", secrets=list, stream=self.stream)
        self.notifier = self.made()

    @property
    def config(self) -> Config:
        text = json.dumps({"inboxes": [{"name": "in", "path": "/x/in", "outbox": "/x/out"}], "notify": self.notify})
        if text not in self.configs:
            self.configs[text] = parse(text.encode(), {"HOME": "/x"})
        return self.configs[text]

    def made(self) -> Notifier:
        return Notifier(self.journal, lambda: self.config, self.log, lambda: self.moving,
                        Ways(self._send, self._beat, lambda: self.there), "nas1")

    def _send(self, urls: Sequence[str], subject: str, body: str, _: Callable[[], bool]) -> list[Outcome]:
        self.sent.append((list(urls), subject, body))
        return [self.outcome(url) for url in urls]

    def _beat(self, url: str, _: Callable[[], bool]) -> Outcome:
        self.beats.append(url)
        return self.beat_outcome

    def restart(self) -> None:
        self.journal.close()
        self.journal = Journal.open(self.folder, self.clock)
        self.notifier = self.made()

    def look(self, seconds: float = 0.0) -> None:
        """Look now, again and again for that long (each second of a few minutes), and at its end."""
        end, step = self.clock.at + seconds, max(1.0, seconds / 400)
        while True:
            self.notifier.look(self.clock.at, self.clock.at)
            if self.clock.at >= end:
                return
            self.clock.at = min(end, self.clock.at + step)

    def job(self, path: str = "a.wav", **facts: Any) -> Job:
        made = replace(Job(new_id(), "in", path, 3, 7, Settings(), detected_at=1.0, created_at=1.0), **facts)
        self.journal.jobs.add([made])
        return made

    def fail(self, path: str, code: str = "truncated") -> Job:
        return self.journal.jobs.commit(self.job(path), state=State.FAILED, due_at=0.0,
                                        because=because(code, detail="its end is missing"))

    @property
    def subjects(self) -> list[str]:
        return [subject for _, subject, _ in self.sent]

    @property
    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.stream.getvalue().splitlines()]

    def latest(self) -> list[Notice]:
        return self.journal.notices.latest()
