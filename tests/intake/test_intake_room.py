"""From seen to settled: real folders, a real journal, a clock moved by hand."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from intake_media import TONE, riff
from intake_room import Room, age, foreign

from diffio_watch.disk import lease
from diffio_watch.disk.mounts import Mount, mount_of
from diffio_watch.intake.look import sight
from diffio_watch.job import State
from diffio_watch.journal.drop import DROP_WINDOW
from diffio_watch.reasons import because


def test_a_file_is_journalled_with_its_facts_once_it_was_quiet(room: Room) -> None:
    path = room.drop("show 12/a.wav")
    room.pass_time(1.0)
    assert room.states() == {}
    assert room.settling() == {"show 12/a.wav": "settling"}
    room.pass_time(1.0)
    job = room.job("show 12/a.wav")
    status = path.stat()
    assert (job.state, job.size, job.mtime_ns, job.inode) == (
        State.QUEUED, status.st_size, status.st_mtime_ns, status.st_ino)
    assert job.media is not None
    assert (job.media.format, job.media.duration_s) == ("Wave", 1.0)
    assert job.partial
    assert job.sha256 is None, "the file is read while it is uploaded, and not before"
    assert (job.detected_at, job.settled_at) == (room.clock.now() - 2.0, room.clock.now())
    room.pass_time(2.0)
    assert room.settling() == {}
    assert len(room.journal.jobs.newest()) == 1


def test_a_file_that_grows_waits_until_it_no_longer_does(room: Room) -> None:
    for seconds in range(1, 6):
        room.drop(seconds=seconds)
        room.pass_time(1.5)
    assert room.states() == {}
    room.pass_time(2.0)
    assert room.job().size == room.inbox.joinpath("a.wav").stat().st_size


def test_a_restart_does_not_make_a_second_job(room: Room) -> None:
    room.drop()
    room.pass_time(3.0)
    for _ in range(3):
        room.restart()
        room.pass_time(5.0)
    assert room.states() == {"a.wav": "queued"}
    assert len(room.journal.jobs.newest()) == 1


def test_junk_and_what_is_not_included_never_becomes_a_job(room: Room) -> None:
    for path in (".hidden.wav", "a.wav.part", "@eaDir/a.wav", "notes.txt"):
        room.drop(path)
    room.pass_time(5.0)
    assert room.states() == {}
    assert room.settling() == {}


def test_awkward_names_go_through(room: Room) -> None:
    names = [b"\xff\xfe.wav", b"a\nb.wav", b"-rf.wav", "\U0001f3a4.wav".encode(), "\u202egnp.wav".encode(),
             b"\x1b[31m.wav", b"x" * 251 + b".wav", b"a\\b.wav"]
    for name in names:
        room.drop(os.fsdecode(name))
    room.pass_time(3.0)
    assert sorted(os.fsencode(path) for path in room.states()) == sorted(names)
    assert set(room.states().values()) == {"queued"}


def test_what_is_no_regular_file_is_never_opened(room: Room) -> None:
    os.mkfifo(room.inbox / "fifo.wav")
    (room.inbox / "folder.wav").mkdir()
    (room.inbox / "link.wav").symlink_to("/etc/passwd")
    room.pass_time(5.0)
    assert room.states() == {}


def test_an_empty_file_fails_at_once_and_is_told_five_minutes_later(room: Room) -> None:
    (room.inbox / "a.wav").touch()
    room.pass_time(1.0)
    assert room.settling() == {"a.wav": "empty_yet"}
    room.pass_time(1.0)
    assert room.states() == {"a.wav": "failed: empty"}
    assert room.job().due_at == room.clock.now() + 300.0


def test_an_empty_file_that_is_filled_later_is_taken(room: Room) -> None:
    (room.inbox / "a.wav").touch()
    room.pass_time(3.0)
    room.drop()
    room.pass_time(5.0)
    assert room.states() == {"a.wav": "queued"}


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_a_picture_without_a_sound_is_not_bought(room: Room, name: str) -> None:
    """A screen recording, a phone's time lapse: there is nothing in it to restore."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=1:s=32x32", room.inbox / name], check=True)
    room.pass_time(5.0)
    assert room.states() == {name: "failed: no_sound"}
    (job,) = room.journal.jobs.newest()
    assert job.because == because("no_sound", job=job.id)


