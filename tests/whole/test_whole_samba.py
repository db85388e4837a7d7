"""An editor's machine writes over a real Samba server into the inbox of the whole daemon."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from samba import shared
from sounds import sound
from whole_studio import Studio, until


@pytest.fixture(params=["yes", "no"], ids=["allocated before", "growing"])
def share(request: pytest.FixtureRequest, studio: Studio, tmp_path: Path) -> Iterator[list[str]]:
    """The command of a client of a share that is the inbox."""
    with shared(studio.inbox(), tmp_path / "samba", request.param) as command:
        yield command


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
