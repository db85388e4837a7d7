"""No secret is told anywhere: canaries are looked for in everything that the program leaves behind or shows."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from diffio_watch.job import State
from diffio_watch.journal import Journal, JournalError
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.links import SIGNATURE
from diffio_watch.sandbox.projects import TOKEN_PREFIX

_KEY = "canary-key-5f0c1d7e9b"
_WEBHOOK = "whsec_canary7b1ecanary7b1ecanary7b1e"
_CANARIES = (_KEY.encode(), _WEBHOOK.encode(), TOKEN_PREFIX.encode(), SIGNATURE.encode())
_DEADLINE = 60.0


def _wav(path: Path, frames: int) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"\x01\x02" * frames)


@pytest.fixture(params=["multipart", "put"])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(upload=request.param, seconds=0.2, part_bytes=16 << 10, webhook_secret=_WEBHOOK) as started:
        yield started


def _make_trouble(sandbox: Sandbox) -> None:
    """Everything that makes the program speak of a request: errors that quote the key, broken and redirected calls."""
    echo = {"error": f"the key {_KEY} may not use Bearer {_KEY} at https://x.example/o?{SIGNATURE}=1"}
    sandbox.fault("create_project", "status", status=500, body=echo, first=1)
    sandbox.fault("create_project", "html", nth=3)
    sandbox.fault("generate", "status", status=400, body=echo, where="", nth=2)
    sandbox.fault("generate", "reset", after=True, first=1)
    sandbox.fault("progress", "redirect", first=1)
    sandbox.fault("progress", "status", status=401, body=echo, nth=4)
    sandbox.fault("part", "reset", first=1)
    sandbox.fault("put", "redirect", first=1)
    sandbox.fault("download", "expired", first=1)
    sandbox.fault("download", "redirect", nth=3)
    sandbox.fault("link", "broken_json", first=1)


def _leaks(place: str, data: bytes) -> list[str]:
    return [f"{canary.decode()} in {place}" for canary in _CANARIES if canary in data]


def _told(process: subprocess.Popen[bytes], tmp_path: Path, env: dict[str, str]) -> list[str]:
    """What can be seen of a running daemon from outside."""
    found = _leaks("its command line", Path(f"/proc/{process.pid}/cmdline").read_bytes())
    for words in (["status"], ["status", "--json"], ["jobs", "--json"], ["journal", "export"]):
        done = subprocess.run([sys.executable, "-m", "diffio_watch", *words], env=env, capture_output=True, check=False)
        found += _leaks(" ".join(words), done.stdout + done.stderr)
    return found


def _left(tmp_path: Path) -> list[str]:
    """What stands on the disk; the upload token has one place."""
    found = []
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name not in {"key", "webhook"}:
            data = path.read_bytes()
            if path.parent.name == "sessions":
                assert path.stat().st_mode & 0o777 == 0o600
                data = data.replace(TOKEN_PREFIX.encode(), b"")
            found += _leaks(str(path.relative_to(tmp_path)), data)
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc to look into")
@pytest.mark.slow
def test_no_secret_is_told_anywhere(sandbox: Sandbox, tmp_path: Path) -> None:
    for name in ("in", "out", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "key").write_text(_KEY)
    (tmp_path / "webhook").write_text(_WEBHOOK)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sandbox.change(webhook_url=f"http://127.0.0.1:{port}/webhooks/diffio")
    config = tmp_path / "config.yaml"
    config.write_text(
        f"api: {{base_url: '{sandbox.base_url}', key_file: '{tmp_path}/key'}}\nstate_dir: '{tmp_path}/state'\n"
        f"inboxes: [{{name: a, path: '{tmp_path}/in', outbox: '{tmp_path}/out', settle: 200ms}}]\n"
        f"webhook: {{listen: '127.0.0.1:{port}', secret_file: '{tmp_path}/webhook'}}\nlimits: {{min_free: 0}}\n"
        "log: {level: debug, format: json}\n")
    for number in range(6):
        _wav(tmp_path / "in" / f"take {number}.wav", 20_000 + number)
    _make_trouble(sandbox)
    env = {**os.environ, "DIFFIO_WATCH_CONFIG": str(config)}
    with (tmp_path / "log").open("wb") as log:
        daemon = subprocess.Popen([sys.executable, "-m", "diffio_watch", "run"], env=env, stdout=log, stderr=log)
    try:
        found: list[str] = []
        deadline = time.monotonic() + _DEADLINE
        while time.monotonic() < deadline and not _settled(tmp_path / "state"):
            began = time.monotonic()
            found += _told(daemon, tmp_path, env)
            found += _left(tmp_path)
            time.sleep(2 * (time.monotonic() - began))  # looking takes long, and is no more than a look
        found += _told(daemon, tmp_path, env)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(10) == 0
    finally:
        daemon.kill()
        daemon.wait()
    found += _left(tmp_path)
    assert found == []
    assert sandbox.leaks == []
    assert (tmp_path / "log").read_bytes().count(b"job.") > 6  # it did speak
    assert {200} <= {one["answer"] for one in sandbox.report()["deliveries"]}  # and knew the secret


def _settled(state: Path) -> bool:
    try:
        with Journal.open(state, read_only=True) as journal:
            counts = journal.totals.by_state()
    except JournalError:
        return False  # not made yet
    return counts[State.DELIVERED] + counts[State.FAILED] >= 5
