"""Studios, the service, and recordings that are made once for all workers."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import whole_media
from whole_mounts import Mounts
from whole_studio import MakeStudio, Studio

from diffio_watch.sandbox import Sandbox


@pytest.fixture(scope="session")
def media(shared: Path) -> Path:
    """A folder with real recordings."""
    whole_media.need_tools()
    folder = shared / "whole-media"
    with (shared / "whole-media.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "whole-media.made").exists():
            whole_media.make(folder)
            (shared / "whole-media.made").touch()
    return folder


@pytest.fixture
def service() -> Iterator[Sandbox]:
    with Sandbox(seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def make_studio(tmp_path: Path, service: Sandbox) -> Iterator[MakeStudio]:
    made: list[Studio] = []

    def make(folder: str = "studio", **settings: Any) -> Studio:
        (tmp_path / folder).mkdir()
        made.append(Studio(tmp_path / folder, service, **settings))
        return made[-1]

    yield make
    for studio in made:
        studio.close()


@pytest.fixture
def studio(make_studio: MakeStudio) -> Studio:
    return make_studio()


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    """Mounts that end with the test; it is skipped where none can be made."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    made = Mounts()
    yield made
    made.end()