def test_what_is_no_medium_fails_and_a_touch_of_it_is_no_news(room: Room) -> None:
    (room.inbox / "a.wav").write_bytes(b"hello " * 1000)
    room.pass_time(2.0)
    assert room.states() == {"a.wav": "failed: not_media"}
    age(room.inbox / "a.wav", 5)
    room.pass_time(10.0)
    assert len(room.journal.jobs.newest()) == 1


def test_a_container_cut_short_waits_visibly_and_then_fails(room: Room) -> None:
    whole = riff(TONE.tobytes())
    (room.inbox / "a.wav").write_bytes(whole[:5000])
    room.pass_time(3.0)
    assert room.settling() == {"a.wav": "cut_short"}
    entry = room.entries()[0]
    assert "missing" in entry.because.message
    assert entry.next_look_at == pytest.approx(room.clock.now() - 3.0 + 900.0)
    room.pass_time(890.0)
    assert room.states() == {}
    room.pass_time(10.0)
    assert room.states() == {"a.wav": "failed: truncated"}


def test_a_cut_containers_time_counts_over_restarts_and_not_for_another_content(room: Room) -> None:
    """Under cron each run lasts a minute: a file that counted anew each time would never be told."""
    whole = riff(TONE.tobytes())
    for name in ("a.wav", "b.wav"):
        (room.inbox / name).write_bytes(whole[:5000])
    for _ in range(3):
        room.pass_time(60.0)
        room.restart()
        room.clock.at += 200.0
    room.pass_time(3.0)
    assert room.settling() == dict.fromkeys(("a.wav", "b.wav"), "cut_short")
    next_look = room.entries()[0].next_look_at
    assert next_look is not None
    assert next_look == pytest.approx(room.clock.now() - 783.0 + 900.0)
    (room.inbox / "b.wav").write_bytes(whole[:6000])
    room.restart()
    room.pass_time(150.0)
    assert room.states() == {"a.wav": "failed: truncated"}
    assert room.settling() == {"b.wav": "cut_short"}


def test_what_waited_before_a_restart_is_told_until_the_inbox_was_looked_through(room: Room) -> None:
    (room.inbox / "a.wav").write_bytes(riff(TONE.tobytes())[:5000])
    room.pass_time(3.0)
    room.restart()
    away = room.inbox.with_name("away")
    room.inbox.rename(away)
    room.pass_time(20.0)
    assert room.settling() == {"a.wav": "cut_short"}
    away.rename(room.inbox)
    room.pass_time(10.0)
    assert room.settling() == {"a.wav": "cut_short"}
    (room.inbox / "a.wav").unlink()
    room.pass_time(10.0)
    assert room.settling() == {}


def test_a_container_cut_short_that_grows_whole_is_taken(room: Room) -> None:
    whole = riff(TONE.tobytes())
    (room.inbox / "a.wav").write_bytes(whole[:5000])
    room.pass_time(600.0)
    (room.inbox / "a.wav").write_bytes(whole)
    room.pass_time(3.0)
    assert room.states() == {"a.wav": "queued"}


def needs_leases(room: Room) -> None:
    if not mount_of(str(room.inbox)).leases:
        pytest.skip("the temporary folder lies where leases are not true")


def test_a_file_that_a_program_holds_open_for_writing_waits_for_it(room: Room) -> None:
    """Pre-allocated to its full size, its time set already: only the open writer tells."""
    needs_leases(room)
    path = room.drop()
    with path.open("r+b"):
        room.pass_time(60.0)
        assert room.states() == {}
        assert room.settling() == {"a.wav": "open_for_writing"}
    room.pass_time(2.0)
    assert room.states() == {"a.wav": "queued"}


def test_where_nobody_can_say_who_has_it_open_it_is_quiet_for_ten_seconds(room: Room) -> None:
    needs_leases(room)
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    worker_done: list[float] = []

    def work() -> None:  # beside the main thread SIGIO can't be ignored, so that the question can't be asked
        room.drop()
        room.pass_time(9.0)
        worker_done.append(len(room.journal.jobs.newest()))
        room.pass_time(1.0)
        worker_done.append(len(room.journal.jobs.newest()))
        worker_done.append(room.report().settle_seconds)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert worker_done == [0, 1, 10.0], "what is really kept is what is told"


def test_an_unreadable_file_waits_with_growing_pauses_and_is_taken_once_it_can_be_read(as_nobody: Path) -> None:
    lease.prepare()
    room = Room(as_nobody)
    path = room.drop()
    path.chmod(0)
    room.pass_time(200.0)
    assert room.settling() == {"a.wav": "unreadable"}
    assert "Permission denied" in room.entries()[0].because.message
    next_look = room.entries()[0].next_look_at
    assert next_look is not None
    assert next_look - room.clock.now() > 30.0
    path.chmod(0o644)
    room.pass_time(300.0)
    assert room.states() == {"a.wav": "queued"}
    room.journal.close()


