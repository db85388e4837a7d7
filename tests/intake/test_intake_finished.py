"""What counts as finished and what is looked into, by the kind of file: a real inbox, and a clock moved by hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace as Status
from typing import Any

import pytest
import structlog
from intake_media import TONE, made, riff, tone
from intake_room import Room, age

from diffio_watch.disk import lease, marker
from diffio_watch.disk.bounds import inode_of, mtime_of
from diffio_watch.disk.mounts import Mount
from diffio_watch.job import Job, State
from diffio_watch.journal.records import Found
from diffio_watch.reasons import because

SOUND = TONE.tobytes()


def date(path: Path, room: Room, ago: float) -> None:
    """Give a file a date of so many seconds before the room's clock."""
    moment = int((room.clock.now() - ago) * 10**9)
    os.utime(path, ns=(moment, moment))


def long(room: Room, seconds: float) -> None:
    """Let time pass, most of it in one go."""
    room.pass_time(3.0)
    room.clock.at += seconds - 3.0
    room.pass_time()


def miscounted(room: Room, off: int) -> Path:
    path = room.inbox / "a.wav"
    path.write_bytes(riff(SOUND, sound=len(SOUND) + off, stated=36 + len(SOUND) + off))
    return path


def test_a_size_off_by_a_header_is_taken_once_the_file_has_rested_by_its_own_date(room: Room) -> None:
    date(miscounted(room, 44), room, 0.0)
    room.pass_time(3.0)
    assert room.settling() == {"a.wav": "cut_short"}
    long(room, 590.0)
    assert room.states() == {}
    room.pass_time(10.0)
    assert room.states() == {"a.wav": "queued"}


def test_an_old_file_whose_size_is_off_by_a_header_is_taken_at_once(room: Room) -> None:
    date(miscounted(room, 64), room, 3600.0)
    room.pass_time(3.0)
    assert room.states() == {"a.wav": "queued"}


def test_one_off_by_a_header_with_a_date_in_the_future_waits_no_longer_than_a_cut_one(room: Room) -> None:
    date(miscounted(room, 44), room, -1e7)
    long(room, 890.0)
    assert room.states() == {}
    room.pass_time(15.0)
    assert room.states() == {"a.wav": "queued"}


def test_more_than_a_header_is_cut_however_old_the_file_is(room: Room) -> None:
    date(miscounted(room, 65), room, 3600.0)
    long(room, 890.0)
    assert room.settling() == {"a.wav": "cut_short"}
    room.pass_time(15.0)
    assert room.states() == {"a.wav": "failed: truncated"}


