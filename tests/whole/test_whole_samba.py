"""An editor's machine writes over a real Samba server into the inbox of the whole daemon."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_media import sound
from whole_studio import Studio, until

CONFIG = """[global]
server role = standalone server
smb ports = {port}
interfaces = 127.0.0.1
bind interfaces only = yes
disable netbios = yes
map to guest = Bad User
log level = 0
lock directory = {state}
state directory = {state}
cache directory = {state}
pid directory = {state}
private dir = {state}
ncalrpc dir = {state}/rpc
[in]
path = {inbox}
read only = no
guest ok = yes
force user = root
strict allocate = {allocate}
"""


@pytest.fixture(params=["yes", "no"], ids=["allocated before", "growing"])
def share(request: pytest.FixtureRequest, studio: Studio, tmp_path: Path) -> Iterator[list[str]]:
    """The command of a client of a share that is the inbox."""
    if shutil.which("smbd") is None or shutil.which("smbclient") is None:
        pytest.skip("samba and smbclient are not installed")
    if os.geteuid() != 0:
        pytest.skip("smbd has to be root")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    state = tmp_path / "samba"
    state.mkdir()
    config = state / "smb.conf"
    config.write_text(CONFIG.format(port=port, state=state, inbox=studio.inbox(), allocate=request.param))
    # in a session of its own: at its end it ends its whole process group
    server = subprocess.Popen(["smbd", "-F", "--no-process-group", "-s", config, "-l", state], start_new_session=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    command = ["smbclient", "//127.0.0.1/in", "-N", "-p", str(port), "-s", str(config)]
    try:
        until(lambda: server.poll() is not None or _answers(command))
        if server.poll() is not None:
            pytest.skip("no smbd can be started here")
        yield command
    finally:
        server.terminate()
        server.wait(10)


def _answers(command: list[str]) -> bool:
    return subprocess.run([*command, "-c", "ls"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_a_slow_upload_is_taken_once_it_is_whole_and_follows_a_rename(
    share: list[str], studio: Studio, tmp_path: Path,
) -> None:
    content = sound("take", 60)
    slow = tmp_path / "slow"
    os.mkfifo(slow)
    studio.start()
    with subprocess.Popen([*share, "-c", f"put {slow} take.wav"], stdout=subprocess.DEVNULL) as client:
        with slow.open("wb") as source:
            source.write(content[:len(content) // 2])
            source.flush()
            until(lambda: studio.settling() == {"take.wav": "open_for_writing"}, what=studio.told)
            assert studio.explain("take.wav") == ("waiting", "open_for_writing")
            studio.skip(20)
            until(lambda: studio.job_count() == 0 and studio.settling() == {"take.wav": "open_for_writing"})
            source.write(content[len(content) // 2:])
        assert client.wait(20) == 0
    studio.skip(15)
    studio.wait("take.wav")
    subprocess.run([*share, "-c", "mkdir show; rename take.wav show\\one.wav"], check=True, capture_output=True)
    studio.wait("show/one.wav")
    assert studio.service.charges == 1
    assert studio.sidecars()["take.wav"]["source"]["size"] == len(content)