def test_a_file_that_goes_away_while_it_settles_is_forgotten_without_noise(room: Room) -> None:
    path = room.drop()
    room.pass_time(1.0)
    path.unlink()
    room.pass_time(5.0)
    assert room.states() == {}
    assert room.settling() == {}


def test_a_touched_file_is_the_job_it_was(room: Room) -> None:
    path = room.drop()
    room.pass_time(3.0)
    finish(room)
    age(path, 100)
    room.pass_time(5.0)
    assert len(room.journal.jobs.newest()) == 1
    known = room.journal.files.known_at("a", "a.wav")
    assert known is not None
    assert known.mtime_ns == path.stat().st_mtime_ns


def test_new_content_under_an_old_name_is_a_new_job(room: Room) -> None:
    room.drop()
    room.pass_time(3.0)
    finish(room)
    room.drop(seconds=2)
    room.pass_time(6.0)
    assert [job.state for job in room.journal.jobs.at("a", "a.wav")] == [State.QUEUED, State.DELIVERED]


def test_an_old_content_that_comes_back_is_the_job_it_was(room: Room) -> None:
    room.drop()
    room.pass_time(3.0)
    finish(room)
    room.drop(seconds=2)
    room.pass_time(10.0)
    finish(room)
    room.drop()
    room.pass_time(20.0)
    assert len(room.journal.jobs.newest()) == 2


def test_a_file_that_changed_before_anything_was_sent_is_described_anew(room: Room) -> None:
    room.drop()
    room.pass_time(3.0)
    room.drop(seconds=2)
    room.pass_time(6.0)
    (job,) = room.journal.jobs.newest()
    assert job.media is not None
    assert job.media.duration_s == 2.0


def test_a_file_that_changed_after_it_counted_as_finished_doubles_the_quiet_time(room: Room) -> None:
    room.drop()
    room.pass_time(3.0)
    assert room.report().settle_seconds == 2.0
    room.drop(seconds=2)
    room.pass_time(3.0)
    assert room.report().settle_seconds == 4.0
    assert room.settling() == {"a.wav": "settling"}
    room.pass_time(2.0)
    assert room.settling() == {}
    room.clock.at += 86_400.0
    room.pass_time(1.0)
    assert room.report().settle_seconds == 2.0


def test_a_job_that_the_pipeline_found_changed_settles_again_at_once(room: Room) -> None:
    room.drop()
    room.pass_time(3.0)
    job = room.job()
    room.journal.jobs.commit(job, because=because("changed"), due_at=None)
    room.intake.look("a.wav")
    room.pass_time(6.0)
    assert room.states() == {"a.wav": "queued"}
    assert room.job().due_at == 0.0


def test_a_rename_takes_the_job_along(room: Room) -> None:
    path = room.drop()
    room.pass_time(3.0)
    finish(room)
    path.rename(room.inbox / "b.wav")
    room.pass_time(5.0)
    assert room.states() == {"b.wav": "delivered"}


def as_another(path: Path, new: Path, content: bytes) -> None:
    """Another content under another name, with the size, the time and the inode number of a file that is gone."""
    status = path.stat()
    assert len(content) == status.st_size
    path.rename(new)
    new.write_bytes(content)
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert new.stat().st_ino == status.st_ino


def test_a_new_recording_with_the_inode_number_of_one_that_was_taken_out_is_a_job_of_its_own(room: Room) -> None:
    path = room.drop()
    room.pass_time(3.0)
    finish(room)
    as_another(path, room.inbox / "b.wav", riff(TONE.tobytes()[::-1]))
    room.pass_time(6.0)
    assert room.states() == {"a.wav": "delivered", "b.wav": "queued"}


@pytest.mark.parametrize("restarted", [False, True])
def test_two_recordings_that_differ_where_a_cheap_look_sees_nothing_are_two_jobs(
        room: Room, restarted: bool) -> None:  # a case
    """As stems do that are silent at the beginning, in the middle and at the end."""
    path = room.drop(seconds=40)
    room.pass_time(3.0)
    finish(room)
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 1
    as_another(path, room.inbox / "b.wav", bytes(content))
    room.pass_time(0.0 if restarted else 6.0)
    if restarted:
        room.restart()
        room.pass_time(6.0)
    newest = room.job("b.wav")
    assert (newest.state, newest.sha256) == (State.QUEUED, hashlib.sha256(content).hexdigest())
    assert [job.state for job in room.journal.jobs.newest()] == [State.QUEUED, State.DELIVERED]


