"""A place to run commands in: folders, a configuration, a journal; in this process or in one of their own."""

from __future__ import annotations

import codecs
import os
import pkgutil
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from commands import Done, run
from programs import Program

import diffio_watch
from diffio_watch.config import Config, load
from diffio_watch.job import Job, Settings, State, new_id
from diffio_watch.journal import Journal

OURS = ("DIFFIO_", "_DIFFIO")
NOBODY = 65534
REPOSITORY = Path(__file__).parents[2]


@dataclass
class Place:
    """One inbox with an outbox and a state_dir."""

    root: Path
    config_file: Path
    capture: pytest.CaptureFixture[bytes]
    env: dict[str, str] = field(default_factory=dict)

    @property
    def inbox(self) -> Path:
        return self.root / "in"

    @property
    def outbox(self) -> Path:
        return self.root / "out"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def config(self) -> Config:
        return load(self.config_file, {})

    def journal(self) -> Journal:
        """The journal, made where there is none."""
        self.state.mkdir(exist_ok=True)
        return Journal.open(self.state, create=True)

    def add(self, path: str = "a.wav", **facts: Any) -> Job:
        """Journal one job."""
        job = replace(Job(id=new_id(), inbox="podcasts", path=path, size=10, mtime_ns=1, settings=Settings(),
                          created_at=1e9, updated_at=1e9, detected_at=1e9), **facts)
        with self.journal() as journal, journal.transaction() as db:
            journal.jobs.add([job])
            db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, 0)",
                       (job.inbox, os.fsencode(path), job.size, job.mtime_ns, job.inode, job.id))
        return job

    def job(self, job_id: str) -> Job:
        with self.journal() as journal:
            found = journal.jobs.get(job_id)
        assert found is not None
        return found

    def run(self, *arguments: str) -> Done:
        """Run a command in this process."""
        return run(self.capture, *arguments)

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start a command as a process of its own, as a shell would."""
        return Program(command(*arguments), env=self.env | {"DIFFIO_WATCH_CONFIG": str(self.config_file)},
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **more)


@contextmanager
def another_user() -> Iterator[Path]:
    """This process acts for a user who owns nothing, and gets a folder that everybody may write into."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    for module in pkgutil.walk_packages(diffio_watch.__path__, "diffio_watch."):
        if not module.name.endswith("__main__"):
            import_module(module.name)  # perhaps nobody else can read this Python
    for encoding in ("ascii", "idna", "latin-1", "utf-8-sig"):  # one that is not found once is not found again
        codecs.lookup(encoding)
    groups = os.getgroups()
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        Path(folder).chmod(0o777)
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "diffio_watch", *arguments]


def clean(env: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in env.items() if not name.startswith(OURS)}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), env.get("PYTHONPATH")]))}


def delivered(**facts: Any) -> dict[str, Any]:
    """The facts of a job that is at its end."""
    return {"state": State.DELIVERED, "sha256": "0" * 64, "project_id": "p1", "generation_id": "g1", "uploaded": True,
            "base_url": "http://127.0.0.1:1/v1", "intent_at": 2e9, "completed_at": 2e9, "delivered_at": 2e9,
            "idempotency_key": "k", "body": "{}", "number": 1, "due_at": None, **facts}


def at_a_terminal(place: Place, typed: str, *arguments: str, columns: int = 80,
                  env: Mapping[str, str] | None = None, encoding: str = "utf-8",
                  before: Callable[[], None] | None = None) -> tuple[int, str]:
    """Run a command where a person sits; its exit code, and what the person sees.

    With `before` the person types only when asked yes or no, and that happens first.
    """
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    process = Program(command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, env={
        **place.env, **(env or {}),
        "DIFFIO_WATCH_CONFIG": str(place.config_file), "TERM": "dumb"})
    os.close(theirs)
    if before is None:
        os.write(ours, typed.encode())
    told = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        told += piece
        if before is not None and b"[y/N]" in told:
            before()
            before = None
            os.write(ours, typed.encode())
    process.wait(10)
    os.close(ours)
    return process.returncode, told.decode(encoding)
