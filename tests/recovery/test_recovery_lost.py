"""The journal is gone: nothing is paid for again, and everything is known again or waits for a person's word."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from recovery_house import MTIME, House, recording

from diffio_watch.disk import marker
from diffio_watch.intake import scan as walking
from diffio_watch.job import State
from diffio_watch.journal import Journal
from diffio_watch.reasons import because
from diffio_watch.recovery.inventory import Inventory
from diffio_watch.recovery.rebuild import rebuild


def restored(house: House, count: int = 3) -> None:
    for number in range(count):
        house.drop(f"show {number % 2}/take {number}.wav", number)
    assert house.once() == 0
    house.check(count)


def test_a_new_journal_beside_old_markers_refuses_and_names_both_ways_on(house: House) -> None:
    restored(house)
    house.lose_journal()
    for _ in range(2):  # the journal that the first refusal made is refused as well
        done = house.cmd("once")
        assert done.code == 2
        assert "journal rebuild" in done.err
        assert "journal adopt a" in done.err
    house.check(3)


def test_a_new_journal_beside_old_sidecars_refuses_without_markers_too(house: House) -> None:
    restored(house)
    house.lose_journal()
    for root in (house.inbox, house.outbox):
        (root / marker.NAME).unlink()
    done = house.cmd("run")
    assert done.code == 2
    assert "journal rebuild" in done.err
    assert "holds sidecars" in done.err
    house.check(3)


def test_after_a_rebuild_everything_is_known_again_and_nothing_is_paid_for(house: House) -> None:
    restored(house)
    before = house.jobs()
    house.lose_journal()
    house.rebuild()
    after = house.jobs()
    for path, job in before.items():
        same = {name: getattr(job, name) for name in (
            "id", "run", "state", "size", "mtime_ns", "sha256", "partial", "inode", "media", "base_url", "project_id",
            "generation_id", "model_key", "idempotency_key", "body", "number", "outputs", "attempts", "uploaded")}
        assert {name: getattr(after[path], name) for name in same} == same
        assert after[path].paid
    names = house.names()
    assert house.once() == 0
    assert house.names() == names
    house.check(3)


def test_a_rebuild_may_be_run_again_and_changes_nothing(house: House) -> None:
    restored(house)
    house.drop("unknown.wav", 50)
    house.lose_journal()
    house.rebuild()
    first = house.jobs()
    for _ in range(2):
        done = house.rebuild()
        assert "0 told what the journal did not know" in done.out
        assert house.jobs() == first
    house.check(3)


def test_what_no_sidecar_knows_is_held_and_approve_pays_once_and_cancel_leaves(house: House) -> None:
    restored(house)
    house.lose_journal()
    house.drop("one.wav", 60)
    house.drop("two.wav", 61)
    done = house.rebuild()
    assert "2 jobs are held as unproven" in done.out
    assert house.once() == 1
    jobs = house.jobs()
    assert {jobs[path].state for path in ("one.wav", "two.wav")} == {State.HELD}
    assert house.told("one.wav.error.json").because is not None
    house.check(3)
    assert house.cmd("approve", "a:one.wav").code == 0
    assert house.cmd("cancel", "a:two.wav").code == 0
    assert house.once() == 0
    assert house.states()["one.wav"] is State.DELIVERED
    assert house.states()["two.wav"] is State.CANCELLED
    house.check(4)
    assert house.once() == 0
    house.check(4)


def test_what_has_stood_there_before_a_rebuild_is_no_drop_of_new_files_after_it(house: House) -> None:
    """It came when it was last changed, as far as anything tells."""
    house.more = {"limits": {"min_free": 0, "approve_over_files": 3}}  # `known`, `other 1` and `new` do come now
    house.configure()
    house.drop("known.wav", 1)
    assert house.once() == 0
    house.lose_journal()
    for number in range(2):
        house.drop(f"copy {number}.wav", 1)
        house.drop(f"other {number}.wav", 10 + number)
    os.utime(house.inbox / "other 1.wav", ns=(2**62, 2**62))  # by a clock that is far ahead
    house.rebuild()
    jobs = house.jobs()
    assert {jobs[path].state for path in ("copy 0.wav", "other 0.wav")} == {State.SKIPPED, State.HELD}
    assert jobs["other 0.wav"].detected_at == pytest.approx(MTIME / 1e9, abs=1)
    assert jobs["other 1.wav"].detected_at == pytest.approx(time.time(), abs=600)
    house.drop("new.wav", 20)
    assert house.once() == 1
    assert house.states()["new.wav"] is State.DELIVERED
    house.check(2)


def test_a_copy_of_what_a_sidecar_knows_is_skipped_with_a_sidecar_of_its_own(house: House) -> None:
    restored(house)
    house.lose_journal()
    shutil.copy(house.inbox / "show 0/take 0.wav", house.inbox / "copy.wav")
    house.rebuild()
    copy = house.jobs()["copy.wav"]
    assert copy.state is State.SKIPPED
    told = house.told("copy.wav.json")
    assert told.state is State.SKIPPED
    assert told.outputs == []
    assert told.duplicate_of is not None
    assert told.duplicate_of.name == "show 0/take 0.wav"
    house.lose_journal()
    house.rebuild()
    assert house.jobs()["copy.wav"].id == copy.id
    assert house.once() == 0
    house.check(3)


def test_a_file_that_was_renamed_while_the_journal_was_lost_is_skipped(house: House) -> None:
    restored(house)
    house.lose_journal()
    (house.inbox / "show 0").rename(house.inbox / "show zero")
    house.rebuild()
    assert house.states()["show zero/take 0.wav"] is State.SKIPPED
    assert house.once() == 0
    house.check(3)


def test_a_file_that_was_touched_while_the_journal_was_lost_is_the_job_it_was(house: House) -> None:
    restored(house)
    before = house.jobs()
    house.lose_journal()
    for path in before:
        os.utime(house.inbox / path)
    house.rebuild()
    assert {path: job.id for path, job in house.jobs().items()} == {path: job.id for path, job in before.items()}
    assert house.once() == 0
    house.check(3)


def test_new_content_under_a_restored_name_is_held(house: House) -> None:
    restored(house)
    house.lose_journal()
    house.drop("show 0/take 0.wav", 70)
    house.rebuild()
    job = house.jobs()["show 0/take 0.wav"]
    assert job.state is State.HELD
    assert job.run == 1
    house.check(3)


def test_a_later_copy_of_what_only_its_sidecar_knows_is_skipped_too(house: House) -> None:
    restored(house)
    house.lose_journal()
    original = house.inbox / "show 0/take 0.wav"
    original.rename(house.base / "away.wav")
    house.rebuild()
    shutil.copy(house.base / "away.wav", house.inbox / "again.wav")
    assert house.once() == 0
    assert house.states()["again.wav"] is State.SKIPPED
    house.check(3)


def test_names_that_are_no_utf8_survive(house: House) -> None:
    names = [b"caf\xe9/t\xff\\xff.wav", "naïve 🎙.wav".encode(), b"line\nbreak.wav", b"-dash.wav", b"n" * 240 + b".wav"]
    for seed, name in enumerate(names):
        house.drop(name, seed)
    assert house.once() == 0
    before = {path: job.id for path, job in house.jobs().items()}
    assert len(before) == len(names)
    house.lose_journal()
    house.rebuild()
    assert {path: job.id for path, job in house.jobs().items()} == before
    assert house.once() == 0
    house.check(len(names))


def test_the_hint_tells_what_the_service_lists_under_the_name(house: House) -> None:
    house.drop("paid and lost.wav", 1)
    house.sandbox.change(seconds=3600)
    with house.running():
        house.wait(lambda: house.sandbox.charges == 1)
    house.lose_journal()
    house.drop("never sent.wav", 2)
    house.rebuild()
    jobs = house.jobs()
    (project,) = (one["id"] for one in house.sandbox.projects())
    lost, never = jobs["paid and lost.wav"].because, jobs["never sent.wav"].because
    assert lost is not None
    assert project in lost.message
    assert "1 generation" in lost.message
    assert never is not None
    assert "lists no project of its name" in never.message
    house.check(1)


@pytest.mark.parametrize("why", ["no key", "a refused key"])
def test_without_a_key_that_works_it_rebuilds_all_the_same_and_says_so(house: House, why: str) -> None:
    house.drop("a.wav", 1)
    if why == "no key":
        house.use_key(None)
    else:
        house.sandbox.change(account="auth")
    done = house.rebuild()
    assert "1 jobs are held" in done.out
    job = house.jobs()["a.wav"]
    assert job.because is not None
    assert "could not be asked" in job.because.message


def test_error_files_tell_what_became_of_their_jobs(house: House) -> None:
    house.sandbox.change(failing={"bad.wav": "nothing to hear"})
    house.drop("bad.wav", 1)
    (house.inbox / "text.wav").write_bytes(b"no sound at all")
    assert house.once() == 1
    before = house.jobs()
    house.lose_journal()
    house.rebuild()
    after = house.jobs()
    for path in ("bad.wav", "text.wav"):
        assert (after[path].id, after[path].state, after[path].because) == (
            before[path].id, State.FAILED, before[path].because)
        assert after[path].error_file
    assert after["bad.wav"].generation_id == before["bad.wav"].generation_id
    house.once()
    house.check(1)
    assert house.cmd("retry", "a:bad.wav").code == 1  # a generation that failed is not bought again
    house.check(1)


def test_a_failed_job_whose_answer_was_lost_is_looked_for_and_not_paid_for_again(house: House) -> None:
    """The error file has the idempotency key: the service is asked what it has, with it."""
    house.drop("a.wav", 1)
    house.sandbox.fault("generate", "status", after=True, status=400, first=1)
    house.once()
    failed = house.jobs()["a.wav"]
    assert failed.state is State.FAILED
    assert failed.paid
    house.lose_journal()
    house.rebuild()
    again = house.jobs()["a.wav"]
    assert (again.body, again.idempotency_key, again.key_print) == (failed.body, failed.idempotency_key, None)
    assert house.cmd("retry", "a:a.wav").code == 0
    assert house.once() == 0
    assert house.states()["a.wav"] is State.DELIVERED
    house.check(1)


def test_recordings_that_a_person_may_not_read_are_held_and_none_is_passed_over(
        house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.drop("a.wav", 1)

    def refused(*_: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("diffio_watch.intake.judge.Place.open", refused)
    house.rebuild()
    job = house.jobs()["a.wav"]
    assert (job.state, job.sha256) == (State.HELD, None)
    assert job.because is not None
    assert "could not be read: Permission denied" in job.because.message


def test_what_is_no_recording_is_not_held(house: House) -> None:
    (house.inbox / "text.wav").write_bytes(b"no sound at all")
    (house.inbox / "empty.wav").touch()
    (house.inbox / "notes.txt").write_bytes(b"x")
    os.mkfifo(house.inbox / "pipe.wav")
    house.rebuild()
    assert house.states() == {"text.wav": State.FAILED}  # the rest is left to intake
    house.once()
    assert house.states() == {"text.wav": State.FAILED, "empty.wav": State.FAILED}
    house.check(0)


@pytest.mark.parametrize("role", ["inbox", "outbox"])
def test_a_folder_that_is_not_there_stops_the_rebuild_and_nothing_is_spent(house: House, role: str) -> None:
    """What could not be seen of it would be paid for again as soon as it is back."""
    restored(house)
    house.lose_journal()
    folder = house.inbox if role == "inbox" else house.outbox
    folder.rename(house.base / "away")
    done = house.cmd("journal", "rebuild")
    assert done.code == 1
    assert f"The {role} of a" in done.err
    (house.base / "away").rename(folder)
    assert house.once() == 2
    house.rebuild()
    assert house.once() == 0
    house.check(3)


def test_folders_that_were_swapped_in_the_configuration_are_not_taken_over(house: House) -> None:
    restored(house)
    house.lose_journal()
    house.configure(path=str(house.outbox), outbox=str(house.inbox))
    done = house.cmd("journal", "rebuild")
    assert done.code == 1
    assert "correct the configuration" in done.err
    house.check(3)


def test_a_rebuild_runs_without_a_daemon_only(house: House) -> None:
    with house.running():
        house.wait(house.journal_file.exists)
        done = house.cmd("journal", "rebuild")
    assert done.code == 2
    assert "stop it first" in done.err


def test_the_markers_are_taken_over_and_count_as_the_new_journal_does(house: House) -> None:
    inbox_b, outbox_b = house.second_inbox()
    restored(house)
    for _ in range(3):
        house.once()
    assert min(map(house.counter, (house.inbox, house.outbox, inbox_b, outbox_b))) > 1
    house.lose_journal()
    house.rebuild()
    with Journal.open(house.state, read_only=True) as journal:
        assert journal.meta("starts") == house.counter(house.inbox) == house.counter(outbox_b) == 1
        found = marker.read(str(house.outbox))
        assert found is not None
        assert found.journal == journal.id
        assert journal.folders.get("outbox", "b") is not None


class Killed(BaseException):
    """The process ends here."""


def test_broken_off_at_any_commit_it_is_refused_until_it_is_run_again(
        house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    restored(house)
    house.drop("new.wav", 80)
    shutil.copy(house.inbox / "show 0/take 0.wav", house.inbox / "copy.wav")
    house.lose_journal()
    lives = 0
    while True:
        lives += 1
        left = [lives]

        def fuse(left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        with Journal.open(_made(house.state), create=True) as journal:
            journal.before_commit = fuse
            try:
                _rebuild(house, journal)
            except Killed:
                pass
            else:
                break
        assert house.once() == 2, f"after commit {lives}"
        house.lose_journal() if lives % 2 else None
    assert lives > 8
    states = house.states()
    assert states["new.wav"] is State.HELD
    assert states["copy.wav"] is State.SKIPPED
    assert [name for name in house.names() if name.startswith("copy.wav")] == ["copy.wav.json"]
    house.once()
    house.check(3)


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _rebuild(house: House, journal: Journal) -> None:
    rebuild(house.config, journal, list, lambda *_: None)


def test_reading_is_shown_byte_by_byte_and_known_files_are_not_read(house: House) -> None:
    restored(house)
    house.drop("x.wav", 90)
    house.drop("y.wav", 91)
    house.lose_journal()
    seen: list[tuple[str, int, int]] = []
    with Journal.open(_made(house.state), create=True) as journal:
        rebuild(house.config, journal, list, lambda *step: seen.append(step))
    total = 2 * len(recording(90))
    assert seen[0] == ("a", 0, total)
    assert seen[-1] == ("a", total, total)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_an_inbox_with_unreadable_folders_is_not_taken_for_whole(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    restored(house)
    house.lose_journal()
    whole = Inventory._scan

    def blind(self: Inventory) -> Any:
        def with_a_blind_spot(*args: Any, **more: Any) -> walking.Scan:
            found = walking.scan(*args, **more)
            found.blind["private"] = PermissionError(13, "Permission denied")
            return found

        with monkeypatch.context() as patch:
            patch.setattr("diffio_watch.recovery.inventory.scan", with_a_blind_spot)
            return whole(self)

    monkeypatch.setattr(Inventory, "_scan", blind)
    done = house.cmd("journal", "rebuild")
    assert done.code == 1
    assert "private" in done.err
    assert house.once() == 2
    house.check(3)


def test_foreign_json_in_the_outbox_is_passed_over(house: House) -> None:
    restored(house)
    (house.outbox / "notes.json").write_text("{}", "utf-8")
    (house.outbox / "deep.json").write_text("[" * 5000, "utf-8")
    told = json.loads((house.outbox / "show 0/take 0.wav.json").read_bytes())
    told["source"]["path"] = "../../etc/passwd"
    (house.outbox / "evil.json").write_text(json.dumps(told), "utf-8")
    (house.outbox / "copy of a sidecar.json").write_bytes((house.outbox / "show 0/take 0.wav.json").read_bytes())
    house.lose_journal()
    house.rebuild()
    assert len(house.jobs()) == 3
    assert house.once() == 0
    house.check(3)


def test_runs_and_numbers_come_back(house: House) -> None:
    restored(house, 1)
    assert house.cmd("retry", "--fresh", "--yes", "a:show 0/take 0.wav").code == 0
    assert house.once() == 0
    house.check(2)
    house.lose_journal()
    house.rebuild()
    with Journal.open(house.state, read_only=True) as journal:
        assert [(job.run, job.number) for job in journal.jobs.newest()] == [(2, 2), (1, 1)]
    assert house.once() == 0
    house.check(2)


def test_adopt_lets_a_new_journal_run_beside_sidecars_and_what_they_know_is_not_paid_for_unasked(house: House) -> None:
    restored(house)
    house.lose_journal()
    house.drop("new.wav", 33)
    assert house.cmd("journal", "adopt", "--yes").code == 0
    assert house.once() == 1
    states = house.states()
    assert states.pop("new.wav") is State.DELIVERED
    assert set(states.values()) == {State.HELD}
    house.check(4)
    house.rebuild()
    assert house.once() == 0
    with Journal.open(house.state, read_only=True) as journal:
        counts = journal.totals.by_state()
    assert (counts[State.DELIVERED], counts[State.SKIPPED], counts[State.HELD]) == (4, 3, 0)
    house.check(4)


def test_after_adopt_a_person_may_pay_for_what_a_sidecar_knows(house: House) -> None:
    restored(house, 1)
    house.lose_journal()
    assert house.cmd("journal", "adopt", "--yes").code == 0
    assert house.once() == 1
    assert house.cmd("approve", "--all").code == 0
    assert house.once() == 0
    house.check(2)
    assert "show 0/take 0.wav (2).json" in house.names()
    # two runs of one content, each with its sidecar: both are known again
    house.lose_journal()
    house.rebuild()
    with Journal.open(house.state, read_only=True) as journal:
        assert sorted((job.run, job.state) for job in journal.jobs.newest()) == [(1, State.DELIVERED),
                                                                                 (2, State.DELIVERED)]
    assert house.once() == 0
    house.check(2)


def test_a_sidecar_of_another_inbox_steals_no_job(house: House) -> None:
    _, outbox_b = house.second_inbox()
    restored(house, 1)
    shutil.copy(house.outbox / "show 0/take 0.wav.json", outbox_b / "stray.json")
    house.rebuild()
    (job,) = house.jobs().values()
    assert job.inbox == "a"


def test_the_days_spending_is_known_again(house: House) -> None:
    restored(house)
    house.lose_journal()
    house.rebuild()
    with Journal.open(house.state, read_only=True) as journal:
        assert journal.totals.spent_between(0.0, 1e12)[0] == 3


def test_a_held_job_that_a_sidecar_explains_is_skipped_by_the_next_rebuild(house: House) -> None:
    """The outbox was restored from a backup only after the first rebuild."""
    restored(house)
    house.lose_journal()
    shutil.copytree(house.outbox, house.base / "kept outbox")
    for path in house.outbox.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    house.rebuild()
    assert set(house.states().values()) == {State.HELD}
    shutil.copytree(house.base / "kept outbox", house.outbox, dirs_exist_ok=True)
    house.rebuild()
    with Journal.open(house.state, read_only=True) as journal:
        counts = journal.totals.by_state()
        standing = journal.files.known("a")
        assert {journal.jobs.get(one.job_id).state for one in standing.values()} == {State.DELIVERED}  # type: ignore[union-attr]  # it is there
    assert (counts[State.DELIVERED], counts[State.HELD]) == (3, 0)
    assert house.once() == 0
    house.check(3)


def test_the_journals_own_word_counts_where_it_is_whole(house: House) -> None:
    """A rebuild on a journal that is up to date leaves what it calls unpaid alone."""
    house.more = {"limits": {"min_free": 0, "daily_files": 0}}
    house.configure()
    house.drop("a.wav", 1)
    assert house.once() == 1
    assert house.jobs()["a.wav"].because == because("daily_limit", job=house.jobs()["a.wav"].id,
                                                    detail="`daily_files` is 0")
    house.rebuild()
    job = house.jobs()["a.wav"]
    assert job.because is not None
    assert job.because.code == "daily_limit"


def test_a_rebuild_leaves_a_whole_database(house: House) -> None:
    restored(house)
    house.lose_journal()
    house.rebuild()
    with closing(sqlite3.connect(house.journal_file)) as db, db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("way", ["a:moved", "b:copied"])
def test_what_the_program_made_itself_is_skipped_by_a_rebuild_wherever_it_lies(house: House, way: str) -> None:
    """The sidecars tell the contents that were made."""
    inbox_b, _ = house.second_inbox()
    house.sandbox.change(restores=True)
    restored(house, 1)
    made = house.outbox / "show 0/take 0.restored.wav"
    if way == "a:moved":
        made.rename(house.inbox / "mine.wav")
    else:
        shutil.copy(made, inbox_b / "mine.wav")
    house.lose_journal()
    house.rebuild()
    job = house.jobs()["mine.wav" if way == "a:moved" else "b:mine.wav"]
    assert job.because is not None
    assert (job.state, job.because.code) == (State.SKIPPED, "own_output")
    assert "the restored show 0/take 0.wav" in job.because.message
    assert house.once() == 0
    house.check(1)
