"""What there is to do for listening, and one such thing done: a file measured, two sides compared, a preview made."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config
from diffio_watch.job import Job
from diffio_watch.journal import Journal
from diffio_watch.service.sound import record, view
from diffio_watch.service.sound.record import Unfit
from diffio_watch.service.sound.runner import ChildFailed, Runner
from diffio_watch.service.sound.sides import NotThere, Side, contents, open_side
from diffio_watch.service.sound.store import Store, pair

Kind = Literal["measure", "lag", "preview", "removed"]
_NO_ROOM: Final = ("There is too little room where the service keeps its state: the journal needs what is left. Make "
                   "room there, and it is made.")
_CLOSE: Final = 1 << 16  # bytes; a file that came as near to its limit ended by it
_PACE: Final = 1 / 200  # seconds that a second of sound takes, before anything was seen


class Later(Exception):
    """It can't be done now: the file is away, changed, or its disk fails. The message is a sentence."""


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do for a job; `lag` and `removed` are between the original and the side."""

    kind: Kind
    job: Job
    side: Side

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same task."""
        return self.kind, self.job.id, self.side


@dataclass
class Doer:
    """Does tasks, by the child process.

    Attributes:
        store: where what was found is kept.
        runner: of the child.
        log: where trouble is told.
    """

    store: Store
    runner: Runner
    log: FilteringBoundLogger
    _paces: dict[str, float] = field(default_factory=dict)

    def about(self, task: Task) -> int:
        """Seconds that a task will take, roughly."""
        media = task.job.media
        length = (media.duration_s if media is not None else None) or task.job.size / 200_000
        return max(1, math.ceil(length * self._paces.get(task.kind, _PACE)))

    def do(self, config: Config, journal: Journal, task: Task) -> None:
        """Do it, and keep what came of it.

        Raises:
            Later: it can't be done now.
            Stopped: the child was ended by us.
            OSError: the state folder can't be written.
            JournalError: the journal can't be read.
        """
        began = time.monotonic()
        if not self.store.has_room():
            raise Later(_NO_ROOM)
        if task.kind == "lag":
            self._lag(task)
            return
        sides: tuple[Side, ...] = ("original", task.side) if task.kind == "removed" else (task.side,)
        with ExitStack() as opened:
            files = []
            for side in sides:
                try:
                    files.append(open_side(config, journal, task.job, side))
                except NotThere as error:
                    raise Later(str(error)) from error
                opened.callback(os.close, files[-1])
            before = [_looks(file) for file in files]
            shas = [contents(task.job)[side].sha256 for side in sides]
            if task.kind == "measure":
                found = self._measure(files[0], shas[0])
            elif task.kind == "preview":
                found = self._preview(shas[0], {"do": "preview", "file": files[0]}, files)
            else:
                known = self.store.lag(*shas)
                late = (known["lag"] or {"ms": 0.0})["ms"] / 1000 if known is not None else 0.0
                found = self._preview(pair(*shas), {"do": "removed", "file": files[0], "other": files[1], "late": late},
                                      files)
            if before != [_looks(file) for file in files]:
                raise Later("The file changed while it was read.")
        if found:
            self._paces[task.kind] = (time.monotonic() - began) / max(1.0, found)

    def _measure(self, descriptor: int, sha256: str) -> float:
        known = self.store.get(sha256)
        try:
            answer = _fit(self.runner.ask({"do": "measure", "file": descriptor}, [descriptor]))
            if note := answer.get("note"):
                self.store.put(sha256, known.failed(str(note)[:500], for_good=True))
                return 0.0
            measured = record.measured(answer)
        except (ChildFailed, Unfit) as error:
            failed = known.failed(_sentence(error))
            self.store.put(sha256, failed)
            self.log.warning("sound.failed", content=sha256[:12], message=failed.note, again=not failed.final)
            return 0.0
        self.store.put(sha256, measured)
        return measured.seconds

    def _preview(self, name: str, question: dict[str, Any], files: Sequence[int]) -> float:
        tried = self.store.tried(name)
        self.store.prune()
        room = self.store.room()
        if room <= _CLOSE:
            raise Later(_NO_ROOM)
        try:
            with self.store.making(name) as target:
                answer = _fit(self.runner.ask(question | {"target": target}, [*files, target],
                                              file_bytes=room))
                if note := answer.get("note"):
                    self._see_room(room, os.fstat(target).st_size)
                    self.store.put_tried(name, tried.failed(str(note)[:500], for_good=True))
                    raise Later(str(note))
        except (ChildFailed, Unfit) as error:
            failed = tried.failed(_sentence(error))
            self.store.put_tried(name, failed)
            self.log.warning("sound.no_preview", content=name[:12], message=failed.note, again=not failed.final)
            return 0.0
        self.store.prune()
        seconds = answer.get("seconds")
        return float(seconds) if isinstance(seconds, (int, float)) else 0.0

    def _see_room(self, room: int, size: int) -> None:
        """Whether it failed for want of room only, and is none of the sound's fault.

        Raises:
            Later: so it is.
        """
        if size + self.store.free() < self.store.spare or (room < self.store.previews // 2 and size + _CLOSE > room):
            raise Later(_NO_ROOM)

    def _lag(self, task: Task) -> None:
        sides = contents(task.job)
        one, other = sides["original"].sha256, sides[task.side].sha256
        windows = [[record.text(window) for window in self.store.get(each).windows] for each in (one, other)]
        try:
            answer = self.runner.ask({"do": "lag", "sides": windows}, [])
            found = record.lag(answer.get("lag"))
        except (ChildFailed, Unfit) as error:
            self.log.warning("sound.no_lag", job=task.job.id, inbox=task.job.inbox, path=task.job.path,
                             message=_sentence(error))
            found = None
        self.store.put_lag(one, other, found, view.note(found))


def _looks(file: int) -> tuple[int, int]:
    status = os.fstat(file)
    return status.st_size, status.st_mtime_ns


def _fit(answer: dict[str, Any]) -> dict[str, Any]:
    if "unreadable" in answer:
        raise Later(f"The file can't be read: {str(answer['unreadable'])[:200]}.")
    return answer


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, ChildFailed) else "The decoder's answer makes no sense."
