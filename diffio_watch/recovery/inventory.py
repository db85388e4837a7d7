"""The files of one inbox at the moment of a rebuild: which job each is, and which are nobody's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from diffio_watch.disk.beneath import NotRegular
from diffio_watch.disk.names import show
from diffio_watch.disk.place import Place
from diffio_watch.intake import fingerprint
from diffio_watch.intake.junk import Rules
from diffio_watch.intake.scan import Scan, Seen, scan
from diffio_watch.job import OPEN, Job, Media, State, new_id
from diffio_watch.journal import Journal, JournalError
from diffio_watch.journal.rows import note_hold
from diffio_watch.media.completeness import Cut, fault
from diffio_watch.media.mediainfo import ProbeFailed, is_surely, probe
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.errors import DiskTrouble, NameTaken, OutboxGone
from diffio_watch.pipeline.deliver import told_in
from diffio_watch.pipeline.outcome import NO_PROJECT
from diffio_watch.reasons import because
from diffio_watch.recovery.held_roots import CannotRebuild, HeldRoot

Progress = Callable[[str, int, int], None]  # the inbox, bytes read, bytes to read
_RESTORED: Final = frozenset({State.DELIVERED, State.SKIPPED})


@dataclass(frozen=True, slots=True)
class _Content:
    """What was read of a file.

    `sha256` is None where it can't be read, and `trouble` says why. `fault` is the reason's code where it is no
    recording, and `trouble` says more.
    """

    seen: Seen
    partial: str = ""
    sha256: str | None = None
    media: Media | None = None
    fault: str = ""
    trouble: str = ""


class _Meter:
    """Counts what is read."""

    def __init__(self, progress: Progress, inbox: str, total: int) -> None:
        self._progress = progress
        self._inbox = inbox
        self._total = total
        self._done = self._end = 0

    def of(self, size: int) -> Callable[[], None]:
        """The next file begins; what is to be called before each of its chunks."""
        self._done = self._end
        self._end += size
        return self._tick

    def _tick(self) -> None:
        self._progress(self._inbox, self._done, self._total)
        self._done = min(self._done + fingerprint.CHUNK, self._end)


class Inventory:
    """One inbox, gone through file by file; each file is one commit.

    Args:
        held: the inbox.
        outbox: where the sidecars of copies go.
        journal: which knows already what the sidecars tell.
        about: what the service has under the name of a job's file, in a sentence.
        vouched: the journal knows of everything that was paid for, so that what it calls unpaid is left alone.
        knew_until: the last moment that it knew of, in seconds since the epoch; None: it knew of none.
    """

    def __init__(self, held: HeldRoot, outbox: Outbox, journal: Journal, about: Callable[[Job], str], *,
                 vouched: bool, knew_until: float | None) -> None:
        inbox = held.inbox
        mount = held.folder.mount()
        self._held = held
        self._inbox = inbox
        self._rules = Rules.of(inbox)
        self._journal = journal
        self._about = about
        self._vouched = vouched
        self._knew_until = None if knew_until is None else max(knew_until, journal.drops.last_word(inbox.name))
        self._place = Place(str(inbox.path), mount.inodes, mount.leases, inbox.follow_symlinks)
        self._outbox = outbox
        self._by_path: dict[str, dict[str, Job]] = {}
        self._restored: dict[str, Job] = {}  # by SHA-256
        for job in reversed(journal.jobs.newest(inbox=inbox.name)):
            self._note(job)
        self._standing = journal.files.known(inbox.name)
        self.known = self.skipped = self.held = 0
        self.aside: list[tuple[str, str]] = []  # paths in the outbox, or of originals, and what is the matter there

    def take(self, progress: Progress) -> None:
        """Go through all files.

        Raises:
            OSError: a folder in the inbox can't be listed.
            RootGone: the inbox itself can't be.
            OutboxGone: the outbox went away.
            CannotRebuild: the inbox or the outbox is another one meanwhile.
        """
        self._held.must_be_same()
        found = self._scan()
        self._held.must_be_same()
        unread = {path: seen for path, seen in found.files.items() if self._at_once(path, seen)}
        meter = _Meter(progress, self._inbox.name, sum(seen.size for seen in unread.values()))
        for path, seen in unread.items():
            tick = meter.of(seen.size)
            try:
                self._look(path, seen, tick)
            except (JournalError, OutboxGone, CannotRebuild):
                raise
            except Exception as error:  # noqa: BLE001 - one file of others', which a person is to decide about
                self._hold(self._described(None, path, _Content(seen)), _Content(seen, trouble=repr(error)))
        meter.of(0)()

    def _scan(self) -> Scan:
        found = scan(self._place.root, self._rules, inodes=self._place.inodes, going=lambda: True,
                     follow_symlinks=self._inbox.follow_symlinks)
        blind = sorted(path for path in found.blind if path not in found.files)
        if blind:
            raise PermissionError(None, f"{len(blind)} folders or files can't be looked at, such as {show(blind[0])}")
        return found

    def _at_once(self, path: str, seen: Seen) -> bool:
        """Deal with a file whose job is known by its size and time; whether it has to be read instead."""
        standing = self._standing.get(path)
        jobs = [job for job in self._here(path) if (job.size, job.mtime_ns) == (seen.size, seen.mtime_ns)]
        job = _best(jobs)
        if job is None or not _speaks(job):
            return not (self._vouched and standing is not None
                        and (standing.size, standing.mtime_ns) == (seen.size, seen.mtime_ns))
        partial = job.partial or self._read(path, seen).partial
        self._is(job, path, seen, partial)
        return False

    def _look(self, path: str, seen: Seen, tick: Callable[[], None]) -> None:
        content = self._read(path, seen, tick)
        self._held.must_be_same()  # else a file that can't be found says nothing, and one that is there may be another
        if content.seen.size == 0 or (content.fault and self._vouched):
            return  # intake says what is the matter with it, and nothing was paid for that
        same = _best([job for job in self._here(path) if content.sha256 and job.sha256 == content.sha256])
        if same is not None and _speaks(same):
            self._is(same, path, content.seen, content.partial)
            return
        if same is not None and self._vouched:
            return  # intake knows it again
        earlier = self._restored.get(content.sha256 or "")
        waiting = same or next((job for job in self._here(path) if not _speaks(job) and job.run == 1), None)
        job = self._described(waiting, path, content)
        made_by = self._journal.jobs.maker(content.seen.size, lambda: content.sha256 or "")
        if made_by is not None and job.run == 1:
            self._skip(job, made_by, "own_output", content.seen)
        elif earlier is not None:
            self._skip(job, earlier, "duplicate", content.seen)
        elif content.fault and waiting is None:
            self._fail(job, content)
        else:
            self._hold(job, content)

    def _read(self, path: str, seen: Seen, tick: Callable[[], None] | None = None) -> _Content:
        """Open a file, and read all of it where there is a `tick` to tell. What is no regular file now has size 0."""
        def going() -> bool:
            if tick is not None:
                tick()
            return True

        try:
            descriptor = self._place.open(path)
        except (FileNotFoundError, NotRegular):
            return _Content(seen._replace(size=0))
        except OSError as error:
            return _Content(seen, trouble=error.strerror or str(error))
        try:
            seen = Seen.of(os.fstat(descriptor), inodes=self._place.inodes)
            partial = fingerprint.partial(descriptor, seen.size)
            if tick is None or seen.size == 0:
                return _Content(seen, partial)
            media, wrong, trouble = None, "", ""
            try:
                media = probe(descriptor, going)
            except ProbeFailed as error:
                trouble = str(error)
            if media is not None and not media.has_sound:
                wrong = "no_sound"
            if media is None and not trouble:
                found = fault(descriptor, going)
                trouble = found.detail if isinstance(found, Cut) else ""
                wrong = "truncated" if trouble else "not_media" if found is None else "bare"
            unasked = self._rules.looks_into(path) and not (media and self._rules.wants(media)
                                                            and is_surely(media, descriptor))
            if unasked:  # its name says nothing, and there is nothing in it that is meant
                return _Content(seen._replace(size=0))
            return _Content(seen, partial, fingerprint.whole(descriptor, going), media, wrong, trouble)
        except OSError as error:
            return _Content(seen, trouble=error.strerror or str(error))
        finally:
            os.close(descriptor)

    def _described(self, job: Job | None, path: str, content: _Content) -> Job:
        """The job that waits at this path, or a new one, as of this content."""
        if job is None:
            came = self._came(content.seen)
            job = Job(new_id(), self._inbox.name, path, 0, 0, self._inbox.settings(), priority=self._inbox.priority,
                      detected_at=came, settled_at=came, created_at=came)
        if (job.size, job.mtime_ns) != (content.seen.size, content.seen.mtime_ns):
            job = replace(job, **NO_PROJECT)  # what was uploaded is another content
        return replace(job, size=content.seen.size, mtime_ns=content.seen.mtime_ns, inode=content.seen.inode or None,
                       partial=content.partial, sha256=content.sha256, media=content.media, due_at=None)

    def _came(self, seen: Seen) -> float:
        """When a file came that has no job, as far as anything tells: it is no part of what is dropped just now.

        At the end of what the journal knew, so that it is of the same drop as what was journalled, or left out, just
        before; where that knew nothing, when it was last changed.
        """
        came = seen.mtime_ns / 1e9 if self._knew_until is None else self._knew_until
        return max(0.0, min(came, self._journal.clock.now()))

    def _skip(self, job: Job, earlier: Job, code: str, seen: Seen) -> None:
        source = earlier.duplicate_of if earlier.state is State.SKIPPED and earlier.duplicate_of else earlier.id
        job = replace(job, state=State.SKIPPED, because=because(code, other=told_in(job, earlier), job=job.id),
                      duplicate_of=source)
        # the sidecar first: broken off here, the next rebuild learns the job from it
        try:
            plan = self._outbox.number_for(job, {}, lambda key: self._journal.jobs.reserved(job.inbox, key, job.id))
            job = replace(job, number=plan.number)
            self._outbox.write_sidecar(job, self._journal.jobs.get(source) or replace(earlier, id=source))
        except (DiskTrouble, NameTaken) as error:  # it is a copy all the same, and known as one
            job = replace(job, number=None)
            self.aside.append((job.path, f"the sidecar of a copy can't be written: {error}"))
        self._stand(self._journal.restore.learn(job, "a copy of what was restored before"), seen)
        self.skipped += 1

    def _fail(self, job: Job, content: _Content) -> None:
        """As intake would, but doubted: a person may have had it sent as it is."""
        reason = because(content.fault, job=job.id, detail=content.trouble)
        job = replace(job, state=State.FAILED, because=reason, due_at=self._journal.clock.now(), unproven=True)
        self._stand(self._journal.restore.learn(job, "found in the inbox by a rebuild"), content.seen)

    def _hold(self, job: Job, content: _Content) -> None:
        if job.because is None or job.because.code != "unproven" or job.state is not State.HELD:
            detail = f"It could not be read: {content.trouble}. " if content.trouble else ""
            reason = because("unproven", job=job.id, detail=detail + self._about(job))
            job = replace(job, state=State.HELD, because=reason, error_file=False, unproven=True,
                          stage=note_hold(job) or job.stage)
            self.held += 1
        self._stand(self._journal.restore.learn(job, "found in the inbox by a rebuild"), content.seen)

    def _is(self, job: Job, path: str, seen: Seen, partial: str) -> None:
        """This file is that job's. Whatever else waits for a decision about it needs none any more."""
        inode = seen.inode or None
        if (job.size, job.mtime_ns, job.inode, job.partial) != (seen.size, seen.mtime_ns, inode, partial):
            job = self._journal.jobs.commit(job, size=seen.size, mtime_ns=seen.mtime_ns, inode=inode, partial=partial)
        for other in self._here(path):
            same = other.sha256 == job.sha256 if other.sha256 and job.sha256 else \
                (other.size, other.mtime_ns) == (seen.size, seen.mtime_ns)
            if other.id != job.id and same and not _speaks(other):
                self._journal.restore.learn(replace(
                    other, state=State.SKIPPED, because=because("duplicate", other=show(path), job=other.id),
                    duplicate_of=job.id, due_at=None, sha256=None), "its sidecar was found")
        self._stand(job, seen)
        self.known += 1

    def _stand(self, job: Job, seen: Seen) -> None:
        self._journal.restore.stand(job, size=seen.size, mtime_ns=seen.mtime_ns, inode=seen.inode or None)
        self._note(job)

    def _note(self, job: Job) -> None:
        self._by_path.setdefault(job.path, {})[job.id] = job
        if job.sha256 and job.state in _RESTORED:
            self._restored.setdefault(job.sha256, job)

    def _here(self, path: str) -> list[Job]:
        return list(self._by_path.get(path, {}).values())


def _speaks(job: Job) -> bool:
    """Whether a row says what became of its content, so that nothing has to be decided."""
    if job.state is State.CANCELLED and job.because is not None and job.because.code == "vanished":
        return False  # and now it is here
    return job.paid or (job.state not in OPEN and job.state is not State.HELD)


def _best(jobs: Iterable[Job]) -> Job | None:
    """The job that says most about a content."""
    return max(jobs, key=lambda job: (job.state is State.DELIVERED, job.state in _RESTORED, job.paid, job.run),
               default=None)
