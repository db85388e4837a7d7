"""`check` tries the listening process on a second of sound, and says where the extra is missing."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from diffio_watch.cli.listening_findings import listening
from diffio_watch.config import load


def _config(tmp_path: Path, web: str) -> Path:
    for name in ("in", "out", "state"):
        (tmp_path / name).mkdir()
    file = tmp_path / "config.yaml"
    file.write_text(f"state_dir: {tmp_path}/state\n"
                    f"inboxes: [{{name: a, path: {tmp_path}/in, outbox: {tmp_path}/out}}]\n{web}")
    return file


def test_it_says_that_it_works(tmp_path: Path) -> None:
    pytest.importorskip("av")
    found = listening(load(_config(tmp_path, 'web: {listen: "127.0.0.1:8480"}'), {}))
    assert [(one.level, one.message) for one in found] == [("ok", "Waveforms, loudness and previews can be made.")]


def test_a_missing_extra_is_told_and_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", hidden)
    (found,) = listening(load(_config(tmp_path, 'web: {listen: "127.0.0.1:8480"}'), {}))
    assert found.level == "ok"
    assert "pip install 'av>=18.1,<19'" in found.message


def test_where_there_is_no_page_nothing_is_said(tmp_path: Path) -> None:
    assert listening(load(_config(tmp_path, ""), {})) == []
