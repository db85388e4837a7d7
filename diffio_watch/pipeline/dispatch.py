"""Picks what is due: two pools for transfers and one for short calls, fair between inboxes, fed from the journal."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Final

from diffio_watch.clock import midnight
from diffio_watch.config import Limits
from diffio_watch.job import OPEN, Job, State
from diffio_watch.journal import Halt
from diffio_watch.journal.turns import IN_FLIGHT, PARKS_OUT, share_of
from diffio_watch.pipeline.halts import LONGEST_PAUSE, Halts
from diffio_watch.pipeline.pool import Pool
from diffio_watch.pipeline.probes import BEGUN, Probes
from diffio_watch.pipeline.tools import Tools
from diffio_watch.pipeline.upload import forget, release
from diffio_watch.pipeline.worker import Worker

_CALLS: Final = 4  # threads for short calls, at least; what waits at the service is to be asked for in time
_MOST_CALLS: Final = 24
_WAITING_EACH: Final = 32  # generations in flight for each of them
_TIDY_EVERY: Final = 10.0  # seconds between two looks for uploads that nobody goes on with
_WRITTEN_OFF: Final = 8
_LONGEST: Final = 0.5  # seconds between two looks into the journal
_UPLOADS: Final = frozenset({State.QUEUED, State.UPLOADING})


class Dispatcher:
    """Gives due jobs to the pools.

    Args:
        tools: the daemon's parts.
        halts: what is stopped.
        worker: drives a job.
        trouble: told of everything that a thread could not deal with, such as a journal that can't be written.
    """

    def __init__(self, tools: Tools, halts: Halts, worker: Worker, trouble: Callable[[BaseException], None]) -> None:
        self._tools = tools
        self._halts = halts
        self._worker = worker
        self._trouble = trouble
        self.beat = time.monotonic()  # when a round began last
        limits = tools.config.limits
        self._calls = Pool("call", frozenset({State.GENERATING, State.WAITING}), _calls(limits), trouble)
        self.pools = (
            self._calls,
            Pool("download", frozenset({State.DOWNLOADING}), limits.downloads, trouble),
            Pool("upload", frozenset({State.QUEUED, State.UPLOADING}), limits.uploads, trouble),
        )
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._served: dict[str, int] = {}  # inbox → when it had its last turn
        self._turn = 0
        self._tidy_at = 0.0
        self._tidying = False  # or about to
        self.probes = Probes(tools, halts, holds=self.holds, held=lambda: len(self._held_ids()),
                             let_through=self._let_through, call=self._call)
        now = tools.clock.now()
        forget(tools)
        halts.tidy([inbox.name for inbox in tools.config.inboxes], now, self._under_way)
        tools.journal.schedule.pull_in(now + LONGEST_PAUSE, midnight(now, 1))

    def wake(self) -> None:
        """Something may be due sooner than it was."""
        self._wake.set()

    def resize(self, limits: Limits) -> None:
        """Move so many files at once as are configured now."""
        with self._lock:
            for pool, size in zip(self.pools, (_calls(limits), limits.downloads, limits.uploads), strict=True):
                pool.resize(size)
        self._wake.set()

    def alive(self) -> bool:
        """Whether every pool has the threads it is to have."""
        return all(pool.alive() for pool in self.pools)

    @property
    def busy(self) -> int:
        """Jobs that a thread works on now."""
        with self._lock:
            return sum(len(pool.busy) for pool in self.pools)

    def holds(self, job_id: str) -> bool:
        """Whether a thread works on this job now."""
        with self._lock:
            return any(job_id in pool.busy or job_id in pool.lost for pool in self.pools)

    def _held_ids(self) -> set[str]:
        with self._lock:
            return {job_id for pool in self.pools for job_id in (*pool.busy, *pool.lost)}

    def write_off(self, threads: Collection[threading.Thread]) -> None:
        """Replace threads that hang in a file call: eight at most, for each one costs memory as long as it hangs."""
        with self._lock:
            for thread in threads:
                if sum(pool.hanging() for pool in self.pools) < _WRITTEN_OFF:
                    for pool in self.pools:
                        if pool.write_off(thread):
                            self._tools.log.error("thread.written_off", thread=thread.name)

    def give_up(self, threads: Collection[threading.Thread]) -> None:
        """What these threads worked on, which hang on a share that is mounted no more, is given out again."""
        for thread in self._tools.files.give_up(threads):
            with self._lock:
                for pool in self.pools:
                    pool.give_up(thread)
            self._tools.log.warning("thread.given_up", thread=thread.name)

    def run(self) -> None:
        """A thread's body: round after round, until the program stops."""
        tools = self._tools
        while not tools.stop.is_set():
            if tools.sick.is_set():
                tools.stop.wait(_LONGEST)
                continue
            self.beat = time.monotonic()
            try:
                self.round()
            except Exception as error:  # noqa: BLE001 - a thread's end; what becomes of it is the daemon's to say
                self._trouble(error)

    def round(self) -> None:
        """Give out what is due, then wait until something may be."""
        now = self._tools.clock.now()
        self._wake.clear()
        self._tidy(now)
        self.give_out(now)
        due = self._tools.journal.schedule.next_due(now)
        self._wake.wait(min(_LONGEST, max(0.01, due - now)) if due is not None else _LONGEST)

    def _tidy(self, now: float) -> None:
        if now >= self._tidy_at and not self._tidying:
            self._tidy_at = now + _TIDY_EVERY
            self._tidying = True  # every thread may be busy for hours, and one look is enough then

            def tidy() -> None:
                try:
                    release(self._tools, self.holds)
                finally:
                    self._tidying = False

            next(pool for pool in self.pools if State.UPLOADING in pool.states).give(tidy)

    def give_out(self, now: float) -> int:
        """Give what is due at `now`, in seconds since the epoch, to threads that are free; how much it was."""
        self._hear(now)
        given = self.probes.round(now)
        for pool in self.pools:
            free = pool.size - len(pool.busy)
            if free <= 0:
                continue
            room = self._room() if State.QUEUED in pool.states else 0
            due = self._due(pool, now, free, room)
            while free > 0 and (job := self._choose(pool, due, room)) is not None:
                if job.state is State.QUEUED:
                    room -= 1
                free -= 1
                self._give(pool, job)
                given += 1
        return given

    def _hear(self, now: float) -> None:
        """Ask at once for what the service has announced."""
        announced = self._tools.announced.take()
        if announced:
            self._tools.journal.schedule.ask_at_once(announced, now)

    def stop(self) -> None:
        """Let the pools end."""
        for pool in self.pools:
            pool.stop()

    def _room(self) -> int:
        """How many more generations may be on their way."""
        room = self._tools.config.limits.in_flight - self._under_way(IN_FLIGHT, parks=PARKS_OUT)
        for pool in self.pools:
            if State.QUEUED in pool.states and 0 < room <= pool.size:  # some may be let in just now
                let_in = [self._tools.journal.jobs.get(job_id) for job_id in list(pool.busy)]
                room -= sum(1 for job in let_in if job is not None and job.state is State.QUEUED)
        return room

    def _under_way(self, states: Collection[State] = OPEN, parks: int | None = None) -> int:
        """Jobs in these states, of the inboxes and the service in force."""
        config = self._tools.config
        return self._tools.journal.totals.under_way(states, [inbox.name for inbox in config.inboxes],
                                                    self._tools.base_url, parks=parks)

    def _choose(self, pool: Pool, due: dict[str, deque[Job]], room: int) -> Job | None:
        """The next job of a pool: bumped first, then by priority, then the inbox that waited longest for a turn.

        To ask how a generation goes is nobody's turn: what waited longest for it is asked for when nothing else is due.
        """
        share = pool.size if pool is self._calls else share_of(pool.size, len(due))
        taken = Counter(pool.busy.values())
        first = [jobs for inbox, jobs in due.items()
                 if jobs and taken[inbox] < share and (room > 0 or jobs[0].state is not State.QUEUED)]
        return max(first, key=lambda jobs: self._rank(jobs[0])).popleft() if first else None

    def _rank(self, job: Job) -> tuple[int, int, float]:
        if job.state is State.WAITING:
            return -1, 0, -(job.due_at or 0.0)
        return job.bumped, job.priority, -self._served.get(job.inbox, 0)

    def _due(self, pool: Pool, now: float, most: int, room: int) -> dict[str, deque[Job]]:
        """What is due in a pool, by inbox, in the order it is to be done; to be let in no more than `room`."""
        left = self._tools.left_over()
        inboxes = [inbox.name for inbox in self._tools.config.inboxes] + sorted(left)
        held = self._held_ids()  # before the journal is asked: what a thread finishes meanwhile is seen next time
        return {inbox: self._due_in(pool, inbox, now, most, room, held, paid=inbox in left) for inbox in inboxes}

    def _due_in(self, pool: Pool, inbox: str, now: float, most: int, room: int, held: set[str], *,
                paid: bool) -> deque[Job]:
        """What is due in an inbox; with `paid` only what has been paid for."""
        found = deque[Job]()
        # what was begun is finished before anything new is
        for state in sorted(pool.states, key=BEGUN.index):
            wanted = most - len(found)
            if state is State.QUEUED:
                wanted = min(wanted, room)
            if wanted <= 0 or (paid and state in _UPLOADS):
                continue
            if self._halts.blocked(inbox, state, paid=True) is not None:
                continue
            # what may not begin to spend must not hide what is bought
            bought = paid or self._halts.blocked(inbox, state, paid=False) is not None
            due = self._tools.journal.schedule.due({state}, inbox, now, len(held) + wanted, paid=bought)
            found.extend([job for job in due if job.id not in held and self._halts.blocks(job) is None][:wanted])
        return found

    def _give(self, pool: Pool, job: Job, probe: Halt | None = None) -> None:
        self._turn += 1
        self._served[job.inbox] = self._turn
        with self._lock:
            pool.busy[job.id] = job.inbox

        def work() -> None:
            pool.begin(job)
            try:
                self._worker.drive(job, pool.states, probe=probe)
                if probe is not None:
                    self.probes.follow(job, probe)
            finally:
                with self._lock:
                    pool.done(job)
                self._wake.set()

        pool.give(work)

    def _let_through(self, job: Job, halt: Halt) -> None:
        self._give(next(pool for pool in self.pools if job.state in pool.states), job, halt)

    def _call(self, work: Callable[[], None]) -> None:
        def call() -> None:
            try:
                work()
            finally:
                self._wake.set()

        self._calls.give(call)


def _calls(limits: Limits) -> int:
    return min(_MOST_CALLS, max(_CALLS, limits.in_flight // _WAITING_EACH))
