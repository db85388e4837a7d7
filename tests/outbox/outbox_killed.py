"""What dies at every line, in a process that is small: a fork of pytest's own, with its thousands of tests, takes long.

A delivery or disposal runs in a forked child that is gone, without any clean-up, at the n-th line executed in the
modules that change the disk, for every n there is. Run as a program it takes the work's name and its arguments.
"""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from collections.abc import Callable, Mapping
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


def run_killed_at(line: int, work: Callable[[], None]) -> bool:
    """Run `work` in a child that is gone at the n-th line; False once it came to its end before that."""
    pid = os.fork()
    if pid:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in {0, _KILLED}
        return code == _KILLED
    left = line

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        where = frame.f_code.co_filename
        if where not in _WATCHED:
            return None
        if event == "line":
            left -= 1
            if left <= 0:
                os._exit(_KILLED)
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
    for line in range(1, 100_000):
        folder = base / f"{line}"
        folder.mkdir()
        if not _delivery_killed_at(line, folder, taken == "taken"):
            assert line > 100
            return
        shutil.rmtree(folder)


def _delivery_killed_at(line: int, base: Path, taken: bool) -> bool:
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
    killed = run_killed_at(line, lambda: go_on(studio, row))
    check_nothing_torn(studio, theirs)
    if killed:
        run_killed_at(line % 97 + 1, lambda: go_on(studio, row))
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