def test_a_renamed_file_that_was_read_before_is_read_once_more_and_is_no_sign_of_slow_writers(room: Room) -> None:
    path = room.drop()
    room.pass_time(3.0)
    finish(room)
    path.rename(room.inbox / "b.wav")
    room.pass_time(1.0)
    assert room.states() == {"b.wav": "delivered"}
    assert room.settling() == {"b.wav": "settling"}
    room.pass_time(4.0)
    assert room.settling() == {}
    assert room.report().settle_seconds == 2.0
    known = room.journal.files.known_at("a", "b.wav")
    assert known is not None
    assert not known.renamed
    assert len(room.journal.jobs.newest()) == 1


def test_a_file_that_is_renamed_again_before_it_was_read_keeps_its_job(room: Room) -> None:
    path = room.drop()
    room.pass_time(3.0)
    finish(room)
    for name in ("b.wav", "c.wav", "d.wav"):
        path = path.rename(room.inbox / name)
        room.pass_time(1.0)
    room.pass_time(5.0)
    assert room.states() == {"d.wav": "delivered"}
    assert len(room.journal.jobs.newest()) == 1


def test_a_renamed_file_that_cannot_be_read_is_not_taken_for_gone(as_nobody: Path) -> None:
    lease.prepare()
    room = Room(as_nobody)
    path = room.drop()
    room.pass_time(3.0)
    finish(room)
    path = path.rename(room.inbox / "b.wav")
    path.chmod(0)
    room.pass_time(60.0)
    assert set(room.journal.files.known("a")) == {"a.wav"}
    assert room.settling() == {"b.wav": "unreadable"}
    path.chmod(0o644)
    room.pass_time(300.0)
    assert room.states() == {"b.wav": "delivered"}
    assert len(room.journal.jobs.newest()) == 1
    room.journal.close()


