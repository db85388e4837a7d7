"""A Debian of its own, booted by systemd-nspawn, in which a new administrator follows the README.

Its root is made once by mmdebstrap, pip's packages are fetched once, and both are kept in pytest's cache, or in
$DIFFIO_WATCH_TEST_ROOTS; what is written in a test goes into a layer above the root. Its only network is a loopback, on
which the sandbox listens.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import pty
import re
import select
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

CHECKOUT: Final = Path(__file__).parents[2]
MIRROR: Final = "http://deb.debian.org/debian"
PACKAGES: Final = ("systemd-sysv", "dbus", "python3", "python3-venv", "sudo", "iproute2", "mount", "bindfs")
PYTHONS: Final = {"bookworm": "3.11", "trixie": "3.13"}
URL: Final = "http://127.0.0.1:8490/v1"
_ENV: Final = ("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
               "LANG=C.UTF-8", "TERM=dumb", f"DIFFIO_API_BASE_URL={URL}")
_NEEDED: Final = ("mmdebstrap", "systemd-nspawn", "unshare", "nsenter", "ip", "losetup", "mkfs.ext4")


def until(ready: Callable[[], object], seconds: float, what: Callable[[], object] = lambda: "",
          pause: float = 0.25) -> None:
    """Wait until something is so; most looks are programs, and cost more than the wait."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"not so within {seconds} s: {what()}"
        time.sleep(pause)


