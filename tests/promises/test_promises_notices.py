"""An error file exists while its job is failed or held: what is paid for is never told of as failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House

from diffio_watch.daemon.once import undone
from diffio_watch.intake.status import Now
from diffio_watch.job import Job, State
from diffio_watch.journal.records import SettlingEntry, Still
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.names import DROP_FILE
from diffio_watch.outbox.root import Root
from diffio_watch.outbox.sidecar import parse
from diffio_watch.outbox.sidecar_reader import buyer
from diffio_watch.pipeline.chores import Chores
from diffio_watch.reasons import because
from diffio_watch.sandbox import Sandbox

ERROR = "a.wav.error.json"


@pytest.fixture
def failed(house: House, service: Sandbox) -> str:
    """A job that the service refused before anything was paid, and that its error file tells of."""
    refusal = service.fault("create_project", "status", status=400)
    job = house.drop("a.wav")
    house.work()
    house.chores()
    service.calm()
    assert refusal.fired
    assert house.job(job).state is State.FAILED
    assert house.visible() == {ERROR}
    return job


def when_paid(service: Sandbox, path: Path) -> list[bool]:
    """Whether a file was there, each time that a generation was asked for."""
    there: list[bool] = []
    service.watch(lambda moment, seen: there.append(path.exists()) if (moment, seen.call) == ("arrived", "generate")
                  else None)
    return there


@pytest.mark.parametrize("way", ["retry", "retry --fresh"])
def test_it_is_gone_before_the_generation_is_sent(house: House, service: Sandbox, failed: str, way: str) -> None:
    """A lost journal would learn from it that nothing was paid."""
    there = when_paid(service, house.outbox() / ERROR)
    assert house.ask("retry", jobs=[failed], fresh=way.endswith("--fresh")).exit == 0
    house.work()
    assert there == [False]


def test_nothing_is_sent_where_it_can_not_be_taken_away(house: House, service: Sandbox, failed: str,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    assert house.ask("retry", jobs=[failed]).exit == 0
    with monkeypatch.context() as patch:
        def refused(*_: object) -> bool:
            raise OSError(30, "Read-only file system")

        patch.setattr("diffio_watch.outbox.error_files.unlink", refused)
        house.run(60)
    job = house.job(failed)
    assert (job.state, job.because and job.because.code) == (State.GENERATING, "disk")
    assert service.charges == 0
    house.finish()
    house.check_delivered(failed)


def test_it_goes_as_soon_as_a_person_had_the_job_go_on(house: House, failed: str) -> None:
    assert house.ask("retry", jobs=[failed]).exit == 0
    before = house.job(failed)
    house.chores()
    assert house.visible() == set()
    assert house.job(failed) == before  # a step that is at it meanwhile is not broken off


def test_one_that_is_written_while_the_job_goes_on_is_taken_back(house: House, failed: str,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow share: the words reach it only after a person had the job go on."""
    (house.outbox() / ERROR).unlink()
    house.journal.jobs.commit(house.job(failed), error_file=False)
    write = Outbox.write_error

    def late(outbox: Outbox, job: Job) -> bool:
        assert house.ask("retry", jobs=[failed]).exit == 0
        return write(outbox, job)

    monkeypatch.setattr(Outbox, "write_error", late)
    house.chores()
    assert house.visible() == set()


def test_a_failure_is_told_once_wherever_it_happened(house: House, service: Sandbox) -> None:
    service.change(failing={"a.wav": "nothing to hear"})
    job = house.drop("a.wav")
    house.finish()
    house.chores()
    assert house.ask("retry", jobs=[job], fresh=True).exit == 0  # it begins beyond the steps that count as a try
    house.finish()
    house.chores()
    assert house.alerts("job.failed") == ["generation_failed"] * 2


def test_once_says_what_did_not_get_done(make_house: MakeHouse) -> None:
    """A file that can't be read and an original that can't go are as little done as a job that waits."""
    house = make_house(inboxes={"podcasts": {"originals": "archive", "archive": "/nowhere"}})
    house.drop("a.wav")
    house.finish()
    house.chores()
    now = Now(available=True, scans=1, waiting={"unreadable": 2, "settling": 1})
    assert undone(house.journal, house.halts, {"podcasts": now}, 0.0) == {"unreadable": 2, "waiting": 1, "originals": 1}
    assert undone(house.journal, house.halts, {"another": Now(scans=1)}, 0.0) == {}


def fail(house: House, path: str) -> str:
    """A failed job whose error file is due."""
    job = house.drop(path, b"x")
    house.journal.jobs.commit(house.job(job), state=State.FAILED, because=because("not_media", job=job),
                         due_at=house.clock.now())
    return job


def test_error_files_that_can_not_be_written_keep_no_other_from_being_written(house: House) -> None:
    """More of them than one round takes; they are told, not every second, and written once they can be."""
    (house.outbox() / "show").write_text("a file where a folder is to be")
    stuck = [fail(house, f"show/{number:03}.wav") for number in range(210)]
    fail(house, "fine.wav")
    chores = Chores(house.tools.config.inbox("podcasts"), house.tools, house.halts,
                    Root(str(house.inbox()), lambda: None), None, beat=lambda: None)
    for _ in range(2):
        chores.once()
    assert "fine.wav.error.json" in house.visible()
    assert len(house.alerts("outbox.troubled")) == 210
    for _ in range(5):
        chores.once()
    assert len(house.alerts("outbox.troubled")) == 210
    (house.outbox() / "show").unlink()
    house.clock.advance(3600)
    for _ in range(2):
        chores.once()
    assert len(house.visible()) == 211
    assert all(house.job(job).error_file for job in stuck)


