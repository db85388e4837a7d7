"""Folders and clocks that intake's tests share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import intake_media
import pytest
from intake_room import Room

from diffio_watch.disk import lease


@pytest.fixture(scope="session", autouse=True)
def _store(shared: Path) -> None:
    intake_media.keep_in(shared / "media")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """An inbox that is as most are."""
    lease.prepare()
    found = Room(tmp_path)
    yield found
    found.intake._presence.close()
    found.journal.close()


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder of somebody who is not root, while this process is that somebody: permissions bind root too then."""
    folder = Path(tempfile.mkdtemp(prefix="diffio-watch-test-"))
    me = os.geteuid()
    if me == 0:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(me)
        shutil.rmtree(folder)
