"""What all that answers shares: the configuration in force, the journal, and who may."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config
from diffio_watch.journal import Journal
from diffio_watch.report.memory import Memory
from diffio_watch.report.pace import Pace
from diffio_watch.service.access import Access
from diffio_watch.service.pulse import Pulse
from diffio_watch.service.sound import view
from diffio_watch.service.threads import Threads

if TYPE_CHECKING:
    from diffio_watch.job import Job
    from diffio_watch.service.sound.listening import Listening

JOURNAL: Final = "journal"  # the kind of calls that ask it
EXPLAIN: Final = "explain"  # … that ask the disk what a path means


def disk(folder: str | os.PathLike[str]) -> str:
    """The kind of calls that touch a root folder: one that hangs does not keep others waiting."""
    return f"disk {os.fspath(folder)}"


@dataclass
class Site:
    """The page's own things. Its thread uses them; `config` and `access` are replaced whole when they change.

    Attributes:
        config: in force.
        journal: the daemon's, for leaving requests.
        reader: a connection of our own for lists and single jobs: what is asked here delays no step.
        ticker: another, for the look that is taken every second.
        log: where trouble is told.
        access: who may.
        pulse: how the daemon's loops do.
        threads: for what may block.
        pace: how fast things move.
        memory: what the look a second ago kept.
        listening: what knows how recordings sound; None without the extra `waveforms`.
        ending: the server ends, or another takes its place: who waits for something is answered now.
    """

    config: Config
    journal: Journal
    reader: Journal
    ticker: Journal
    log: FilteringBoundLogger
    access: Access
    pulse: Pulse
    threads: Threads = field(default_factory=Threads)
    pace: Pace = field(default_factory=Pace)
    memory: Memory = field(default_factory=Memory)
    listening: Listening | None = None
    ending: bool = False

    def loudness(self, job: Job) -> dict[str, float | None] | None:
        """LUFS of a job's original and result, where they are known."""
        return None if self.listening is None else view.loudness(self.listening.store, job)
