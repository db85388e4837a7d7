"""The original as it is sent: hashed as it was sent last, and refused as soon as it is another file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffio_watch.api.shapes import Session
from diffio_watch.disk.place import Place
from diffio_watch.job import Job, Settings
from diffio_watch.pipeline.original import CHUNK, Changed, Original
from diffio_watch.pipeline.sessions import Sessions

CONTENT = bytes(range(251)) * 41


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    path.write_bytes(CONTENT)
    return path


def job_of(path: Path, **more: Any) -> Job:
    found = path.stat()
    return Job("01J", "podcasts", path.name, found.st_size, found.st_mtime_ns, Settings(), **more)


def opened(path: Path, job: Job | None = None, **more: Any) -> Original:
    return Original(place(path.parent), job or job_of(path), **more)


def place(root: Path, *, links: bool = False) -> Place:
    return Place(str(root), inodes=True, leases=False, follow_symlinks=links)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(CONTENT)), st.integers(0, 4000)), max_size=12))
def test_whatever_was_sent_in_whatever_order_the_hash_is_of_the_whole(
    file: Path, slices: list[tuple[int, int]],
) -> None:
    with opened(file) as original:
        for offset, length in slices:
            length = min(length, len(CONTENT) - offset)  # noqa: PLW2901 - cut to what there is
            part = original.part(offset, length)
            assert b"".join(part.chunks()) == CONTENT[offset:offset + length]
            assert part.size == length
        assert original.sha256() == hashlib.sha256(CONTENT).hexdigest()


def test_parts_that_are_sent_in_order_and_again_are_read_for_the_hash_in_passing(tmp_path: Path) -> None:
    """Nothing is read a second time for the hash alone."""
    path = tmp_path / "long.wav"
    path.write_bytes(os.urandom(5 * CHUNK + 17))
    read: list[int] = []
    with opened(path, tick=read.append) as original:
        for offset in range(0, 5 * CHUNK + 17, 2 * CHUNK):
            length = min(2 * CHUNK, 5 * CHUNK + 17 - offset)
            for _ in range(2):  # a part whose first try was lost
                for _ in original.part(offset, length).chunks():
                    pass
        sent = len(read)
        assert original.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(read) == sent


def test_a_part_that_was_broken_off_and_parts_that_need_not_be_sent_are_in_the_hash(file: Path) -> None:
    with opened(file) as original:
        next(iter(original.part(0, 3000).chunks()))
        original.part(0, 5000).read()
        for _ in original.part(5000, 100).chunks():
            pass
        assert original.sha256() == hashlib.sha256(CONTENT).hexdigest()


def test_a_part_tells_the_hash_of_what_was_sent_of_it_once_all_of_it_was(file: Path) -> None:
    with opened(file) as original:
        part = original.part(1000, 2000)
        next(iter(part.chunks()))
        assert part.sha256 == ""
        part.read()
        assert part.sha256 == hashlib.sha256(CONTENT[1000:3000]).hexdigest()


def test_what_is_sent_again_is_hashed_as_it_was_sent_last(file: Path) -> None:
    """The first try of a part was lost, and somebody wrote into the file before the second."""
    with opened(file) as original:
        original.part(0, 3000).read()
        part = original.part(3000, 3000)
        part.read()
        now = bytearray(CONTENT)
        now[4000] ^= 1
        file.write_bytes(now)
        part.read()
        assert part.sha256 == hashlib.sha256(now[3000:6000]).hexdigest()
        assert original.sha256() == hashlib.sha256(now).hexdigest()


def test_an_empty_file_has_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"")
    with opened(path) as original:
        assert list(original.part(0, 0).chunks()) == []
        assert original.sha256() == hashlib.sha256().hexdigest()


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def replace_by_another(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(bytes(reversed(CONTENT)))
    os.utime(other, ns=(before.st_mtime_ns, before.st_mtime_ns))
    other.rename(path)


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def shorten(path: Path) -> None:
    os.truncate(path, 10)


@pytest.mark.parametrize("change", [grow, touch, shorten, replace_by_another])
def test_another_file_is_refused_when_it_is_opened_and_while_it_is_read(
    file: Path, change: Callable[[Path], None],
) -> None:
    job = job_of(file, inode=file.stat().st_ino)
    with opened(file, job) as original:
        change(file)
        with pytest.raises(Changed):
            original.check()
    with pytest.raises(Changed):
        opened(file, job)


def test_a_file_that_ends_before_its_part_does_is_refused(file: Path) -> None:
    with opened(file) as original:
        os.truncate(file, 100)
        with pytest.raises(Changed):
            b"".join(original.part(0, len(CONTENT)).chunks())


def test_without_a_trusted_inode_another_file_of_the_same_size_and_time_passes(file: Path) -> None:
    """Where the filesystem's inode numbers mean nothing, the hash has the last word."""
    with opened(file) as original:
        replace_by_another(file)
        original.check()


