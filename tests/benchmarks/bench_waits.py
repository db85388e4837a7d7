"""What is waited for: the first request after a file is there, and the result after the service has it."""

from __future__ import annotations

import itertools
import random
import signal
import statistics
import time
from collections import defaultdict

from bench_table import Row
from bench_world import Service, Studio, World, recordings

_SETTLE = 2.0


def pickup(world: World) -> list[Row]:
    """Files that are renamed into place one by one."""
    count = 400 if world.full else 200
    moved = {}
    with world.folder() as base, Service(base / "service") as service:
        studio = Studio(base / "studio", service.url, world.program, {"settle": _SETTLE})
        recordings(base / "files", count)
        with studio.run() as daemon:
            daemon.calm()
            for path in sorted((base / "files").iterdir()):
                path.rename(studio.inbox / path.name)
                moved[path.name] = time.time()
                time.sleep(random.uniform(0.05, 0.15))
            studio.wait(lambda: studio.delivered() == count, 120, 0.1)
        first: dict[str, float] = {}
        for one in service.seen("create_project"):
            first.setdefault(one["file_name"], one["at"])
    late = sorted((first[name] - at - _SETTLE) * 1000 for name, at in moved.items())
    return [Row("renamed into place to first request, beyond settle: median", "ms", [statistics.median(late)],
                of=f"{count} files"),
            Row("  at p99", "ms", [late[int(len(late) * 0.99)]], of=f"{count} files")]


def result(world: World) -> list[Row]:
    """Generations of 20 s and of 60 s, that begin at odd moments; no webhooks."""
    count, over = (40, 120.0) if world.full else (20, 40.0)
    rows = []
    with world.folder() as base, Service(base / "s20", 20) as short, Service(base / "s60", 60) as long:
        services = {20: short, 60: long}
        studios = {length: Studio(base / f"studio {length}", service.url, world.program)
                   for length, service in services.items()}
        plan = []
        for length, studio in studios.items():
            recordings(base / f"files {length}", count)
            plan += [(random.uniform(0, over), studio, path) for path in (base / f"files {length}").iterdir()]
        with studios[20].run(), studios[60].run():
            began = time.monotonic()
            for at, studio, path in sorted(plan, key=lambda one: one[0]):
                time.sleep(max(0.0, began + at - time.monotonic()))
                path.rename(studio.inbox / path.name)
            studios[60].wait(lambda: all(studio.delivered() == count for studio in studios.values()), 300, 0.2)
        for length, service in services.items():
            done = {one["file_name"]: one["at"] + length for one in service.seen("generate")}
            late = [(studios[length].outbox / f"{name}.json").stat().st_ctime - at for name, at in done.items()]
            polls = service.counts()["calls"]["progress"] / count
            rows += [Row(f"service done to delivered, generations of {length} s: median", "s",
                         [statistics.median(late)], of=f"{count} files"),
                     Row("  the latest", "s", [max(late)], of=f"{count} files"),
                     Row(f"  polls a file, of {length} s", "", [polls], of=f"{count} files")]
            rows[-2].what = f"  the latest, of {length} s"
    return rows


def waiting(world: World) -> list[Row]:
    """Thousands of generations that the service works on all the time that one looks."""
    count, poll, watched = (5000, 30.0, 120.0) if world.full else (1000, 10.0, 40.0)
    limit = count / poll * 1.25
    told = f"{count:,} generations waiting"
    with world.folder() as base, Service(base / "service", 24 * 3600, "put") as service:
        def studio(**limits: float) -> Studio:
            return Studio(base / "studio", service.url, world.program,
                          limits={"in_flight": count, "approve_over_files": None, **limits},
                          generation={"poll": {"first": 1, "max": poll}})

        one = studio()
        recordings(base / "files", count, 4000)
        with one.run() as daemon:
            daemon.calm()
            before = daemon.memory()
            (base / "files").rename(one.inbox / "all at once")
            one.wait(lambda: service.counts()["calls"].get("generate", 0) >= count, 600, 0.5)
            studio(requests_per_second=limit)
            daemon.process.send_signal(signal.SIGHUP)
            time.sleep(poll)  # the last ones take their place in the line
            memory, cpu, began = daemon.memory(), daemon.cpu(), time.time()
            time.sleep(watched)
            later, used, ended = daemon.memory(), daemon.cpu() - cpu, time.time()
        polls: dict[str, list[float]] = defaultdict(list)
        for poll_seen in service.seen("progress"):
            polls[poll_seen["generation_id"]].append(poll_seen["at"])
        gaps = [_longest(moments, began, ended) for moments in polls.values()]
        assert len(gaps) == count
        seen = sorted(at for moments in polls.values() for at in moments if began <= at < ended)
        of = f"{watched:g} s"
        return [Row(f"{told}: memory a job", "kB", [(memory - before) * 1024 / count], of=f"{count:,} jobs"),
                Row("  memory that grows while they wait", "MiB", [later - memory], of=of),
                Row(f"  longest time without a poll; the pace is {poll:g} s", "s", [max(gaps)], of=of),
                Row("  requests in the busiest second, of what is allowed", "", [_busiest(seen) / limit], of=of),
                Row("  processor time a poll", "ms", [used / len(seen) * 1000], of=of)]


def _longest(moments: list[float], began: float, ended: float) -> float:
    """The longest time without any of the moments, within the time that was watched."""
    inside = [began, *(at for at in sorted(moments) if began < at < ended), ended]
    return max(after - before for before, after in itertools.pairwise(inside))


def _busiest(moments: list[float]) -> int:
    """The most of some sorted moments within a second."""
    most = first = 0
    for last, at in enumerate(moments):
        while at - moments[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most