def test_equal_files_that_are_renamed_together_each_keep_their_job(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no inode number tells them apart, and found by one scan."""
    room = Room(tmp_path, rescan=20)
    monkeypatch.setattr(Mount, "inodes", property(lambda _: False))
    first = room.drop("x/1.wav")
    for number in (2, 3, 4):
        shutil.copy2(first, room.inbox / "x" / f"{number}.wav")
    room.pass_time(3.0)
    content = hashlib.sha256(first.read_bytes()).hexdigest()
    jobs = {job.id: room.journal.jobs.commit(job, sha256=content) for job in room.journal.jobs.newest()}
    (room.inbox / "x").rename(room.inbox / "y")
    room.pass_time(90.0)
    assert {job.id for job in room.journal.jobs.newest()} == set(jobs)
    assert {path: known.job_id in jobs for path, known in room.journal.files.known("a").items()} == {
        f"y/{number}.wav": True for number in range(1, 5)}
    assert set(room.states().values()) == {"queued"}
    room.journal.close()


def test_looking_into_many_renamed_files_shows_life_at_each(room: Room) -> None:
    for number in range(20):
        room.drop(f"show/{number}.wav", seconds=number % 3 + 1)
    room.pass_time(3.0)
    room.pass_time(1.0)
    (room.inbox / "show").rename(room.inbox / "show 12")
    before = room.beats
    room.intake._finder.scan()
    assert set(room.states()) == {f"show 12/{number}.wav" for number in range(20)}
    assert room.beats - before >= 20


def test_a_copy_that_waits_and_is_renamed_over_its_twin_leaves_one_job(room: Room) -> None:
    twin = room.drop()
    room.pass_time(3.0)
    finish(room)
    copy = room.drop("b.wav")
    age(copy, 5)
    room.pass_time(3.0)
    room.journal.jobs.commit(room.job("b.wav"), sha256=room.job().sha256)
    copy.rename(twin)
    room.pass_time(10.0)
    assert room.states() == {"a.wav": "delivered", "b.wav": "cancelled: vanished"}
    (stands,) = room.journal.files.known("a").values()
    assert (stands.path, stands.job_id) == ("a.wav", room.job().id)
    written = len(room.journal.jobs.history(room.job("b.wav").id))
    room.pass_time(10.0)
    assert len(room.journal.jobs.history(room.job("b.wav").id)) == written


def test_a_renamed_folder_takes_all_its_jobs_along(room: Room) -> None:
    for number in range(20):
        room.drop(f"show/{number}.wav", seconds=number % 3 + 1)
    room.pass_time(3.0)
    (room.inbox / "show").rename(room.inbox / "show 12")
    room.pass_time(5.0)
    assert set(room.states()) == {f"show 12/{number}.wav" for number in range(20)}
    assert len(room.journal.jobs.newest()) == 20


def test_a_rename_while_the_program_was_away_takes_the_job_along(room: Room) -> None:
    path = room.drop()
    room.pass_time(3.0)
    path.rename(room.inbox / "b.wav")
    room.restart()
    room.pass_time(5.0)
    assert room.states() == {"b.wav": "queued"}


def test_takes_that_were_renumbered_all_keep_their_jobs(room: Room) -> None:
    for number in range(1, 5):
        room.drop(f"{number}.wav", seconds=number)
    room.pass_time(3.0)
    before = {job.path: job.id for job in room.journal.jobs.newest()}
    for number in range(4, 0, -1):
        (room.inbox / f"{number}.wav").rename(room.inbox / f"{number + 1}.wav")
    room.pass_time(5.0)
    assert {job.path: job.id for job in room.journal.jobs.newest()} == {
        f"{number + 1}.wav": before[f"{number}.wav"] for number in range(1, 5)}


def test_two_files_that_changed_places_keep_their_jobs(room: Room) -> None:
    one, two = room.drop("1.wav"), room.drop("2.wav", seconds=2)
    room.pass_time(3.0)
    before = {job.path: job.id for job in room.journal.jobs.newest()}
    one.rename(room.inbox / "t.txt")
    two.rename(one)
    (room.inbox / "t.txt").rename(two)
    room.pass_time(5.0)
    assert {job.path: job.id for job in room.journal.jobs.newest()} == {"1.wav": before["2.wav"],
                                                                        "2.wav": before["1.wav"]}


def test_a_copy_is_a_file_of_its_own(room: Room) -> None:
    path = room.drop()
    room.pass_time(3.0)
    shutil.copy2(path, room.inbox / "b.wav")
    room.pass_time(3.0)
    assert room.states() == {"a.wav": "queued", "b.wav": "queued"}


def test_a_file_restored_from_a_backup_is_not_read_as_a_whole(room: Room) -> None:
    path = room.drop()
    room.pass_time(3.0)
    finish(room)
    shutil.copy2(path, room.inbox / "copy.txt")
    (room.inbox / "copy.txt").rename(path)
    room.pass_time(5.0)
    assert len(room.journal.jobs.newest()) == 1
    known = room.journal.files.known_at("a", "a.wav")
    assert known is not None
    assert known.inode == path.stat().st_ino
    assert room.report().settle_seconds == 2.0


def test_another_file_of_the_same_size_and_time_in_its_place_is_noticed_by_its_inode_number(room: Room) -> None:
    path = room.drop()
    room.pass_time(3.0)
    finish(room)
    status = path.stat()
    other = room.inbox / "other.txt"
    other.write_bytes(riff(TONE.tobytes()[::-1]))
    assert other.stat().st_size == status.st_size
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)
    room.pass_time(5.0)
    assert len(room.journal.jobs.newest()) == 2


def test_a_file_that_vanished_ends_its_job_after_two_scans(room: Room) -> None:
    room.drop().unlink()
    path = room.drop()
    room.pass_time(3.0)
    path.unlink()
    room.pass_time(5.0)
    assert room.states() == {"a.wav": "cancelled: vanished"}


def test_nothing_is_journalled_from_a_folder_that_took_the_inboxs_place_a_moment_ago(tmp_path: Path) -> None:
    """Between two looks at the marker, and though the file there has the size and time of ours."""
    room = Room(tmp_path, rescan=60)
    ours = room.drop()
    room.pass_time(1.0)
    assert room.settling() == {"a.wav": "settling"}
    room.inbox.rename(tmp_path / "ours")
    room.inbox.mkdir()
    shutil.copy2(tmp_path / "ours" / "a.wav", ours)
    room.pass_time(5.0)
    assert room.states() == {}
    assert not room.report().available
    shutil.rmtree(room.inbox)
    (tmp_path / "ours").rename(room.inbox)
    room.pass_time(30.0)
    assert room.states() == {"a.wav": "queued"}


def test_a_file_that_comes_back_is_taken_again(room: Room) -> None:
    path = room.drop()
    room.pass_time(3.0)
    path.rename(room.inbox.parent / "elsewhere.wav")
    room.pass_time(5.0)
    assert room.states() == {"a.wav": "cancelled: vanished"}
    (room.inbox.parent / "elsewhere.wav").rename(path)
    room.pass_time(5.0)
    assert room.states() == {"a.wav": "queued"}


def test_a_delivered_file_that_was_away_and_comes_back_is_not_bought_again(room: Room) -> None:
    path = room.drop()
    room.pass_time(3.0)
    finish(room)
    path.rename(room.inbox.parent / "elsewhere.wav")
    room.pass_time(5.0)
    (room.inbox.parent / "elsewhere.wav").rename(path)
    room.pass_time(5.0)
    assert room.states() == {"a.wav": "delivered"}
    assert len(room.journal.jobs.newest()) == 1


def test_of_a_folder_that_can_no_longer_be_listed_nothing_is_inferred(as_nobody: Path) -> None:
    lease.prepare()
    room = Room(as_nobody)
    room.drop("x/a.wav")
    room.pass_time(3.0)
    (room.inbox / "x").chmod(0)
    room.pass_time(30.0)
    assert room.states() == {"x/a.wav": "queued"}
    (room.inbox / "x").chmod(0o755)
    room.journal.close()


def test_an_edited_configuration_makes_no_file_vanish(room: Room) -> None:
    room.drop()
    room.pass_time(3.0)
    room.config = replace(room.config, exclude=("*.wav",))
    room.restart()
    room.pass_time(10.0)
    assert room.states() == {"a.wav": "queued"}


def test_an_inbox_that_is_not_there_is_unavailable_and_nothing_is_inferred(room: Room) -> None:
    room.drop()
    room.pass_time(3.0)
    room.inbox.rename(room.inbox.parent / "away")
    room.pass_time(60.0)
    report = room.report()
    assert not report.available
    assert report.stopped is not None
    assert report.stopped.code == "unavailable"
    assert report.next_check_at is not None
    assert room.states() == {"a.wav": "queued"}
    (room.inbox.parent / "away").rename(room.inbox)
    room.drop("b.wav")
    room.pass_time(10.0)
    assert room.report().available
    assert room.states() == {"a.wav": "queued", "b.wav": "queued"}


def test_an_inbox_that_may_not_be_opened_is_not_told_as_unmounted(as_nobody: Path) -> None:
    """To mount it, or to adopt a new folder, would help nobody."""
    lease.prepare()
    room = Room(as_nobody)
    room.drop()
    room.inbox.chmod(0)
    room.pass_time(60.0)
    stopped = room.report().stopped
    seen = sight(room.config, "a.wav", room.journal.id, room.journal.folders).unavailable
    room.inbox.chmod(0o755)
    assert stopped is not None
    assert (stopped, stopped.code) == (seen, "unavailable")
    assert "the right to read it" in stopped.action
    assert "adopt" not in stopped.action
    room.pass_time(20.0)
    assert room.states() == {"a.wav": "queued"}


def test_an_empty_mount_point_in_its_place_is_no_empty_inbox(room: Room) -> None:
    """What an unmounted share leaves behind: a folder without the marker."""
    room.drop()
    room.pass_time(3.0)
    room.inbox.rename(room.inbox.parent / "away")
    room.inbox.mkdir()
    room.drop("stray.wav")
    room.pass_time(60.0)
    assert not room.report().available
    assert room.states() == {"a.wav": "queued"}
    assert not (room.inbox / ".diffio-watch").exists()


def test_a_share_that_goes_away_between_marker_and_scan_shows_nothing(room: Room) -> None:
    room.drop()
    room.pass_time(3.0)
    finder = room.intake._finder
    for _ in range(3):
        beats = room.beats

        def vanish(_: str, beats: int = beats) -> None:
            room.beats += 1
            if room.beats == beats + 2:  # after the scan began
                room.inbox.rename(room.inbox.parent / "away")
                room.inbox.mkdir()

        room.intake._desk.heartbeat = vanish
        finder.scan()
        room.inbox.rmdir()
        (room.inbox.parent / "away").rename(room.inbox)
        room.intake._desk.heartbeat = room.beat
        assert room.states() == {"a.wav": "queued"}


def test_an_inbox_not_made_yet_is_waited_for_and_not_made(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.inbox.rmdir()
    room.pass_time(20.0)
    assert not room.report().available
    assert not room.inbox.exists()
    room.drop()
    room.pass_time(10.0)
    assert room.states() == {"a.wav": "queued"}
    room.journal.close()


def test_another_journals_inbox_is_left_alone(room: Room) -> None:
    (room.inbox / ".diffio-watch").write_text(
        '{"program": "diffio-watch", "journal": "01OTHER", "role": "inbox", "name": "a", "counter": 1}')
    room.drop()
    room.pass_time(10.0)
    stopped = room.report().stopped
    assert stopped is not None
    assert "01OTHER" in stopped.message
    assert room.states() == {}


def test_an_abandoned_intake_tells_the_journal_nothing_more(room: Room) -> None:
    room.drop()
    room.pass_time(1.0)
    old, new = room.intake, room.another()
    old.abandon()
    room.clock.at += 10.0
    old.run()
    assert room.states() == {}
    room.intake = new
    room.pass_time(3.0)
    assert room.states() == {"a.wav": "queued"}


def test_an_error_in_one_file_does_not_keep_the_others(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.drop("a.wav")
    room.drop("b.wav")
    room.pass_time(1.0)
    entry = next(iter(room.intake._files))
    entry.why = None  # type: ignore[assignment]  # what nobody foresaw
    entry.seen = entry.seen._replace(size="big")  # type: ignore[arg-type]  # likewise
    room.pass_time(5.0)
    assert set(room.states().values()) == {"queued"}


def test_every_sight_shows_life(room: Room) -> None:
    room.drop()
    room.pass_time(0.0)
    before = room.beats
    room.pass_time(15.0)
    assert room.beats > before


def test_more_new_files_than_a_person_meant_are_held_as_one_batch(tmp_path: Path) -> None:
    lease.prepare()
    room = Room(tmp_path)
    room.approve_over = 10
    room.intake = room.another()
    for number in range(12):
        room.drop(f"{number}.wav", seconds=number % 3 + 1)
    room.pass_time(3.0)
    assert set(room.states().values()) == {"held: drop_size"}
    room.journal.close()


def test_old_files_with_new_content_count_for_the_drop_before_the_first_of_them_is_let_in(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow share, where they finish one by one."""
    lease.prepare()
    room = Room(tmp_path)
    for number in range(6):
        room.drop(f"{number}.wav")
        room.pass_time(3.0)
        finish(room)
    room.clock.at += 86_400.0
    room.approve_over = 5
    room.restart()
    room.pass_time(1.0)
    for number in range(6):
        room.drop(f"{number}.wav", seconds=2)
    monkeypatch.setattr("diffio_watch.intake.room._BATCH", 1)
    for _ in range(20):
        room.clock.at += 1.0
        room.intake.turn()
        assert State.QUEUED not in {job.state for job in room.journal.jobs.newest()}
    assert set(room.states().values()) == {"held: drop_size"}
    room.journal.close()


def test_files_that_never_finish_count_for_no_later_drop(as_nobody: Path) -> None:
    lease.prepare()
    room = Room(as_nobody)
    room.approve_over = 2
    room.intake = room.another()
    for number in range(3):
        room.drop(f"secret {number}.wav").chmod(0)
    room.pass_time(3.0)
    room.clock.at += 700.0
    room.drop()
    room.pass_time(3.0)
    assert len(room.settling()) == 3
    assert room.states() == {"a.wav": "queued"}
    room.journal.close()


@pytest.mark.parametrize("ended", [False, True])
def test_of_a_drop_that_was_left_out_the_rest_is_held_however_little_it_is_over_restarts_too(
        tmp_path: Path, *, ended: bool) -> None:
    lease.prepare()
    room = Room(tmp_path)
    room.approve_over = 4
    room.restart()
    for number in range(6):
        room.drop(f"{number}.wav")
    growing = room.drop("growing.wav")
    for _ in range(3):
        with growing.open("ab") as file:
            file.write(b"\0" * 1000)
        room.pass_time(1.0)
    assert set(room.states().values()) == {"held: drop_size"}
    for job in room.journal.jobs.newest():
        room.journal.jobs.commit(job, state=State.CANCELLED)
    room.journal.drops.decide("a", [job.detected_at for job in room.journal.jobs.newest()])
    if ended:
        room.clock.at += 3600.0
        room.restart()
    room.pass_time(30.0)
    assert room.states()["growing.wav"] == "held: drop_size"
    room.journal.jobs.commit(room.job("growing.wav"), state=State.CANCELLED)
    room.journal.drops.decide("a", [room.job("growing.wav").detected_at])
    room.clock.at += DROP_WINDOW
    room.drop("meant.wav")
    room.pass_time(3.0)
    assert room.states()["meant.wav"] == "queued"
    growing.unlink()
    room.journal.close()


def test_a_file_that_comes_under_the_name_of_one_that_waited_before_the_start_is_seen_when_it_comes(
        room: Room) -> None:
    first = room.drop("take.wav")
    room.pass_time(1.0)
    first.unlink()
    room.restart()
    room.clock.at += 3600.0
    room.pass_time(5.0)
    came = room.clock.now()
    room.drop("take.wav")
    room.pass_time(3.0)
    assert room.job("take.wav").detected_at >= came


def test_what_settles_is_told_on_change_only(room: Room) -> None:
    room.drop()
    room.pass_time(1.0)
    first = room.entries()[0]
    assert (first.because.code, first.since) == ("settling", room.clock.now() - 1.0)
    assert room.intake.now.waiting == {"settling": 1}
    room.pass_time(3.0)
    assert room.intake.now.waiting == {}
    assert room.intake.now.available
    assert room.intake.now.scans >= 3


def test_a_journal_that_refuses_loses_no_file(room: Room) -> None:
    """A full disk beneath the journal: the file is placed once it is writable again."""
    room.drop()
    room.pass_time(1.0)
    room.journal.before_commit = refuse
    with pytest.raises(OSError, match="full"):
        room.pass_time(5.0)
    room.journal.before_commit = lambda: None
    room.pass_time(70.0)
    assert room.states() == {"a.wav": "queued"}


def test_a_fuse_mount_is_polled_and_its_inode_numbers_are_not_trusted(tmp_path: Path) -> None:
    if shutil.which("bindfs") is None:
        pytest.skip("bindfs is not installed")
    (tmp_path / "below").mkdir()
    (tmp_path / "in").mkdir()
    done = subprocess.run(["bindfs", tmp_path / "below", tmp_path / "in"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no FUSE mount can be had here: {done.stderr.strip()}")
    room = Room(tmp_path, watch="auto", settle="auto", rescan="auto")
    try:
        path = room.drop()
        room.pass_time(20.0)
        assert room.states() == {}
        room.pass_time(20.0)
        assert room.states() == {"a.wav": "queued"}
        report = room.report()
        assert (report.watch, report.settle_seconds) == ("polling", 30.0)
        assert report.filesystem.startswith("fuse")
        assert room.job().inode is None
        path.rename(room.inbox / "b.wav")
        room.pass_time(25.0)
        assert room.states() == {"b.wav": "queued"}
    finally:
        subprocess.run(["umount", tmp_path / "in"], check=True)
    room.pass_time(20.0)
    assert not room.report().available
    assert room.states() == {"b.wav": "queued"}
    room.journal.close()


def finish(room: Room) -> None:
    """What the pipeline does to the newest job: its content was read and delivered."""
    job = room.journal.jobs.newest()[0]
    content = (room.inbox / job.path).read_bytes()
    for state in (State.UPLOADING, State.GENERATING, State.WAITING, State.DOWNLOADING, State.DELIVERED):
        job = room.journal.jobs.commit(job, state=state, sha256=hashlib.sha256(content).hexdigest(), due_at=None)


def refuse() -> None:
    raise OSError(28, "full")


def test_an_outbox_that_shows_in_the_inbox_is_not_taken_in_by_hints_either(room: Room) -> None:
    """Events come of what lies in it, and a folder may get its marker while a file of it settles."""
    room.pass_time(1)
    room.drop("x/out/a.wav")
    room.pass_time(1)
    assert room.settling() == {"x/out/a.wav": "settling"}
    foreign(room.inbox / "x/out")
    room.pass_time(3)
    assert (room.settling(), room.states()) == ({}, {})
    room.drop("x/out/b.wav")
    room.intake._desk.hints.add("x/out/b.wav")
    room.intake._desk.hints.add("x/out")
    room.pass_time(4)
    assert (room.settling(), room.states()) == ({}, {})


def test_what_was_journalled_of_a_folder_before_it_had_a_marker_is_not_taken_for_gone(room: Room) -> None:
    room.drop("x/a.wav")
    room.pass_time(4)
    foreign(room.inbox / "x")
    room.pass_time(5)
    assert room.states() == {"x/a.wav": "queued"}
