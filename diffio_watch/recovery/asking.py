"""Asks the service about what an older copy of the journal leaves in doubt, and writes down what comes of it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from diffio_watch.api.errors import ApiError, Forbidden, ModelRetired, NotFound, NotReady, Rejected, Stopped
from diffio_watch.api.shapes import GenerationSummary
from diffio_watch.config import Config, KeyMissing
from diffio_watch.job import Job, State
from diffio_watch.journal import Journal
from diffio_watch.journal.rows import noted_hold
from diffio_watch.media.length import minutes
from diffio_watch.outbox.ledger import Entry
from diffio_watch.pipeline.commands import way
from diffio_watch.pipeline.generate import LOOK_TWICE
from diffio_watch.pipeline.project_list import Projects
from diffio_watch.reasons import because
from diffio_watch.recovery.asked import Bought, Doubt, Known, Seen, Unbought, Unsure, Verdict, verdicts

_UNASKED: Final = "unasked"  # in the meta: the inboxes that the service was not asked about to the end, by name
# in the meta, until the service was asked: what the copy knew before it learned more
_NEWEST: Final = "newest_project"  # the last project
_UNPAID: Final = "unpaid_projects"  # the projects of what was not bought
_HELD: Final = "held_before"  # jobs that were a person's already, by id

# what only says that this one project can't be seen
_UNSEEN: Final = (NotFound, Forbidden, NotReady, Rejected, ModelRetired)


@dataclass(frozen=True)
class Service:
    """What a rebuild may ask of the service: nothing of it costs or changes anything.

    Attributes:
        projects: every project, or an error.
        generations: every generation of a project, or an error.
        size: how many bytes were uploaded to a project, None where it does not say, or an error.
        pause: waits so many seconds between two looks, and says so.
    """

    projects: Projects
    generations: Callable[[str], Sequence[GenerationSummary]]
    size: Callable[[str], int | None]
    pause: Callable[[float], None]


@dataclass(frozen=True)
class Settled:
    """What came of it.

    Attributes:
        free: jobs that go on by themselves.
        adopted: jobs whose generation the service has.
        back: jobs that are held as they were when the copy was made.
        drop: jobs that are held as more than may come at once.
        decided: so many were in doubt and are no more.
        refusal: why it could not be asked; "" where it could.
    """

    free: int = 0
    adopted: int = 0
    back: int = 0
    drop: int = 0
    decided: int = 0
    refusal: str = ""


@dataclass(frozen=True)
class Asking:
    """One rebuild's questions."""

    config: Config
    journal: Journal
    service: Service

    def remember(self) -> None:
        """Before the journal learns of anything newer: how far it knew.

        Kept until the service was asked and the rebuild is through: broken off, the next one asks about all of it anew.
        """
        if self.journal.meta(_HELD) is None:
            with self.journal.transaction():
                self.journal.set_meta(_NEWEST, self.journal.jobs.newest_project())
                self.journal.set_meta(_UNPAID, json.dumps(sorted(self.journal.jobs.projects(paid=False))))
                self.journal.set_meta(_HELD, " ".join(job.id for job in self._unproven()))

    def forget(self) -> None:
        """The service was asked, and the rebuild is through."""
        for flag in (_UNASKED, _NEWEST, _UNPAID, _HELD):
            self.journal.set_meta(flag, None)

    def settle(self, inboxes: Collection[str], ledgers: Mapping[str, Sequence[Entry]],
               must_be_same: Callable[[], None]) -> Settled:
        """Let go on what the service has nothing of, and adopt what is proved to be a job's; the rest stays held.

        Args:
            inboxes: those in which this rebuild left something in doubt. Those that could not be asked about the last
                time are asked about as well.
            ledgers: what the outboxes of all inboxes noted, by inbox.
            must_be_same: makes sure that the folders are those that were read: which files are there counts.

        Raises:
            Stopped: the program is stopping.
        """
        inboxes = [one.name for one in self.config.inboxes
                   if one.name in {*inboxes, *str(self.journal.meta(_UNASKED) or "").split()}]
        self.journal.set_meta(_UNASKED, " ".join(inboxes))  # broken off from here on, they are asked about as well
        # what an earlier gap left in doubt may have been bought at any time: of that the list says too little
        before = set(str(self.journal.meta(_HELD) or "").split())
        doubts = [self._doubt(job) for job in self._unproven() if job.inbox in inboxes and job.id not in before]
        must_be_same()
        try:
            found = self._look(doubts, ledgers) if doubts else {}
            if Unbought() in found.values():  # what was on its way when that machine died may arrive yet
                self.service.pause(LOOK_TWICE)
                found = self._look(doubts, ledgers)
        except Stopped:
            raise
        except (ApiError, KeyMissing) as error:
            return Settled(refusal=str(error).rstrip("."))
        must_be_same()
        return self._release(doubts, found)

    def _unproven(self) -> list[Job]:
        return [job for job in self.journal.jobs.newest({State.HELD})
                if job.because is not None and job.because.code == "unproven" and not job.paid]

    def _look(self, doubts: Sequence[Doubt], ledgers: Mapping[str, Sequence[Entry]]) -> dict[str, Verdict]:
        @functools.cache
        def generations(project: str) -> Sequence[GenerationSummary] | None:
            try:
                return self.service.generations(project)
            except _UNSEEN:
                return None

        def size(project: str) -> int | None:
            try:
                return self.service.size(project)
            except _UNSEEN:
                return None

        jobs = self.journal.jobs
        contents = {doubt.job.sha256 for doubt in doubts if doubt.job.sha256 is not None}
        paid, unpaid = jobs.projects(paid=True), jobs.projects(paid=False)
        unpaid |= set(json.loads(self.journal.meta(_UNPAID) or "[]"))  # of what was touched since, no row has it
        newest = self.journal.meta(_NEWEST)
        known = Known(self.config.api.base_url, paid, unpaid - paid, None if newest is None else str(newest),
                      jobs.knows_generation, self.journal.restore.bought(contents), ledgers)
        return verdicts(doubts, Seen(self.service.projects(), generations, size), known)

    def _doubt(self, job: Job) -> Doubt:
        try:
            Path(self.config.inbox(job.inbox).path, job.path).stat()
        except (OSError, ValueError):
            there = False
        else:
            there = True
        # dated as a rebuild dates what it finds: of what intake finds, settling takes its time
        return Doubt(job, there, found=job.created_at == job.detected_at == job.settled_at)

    def _release(self, doubts: Sequence[Doubt], found: Mapping[str, Verdict]) -> Settled:
        free: dict[str, Job] = {}
        adopted = back = 0
        with self.journal.transaction():
            for doubt in doubts:
                verdict = found.get(doubt.job.id)
                if isinstance(verdict, Bought):
                    self.journal.restore.learn(self._adopted(doubt.job, verdict),
                                               "adopted a generation that the service had")
                    adopted += 1
                elif isinstance(verdict, Unsure) and verdict.words:
                    reason = because("unproven", job=doubt.job.id, detail=verdict.words)
                    self.journal.restore.learn(replace(doubt.job, because=reason), verdict.words)
                elif verdict == Unbought() and (hold := noted_hold(doubt.job)) is not None:
                    self.journal.restore.learn(replace(doubt.job, unproven=False, **hold),
                                               "the service has no generation of it: it is held as it was")
                    back += 1
                elif verdict == Unbought():
                    job = replace(doubt.job, unproven=False, because=None, parks=0, due_at=self.journal.clock.now())
                    free[job.id] = self.journal.restore.learn(replace(job, state=way(job)),
                                                              "the service has no generation of it")
            held = self._hold_drops([free[doubt.job.id] for doubt in doubts if doubt.found and doubt.job.id in free])
        goes_on = len(free.keys() - held)
        return Settled(goes_on, adopted, back, len(held), decided=len(free) + adopted + back)

    def _hold_drops(self, found: Sequence[Job]) -> set[str]:
        """Hold what was found in an inbox as intake would have, with what the copy knew of the same drop."""
        most = self.config.limits.approve_over_files
        held: set[str] = set()
        for inbox in {job.inbox for job in found}:
            if most is None:
                break
            seen = {job.id: job.detected_at for job in found if job.inbox == inbox}
            held |= self.journal.drops.hold(inbox, seen, limit=most, at=max(seen.values()))
        return held

    def _adopted(self, job: Job, found: Bought) -> Job:
        now = self.journal.clock.now()
        made = found.generation.created_at
        return replace(job, state=State.WAITING, because=None, unproven=False, stage=None, due_at=now, parks=0,
                       base_url=self.config.api.base_url, project_id=found.project, uploaded=True, replayed=True,
                       generation_id=found.generation.generation_id, model_key=found.generation.model_key,
                       minutes=minutes(job), intent_at=now if made is None else min(made, now), generated_at=now)