def test_a_drop_that_is_held_leaves_one_error_file_for_all_and_it_goes_with_the_last(make_house: MakeHouse) -> None:
    house = make_house(limits={"approve_over_files": 3})
    jobs = [house.drop(f"show/{number}.wav") for number in range(5)]
    assert {house.job(job).state for job in jobs} == {State.HELD}
    house.chores()
    assert house.visible() == {DROP_FILE}
    assert json.loads((house.outbox() / DROP_FILE).read_text())["what_happened"].startswith("5 recordings")
    assert house.ask("approve", jobs=jobs[:3]).exit == 0
    house.chores()
    assert json.loads((house.outbox() / DROP_FILE).read_text())["what_happened"].startswith("2 recordings")
    house.restart()
    assert house.ask("approve", jobs=jobs[3:]).exit == 0
    house.chores()
    assert house.visible() == set()
    house.finish()
    house.check_delivered(*jobs)


def test_an_original_that_can_not_go_is_noted_as_long_as_it_can_not(make_house: MakeHouse) -> None:
    """`originals: delete`, and a link was put in its place: nobody's hand deletes what is behind it."""
    house = make_house(inboxes={"podcasts": {"originals": "delete"}})
    job = house.drop("a.wav")
    house.finish()
    original = house.inbox() / "a.wav"
    original.rename(house.base / "real.wav")
    original.symlink_to(house.base / "real.wav")
    for _ in range(3):
        house.chores()
    told = house.job(job)
    assert told.original == "stuck"
    assert told.notes == ("The original could not be moved away or deleted yet: it is a symbolic link.",)
    assert house.journal.overview.stuck_originals() == {"podcasts": 1}
    original.unlink()
    (house.base / "real.wav").rename(original)
    house.clock.advance(3600)
    house.chores()
    assert (house.job(job).original, house.job(job).notes) == ("deleted", ())
    assert not original.exists()


def test_a_file_that_can_not_be_read_is_told_after_15_minutes_and_no_longer_than_it_can_not(house: House) -> None:
    """It has no job yet, so what is told of it must never be taken for one's."""
    chores = Chores(house.tools.config.inbox("podcasts"), house.tools, house.halts,
                    Root(str(house.inbox()), lambda: None), None, beat=lambda: None)
    since = house.clock.now()
    house.journal.inboxes.settling("podcasts", [
        SettlingEntry("a.wav", because("unreadable", detail="Permission denied"), since, None, Still(5, 7, since)),
        SettlingEntry("b.wav", because("cut_short", detail="x"), since, None)])
    for seconds, there in ((890, False), (20, True)):
        house.clock.advance(seconds)
        chores.once()
        assert (house.visible() == {ERROR}) is there
    told = parse((house.outbox() / ERROR).read_bytes())
    assert told.because is not None
    assert (told.because.code, told.source.size, told.state, buyer(told)) == ("unreadable", 5, State.QUEUED, None)
    house.journal.inboxes.settling("podcasts", [])
    house.restart()
    chores = Chores(house.tools.config.inbox("podcasts"), house.tools, house.halts,
                    Root(str(house.inbox()), lambda: None), None, beat=lambda: None)
    for _ in range(3):
        chores.once()
        house.clock.advance(20)
    assert house.visible() == set()
    assert house.journal.chores.unread_notices("podcasts") == set()


def test_a_held_job_whose_original_is_gone_leaves_no_error_file_and_the_folder_alone(house: House) -> None:
    """What was paid for is still held, visibly in `status`; nobody has to look at a file of it for ever."""
    job = house.drop("a.wav")
    house.journal.jobs.commit(house.job(job), state=State.HELD, because=because("conflict", detail="x"), due_at=None,
                         intent_at=house.clock.now())
    house.chores()
    assert house.visible() == {ERROR}
    (house.inbox() / "a.wav").unlink()
    house.journal.files.vanish("podcasts", ["a.wav"])
    versions = set()
    for _ in range(4):
        house.chores()
        assert house.visible() == set()
        versions.add(house.job(job).version)
    assert len(versions) == 1
    assert house.job(job).state is State.HELD


def test_a_round_in_which_nothing_happened_since_the_last_asks_the_journal_nothing(make_house: MakeHouse) -> None:
    """Whatever is held or has failed, one round is enough; what becomes due by time is asked for every ten seconds."""
    house = make_house(limits={"approve_over_files": 3})
    fail(house, "bad.wav")
    jobs = [house.drop(f"{number}.wav") for number in range(5)]
    chores = Chores(house.tools.config.inbox("podcasts"), house.tools, house.halts,
                    Root(str(house.inbox()), lambda: None), None, beat=lambda: None)
    asked: list[str] = []
    written = house.journal.commits
    for _ in range(3):
        chores.once()
    # the error file, and what is free
    assert house.journal.commits - written == 2, "the drop is held with its rows as they were"
    assert not any(house.job(job).error_file for job in jobs)
    house.clock.advance(1.0)
    for connection in (house.journal._db, house.journal._reader):
        connection.set_trace_callback(asked.append)
    chores.once()
    assert asked == []
    house.clock.advance(10.0)
    chores.once()
    assert asked
    del asked[:]
    assert house.ask("cancel", jobs=jobs).exit == 0
    chores.once()
    assert asked
    assert house.visible() == {"bad.wav.error.json"}
