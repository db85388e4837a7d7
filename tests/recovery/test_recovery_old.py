"""An older journal was put back: it is found out, and nothing is paid for again on its word."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from markers import put_marker
from recovery_house import KEY, House

from diffio_watch.daemon.upkeep import Upkeep
from diffio_watch.disk import marker
from diffio_watch.job import State
from diffio_watch.journal import CopyFailed, Journal
from diffio_watch.journal.backup import write_copy


def restored(house: House, first: int, count: int = 2) -> None:
    for number in range(first, first + count):
        house.drop(f"take {number}.wav", number)
    assert house.once() == 0


def refused(house: House) -> str:
    done = [house.cmd(command) for command in ("once", "run")]
    assert [one.code for one in done] == [2, 2]
    assert all("journal rebuild" in one.err for one in done)
    return done[0].err


def test_a_copy_made_by_the_command_is_found_out_even_in_the_same_run_of_the_daemon(house: House) -> None:
    copy = house.base / "copy.sqlite3"
    restored(house, 0)
    with house.running():
        assert house.cmd("journal", "backup", str(copy)).code == 0
        house.drop("later.wav", 50)
        house.wait(lambda: house.states().get("later.wav") is State.DELIVERED)
    assert copy.stat().st_mode & 0o777 == 0o600
    house.restore(copy)
    assert "is a copy made on" in refused(house)
    house.check(3)
    house.rebuild()
    assert house.once() == 0
    assert house.states() == dict.fromkeys(["take 0.wav", "take 1.wav", "later.wav"], State.DELIVERED)
    house.check(3)


def test_a_copy_is_found_out_while_every_folder_is_away(house: House) -> None:
    copy = house.base / "copy.sqlite3"
    restored(house, 0)
    assert house.cmd("journal", "backup", str(copy)).code == 0
    house.restore(copy)
    for folder in (house.inbox, house.outbox):
        folder.rename(house.base / f"away {folder.name}")
    refused(house)


def test_a_plain_copy_of_the_state_folder_from_the_run_before_is_found_out_by_the_markers(house: House) -> None:
    restored(house, 0)
    kept = house.keep()
    restored(house, 2)
    house.put_back(kept)
    assert "old copy" in refused(house)
    assert "old copy" in house.cmd("journal", "adopt").err  # and adopting does not help it over that
    refused(house)
    house.check(4)
    house.rebuild()
    assert house.once() == 0
    assert set(house.states().values()) == {State.DELIVERED}
    house.check(4)


def test_a_snapshot_from_within_the_same_run_is_found_out_by_the_daily_count(house: House) -> None:
    restored(house, 0)
    with Journal.open(house.state) as journal:
        owner = marker.Owner(journal.id, int(journal.meta("starts")))
        house.keep()
        for path in (house.state / "backups").iterdir():
            path.unlink()
        Upkeep(journal, owner, structlog.get_logger()).once(time.time())
        assert journal.meta("starts") == owner.counter
        marker.check(str(house.outbox), "outbox", "a", owner, journal.folders)
    house.put_back(house.base / "kept")
    assert "old copy" in refused(house)


def snapshot(house: House) -> Path:
    """What a snapshot of the disk beneath the running daemon holds."""
    copy = house.base / "snapshot.sqlite3"
    with closing(sqlite3.connect(house.journal_file)) as source, closing(sqlite3.connect(copy)) as target, target:
        source.backup(target)
    return copy


@pytest.mark.usefixtures("impatient")
@pytest.mark.slow
def test_a_snapshot_from_before_something_was_bought_is_found_out_by_the_count_soon_after(house: House) -> None:
    """Also while the generation runs, when no sidecar tells of it."""
    house.sandbox.change(seconds=3600)
    with house.running():
        house.wait(lambda: house.journal_file.exists() and (house.state / "backups").is_dir())
        house.wait(lambda: house.counter(house.inbox) == 2)
        copy = snapshot(house)
        house.drop("later.wav", 50)
        house.wait(lambda: house.sandbox.charges == 1)
        house.wait(lambda: house.counter(house.inbox) > 2, 60)
    house.restore(copy)
    assert "old copy" in refused(house)
    house.check(1)


def test_what_a_journal_of_the_same_count_does_not_know_is_held_for_its_sidecar(house: House) -> None:
    """Nothing tells such a journal from the true one but what stands in the outbox."""
    assert house.once() == 0
    kept = house.keep()
    restored(house, 50, 1)
    house.put_back(kept)
    with Journal.open(house.state) as journal:
        journal.folders.count("inbox", "a", house.counter(house.inbox))
        journal.folders.count("outbox", "a", house.counter(house.outbox))
    assert house.once() == 1
    job = house.jobs()["take 50.wav"]
    assert job.because is not None
    assert (job.state, job.because.code) == (State.HELD, "unproven")
    house.check(1)
    house.rebuild()
    assert house.once() == 0
    with Journal.open(house.state, read_only=True) as journal:
        assert {one.state for one in journal.jobs.newest()} == {State.DELIVERED, State.SKIPPED}
    house.check(1)


def test_what_an_old_copy_calls_unpaid_is_found_at_the_service_and_what_it_knows_as_paid_goes_on(house: House) -> None:
    house.sandbox.change(seconds=3600)
    house.drop("paid.wav", 1)
    with house.running():
        house.wait(lambda: house.sandbox.charges == 1)
        house.wait(lambda: house.states()["paid.wav"] is State.WAITING)
        assert house.cmd("pause").code == 0
        house.drop("queued.wav", 2)
        house.wait(lambda: "queued.wav" in house.states())
        copy = house.base / "copy.sqlite3"
        assert house.cmd("journal", "backup", str(copy)).code == 0
        assert house.cmd("resume").code == 0
        house.wait(lambda: house.states()["queued.wav"] is State.WAITING)
    house.check(2)
    house.restore(copy)
    refused(house)
    house.rebuild()
    assert house.cmd("resume").code == 0  # the pause is in the copy
    assert house.states() == {"paid.wav": State.WAITING, "queued.wav": State.WAITING}
    house.sandbox.skip(4000)
    assert house.once() == 0
    house.check(2)
    assert house.delivered()


def test_a_job_that_is_delivered_by_now_is_so_after_a_rebuild(house: House) -> None:
    house.sandbox.change(seconds=3600)
    house.drop("a.wav", 1)
    with house.running():
        house.wait(lambda: house.sandbox.charges == 1)
        house.wait(lambda: house.states()["a.wav"] is State.WAITING)
        copy = house.base / "copy.sqlite3"
        assert house.cmd("journal", "backup", str(copy)).code == 0
        house.sandbox.skip(4000)
        house.wait(house.delivered)
    before = house.jobs()["a.wav"]
    house.restore(copy)
    house.rebuild()
    after = house.jobs()["a.wav"]
    assert (after.id, after.state, after.outputs, after.number) == (
        before.id, State.DELIVERED, before.outputs, before.number)
    assert after.key_print == before.key_print
    names = house.names()
    assert house.once() == 0
    assert house.names() == names
    house.check(1)


def test_a_file_that_had_gone_when_the_copy_was_made_and_came_back_since_goes_on(house: House) -> None:
    house.drop("other.wav", 1)
    assert house.cmd("pause").code in {0, 2}
    assert house.once() == 0
    assert house.cmd("pause").code == 0
    path = house.drop("back.wav", 2)
    house.once()
    path.rename(house.base / "away.wav")
    with house.running():
        house.wait(lambda: house.states()["back.wav"] is State.CANCELLED)
    copy = house.base / "copy.sqlite3"
    assert house.cmd("journal", "backup", str(copy)).code == 0
    (house.base / "away.wav").rename(path)
    house.restore(copy)
    house.rebuild()
    assert house.states()["back.wav"] is State.QUEUED
    assert house.cmd("resume").code == 0
    assert house.once() == 0
    house.check(2)


def test_the_counter_is_above_every_marker_after_a_rebuild_of_an_old_copy(house: House) -> None:
    restored(house, 0)
    kept = house.keep()
    for _ in range(3):
        house.once()
    old = max(map(house.counter, (house.inbox, house.outbox)))
    house.put_back(kept)
    house.rebuild()
    assert house.counter(house.outbox) == house.counter(house.inbox) == old + 1
    assert house.once() == 0


def test_a_crash_between_counting_a_start_and_the_markers_is_no_old_copy(house: House) -> None:
    restored(house, 0)
    with Journal.open(house.state) as journal:
        journal.set_meta("starts", int(journal.meta("starts")) + 1)  # as far as the crash let it come
    assert house.once() == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.slow
def test_a_foreign_folder_mounted_while_the_daemon_runs_stops_its_inbox_alone(house: House) -> None:
    inbox_b, outbox_b = house.second_inbox()
    restored(house, 0)
    with house.running():
        for folder in (house.inbox, house.outbox):
            folder.rename(house.base / f"ours {folder.name}")
            folder.mkdir()
            role: marker.Role = "inbox" if folder == house.inbox else "outbox"
            put_marker(folder, marker.Marker("diffio-watch", "01ANOTHERJOURNAL", role, "a", 99))
        house.drop("foreign.wav", 40)
        house.drop("fine.wav", 41, inbox_b)
        house.wait(lambda: house.states().get("b:fine.wav") is State.DELIVERED)
        house.wait(lambda: len(_halts(house)) == 2)
        assert set(_halts(house)) == {"inbox:a:inbox", "inbox:a:outbox"}
        assert "foreign.wav" not in house.jobs()
        assert sorted(path.name for path in house.outbox.iterdir()) == [marker.NAME]
        for folder in (house.inbox, house.outbox):
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
            (house.base / f"ours {folder.name}").rename(folder)
        house.drop("again.wav", 42)
        house.wait(lambda: house.states().get("again.wav") is State.DELIVERED, 30)
        assert _halts(house) == []
    assert (outbox_b / "fine.wav.json").exists()
    house.check(4)


def _halts(house: House) -> list[str]:
    with Journal.open(house.state, read_only=True) as journal:
        return sorted(journal.halts.all())


def test_a_copy_never_overwrites_and_leaves_nothing_behind(house: House, tmp_path: Path) -> None:
    restored(house, 0)
    target = tmp_path / "backup.sqlite3"
    target.write_bytes(b"dear")
    done = house.cmd("journal", "backup", str(target))
    assert done.code == 1
    assert "exists already" in done.err
    assert target.read_bytes() == b"dear"
    assert house.cmd("journal", "backup", str(tmp_path / "no folder/x")).code == 1
    with pytest.raises(CopyFailed):
        write_copy(house.state, tmp_path / ("n" * 300))
    assert list(tmp_path.glob(".journal*")) == []


@pytest.mark.parametrize("heal", ["adopt", "rebuild"])
@pytest.mark.parametrize("counter", [50, 2**40 - 1, 2**61])
def test_an_edited_counter_stops_that_inbox_alone_until_it_is_healed(house: House, heal: str, counter: int) -> None:
    inbox_b, _ = house.second_inbox()
    restored(house, 0)
    told = json.loads((house.inbox / marker.NAME).read_bytes()) | {"counter": counter}
    (house.inbox / marker.NAME).write_text(json.dumps(told))
    house.drop("fine.wav", 41, inbox_b)
    assert house.once() == 1
    assert house.states()["b:fine.wav"] is State.DELIVERED
    assert "is damaged" in house.cmd("status").out
    assert house.cmd("journal", *(["adopt", "a"] if heal == "adopt" else ["rebuild"])).code == 0
    house.drop("a.wav", 42)
    assert house.once() == 0
    assert house.states()["a.wav"] is State.DELIVERED
    assert house.counter(house.inbox) < 50
    house.check(4)


def test_a_journal_that_believed_an_edited_counter_once_is_healed_by_a_rebuild(house: House) -> None:
    restored(house, 0)
    with Journal.open(house.state) as journal:
        journal.set_meta("starts", 2**61)
        journal.folders.count("inbox", "a", 2**61)
    (house.inbox / marker.NAME).write_text("damaged")
    house.rebuild()
    assert house.once() == 0
    assert house.counter(house.inbox) < 50
    house.check(2)


def test_a_start_that_fails_leaves_no_marker(house: House) -> None:
    house.use_key(None)
    assert house.cmd("run").code == 2
    assert [path.name for folder in (house.inbox, house.outbox) for path in folder.iterdir()] == []
    house.use_key(KEY)
    assert house.once() == 0
    assert house.counter(house.inbox) > 0
    assert house.counter(house.outbox) > 0


def test_a_start_that_fails_takes_no_other_folder_either(house: House) -> None:
    """One folder is another journal's: the others stay as they were."""
    put_marker(house.outbox, marker.Marker("diffio-watch", "01ANOTHERJOURNAL", "outbox", "a", 1))
    assert house.cmd("run").code == 2
    assert not (house.inbox / marker.NAME).exists()
