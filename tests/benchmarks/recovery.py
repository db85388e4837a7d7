# ruff: noqa: T201 - it prints figures
"""How long the daemon takes to go on after a crash, with many open jobs: `python tests/benchmarks/recovery.py [JOBS]`.

Prints seconds from the start of the process to its first request at the service, and the shares of it that are
measured in one process; beside it what a watch folder without a journal does at each start: list and hash everything.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from diffio_watch.clock import Clock
from diffio_watch.config import load
from diffio_watch.daemon.daemon import Daemon
from diffio_watch.intake import fingerprint
from diffio_watch.job import OPEN, State
from diffio_watch.journal import Journal
from diffio_watch.journal.records import Found
from diffio_watch.sandbox import Sandbox

_SIZE = 64 * 1024
_WAY = (State.UPLOADING, State.GENERATING, State.WAITING, State.DOWNLOADING)


def main(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(seconds=3600) as sandbox:
        base = Path(folder)
        config = base / "config.yaml"
        config.write_text(yaml.safe_dump({
            "api": {"base_url": sandbox.base_url}, "state_dir": str(base / "state"), "log": {"level": "error"},
            "inboxes": [{"name": "a", "path": str(base / "in"), "outbox": str(base / "out")}],
            "limits": {"min_free": 0, "in_flight": count, "approve_over_files": None}}), "utf-8")
        _fill(base, config, sandbox.base_url, count)
        print(f"{count:,} open jobs, {count:,} files of {_SIZE // 1024} KiB, {os.cpu_count()} cores")
        first = [_first_request(config, sandbox) for _ in range(3)]
        print(f"process start to first request: median {statistics.median(first):.2f} s, worst {max(first):.2f} s")
        _inside(config)
        _without_journal(base / "in")


def _fill(base: Path, config: Path, url: str, count: int) -> None:
    """A journal as a crash leaves it: a fifth of the jobs at each step."""
    for name in ("in", "out", "state"):
        (base / name).mkdir()
    now = time.time()
    inbox = load(config).inboxes[0]
    found = []
    for number in range(count):
        path = base / "in" / f"day {number % 100}" / f"take {number}.wav"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(_SIZE))
        facts = path.stat()
        with path.open("rb") as file:
            partial = fingerprint.partial(file.fileno(), facts.st_size)
        found.append(Found(str(path.relative_to(base / "in")), facts.st_size, facts.st_mtime_ns, inbox.settings(),
                           now, now, facts.st_ino, partial))
    with Journal.open(base / "state", create=True) as journal, journal.transaction():
        journal.files.place("a", found, batch_limit=None)
        for number, queued in enumerate(journal.jobs.newest()):
            job, goal = queued, number % 5
            for step, state in enumerate(_WAY[:goal], 1):
                job = journal.jobs.commit(job, state=state, due_at=now)
                if step == 2:
                    job = journal.jobs.commit(job, base_url=url, project_id=f"project-{number}", uploaded=True,
                                         idempotency_key=job.id, body="{}", intent_at=now)
                if step == 3:
                    job = journal.jobs.commit(job, generation_id=f"generation-{number}", generated_at=now)


def _first_request(config: Path, sandbox: Sandbox) -> float:
    before, start = sum(sandbox.calls.values()), time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "diffio_watch", "run", "-c", str(config)],
                          env={**os.environ, "DIFFIO_API_KEY": "bench-key"}) as process:
        while sum(sandbox.calls.values()) == before and process.poll() is None:
            time.sleep(0.005)
        took = time.perf_counter() - start
        process.kill()
    return took


def _inside(config: Path) -> None:
    settings = load(config)
    os.environ.setdefault("DIFFIO_API_KEY", "bench-key")
    clock = Clock()
    daemon = Daemon(settings)
    start = time.perf_counter()
    with Journal.open(settings.state_dir, clock) as journal:
        opened = time.perf_counter()
        parts = daemon._open(journal)  # what `run` does, without the threads
        ready = time.perf_counter()
        known = len(journal.files.known("a"))
        looked = time.perf_counter()
        for state in OPEN:
            journal.jobs.due({state}, "a", clock.now(), 2)
        journal.jobs.next_due(clock.now())
        chosen = time.perf_counter()
        parts.dispatcher.stop()
    print(f"  journal opened {opened - start:.3f} s, parts made {ready - opened:.3f} s, {known:,} known files read "
          f"{looked - ready:.3f} s, due jobs chosen {chosen - looked:.4f} s")


def _without_journal(inbox: Path) -> None:
    start = time.perf_counter()
    files = [Path(folder, name) for folder, _, names in os.walk(inbox) for name in names]
    facts = [path.stat() for path in files]
    listed = time.perf_counter()
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
    hashed = time.perf_counter()
    print(f"for comparison, without a journal: {len(facts):,} files listed {listed - start:.3f} s, "
          f"and hashed to know them again {hashed - listed:.2f} s (from memory, {_SIZE // 1024} KiB each)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
