"""Asks the service about what an older copy of the journal leaves in doubt, and writes down what comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from diffio_watch.api.errors import ApiError, NotFound, Stopped
from diffio_watch.api.shapes import GenerationSummary
from diffio_watch.config import Config, KeyMissing
from diffio_watch.job import Job, State
from diffio_watch.journal import Journal
from diffio_watch.media.length import minutes
from diffio_watch.pipeline.commands import way
from diffio_watch.pipeline.generate import LOOK_TWICE
from diffio_watch.pipeline.project_list import Projects
from diffio_watch.recovery.asked import Bought, Doubt, Generations, Known, Unbought, Verdict, verdicts

_UNASKED: Final = "unasked"  # in the meta: the inboxes that the service could not be asked about, by name


@dataclass(frozen=True)
class Service:
    """What a rebuild may ask of the service: nothing of it costs anything.

    Attributes:
        projects: every project, or an error.
        generations: every generation of a project, or an error.
        pause: waits so many seconds between two looks, and says so.
    """

    projects: Projects
    generations: Generations
    pause: Callable[[float], None]


@dataclass(frozen=True)
class Settled:
    """What came of it.

    Attributes:
        free: jobs that go on by themselves.
        adopted: jobs whose generation the service has.
        refusal: why it could not be asked; "" where it could.
    """

    free: int = 0
    adopted: int = 0
    refusal: str = ""


@dataclass(frozen=True)
class Asking:
    """One rebuild's questions."""

    config: Config
    journal: Journal
    service: Service

    def settle(self, inboxes: Collection[str]) -> Settled:
        """Let go on what the service has nothing of, and adopt what can only be one job's; the rest stays held.

        Args:
            inboxes: those of which the journal may not know everything. Those that could not be asked about the last
                time are asked about as well.

        Raises:
            Stopped: the program is stopping.
        """
        inboxes = [one.name for one in self.config.inboxes
                   if one.name in {*inboxes, *str(self.journal.meta(_UNASKED) or "").split()}]
        doubts = [self._doubt(job) for name in inboxes for job in self.journal.jobs.newest({State.HELD}, name)
                  if job.because is not None and job.because.code == "unproven" and not job.paid]
        try:
            found = self._look(doubts) if doubts else {}
            if Unbought() in found.values():  # what was on its way when that machine died may arrive yet
                self.service.pause(LOOK_TWICE)
                found = self._look(doubts)
        except Stopped:
            raise
        except (ApiError, KeyMissing) as error:
            self.journal.set_meta(_UNASKED, " ".join(inboxes))
            return Settled(refusal=str(error).rstrip("."))
        settled = self._release(doubts, found)
        self.journal.set_meta(_UNASKED, None)
        return settled

    def _look(self, doubts: Sequence[Doubt]) -> dict[str, Verdict]:
        seen: dict[str, Sequence[GenerationSummary]] = {}

        def generations(project: str) -> Sequence[GenerationSummary]:
            if project not in seen:
                try:
                    seen[project] = self.service.generations(project)
                except NotFound:
                    seen[project] = ()
            return seen[project]

        jobs = self.journal.jobs
        contents = {doubt.job.sha256 for doubt in doubts if doubt.job.sha256 is not None}
        bought = self.journal.restore.bought(contents)
        known = Known(frozenset(jobs.projects()), jobs.knows_generation, frozenset(bought))
        return verdicts(doubts, self.service.projects(), generations, known)

    def _doubt(self, job: Job) -> Doubt:
        try:
            status = Path(self.config.inbox(job.inbox).path, job.path).stat()
        except (OSError, ValueError):
            born = None
        else:
            born = max(status.st_mtime, status.st_ctime)
        # dated as a rebuild dates what it finds: of what intake finds, settling takes its time
        return Doubt(job, born, found=job.created_at == job.detected_at == job.settled_at)

    def _release(self, doubts: Sequence[Doubt], found: Mapping[str, Verdict]) -> Settled:
        most = self.config.limits.approve_over_files
        drops = Counter(doubt.job.inbox for doubt in doubts if doubt.found and found.get(doubt.job.id) == Unbought())
        free = adopted = 0
        for doubt in doubts:
            verdict = found.get(doubt.job.id)
            if isinstance(verdict, Bought):
                self.journal.restore.learn(self._adopted(doubt.job, verdict),
                                           "adopted a generation that the service had")
                adopted += 1
            elif verdict is not None and not (doubt.found and most is not None and drops[doubt.job.inbox] > most):
                job = replace(doubt.job, unproven=False)
                self.journal.restore.learn(replace(job, state=way(job), because=None, parks=0,
                                                   due_at=self.journal.clock.now()),
                                           "the service has no generation of it")
                free += 1
        return Settled(free, adopted)

    def _adopted(self, job: Job, found: Bought) -> Job:
        now = self.journal.clock.now()
        made = found.generation.created_at
        return replace(job, state=State.WAITING, because=None, unproven=False, due_at=now, parks=0,
                       base_url=self.config.api.base_url, project_id=found.project, uploaded=True, replayed=True,
                       generation_id=found.generation.generation_id, model_key=found.generation.model_key,
                       minutes=minutes(job), intent_at=now if made is None else min(made, now), generated_at=now)
