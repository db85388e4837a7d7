"""Archives and outboxes that do not take what comes: the inbox stops, says which folder it is, and heals by itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from sounds import sound
from whole_studio import NAME, MakeStudio, Studio, until


@pytest.fixture
def archiving(make_studio: MakeStudio, tmp_path: Path) -> Studio:
    (tmp_path / "archive").mkdir()
    return make_studio(inboxes={NAME: {"originals": "archive", "archive": str(tmp_path / "archive")}})


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """This user may not write there: as the system tells it; to root, who runs some of these tests, it never would."""
    asked = os.access

    def access(path: Any, mode: int, **how: Any) -> bool:
        return str(path) != str(folder) and asked(path, mode, **how)

    monkeypatch.setattr(os, "access", access)


@pytest.mark.usefixtures("impatient")
def test_without_its_archive_an_inbox_stops_and_says_so_and_goes_on_when_it_is_back(
    archiving: Studio, tmp_path: Path,
) -> None:
    archive = tmp_path / "archive"
    archiving.start()
    (archiving.inbox() / "a.wav").write_bytes(sound("1"))
    archiving.wait("a.wav")
    until(lambda: archiving.job("a.wav").original == "archived", what=archiving.told)
    archiving.service.change(seconds=3600)
    (archiving.inbox() / "b.wav").write_bytes(sound("2"))
    archiving.wait("b.wav", state="waiting")
    archive.rename(tmp_path / "away")
    scope = f"inbox:{NAME}:archive"
    until(lambda: scope in archiving.halts(), what=archiving.told)
    (archiving.inbox() / "c.wav").write_bytes(sound("3"))
    archiving.ready()
    archiving.wait("b.wav")  # what is paid for is delivered
    archiving.wait("c.wav", state="queued")
    stopped = archiving.json("status")["inboxes"][0]["stopped"]
    assert stopped["reason"] == "outbox_unavailable"
    assert f"archive {archive}" in stopped["message"]
    job = archiving.job("b.wav")
    until(lambda: str(archive) in archiving.history(job.id)[-1].detail, what=archiving.told)
    told = len(archiving.history(job.id))
    assert job.original == "pending"
    (tmp_path / "away").rename(archive)
    archiving.wait("c.wav")
    until(lambda: not [path for path in archiving.inbox().iterdir() if path.suffix], what=archiving.told)
    assert scope not in archiving.halts()
    assert len(archiving.history(job.id)) == told + 1  # the reason was told once
    assert archiving.service.charges == 3


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("role", ["outbox", "archive"])
def test_a_folder_that_may_not_be_written_is_not_said_to_be_missing(
    archiving: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str,
) -> None:
    folder = archiving.outbox() if role == "outbox" else tmp_path / "archive"
    with monkeypatch.context() as patch:
        refuse(patch, folder)
        archiving.start()
        scope = f"inbox:{NAME}:{role}"
        until(lambda: scope in archiving.halts(), what=archiving.told)
        stopped = archiving.json("status")["inboxes"][0]["stopped"]
        assert stopped["message"] == f"The {role} {folder} can't be written by this user."
        assert "right to write" in stopped["action"]
        assert "adopt" not in stopped["action"]
    until(lambda: scope not in archiving.halts(), what=archiving.told)


@pytest.mark.usefixtures("impatient")
def test_a_stop_that_outlives_a_restart_is_told_again_once(archiving: Studio, tmp_path: Path) -> None:
    archiving.start()
    (tmp_path / "archive").rename(tmp_path / "away")
    scope = f"inbox:{NAME}:archive"
    until(lambda: archiving.events("work.halted"), what=archiving.told)
    assert [event["scope"] for event in archiving.events("work.halted")] == [scope]
    archiving.restart()
    until(lambda: archiving.events("work.still_halted"), what=archiving.told)
    (event,) = archiving.events("work.still_halted")
    assert (event["scope"], event["reason"], event["level"]) == (scope, "outbox_unavailable", "warning")
    assert str(tmp_path / "archive") in event["message"]
