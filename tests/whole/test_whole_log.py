"""A log that can't be written keeps no recording from being delivered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from whole_studio import MakeStudio, clean_environment


@pytest.mark.slow
def test_a_full_log_and_a_service_manager_that_is_gone_stop_no_delivery(media: Path, make_studio: MakeStudio) -> None:
    studio = make_studio()
    studio.configure()
    (studio.inbox() / "a.wav").write_bytes((media / "wav 16 bit.wav").read_bytes())
    with Path("/dev/full").open("wb", buffering=0) as full:
        done = subprocess.run(
            [sys.executable, "-m", "diffio_watch", "once", "-c", str(studio.config_file)], stdin=subprocess.DEVNULL,
            stdout=full, stderr=full, cwd=studio.base, check=False, timeout=60,
            env=clean_environment() | {"NOTIFY_SOCKET": "/nowhere"})
    assert done.returncode == 0
    assert list(studio.sidecars()) == ["a.wav"]
    studio.check()
