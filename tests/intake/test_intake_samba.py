"""A real Samba server writes slow uploads into an inbox, as an editor's machine does."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from intake_media import tone
from intake_room import Room

from diffio_watch.disk import lease
from diffio_watch.disk.mounts import mount_of

CONFIG = """[global]
workgroup = TEST
server role = standalone server
smb ports = {port}
interfaces = 127.0.0.1
bind interfaces only = yes
disable netbios = yes
map to guest = Bad User
log level = 0
{folders}
[in]
path = {inbox}
read only = no
guest ok = yes
force user = root
strict allocate = yes
"""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    lease.prepare()
    found = Room(tmp_path)
    if not mount_of(str(found.inbox)).leases:
        pytest.skip("the temporary folder lies where leases are not true")
    yield found
    found.journal.close()


@pytest.fixture
def share(room: Room, tmp_path: Path) -> Iterator[list[str]]:
    """The command of a client of a share that is the inbox."""
    if shutil.which("smbd") is None or shutil.which("smbclient") is None:
        pytest.skip("samba and smbclient are not installed")
    if os.geteuid() != 0:
        pytest.skip("smbd has to be root")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    state = tmp_path / "samba"
    names = ("lock directory", "state directory", "cache directory", "pid directory", "private dir", "ncalrpc dir")
    for name in names:
        (state / name.split()[0]).mkdir(parents=True)
    folders = "\n".join(f"{name} = {state / name.split()[0]}" for name in names)
    (state / "smb.conf").write_text(CONFIG.format(port=port, folders=folders, inbox=room.inbox))
    # in a session of its own: at its end it ends its whole process group
    server = subprocess.Popen(
        ["smbd", "-F", "--no-process-group", "-s", state / "smb.conf", "-l", state], start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    command = ["smbclient", "//127.0.0.1/in", "-N", "-p", str(port), "-s", str(state / "smb.conf")]
    try:
        end = time.monotonic() + 15
        while subprocess.run([*command, "-c", "ls"], capture_output=True, check=False).returncode != 0:
            if server.poll() is not None or time.monotonic() > end:
                pytest.skip("no smbd can be started here")
            time.sleep(0.1)  # it listens when it listens
        yield command
    finally:
        server.terminate()
        server.wait(10)


def test_a_slow_upload_is_taken_only_once_it_is_closed(room: Room, share: list[str], tmp_path: Path) -> None:
    content = tone(tmp_path / "take.wav", 60).read_bytes()
    slow = tmp_path / "slow"
    os.mkfifo(slow)
    with subprocess.Popen([*share, "-c", f"put {slow} take.wav"], stdout=subprocess.DEVNULL) as client:
        with slow.open("wb") as source:
            source.write(content[:len(content) // 2])
            source.flush()
            end = time.monotonic() + 10
            while not (room.inbox / "take.wav").exists():
                assert time.monotonic() < end
                time.sleep(0.02)  # the server's time
            room.pass_time(120.0)  # far longer than the quiet time
            assert room.states() == {}
            assert list(room.settling().values()) == ["open_for_writing"]
            source.write(content[len(content) // 2:])
        assert client.wait(20) == 0
    room.pass_time(30.0)
    assert room.states() == {"take.wav": "queued"}
    assert room.job("take.wav").size == len(content)


def test_a_rename_over_the_share_takes_the_job_along(room: Room, share: list[str], tmp_path: Path) -> None:
    tone(tmp_path / "take.wav")
    subprocess.run([*share, "-c", f"put {tmp_path / 'take.wav'} take.wav"], check=True, capture_output=True)
    room.pass_time(5.0)
    subprocess.run([*share, "-c", "mkdir show; rename take.wav show\\one.wav"], check=True, capture_output=True)
    room.pass_time(5.0)
    assert room.states() == {"show/one.wav": "queued"}
