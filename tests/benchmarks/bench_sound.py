"""Listening: how soon it sounds, what it costs to measure a recording, and what jobs lose by it meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench_table import Row
from bench_world import MIB, Child, Service, Studio, World, drop, recordings

# what listens in the tests listens here, too
sys.path.append(str(Path(__file__).parents[1] / "service"))

_HOURS: Final = 2.0
_LONG: Final = 6.0  # hours that are being measured while jobs go: so that it is not done before they are
_SETTLE: Final = 0.5  # seconds, no part of what is told


def listening(world: World) -> list[Row]:
    """A long recording in the player, and measured: by this Python's own package, whatever is measured otherwise."""
    return [*_first_sound(world), *_measured(world)]


def meanwhile(world: World) -> list[Row]:
    """Ten jobs in turns: while a recording of hours is measured, and while that stands still.

    Both are one daemon's, with one child, which is stopped and goes on: nothing else is different.
    """
    if world.scale == "few":  # it takes a whole core for as long as it goes
        return [*_in_turns(world, 0.0, 32_000, 1)]
    return [*_in_turns(world, 0.0, 4 * MIB, world.count(20, 60)),
            *_in_turns(world, 3, 32_000, world.count(8, 20))]


def _first_sound(world: World) -> Iterator[Row]:
    import tones  # noqa: PLC0415 - with what follows: heavy, and of this line alone
    from chromium import CHROMIUM, chromium  # noqa: PLC0415 - likewise
    from listener import listening  # noqa: PLC0415 - likewise
    from service_page import page  # noqa: PLC0415 - likewise
    from service_sound import delivered  # noqa: PLC0415 - likewise

    took: list[float] = []
    there = os.access(CHROMIUM, os.X_OK)
    if there:
        with world.folder() as base, chromium() as browser, page(base) as place:
            one = tones.gigabyte(place.inbox / "a.wav")
            os.link(one, place.outbox / "a.restored.wav")
            job = delivered(place, one, place.outbox / "a.restored.wav", sha256="ab" * 32)
            for _ in range(world.count(5, few=1)):
                with listening(browser, record=True) as listener:
                    listener.page.goto(f"http://127.0.0.1:{place.port}/#job={job.id}&t=3601&side=b")
                    listener.until("document.querySelectorAll('.media *').length === 2")
                    listener.until("[...document.querySelectorAll('.media *')].every((node) => node.duration > 3600)")
                    listener.page.evaluate("""() => document.addEventListener("click", () => {
                      window.pressed = performance.now();
                    }, { capture: true })""")
                    listener.page.get_by_role("button", name="Play", exact=True).click()
                    listener.until("loud() && (window.sounds = performance.now())", polling=10)
                    took.append(listener.page.evaluate("() => sounds - pressed") / 1000)
    yield Row("1:00:00 of a 1.1 GB WAV sounds after the click", "s", took, {"at most": [1.5]},
              of="" if there else "needs Debian's chromium")


