"""A real Samba server writes slow uploads into an inbox, as an editor's machine does."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from intake_media import tone
from intake_room import Room
from samba import shared

from diffio_watch.disk import lease
from diffio_watch.disk.mounts import mount_of


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
    with shared(room.inbox, tmp_path / "samba") as command:
        yield command


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
