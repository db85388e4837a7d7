"""Nothing waits for what can't come, and nothing of one job keeps the others waiting."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest
from intake_room import Room
from pipeline_fixtures import MakeHouse
from pipeline_house import DAY, House
from sounds import sound

from diffio_watch.api.shapes import Session
from diffio_watch.job import Job, Settings, State
from diffio_watch.journal import Halt, JournalTrouble
from diffio_watch.outbox.errors import OutboxGone
from diffio_watch.outbox.originals import dispose
from diffio_watch.outbox.root import Root
from diffio_watch.reasons import because
from diffio_watch.sandbox import Sandbox


def _refused(house: House, service: Sandbox, path: str = "a.wav") -> str:
    rule = service.fault("create_project", "status", status=422)
    job_id = house.drop(path)
    house.finish()
    assert house.job(job_id).state is State.FAILED
    assert rule.fired
    service.calm()
    return job_id


def test_a_new_run_of_a_file_that_was_never_uploaded_ends_when_the_file_goes(house: House, service: Sandbox) -> None:
    _refused(house, service)
    (again,) = house.ask("retry", jobs=[_refused(house, service, "b.wav")], fresh=True).jobs
    (house.inbox() / "b.wav").unlink()
    house.journal.files.vanish("podcasts", ["b.wav"])
    house.finish()
    assert house.job(again).state is State.CANCELLED


def test_a_new_run_of_a_file_that_was_touched_goes_on(house: House, service: Sandbox) -> None:
    (again,) = house.ask("retry", jobs=[_refused(house, service)], fresh=True).jobs
    os.utime(house.inbox() / "a.wav", (1, 1))
    house.work()
    house.place("podcasts", "a.wav")
    house.finish()
    house.check_delivered(again)


def test_a_retry_whose_file_is_gone_is_refused_in_words(house: House, service: Sandbox) -> None:
    refused = _refused(house, service)
    (house.inbox() / "a.wav").unlink()
    house.journal.files.vanish("podcasts", ["a.wav"])
    answer = house.ask("retry", jobs=[refused])
    assert answer.exit == 1
    assert "put it back" in answer.lines[0]
    house.finish()


def test_a_job_that_must_be_uploaded_again_ends_if_its_file_has_gone(house: House) -> None:
    job = house.job(house.drop("a.wav"))
    house.journal.jobs.commit(house.journal.jobs.commit(job, state=State.UPLOADING), state=State.GENERATING,
                              project_id="p",
                         base_url="https://elsewhere.example/v1", uploaded=True, sha256="0" * 64)
    (house.inbox() / "a.wav").unlink()
    house.journal.files.vanish("podcasts", ["a.wav"])
    house.work()
    house.chores()
    assert house.job(job.id).state is State.CANCELLED


def test_an_original_whose_archive_is_configured_no_more_is_stuck_and_ends_nothing(house: House) -> None:
    one = house.drop("a.wav", settings={"originals": "archive"})
    house.finish()
    house.chores()
    assert house.job(one).original == "stuck"
    assert (house.inbox() / "a.wav").exists()


def test_one_error_file_that_cannot_be_written_keeps_no_other_from_it(house: House, service: Sandbox) -> None:
    service.fault("create_project", "status", status=422)
    house.drop("x/a.wav")
    house.drop("y/b.wav")
    house.finish()
    (house.outbox() / "x").rmdir()
    (house.outbox() / "x").write_text("a file where a folder should be")
    house.chores()
    assert house.visible() == {"x", "y/b.wav.error.json"}


def test_chores_wait_for_a_journal_that_refuses(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.journal.jobs.commit(house.job(house.drop("a.wav")), state=State.FAILED, because=because("not_media"))

    def full(*_: object, **__: object) -> None:
        raise JournalTrouble("The disk is full.", fatal=False)

    monkeypatch.setattr(house.journal.jobs, "commit", full)
    house.chores()
    assert house.sick.is_set()


def test_a_fault_of_a_file_that_was_replaced_meanwhile_is_not_told(house: House) -> None:
    one = house.job(house.drop("a.wav", b""))
    house.journal.jobs.commit(one, state=State.FAILED, because=because("empty"), due_at=house.clock.now() + 300)
    house.journal.jobs.commit(house.job(house.drop("a.wav")), due_at=house.clock.now() + 3600)
    house.clock.advance(301)
    house.chores()
    assert house.visible() == set()


def test_an_error_file_follows_its_original(house: House, service: Sandbox) -> None:
    job_id = _refused(house, service)
    house.chores()
    assert house.visible() == {"a.wav.error.json"}
    house.inbox().joinpath("a.wav").rename(house.inbox() / "b.wav")
    house.journal.files.move("podcasts", [("a.wav", "b.wav")])
    house.chores()
    house.chores()
    assert house.visible() == {"b.wav.error.json"}
    house.ask("cancel", jobs=[job_id])
    house.chores()
    assert house.visible() == set()


def test_a_copy_whose_earlier_outputs_cannot_be_fetched_again_is_held(house: House, service: Sandbox) -> None:
    content = sound("same")
    first = house.drop("a.wav", content)
    house.finish()
    for output in house.job(first).outputs:
        (house.outbox() / (output.path or "")).unlink()
    service.fault("link", "status", status=404)
    copy = house.drop("b.wav", content)
    house.finish()
    told = house.job(copy)
    assert told.state is State.HELD
    assert told.because is not None
    assert told.because.code == "duplicate_gone"
    service.calm()
    house.ask("approve", jobs=[copy])
    house.finish()
    assert house.job(copy).state is State.DELIVERED
    assert service.charges == 2


def test_an_expired_upload_token_is_not_kept(house: House) -> None:
    job = house.job(house.drop("a.wav"))
    house.journal.jobs.commit(job, state=State.UPLOADING, project_id="p", upload="multipart",
                         base_url=house.tools.base_url, due_at=house.clock.now() + 9e9)
    house.tools.sessions.keep(job.id, Session("https://edge.example", "secret", 1024, None, house.clock.now() + 60))
    house.dispatcher._tidy(house.clock.now())
    house.clock.advance(3661)
    house.dispatcher._tidy(house.clock.now())
    house.dispatcher.stop()
    for pool in house.dispatcher.pools:
        for thread in pool.threads:
            thread.join(10)
    assert house.tools.sessions.jobs() == []


def test_a_full_disk_beneath_the_sessions_fails_no_file(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    house.service.change(part_bytes=1024)
    one = house.drop("a.wav")
    with monkeypatch.context() as patch:
        patch.setattr(house.tools.sessions, "save", full)
        house.run(3600)
    job = house.job(one)
    assert job.because is not None
    assert (job.state, job.because.code) == (State.UPLOADING, "disk")
    house.finish()
    house.check_delivered(one)


def test_a_touch_between_two_scans_of_what_was_sent_meanwhile_makes_no_new_job(tmp_path: Path) -> None:
    room = Room(tmp_path, rescan=300)
    path = room.drop()
    room.pass_time(5)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    job = room.journal.jobs.commit(room.job(), state=State.UPLOADING)
    room.journal.jobs.commit(job, state=State.GENERATING, uploaded=True, sha256=sha256)
    os.utime(path, (5, 5))
    room.intake._desk.hints.add("a.wav")  # as the watch does
    room.pass_time(10)
    assert len(room.journal.jobs.newest()) == 1
    assert room.job().mtime_ns == 5_000_000_000


def test_reading_a_long_original_shows_life_and_ends_where_others_took_over(tmp_path: Path) -> None:
    content = b"x" * (5 << 20)
    for folder in ("in", "archive"):
        (tmp_path / folder).mkdir()
    (tmp_path / "in/a.wav").write_bytes(content)
    inbox, archive = (Root(str(tmp_path / folder), lambda: None) for folder in ("in", "archive"))
    job = Job("01J", "a", "a.wav", len(content), (tmp_path / "in/a.wav").stat().st_mtime_ns,
              Settings(originals="archive"), sha256=hashlib.sha256(content).hexdigest())
    beats: list[None] = []

    def tick() -> None:
        beats.append(None)
        if len(beats) == 3:
            raise OutboxGone(str(tmp_path / "in"), "a file call hung")

    with pytest.raises(OutboxGone):
        dispose(job, inbox, archive, tick)
    assert (tmp_path / "in/a.wav").exists()
    assert dispose(job, inbox, archive, tick).original == "archived"
    assert len(beats) == 8


def test_what_a_wrong_clock_put_off_for_years_goes_on_after_the_next_start(house: House) -> None:
    late = house.clock.now() + 1000 * DAY
    one, held = house.drop("a.wav"), house.drop("b.wav")
    house.journal.jobs.commit(house.job(one), due_at=late)
    house.journal.jobs.commit(house.job(held), state=State.HELD, because=because("daily_limit"), due_at=late)
    house.journal.halts.set(Halt("account", because("billing"), late, late))
    house.restart()
    house.run(DAY)
    house.chores()
    house.finish()
    house.check_delivered(one, held)


def test_what_was_cancelled_unread_stays_so_when_it_is_merely_touched(house: House) -> None:
    one = house.drop("a.wav")
    house.ask("cancel", jobs=[one])
    os.utime(house.inbox() / "a.wav", (5, 5))
    assert house.place("podcasts", "a.wav") == one
    assert house.job(one).state is State.CANCELLED
    assert house.drop("a.wav", sound("another")) != one


def test_a_journal_that_lost_a_write_ends_the_intake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(tmp_path)

    def fails(*_: object, **__: object) -> None:
        raise JournalTrouble("The disk fails.", fatal=True)

    monkeypatch.setattr(room.journal.inboxes, "report", fails)
    with pytest.raises(JournalTrouble):
        room.intake.run()


def test_no_error_file_of_an_earlier_hold_is_left_beside_a_delivery(make_house: MakeHouse) -> None:
    house = make_house(limits={"daily_files": 1})
    for name in "abc":
        house.drop(f"{name}.wav")
    house.run(10)
    for _ in range(3):
        house.chores()
        house.clock.advance(DAY)
        house.chores()
        house.run(10)
    house.chores()
    assert house.visible() == {f"{name}.{end}" for name in "abc" for end in ("wav.json", "restored.wav")}


def test_an_original_that_was_renamed_just_before_it_was_to_go_goes_after_all(make_house: MakeHouse) -> None:
    house = make_house(inboxes={"podcasts": {"originals": "delete"}})
    one = house.drop("a.wav")
    house.finish()
    (house.inbox() / "a.wav").rename(house.inbox() / "b.wav")
    house.chores()
    house.journal.files.move("podcasts", [("a.wav", "b.wav")])
    house.chores()
    assert list(house.inbox().iterdir()) == []
    assert house.job(one).original == "deleted"


def test_while_uploads_take_hours_no_tidying_piles_up_behind_them(house: House) -> None:
    """Each look for uploads that nobody goes on with waits for a thread, and one that waits is enough."""
    done, (pool,) = threading.Event(), [one for one in house.dispatcher.pools if one.name == "upload"]
    for _ in pool.threads:
        pool.give(lambda: done.wait(20))  # type: ignore[arg-type]  # what it tells is nobody's
    house.clock.advance(1)
    for _ in range(500):
        house.dispatcher._tidy(house.clock.now())
        house.clock.advance(60)
    assert pool._work.qsize() <= 1 + len(pool.threads)
    done.set()


@pytest.mark.parametrize("word", ["approve", "cancel"])
def test_a_copy_of_what_waits_for_a_person_looks_seldom_and_goes_on_with_the_person_s_word(
    house: House, service: Sandbox, word: str,
) -> None:
    first = house.drop("a.wav", sound("same"), read=True)
    house.journal.jobs.commit(house.job(first), state=State.HELD,
                              because=because("drop_size", limit=1, inbox="podcasts"),
                         due_at=None)
    copy = house.drop("b.wav", sound("same"), read=True)
    house.run(3600)
    assert house.job(copy).because is not None
    assert house.job(copy).parks < 40
    house.ask(word, jobs=[first])
    house.run(60)
    assert house.job(copy).state in {State.SKIPPED, State.DELIVERED}
    assert service.charges == 1


def test_a_row_that_no_one_can_read_ends_no_thread_of_chores(house: House) -> None:
    """Each chore has its own catch-all, those that only look into the journal too."""
    held = house.drop("a.wav")
    house.journal.jobs.commit(house.job(held), state=State.HELD, due_at=house.clock.now(),
                         because=because("daily_limit", detail="enough"))
    with house.journal.transaction() as db:
        db.execute("""UPDATE jobs SET because = '{"of": "another version"}'""")
    house.chores()
    assert [one for one in house.events.entries if one["event"] == "chore.stumbled"]
