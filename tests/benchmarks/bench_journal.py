"""A journal of very many jobs beside a fresh one, and the commands that look into it."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections import defaultdict
from pathlib import Path

from bench_past import grow, one_job
from bench_table import Row
from bench_world import Child, Service, Studio, World, drop, recordings


def past(world: World) -> list[Row]:
    """The same files through a journal with a long past and through one without; and `status` of it."""
    count, files, calls = world.count(200_000, 1_000_000, few=1000), world.count(100), world.count(5, few=1)
    with world.folder() as base, Service(base / "service") as service:
        old, new = (Studio(base / name, service.url, world.program, {"settle": world.settle})
                    for name in ("old", "new"))
        for studio in (old, new):
            one_job(studio)
        grow(old, ((number, f"gone/{number}.wav".encode(), 32_000, number, number) for number in range(1, count + 1)),
             standing=False)
        seen: dict[tuple[Studio, str], list[float]] = defaultdict(list)
        for studio in (old, new):
            with studio.run() as daemon:
                daemon.calm(300)
                pace, cost = _through(studio, daemon, base / "files", files, world.settle)
                seen[studio, "pace"], seen[studio, "cost"] = [pace], [cost]
                seen[studio, "status"] = [_command(studio, calls, "status")]
        for studio in [old, new] * world.count(3, few=1):
            for name, value in _within(studio).items():
                seen[studio, name].append(value)

        def row(what: str, name: str, unit: str, of: str) -> Row:
            return Row(what, unit, seen[old, name], {"a fresh one": seen[new, name]}, of)

        return [row(f"journal of {count:,} jobs: a commit", "commit", "ms", "100 calls"),
                row("  what is due", "due", "ms", "100 calls"),
                row("  the newest 50 delivered", "newest", "ms", "100 calls"),
                row("  counts by state", "counts", "ms", "100 calls"),
                row("  processor time a small file through it", "cost", "ms", f"{files} files"),
                row("  files a second through it", "pace", "/s", f"{files} files"),
                row("  `status` of it", "status", "s", f"{calls} calls")]


def commands(world: World) -> list[Row]:
    """How long a person waits for an answer."""
    with world.folder() as base, Service(base / "service") as service:
        studio = Studio(base / "studio", service.url, world.program)
        count, calls = world.count(100), world.count(5, few=1)
        recordings(base / "files", count)
        with studio.run() as daemon:
            drop(base / "files", studio.inbox)
            studio.wait(lambda: studio.delivered() == count, 120)
            daemon.calm()
            file = str(studio.inbox / "take 000003.wav")
            asked = {"--help": [], "status": [], "explain": [file], "show": [file], "jobs": []}
            return [Row(f"`{command}`", "s", [_command(studio, calls, command, *arguments)], of=f"{calls} calls")
                    for command, arguments in asked.items()]


def _through(studio: Studio, daemon: Child, files: Path, count: int, settle: float) -> tuple[float, float]:
    recordings(files, count)
    before, cpu = studio.delivered(), daemon.cpu()
    for number, path in enumerate(sorted(files.iterdir())):
        path.rename(studio.inbox / f"new {number}.wav")
    dropped = time.monotonic()
    end = studio.wait(lambda: studio.delivered() == before + count, 300)
    return count / (end - dropped - settle), (daemon.cpu() - cpu) / count * 1000


def _within(studio: Studio) -> dict[str, float]:
    """Milliseconds that single calls of the journal take."""
    done = subprocess.run([str(Path(studio.program).with_name("python")),
                           str(Path(__file__).with_name("bench_within.py")), str(studio.state)],
                          check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def _command(studio: Studio, calls: int, *arguments: str) -> float:
    """The median of so many calls, in seconds."""
    took = []
    for _ in range(calls):
        began = time.monotonic()
        studio.command(*arguments)
        took.append(time.monotonic() - began)
    return statistics.median(took)
