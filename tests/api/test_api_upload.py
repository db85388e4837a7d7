from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from api_wild import KEY, TOKEN, Bytes, Reply, Seen, Wild, http, put_to, reset
from ports import free_port

from diffio_watch.api import (
    Ambiguous,
    Api,
    ApiError,
    Observation,
    Rejected,
    Session,
    SessionLost,
    SignedPut,
    Stopped,
    Storage,
    Tries,
    Unavailable,
    Unreachable,
)
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.faults import Kind

MIB = 1 << 20


def session(wild: Wild) -> Session:
    return Session(wild.url, TOKEN, 4, 100, None)


def begun(sandbox: Sandbox, api: Api, storage: Storage, size: int) -> tuple[str, Session, str, int]:
    made = api.create_project(file_name="a.wav", content_type="audio/wav", content_length=size)
    assert made.session
    return made.project_id, made.session, *storage.start(made.session)


def test_each_part_has_a_length_a_token_and_nothing_else(wild: Wild, storage: Storage) -> None:
    wild.replies = [http(200, {"etag": '"e1"'})]
    assert storage.send_part(session(wild), "u/1 &?\u00e9", 3, Bytes(b"abcd")) == '"e1"'
    seen = wild.seen[0]
    assert (seen.method, seen.target) == ("PUT", "/v1/uploads/parts/3?uploadId=u%2F1%20%26%3F%C3%A9")
    assert seen.body == b"abcd"
    assert seen.headers["authorization"] == f"Bearer {TOKEN}"
    assert seen.headers["content-length"] == "4"
    assert seen.headers["content-type"] == "application/octet-stream"
    assert "transfer-encoding" not in seen.headers
    assert "cookie" not in seen.headers


def test_an_empty_file_is_one_empty_part(sandbox: Sandbox, box_api: Api, box_storage: Storage) -> None:
    project_id, to, upload_id, _ = begun(sandbox, box_api, box_storage, 0)
    etag = box_storage.send_part(to, upload_id, 1, Bytes(b""))
    box_storage.complete(to, upload_id, [(1, etag)])
    assert box_api.complete_project_upload(project_id).size_bytes == 0
    assert (sandbox.violations, sandbox.leaks) == ([], [])


def test_the_part_size_of_start_wins(sandbox: Sandbox, box_api: Api, box_storage: Storage) -> None:
    sandbox.change(start_part_bytes=12_345)
    assert begun(sandbox, box_api, box_storage, 5)[3] == 12_345


def test_a_start_that_leaves_the_part_size_to_the_session(wild: Wild, storage: Storage) -> None:
    wild.replies = [http(200, {"uploadId": "u"})]
    assert storage.start(session(wild)) == ("u", 4)


@pytest.mark.parametrize("kind", ["reset", "close", "html", "broken_json", "huge", "redirect", "status"])
@pytest.mark.parametrize("after", [False, True])
def test_a_part_that_fails_is_tried_again_alone(
    kind: Kind, *, after: bool, sandbox: Sandbox, box_api: Api, box_storage: Storage
) -> None:
    data = [b"RIFF" + bytes(MIB - 4), b"\x02" * MIB, b"\x03" * 10]
    project_id, to, upload_id, _ = begun(sandbox, box_api, box_storage, 2 * MIB + 10)
    how = {"status": 503} if kind == "status" else {}
    sandbox.fault("part", kind, where="/parts/2", first=2, after=after, **how)
    bodies = [Bytes(part) for part in data]
    parts = [(number, box_storage.send_part(to, upload_id, number, body)) for number, body in enumerate(bodies, 1)]
    box_storage.complete(to, upload_id, parts)
    assert box_api.complete_project_upload(project_id).size_bytes == 2 * MIB + 10
    assert [body.read for body in bodies] == [1, 3, 1]
    assert (sandbox.violations, sandbox.leaks, sandbox.trapped) == ([], [], [])


@pytest.mark.parametrize("call", ["start", "part", "complete"])
def test_a_token_that_expired_means_a_lost_session(
    call: str, sandbox: Sandbox, box_api: Api, box_storage: Storage
) -> None:
    _, to, upload_id, _ = begun(sandbox, box_api, box_storage, 4)
    sandbox.skip(7 * 3600)
    calls: dict[str, Callable[[], object]] = {
        "start": lambda: box_storage.start(to),
        "part": lambda: box_storage.send_part(to, upload_id, 1, Bytes(b"abcd")),
        "complete": lambda: box_storage.complete(to, upload_id, [(1, '"e"')]),
    }
    with pytest.raises(SessionLost):
        calls[call]()


def test_giving_up_twice_is_fine(sandbox: Sandbox, box_api: Api, box_storage: Storage) -> None:
    _, to, upload_id, _ = begun(sandbox, box_api, box_storage, 4)
    box_storage.abort(to, upload_id)
    box_storage.abort(to, upload_id)
    assert sandbox.calls["abort"] == 2