@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.ogg"])
def test_a_torn_copy_of_a_broken_off_rsync_waits_and_goes_on_when_the_rest_comes(
        room: Room, tmp_path: Path, name: str) -> None:
    content = made(tmp_path, name).read_bytes()
    path = room.inbox / name
    path.write_bytes(content[:len(content) // 2])
    long(room, 600.0)
    assert room.settling() == {name: "cut_short"}
    path.write_bytes(content)
    room.pass_time(3.0)
    assert room.states() == {name: "queued"}


def test_a_date_of_1970_is_rsyncs_not_finished_yet(room: Room) -> None:
    path = room.drop()
    os.utime(path, (0, 0))
    long(room, 600.0)
    assert room.settling() == {"a.wav": "cut_short"}
    assert "rsync" in room.entries()[0].because.message
    date(path, room, 0.0)  # it is finished: rsync gives it the date of the original
    room.pass_time(3.0)
    assert room.states() == {"a.wav": "queued"}


def test_what_failed_for_its_date_alone_goes_on_once_the_date_is_right(room: Room) -> None:
    path = room.drop()
    os.utime(path, (0, 0))
    long(room, 905.0)
    assert room.states() == {"a.wav": "failed: truncated"}
    date(path, room, 0.0)
    room.pass_time(6.0)
    assert room.states() == {"a.wav": "queued"}
    assert len(room.journal.jobs.newest()) == 1


def test_a_container_without_a_single_sample_is_empty_and_told_as_late_as_an_empty_file(room: Room) -> None:
    (room.inbox / "a.wav").write_bytes(riff(b""))
    room.pass_time(3.0)
    assert room.states() == {"a.wav": "failed: empty"}
    assert room.job().due_at == pytest.approx(room.clock.now() - 1.0 + 300.0)
    reason = room.job().because
    assert reason is not None
    assert "not a single sample" in reason.message
    room.drop()  # its writer has begun now
    room.pass_time(6.0)
    assert room.states() == {"a.wav": "queued"}


class TestNames:
    """A name that says nothing is looked into; one on a list of other things is not."""

    def test_what_holds_sound_is_taken_whatever_it_is_called(self, room: Room, tmp_path: Path) -> None:
        for name in ("ZOOM0001", "take.wav ", "interview.2024-05-01", "memo.", "voice.qta", "b.wav.1"):
            tone(room.inbox / name)
        (room.inbox / "song").write_bytes(made(tmp_path, "a.mp3").read_bytes())
        (room.inbox / "film").write_bytes(made(tmp_path, "v.mp4").read_bytes())
        room.pass_time(3.0)
        assert set(room.states().values()) == {"queued"}
        assert len(room.states()) == 8

    def test_the_rest_is_left_alone_and_told_once_with_its_number(self, room: Room) -> None:
        (room.inbox / "README").write_bytes(b"hello " * 1000)
        (room.inbox / "empty").touch()
        (room.inbox / "data.xyz").write_bytes(bytes(range(256)) * 40)
        (room.inbox / "notes.txt").write_bytes(b"on a list of other things")
        room.drop()
        with structlog.testing.capture_logs() as logs:
            room.pass_time(30.0)
        assert room.states() == {"a.wav": "queued"}
        assert room.settling() == {}
        assert room.report().left_alone == 3
        assert [(one["event"], one["files"]) for one in logs if one["event"] == "files.left_alone"] == [
            ("files.left_alone", 3)]

    def test_a_library_in_which_mp3_frames_happen_to_stand_is_no_recording(self, room: Room, tmp_path: Path) -> None:
        content = made(tmp_path, "a.mp3").read_bytes()
        (room.inbox / "libx.a.1").write_bytes(b"!<arch>\n" + os.urandom(300) + content[content.rindex(b"LAME") - 200:])
        room.pass_time(5.0)
        assert room.states() == {}

    def test_one_left_alone_is_looked_into_again_once_it_changes(self, room: Room) -> None:
        path = room.inbox / "ZOOM0001"
        path.write_bytes(b"hello " * 1000)
        room.pass_time(5.0)
        assert room.report().left_alone == 1
        tone(path)
        room.pass_time(15.0)
        assert room.states() == {"ZOOM0001": "queued"}
        assert room.report().left_alone == 0

    def test_one_that_is_still_copied_waits_and_is_no_fault_where_it_holds_nothing(self, room: Room) -> None:
        (room.inbox / "ZOOM0001").write_bytes(riff(SOUND)[:5000])
        room.pass_time(5.0)
        assert room.settling() == {"ZOOM0001": "cut_short"}
        (room.inbox / "ZOOM0001").write_bytes(riff(SOUND))
        room.pass_time(5.0)
        assert room.states() == {"ZOOM0001": "queued"}

    def test_they_count_for_no_drop_before_sound_was_found_in_them(self, tmp_path: Path) -> None:
        lease.prepare()
        room = Room(tmp_path)
        room.approve_over = 3
        room.restart()
        for number in range(20):
            (room.inbox / f"file{number}").write_bytes(b"hello")
        room.drop()
        room.pass_time(5.0)
        assert room.states() == {"a.wav": "queued"}

    @pytest.mark.parametrize(("include", "taken"), [
        (["audio"], {"sound"}), (["video"], {"film"}), (["*.take"], set()), (["audio", "*.take"], {"sound"})])
    def test_only_what_the_sets_of_include_mean_is_looked_for(
            self, tmp_path: Path, include: list[str], taken: set[str]) -> None:
        room = Room(tmp_path, include=include)
        tone(room.inbox / "sound")
        (room.inbox / "film").write_bytes(made(tmp_path, "v.mp4").read_bytes())
        room.pass_time(3.0)
        assert set(room.states()) == taken

    def test_excluded_and_junk_names_are_not_looked_into(self, tmp_path: Path) -> None:
        room = Room(tmp_path, exclude=["ZOOM*"])
        for name in ("ZOOM0001", ".hidden", "Song [abc].f137.mp4", "Song.f140-drc.m4a", "Song.temp.mp4", "x.mp4.ytdl",
                     "x.mp4.part-Frag12"):
            tone(room.inbox / name)
        room.pass_time(5.0)
        assert room.states() == {}


class TestOpen:
    """Who has a file open is asked wherever the kernel answers; where it does not, patience is longer."""

    @pytest.mark.parametrize("kind", ["ext4", "overlay", "vfat", "exfat", "ntfs3", "reiserfs", "bcachefs"])
    def test_it_is_asked_on_every_local_disk(self, kind: str) -> None:
        assert Mount("/", kind, "").leases

    @pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "fuseblk", "9p", "virtiofs", ""])
    def test_it_is_not_where_another_host_or_a_program_stands_behind_it(self, kind: str) -> None:
        assert not Mount("/", kind, "").leases

    @pytest.mark.parametrize("kind", ["cifs", "fuse.mergerfs", "nfs4"])
    def test_where_no_true_answer_can_be_had_a_file_is_quiet_for_ten_seconds(
            self, room: Room, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        monkeypatch.setattr(marker.Held, "mount", lambda _: Mount("/", kind, "server"))
        room.drop()
        room.pass_time(9.0)
        assert room.states() == {}
        assert room.report().settle_seconds == 10.0
        room.pass_time(1.0)
        assert room.states() == {"a.wav": "queued"}


class TestBlind:
    """What could not be looked at is told, and never passed over."""

    def test_a_folder_that_may_not_be_entered_is_in_the_list_and_the_log(self, as_nobody: Path) -> None:
        lease.prepare()
        room = Room(as_nobody)
        room.drop("shut/deep/a.wav")
        room.drop("open/b.wav")
        (room.inbox / "shut").chmod(0)
        with structlog.testing.capture_logs() as logs:
            room.pass_time(5.0)
        assert room.settling() == {"shut": "unreadable"}
        entry = room.entries()[0]
        assert "Permission denied" in entry.because.message
        assert entry.next_look_at is not None
        assert room.intake.now.waiting == {"unreadable": 1}
        assert [one["path"] for one in logs if one["event"] == "path.not_looked_at"] == ["shut"]
        (room.inbox / "shut").chmod(0o755)
        room.pass_time(5.0)
        assert room.settling() == {}
        assert room.states() == {"open/b.wav": "queued", "shut/deep/a.wav": "queued"}
        room.journal.close()

    def test_folders_deeper_than_a_path_may_be_are_told_and_stop_nothing(self, room: Room) -> None:
        descriptor = os.open(room.inbox, os.O_RDONLY)
        for _ in range(25):  # 25 x 201 bytes
            os.mkdir("d" * 200, dir_fd=descriptor)
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        os.close(descriptor)
        room.drop()
        room.pass_time(5.0)
        assert room.states() == {"a.wav": "queued"}
        (entry,) = room.entries()
        assert entry.because.code == "unreadable"
        assert "too long" in entry.because.message

    def test_what_a_hint_leads_to_and_can_not_be_looked_at_is_told_soon(self, as_nobody: Path) -> None:
        lease.prepare()
        room = Room(as_nobody, rescan=3600)
        room.pass_time(2.0)
        (room.inbox / "new/shut").mkdir(parents=True, mode=0)
        room.intake._desk.hints.add("new")
        room.pass_time(60.0)
        (room.inbox / "new/shut").chmod(0o755)
        assert room.settling() == {"new/shut": "unreadable"}
        room.journal.close()

    def test_folders_a_thousand_deep_are_walked_through(self, room: Room) -> None:
        deep = os.fspath(room.inbox)
        for _ in range(1000):
            deep += "/d"
            os.mkdir(deep)  # noqa: PTH102 - a Path makes them by recursion
        tone(Path(deep + "/a.wav"))
        try:
            room.pass_time(3.0)
            assert set(room.states().values()) == {"queued"}
        finally:  # what clears up after tests goes down by recursion
            subprocess.run(["rm", "-rf", str(room.inbox / "d")], check=True)


class TestBounds:
    """Numbers of a filesystem are bounded before they are stored."""

    def test_a_date_that_no_journal_can_hold_is_taken_and_taken_once(self, room: Room) -> None:
        path = room.drop()
        os.utime(path, ns=(0, (1 << 63) + 10**18))
        if path.stat().st_mtime_ns < 1 << 63:
            pytest.skip("this filesystem keeps no such date")
        room.pass_time(5.0)
        assert room.states() == {"a.wav": "queued"}
        room.restart()
        room.pass_time(5.0)
        assert len(room.journal.jobs.newest()) == 1

    def test_inode_numbers_of_64_bits_are_kept_apart_and_stored(self) -> None:
        numbers = [0, 5, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
        stored = [inode_of(Status(st_ino=number)) for number in numbers]  # type: ignore[arg-type]  # as the system's
        assert len(set(stored)) == len(numbers)
        assert all(-1 << 63 <= number < 1 << 63 for number in stored)
        assert mtime_of(Status(st_mtime_ns=1 << 70)) == (1 << 63) - 1  # type: ignore[arg-type]  # no real stat


class TestOneOfMany:
    """One file that can't be dealt with keeps no other from its turn."""

    @pytest.fixture
    def guilty(self, room: Room, monkeypatch: pytest.MonkeyPatch) -> Room:
        place = room.journal.files._place

        def refuse(db: Any, inbox: str, file: Found, now: float) -> Any:
            if file.path == "b.wav":
                raise OverflowError("Python int too large to convert to SQLite INTEGER")
            return place(db, inbox, file, now)

        monkeypatch.setattr(room.journal.files, "_place", refuse)
        return room

    def test_one_whose_end_can_not_be_journalled_is_tried_again(
        self, room: Room, monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def refuse(*_: object) -> None:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")

        room.drop("a.wav")
        room.pass_time(5.0)
        (room.inbox / "a.wav").unlink()
        with monkeypatch.context() as patch:
            patch.setattr(room.journal.files, "vanish", refuse)
            room.pass_time(1000.0)
        assert room.states() == {"a.wav": "queued"}
        room.pass_time(1000.0)
        assert room.states() == {"a.wav": "cancelled: vanished"}

    def test_where_one_of_a_batch_can_not_be_journalled_the_others_are(self, guilty: Room) -> None:
        for name in ("a.wav", "b.wav", "c.wav"):
            guilty.drop(name)
        guilty.pass_time(5.0)
        assert guilty.states() == {"a.wav": "queued", "c.wav": "queued"}
        (entry,) = guilty.entries()
        assert (entry.path, entry.because.code) == ("b.wav", "internal")
        assert "too large" in entry.because.message
        assert entry.next_look_at is not None
        long(guilty, 600.0)
        assert len(guilty.journal.jobs.newest()) == 2

    def test_a_rename_that_the_journal_can_not_follow_is_a_new_file_and_the_others_are_followed(
            self, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
        for number, name in enumerate(("a.wav", "b.wav"), 1):
            room.drop(name, number)
        room.pass_time(3.0)
        jobs = {job.path: job.id for job in room.journal.jobs.newest()}
        move = room.journal.files.move

        def refuse(inbox: str, moves: Sequence[tuple[str, str]]) -> None:
            if any(old == "b.wav" for old, _ in moves):
                raise ValueError("no")
            move(inbox, moves)

        monkeypatch.setattr(room.journal.files, "move", refuse)
        for name in ("a", "b"):
            (room.inbox / f"{name}.wav").rename(room.inbox / f"new {name}.wav")
        room.pass_time(20.0)
        assert room.job("new a.wav").id == jobs["a.wav"]
        assert room.states() == {"new a.wav": "queued", "b.wav": "cancelled: vanished", "new b.wav": "queued"}


def test_a_file_whose_job_waits_for_it_is_looked_at_although_it_is_excluded_by_now(tmp_path: Path) -> None:
    """It changed while it was uploaded; what is journalled goes on, whatever the configuration says later."""
    room = Room(tmp_path)
    path = room.drop()
    room.pass_time(3.0)
    job: Job = room.job()
    uploading = room.journal.jobs.commit(job, state=State.UPLOADING)
    tone(path, 2)
    room.journal.jobs.commit(uploading, state=State.QUEUED, because=because("changed"), due_at=None)
    room.intake.abandon()
    room.intake._presence.close()
    room.journal.close()
    later = Room(tmp_path, exclude=["a*"])
    later.pass_time(10.0)
    assert later.job().id == job.id
    assert (later.job().state, later.job().due_at) == (State.QUEUED, 0.0)
    age(path, 5)
    later.journal.close()
