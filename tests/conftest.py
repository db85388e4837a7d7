"""What holds for every test: a run tells its figures, hears Ctrl-C, and leaves nothing behind, however it ends."""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import fcntl
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import journals
import programs
import pytest
import structlog

from diffio_watch.daemon import upkeep
from diffio_watch.intake import presence, room, settle
from diffio_watch.journal import opening
from diffio_watch.media import mediainfo
from diffio_watch.pipeline import chores

# An environment may forbid cached bytecode; every worker and each of the programs that tests start would then compile
# everything anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_FOLDER, _FAILED = pytest.StashKey[Path](), pytest.StashKey[bool]()
_GENTLE = 2.0  # seconds in which whoever is ended may remove what it has in folders for what is temporary
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # prctl(2)
_CHUNK = 2  # tests that a worker gets at a time, see pyproject.toml
_SLOW_UNTIL = 0.9  # of a run
_MEMORY, _ROOM = Path("/dev/shm"), 6 << 30  # of which tests have less than 1 GiB in use at a time


def pytest_configure(config: pytest.Config) -> None:
    """Get to see what children leave behind."""
    if not hasattr(config, "workerinput"):
        _write_into_memory(config)
    codecs.lookup("ascii")  # who a test becomes may not be able to read this Python, and it is a module of it
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if hasattr(config, "workerinput"):
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)  # also where the run itself was killed


def pytest_sessionstart(session: pytest.Session) -> None:
    """Be as easy to end as a program in the foreground, also where a test runs a command that ends in its own way."""
    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        session.shouldstop = "interrupted"
        raise KeyboardInterrupt

    # a shell without job control starts what is in the background with Ctrl-C ignored, and children inherit that
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)  # fixtures clean up then, too


def _write_into_memory(config: pytest.Config) -> None:
    """Where nobody says where and there is room, tests write into memory: a sync there costs nothing."""
    with contextlib.suppress(OSError, StopIteration):
        told = next(line for line in Path("/proc/meminfo").read_text("ascii").splitlines() if "MemAvailable" in line)
        left = min(int(told.split()[1]) << 10, shutil.disk_usage(_MEMORY).free)
        if "TMPDIR" not in os.environ and config.option.basetemp is None and left > _ROOM:
            os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Tests leave folders a thousand deep: pytest's own clean-up, which comes now, goes down into them call by call."""
    sys.setrecursionlimit(100_000)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Tests wait more than they reckon, for processes, disks and pauses: three for each core use what there is."""
    return 3 * (len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for garbage neither while thousands of tests are made, nor ever after among them: they all stay."""
    gc.disable()
    try:
        with _compiled_once(Path(__file__).parent):
            return (yield)
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _compiled_once(folder: Path) -> Iterator[None]:
    """Where no run has compiled the tests yet, the first worker does, and the others read what it wrote."""
    if any((folder / "whole").glob("__pycache__/*")):  # of the last folder to be compiled
        yield
        return
    lock = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(lock, fcntl.LOCK_SH)  # which all others get together
        yield
    finally:
        os.close(lock)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest first, by the seconds that their marks tell, so that no worker begins one when others are through.

    Then those of all folders by turns, each folder's from the beginning to the end: what mostly waits, for processes
    and for time to pass, is in some of them, what mostly reckons is in others. Two at a time, as they are given out;
    and the slow ones come to their end before the others.
    """
    def stream(item: pytest.Item) -> tuple[bool, Path]:
        return item.get_closest_marker("slow") is not None, item.path.parent

    sizes, begun = Counter(map(stream, items)), Counter[tuple[bool, Path]]()

    def place(item: pytest.Item) -> tuple[float, float]:
        mark, of = item.get_closest_marker("slow"), stream(item)
        number = begun[of] // _CHUNK * _CHUNK
        begun[of] += 1
        return (-mark.args[0] if mark is not None and mark.args else 0.0,
                number / sizes[of] * (1.0 if mark is None else _SLOW_UNTIL))

    items.sort(key=place)


def _log_plainly() -> None:
    """The log of where none was opened: structlog's own has rich draw each traceback, which takes it 70 ms."""
    structlog.reset_defaults()
    usual = structlog.get_config()["processors"]
    structlog.configure(processors=[
        *usual[:-1], structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])


