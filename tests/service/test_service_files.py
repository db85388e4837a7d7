"""Originals and results by the id of their job, from the right file alone, whole or in parts."""

from __future__ import annotations

import ctypes
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from folders import meanwhile, read_only, swapped, unmount, use
from markers import put_marker
from service_page import BEARER, PATIENCE, Answer, Place, read_answer, request

from diffio_watch.disk import marker
from diffio_watch.job import Job, Output, State
from diffio_watch.service.disposition import disposition
from diffio_watch.service.files import STREAMS

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def job(place: Place) -> Job:
    """A delivered one, with its original and a result in their folders."""
    return delivered(place, "a.wav", "a.restored.wav")


def delivered(place: Place, path: str, result: str, **facts: Any) -> Job:
    use(place.journal, "podcasts", inbox=place.inbox, outbox=place.outbox, archive=place.root / "archive")
    (place.inbox / path).write_bytes(CONTENT)
    (place.outbox / result).write_bytes(CONTENT)
    return _delivered(place, path, result, **facts)


def _delivered(place: Place, path: str, result: str, **facts: Any) -> Job:
    stat = (place.inbox / path).stat()
    return place.add(path, state=State.DELIVERED, size=len(CONTENT), mtime_ns=stat.st_mtime_ns,
                     outputs=(Output("audio", "published", path=result, size=len(CONTENT), mime_type="audio/wav"),),
                     **facts)


def result(job: Job) -> str:
    return f"/api/jobs/{job.id}/outputs/audio"


