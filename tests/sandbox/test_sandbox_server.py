"""The sandbox as a server: where it listens, how it stops, what another process may ask of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from diffio_watch.sandbox import Sandbox

KEY = {"Authorization": "Bearer canary-key-1"}


def post(url: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(url, json=body, headers=KEY, trust_env=False)


def test_it_listens_on_loopback_only_with_an_origin_for_each_host(sandbox: Sandbox) -> None:
    ports = {url.rpartition(":")[2] for url in sandbox.origins.values()}
    assert len(ports) == 4
    assert all(url.startswith("http://127.0.0.1:") for url in sandbox.origins.values())
    assert sandbox.base_url == sandbox.origins["api"] + "/v1"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", int(ports.pop())), timeout=1)


def test_it_starts_and_stops_in_a_moment_and_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    start = time.monotonic()
    with Sandbox() as sandbox:
        assert post(f"{sandbox.base_url}/list_projects", {}).status_code == 200
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert time.monotonic() - start < 2
    assert not [each for each in threading.enumerate() if each.name == "sandbox"]


def test_stopped_it_refuses_and_started_again_it_remembers(sandbox: Sandbox) -> None:
    url = f"{sandbox.base_url}/create_project"
    project = post(url, {"fileName": "a.wav"}).json()["apiProjectId"]
    sandbox.stop()
    with pytest.raises(httpx.ConnectError):
        post(url, {"fileName": "b.wav"})
    assert [each["id"] for each in sandbox.projects()] == [project]
    sandbox.start()
    listed = post(f"{sandbox.base_url}/list_projects", {}).json()["projects"]
    assert [each["apiProjectId"] for each in listed] == [project]


def test_in_the_foreground_it_serves_until_it_is_stopped(sandbox: Sandbox) -> None:
    waiting = threading.Thread(target=sandbox.wait)
    waiting.start()
    assert post(f"{sandbox.base_url}/list_projects", {}).status_code == 200
    assert waiting.is_alive()
    sandbox.stop()
    waiting.join(5)
    assert not waiting.is_alive()


def test_its_own_folder_goes_and_a_given_one_stays(tmp_path: Path) -> None:
    with Sandbox() as own, Sandbox(folder=tmp_path) as given:
        folder = own._state.folder
        assert folder.is_dir()
        assert given._state.folder == tmp_path
    assert (folder.exists(), tmp_path.is_dir()) == (False, True)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary ones are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_taken_port_is_an_error_at_once_and_leaves_nothing(sandbox: Sandbox, temporary: Path) -> None:
    taken = int(sandbox.origins["api"].rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), Sandbox(port=taken):
        pass
    assert list(temporary.iterdir()) == []


def test_unknown_settings_and_webhooks_beyond_loopback_are_refused_and_leave_nothing(
        sandbox: Sandbox, temporary: Path) -> None:
    with pytest.raises(ValueError, match="uplod"):
        sandbox.change(uplod="put")
    with pytest.raises(ValueError, match="loopback"):
        Sandbox(webhook_url="https://example.com/hook")
    with pytest.raises(ValueError, match="uplod"):
        Sandbox(uplod="put")
    assert list(temporary.iterdir()) == []


def test_another_process_may_look_and_meddle_where_it_is_allowed(sandbox: Sandbox) -> None:
    assert httpx.get(f"{sandbox.origins['api']}/_sandbox", trust_env=False).status_code == 405
    with Sandbox(controlled=True, seconds=100) as controlled:
        control = f"{controlled.origins['api']}/_sandbox"
        assert post(f"{control}/fault", {"call": "list_projects", "kind": "status", "status": 503, "nth": 1}).is_success
        assert post(f"{control}/change", {"upload": "put"}).is_success
        assert post(f"{control}/skip", {"seconds": 3600}).is_success
        assert post(f"{controlled.base_url}/list_projects", {}).status_code == 503
        assert "uploadUrl" in post(f"{controlled.base_url}/create_project", {"fileName": "a.wav"}).json()
        report = httpx.get(control, trust_env=False).json()
        assert (report["charges"], report["violations"], report["projects"][0]["file_name"]) == (0, [], "a.wav")
        assert (report["rules"][0]["matched"], report["rules"][0]["fired"]) == (1, 1)
        assert post(f"{control}/fault", {"call": "x", "kind": "?"}).status_code == 400
        assert post(f"{control}/change", {"nonsense": 1}).status_code == 400
        assert post(f"{control}/dance", {}).status_code == 404
        counts = httpx.get(f"{control}/counts", trust_env=False).json()
        assert (counts["charges"], counts["calls"]) == (0, {"list_projects": 1, "create_project": 1})
        seen = httpx.get(f"{control}/seen", params={"call": "create_project"}, trust_env=False).json()["seen"]
        assert [(one["file_name"], one["status"]) for one in seen] == [("a.wav", 200)]
        assert post(f"{control}/calm", {}).is_success
        assert controlled.report()["rules"] == []


def test_two_hundred_files_by_four_clients(sandbox: Sandbox) -> None:
    sandbox.change(upload="put")

    def send(number: int) -> None:
        said = {"fileName": f"{number}.wav", "contentType": "audio/wav", "contentLength": 100_000}
        project = client.post(f"{sandbox.base_url}/create_project", json=said, headers=KEY).json()
        body = bytes([number % 256]) * 100_000
        client.put(project["uploadUrl"], content=body, headers={"Content-Type": "audio/wav"}).raise_for_status()
        paid = {"apiProjectId": project["apiProjectId"], "idempotencyKey": str(number)}
        client.post(f"{sandbox.base_url}/diffio-4.6-flash-generation", json=paid, headers=KEY).raise_for_status()

    with httpx.Client(trust_env=False, timeout=30) as client, ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(200)))
    assert (sandbox.charges, len(sandbox.charges_by_project)) == (200, 200)
    assert (sandbox.violations, sandbox.leaks) == ([], [])
    assert all(seen.status == 200 for seen in sandbox.seen())


def test_memory_stays_flat_whatever_the_size(tmp_path: Path) -> None:
    """A process of its own takes 200 MB in and hands them out again without ever holding 100 of them."""
    script = (
        "import pathlib, sys\n"
        "from diffio_watch.sandbox import Sandbox\n"
        "with Sandbox(upload='put', seconds=0) as sandbox:\n"
        "    print(sandbox.base_url, flush=True)\n"
        "    sys.stdin.readline()\n"
        "    print(pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
    )
    size = 200_000_000
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)},
    ) as process, httpx.Client(trust_env=False, timeout=60) as client:  # fmt: skip
        assert process.stdout is not None
        base = process.stdout.readline().strip()
        said = {"fileName": "a.wav", "contentType": "audio/wav", "contentLength": size}
        project = client.post(f"{base}/create_project", json=said, headers=KEY).json()
        headers = {"Content-Type": "audio/wav", "Content-Length": str(size)}
        pieces = (bytes(1_000_000) for _ in range(200))
        client.put(project["uploadUrl"], content=pieces, headers=headers).raise_for_status()
        paid = {"apiProjectId": project["apiProjectId"], "idempotencyKey": "k"}
        generation = client.post(f"{base}/diffio-4.6-flash-generation", json=paid, headers=KEY).json()
        asked = {name: generation[name] for name in ("generationId", "apiProjectId")}
        url = client.post(f"{base}/get_generation_download", json=asked, headers=KEY).json()["downloadUrl"]
        with client.stream("GET", url) as answer:
            assert sum(len(piece) for piece in answer.iter_bytes()) == size
        told, _ = process.communicate("\n")
    assert int(told) < 100_000  # kB