def pytest_unconfigure() -> None:
    """Whatever outlived the fixtures of an interrupted run."""
    programs.close()
    _end(_children())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add up what tests counted in their `user_properties`, such as kills."""
    figures = Counter[str]()
    for report in terminalreporter.stats.get("passed", []):
        figures.update({name: count for name, count in report.user_properties if isinstance(count, int)})
    if figures:
        terminalreporter.write_line(", ".join(f"{count:,} {name}" for name, count in sorted(figures.items())))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether a test fails: its folder is then kept."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture
def tmp_path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """An empty folder; see `_nothing_left`."""
    request.node.stash[_FOLDER] = tmp_path
    return tmp_path


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """An empty folder on another filesystem than that of `tmp_path`."""
    for place in (_MEMORY, Path("/var/tmp")):  # the folder in it is made for nobody else
        if os.access(place, os.W_OK) and place.stat().st_dev != tmp_path.stat().st_dev:
            with tempfile.TemporaryDirectory(prefix="diffio-watch-test-", dir=place) as made:
                yield Path(made)
            return
    pytest.skip("needs a second filesystem")


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[None]:
    """A process or mount that a test leaves behind is ended, and told as this test's fault.

    Its folder goes at once, unless it failed: some hold 50,000 files, and what is not left to the end of the run is
    removed by all workers at a time, mostly before it was ever written to the disk.
    """
    children = _children()
    yield
    patience = time.monotonic() + 5.0  # a filesystem's program ends a little after its mount
    while (left := _children() - children - programs.nursery()) and time.monotonic() < patience:
        time.sleep(0.02)
    processes = _end(left)
    mounted = sorted(_mounts(tmp_path_factory.getbasetemp()), reverse=True)
    for point in mounted:
        subprocess.run(["umount", "--lazy", point], check=False)
    assert not processes, f"left running: {processes}"
    assert not mounted, f"left mounted: {mounted}"
    if _FOLDER in request.node.stash and not request.node.stash[_FAILED]:
        with contextlib.suppress(RecursionError):  # some are a thousand deep: the end of the run removes them
            shutil.rmtree(request.node.stash[_FOLDER], ignore_errors=True)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of all workers, for what is made once."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(autouse=True)
def _own_process() -> Iterator[None]:
    """The next test must not inherit what a daemon in the test's own process has set: its log, its folder of crumbs."""
    _log_plainly()
    yield
    mediainfo._crumbs = None


@pytest.fixture(autouse=True)
def _copied_journals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals that this process makes are copies; the tests of the journal itself make theirs in full."""
    monkeypatch.setattr(opening, "migrate", journals.migrate)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon of this process looks after its folders several times a second."""
    for name in ("_CHECK_EVERY", "_RETURN_EVERY"):
        monkeypatch.setattr(presence, name, 0.2)
    monkeypatch.setattr(room, "_LOST_BATCH", 1.0)
    monkeypatch.setattr(settle, "REFUSED_QUIET", 0.3)  # where nobody can say who has a file open
    monkeypatch.setattr(chores, "_ROOM_EVERY", 0.2)
    monkeypatch.setattr(chores, "_PAUSE", 0.1)
    monkeypatch.setattr(upkeep, "_LOOK_EVERY", 0.5)


def _children() -> set[int]:
    """Child processes that still run; empty where the kernel does not tell."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - before and after each of thousands of tests
            found |= {int(pid) for pid in _read(f"/proc/self/task/{task}/children").split()}
    return {pid for pid in found if not _ended(pid)}


def _ended(pid: int) -> bool:
    """Whether a child is a zombie, or there no more; whoever started it reads its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True


def _end(processes: set[int]) -> list[str]:
    """End processes and what they have started, gently first; their commands."""
    told = [_read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()
            for pid in sorted(processes)]
    waiting, others, asked = set(processes), _children() - processes, set[int]()
    patience = time.monotonic() + _GENTLE
    while waiting:
        harsh = time.monotonic() >= patience
        for pid in waiting if harsh else waiting - asked:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL if harsh else signal.SIGTERM)
        asked |= waiting
        try:
            # any of them: a container's first process is gone only when its others were waited for
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        except ChildProcessError:
            break
        waiting |= _children() - others  # their own children are ours now
        waiting = {pid for pid in waiting if Path(f"/proc/{pid}").exists()}  # others may have waited for one
    return told


def _mounts(base: Path) -> set[str]:
    """Every mount point below the folder that this worker's tests work in; the others have theirs."""
    inside = os.fsencode(base) + b"/"
    told = _read("/proc/self/mountinfo")
    return {os.fsdecode(point) for line in told.splitlines() if (point := line.split()[4]).startswith(inside)
            } if inside in told else set()


def _read(path: str) -> bytes:
    """A file of /proc; nothing where it is not there, or not any more."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    told = b""
    with contextlib.suppress(OSError):
        while piece := os.read(descriptor, 1 << 16):
            told += piece
    os.close(descriptor)
    return told
