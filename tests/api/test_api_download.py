"""A download is whole and the right one, or it is none: every fault of the storage, in turn."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from email.utils import formatdate

import pytest
from api_wild import FAST, KEY, Bytes, Memory, Reply, Seen, Wild, audio, http, put_to, reset

from diffio_watch.api import (
    CHUNK,
    Ambiguous,
    Api,
    ApiError,
    BadDownload,
    DownloadLink,
    LinkExpired,
    Observation,
    RateLimited,
    Received,
    Stopped,
    Storage,
    Unavailable,
)
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.faults import Kind

MIB = 1 << 20
DATA = b"ID3" + b"".join(hashlib.sha256(bytes([number % 251])).digest() for number in range(100_000))
TAG = '"v1"'


def whole(data: bytes = DATA, *headers: str, tag: str = TAG) -> bytes:
    return http(200, data, f"ETag: {tag}", "Content-Type: audio/mpeg", *headers)


def cut(answer: bytes, keep: int) -> Reply:
    """The head of an answer and the first bytes of its body, then nothing."""
    end = answer.index(b"\r\n\r\n") + 4 + keep

    def reply(conn: socket.socket, _: Seen) -> None:
        conn.sendall(answer[:end])
        conn.close()

    return reply


def rest(start: int, data: bytes = DATA, *headers: str, tag: str = TAG) -> bytes:
    span = f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}"
    return http(206, data[start:], f"ETag: {tag}", span, *headers)


def ready(sandbox: Sandbox, api: Api, storage: Storage, data: bytes = DATA) -> tuple[str, str]:
    """A finished generation: project and generation."""
    sandbox.change(upload="put")
    made = api.create_project(file_name="a.mp3", content_type="audio/mpeg", content_length=len(data))
    assert made.put
    storage.put(made.put, Bytes(data))
    body = json.dumps({"apiProjectId": made.project_id, "idempotencyKey": "k"})
    return made.project_id, api.generate("diffio-4.6-flash", body).generation_id


@pytest.fixture
def link(sandbox: Sandbox, box_api: Api, box_storage: Storage) -> DownloadLink:
    project_id, generation_id = ready(sandbox, box_api, box_storage)
    return box_api.download_link(generation_id, project_id)


def test_a_file_comes_whole_in_large_pieces(sandbox: Sandbox, box_storage: Storage, link: DownloadLink) -> None:
    sink = Memory()
    assert box_storage.download(link, sink) == Received(len(DATA), "audio/mpeg")
    assert sink.data == DATA
    assert max(sink.writes) < 2 * CHUNK
    assert len(sink.writes) <= len(DATA) // CHUNK + 1
    assert sink.validator
    assert (sandbox.violations, sandbox.leaks) == ([], [])


def test_nothing_but_the_url_is_sent(wild: Wild, storage: Storage) -> None:
    wild.replies = [whole(DATA, "Set-Cookie: a=b")]
    for _ in range(2):
        storage.download(audio(f"{wild.url}/b/./%6f?sig=a%2Fb+c"), Memory())
    for seen in wild.seen:
        assert (seen.method, seen.target) == ("GET", "/b/./%6f?sig=a%2Fb+c")
        assert seen.headers.keys() == {"host", "user-agent", "accept-encoding", "accept"}
        assert seen.headers["accept-encoding"] == "identity"


FAULTS: list[tuple[Kind, dict[str, object]]] = [
    ("status", {"status": 500}), ("status", {"status": 503, "headers": {"Retry-After": "0"}}), ("html", {}),
    ("html", {"status": 502}), ("reset", {}), ("close", {}), ("redirect", {}), ("broken_json", {}),
    ("truncate", {"at": 0}), ("truncate", {"at": 1}), ("truncate", {"at": MIB + 5}),
    ("truncate", {"at": len(DATA) - 1}), ("truncate", {"at": 0, "honest": True}), ("swap", {}), ("wrong_range", {}),
]


@pytest.mark.parametrize(("kind", "how"), FAULTS)
def test_a_fault_that_passes_leaves_no_trace_in_the_file(
    kind: Kind, how: dict[str, object], sandbox: Sandbox, box_storage: Storage, link: DownloadLink
) -> None:
    sandbox.fault("download", kind, first=2, **how)
    sink = Memory()
    box_storage.download(link, sink)
    if kind != "swap":  # then it is another object, as a whole
        assert sink.data == DATA
    assert sink.size == len(DATA)
    assert not sandbox.trapped


@pytest.mark.parametrize(("kind", "error"), [
    ("html", BadDownload), ("broken_json", BadDownload), ("redirect", Ambiguous), ("reset", Ambiguous),
])
def test_a_fault_that_stays_delivers_nothing(
    kind: Kind, error: type[ApiError], sandbox: Sandbox, box_storage: Storage, link: DownloadLink
) -> None:
    sandbox.fault("download", kind)
    sink = Memory()
    with pytest.raises(error):
        box_storage.download(link, sink)
    assert sink.size == 0


def test_a_broken_connection_is_gone_on_from_by_a_range(wild: Wild, storage: Storage) -> None:
    wild.replies = [cut(whole(), MIB + 100), cut(rest(MIB + 100), MIB), rest(2 * MIB + 100)]
    sink = Memory()
    assert storage.download(audio(wild.url), sink).size == len(DATA)
    assert sink.data == DATA
    assert sink.restarts == 0
    assert [one.headers.get("range") for one in wild.seen] == [None, f"bytes={MIB + 100}-", f"bytes={2 * MIB + 100}-"]
    assert [one.headers.get("if-range") for one in wild.seen] == [None, TAG, TAG]


def test_tries_that_bring_the_file_forward_are_not_counted(wild: Wild, storage: Storage) -> None:
    step = len(DATA) // 10
    wild.replies = [cut(whole(), step), *(cut(rest(step * number), step) for number in range(1, 10)),
                    rest(step * 10)]
    sink = Memory()
    storage.download(audio(wild.url), sink)
    assert sink.data == DATA
    assert len(wild.seen) > 3 * FAST.attempts


def test_tries_that_bring_nothing_end(wild: Wild, storage: Storage) -> None:
    wild.replies = [cut(whole(), 1000), cut(rest(1000), 0)]
    sink = Memory()
    with pytest.raises(Ambiguous):
        storage.download(audio(wild.url), sink)
    assert sink.data == DATA[:1000]  # kept for the next call
    assert len(wild.seen) <= 2 * FAST.attempts + 1


def test_a_later_run_goes_on_from_what_an_earlier_one_left(
    sandbox: Sandbox, box_api: Api, box_storage: Storage
) -> None:
    project_id, generation_id = ready(sandbox, box_api, box_storage)
    sandbox.fault("download", "truncate", at=MIB + 7, nth=1)
    sandbox.fault("download", "status", status=503, headers={"Retry-After": "60"}, nth=2)
    first = Memory()
    with pytest.raises(Unavailable):
        box_storage.download(box_api.download_link(generation_id, project_id), first)
    assert first.size > MIB
    later = Memory(bytes(first.data), first.validator)
    box_storage.download(box_api.download_link(generation_id, project_id), later)
    assert later.data == DATA
    assert later.restarts == 0
    assert sum(later.writes) == SIZE - first.size


@pytest.mark.parametrize("validator", [None, "", 'W/"v1"', '"v1', "v1", '"v1"\r\nX: y', "x" * 500])
def test_what_no_validator_proves_is_thrown_away(validator: str | None, wild: Wild, storage: Storage) -> None:
    wild.replies = [whole()]
    sink = Memory(DATA[:1000], validator)
    storage.download(audio(wild.url), sink)
    assert sink.data == DATA
    assert sink.restarts == 1
    assert "range" not in wild.seen[0].headers


def test_an_object_that_changed_is_fetched_anew_from_the_same_answer(wild: Wild, storage: Storage) -> None:
    other = b"ID3" + bytes(5000)
    wild.replies = [cut(whole(), 1000), whole(other, tag='"v2"')]
    sink = Memory()
    assert storage.download(audio(wild.url), sink).size == len(other)
    assert sink.data == other
    assert sink.validator == '"v2"'
    assert len(wild.seen) == 2


def span(text: str, data: bytes, *headers: str) -> bytes:
    return http(206, data, f"Content-Range: {text}", *headers)


SIZE = len(DATA)
WRONG: list[bytes] = [
    rest(1000, tag='"v2"'),  # another object
    rest(1000, DATA + b"x"),  # another length than was told before
    rest(999),  # from another byte
    rest(1001),
    span(f"bytes 1000-{SIZE - 1}/*", DATA[1000:]),  # the whole is not told
    span("bytes 1000-/3200003", DATA[1000:]),
    span(f"bytes {SIZE - 1}-1000/{SIZE}", DATA[1000:]),
    span(f"bytes 1000-{SIZE}/{SIZE}", DATA[1000:] + b"x"),
    span(f"bytes 1000-{SIZE - 1}/{SIZE}", DATA[1000:-1]),  # its length is not the range's
    span("", DATA[1000:]),
    span("pages 1-2/3", DATA[1000:]),
    http(206, DATA[1000:]),  # no range at all
    http(206, DATA[1000:], "Content-Type: multipart/byteranges; boundary=x"),
    http(416, b"", f"Content-Range: bytes */{SIZE}"),
    http(416, b"<Error/>", "Content-Type: application/xml"),
]


@pytest.mark.parametrize("answer", WRONG)
def test_a_range_that_is_not_provably_the_rest_starts_the_file_over(
    answer: bytes, wild: Wild, storage: Storage
) -> None:
    wild.replies = [cut(whole(), 1000), answer, whole()]
    sink = Memory()
    storage.download(audio(wild.url), sink)
    assert sink.data == DATA
    assert sink.restarts == 1


def test_a_chunked_range_that_gives_too_much_starts_the_file_over(wild: Wild, storage: Storage) -> None:
    data = DATA[1000:] + b"more"
    head = (f"HTTP/1.1 206 X\r\nTransfer-Encoding: chunked\r\nETag: {TAG}\r\n"
            f"Content-Range: bytes 1000-{SIZE - 1}/{SIZE}\r\n\r\n{len(data):x}\r\n")
    chunked = head.encode() + data + b"\r\n0\r\n\r\n"
    wild.replies = [cut(whole(), 1000), chunked, whole()]
    sink = Memory()
    storage.download(audio(wild.url), sink)
    assert sink.data == DATA


def test_a_range_answered_in_pieces_is_put_together(wild: Wild, storage: Storage) -> None:
    middle = span(f"bytes 1000-1999/{SIZE}", DATA[1000:2000], f"ETag: {TAG}")
    wild.replies = [cut(whole(), 1000), middle, rest(2000)]
    sink = Memory()
    storage.download(audio(wild.url), sink)
    assert sink.data == DATA


def test_an_object_that_never_stays_the_same_is_given_up(wild: Wild, storage: Storage) -> None:
    wild.replies = [cut(whole(tag=f'"v{number}"'), 5000 + number) for number in range(100)]
    with pytest.raises((BadDownload, Ambiguous)):
        storage.download(audio(wild.url), Memory())
    assert len(wild.seen) < 30


def test_a_range_that_was_not_asked_for_is_no_file(wild: Wild, storage: Storage) -> None:
    wild.replies = [rest(0)]
    with pytest.raises(BadDownload):
        storage.download(audio(wild.url), Memory())


@pytest.mark.parametrize("answer", [
    http(200, b"", "Content-Type: audio/mpeg"), http(204), http(205), http(202, DATA), http(226, DATA),
])
def test_an_empty_or_odd_answer_is_no_file(answer: bytes, wild: Wild, storage: Storage) -> None:
    wild.replies = [answer]
    sink = Memory()
    with pytest.raises(BadDownload):
        storage.download(audio(wild.url), sink)
    assert sink.size == 0


def test_a_chunked_file_tells_its_end(wild: Wild, storage: Storage) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    body = f"{len(DATA):x}\r\n".encode() + DATA + b"\r\n"
    wild.replies = [head + body[: 1 << 20], head + body, head + body + b"0\r\n\r\n"]
    sink = Memory()
    assert storage.download(audio(wild.url), sink).size == len(DATA)
    assert sink.data == DATA
    assert len(wild.seen) == 3


LONGER = whole()[:-SIZE].replace(str(SIZE).encode(), str(SIZE + 1).encode()) + DATA
BROKEN: list[Reply] = [
    b"", b"\x00" * 100, b"HTTP/1.1 abc\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n", b"<html>", reset, LONGER,
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
]


@pytest.mark.parametrize("reply", BROKEN, ids=range(len(BROKEN)))
def test_broken_http_is_no_file(reply: Reply, wild: Wild, storage: Storage) -> None:
    def bare(conn: socket.socket, seen: Seen) -> None:
        if callable(reply):
            reply(conn, seen)
        else:
            conn.sendall(reply)
            conn.close()

    wild.replies = [bare]
    with pytest.raises((Ambiguous, BadDownload)):
        storage.download(audio(wild.url), Memory())


@pytest.mark.parametrize("start", [
    b"<!DOCTYPE html><html>", b"<html>", b"\xef\xbb\xbf<?xml version='1.0'?>",
    b"  \r\n<Error><Code>", b'{"error": "x"}',
    b"[]", b"{ }", b'[{"a": 1}]', b'\xef\xbb\xbf{\n  "error"',
])
def test_a_page_or_document_in_place_of_media_is_refused_by_its_start(
    start: bytes, wild: Wild, storage: Storage
) -> None:
    wild.replies = [http(200, start + bytes(2000), "Content-Type: audio/mpeg")]
    sink = Memory()
    with pytest.raises(BadDownload):
        storage.download(audio(wild.url), sink)
    assert sink.size == 0


@pytest.mark.parametrize("kind", [
    "audio/mpeg", "audio/x-wav", "video/mp4", "application/octet-stream", "binary/octet-stream", "text/plain", "",
    "nonsense",
])
def test_a_merely_different_or_generic_type_is_fine(kind: str, wild: Wild, storage: Storage) -> None:
    wild.replies = [http(200, DATA, f"Content-Type: {kind}")]
    told = storage.download(audio(wild.url), Memory()).mime_type
    assert told == (kind if "/" in kind else None)


@pytest.mark.parametrize(("body", "fine"), [
    (b'{"words": []}', True), (b"  [1]", True), (b"\xef\xbb\xbf{}", True), (b"<html>", False), (b"ID3", False),
])
def test_a_transcript_is_json(body: bytes, *, fine: bool, wild: Wild, storage: Storage) -> None:
    wild.replies = [http(200, body, "Content-Type: application/json")]
    link = DownloadLink(wild.url, "transcript", None, None)
    if fine:
        storage.download(link, Memory())
    else:
        with pytest.raises(BadDownload):
            storage.download(link, Memory())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_an_expired_link_is_told_at_once_and_what_came_is_kept(status: int, wild: Wild, storage: Storage) -> None:
    wild.replies = [cut(whole(), 1000), http(status, b"<Error><Code>ExpiredToken</Code></Error>"), rest(1000)]
    sink = Memory()
    with pytest.raises(LinkExpired) as caught:
        storage.download(audio(f"{wild.url}/x?canary=1"), sink)
    assert (caught.value.status, caught.value.code) == (status, "ExpiredToken")
    assert "canary" not in str(caught.value)
    storage.download(audio(wild.url), sink)  # with the new link
    assert sink.data == DATA


def test_a_link_that_expired_at_the_sandbox(sandbox: Sandbox, box_storage: Storage, link: DownloadLink) -> None:
    sandbox.skip(7 * 3600)
    with pytest.raises(LinkExpired):
        box_storage.download(link, Memory())


def test_a_long_retry_after_is_raised_at_once(wild: Wild, storage: Storage) -> None:
    wild.replies = [cut(whole(), 1000), http(503, b"", "Retry-After: 90"), whole()]
    sink = Memory()
    with pytest.raises(Unavailable) as caught:
        storage.download(audio(wild.url), sink)
    assert caught.value.retry_after == 90
    assert len(wild.seen) == 2
    wild.replies[2:] = [http(429, b"", "Retry-After: 90")]
    with pytest.raises(RateLimited):
        storage.download(audio(wild.url), sink)


def dated(age: float) -> tuple[str, str, str]:
    now = time.time()
    return (f"Last-Modified: {formatdate(now - age, usegmt=True)}", f"Date: {formatdate(now, usegmt=True)}",
            "Content-Type: audio/mpeg")


@pytest.mark.parametrize(("age", "trusted"), [(60, True), (1, True), (0, False), (-60, False)])
def test_a_date_proves_a_version_once_it_is_a_second_old(
    age: float, *, trusted: bool, wild: Wild, storage: Storage
) -> None:
    headers = dated(age)
    span = f"Content-Range: bytes 1000-{SIZE - 1}/{SIZE}"
    wild.replies = [cut(http(200, DATA, *headers), 1000)]
    wild.replies.append(http(206, DATA[1000:], span, *headers) if trusted else http(200, DATA, *headers))
    sink = Memory()
    storage.download(audio(wild.url), sink)
    assert sink.data == DATA
    assert sink.restarts == (0 if trusted else 1)
    assert ("if-range" in wild.seen[1].headers) is trusted


class Full(Exception):
    """What a caller's own sink raises."""


