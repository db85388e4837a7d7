"""Many small files: how many a second, and what one costs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench_table import Row
from bench_world import Child, Service, Studio, World, drop, recordings

LOOP: Final = "(a) SDK, a plain loop"
WATCH: Final = "(b) SDK, watchdog, 8 threads"


@dataclass(frozen=True, slots=True)
class Pace:
    """What a number of files took."""

    files_a_second: float
    cpu_ms: float  # of the client's process, a file
    service_ms: float  # of the stand-in's process, a file


def instant(world: World) -> list[Row]:
    """400 files, a service that is done at once."""
    count = world.count(400)
    pace = Row(f"{count} files of 32 kB, instant service: files a second", "/s", [], of=f"{count} files")
    cost = Row("  processor time a file", "ms", [], of=f"{count} files")
    served = Row("  processor time of the stand-in a file", "ms", [], of=f"{count} files")
    rows = [pace, cost, served]
    ways = {"": _ours, LOOP: _sdk, WATCH: _sdk} if world.compare else {"": _ours}
    for name, measure in ways.items():
        took = measure(world, name, count, 0.0)
        for row, value in zip(rows, (took.files_a_second, took.cpu_ms, took.service_ms), strict=True):
            row.instead.setdefault(name, []).append(value) if name else row.now.append(value)
    return rows


def processing(world: World) -> list[Row]:
    """300 files, a second each at the service."""
    count, few = world.count(300), world.count(64, 300, few=8)
    row = Row(f"{count} such files, 1 s processing each, default limits: files a second", "/s", [], of=f"{count} files")
    row.now.append(_ours(world, "", count, 1.0).files_a_second)
    if world.compare:
        row.instead[WATCH + ("" if few == count else f" ({few} files)")] = [
            _sdk(world, WATCH, few, 1.0).files_a_second]
    return [row]


def _ours(world: World, _: str, count: int, seconds: float) -> Pace:
    with world.folder() as base, Service(base / "service", seconds) as service:
        studio = Studio(base / "studio", service.url, world.program, {"settle": world.settle})
        recordings(base / "files", count)
        with studio.run() as daemon:
            daemon.calm()
            cpu, served = daemon.cpu(), service.cpu()
            drop(base / "files", studio.inbox)
            dropped = time.monotonic()
            end = studio.wait(lambda: studio.delivered() == count, 300)
            return Pace(count / (end - dropped - world.settle), (daemon.cpu() - cpu) / count * 1000,
                        (service.cpu() - served) / count * 1000)


def _sdk(world: World, way: str, count: int, seconds: float) -> Pace:
    with world.folder() as base, Service(base / "service", seconds) as service:
        inbox, outbox = base / "in", base / "out"
        inbox.mkdir()
        outbox.mkdir()
        recordings(base / "files", count)
        if way == LOOP:
            drop(base / "files", inbox)
        with sdk(base, "loop" if way == LOOP else "watch", service.url, inbox, outbox, count) as child:
            assert child.process.stdout is not None
            assert child.process.stdout.readline() == b"ready\n", (base / "log").read_text()
            served, dropped = service.cpu(), time.monotonic()
            if way != LOOP:
                drop(base / "files", inbox)
            line = child.process.stdout.readline()
            assert line, (base / "log").read_text()
            told = json.loads(line)
            assert len(list(outbox.iterdir())) == count
            began = told["began"] if way == LOOP else dropped
            return Pace(count / (told["ended"] - began), told["cpu"] / count * 1000,
                        (service.cpu() - served) / count * 1000)


@contextlib.contextmanager
def sdk(base: Path, way: str, url: str, inbox: Path, outbox: Path, count: int) -> Iterator[Child]:
    """The official SDK at work, in a process of its own."""
    with (base / "log").open("wb") as log, Child(
            [sys.executable, str(Path(__file__).with_name("bench_sdk.py")), way, url, str(inbox), str(outbox),
             str(count)], base, log, output=subprocess.PIPE) as child:
        yield child