def _measured(world: World) -> Iterator[Row]:
    import tones  # noqa: PLC0415 - heavy, and of this line alone

    from diffio_watch.service.sound.runner import Runner  # noqa: PLC0415 - likewise

    with world.folder() as base:
        path = tones.silence(base / "a.wav", _HOURS if world.scale != "few" else 0.02)
        with path.open("r+b") as file:  # a minute of noise again and again
            noise = os.urandom(60 * 48_000 * 4)
            file.seek(44)
            for _ in range((path.stat().st_size - 44) // len(noise)):
                file.write(noise)
        with path.open("rb") as file:
            told = Runner().ask({"do": "measure", "file": file.fileno()}, [file.fileno()])
    length = f"{told['seconds'] / 3600:.3g} h of 48 kHz in stereo"
    yield Row("a long recording measured: processor time", "s", [told["used"]], {"at most": [60.0]}, of=length)
    yield Row("  memory", "MiB", [told["memory"] / 1024], {"at most": [100.0]}, of=length)


@dataclass
class _Turn:
    """What some jobs took: seconds from when they were dropped, and of the daemon's processor time."""

    time: float
    used: float


def _in_turns(world: World, seconds: float, size: int, pairs: int) -> Iterator[Row]:
    found: list[dict[bool, _Turn]] = []
    with world.folder() as base, Service(base / "service", seconds) as service:
        studio = _studio(base / "studio", service, world)
        with studio.run() as daemon:
            studio.wait(lambda: _child(daemon), 60)
            child = _child(daemon)
            assert child is not None
            loading = 0 if world.scale == "few" else 1
            for number in range(-loading, pairs):  # in the first things are loaded: it is not counted
                pair = {measures: _turn(base / f"{number} {measures}", studio, daemon,
                                        child if measures else -child, _jobs(world), size)
                        for measures in ((True, False) if number % 2 else (False, True))}
                found += [pair] if number >= 0 else []
            assert _child(daemon) == child, "the long recording was measured before all jobs were done"
    what = f"while a long recording is measured, by without: {_jobs(world)} jobs of {seconds:g} s"
    of = f"{size / 1e6:.3g} MB each"
    yield Row(f"{what}: time", "", [pair[True].time / pair[False].time for pair in found], {"at most": [1.01]}, of)
    yield Row(f"  of {seconds:g} s: the daemon's processor time", "",
              [pair[True].used / pair[False].used for pair in found], {"at most": [1.01]}, of)


def _jobs(world: World) -> int:
    return world.count(10, few=2)


def _turn(files: Path, studio: Studio, daemon: Child, child: int, jobs: int, size: int) -> _Turn:
    """So many jobs, while a child measures; where its number is negative, while it is stopped."""
    recordings(files, jobs, size)
    for path in files.iterdir():
        path.rename(path.with_name(f"{files.name} {path.name}"))
    before = studio.delivered()
    if child < 0:
        os.kill(-child, signal.SIGSTOP)
    used, began = _processor(daemon), time.monotonic()
    drop(files, studio.inbox)
    ended = studio.wait(lambda: studio.delivered() == before + jobs and not any(studio.inbox.glob("*.wav")), 300)
    used = _processor(daemon) - used
    os.kill(abs(child), signal.SIGCONT)
    return _Turn(ended - began - _SETTLE, used)


def _studio(base: Path, service: Service, world: World) -> Studio:
    """A studio that listens, with a recording that was delivered just now and takes minutes to be measured."""
    import tones  # noqa: PLC0415 - with what follows: heavy, and of this line alone
    from ports import free_port  # noqa: PLC0415 - likewise
    from service_page import Place  # noqa: PLC0415 - likewise
    from service_sound import delivered  # noqa: PLC0415 - likewise

    from diffio_watch.journal import Journal  # noqa: PLC0415 - likewise

    port = free_port()
    base.mkdir()
    (base / "page's token").write_text("a-token-of-the-benchmark")
    (base / "page's token").chmod(0o600)
    studio = Studio(base, service.url, world.program, {
        "settle": _SETTLE, "originals": "archive", "archive": str(base / "archive")},
                    web={"listen": f"127.0.0.1:{port}", "token_file": str(base / "page's token")})
    with Journal.open(studio.state, create=True) as journal:
        place = Place(base)
        place.journal = journal
        long = tones.silence(studio.inbox / "long.wav", _LONG)
        os.link(long, studio.outbox / "long.restored.wav")
        delivered(place, long, studio.outbox / "long.restored.wav", sha256="ab" * 32, inbox="a", original="archived")
    long.rename(base / "archive" / long.name)
    return studio


def _child(daemon: Child) -> int | None:
    """The process that measures now, if one does."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            words = path.read_text("ascii", "replace").rpartition(")")[2].split()
            if int(words[1]) == daemon.process.pid and b"sound.child" in path.with_name("cmdline").read_bytes():
                return int(path.parent.name)
    return None


def _processor(child: Child) -> float:
    """Seconds of processor time of a process, without its children: finer than what /proc tells."""
    return time.clock_gettime((~child.process.pid) << 3 | 2)  # CPUCLOCK_SCHED, as clock_getcpuclockid(3) makes it
