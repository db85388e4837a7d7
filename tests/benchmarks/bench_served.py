"""The page's server: what is waited for, and what it costs that people look on, beside the most that each may be."""

from __future__ import annotations

import contextlib
import ctypes
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench_desk import ONLOOKERS, Desk, bounded, processor
from bench_past import grow, one_job
from bench_table import Row
from bench_world import Child, Service, World, drop, recordings

_LONG: Final = 3600.0  # seconds that the service takes
_SECRET: Final = "whsec_YS1zZWNyZXQtb2YtdGhlLWJlbmNobWFyaw=="
_MNT_DETACH: Final = 2  # umount(2)


def server(world: World) -> list[Row]:
    """Ends, hung shares, and the service's word."""
    count = world.count(200, few=20)
    with world.folder() as base, Service(base / "service") as service:
        desk = Desk(base / "desk", service, world, webhook={"secret_file": str(base / "secret")},
                    generation={"poll": {"first": 60, "max": 60}})
        (base / "secret").touch(0o600)
        (base / "secret").write_text(_SECRET)
        service.change(webhook_secret=_SECRET, webhook_url=f"{desk.origin}/webhooks/diffio")
        with desk.run() as daemon:
            words = [_word(world, base / f"files {number}", desk, service) for number in range(world.count(5, few=1))]
            hung, why = _hung(desk)
            with desk.onlookers(count):
                ended = _end(daemon)
        service.fault("part", "stall")
        recordings(base / "last", 1)
        with desk.run() as daemon:
            (base / "last" / "take 000000.wav").rename(desk.inbox / "last.wav")
            before = len(service.seen("part"))
            desk.wait(lambda: len(service.seen("part")) > before, 60)
            broken = _end(daemon)
    return [bounded("a webhook came to the result is fetched", "s", words, 1),
            bounded("a file on a share that hangs: it is told that it does", "s", hung, 5, why),
            bounded(f"the daemon is told to end to its end, {count} look on", "s", [ended], 2),
            bounded("  an upload stalls", "s", [broken], 5)]


def _word(world: World, files: Path, desk: Desk, service: Service) -> float:
    """Seconds from the end of a generation to the request for its result."""
    service.change(seconds=_LONG)
    recordings(files, 1)
    done = desk.delivered()
    (files / "take 000000.wav").rename(desk.inbox / f"{files.name}.wav")
    desk.wait(lambda: desk.json("jobs", "--state", "waiting"), 60)
    links = service.counts()["calls"].get("link", 0)
    began = time.monotonic()
    service.skip(_LONG)
    took = desk.wait(lambda: service.counts()["calls"].get("link", 0) > links, 120, 0.005) - began
    desk.wait(lambda: desk.delivered() > done, 60)
    return took


def _hung(desk: Desk) -> tuple[list[float], str]:
    """Seconds until it is told that a share hangs; why it could not be measured."""
    job = str(desk.json("jobs", "--state", "delivered")[0]["id"])
    try:
        with _hanging(desk.outbox):
            status, took = desk.get(f"/api/jobs/{job}/outputs/audio")
    except OSError as error:
        return [], f"needs root and FUSE: {error.strerror}"
    assert status == 503, status
    return [took], ""


@contextlib.contextmanager
def _hanging(folder: Path) -> Iterator[None]:
    """A share whose server answers nothing."""
    fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        options = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
        if libc.mount(b"hung", os.fsencode(folder), b"fuse", 0, options):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        try:
            yield
        finally:
            libc.umount2(os.fsencode(folder), _MNT_DETACH)
    finally:
        os.close(fd)  # who waits is told that the server is gone


def _end(daemon: Child) -> float:
    began = time.monotonic()
    daemon.process.terminate()
    assert daemon.process.wait(60) == 0
    return time.monotonic() - began


