"""`journal rebuild`: a journal made of what the folders tell, or an older one brought up to date by it.

What a sidecar or error file tells becomes a row. What else stands in an inbox is read: content that a sidecar knows
is `skipped`, the rest is `held` as `unproven`, so that nothing is paid for again without a person's word. What failed
stays so, for its reason is worth more, and is held when a person has it go on: its error file, too, may be older than
a payment. The markers are taken over last: broken off anywhere, the daemon refuses the journal, and the rebuild is
simply run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from diffio_watch.config import Config, Inbox
from diffio_watch.daemon import claims, renames
from diffio_watch.disk import marker, marker_file
from diffio_watch.disk.names import show
from diffio_watch.intake.scan import RootGone
from diffio_watch.job import Job, State
from diffio_watch.journal import Journal, JournalCorrupt, JournalTrouble
from diffio_watch.journal.backup import COPIED_AT
from diffio_watch.journal.folders import OLD_COPY
from diffio_watch.journal.restore import REBUILDING
from diffio_watch.media import mediainfo
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.errors import OutboxError
from diffio_watch.outbox.sidecar_reader import recall
from diffio_watch.pipeline.project_list import Listed, Projects
from diffio_watch.recovery import doubts
from diffio_watch.recovery.asking import Asking, Service, Settled
from diffio_watch.recovery.held_roots import CannotRebuild, HeldRoot, held
from diffio_watch.recovery.inventory import Inventory, Progress
from diffio_watch.recovery.noted import Noted

__all__ = ["CannotRebuild", "Tally", "rebuild"]

_GAPS: Final = (COPIED_AT, REBUILDING, OLD_COPY)  # in the meta of a journal that can't know of everything
_TOLD: Final = frozenset({State.DELIVERED, State.SKIPPED, State.FAILED, State.HELD})
_TOO_HIGH: Final = marker_file.HIGHEST // 2  # for a counter: no journal comes to that
_RANK: Final = {State.DELIVERED: 2, State.SKIPPED: 1}


@dataclass
class Tally:
    """What a rebuild came to, in jobs and files."""

    sidecars: int = 0  # sidecars and error files that were read
    learned: int = 0  # jobs that the journal did not know, or not so far
    known: int = 0  # files whose job is known
    skipped: int = 0  # files that are copies of a restored one
    held: int = 0  # jobs that wait for a person's word
    settled: Settled = field(default_factory=Settled)  # what the service said of jobs in doubt
    aside: list[tuple[str, str]] = field(default_factory=list)  # what in the outboxes could not be read, and why


def rebuild(config: Config, journal: Journal, projects: Projects, progress: Progress,
            service: Service | None = None) -> Tally:
    """Rebuild, under the journal's lock.

    Args:
        config: the configuration, whose folders are read and taken over.
        journal: opened for writing; new, or an older copy.
        projects: asks the service for its list of projects; called once, if at all.
        progress: is told how far the reading of files is.
        service: what an older copy leaves in doubt is asked of it; None: a person is asked.

    Raises:
        CannotRebuild: a folder is not there or can't be read.
        JournalError: the journal refuses.
    """
    journal.must_be_whole()
    mediainfo.remember_in(journal.state_dir / "probing")
    with held(config) as roots:
        return _Rebuild(config, journal, projects, progress, service, roots).run()


class _Rebuild:
    def __init__(self, config: Config, journal: Journal, projects: Projects, progress: Progress,
                 service: Service | None, roots: Sequence[HeldRoot]) -> None:
        self._asks = service
        self._roots = roots
        self._inboxes = {one.inbox.name: one for one in roots if one.role == "inbox"}
        self._outboxes = {one.inbox.name: Outbox(one.folder.root, inbox=one.inbox.name, available=one.must_be_same)
                          for one in roots if one.role == "outbox"}
        self._config = config
        self._journal = journal
        self._service = Listed(journal, projects)
        self._progress = progress
        self._tally = Tally()
        self._starts = int(journal.meta("starts") or 0)

    def run(self) -> Tally:
        markers = [(one.inbox.name, one.seen) for one in self._roots
                   if one.seen is not None and self._is_meant(one.seen)]
        self._leave_to_others([one for _, one in markers])
        ours = [one for _, one in markers if one.journal == self._journal.id]
        newest = max((one.counter for one in ours if one.counter < _TOO_HIGH), default=0)
        old = any(one.counter > self._journal.folders.count_of(one.role, one.name) for one in ours)
        renames.follow(self._config, self._journal, {
            name: one.seen for name, one in self._inboxes.items() if one.seen is not None})
        for one in self._roots:
            one.may_lack_marker(self._journal)
        doubtful = [inbox.name for inbox in self._config.inboxes if old or not self._vouches(
            inbox, [one for name, one in markers if name == inbox.name])]
        if doubtful:
            self._journal.set_meta(REBUILDING, 1)
            doubts.answer_requests(self._journal)
        until = self._journal.restore.knew_until()
        asking = None
        if self._asks is not None and self._starts:  # of a new journal the list says too little
            asking = Asking(self._config, self._journal, self._asks)
            asking.remember()
        for inbox in self._config.inboxes:
            self._read_sidecars(inbox)
        noted = self._noted()
        for inbox in self._config.inboxes:
            if inbox.name in doubtful:
                self._tally.held += doubts.doubt(self._journal, inbox.name, self._service.about)
            try:
                found = Inventory(self._inboxes[inbox.name], self._outboxes[inbox.name], self._journal,
                                  lambda job: noted.about(job) + self._service.about(job),
                                  vouched=inbox.name not in doubtful, knew_until=until)
                found.take(self._progress)
            except (OSError, RootGone, OutboxError) as error:
                raise CannotRebuild(f"Inbox {inbox.name} can't be read to its end ({error}): mend it and run the "
                                    "rebuild again. Nothing is spent until then.") from error
            for path, why in found.aside:
                self._set_aside(inbox, path, why)
            self._tally.known += found.known
            self._tally.skipped += found.skipped
            self._tally.held += found.held
            if found.held:  # what came in the journal's last moment, though it knows of all that was paid for
                doubtful.append(inbox.name)
        if asking is not None:
            settled = asking.settle(doubtful, noted.by_inbox, self._nobody_else)
            self._tally.settled = settled
            self._tally.held = max(0, self._tally.held - settled.decided)
        self._nobody_else()
        if self._starts >= _TOO_HIGH:  # an edited marker was believed once
            self._starts = 0
            self._journal.folders.forget_counts()
        self._take_over(max(self._starts, newest) + 1, None if self._tally.settled.refusal else asking)
        return self._tally

    def _leave_to_others(self, markers: Sequence[marker.Marker]) -> None:
        """Take nothing from a daemon that works."""
        now = self._journal.clock.now()
        for one in markers:
            if one.journal != self._journal.id and claims.works_there(one, now):
                raise CannotRebuild(f"The {one.role} of {one.name} belongs to {claims.claim(one, now)}. Two would pay "
                                    "for everything twice: stop that one first.")

    def _is_meant(self, found: marker.Marker) -> bool:
        """Whether it is as it was written; one of this journal that somebody edited is as good as none."""
        return found.journal != self._journal.id or marker.is_meant(found, self._journal.folders)

    def _vouches(self, inbox: Inbox, markers: Sequence[marker.Marker]) -> bool:
        """Whether the journal as it is knows of everything that was paid for in this inbox."""
        journal = self._journal
        return (all(journal.meta(flag) is None for flag in _GAPS)
                and all(journal.folders.get(role, inbox.name) is not None for role in ("inbox", "outbox"))
                and all(one.journal == journal.id for one in markers))

    def _read_sidecars(self, inbox: Inbox) -> None:
        told: dict[str, Job] = {}
        outbox = self._outboxes[inbox.name]
        now = self._journal.clock.now()
        try:
            for path, sidecar in outbox.sidecars(partial(self._set_aside, inbox)):
                if sidecar.state not in _TOLD:
                    continue
                self._tally.sidecars += 1
                try:
                    job = recall(sidecar, path, inbox.name, inbox.settings(), now)
                except Exception as error:  # noqa: BLE001 - anybody can bend a sidecar, and one must not stop the rest
                    self._set_aside(inbox, path, f"{type(error).__name__}: {error}")
                    continue
                if job.id not in told or _RANK.get(job.state, 0) > _RANK.get(told[job.id].state, 0):
                    told[job.id] = job
        except OutboxError as error:
            raise CannotRebuild(f"The sidecars of {inbox.name} can't be read ({error}): mend it and run the rebuild "
                                "again. Nothing is spent until then.") from error
        for _, job in sorted(told.items()):  # ids sort by the time they were made in
            try:
                self._learn_told(inbox, job)
            except (JournalTrouble, JournalCorrupt):
                raise
            except Exception as error:  # noqa: BLE001 - likewise
                self._set_aside(inbox, job.path, f"{type(error).__name__}: {error}")

    def _noted(self) -> Noted:
        try:
            return Noted(self._outboxes, lambda path, why: self._tally.aside.append((path, why)))
        except OutboxError as error:
            raise CannotRebuild(f"The ledger of an outbox can't be read ({error}): bring it back, and run the rebuild "
                                "again. Nothing is spent until then.") from error

    def _set_aside(self, inbox: Inbox, path: str, why: str) -> None:
        self._tally.aside.append((show(f"{inbox.outbox}/{path}"), why))

    def _learn_told(self, inbox: Inbox, job: Job) -> None:
        row = self._journal.jobs.get(job.id)
        if row is None:
            self._learn(job, "learned from its sidecar")
        elif row.inbox == inbox.name and (merged := _merged(row, job)) is not None:
            self._learn(merged, "brought up to date from its sidecar")

    def _learn(self, job: Job, detail: str) -> None:
        self._journal.restore.learn(job, detail)
        self._tally.learned += 1

    def _nobody_else(self) -> None:
        """What was learned is of these folders, and nobody else works in them, whether or not the service was asked."""
        for one in self._roots:
            one.must_be_same()

    def _take_over(self, counter: int, asked: Asking | None) -> None:
        """Make the folders this journal's; from here on the daemon may run. `asked`: what is through with it."""
        with self._journal.transaction():  # before any marker says so
            self._journal.set_meta("starts", counter)
            for one in self._roots:
                self._journal.folders.count(one.role, one.inbox.name, counter)
        owner = marker.Owner(self._journal.id, counter, marker.Keeper.here(self._journal.state_dir, runs=False))
        memories = []
        for one in self._roots:
            one.must_be_same()
            try:
                memories.append(marker.adopt(one.folder, one.seen, one.role, one.inbox.name, owner,
                                             self._journal.folders, caught_up=True))
            except marker.MarkerError as error:
                raise CannotRebuild(f"The {one.role} {one.folder.root} can't be taken over: {error}. Mend it, and run "
                                    "the rebuild again.") from error
        with self._journal.transaction():
            for memory in memories:
                self._journal.folders.set(memory)
            for flag in _GAPS:
                self._journal.set_meta(flag, None)
            if asked is not None:
                asked.forget()


