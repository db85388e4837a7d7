"""The ledger tells what was bought before it is, to whoever goes on with an older copy of the journal."""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from diffio_watch.disk import durable
from diffio_watch.job import Job, Settings, new_id
from diffio_watch.outbox import Outbox, ledger
from diffio_watch.outbox.errors import DiskTrouble

SERVICE = "https://service.example/v1"


def job(number: int = 1) -> Job:
    return Job(new_id(), "in", f"take {number}.wav", 1, 1, Settings(file_mode=0o640), sha256=f"{number:064x}",
               base_url=SERVICE, project_id=f"project {number}")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def outbox(tmp_path: Path, told: list[str]) -> Outbox:
    return Outbox(str(tmp_path), inbox="in", available=lambda: None, tell=told.append)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ledger.NAME


def projects(outbox: Outbox) -> list[str]:
    return [entry.project for entry in outbox.ledger.read()]


def test_what_was_noted_is_read(outbox: Outbox, file: Path) -> None:
    one = replace(job(), path=os.fsdecode(b"a/\xff.wav"))
    assert outbox.ledger.read() == []
    outbox.ledger.note(one)
    assert outbox.ledger.read() == [ledger.Entry(job=one.id, path="a/\\xff.wav", sha256=f"{1:064x}", service=SERVICE,
                                                 project="project 1")]
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_job_is_noted_once_for_each_of_its_projects(outbox: Outbox) -> None:
    one = job()
    for project in ("a", "a", "b"):
        outbox.ledger.note(replace(one, project_id=project))
    assert projects(outbox) == ["a", "b"]


def test_it_is_on_the_disk_before_anything_is_sent(outbox: Outbox, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = durable.sync

    def noted(fd: int) -> None:
        sync(fd)
        synced.append(os.fstat(fd).st_ino)

    monkeypatch.setattr(durable, "sync", noted)
    outbox.ledger.note(job())
    assert synced == [file.stat().st_ino]


def test_lines_that_were_cut_off_or_bent_prove_nothing(outbox: Outbox, file: Path) -> None:
    outbox.ledger.note(job(1))
    whole = file.read_bytes()
    file.write_bytes(whole + b"\xff\n[]\n" + whole.replace(b"000001", b"nobody") + whole[:-30])
    outbox.ledger.note(job(2))
    assert projects(outbox) == ["project 1", "project 2"]


def test_it_does_not_grow_without_end(outbox: Outbox, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newer half stays."""
    monkeypatch.setattr(ledger, "_MOST", 4000)
    for number in range(100):
        outbox.ledger.note(job(number))
        assert file.stat().st_size < 4500
    found = projects(outbox)
    assert len(found) > 5
    assert found == [f"project {number}" for number in range(100 - len(found), 100)]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_threads_lose_nothing_of_each_other(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_MOST", 20_000)

    def note(first: int) -> None:
        for number in range(first, first + 10):
            outbox.ledger.note(job(number))

    threads = [threading.Thread(target=note, args=(first,)) for first in range(0, 60, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(projects(outbox))) == 60


@pytest.mark.parametrize("there", ["folder", "fifo", "link", "recording", "another name of a recording"])
def test_what_stands_in_its_place_is_told_once_and_left(there: str, outbox: Outbox, file: Path, tmp_path: Path,
                                                        told: list[str]) -> None:
    recording = tmp_path / "a.wav" if "another" in there else file
    if "recording" in there:
        recording.write_bytes(b"RIFF, and what people said")
        if "another" in there:
            file.hardlink_to(recording)
    elif there == "folder":
        file.mkdir()
    elif there == "fifo":
        os.mkfifo(file)
    else:
        file.symlink_to("/etc/passwd")
    outbox.ledger.note(job(1))
    outbox.ledger.note(job(2))
    assert len(told) == 1
    assert ledger.NAME in told[0]
    if "recording" in there:
        assert recording.read_bytes() == b"RIFF, and what people said"


def test_a_backup_by_links_stays_as_it_was(outbox: Outbox, file: Path, tmp_path: Path) -> None:
    """What has a second name is replaced by a copy, and the other one is left alone."""
    outbox.ledger.note(job(1))
    backup = tmp_path / "backup"
    backup.hardlink_to(file)
    was = backup.read_bytes()
    outbox.ledger.note(job(2))
    assert backup.read_bytes() == was
    assert projects(outbox) == ["project 1", "project 2"]
    assert file.stat().st_nlink == 1


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL, errno.EIO, errno.EROFS, errno.EACCES, errno.EBUSY])
def test_a_share_that_cant_append_keeps_nothing_from_being_bought(
        number: int, outbox: Outbox, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuses(path: str, flags: int, *rest: int, **named: int) -> int:
        if flags & os.O_APPEND:
            raise OSError(number, os.strerror(number))
        return opened(path, flags, *rest, **named)

    outbox.ledger.note(job(1))
    monkeypatch.setattr(os, "open", refuses)
    outbox.ledger.note(job(2))
    outbox.ledger.note(job(3))
    assert len(told) == 1


def test_a_full_disk_is_waited_for(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is bought that is not noted: `note` is called again."""
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(durable, "write_all", full)
        with pytest.raises(DiskTrouble):
            outbox.ledger.note(one := job())
    outbox.ledger.note(one)
    assert projects(outbox) == ["project 1"]
