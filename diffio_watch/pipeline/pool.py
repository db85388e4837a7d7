"""Threads for jobs in certain states, and what becomes of those that hang or die."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from diffio_watch.job import Job, State
from diffio_watch.pipeline.file_calls import GivenUp

Drive = Callable[[], None]


class Pool:
    """Threads for jobs in certain states. They are plain and daemonic: a hung share must not hang the exit."""

    def __init__(self, name: str, states: frozenset[State], size: int,
                 trouble: Callable[[BaseException], None]) -> None:
        self.name = name
        self.states = states
        self.size = size
        self.busy: dict[str, str] = {}  # job id → inbox
        self.lost: set[str] = set()  # jobs whose thread hangs in a file call
        self._at: dict[threading.Thread, str] = {}  # thread → job id
        self._trouble = trouble
        self._work: queue.SimpleQueue[Drive | None] = queue.SimpleQueue()
        self.threads = [self._thread(number) for number in range(size)]
        self.written_off: set[threading.Thread] = set()

    def _thread(self, number: int) -> threading.Thread:
        thread = threading.Thread(target=self._run, name=f"{self.name}-{number}", daemon=True)
        thread.start()
        return thread

    def resize(self, size: int) -> None:
        """Work on so many jobs at once from now on. Threads that are too many have nothing to do."""
        self.size = size
        while len(self.threads) - len(self.written_off) < size:
            self.threads.append(self._thread(len(self.threads)))

    def give(self, work: Drive) -> None:
        """Have a thread do this."""
        self._work.put(work)

    def write_off(self, thread: threading.Thread) -> bool:
        """Another thread takes the place of one that hangs; whether it was one of this pool's and is so newly."""
        if thread not in self.threads or thread in self.written_off:
            return False
        self.written_off.add(thread)
        job = self._at.get(thread)
        if job is not None and self.busy.pop(job, None) is not None:
            self.lost.add(job)
        self.threads.append(self._thread(len(self.threads)))
        return True

    def give_up(self, thread: threading.Thread) -> None:
        """What a thread that was written off worked on is given out again."""
        job = self._at.pop(thread, None)
        if job is not None:
            self.lost.discard(job)

    def hanging(self) -> int:
        """How many threads were written off and hang to this day."""
        return sum(thread.is_alive() for thread in self.written_off)

    def alive(self) -> bool:
        """Whether as many threads live as there are to be. Those that hang live, too."""
        return sum(thread.is_alive() for thread in self.threads if thread not in self.written_off) >= self.size

    def begin(self, job: Job) -> None:
        """This thread works on this job."""
        self._at[threading.current_thread()] = job.id

    def done(self, job: Job) -> None:
        """This thread does no longer."""
        if self._at.pop(threading.current_thread(), None) is None:
            return  # it was given up, and the job is another thread's
        self.busy.pop(job.id, None)
        self.lost.discard(job.id)

    def stop(self) -> None:
        """Let every thread end after what it does."""
        for _ in self.threads:
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except GivenUp:
                return
            except BaseException as error:  # noqa: BLE001 - a thread's end; what becomes of it is the daemon's to say
                self._trouble(error)
            if threading.current_thread() in self.written_off:
                return  # it came back after all, and another one has its place
