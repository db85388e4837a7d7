"""An original goes only as configured, only while it is still the delivered one, and never halfway."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from outbox_studio import Studio, always

from diffio_watch.disk import attributes, durable
from diffio_watch.job import Job
from diffio_watch.outbox import originals
from diffio_watch.outbox.errors import OutboxGone
from diffio_watch.outbox.names import temp_name
from diffio_watch.outbox.originals import Disposal, dispose
from diffio_watch.outbox.root import Root

CONTENT = b"RIFF and an hour of sound" * 1000
PATH = "show 12/interview.wav"


@pytest.fixture(params=["same filesystem", "another filesystem"])
def archive(request: pytest.FixtureRequest, studio: Studio) -> Iterator[Root]:
    """An archive that a rename reaches, and one that it does not."""
    if request.param == "same filesystem":
        yield studio.archive_root()
        return
    studio.archive = request.getfixturevalue("elsewhere")
    yield studio.archive_root()


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def archived(studio: Studio, **changes: object) -> Job:
    return studio.job(PATH, CONTENT, settings={"originals": "archive"}, **changes)


def test_kept_is_not_even_looked_at(studio: Studio) -> None:
    assert dispose(studio.job(PATH, CONTENT), Root("/nonexistent", always)).original == "kept"


def test_deleted(studio: Studio) -> None:
    job = studio.job(PATH, CONTENT, settings={"originals": "delete"})
    studio.original(job, CONTENT)
    for _ in range(2):
        assert dispose(job, studio.inbox_root()).original == "deleted"
    assert studio.files(studio.inbox) == {}


def test_archived_in_mirrored_folders_with_its_time_and_mode(studio: Studio, archive: Root) -> None:
    job = archived(studio)
    studio.original(job, CONTENT).chmod(0o640)
    for _ in range(2):
        assert dispose(job, studio.inbox_root(), archive).original == "archived"
    assert studio.files(studio.inbox) == {}
    assert studio.files(studio.archive) == {PATH: CONTENT}
    there = (studio.archive / PATH).stat()
    assert (there.st_mtime_ns, stat.S_IMODE(there.st_mode)) == (job.mtime_ns, 0o640)


def test_a_taken_name_in_the_archive_gets_a_number(studio: Studio, archive: Root) -> None:
    job = archived(studio)
    studio.original(job, CONTENT)
    (studio.archive / "show 12").mkdir()
    (studio.archive / PATH).write_bytes(b"another")
    (studio.archive / "show 12/interview (2).wav").symlink_to("nowhere")
    for _ in range(2):
        assert dispose(job, studio.inbox_root(), archive).original == "archived"
    files = studio.files(studio.archive)
    assert files == {PATH: b"another", "show 12/interview (2).wav": b"nowhere", "show 12/interview (3).wav": CONTENT}


def test_a_copy_that_an_interrupted_try_left_is_used(studio: Studio, archive: Root) -> None:
    job = archived(studio)
    studio.original(job, CONTENT)
    (studio.archive / "show 12").mkdir()
    (studio.archive / PATH).write_bytes(CONTENT)
    os.utime(studio.archive / PATH, ns=(1, job.mtime_ns))
    (studio.archive / "show 12" / temp_name(job.id, "original")).write_bytes(b"half")
    assert dispose(job, studio.inbox_root(), archive).original == "archived"
    assert studio.files(studio.inbox) == {}
    assert studio.files(studio.archive)[PATH] == CONTENT
    assert "show 12/interview (2).wav" not in studio.files(studio.archive)


@pytest.mark.parametrize("originals", ["delete", "archive"])
@pytest.mark.parametrize("content", [b"new", b"x" * len(CONTENT)])
def test_a_file_that_is_no_longer_the_delivered_one_stays(studio: Studio, originals: str, content: bytes) -> None:
    job = studio.job(PATH, CONTENT, settings={"originals": originals})
    studio.original(job, content)
    assert dispose(job, studio.inbox_root(), studio.archive_root()).original == "kept"
    assert studio.files(studio.inbox) == {PATH: content}
    assert studio.files(studio.archive) == {}


def test_a_touched_file_waits_until_intake_took_note(studio: Studio) -> None:
    job = studio.job(PATH, CONTENT, settings={"originals": "delete"})
    os.utime(studio.original(job, CONTENT), ns=(1, 1))
    assert dispose(job, studio.inbox_root()).original == "pending"
    assert dispose(replace(job, mtime_ns=1), studio.inbox_root()).original == "deleted"


@pytest.mark.parametrize("kind", ["link", "folder", "FIFO"])
def test_only_a_regular_file_goes(studio: Studio, kind: str) -> None:
    job = studio.job(PATH, CONTENT, settings={"originals": "delete"})
    real = studio.original(replace(job, path="real.wav"), CONTENT)
    there = studio.inbox / PATH
    there.parent.mkdir()
    if kind == "link":
        there.symlink_to(real)
    elif kind == "folder":
        there.mkdir()
    else:
        os.mkfifo(there)
    assert dispose(job, studio.inbox_root()).original == ("stuck" if kind == "link" else "kept")
    assert os.path.lexists(there)
    assert real.exists()


def test_an_original_that_somebody_removed_is_gone(studio: Studio, archive: Root) -> None:
    job = archived(studio)
    assert dispose(job, studio.inbox_root(), archive).original == "deleted"
    (studio.inbox / "show 12").mkdir()
    assert dispose(job, studio.inbox_root(), archive).original == "deleted"


def test_an_archive_that_is_not_there_keeps_the_original(studio: Studio) -> None:
    job = archived(studio)
    studio.original(job, CONTENT)
    with pytest.raises(OutboxGone):
        dispose(job, studio.inbox_root(), Root(str(studio.base / "nowhere"), always))
    with pytest.raises(ValueError, match="needs one"):
        dispose(job, studio.inbox_root(), None)
    assert studio.files(studio.inbox) == {PATH: CONTENT}


def test_an_inbox_that_is_not_there_says_nothing_about_the_original(studio: Studio) -> None:
    def gone() -> None:
        raise OutboxGone("inbox", "not mounted")

    job = archived(studio)
    with pytest.raises(OutboxGone):
        dispose(job, Root(str(studio.inbox), gone), studio.archive_root())


def test_a_file_saved_over_it_between_hash_and_move_survives(studio: Studio, archive: Root,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """The instant can't be hit from outside, so the hash's end is where the test saves."""
    job = archived(studio)
    original = studio.original(job, CONTENT)

    def differs(job: Job, fd: int, tick: Callable[[], None]) -> None:
        assert really(job, fd, tick) is None
        (studio.inbox / "new").write_bytes(b"precious")
        (studio.inbox / "new").rename(original)

    really = originals._differs
    monkeypatch.setattr(originals, "_differs", differs)
    assert dispose(job, studio.inbox_root(), archive).original == "kept"
    assert studio.files(studio.inbox) == {PATH: b"precious"}
    job = replace(job, settings=replace(job.settings, originals="delete"))
    os.utime(original, ns=(job.mtime_ns, job.mtime_ns))
    monkeypatch.undo()
    assert dispose(job, studio.inbox_root()).original == "kept"


def test_what_may_not_be_removed_is_stuck(studio: Studio) -> None:
    """As root nothing is forbidden, but an immutable folder is."""
    job = studio.job(PATH, CONTENT, settings={"originals": "delete"})
    folder = studio.original(job, CONTENT).parent
    pid = os.fork()
    if pid == 0:
        try:
            for above in [folder, *folder.parents]:
                if os.geteuid() == 0 and above.stat().st_uid == 0:
                    above.chmod(above.stat().st_mode | 0o055)
            folder.chmod(0o555)
            if os.geteuid() == 0:
                os.setuid(65534)
            os._exit(0 if dispose(job, studio.inbox_root()).original == "stuck" else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    folder.chmod(0o755)
    assert studio.files(studio.inbox) == {PATH: CONTENT}


def test_an_inbox_that_lets_nothing_go_is_named_and_not_the_archive(studio: Studio) -> None:
    job = archived(studio)
    folder = studio.original(job, CONTENT).parent
    pid = os.fork()
    if pid == 0:
        try:
            for above in [folder, *folder.parents]:
                if os.geteuid() == 0 and above.stat().st_uid == 0:
                    above.chmod(above.stat().st_mode | 0o055)
            studio.archive.chmod(0o777)
            folder.chmod(0o555)
            if os.geteuid() == 0:
                os.setuid(65534)
            done = dispose(job, studio.inbox_root(), studio.archive_root())
            os._exit(0 if done.original == "stuck" and done.detail.startswith("the inbox, folder show 12:") else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    folder.chmod(0o755)
    assert studio.files(studio.inbox) == {PATH: CONTENT}
    assert studio.files(studio.archive) == {}


ACCESS = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in [
    (1, 6, 0xFFFFFFFF), (2, 6, 65534), (4, 4, 0xFFFFFFFF), (16, 6, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)])


def give(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        pytest.skip(f"no {name} here: {error}")


def test_moving_keeps_what_mv_keeps(studio: Studio, archive: Root) -> None:
    """Owner where that is allowed, times, access list, attributes of users."""
    job = archived(studio)
    original = studio.original(job, CONTENT)
    original.chmod(0o640)
    give(original, "user.xdg.comment", b"take 3")
    give(original, attributes.ACCESS_LIST, ACCESS)
    if os.geteuid() == 0:
        os.chown(original, 1234, 4321)
    before = original.stat()
    assert dispose(job, studio.inbox_root(), archive) == Disposal("archived")
    there = studio.archive / PATH
    after = there.stat()
    assert (after.st_mode, after.st_uid, after.st_gid, after.st_mtime_ns) == (
        before.st_mode, before.st_uid, before.st_gid, before.st_mtime_ns)
    assert os.getxattr(there, "user.xdg.comment") == b"take 3"
    assert os.getxattr(there, attributes.ACCESS_LIST) == ACCESS


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1644, 0o7777])
def test_a_copy_has_never_a_mode_bit_but_rwx(studio: Studio, mode: int) -> None:
    """An editor's setuid program, called a.wav, must not become one of whoever runs the service."""
    source, target = studio.base / "source", studio.base / "target"
    source.write_bytes(CONTENT)
    source.chmod(mode)
    with source.open("rb") as one, target.open("xb") as other:
        attributes.keep(one.fileno(), other.fileno())
    assert stat.S_IMODE(target.stat().st_mode) == mode & 0o777
    with studio.inbox_root().open() as folder:
        os.close(durable.create("new", mode, dir_fd=folder))
    assert stat.S_IMODE((studio.inbox / "new").stat().st_mode) == mode & 0o777


