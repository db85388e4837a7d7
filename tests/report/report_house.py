"""A journal, its configuration and a clock, for what is shown of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffio_watch.clock import Clock
from diffio_watch.config import Config, load
from diffio_watch.job import Job, Settings, new_id
from diffio_watch.journal import Journal
from diffio_watch.journal.records import InboxReport
from diffio_watch.reasons import because
from diffio_watch.report import scene, screen
from diffio_watch.report.pace import Pace
from diffio_watch.report.shapes import Shape

NOON = 1_800_100_000.0


class HandClock(Clock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.at = NOON

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class House:
    """What the page is made of."""

    def __init__(self, root: Path, **settings: Any) -> None:
        file = root / "config.yaml"
        for folder in ("in", "out", "state"):
            (root / folder).mkdir()
        file.write_text(json.dumps({
            "state_dir": str(root / "state"),
            "inboxes": [{"name": "podcasts", "path": str(root / "in"), "outbox": str(root / "out")}], **settings}))
        self.config: Config = load(file, {})
        self.clock = HandClock()
        self.journal = Journal.open(self.config.state_dir, self.clock, create=True)
        self.pace = Pace()

    def add(self, *paths: str, **facts: Any) -> list[Job]:
        """Jobs of the inbox; `code` is that of their reason."""
        code = facts.pop("code", None)
        facts |= {"because": because(code, job="JOB")} if code else {}
        made = [replace(Job(new_id(), "podcasts", path, 100_000, 7, Settings(), detected_at=NOON - 60,
                            created_at=NOON - 60, updated_at=NOON - 30), **facts) for path in paths]
        self.journal.jobs.add(made)
        return [self.job(one.id) for one in made]

    def job(self, job_id: str) -> Job:
        found = self.journal.jobs.get(job_id)
        assert found is not None
        return found

    def report(self, **facts: Any) -> None:
        """What intake says of the inbox."""
        self.journal.inboxes.report(replace(InboxReport("podcasts", True, "events", "ext4", 2.0, NOON - 5), **facts))

    def scene(self, *, running: bool = True) -> scene.Scene:
        found = scene.read(self.config, self.journal)
        return replace(found, facts=replace(found.facts, pid=1 if running else None))

    def screen(self, *, running: bool = True) -> Shape:
        return screen.screen(self.config, self.scene(running=running), self.pace)

    def verdict(self, *, running: bool = True) -> tuple[str, str]:
        found = self.screen(running=running)["verdict"]
        return found["level"], found["message"]


def keys(needs: Sequence[Shape]) -> list[str]:
    return [one["key"] for one in needs]
