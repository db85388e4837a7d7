"""A machine dies under load, and a second one goes on from what Litestream copied of its journal, or from last night's
copy: nothing is lost, nothing is paid for twice, and no person is needed.

`DIFFIO_WATCH_FAILOVERS` is the number of random moments of death; each has a lag of the replica of its own, 0 to 10 s.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import programs
import pytest
from programs import Program
from recovery_house import recording

from diffio_watch.sandbox import Sandbox

MOMENTS = int(os.environ.get("DIFFIO_WATCH_FAILOVERS", "4"))
AT_ONCE = 4
FILES = 10  # of each moment
LITESTREAM = shutil.which("litestream", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
# a minute between two looks is for requests that are still on their way; here they have arrived
REBUILD = ("from diffio_watch.recovery import asking; asking.LOOK_TWICE = 1.0; from diffio_watch.cli import main; "
           "main(['journal', 'rebuild'])")


class Studio:
    """Folders on a NAS, the service, and two machines of which one is alive."""

    def __init__(self, base: Path, sandbox: Sandbox, seed: int) -> None:
        self.base = base
        self.sandbox = sandbox
        self.chance = random.Random(seed)
        for folder in ("in", "out", "one", "two"):
            (base / folder).mkdir(parents=True)

    def configure(self, machine: str) -> dict[str, str]:
        """The environment of a machine's commands."""
        file = self.base / f"{machine}.yaml"
        file.write_text(json.dumps({
            "api": {"base_url": self.sandbox.base_url}, "state_dir": str(self.base / machine),
            "inboxes": [{"name": "a", "path": f"{self.base}/in", "outbox": f"{self.base}/out", "settle": "50ms"}],
            "limits": {"min_free": 0}, "generation": {"poll": {"first": "100ms", "max": "1s"}}}))
        return {**os.environ, "DIFFIO_WATCH_CONFIG": str(file), "DIFFIO_API_KEY": "failover-key"}

    def command(self, machine: str, *words: str) -> str:
        done = programs.run([sys.executable, *words], env=self.configure(machine), capture_output=True, text=True,
                            timeout=120, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return str(done.stdout)

    def daemon(self, machine: str) -> subprocess.Popen[bytes]:
        return Program([sys.executable, "-m", "diffio_watch", "run"], env=self.configure(machine),
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def drop(self, name: str, seed: int) -> None:
        part = self.base / f"{name}.part"
        part.write_bytes(recording(seed, 0.3))
        part.rename(self.base / "in" / name)

    def until(self, ready: Any, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, f"not so within {seconds} s: {[*(self.base / 'out').iterdir()]}"
            time.sleep(0.05)

    def delivered(self, name: str) -> bool:
        """Whether a sidecar names it as what was restored: the first machine may have taken the first number."""
        return any(json.loads(sidecar.read_bytes())["source"]["path"] == name
                   for sidecar in (self.base / "out").glob("*.json") if not sidecar.name.endswith(".error.json"))

    def jobs(self, machine: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = json.loads(
            self.command(machine, "-m", "diffio_watch", "jobs", "--limit", "0", "--json"))
        return listed


def kill(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGKILL)
    for process in processes:
        process.wait()


def replica(studio: Studio, lag: float) -> tuple[Path, subprocess.Popen[bytes]]:
    """Litestream, which copies the first machine's journal to the NAS every so many seconds."""
    assert LITESTREAM is not None
    file = studio.base / "litestream.yml"
    file.write_text(json.dumps({"dbs": [{
        "path": str(studio.base / "one/journal.sqlite3"), "monitor-interval": "100ms",
        "replica": {"type": "file", "path": str(studio.base / "replica"), "sync-interval": f"{max(lag, 0.1):g}s"}}]}))
    with (studio.base / "litestream.log").open("wb") as log:
        return file, subprocess.Popen([LITESTREAM, "replicate", "-config", file], stdout=log, stderr=log)


def died_and_went_on(base: Path, number: int, *, litestream: bool) -> str:
    """One moment of death; what is wrong afterwards, "" where nothing is."""
    chance = random.Random(number)
    lag = chance.uniform(0, 10) if number % 4 else 0.0  # of every fourth the replica is up to date
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(seconds=0.7))
        studio = Studio(base, sandbox, number)
        alive = [studio.daemon("one")]
        stack.callback(kill, alive)
        studio.drop("first.wav", 1000 * number)
        studio.until(lambda: studio.delivered("first.wav"))
        config = base / "none"
        if litestream:
            config, copier = replica(studio, lag)
            alive.append(copier)
            studio.until(lambda: any((base / "replica").rglob("*.ltx")))
        else:
            studio.command("one", "-m", "diffio_watch", "journal", "backup", str(base / "copy.sqlite3"))
        end = time.monotonic() + chance.uniform(0.2, max(3.0, lag))
        names = [f"{number}-{one}.wav" for one in range(FILES)]
        for place, name in enumerate(names):
            time.sleep(max(0.0, (end - time.monotonic()) / (FILES - place) * chance.uniform(0.2, 1.2)))
            studio.drop(name, 1000 * number + place + 1)
        time.sleep(max(0.0, end - time.monotonic()))
        kill(alive)
        bought = sandbox.charges

        if litestream:
            restored = base / "two/journal.sqlite3"
            studio.configure("two")
            done = subprocess.run([str(LITESTREAM), "restore", "-config", config, "-o", restored,
                                   base / "one/journal.sqlite3"],
                                  capture_output=True, text=True, check=False, timeout=60)
            if done.returncode:
                return f"{number}: Litestream: {done.stdout}{done.stderr}"
        else:
            shutil.copy(base / "copy.sqlite3", base / "two/journal.sqlite3")
        told = studio.command("two", "-c", REBUILD)
        print(f"{number}: lag {lag:.1f} s, {bought} bought; {told}")  # noqa: T201 - for who looks on, with -s
        done = programs.run([sys.executable, "-m", "diffio_watch", "once"], env=studio.configure("two"), timeout=120,
                            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        states = {job["path"]: job["state"] for job in studio.jobs("two")}
        lost = [name for name in ["first.wav", *names] if not studio.delivered(name)]
        wrong = [f"lost: {lost}"] if lost else []
        if sandbox.charges != FILES + 1:
            wrong.append(f"paid {sandbox.charges} times for {FILES + 1}, {bought} of them before")
        if sandbox.violations or done.returncode:
            wrong.append(f"{sandbox.violations} {done.stderr[-500:]}")
        if set(states.values()) != {"delivered"}:
            wrong.append(f"{states}")
        return f"{number} (lag {lag:.1f} s): {'; '.join(wrong)}\n{told}" if wrong else ""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("litestream", [
    pytest.param(True, marks=pytest.mark.skipif(LITESTREAM is None, reason="litestream is not on this machine"),
                 id="litestream"),
    pytest.param(False, id="last night's copy")])
def test_a_second_machine_goes_on_where_the_first_died(tmp_path: Path, *, litestream: bool) -> None:
    moments = range(1, MOMENTS + 1) if litestream else range(1, MOMENTS // 4 + 1)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda number: died_and_went_on(tmp_path / f"{number}", number, litestream=litestream),
                              moments))
    assert [one for one in found if one] == []