def test_rights_that_its_new_folder_would_add_are_not_added(studio: Studio, archive: Root) -> None:
    job = archived(studio)
    studio.original(job, CONTENT).chmod(0o600)
    give(studio.archive, "system.posix_acl_default", ACCESS)
    assert dispose(job, studio.inbox_root(), archive).original == "archived"
    there = studio.archive / PATH
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    with pytest.raises(OSError, match="No data"):
        os.getxattr(there, attributes.ACCESS_LIST)


def test_what_can_not_be_kept_is_told(studio: Studio) -> None:
    source, copy = studio.base / "source", studio.base / "copy"
    source.write_bytes(b"1")
    copy.write_bytes(b"1")
    give(source, "user.a", b"1")
    give(source, attributes.ACCESS_LIST, ACCESS)
    os.utime(source, ns=(1, 1))
    with source.open("rb") as one, copy.open("rb") as other:
        assert attributes.lost(one.fileno(), other.fileno()) == ["rights", "modification time", "access list",
                                                           "attribute user.a"]


def test_archiving_many_takes_of_one_name_and_length_reads_none_of_the_earlier_ones_again(
        studio: Studio, archive: Root) -> None:
    """A recorder with a clock that stands still: even their times are one. `tick` is called at each reading."""
    ticks = []
    for number in range(12):
        take = bytes([number]) * 1000
        job = replace(archived(studio), size=1000, sha256=sha256(take).hexdigest())
        studio.original(job, take)
        read: list[int] = []
        assert dispose(job, studio.inbox_root(), archive, lambda read=read: read.append(1)).original == "archived"  # type: ignore[misc]  # bound now
        ticks.append(len(read))
    assert len(studio.files(studio.archive)) == 12
    assert max(ticks[1:]) == ticks[1]


def test_the_archives_name_is_on_disk_before_the_original_goes(studio: Studio, archive: Root,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an interrupted try had put it there: nobody knows how far that came."""
    job = archived(studio)
    original = studio.original(job, CONTENT)
    (studio.archive / "show 12").mkdir()
    (studio.archive / PATH).write_bytes(CONTENT)
    os.utime(studio.archive / PATH, ns=(1, job.mtime_ns))
    synced: list[tuple[str, bool]] = []
    really = os.fsync

    def fsync(fd: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{fd}").readlink()), original.exists()))
        really(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    assert dispose(job, studio.inbox_root(), archive).original == "archived"
    assert (str(studio.archive / PATH), True) in synced
    assert (str(studio.archive / "show 12"), True) in synced