def test_both_files_of_a_job_are_given_out_with_their_types(place: Place, job: Job) -> None:
    for path in (f"/api/jobs/{job.id}/original", result(job)):
        answer = place.get(path)
        assert (answer.status, answer.body) == (200, CONTENT)
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["content-length"] == str(len(CONTENT))
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert answer.headers["cache-control"] == "no-store"
    assert place.get(result(job)).headers["content-disposition"] == 'inline; filename="a.restored.wav"'
    assert place.get(f"{result(job)}?download=1").headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(("asked", "first", "last"), [
    ("bytes=0-1", 0, 1), ("bytes=0-", 0, 10239), ("bytes=-5", 10235, 10239), ("bytes=100-199", 100, 199),
    ("bytes=10239-", 10239, 10239), ("bytes=5-99999999", 5, 10239), ("bytes=-99999999", 0, 10239),
])
def test_one_range_is_honoured(place: Place, job: Job, asked: str, first: int, last: int) -> None:
    answer = place.get(result(job), {"Range": asked})
    assert (answer.status, answer.body) == (206, CONTENT[first:last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/10240"


@pytest.mark.parametrize("asked", [
    "bytes=0-1,3-4", "bytes=" + ",".join(f"{at}-{at}" for at in range(101)), "bytes=5-2", "bytes=-", "bytes=a-b",
    "lines=0-1", "bytes=0-1-2", "bytes=99999999999999999999999-",
])
def test_many_ranges_and_what_is_none_are_the_whole(place: Place, job: Job, asked: str) -> None:
    answer = place.get(result(job), {"Range": asked})
    assert (answer.status, answer.body) == (200, CONTENT)


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_beyond_the_end_is_told_how_long_the_file_is(place: Place, job: Job, asked: str) -> None:
    answer = place.get(result(job), {"Range": asked})
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["content-range"] == "bytes */10240"


def test_a_part_is_only_given_of_the_file_that_the_rest_came_from(place: Place, job: Job) -> None:
    whole = place.get(result(job))
    tag, modified = whole.headers["etag"], whole.headers["last-modified"]
    for still in (tag, modified):
        assert place.get(result(job), {"Range": "bytes=0-1", "If-Range": still}).status == 206
    assert place.get(result(job), {"If-None-Match": tag}).status == 304
    (place.outbox / "a.restored.wav").write_bytes(CONTENT[::-1])
    os.utime(place.outbox / "a.restored.wav", ns=(1, 1))
    for still in (tag, modified, f"W/{tag}", "nonsense"):
        answer = place.get(result(job), {"Range": "bytes=0-1", "If-Range": still})
        assert (answer.status, answer.body) == (200, CONTENT[::-1])


def test_head_tells_all_but_the_content(place: Place, job: Job) -> None:
    answer = place.ask("HEAD", result(job), {"Range": "bytes=0-1"})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == "10240"


@pytest.mark.parametrize("path", [
    "/api/jobs/../../etc/passwd", "/api/jobs/%2e%2e/original", "/api/jobs/x/original", "/api/jobs/{id}/../original",
    "/api/jobs/{id}/outputs/..%2f..%2fetc", "/api/jobs/{id}/outputs/video", "/api/jobs/{id}/outputs/a.restored.wav",
    "/api/jobs/{lower}/original", "/api/jobs/{id}x/original", "/api/jobs/{prefix}/original", "/page/..%2fserver.py",
    "/page/%2e%2e/server.py", "/../pyproject.toml",
])
def test_nothing_is_found_but_by_an_id(place: Place, job: Job, path: str) -> None:
    assert place.get(path.format(id=job.id, lower=job.id.lower(), prefix=job.id[:20])).status == 404


def test_whatever_took_a_files_place_is_not_given_out(place: Place, job: Job, tmp_path: Path) -> None:
    file = place.outbox / "a.restored.wav"
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    file.unlink()
    assert place.get(result(job)).status == 410
    file.symlink_to(secret)
    assert place.get(result(job)).status == 404
    file.unlink()
    os.mkfifo(file)
    assert place.get(result(job)).status == 404
    file.unlink()
    file.mkdir()
    assert place.get(result(job)).status == 404
    file.rmdir()
    file.write_bytes(CONTENT + b"more")
    answer = place.get(result(job))
    assert (answer.status, answer.error) == (
        409, "Another file stands there now: it was changed, or replaced, since.")
    os.utime(place.inbox / "a.wav", (5, 5))
    assert place.get(f"/api/jobs/{job.id}/original").status == 409


def test_a_folder_that_became_a_link_leads_nowhere(place: Place, tmp_path: Path) -> None:
    (place.outbox / "show").mkdir()
    job = delivered(place, "a.wav", "show/a.wav")
    (place.outbox / "show").rename(tmp_path / "elsewhere")
    (place.outbox / "show").symlink_to(tmp_path / "elsewhere")
    assert place.get(result(job)).status == 404


def test_an_original_is_found_in_the_archive_and_told_where_it_is_gone(place: Place) -> None:
    job = delivered(place, "a.wav", "x.wav", original="archived")
    (place.root / "archive/a.wav").write_bytes(b"another of this name")
    (place.inbox / "a.wav").rename(place.root / "archive/a (2).wav")
    assert place.get(f"/api/jobs/{job.id}/original").body == CONTENT
    (place.root / "archive/a.wav").unlink()
    assert place.get(f"/api/jobs/{job.id}/original").body == CONTENT, "also where an earlier one went away"
    (place.root / "archive/a (2).wav").write_bytes(b"another")
    assert place.get(f"/api/jobs/{job.id}/original").status == 409
    deleted = delivered(place, "b.wav", "y.wav", original="deleted")
    answer = place.get(f"/api/jobs/{deleted.id}/original")
    assert (answer.status, answer.error) == (410, "The original was removed after the result was delivered.")


def test_a_share_that_is_not_there_is_not_a_file_that_is_gone(place: Place, job: Job) -> None:
    (place.outbox / marker.NAME).unlink()
    assert place.get(result(job)).status == 503


def test_a_folder_with_another_journals_marker_is_not_the_one(place: Place, job: Job) -> None:
    put_marker(place.inbox, marker.Marker("diffio-watch", "another", "inbox", "podcasts", 1))
    assert place.get(f"/api/jobs/{job.id}/original").status == 503


@pytest.fixture
def unwritable(place: Place) -> Iterator[Job]:
    """A delivered one of an inbox that can't be written, on a share of its own."""
    with read_only("first", place.inbox, {"a.wav": CONTENT}):
        use(place.journal, "podcasts", inbox=place.inbox, outbox=place.outbox)
        (place.outbox / "a.restored.wav").write_bytes(CONTENT)
        memory = place.journal.folders.get("inbox", "podcasts")
        assert memory is not None
        assert not memory.marked
        yield _delivered(place, "a.wav", "a.restored.wav")


def test_originals_of_an_inbox_that_can_not_be_written_are_given_out_as_long_as_it_is_mounted(
    place: Place, unwritable: Job,
) -> None:
    """It has no marker, and is known by its mount."""
    original = f"/api/jobs/{unwritable.id}/original"
    answer = place.get(original)
    assert (answer.status, answer.body) == (200, CONTENT)
    unmount(place.inbox)
    assert place.get(original).status == 503
    with read_only("second", place.inbox, {"a.wav": CONTENT}):
        assert place.get(original).status == 503, "another share is none of ours"


def test_a_file_is_opened_in_the_folder_that_was_looked_at(
    place: Place, unwritable: Job, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A share that goes in between does not make it one that somebody removed."""
    with monkeypatch.context() as patch:
        meanwhile(patch, marker, "inspect", after=lambda: unmount(place.inbox))
        answer = place.get(f"/api/jobs/{unwritable.id}/original")
    assert (answer.status, answer.body) == (200, CONTENT)


def test_where_a_link_leads_counts_only_as_long_as_the_folder_is_the_one(
    place: Place, monkeypatch: pytest.MonkeyPatch,
) -> None:
    place.inbox_keys = "follow_symlinks: true"
    place.restart()
    job = delivered(place, "real.wav", "x.wav")
    (place.inbox / "real.wav").rename(place.inbox / "take.wav")
    (place.inbox / "real.wav").symlink_to("take.wav")
    original = f"/api/jobs/{job.id}/original"
    assert place.get(original).body == CONTENT
    with monkeypatch.context() as patch:
        meanwhile(patch, marker, "inspect", after=lambda: swapped(place.inbox))
        assert place.get(original).status == 503


def test_reading_files_needs_what_reading_needs(place: Place, job: Job) -> None:
    assert place.get(result(job), {"X-Forwarded-For": "1.2.3.4"}).status == 401


@pytest.mark.parametrize("name", [
    "interview.wav", "Ärger, take 2.wav", 'a"b.wav', "a;b=c.wav", "a%41.wav", "100%.wav", "🎙️.wav", "x" * 251 + ".wav",
    "<script>alert(1)<script>.wav", "it's.wav",
])
def test_a_download_has_its_right_name(name: str) -> None:
    header = disposition(name, download=True)
    assert header.isascii()
    assert header.isprintable()
    plain = header.partition('filename="')[2].partition('"')[0]
    extended = header.partition("filename*=UTF-8''")[2]
    assert (unquote(extended, errors="strict") if extended else plain) == name


@pytest.mark.parametrize("name", [
    "a\nb.wav", "a\r\nSet-Cookie: x.wav", "a\\b.wav", "\u202egpj.wav", "a\x00b", "\udcff",
])
def test_a_hostile_name_steers_nothing(name: str) -> None:
    header = disposition(name, download=True)
    assert header.isascii()
    assert header.isprintable()
    assert not set(unquote(header)) & set("\r\n\x00\\\u202e\udcff")


def test_eight_files_at_a_time_and_the_next_is_told_so_until_one_is_idle(place: Place) -> None:
    job = delivered(place, "a.wav", "big.wav")
    large = 64 << 20  # more than any socket's buffers
    with (place.outbox / "big.wav").open("r+b") as file:
        file.truncate(large)
    job = place.add("b.wav", state=State.DELIVERED,
                    outputs=(Output("audio", "published", path="big.wav", size=large),))
    wires = [_begun(place, result(job)) for _ in range(STREAMS)]
    try:
        answer = place.get(result(job))
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert place.ask("HEAD", result(job)).status == 200
        assert place.get("/api/status").status == 200
        wires.pop().close()
        _until(lambda: place.get(result(job), {"Range": "bytes=0-9"}).status == 206)
    finally:
        for wire in wires:
            wire.close()


def _begun(place: Place, path: str) -> socket.socket:
    """A connection on which an answer has begun, and is not read on."""
    wire = place.connect()
    wire.sendall(request("GET", path, {"Host": "localhost"}))
    assert wire.recv(10).startswith(b"HTTP/1.1 2")
    return wire


def _until(holds: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def hung(folder: Path) -> Iterator[None]:
    """A share whose server answers nothing: whoever asks anything of it waits, until the end."""
    try:
        fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        pytest.skip(f"no FUSE here: {error}")
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"hung", os.fsencode(folder), b"fuse", 0, options):
        os.close(fd)
        pytest.skip(f"can't mount here: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        libc.umount2(os.fsencode(folder), 2)  # MNT_DETACH
        os.close(fd)  # whoever waits is told that the server is gone


@pytest.mark.slow
def test_a_hung_share_takes_nothing_along(place: Place, job: Job) -> None:
    with hung(place.outbox):
        wires = [place.connect() for _ in range(12)]
        for wire in wires:
            wire.sendall(request("GET", result(job), {"Host": "localhost"}))
        assert place.get("/api/status").status == 200
        assert place.get(f"/api/jobs/{job.id}/original").body == CONTENT, "another share goes on"
        answers: list[Answer] = []
        for wire in wires:
            answers.append(read_answer(wire))
            wire.close()
        assert {one.status for one in answers} == {503}
        assert "does not answer" in answers[0].error
        retry = {"command": "retry", "args": {"jobs": [job.id]}}
        assert place.post("/api/requests", retry, BEARER).status == 503
    _until(lambda: place.get(result(job)).status == 200)
