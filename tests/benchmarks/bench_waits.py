"""What is waited for: the first request after a file is there, and the result after the service has it."""

from __future__ import annotations

import contextlib
import itertools
import random
import signal
import statistics
import time
from collections import Counter, defaultdict

from bench_table import Row
from bench_world import Service, Studio, World, recordings


def pickup(world: World) -> list[Row]:
    """Files that are renamed into place one by one."""
    count = world.count(200, 400)
    moved = {}
    with world.folder() as base, Service(base / "service") as service:
        studio = Studio(base / "studio", service.url, world.program, {"settle": world.settle})
        recordings(base / "files", count)
        with studio.run() as daemon:
            daemon.calm()
            for path in sorted((base / "files").iterdir()):
                path.rename(studio.inbox / path.name)
                moved[path.name] = time.time()
                time.sleep(random.uniform(0.04, 0.12))
            studio.wait(lambda: studio.delivered() == count, 120, 0.1)
        first: dict[str, float] = {}
        for one in service.seen("create_project"):
            first.setdefault(one["file_name"], one["at"])
    late = sorted((first[name] - at - world.settle) * 1000 for name, at in moved.items())
    return [Row("renamed into place to first request, beyond settle: median", "ms", [statistics.median(late)],
                of=f"{count} files"),
            Row("  at p99", "ms", [late[int(len(late) * 0.99)]], of=f"{count} files")]


def result(world: World) -> list[Row]:
    """Generations of 20 s and of 60 s, that begin at odd moments; no webhooks.

    Some come first, so that how long one takes may have been seen when the others come: their figures are told.
    """
    lengths = (20.0, 60.0) if world.scale != "few" else (1.0, 2.0)
    count, over = world.count(20, 40), world.count(15, 60, few=2)
    with world.folder() as base, contextlib.ExitStack() as stack:
        services, studios, plan = {}, {}, []
        for length in lengths:
            service = services[length] = stack.enter_context(Service(base / f"service {length:g}", length))
            studio = studios[length] = Studio(base / f"studio {length:g}", service.url, world.program)
            for name, files, first in (("first", 5, 0.0), ("files", count, lengths[-1] + world.count(10, few=2))):
                recordings(base / f"{name} {length:g}", files)
                plan += [(first + random.uniform(0, over), studio, path, f"{name} {path.name}")
                         for path in (base / f"{name} {length:g}").iterdir()]
            stack.enter_context(studio.run())
        began = time.monotonic()
        for at, studio, path, name in sorted(plan, key=lambda one: one[0]):
            time.sleep(max(0.0, began + at - time.monotonic()))
            path.rename(studio.inbox / name)
        studios[lengths[-1]].wait(lambda: all(one.delivered() == count + 5 for one in studios.values()), 300, 0.2)
        return [row for length in lengths for row in _lateness(studios[length], services[length], length)]


def _lateness(studio: Studio, service: Service, length: float) -> list[Row]:
    """How long after the service had them results were there, and how often it was asked."""
    bought = {one["file_name"]: one["at"] for one in service.seen("generate") if one["file_name"].startswith("files ")}
    polls = Counter(one["file_name"] for one in service.seen("progress"))
    after = [(studio.outbox / f"{name}.json").stat().st_ctime - at - length for name, at in bought.items()]
    asked = [polls[name] for name in bought]
    return [Row(f"service done to delivered, generations of {length:g} s: median", "s", [statistics.median(after)],
                of=f"{len(after)} files"),
            Row(f"  the latest, of {length:g} s", "s", [max(after)], of=f"{len(after)} files"),
            Row(f"  polls a file, of {length:g} s", "", [statistics.mean(asked)], of=f"{len(after)} files")]


def waiting(world: World) -> list[Row]:
    """Thousands of generations that the service works on all the time that one looks."""
    count, poll, watched = world.count(1000, 5000), world.count(10, 30, few=2), world.count(30, 120, few=5)
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
