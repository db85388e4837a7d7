"""What dies at every line, in a process that is small: a fork of pytest's own, with its thousands of tests, takes long.

A delivery or disposal runs in a forked child that is gone, without any clean-up, at the n-th line executed in the
modules that change the disk. Of a process that is gone nothing is left but the disk, so of lines that find the same
one dies for all; which those are is seen in a run that nobody ends. Run as a program it takes the work's name and its
arguments.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

from outbox_studio import RESULTS, Studio, deliver, step

import diffio_watch
from diffio_watch.disk import durable
from diffio_watch.job import Job, State
from diffio_watch.outbox import sidecar
from diffio_watch.outbox.originals import dispose

_PRODUCT: Final = str(Path(diffio_watch.__file__).parent)
# the modules that change the disk; between their lines nothing changes
_WATCHED: Final = tuple(f"{_PRODUCT}/{name}.py" for name in (
    "disk/durable", "outbox/publish", "outbox/temp", "outbox/originals"))
CONTENT: Final = b"RIFF"

_KILLED: Final = 42
_CHANGES: Final = 12  # of the disk, at least, in a delivery


def run_killed_at(line: int, work: Callable[[], None]) -> bool:
    """Run `work` in a child that is gone at the n-th line; False once it came to its end before that."""
    def look(number: int) -> None:
        if number >= line:
            os._exit(_KILLED)

    code = _in_a_child(work, look)
    assert code in {0, _KILLED}
    return code == _KILLED


def telling_lines(folder: Path, work: Callable[[], None]) -> list[int]:
    """The lines of `work`, by number, that find another disk than the line before them; it is done to its end.

    Args:
        folder: all that it changes, but for the list.
        work: is done in a child.
    """
    told = folder.with_suffix(".lines")
    found: list[int] = []
    before: object = None

    def look(number: int) -> None:
        nonlocal before
        now = _disk(folder)
        if now != before:
            before = now
            found.append(number)

    def noting() -> None:
        work()
        told.write_text(json.dumps(found))

    assert _in_a_child(noting, look) == 0
    return list(json.loads(told.read_text()))


def _disk(folder: Path) -> list[object]:
    """All that a process which is gone leaves behind there; what was read of it, and when, is no part of that."""
    return [(root, name, facts.st_ino, facts.st_mode, facts.st_nlink, facts.st_size, facts.st_mtime_ns,
             path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else b"")
            for root, folders, files in os.walk(folder) for name in sorted([".", *folders, *files])
            for path in [Path(root, name)] for facts in [path.lstat()]]


def _in_a_child(work: Callable[[], None], look: Callable[[int], None]) -> int:
    """Run `work` in a forked child, and `look` before each of its lines there, with their numbers; the exit code."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    passed = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal passed
        where = frame.f_code.co_filename
        if where not in _WATCHED:
            return None
        if event == "line":
            passed += 1
            look(passed)
        return trace

    code = 1
    try:
        sys.settrace(trace)
        work()
        code = 0
    finally:
        os._exit(code)


class Row:
    """The journal of one job: each commit replaces the file whole."""

    def __init__(self, path: Path, job: Job) -> None:
        self._path = path
        self.commit(job)

    def commit(self, job: Job) -> None:
        new = self._path.with_suffix(".new")
        new.write_bytes(pickle.dumps(job))
        new.rename(self._path)

    def read(self) -> Job:
        job = pickle.loads(self._path.read_bytes())
        assert isinstance(job, Job)
        return job


def go_on(studio: Studio, row: Row) -> None:
    outbox = studio.outbox()
    job = row.read()
    while job.state is not State.DELIVERED:
        job = step(outbox, job)
        row.commit(job)
    outbox.clear_error(job.path)
    outbox.clean(job)


def check_nothing_torn(studio: Studio, theirs: dict[str, bytes]) -> None:
    visible = studio.visible()
    for path, data in theirs.items():
        assert visible.pop(path) == data
    for path, data in visible.items():
        if path.endswith((".wav.json", ".wav (2).json", ".error.json")):
            for output in sidecar.parse(data).outputs:
                assert visible[output.path] == RESULTS[output.type]
        else:
            assert data == RESULTS["transcript" if "transcript" in path else "audio"]


