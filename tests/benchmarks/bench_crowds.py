"""Very many files: dropped at once, held as a drop, or known since long."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

from bench_past import Stand, grow, one_job
from bench_table import Row
from bench_world import Service, Studio, World, recordings

_A_FOLDER = 500  # files
_REST = 10  # times as long as a scan took the daemon rests after it
_SMALL = 2000  # bytes of a file: its content is not what is measured here


def admitted(world: World) -> list[Row]:
    """A whole tree that is moved into the inbox, while nothing is sent: how fast it is journalled."""
    count = world.count(10_000, 50_000)
    with world.folder() as base, Service(base / "service") as service:
        studio = Studio(base / "studio", service.url, world.program, {"settle": world.settle},
                        limits={"approve_over_files": None})
        with studio.run() as daemon:
            studio.command("pause")
            daemon.calm()
            before = daemon.memory()
            _arrive(base / "files", studio.inbox, count)
            began, cpu = time.monotonic(), daemon.cpu()
            took = studio.wait(lambda: studio.jobs() >= count, 900, 0.1) - began - world.settle
            used, peak = daemon.cpu() - cpu, daemon.peak()
            daemon.process.kill()
        studio.command("resume")
        began = time.monotonic()
        with studio.run():
            first = studio.wait(lambda: service.counts()["calls"], 60) - began
        of = f"{count:,} files"
        again = Row(f"  killed then: start to first request, {count:,} open jobs", "s", [first])
        if world.compare:
            again.instead["sha256sum of all, to know them again"] = [_seconds(
                ["sh", "-c", 'find "$1" -type f -print0 | xargs -0 sha256sum', "sh", str(studio.inbox)])]
    return [Row(f"{count:,} files dropped at once: admitted a second", "/s", [count / took], of=of),
            Row("  processor time to admit one", "ms", [used / count * 1000], of=of),
            Row("  peak memory beyond that before", "MiB", [peak - before], of=of), again]


def held(world: World) -> list[Row]:
    """A drop that is held as one, and what is still done about it when it is journalled."""
    count, watched = world.count(10_000, 30_000, few=600), world.count(15, 60, few=1)
    before = world.count(5, few=1)  # seconds for what is done at once
    with world.folder() as base, Service(base / "service") as service:
        studio = Studio(base / "studio", service.url, world.program, {"settle": world.settle})
        with studio.run() as daemon:
            daemon.calm()
            _arrive(base / "files", studio.inbox, count)
            studio.wait(lambda: studio.jobs() >= count, 900, 0.1)
            time.sleep(before)
            cpu, began = daemon.cpu(), time.monotonic()
            time.sleep(watched)
            share = (daemon.cpu() - cpu) / (time.monotonic() - began)
        told = sum(name.endswith(".error.json") for _, _, names in os.walk(studio.outbox) for name in names)
    return [Row(f"a held drop of {count:,}: error files", "", [told], of=f"after {before + watched:g} s"),
            Row("  share of a core afterwards", "%", [share * 100], of=f"{watched:g} s")]


def known(world: World) -> list[Row]:
    """A start with very many files that were delivered long ago, and a scan of them all."""
    count = world.count(30_000, 100_000, few=1000)
    with world.folder() as base, Service(base / "service") as service:
        studio = Studio(base / "studio", service.url, world.program, {"rescan": "100ms"})
        one_job(studio)
        _arrive(base / "files", studio.inbox, count, size=44)
        stands: list[Stand] = []
        for folder, _, names in os.walk(studio.inbox):
            for name in names:
                if not name.startswith(".") and folder != str(studio.inbox):
                    path = Path(folder, name)
                    facts = path.stat()
                    stands.append((len(stands) + 1, os.fsencode(path.relative_to(studio.inbox)), facts.st_size,
                                   facts.st_mtime_ns, facts.st_ino))
        assert len(stands) == count
        grow(studio, stands, standing=True)
        os.sync()
        before = _report(studio)
        began = time.monotonic()
        with studio.run() as daemon:
            ready = time.monotonic() - began
            scans = [_next_scan(studio, before)]
            cpu, began = daemon.cpu(), time.monotonic()
            scans.append(_next_scan(studio, _report(studio)))
            share = (daemon.cpu() - cpu) / (time.monotonic() - began)
            used, memory = share * (1 + _REST) * scans[-1], daemon.peak()
            assert studio.jobs() == count + 1, "known files were taken for new ones"
        of = f"{count:,} files"
        rows = [Row(f"{of} known: start to ready", "s", [ready], of=of),
                Row("  a scan of them", "s", scans, of=of),
                Row("  processor time of a scan, and of the rest after it", "s", [used], of=of),
                Row("  peak memory", "MiB", [memory], of=of)]
        if world.compare:
            for _ in range(3):
                cpu = sum(os.times()[2:4])
                rows[1].instead.setdefault("(d) find, sizes and times", []).append(_seconds(
                    ["find", str(studio.inbox), "-type", "f", "-printf", "%s %T@ %p\\n"]))
                rows[2].instead.setdefault("(d)", []).append(sum(os.times()[2:4]) - cpu)
        return rows


def _next_scan(studio: Studio, last: dict[str, Any]) -> float:
    """How long the next scan took: by how long the daemon rests after it, as it says in its report."""
    studio.wait(lambda: _report(studio).get("last_scan_at") != last["last_scan_at"], 300, 0.2)
    told = _report(studio)
    return float(told["next_scan_at"] - told["last_scan_at"]) / _REST


def _arrive(made: Path, inbox: Path, count: int, size: int = _SMALL) -> None:
    """Make a tree and rename it into the inbox, folder by folder."""
    for first in range(0, count, _A_FOLDER):
        recordings(made / f"day {first // _A_FOLDER:04}", min(_A_FOLDER, count - first), size)
    for folder in sorted(made.iterdir()):
        folder.rename(inbox / folder.name)


def _report(studio: Studio) -> dict[str, Any]:
    """What the daemon last told of its inbox."""
    with contextlib.closing(sqlite3.connect(f"file:{studio.state}/journal.sqlite3?mode=ro", uri=True)) as db:
        return dict(json.loads(db.execute("SELECT report FROM inboxes").fetchone()[0]))


def _seconds(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began
