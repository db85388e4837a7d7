"""Things that are mounted for the length of a test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from whole_studio import until


@dataclass
class Mounts:
    """Makes mounts and takes all of them away at the end."""

    points: list[Path] = field(default_factory=list)
    servers: dict[Path, subprocess.Popen[bytes]] = field(default_factory=dict)

    def tmpfs(self, point: Path, *options: str) -> None:
        """A filesystem of its own, in memory, such as with size=1m; by its source it is none that lies beneath."""
        self._mount("-t", "tmpfs", "-o", ",".join(["mode=755", *options]), "share", str(point))
        self.points.append(point)

    def bind(self, source: Path, point: Path) -> None:
        """Another folder shows here, and is kept when it shows no longer."""
        self._mount("--bind", str(source), str(point))
        self.points.append(point)

    def change(self, point: Path, *options: str) -> None:
        """Such as ro, rw, size=8m."""
        self._mount("-o", ",".join(["remount", *options]), str(point))

    def fuse(self, source: Path, point: Path) -> None:
        """Another folder shows here through a program in user space."""
        if shutil.which("bindfs") is None or not Path("/dev/fuse").exists():
            pytest.skip("bindfs or /dev/fuse is missing")
        self.servers[point] = subprocess.Popen(["bindfs", "-f", str(source), str(point)], stdin=subprocess.DEVNULL,
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                               start_new_session=True)
        self.points.append(point)
        until(lambda: os.path.ismount(point), what=lambda: "bindfs does not mount")

    def hang(self, point: Path) -> None:
        """No call below this FUSE mount comes back from now on."""
        self.servers[point].send_signal(signal.SIGSTOP)

    def go_on(self, point: Path) -> None:
        """They do again."""
        self.servers[point].send_signal(signal.SIGCONT)

    def unmount(self, point: Path) -> None:
        """What is open below may stay so, as when somebody pulls a plug."""
        subprocess.run(["umount", "--lazy", str(point)], check=True, capture_output=True)
        self.points.remove(point)

    def end(self) -> None:
        """Take all away."""
        for point in self.servers:
            self.go_on(point)
        for point in reversed(self.points):
            subprocess.run(["umount", "--lazy", str(point)], check=False, capture_output=True)
        for server in self.servers.values():
            server.terminate()
            server.wait(10)

    def _mount(self, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