def test_a_signed_put_repeats_the_content_type_exactly_and_carries_no_key(wild: Wild, storage: Storage) -> None:
    wild.replies = [http(200, b"", "Set-Cookie: a=b; Path=/"), http(201)]
    for method in ("PUT", "POST"):
        storage.put(SignedPut(f"{wild.url}/b/o?sig=%2F+x", "POST" if method == "POST" else "PUT",
                              'audio/x-Wav;codec="1"', None), Bytes(b"x" * 10))
    for seen, method in zip(wild.seen, ("PUT", "POST"), strict=True):
        assert (seen.method, seen.target) == (method, "/b/o?sig=%2F+x")
        assert seen.headers["content-type"] == 'audio/x-Wav;codec="1"'
        assert seen.headers["content-length"] == "10"
        assert not seen.headers.keys() & {"authorization", "x-api-key", "xi-api-key", "cookie", "transfer-encoding"}


def test_a_signed_put_through_the_sandbox(sandbox: Sandbox, box_api: Api, box_storage: Storage) -> None:
    sandbox.change(upload="put")
    made = box_api.create_project(file_name="a.wav", content_type="audio/wav", content_length=3 * MIB)
    assert made.put
    sandbox.fault("put", "reset", at=MIB, first=1)
    box_storage.put(made.put, Bytes(b"x" * 3 * MIB))
    assert (sandbox.violations, sandbox.leaks) == ([], [])
    sandbox.skip(7 * 3600)
    with pytest.raises(SessionLost):
        box_storage.put(made.put, Bytes(b"x" * 3 * MIB))


@pytest.mark.parametrize("body", [b"", b" \r\n", b"OK", b"<?xml version='1.0'?><PostResponse/>", b'{"kind": "object"}'])
@pytest.mark.parametrize("kind", ["text/html; charset=UTF-8", "text/plain", "application/xml"])
def test_whatever_type_a_storages_yes_is_of_it_is_one(body: bytes, kind: str, wild: Wild, storage: Storage) -> None:
    """Google's storage answers a PUT 200, `Content-Type: text/html; charset=UTF-8`, with an empty body."""
    wild.replies = [http(200, body, f"Content-Type: {kind}")]
    storage.put(put_to(wild.url), Bytes(b"x" * 10))
    assert len(wild.seen) == 1


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>", b"\xef\xbb\xbf\r\n<HTML>", b" <html lang=en>"])
@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream"])
def test_a_page_is_no_storage_whatever_its_type(page: bytes, kind: str, wild: Wild, storage: Storage) -> None:
    wild.replies = [http(200, page, f"Content-Type: {kind}")]
    with pytest.raises(Ambiguous, match="web page"):
        storage.put(put_to(wild.url), Bytes(b"x" * 10))


def early(status: int, how: Callable[[socket.socket, Seen], None]) -> Reply:
    def reply(conn: socket.socket, seen: Seen) -> None:
        conn.sendall(http(status, b"<Error><Code>Expired</Code></Error>"))
        time.sleep(0.05)
        how(conn, seen)

    return reply


@pytest.mark.parametrize("how", [lambda conn, _: conn.close(), reset])
@pytest.mark.parametrize(("status", "error"), [(403, SessionLost), (413, Rejected), (503, Unavailable)])
def test_an_answer_that_comes_before_all_was_sent_is_heard(
    how: Callable[[socket.socket, Seen], None], status: int, error: type[ApiError], wild: Wild, storage: Storage
) -> None:
    wild.greedy = False
    wild.replies = [early(status, how)]
    with pytest.raises(error) as caught:
        storage.put(put_to(wild.url), Bytes(b"x" * 32 * MIB))
    assert caught.value.code == "Expired"


@pytest.mark.parametrize("how", [lambda conn, _: conn.close(), reset])
def test_a_yes_before_all_was_sent_is_none(
    how: Callable[[socket.socket, Seen], None], wild: Wild, storage: Storage
) -> None:
    def reply(conn: socket.socket, seen: Seen) -> None:
        conn.sendall(http(200, {"etag": '"e"'}))
        time.sleep(0.05)
        how(conn, seen)

    wild.greedy = False
    wild.replies = [reply]
    with pytest.raises(Ambiguous, match="before all of it was sent"):
        storage.put(put_to(wild.url), Bytes(b"x" * 32 * MIB))
    with pytest.raises(Ambiguous, match="before all of it was sent"):
        storage.send_part(session(wild), "u", 1, Bytes(b"x" * 32 * MIB))


def test_a_host_that_takes_nothing_more_is_given_up_after_the_silence(wild: Wild, stop: threading.Event) -> None:
    wild.greedy = False

    def sit(conn: socket.socket, _: Seen) -> None:
        stop.wait(5)

    wild.replies = [sit]
    storage = Storage(wild.url, connect_timeout=1, read_timeout=0.2, stop=stop, tries=Tries(attempts=1))
    started = time.monotonic()
    with pytest.raises(Ambiguous, match="no sign of life"):
        storage.put(put_to(wild.url), Bytes(b"x" * 32 * MIB))
    assert time.monotonic() - started < 3
    storage.close()