def past(world: World) -> list[Row]:
    """A page over a journal with a long past."""
    count, times = world.count(200_000, 1_000_000, few=1000), world.count(2, 4, few=1)
    watched, waiting, fast = world.count(10, 30, few=1), world.count(40, few=8), 200
    with world.folder() as base, Service(base / "service") as service:
        desk = Desk(base / "desk", service, world, generation={"poll": {"first": 3, "max": 3600}})
        service.change(seconds=0)
        one_job(desk)
        grow(desk, ((number, f"gone/{number}.wav".encode(), 32_000, number, number) for number in range(1, count + 1)),
             standing=False)
        service.change(seconds=_LONG)
        recordings(base / "files", waiting)
        with desk.run() as daemon:
            daemon.calm(300)
            first = _answered(desk, "status")
            drop(base / "files", desk.inbox)
            desk.wait(lambda: len(desk.json("jobs", "--state", "waiting")) == waiting, 60)
            asked = ["jobs", "jobs?state=delivered", f"jobs?before={count // 2}", "jobs?inbox=a", "jobs?q=9999",
                     "jobs?state=failed,held", f"jobs?state=delivered&before={count // 2}"]
            pages = [statistics.median(_answered(desk, path) for _ in range(5)) for path in asked]
            daemon.calm()
            idle = [_watched(desk, daemon, watched) for _ in range(times)]
            with desk.changes(1):
                slow = [_watched(desk, daemon, watched) for _ in range(times)]
            with desk.changes(fast):  # as many as jobs make that go through at full pace
                busy = [_watched(desk, daemon, watched) for _ in range(times)]
    of = f"{watched} s"
    return [bounded(f"the page of {count:,} jobs: its first screen", "ms", [first], 300),
            bounded("  the slowest page of a list", "ms", [max(pages)], 50, f"{len(asked)} lists"),
            bounded(f"  {ONLOOKERS} look on and nothing changes: processor time a second", "ms", idle, 5, of),
            bounded(f"  {ONLOOKERS} look on and one thing changes: processor time a second", "ms", slow, 5, of),
            bounded(f"  {ONLOOKERS} look on and {fast} things change a second: likewise", "ms", busy, 20, of)]


def _answered(desk: Desk, path: str) -> float:
    """Milliseconds of an answer."""
    status, took = desk.get(f"/api/{path}")
    assert status == 200, (path, status)
    return took * 1000


def _watched(desk: Desk, daemon: Child, seconds: float) -> float:
    """Milliseconds of processor time a second that it takes more while people look on than before and after."""
    before = _share(daemon, seconds / 2)
    with desk.onlookers():
        _share(daemon, 1)  # their first sight is none of it
        during = _share(daemon, seconds)
    _share(daemon, 1)
    return (during - (before + _share(daemon, seconds / 2)) / 2) * 1000


def _share(daemon: Child, seconds: float) -> float:
    began, cpu = time.monotonic(), processor(daemon)
    time.sleep(seconds)
    return (processor(daemon) - cpu) / (time.monotonic() - began)


def cost(world: World) -> list[Row]:
    """The same files through one daemon while people look on, and while nobody does, in turns."""
    files, pairs = world.count(60, 200), world.count(8, 20, few=1)
    pace = Row(f"{ONLOOKERS} look on: files a second", "/s", [], {"nobody does": []}, of=f"{files} files")
    used = Row("  processor time a file, all of the page's with it", "ms", [], {"nobody does": []}, of=f"{files} files")
    with world.folder() as base, Service(base / "service") as service:
        desk = Desk(base / "desk", service, world, settle=0.2, limits={"approve_over_files": None})
        with desk.run() as daemon:
            daemon.calm()
            warming = 0 if world.scale == "few" else 1
            for number in range(-warming, pairs):
                for looked_on in (True, False) if number % 2 else (False, True):
                    with desk.onlookers() if looked_on else contextlib.nullcontext():
                        took, spent = _through(desk, daemon, base / "files", files)
                    if number >= 0:
                        for row, value in ((pace, files / took), (used, spent / files * 1000)):
                            (row.now if looked_on else row.instead["nobody does"]).append(value)
    more = statistics.median(used.now) / statistics.median(used.instead["nobody does"]) - 1
    return [pace, used, bounded("  more than without", "%", [more * 100], 2, f"{pairs} pairs")]


def _through(desk: Desk, daemon: Child, made: Path, files: int) -> tuple[float, float]:
    """Seconds and processor time that so many files take."""
    before = desk.delivered()
    recordings(made, files)
    time.sleep(0.5)  # what came before is over
    cpu = processor(daemon)
    for path in sorted(made.iterdir()):
        path.rename(desk.inbox / f"{before} {path.name}")
    dropped = time.monotonic()
    end = desk.wait(lambda: desk.delivered() == before + files, 300)
    return end - dropped, processor(daemon) - cpu
