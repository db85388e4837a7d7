"""The house of these tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from recovery_house import House

from diffio_watch.media import mediainfo
from diffio_watch.recovery import asking
from diffio_watch.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seconds=0) as service:
        yield service


@pytest.fixture
def house(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch,
          capfdbinary: pytest.CaptureFixture[bytes]) -> House:
    for name in [name for name in os.environ if name.startswith("DIFFIO_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(asking, "LOOK_TWICE", 0.01)  # what the sandbox is asked for, it has done when it answers
    monkeypatch.setattr(mediainfo, "_crumbs", None)  # the daemon in this process leaves its folder there
    return House(tmp_path, sandbox, monkeypatch, capfdbinary)
