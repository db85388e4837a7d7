"""No secret is told anywhere: canaries are looked for in everything that the program leaves behind or shows."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import programs
import pytest
import structlog
from ports import free_port

from diffio_watch.config import load
from diffio_watch.daemon.daemon import Daemon
from diffio_watch.job import State
from diffio_watch.journal import Journal, JournalError
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.links import SIGNATURE
from diffio_watch.sandbox.projects import TOKEN_PREFIX

_KEY = "canary-key-5f0c1d7e9b"
_WEBHOOK = "whsec_canary7b1ecanary7b1ecanary7b1e"
_TOKEN = "canary-token-of-the-page-77a1"
_PASSWORD, _BOT, _BEAT = "canary-pw", "canaryBot0123456789abcdef", "canary-beat-31f2"
_CANARIES = tuple(one.encode() for one in (_KEY, _WEBHOOK, TOKEN_PREFIX, SIGNATURE, _TOKEN, _PASSWORD, _BOT, _BEAT))
# whoever looks after the service writes them there
_THEIR_FILES = {"key", "webhook", "token", "addresses", "config.yaml"}
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
    for child in _children(process.pid):
        with contextlib.suppress(OSError):  # it is over already
            found += _leaks("a child's command line", (child / "cmdline").read_bytes())
    for words in (["status"], ["status", "--json"], ["jobs", "--json"], ["journal", "export"]):
        done = programs.run([sys.executable, "-m", "diffio_watch", *words], env=env, capture_output=True, check=False)
        found += _leaks(" ".join(words), done.stdout + done.stderr)
    return found


def _children(pid: int) -> list[Path]:
    own = Path(f"/proc/{pid}/task").glob("*/children")
    return [Path("/proc") / child for tasks in own for child in tasks.read_text().split()]


def _shown(port: int) -> list[str]:
    """What the page tells those who may read it, and those who may not."""
    found = []
    for path in ("/", "/api/status", "/api/jobs", "/api/explain?file=take", f"/nothing?token={_TOKEN}", "/metrics",
                 "/readyz"):
        for bearer in (_TOKEN, f"not-{_TOKEN}"):
            asked = Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {bearer}"})
            try:
                with urlopen(asked, timeout=10) as answer:
                    body = answer.read() + str(answer.headers).encode()
            except HTTPError as error:
                body = error.read() + str(error.headers).encode()
            found += _leaks(f"the page's {path}", body)
    return found


def _left(tmp_path: Path) -> list[str]:
    """What stands on the disk; the upload token has one place."""
    found = []
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name not in _THEIR_FILES:
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
    (tmp_path / "token").write_text(_TOKEN)
    (tmp_path / "token").chmod(0o600)
    nobody = free_port()
    (tmp_path / "addresses").write_text(f"json://studio:{_PASSWORD}@127.0.0.1:{nobody}/{_BOT}\n"
                                        f"tgram://123456789:{_BOT}/{_PASSWORD}\n")
    port = free_port()
    page = free_port()
    sandbox.change(webhook_url=f"http://127.0.0.1:{port}/webhooks/diffio")
    config = tmp_path / "config.yaml"
    config.write_text(
        f"api: {{base_url: '{sandbox.base_url}', key_file: '{tmp_path}/key'}}\nstate_dir: '{tmp_path}/state'\n"
        f"inboxes: [{{name: a, path: '{tmp_path}/in', outbox: '{tmp_path}/out', settle: 200ms}}]\n"
        f"webhook: {{listen: '127.0.0.1:{port}', secret_file: '{tmp_path}/webhook'}}\nlimits: {{min_free: 0}}\n"
        f"web: {{listen: '127.0.0.1:{page}', token_file: '{tmp_path}/token'}}\n"
        f"notify: {{urls_file: '{tmp_path}/addresses', heartbeat: 'http://127.0.0.1:{nobody}/{_BEAT}',"
        " events: [failed, delivered]}\n"
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
        found += _shown(page)
        _until_told(tmp_path / "log", b"notice.not_sent")
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


def _until_told(log: Path, event: bytes) -> None:
    deadline = time.monotonic() + _DEADLINE
    while event not in log.read_bytes():
        assert time.monotonic() < deadline, f"{event!r} is not in the log"
        time.sleep(0.1)


def test_every_secret_that_was_read_is_on_the_logs_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second lock: no place should tell one, and where one does after all, stars stand for it."""
    for name in ("in", "out", "state"):
        (tmp_path / name).mkdir()
    for name, words in (("key", _KEY), ("webhook", _WEBHOOK), ("token", _TOKEN),
                        ("addresses", f"json://studio:{_PASSWORD}@127.0.0.1:9/{_BOT}\n")):
        (tmp_path / name).write_text(words)
        (tmp_path / name).chmod(0o600)
    page = free_port()
    (tmp_path / "config.yaml").write_text(
        f"api: {{base_url: 'http://127.0.0.1:9/v1', key_file: '{tmp_path}/key'}}\nstate_dir: '{tmp_path}/state'\n"
        f"inboxes: [{{name: a, path: '{tmp_path}/in', outbox: '{tmp_path}/out'}}]\n"
        f"webhook: {{secret_file: '{tmp_path}/webhook'}}\n"
        f"web: {{listen: '127.0.0.1:{page}', token_file: '{tmp_path}/token'}}\n"
        f"notify: {{urls_file: '{tmp_path}/addresses', heartbeat: 'http://127.0.0.1:9/{_BEAT}'}}\n"
        "log: {format: json}\n")
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    daemon = Daemon(load(tmp_path / "config.yaml", {}))
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        said = [_KEY, _WEBHOOK.removeprefix("whsec_"), _TOKEN,
                f"studio:{_PASSWORD}@", _BOT, f"http://127.0.0.1:9/{_BEAT}"]
        deadline = time.monotonic() + 15
        while True:
            with contextlib.suppress(OSError):  # refused; their secret is read when one comes
                urlopen(Request(f"http://127.0.0.1:{page}/webhooks/diffio", b"{}"), timeout=10)
            before = told.tell()
            structlog.get_logger().info("somebody.speaks", message=[f"<{word}>" for word in said])
            line = told.getvalue()[before:]
            left = [word for word in said if word in line]
            if not left:
                break
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
    finally:
        daemon.stop()
        thread.join()


def _settled(state: Path) -> bool:
    try:
        with Journal.open(state, read_only=True) as journal:
            counts = journal.totals.by_state()
    except JournalError:
        return False  # not made yet
    return counts[State.DELIVERED] + counts[State.FAILED] >= 5
