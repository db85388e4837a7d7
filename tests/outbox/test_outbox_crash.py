"""A delivery that is killed at any line goes on from its last commit, and nobody ever sees a torn or second file.

The delivery runs in a forked child that commits each step by renaming a pickle, and dies without any clean-up at the
n-th line executed in the product's own modules, for every n there is. The parent then looks at what is visible, has
another child go on from the last commit, possibly killed as well, and checks the end.
"""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest
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


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory, where there is such a filesystem: a killed process loses nothing of it, and syncs cost no time."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="diffio-watch-test-", dir="/dev/shm") as made:
        yield Path(made)


@pytest.mark.slow
@pytest.mark.parametrize(("way", "taken"), [("atomic", False), ("atomic", True), ("link", True), ("lock", True)])
def test_a_delivery_killed_at_every_line(folder: Path, way: str, monkeypatch: pytest.MonkeyPatch, *,
                                         taken: bool) -> None:
    """With each way of renaming. Filesystems that really refuse are in the tests of `disk`; this is about the order."""
    if way != "atomic":
        monkeypatch.setattr(durable, "_renamer", lambda: None)
    if way == "lock":
        monkeypatch.setattr(durable, "_by_link", lambda *_: False)
    for line in range(1, 100_000):
        base = folder / f"{line}"
        base.mkdir()
        studio = Studio(base)
        row = Row(base / "row", studio.job())
        theirs: dict[str, bytes] = {}
        outbox = studio.outbox()
        if taken:  # after the number was reserved and everything was fetched, somebody takes the second name
            job = row.read()
            while any(output.state == "wanted" for output in job.outputs) or not job.outputs:
                job = step(outbox, job)
            row.commit(job)
            theirs["show 12/interview.transcript.json"] = b"theirs"
            (studio.root / "show 12/interview.transcript.json").write_bytes(b"theirs")
        killed = run_killed_at(line, lambda studio=studio, row=row: go_on(studio, row))  # type: ignore[misc]  # mypy can't type a lambda's defaults
        check_nothing_torn(studio, theirs)
        if killed:
            run_killed_at(line % 97 + 1, lambda studio=studio, row=row: go_on(studio, row))  # type: ignore[misc]  # likewise
            check_nothing_torn(studio, theirs)
            go_on(studio, row)
            check_nothing_torn(studio, theirs)
        number = " (2)" if taken else ""
        assert studio.files().keys() - theirs.keys() == {
            f"show 12/interview.restored{number}.mp3", f"show 12/interview.transcript{number}.json",
            f"show 12/interview.wav{number}.json"}
        if not killed:
            assert line > 100
            return
        shutil.rmtree(base)


@pytest.mark.slow
@pytest.mark.parametrize("originals", ["archive", "archive elsewhere", "delete"])
def test_the_disposal_of_an_original_killed_at_every_line(tmp_path: Path, originals: str) -> None:
    shm = Path("/dev/shm")
    if originals == "archive elsewhere" and (not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev):
        pytest.skip("needs /dev/shm as a second filesystem")
    for line in range(1, 100_000):
        base = tmp_path / f"{line}"
        base.mkdir()
        studio = Studio(base)
        if originals == "archive elsewhere":
            studio.inbox = shm / f"diffio-watch-test-{os.getpid()}-{line}"
            studio.inbox.mkdir()
        job = studio.job("take.wav", CONTENT, settings={"originals": originals.partition(" ")[0]})
        original = studio.original(job, CONTENT)

        def work(studio: Studio = studio, job: Job = job) -> None:
            dispose(job, studio.inbox_root(), studio.archive_root())

        try:
            killed = run_killed_at(line, work)
            copies = [path.read_bytes() for path in (original, studio.archive / "take.wav") if path.exists()]
            assert originals == "delete" or copies
            assert all(copy == CONTENT for copy in copies)
            expected = "archived" if originals.startswith("archive") else "deleted"
            assert dispose(job, studio.inbox_root(), studio.archive_root()).original == expected
            assert studio.files(studio.archive) == ({"take.wav": CONTENT} if expected == "archived" else {})
            assert studio.files(studio.inbox) == {}
        finally:
            if originals == "archive elsewhere":
                original.unlink(missing_ok=True)
                studio.inbox.rmdir()
        if not killed:
            assert line > 20
            return


def test_a_crash_before_the_first_commit_leaves_only_what_a_sweep_removes(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    outbox = studio.outbox()
    job = studio.job()
    for line in range(1, 400, 7):
        run_killed_at(line, lambda: (deliver(outbox, job), None)[1])
        if studio.visible():
            break
        outbox.sweep(lambda _: False)
        assert studio.files() == {}