def call(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def roots_of(config: pytest.Config, scratch: Path) -> Path:
    """Where roots are kept: in pytest's cache; for one run only where that is switched off."""
    cache = getattr(config, "cache", None)
    return scratch / "roots" if cache is None else Path(cache.mkdir("roots"))


def _kept(cache: Path) -> Path:
    roots = Path(os.environ.get("DIFFIO_WATCH_TEST_ROOTS") or cache)
    roots.mkdir(parents=True, exist_ok=True)
    return roots


def base(suite: str, cache: Path) -> Path:
    """The root of a suite, made where it is not there yet. The test is skipped where that can't be."""
    if os.geteuid() != 0:
        pytest.skip("only root boots containers")
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")
    roots = _kept(cache)
    root = roots / suite
    with (roots / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.is_dir():
            return root
        try:
            urllib.request.urlopen(f"{MIRROR}/dists/{suite}/InRelease", timeout=20).close()
        except OSError as error:
            pytest.skip(f"no Debian mirror: {error}")
        half = roots / f"{suite}.half"
        shutil.rmtree(half, ignore_errors=True)
        packages = f"--include={','.join(PACKAGES)}"
        call("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", packages, suite, half, MIRROR)
        half.rename(root)
    return root


def wheels(suite: str, cache: Path, folder: Path) -> None:
    """What pip is to find in there: all that the program needs, with its extras, and what builds it.

    It is kept beside the root, as long as the program asks for the same.
    """
    roots = _kept(cache)
    told = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
    parts = told["project"]["optional-dependencies"]
    wanted = [*told["project"]["dependencies"], *told["build-system"]["requires"],
              *parts["notify"], *parts["waveforms"]]
    kept = roots / f"wheels-{suite}-{hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]}"
    with (roots / f"wheels-{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            for old in roots.glob(f"wheels-{suite}-*"):
                shutil.rmtree(old)
            half = kept.with_name(f"{kept.name}.half")
            _fetch(suite, half, wanted)
            half.rename(kept)
        shutil.copytree(kept, folder)


def _fetch(suite: str, folder: Path, wanted: Sequence[str]) -> None:
    machine = platform.machine()
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(17, 37)] + [f"manylinux2014_{machine}"]
    call(sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "-d", folder,
         "--only-binary=:all:", "--python-version", PYTHONS[suite],
         *(f"--platform={one}" for one in platforms), *wanted)


@dataclass
class Done:
    """What a command in there came to."""

    code: int
    out: str

    def __str__(self) -> str:
        return f"{self.code}: {self.out}"


@dataclass
class Container:
    """A booted Debian. `share` is a block device with an empty ext4, to be mounted in there."""

    root: Path
    share: str
    network: int
    log: Path
    _process: subprocess.Popen[bytes] | None = field(default=None)

    def boot(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["systemd-nspawn", "--register=no", "--keep-unit", "--quiet", "--boot", f"--directory={self.root}",
                 f"--network-namespace-path=/proc/{self.network}/ns/net", "--console=read-only",
                 f"--bind={self.share}", "--resolv-conf=off", "--timezone=off"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.is_up()

    def is_up(self) -> None:
        """Wait until it is."""
        until(lambda: self.leader() is not None and self.run("systemctl is-system-running").out.strip() in {
            "running", "degraded"}, 60, lambda: (self.leader(), str(self.run("systemctl --failed")), self.console()))

    def console(self) -> str:
        return self.log.read_text("utf-8", "replace")[-2000:]

    def leader(self) -> int | None:
        """Its first process."""
        assert self._process is not None
        assert self._process.poll() is None, self.console()
        with suppress(OSError, ValueError):
            for child in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        return None

    def _inside(self) -> list[str]:
        return ["nsenter", "-t", str(self.leader()), "-m", "-u", "-i", "-n", "-p", "-C", *_ENV]

    def run(self, script: str, *, stdin: bytes = b"", seconds: float = 120) -> Done:
        """Run a script of a root's shell."""
        done = subprocess.run([*self._inside(), "bash", "-c", f"cd; {script}"], input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds, check=False)
        return Done(done.returncode, done.stdout.decode("utf-8", "replace"))

    def does(self, script: str, *, seconds: float = 120) -> str:
        """Run one that has to succeed."""
        done = self.run(script, seconds=seconds)
        assert done.code == 0, f"{script}\n{done}"
        return done.out

    def at_terminal(self, script: str, answers: dict[str, str], *, seconds: float = 180) -> Done:
        """Run a script on a terminal, and answer each question as a person does."""
        words = [*self._inside(), "bash", "-c", f"cd; {script}"]
        pid, terminal = pty.fork()
        if pid == 0:
            try:
                os.execvp(words[0], words)
            finally:
                os._exit(127)  # never back into the tests
        told, left, end = b"", dict(answers), time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                if not select.select([terminal], [], [], 1)[0]:
                    continue
                try:
                    more = os.read(terminal, 65536)
                except OSError:  # EIO: whoever was there has ended
                    break
                told += more
                for question in [one for one in left if one.encode() in told]:
                    os.write(terminal, f"{left.pop(question)}\n".encode())
            else:
                os.kill(pid, signal.SIGKILL)
        finally:
            os.close(terminal)
            _, status = os.waitpid(pid, 0)
        return Done(os.waitstatus_to_exitcode(status), told.decode("utf-8", "replace").replace("\r\n", "\n"))

    def reboot(self) -> None:
        """Boot anew."""
        process = self._process
        assert process is not None
        self.run("systemctl reboot")
        assert process.wait(60) == 133, self.console()  # "boot it anew", of systemd-nspawn
        self.boot()

    def state(self, *names: str) -> dict[str, str]:
        """What systemd says of the service."""
        told = self.does(f"systemctl show diffio-watch.service -p {','.join(names)}")
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)

    def jobs(self) -> dict[str, dict[str, Any]]:
        """The newest job of each path."""
        listed: list[dict[str, Any]] = json.loads(self.does("diffio-watch jobs --limit 0 --json"))
        return {job["path"]: job for job in reversed(listed)}

    def delivers(self, path: str, seconds: float = 60) -> None:
        """Wait until a file is delivered, and have the program tell of it."""
        until(lambda: self._journal(path) == "delivered", seconds,
              lambda: f"{self.jobs().get(path)}\n{self.run('diffio-watch status; journalctl -u diffio-watch | tail')}",
              pause=0.1)
        assert self.jobs()[path]["state"] == "delivered"

    def _journal(self, path: str) -> str | None:
        """The state of a path's newest job, read from outside: a look of the program's own takes 0.2 s of a core."""
        file = self.root / "var/lib/diffio-watch/journal.sqlite3"
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            row = db.execute("SELECT state FROM jobs WHERE path = ? ORDER BY seq DESC", (path.encode(),)).fetchone()
            return None if row is None else str(row[0])
        return None  # not there yet

    def charges(self) -> int:
        """What the sandbox counts."""
        url = re.sub("/v1$", "/_sandbox", URL)
        told = json.loads(call("nsenter", "-t", str(self.network), "-n", sys.executable, "-c",
                               f"import urllib.request; print(urllib.request.urlopen({url!r}).read().decode())"))
        assert told["violations"] == []
        return int(told["charges"])

    def halt(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()  # it powers off in order
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
        self._process.kill()
        self._process.wait()


@contextmanager
def network() -> Iterator[int]:
    """A network that is a loopback and nothing else; the process that holds it."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    try:
        own = Path("/proc/self/ns/net").readlink()
        until(lambda: Path(f"/proc/{holder.pid}/ns/net").readlink() != own, 10)
        call("nsenter", "-t", str(holder.pid), "-n", "ip", "link", "set", "lo", "up")
        yield holder.pid
    finally:
        holder.kill()
        holder.wait()


@contextmanager
def sandbox(holder: int, seconds: float) -> Iterator[None]:
    """The sandbox in such a network, at its usual port; generations take so many seconds."""
    process = subprocess.Popen(["nsenter", "-t", str(holder), "-n", sys.executable, "-m", "diffio_watch", "sandbox",
                                "--seconds", str(seconds)], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def booted(suite: str, cache: Path, scratch: Path) -> Iterator[Container]:
    """A Debian with this checkout in /root/diffio-watch, and the sandbox on its loopback."""
    lower = base(suite, cache)
    with ExitStack() as stack:
        layer, root = scratch / "layer", scratch / "root"
        for folder in (layer / "upper", layer / "work", root):
            folder.mkdir(parents=True)
        call("mount", "-t", "overlay", "overlay", "-o",
             f"lowerdir={lower},upperdir={layer / 'upper'},workdir={layer / 'work'}", root)
        stack.callback(call, "umount", "--lazy", root)
        image = scratch / "share.img"
        with image.open("wb") as file:
            file.truncate(64 << 20)
        call("mkfs.ext4", "-q", image)
        share = call("losetup", "--find", "--show", image).strip()
        stack.callback(call, "losetup", "--detach", share)
        holder = stack.enter_context(network())
        stack.enter_context(sandbox(holder, 2))
        wheels(suite, cache, root / "wheels")
        _furnish(root)
        container = Container(root, share, holder, scratch / "console.log")
        stack.callback(container.halt)
        container.boot()
        yield container


def _furnish(root: Path) -> None:
    """Put into it what a machine has from elsewhere: a checkout, the way to its packages, the service's address."""
    (root / "etc/pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    settings = root / "etc/systemd/system.conf.d/sandbox.conf"
    settings.parent.mkdir()
    settings.write_text(f"[Manager]\nDefaultEnvironment=DIFFIO_API_BASE_URL={URL}\n")
    (root / "etc/sudoers.d/sandbox").write_text("Defaults env_keep += DIFFIO_API_BASE_URL\n")
    (root / "etc/fstab").write_text("")
    checkout = root / "root/diffio-watch"
    checkout.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "config.example.yaml"):
        shutil.copy(CHECKOUT / name, checkout)
    for name in ("diffio_watch", "systemd"):
        shutil.copytree(CHECKOUT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))


def quoted(*words: str) -> str:
    return shlex.join(words)
