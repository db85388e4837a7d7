"""Nothing re-buys the inbox: each of these is a thing that people do, with the number of charges after it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from recovery_house import House

from diffio_watch.job import State
from diffio_watch.journal import Journal


@pytest.fixture
def full(house: House) -> House:
    """A house with four restored recordings."""
    for number in range(4):
        house.drop(f"show {number % 2}/take {number}.wav", number)
    assert house.once() == 0
    house.check(4)
    return house


def still_four(house: House) -> None:
    assert house.once() == 0
    house.check(4)
    assert set(house.states().values()) == {State.DELIVERED}


def test_an_edited_configuration(full: House) -> None:
    full.configure(model="diffio-4.6-pro", sampling={"seed": 7}, params={"tag": "x"}, outputs=["audio", "transcript"],
                   output_name="{stem}.new{ext}", duplicates="process", priority=5)
    still_four(full)


def test_a_touch_of_every_file(full: House) -> None:
    for path in full.inbox.rglob("*.wav"):
        os.utime(path)
    still_four(full)


def test_a_touch_of_every_file_while_the_daemon_runs(full: House) -> None:
    full.configure(rescan=0.5)  # a touch alone is no event; the scan finds it
    with full.running():
        for path in full.inbox.rglob("*.wav"):
            os.utime(path)
        times = {str(path.relative_to(full.inbox)): path.stat().st_mtime_ns for path in full.inbox.rglob("*.wav")}
        full.wait(lambda: {path: job.mtime_ns for path, job in full.jobs().items()} == times)
    still_four(full)


@pytest.mark.parametrize("running", [False, True])
def test_a_rename_of_a_folder(full: House, *, running: bool) -> None:
    ids = {job.id for job in full.jobs().values()}
    if running:
        with full.running():
            (full.inbox / "show 0").rename(full.inbox / "season one")
            full.wait(lambda: "season one/take 0.wav" in full.jobs())
    else:
        (full.inbox / "show 0").rename(full.inbox / "season one")
    still_four(full)
    assert {job.id for job in full.jobs().values()} == ids
    assert "season one/take 0.wav" in full.jobs()


def test_a_rename_of_a_file_and_back(full: House) -> None:
    path = full.inbox / "show 0/take 0.wav"
    path.rename(full.inbox / "renamed.wav")
    still_four(full)
    (full.inbox / "renamed.wav").rename(path)
    still_four(full)


def test_a_copy_over_itself_by_a_program_that_replaces(full: House) -> None:
    """Restored from a backup: another inode, the same content and time."""
    for path in full.inbox.rglob("*.wav"):
        shutil.copy2(path, full.base / "copy")
        (full.base / "copy").rename(path)
    still_four(full)


def test_every_file_taken_out_and_put_back(full: House) -> None:
    (full.base / "away").mkdir()
    for folder in ("show 0", "show 1"):
        (full.inbox / folder).rename(full.base / "away" / folder)
    with full.running():
        full.wait(lambda: not _standing(full))
    for folder in ("show 0", "show 1"):
        (full.base / "away" / folder).rename(full.inbox / folder)
    still_four(full)


def _standing(house: House) -> int:
    with Journal.open(house.state, read_only=True) as journal:
        return len(journal.files.known("a"))


def test_the_inbox_moved_to_another_place(full: House) -> None:
    full.inbox.rename(full.base / "elsewhere")
    full.configure(path=str(full.base / "elsewhere"))
    still_four(full)


def test_the_outbox_emptied_by_its_editors(full: House) -> None:
    for path in full.outbox.iterdir():
        if not path.name.startswith("."):
            shutil.rmtree(path)
    still_four(full)


@pytest.mark.usefixtures("impatient")
@pytest.mark.slow
def test_a_root_that_is_away_and_comes_back(full: House) -> None:
    with full.running():
        full.inbox.rename(full.base / "away")
        full.wait(lambda: _stopped(full))
        (full.base / "away").rename(full.inbox)
        full.wait(lambda: not _stopped(full))
    still_four(full)


def test_a_root_that_is_an_empty_mount_point_for_a_while(full: House) -> None:
    full.inbox.rename(full.base / "away")
    full.inbox.mkdir()
    assert full.once() == 1
    assert _standing(full) == 4
    full.inbox.rmdir()
    (full.base / "away").rename(full.inbox)
    still_four(full)


def _stopped(house: House) -> bool:
    with Journal.open(house.state, read_only=True) as journal:
        return not journal.inboxes.reports()["a"].available


@pytest.mark.usefixtures("impatient")
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_remount(full: House) -> None:
    real = full.base / "disk"
    full.inbox.rename(real)
    full.inbox.mkdir()
    _mount(real, full.inbox)
    try:
        still_four(full)
        with full.running():
            _umount(full.inbox)
            full.wait(lambda: _stopped(full), 30)
            assert _standing(full) == 4
            _mount(real, full.inbox)
            full.wait(lambda: not _stopped(full), 30)
        still_four(full)
    finally:
        _umount(full.inbox)
    assert sorted(path.name for path in full.inbox.iterdir()) == []


def _mount(source: Path, target: Path) -> None:
    done = subprocess.run(["mount", "--bind", source, target], check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"can't mount here: {done.stderr.decode().strip()}")


def _umount(target: Path) -> None:
    subprocess.run(["umount", "--lazy", target], check=False, capture_output=True)


def test_another_key_with_everything_delivered(full: House) -> None:
    full.use_key("another-key")
    still_four(full)


def test_another_key_with_generations_under_way(house: House) -> None:
    house.sandbox.change(seconds=3600)
    house.drop("a.wav", 1)
    with house.running():
        house.wait(lambda: house.states().get("a.wav") is State.WAITING)
    house.sandbox.change(keys=["recovery-key-1", "another-key"])
    house.use_key("another-key")
    house.once()
    job = house.jobs()["a.wav"]
    assert job.because is not None
    assert (job.state, job.because.code) == (State.HELD, "account_changed")
    house.check(1)
    house.use_key("recovery-key-1")
    house.sandbox.skip(4000)
    assert house.cmd("approve", "a:a.wav").code == 0
    assert house.once() == 0
    house.check(1)


def test_another_key_after_the_answer_to_the_paid_call_was_lost(house: House) -> None:
    house.sandbox.fault("generate", "reset", after=True)
    house.drop("a.wav", 1)
    with house.running():
        house.wait(lambda: house.sandbox.charges == 1)
    house.sandbox.calm()
    house.use_key("another-key")
    house.once()
    assert house.states()["a.wav"] is State.HELD
    house.check(1)
    house.use_key("recovery-key-1")
    assert house.cmd("approve", "a:a.wav").code == 0
    assert house.once() == 0
    house.check(1)


def test_another_base_url_and_back(full: House) -> None:
    full.more = {"api": {"base_url": full.sandbox.base_url.replace("127.0.0.1", "localhost")}}
    full.configure()
    still_four(full)
    full.more = {}
    full.configure()
    still_four(full)


def test_an_upgrade_that_finds_everything_as_it_was(full: House) -> None:
    """A restart is nothing special, however often."""
    for _ in range(3):
        still_four(full)


def test_the_clock_set_back_and_forth(full: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    for hours in (-30, 5000):
        monkeypatch.setattr(time, "time", lambda hours=hours: real() + 3600 * hours)
        still_four(full)


def test_limits_and_holds_survive_a_lost_journal_unspent(house: House) -> None:
    house.more = {"limits": {"min_free": 0, "approve_over_files": 2}}
    house.configure()
    for number in range(5):
        house.drop(f"take {number}.wav", number)
    assert house.once() == 1
    assert set(house.states().values()) == {State.HELD}
    house.lose_journal()
    assert house.once() == 2
    house.rebuild()
    assert set(house.states().values()) == {State.HELD}
    house.more = {}
    house.configure()
    assert house.once() == 1
    house.check(0)
    assert house.cmd("approve", "--inbox", "a").code == 0
    assert house.once() == 0
    house.check(5)
