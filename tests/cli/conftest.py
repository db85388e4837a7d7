"""Where the commands of these tests work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cli_place import OURS, Place, clean


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Place:
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({
        "api": {"base_url": "http://127.0.0.1:1/v1"}, "state_dir": str(tmp_path / "state"),
        "inboxes": [{"name": "podcasts", "path": str(tmp_path / "in"), "outbox": str(tmp_path / "out")}],
    }))
    monkeypatch.setenv("DIFFIO_WATCH_CONFIG", str(config))
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, config, capfdbinary, clean(os.environ))