def test_a_slow_upload_that_moves_is_not_given_up(sandbox: Sandbox, stop: threading.Event) -> None:
    sandbox.change(upload="put")
    sandbox.fault("put", "throttle", rate=32 * MIB)
    api = Api(sandbox.base_url, lambda: KEY, connect_timeout=1, read_timeout=1, stop=stop)
    storage = Storage(sandbox.base_url, connect_timeout=1, read_timeout=1, stop=stop, tries=Tries(attempts=1))
    made = api.create_project(file_name="a.wav", content_type="audio/wav", content_length=48 * MIB)
    assert made.put
    storage.put(made.put, Bytes(b"x" * 48 * MIB))
    api.close()
    storage.close()


class Moved(Exception):
    """What a caller's own body raises."""


class Changing:
    size = 8 * MIB

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.closed = False

    def chunks(self) -> Iterator[bytes]:
        try:
            yield b"x" * MIB
            raise self.error
        finally:
            self.closed = True


@pytest.mark.parametrize(
    "error", [Moved("replaced"), OSError(5, "Input/output error"), ValueError("odd"), Stopped("now")]
)
def test_what_a_body_raises_comes_out_unchanged_and_says_nothing_about_the_host(
    error: Exception, wild: Wild, storage: Storage, observed: list[Observation]
) -> None:
    error.__cause__ = KeyError("its own cause")
    wild.replies = [http(200)]
    body = Changing(error)
    with pytest.raises(type(error)) as caught:
        storage.put(put_to(wild.url), body)
    assert caught.value is error
    assert isinstance(error.__cause__, KeyError)
    assert body.closed
    assert observed == []
    assert wild.seen == []  # the request never became whole


@pytest.mark.parametrize("gives", [b"x" * 9, b"x" * 11, b""])
def test_a_body_of_another_size_than_promised_is_no_upload(gives: bytes, wild: Wild, storage: Storage) -> None:
    wild.replies = [http(200)]
    with pytest.raises(ValueError, match="promised 10"):
        storage.put(put_to(wild.url), Bytes(b"x" * 10, gives))
    assert wild.seen == []


def test_a_stop_ends_an_upload_between_two_chunks(wild: Wild, storage: Storage, stop: threading.Event) -> None:
    wild.replies = [http(200)]

    class Endless:
        size = 1 << 40

        def chunks(self) -> Iterator[bytes]:
            while True:
                stop.set()
                yield b"x" * MIB

    with pytest.raises(Stopped):
        storage.put(put_to(wild.url), Endless())


def test_a_body_that_no_one_wants_is_closed(wild: Wild, storage: Storage) -> None:
    wild.greedy = False
    wild.replies = [reset]
    opened: list[str] = []

    class Tracked:
        size = 64 * MIB

        def chunks(self) -> Iterator[bytes]:
            opened.append("open")
            try:
                for _ in range(64):
                    yield b"x" * MIB
            finally:
                opened.append("closed")

    with pytest.raises(Ambiguous):
        storage.put(put_to(wild.url), Tracked())
    assert opened == ["open", "closed"] * 3


def test_a_host_that_is_not_there_is_unreachable(stop: threading.Event, observed: list[Observation]) -> None:
    port = free_port()
    storage = Storage("http://127.0.0.1/v1", connect_timeout=1, read_timeout=1, stop=stop, observe=observed.append,
                      tries=Tries(attempts=2, first=0.001))
    with pytest.raises(Unreachable, match=r": no connection: Connection refused$"):
        storage.put(put_to(f"http://127.0.0.1:{port}/x"), Bytes(b"x"))
    assert [(one.origin, one.role, one.ok) for one in observed] == [(f"http://127.0.0.1:{port}", "upload", False)] * 2
    storage.close()


def test_memory_stays_flat_however_large_the_file(sandbox: Sandbox, wild: Wild, storage: Storage) -> None:
    """The body is asked for one chunk at a time: never is a second one out before the first was sent."""
    wild.greedy = False

    def drain(conn: socket.socket, seen: Seen) -> None:
        left = int(seen.headers["content-length"]) - len(seen.body)
        with contextlib.suppress(OSError):
            while left > 0:
                left -= len(conn.recv(MIB))
        conn.sendall(http(200))

    wild.replies = [drain]
    alive: list[bytearray] = []
    most = 0

    class Large:
        size = 64 * MIB

        def chunks(self) -> Iterator[bytes]:
            nonlocal most
            chunk = b"x" * MIB
            for sent in range(64):
                most = max(most, sent - len(alive))
                alive.append(bytearray(1))
                yield chunk

    storage.put(put_to(wild.url), Large())
    assert len(alive) == 64
    assert most == 0