def delivery(base: Path, way: str, taken: str) -> None:
    """Each step is committed by renaming a pickle. After a kill another child goes on, possibly killed as well.

    Args:
        base: an empty folder.
        way: of renaming. Filesystems that really refuse are in the tests of `disk`; this is about the order.
        taken: whether somebody takes the second name, after the number was reserved and everything was fetched.
    """
    if way != "atomic":
        vars(durable)["_renamer"] = lambda: None
    if way == "lock":
        vars(durable)["_by_link"] = lambda *_: False
    scout = base / "scout"
    scout.mkdir()
    studio, row, _ = _on_the_way(scout, taken == "taken")
    lines = telling_lines(scout, lambda: go_on(studio, row))
    assert len(lines) > _CHANGES
    for line in lines:
        for again in range(line % 25 + 1, 100, 25):
            with _fresh(base / f"{line} {again}") as folder:
                assert _delivery_killed_at(line, again, folder, taken == "taken")
    with _fresh(base / "to its end") as folder:
        assert not _delivery_killed_at(100_000, 0, folder, taken == "taken")


@contextlib.contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def _on_the_way(base: Path, taken: bool) -> tuple[Studio, Row, dict[str, bytes]]:
    """A job that is to be delivered, its row, and what is somebody else's."""
    studio = Studio(base)
    row = Row(base / "row", studio.job())
    theirs: dict[str, bytes] = {}
    if taken:
        outbox, job = studio.outbox(), row.read()
        while any(output.state == "wanted" for output in job.outputs) or not job.outputs:
            job = step(outbox, job)
        row.commit(job)
        theirs["show 12/interview.transcript.json"] = b"theirs"
        (studio.root / "show 12/interview.transcript.json").write_bytes(b"theirs")
    return studio, row, theirs


def _delivery_killed_at(line: int, again: int, base: Path, taken: bool) -> bool:
    studio, row, theirs = _on_the_way(base, taken)
    killed = run_killed_at(line, lambda: go_on(studio, row))
    check_nothing_torn(studio, theirs)
    if killed:
        run_killed_at(again, lambda: go_on(studio, row))
        check_nothing_torn(studio, theirs)
        go_on(studio, row)
        check_nothing_torn(studio, theirs)
    number = " (2)" if taken else ""
    assert studio.files().keys() - theirs.keys() == {
        f"show 12/interview.restored{number}.mp3", f"show 12/interview.transcript{number}.json",
        f"show 12/interview.wav{number}.json"}
    return killed


def disposal(base: Path, inboxes: Path, originals: str) -> None:
    """The original of a delivered job is put away.

    Args:
        base: an empty folder.
        inboxes: another one, where the originals are.
        originals: what becomes of them.
    """
    for line in range(1, 100_000):
        folder, inbox = base / f"{line}", inboxes / f"inbox {line}"
        folder.mkdir()
        inbox.mkdir()
        if not _disposal_killed_at(line, folder, inbox, originals):
            assert line > 20
            return


def _disposal_killed_at(line: int, base: Path, inbox: Path, originals: str) -> bool:
    studio = Studio(base)
    studio.inbox = inbox
    job = studio.job("take.wav", CONTENT, settings={"originals": originals})
    original = studio.original(job, CONTENT)
    killed = run_killed_at(line, lambda: (dispose(job, studio.inbox_root(), studio.archive_root()), None)[1])
    copies = [path.read_bytes() for path in (original, studio.archive / "take.wav") if path.exists()]
    assert originals == "delete" or copies
    assert all(copy == CONTENT for copy in copies)
    expected = "archived" if originals == "archive" else "deleted"
    assert dispose(job, studio.inbox_root(), studio.archive_root()).original == expected
    assert studio.files(studio.archive) == ({"take.wav": CONTENT} if expected == "archived" else {})
    assert studio.files(studio.inbox) == {}
    return killed


def beginning(base: Path) -> None:
    """A delivery before its first commit leaves only what a sweep removes."""
    studio = Studio(base)
    outbox = studio.outbox()
    job = studio.job()
    for line in range(1, 400, 7):
        run_killed_at(line, lambda: (deliver(outbox, job), None)[1])
        if studio.visible():
            break
        outbox.sweep(lambda _: False)
        assert studio.files() == {}


_WORKS: Final[Mapping[str, Callable[..., None]]] = {
    "delivery": delivery, "disposal": disposal, "a delivery's beginning": beginning}

if __name__ == "__main__":
    _WORKS[sys.argv[1]](*[Path(each) if "/" in each else each for each in sys.argv[2:]])