def test_a_file_that_went_away_is_told_as_such(file: Path) -> None:
    with opened(file) as original:
        file.unlink()
        with pytest.raises(FileNotFoundError):
            original.check()


def test_what_is_no_file_is_not_read_and_not_waited_for(file: Path, tmp_path: Path) -> None:
    job = job_of(file)
    for name, make in (("fifo", os.mkfifo), ("folder", os.mkdir)):
        make(tmp_path / name)
        (tmp_path / name).rename(tmp_path / f"{name}.wav")
        with pytest.raises((Changed, OSError)):
            opened(tmp_path / f"{name}.wav", Job("01J", "podcasts", f"{name}.wav", job.size, job.mtime_ns, Settings()))


def test_a_link_is_read_only_where_links_are_followed(file: Path) -> None:
    link = file.with_name("link.wav")
    link.symlink_to(file)
    job = job_of(link)
    with pytest.raises(Changed):
        opened(link, job)
    with Original(place(link.parent, links=True), job) as original:
        assert original.sha256() == hashlib.sha256(CONTENT).hexdigest()


def test_names_that_are_no_utf_8_are_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe odd\n name.wav")
    (tmp_path / name).write_bytes(CONTENT)
    with opened(tmp_path / name) as original:
        assert original.sha256() == hashlib.sha256(CONTENT).hexdigest()


def test_a_stop_ends_a_read_at_the_next_piece(file: Path) -> None:
    class Stop(Exception):
        pass

    def tick(_: int) -> None:
        raise Stop

    with opened(file, tick=tick) as original, pytest.raises(Stop):
        original.sha256()


SESSION = Session("https://edge.example", "tok-en", 1024, None, 5.0)


def test_sessions_are_kept_for_their_job_and_saved_readable_to_nobody_else(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path)
    sessions.keep("01A", SESSION)
    assert sessions.load("01A") == SESSION
    assert list((tmp_path / "sessions").iterdir()) == [], "there is nothing to go on from yet"
    sessions.save("01A")
    sessions.save("01A")
    sessions.save("01B")
    assert Sessions(tmp_path).load("01A") == SESSION
    assert sessions.load("01B") is None
    assert sessions.jobs() == Sessions(tmp_path).jobs() == ["01A"]
    assert (tmp_path / "sessions").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "sessions" / "01A.json").stat().st_mode & 0o777 == 0o600
    sessions.remove("01A")
    sessions.remove("01A")
    assert sessions.jobs() == []
    assert list((tmp_path / "sessions").iterdir()) == []


def test_a_job_that_begins_anew_never_goes_on_in_its_earlier_session(tmp_path: Path) -> None:
    """Whatever of the files outlives what: what is not on the disk is nowhere."""
    first, second = replace(SESSION, project_id="first"), replace(SESSION, project_id="second", token="other")
    sessions = Sessions(tmp_path)
    sessions.keep("01A", first)
    sessions.save("01A")
    for again in (sessions, Sessions(tmp_path)):  # in the same process, and after a crash
        again.keep("01A", second)
        assert Sessions(tmp_path).load("01A") is None
        again.save("01A")
        assert Sessions(tmp_path).load("01A") == again.load("01A") == second
        again.keep("01A", first)
        again.save("01A")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"edge": 1}', b"\xff\xff"])
def test_a_damaged_session_is_none(tmp_path: Path, text: bytes) -> None:
    Sessions(tmp_path)
    (tmp_path / "sessions" / "01A.json").write_bytes(text)
    sessions = Sessions(tmp_path)
    assert sessions.load("01A") is None
    assert sessions.jobs() == ["01A"]


def test_what_a_crash_left_of_a_session_is_in_nobodys_way(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path)
    (tmp_path / "sessions" / ".01A.new").write_bytes(b"half")
    sessions.keep("01A", SESSION)
    sessions.save("01A")
    assert Sessions(tmp_path).load("01A") == SESSION
    assert sessions.jobs() == ["01A"]
