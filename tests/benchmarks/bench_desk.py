"""A studio that has its page on, and who looks on there."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from bench_table import Row
from bench_world import Child, Service, Studio, World

ONLOOKERS: Final = 20
TOKEN: Final = "a-token-of-the-benchmark"


class Desk(Studio):
    """A studio with its page on loopback."""

    def __init__(self, base: Path, service: Service, world: World, settle: float | None = None, **config: Any) -> None:
        from ports import free_port  # noqa: PLC0415 - found by way of bench_world

        self.port = free_port()
        base.mkdir()
        token = base / "token"
        token.touch(0o600)
        token.write_text(TOKEN)
        web = {"listen": f"127.0.0.1:{self.port}", "token_file": str(token)}
        inbox = {"settle": world.settle if settle is None else settle}
        super().__init__(base, service.url, world.program, inbox, web=web, **config)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def json(self, *arguments: str) -> Any:
        """What a command answers with `--json`."""
        return json.loads(self.command(*arguments, "--json"))

    def get(self, path: str) -> tuple[int, float]:
        """The status of an answer, and the seconds until all of it was there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            began = time.monotonic()
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status, time.monotonic() - began

    @contextlib.contextmanager
    def onlookers(self, count: int = ONLOOKERS) -> Iterator[None]:
        """Meanwhile so many look on, from a process of their own."""
        script = str(Path(__file__).with_name("bench_onlookers.py"))
        with self._beside(sys.executable, script, str(self.port), str(count)):
            yield

    @contextlib.contextmanager
    def changes(self, a_second: float) -> Iterator[None]:
        """Meanwhile another process changes so much of what is on its way."""
        script = str(Path(__file__).with_name("bench_changes.py"))
        with self._beside(str(Path(self.program).with_name("python")), script, str(self.state), str(a_second)):
            yield

    @contextlib.contextmanager
    def _beside(self, *command: str) -> Iterator[None]:
        with (self.base / "beside").open("ab") as log, Child(command, self.base, log, output=subprocess.PIPE) as child:
            assert child.process.stdout is not None
            assert child.process.stdout.readline() == b"ready\n", (self.base / "beside").read_text()
            yield


def bounded(what: str, unit: str, values: Sequence[float], bound: float, of: str = "") -> Row:
    """A figure beside the most that it may be."""
    return Row(what, unit, list(values), {"at most": [bound]}, of)


def processor(child: Child) -> float:
    """Seconds of processor time of a process, without the children of it: finer than what /proc tells."""
    return time.clock_gettime((~child.process.pid) << 3 | 2)  # its CPUCLOCK_SCHED: see clock_getcpuclockid(3)