def _merged(row: Job, told: Job) -> Job | None:
    """A row brought up to date by what a sidecar or error file tells; None where it tells nothing new."""
    facts = {name: getattr(told, name) for name in (
        "base_url", "project_id", "uploaded", "generation_id", "model_key", "replayed", "idempotency_key", "body",
        "intent_at", "uploaded_at", "generated_at", "completed_at")}
    if told.state in _RANK:
        if _RANK[told.state] <= _RANK.get(row.state, 0):
            return None
        if told.generation_id == row.generation_id:  # the row's own are exact
            facts = {}
        return replace(row, **facts, state=told.state, because=told.because, size=told.size, mtime_ns=told.mtime_ns,
                       sha256=told.sha256, media=told.media, due_at=None, number=told.number, outputs=told.outputs,
                       notes=told.notes, duplicate_of=told.duplicate_of, delivered_at=told.delivered_at,
                       original="kept", progress=None)
    # an error file that the row knows of tells nothing new; neither does one of a job that is at its end
    if row.error_file or row.state in {*_RANK, State.CANCELLED} or (row.paid and not told.paid):
        return None
    if row.state in {State.FAILED, State.HELD} and row.generation_id == told.generation_id:
        return None
    if row.paid and row.idempotency_key == told.idempotency_key:
        facts = {name: facts[name] for name in ("generation_id", "model_key", "generated_at", "completed_at")
                 if facts[name] is not None}
    return replace(row, **facts, state=told.state, because=told.because, due_at=None, error_file=True)