@pytest.mark.parametrize("error", [Full("no"), OSError(28, "No space left on device"), ValueError("odd")])
def test_what_a_sink_raises_comes_out_unchanged_and_says_nothing_about_the_host(
    error: Exception, wild: Wild, storage: Storage, observed: list[Observation]
) -> None:
    class Broken(Memory):
        def write(self, data: bytes | memoryview, /) -> None:
            raise error

    wild.replies = [whole()]
    with pytest.raises(type(error)) as caught:
        storage.download(audio(wild.url), Broken())
    assert caught.value is error
    assert observed == []
    assert len(wild.seen) == 1


def test_a_stop_ends_a_download_between_two_chunks_and_keeps_what_came(
    wild: Wild, storage: Storage, stop: threading.Event
) -> None:
    def slowly(conn: socket.socket, _: Seen) -> None:
        answer = whole()
        conn.sendall(answer[:200_000])
        time.sleep(0.1)
        stop.set()
        conn.sendall(answer[200_000:])

    wild.replies = [slowly]
    sink = Memory()
    with pytest.raises(Stopped):
        storage.download(audio(wild.url), sink)
    assert 0 < sink.size < SIZE


def test_a_slow_download_that_moves_is_not_given_up(sandbox: Sandbox, link: DownloadLink) -> None:
    storage = Storage(sandbox.base_url, connect_timeout=1, read_timeout=0.3, stop=threading.Event(), tries=FAST)
    sandbox.fault("download", "throttle", rate=4 * MIB)
    sink = Memory()
    started = time.monotonic()
    storage.download(link, sink)
    assert sink.data == DATA
    assert time.monotonic() - started > 0.3
    assert sandbox.calls["download"] == 1
    storage.close()


def test_a_stalled_download_is_given_up_and_gone_on_from(sandbox: Sandbox, link: DownloadLink) -> None:
    storage = Storage(sandbox.base_url, connect_timeout=1, read_timeout=0.3, stop=threading.Event(), tries=FAST)
    sandbox.fault("download", "stall", at=MIB, nth=1)
    sink = Memory()
    storage.download(link, sink)
    assert sink.data == DATA
    assert sink.restarts == 0
    assert sandbox.calls["download"] == 2
    storage.close()


def test_the_key_is_nowhere_near_the_storage_client(wild: Wild, storage: Storage) -> None:
    wild.replies = [whole(), http(200)]
    storage.download(audio(wild.url), Memory())
    storage.put(put_to(wild.url), Bytes(b"x"))
    assert len(wild.seen) == 2
    assert KEY not in str(wild.seen)
