"""A world to be killed in: folders, a sandbox, and the rules that hold at every moment and at the end."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from crash_nursery import Nursery
from crash_scenarios import INBOX, PART, SCENARIOS, Scenario

from diffio_watch.disk.marker import NAME
from diffio_watch.job import Job, State
from diffio_watch.journal import Journal, JournalMissing
from diffio_watch.outbox import ledger, sidecar
from diffio_watch.outbox.names import sidecar_path
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.state import Seen

MOMENTS: Final = ("arrived", "effect", "answered")
_MTIME: Final = 1_700_000_000_123_456_789


def fast_folder() -> str | None:
    """A folder in memory, where syncing costs nothing: what is tested here is not the disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class World:
    """One scenario in folders of its own."""

    def __init__(self, name: str, nursery: Nursery, elsewhere: Path, base: Path | None = None) -> None:
        self.name = name
        self.scenario: Scenario = SCENARIOS[name]
        self.base = base or Path(tempfile.mkdtemp(prefix="crash-", dir=fast_folder()))
        self.kills = 0
        self.nursery = nursery
        self._own = base is None
        self._aside = Path(tempfile.mkdtemp(prefix="crash-", dir=fast_folder()))  # what the world does not hold
        self.log, self.acknowledged = self._aside / "log", self._aside / "acknowledged"
        self.acknowledged.touch()
        self.inbox, self.outbox, self.archive = (self.base / name for name in ("inbox", "outbox", "archive"))
        if self.scenario.archive_elsewhere:
            self.archive = Path(tempfile.mkdtemp(dir=elsewhere))
            (self.base / "elsewhere").write_text(str(self.archive), "utf-8")
        for folder in (self.inbox, self.outbox, self.archive):
            folder.mkdir(exist_ok=True)
        for root, files in ((self.inbox, self.scenario.files), (self.outbox, self.scenario.others)):
            for path, content in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(content)
                os.utime(root / path, ns=(_MTIME, _MTIME))
        originals = [(self.inbox / path).stat() for path in self.scenario.files]
        self.originals = {(facts.st_dev, facts.st_ino) for facts in originals}
        self.others = dict(self.scenario.others)
        (self._aside / "service").mkdir()
        self.sandbox = Sandbox(folder=self._aside / "service",
                               **{"seconds": 0, "part_bytes": PART, **self.scenario.sandbox})

    def __enter__(self) -> Self:
        self.sandbox.start()
        for fault in self.scenario.faults:
            self.sandbox.fault(**fault)
        self.sandbox.watch(self._watched)
        self._moments, self._lit = 0, True
        self._fatal: int | None = None
        self.meets: Callable[[], Awaitable[object]] | None = None  # is told of every moment; the call waits for it
        self._pid = 0
        self._born = threading.Event()
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.close()
        shutil.rmtree(self._aside)
        if self._own:
            shutil.rmtree(self.base)

    def _watched(self, moment: str, seen: Seen) -> Awaitable[object] | None:
        # the child may be further when it is answered
        if self.scenario.intrudes is not None and (moment, seen.call) == ("arrived", self.scenario.intrudes[0]):
            path, after = self.scenario.intrudes[1], self.scenario.intrudes_after
            if path not in self.others and (after is None or (self.outbox / after).exists()):
                self.others[path] = b"came in between"
                self.keep_others()
        self._lit = self._lit or seen.call == self.scenario.since_call
        self._moments += self._lit
        if self._moments == self._fatal:
            self._born.wait(5)
            os.kill(self._pid, signal.SIGKILL)
        return None if self.meets is None or not self._lit else self.meets()

    def keep_others(self) -> None:
        """Somebody's files are on the disk to stay."""
        for path, data in self.others.items():
            place = self.outbox / path
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())

    def order(self, **more: Any) -> dict[str, Any]:
        """What a life is told."""
        return {"scenario": self.name, "base": str(self.base), "url": self.sandbox.base_url, "log": str(self.log),
                "copied": self._own,  # on a disk that forgets what was not flushed it is made in full
                "acknowledged": str(self.acknowledged), **more}

    def live(self, *, fuse: int | None = None, moment: int | None = None, explore: bool = False, whole: bool = False,
             born: Callable[[int], None] = lambda _: None) -> bool:
        """One life, ended by a fuse in the child or at the n-th moment of the sandbox; whether it was killed.

        Args:
            fuse: the boundary in the child that is its last.
            moment: the moment at the sandbox that is its last.
            explore: count only from where the scenario begins to differ.
            whole: run the daemon with all its threads.
            born: is told the process, at its beginning.
        """
        self._fatal = moment
        self.light(explore=explore)
        self._born.clear()
        self._pid = self.nursery.begin(self.order(fuse=fuse, explore=explore, whole=whole))
        self._born.set()
        born(self._pid)
        code = self.nursery.wait(self._pid)
        self._fatal = None
        killed = code == -signal.SIGKILL
        assert killed or code == 0, self.ended_badly(code)
        self.kills += killed
        return killed

    def light(self, *, explore: bool) -> None:
        """A life begins: moments count from here, or from where the scenario begins to differ."""
        self._moments, self._lit = 0, not explore or self.scenario.since_call == "*"

    def go_on(self) -> None:
        """A life that nothing ends early."""
        code = self.nursery.live(self.order())
        assert code == 0, self.ended_badly(code)

    def ended_badly(self, code: int) -> str:
        """The words for it."""
        return f"exit {code}: {self.log.read_text('utf-8')}"

    def changed(self) -> list[Path]:
        """The folders that a life can change, the service's included."""
        elsewhere = [self.archive] if self.scenario.archive_elsewhere else []
        return [self.base, *elsewhere, self.sandbox._state.folder]

    def glance(self) -> None:
        """What must be so at every moment."""
        assert self.sandbox.charges <= self.scenario.charges, "paid twice"
        contents = set(self.scenario.files.values())
        shown = self.visible()
        for path, data in shown.items():
            if path in self.others:
                assert data == self.others[path], f"{path} was overwritten"
            elif path.endswith(".json"):
                self._whole_json(path, data, shown)
            else:
                assert data in contents, f"{path} is torn"
        told = [sidecar.parse(shown[path]) for path in shown if path in self.scenario.sidecars]
        delivered = {one.source.name for one in told if one.state is State.DELIVERED}
        archived = _files(self.archive)
        for path, content in self.scenario.files.items():
            if (self.inbox / path).exists():
                assert (self.inbox / path).read_bytes() == content, f"{path} was changed"
            else:
                assert path in delivered, f"{path} went before its delivery"
                if self.scenario.archived:
                    assert archived.get(path) == content, f"{path} is neither in the inbox nor in the archive"

    def check_acknowledged(self) -> None:
        """Every commit that had returned is in the journal, or a later one of that job."""
        lines = self.acknowledged.read_text("utf-8").splitlines(keepends=True)
        if not lines:
            return
        told = json.loads(lines[-1])
        with Journal.open(self.base / "state", read_only=True) as journal:
            rows = {job.id: job for job in journal.jobs.newest()}
            for job, (version, parts) in told.items():
                assert rows[job].version >= version, f"lost of {job}: {version}, left is {rows[job]}"
                assert rows[job].version > version or len(journal.jobs.parts(job)) >= parts, f"lost a part of {job}"

    def check_published(self) -> None:
        """What the journal calls published or delivered is on the disk."""
        shown = self.visible()
        for job in self._jobs():
            for output in job.outputs:
                if output.state == "published" and output.path not in self.scenario.takes_away:
                    assert output.path in shown, f"{output.path} was published"
                    assert hashlib.sha256(shown[output.path]).hexdigest() == output.sha256
            if job.state is State.DELIVERED:
                assert sidecar_path(job.path, job.number or 1) in shown, f"{job.path} was delivered"

    def _jobs(self) -> list[Job]:
        try:
            with Journal.open(self.base / "state", read_only=True) as journal:
                return journal.jobs.newest()
        except JournalMissing:  # the first start did not come so far
            return []

    def _whole_json(self, path: str, data: bytes, shown: Mapping[str, bytes]) -> None:
        if "transcript" in path:
            json.loads(data)
            return
        for output in sidecar.parse(data).outputs:
            if output.name in self.scenario.takes_away:
                continue
            there = shown[output.name]
            assert (len(there), hashlib.sha256(there).hexdigest()) == (output.size, output.sha256), output.name

    def check(self) -> None:
        """What must be so at the end."""
        self.glance()
        scenario, report = self.scenario, self.sandbox.report()
        assert report["violations"] == []
        assert report["leaks"] == []
        assert report["charges"] == scenario.charges
        assert len({one["project_id"] for one in report["generations"]}) == scenario.charges - len(
            [1 for _, args in scenario.asks if args.get("fresh")])
        shown = self.visible()
        expected = {*scenario.outputs, *scenario.sidecars, *self.others}
        assert set(shown) == expected, f"missing or too many: {expected ^ set(shown)}"
        for path, content in scenario.outputs.items():
            assert content is None or shown[path] == content
        for path, state in scenario.sidecars.items():
            assert sidecar.parse(shown[path]).state is state
        assert set(_files(self.outbox)) - set(shown) - {ledger.NAME} == {NAME}, "temporary files were left"
        remains = scenario.files if scenario.remains is None else scenario.remains
        assert _files(self.inbox).keys() - {NAME} == set(remains)
        assert all((self.inbox / path).stat().st_mtime_ns == _MTIME for path in remains)
        archived = _files(self.archive)
        archived.pop(NAME, None)
        assert archived == scenario.archived
        assert list((self.base / "state" / "sessions").iterdir()) == [], "an upload token was kept"
        self._check_journal()

    def _check_journal(self) -> None:
        with Journal.open(self.base / "state", read_only=True) as journal:
            jobs = journal.jobs.newest()
            assert {job.path: job.state for job in jobs} == {
                path: self.scenario.states.get(path, State.DELIVERED) for path in self.scenario.files}
            bought = [job.generation_id for job in jobs if job.generation_id]
            assert len(bought) == len(set(bought)) == self.scenario.charges
            assert not any(state for scope, state in journal.halts.all().items() if scope)
        with closing(sqlite3.connect(f"file:{self.base}/state/journal.sqlite3?mode=ro", uri=True)) as db, db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        db.close()

    def visible(self) -> dict[str, bytes]:
        """What people see in the outbox."""
        return {path: data for path, data in _files(self.outbox).items() if not Path(path).name.startswith(".")}


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def born() -> Nursery:
    """A nursery that has lived its first life."""
    nursery = Nursery()
    with tempfile.TemporaryDirectory() as elsewhere, World("transcript", nursery, Path(elsewhere)) as world:
        world.go_on()
        world.check()
    return nursery


@contextmanager
def opened(name: str, nursery: Nursery, elsewhere: Path, base: Path | None = None) -> Iterator[World]:
    """A fresh world, in `base` or in a folder in memory."""
    with World(name, nursery, elsewhere, base) as world:
        try:
            yield world
        except AssertionError as error:
            log = world.log.read_text("utf-8") if world.log.exists() else ""
            error.add_note(f"{name} after {world.kills} kills; its log: {log[-4000:]}")
            raise


__all__ = ["INBOX", "Nursery", "World", "born", "opened"]
